// The one way into the register: a queue in front of one writer thread.
//
// Order of effects, for every group of writes: stage → commit (fsync) → publish to the index → acknowledge →
// watchers. Invariant: acknowledged ≤ published ≤ committed.
//
// Whatever queued while one group was being committed is the next group, refusals first; nothing waits on
// purpose. Between two groups the thread gives register reads a bounded slice, and flushes derived rows when
// it is idle.

import CPlatform
import ConsentDomain
import Dispatch
import Foundation
import Synchronization
import WireProtocol

/// A write that waits for its group. An object, so that queues and groups pass on one reference and not all
/// that a write holds; what decides its way is worked out once, on the event loop.
final class WriteJob: Sendable {
    let call: CallContext
    let operation: WriteOperation
    let isRefusal: Bool
    let isErasure: Bool
    let standsAlone: Bool
    /// Events that it appends at most.
    let eventCount: Int

    init(call: CallContext, operation: WriteOperation) {
        self.call = call
        self.operation = operation
        isRefusal = operation.isRefusal
        isErasure = operation.isErasure
        standsAlone = operation.standsAlone
        eventCount = operation.eventCount
    }
}

/// What a write does.
enum WriteOperation: Sendable {
    case write(WriteCommand)
    case importRows([ImportRowCommand], dryRun: Bool)
    case putController(Controller)
    case putPurpose(Purpose)
    case putNotice(Notice)
    case invalidateNotice(NoticeID, reason: String, effective: Timestamp)
    case retireLapsed(RetireLapsed)

    /// Whether it takes something away from senders: such writes go first, and are never shed or expired.
    fileprivate var isRefusal: Bool {
        switch self {
        case .write(let command): command.kind.isRefusal
        case .invalidateNotice: true
        default: false
        }
    }

    /// Whether its answer waits until personal parts are destroyed.
    fileprivate var isErasure: Bool {
        switch self {
        case .write(let command): command.kind == .erase
        case .retireLapsed(let step): !step.isDryRun
        default: false
        }
    }

    /// Events that it appends at most.
    fileprivate var eventCount: Int {
        switch self {
        case .write(let command): max(1, command.contacts.count)
        case .importRows(let rows, _): rows.count
        case .retireLapsed: RetireLapsed.contactsMax
        default: 1
        }
    }

    /// Whether it makes a commit of its own: a change to the catalogue, which the jobs after it see, and a
    /// search of what has lapsed, which flushes first.
    fileprivate var standsAlone: Bool {
        switch self {
        case .write, .importRows: false
        default: true
        }
    }
}

/// Work on the register that appends nothing, done in short steps between commits.
protocol RegisterTask: AnyObject, Sendable {
    /// Does a part of the work; returns whether there is more to do now.
    /// - Parameter deadline: monotonic nanoseconds after which to return.
    func step(_ writer: RegisterWriter, until deadline: UInt64) -> Bool
}

/// Whether the pipeline took a job.
enum Admission {
    case queued
    case full
    case stopped
}

/// The queue; its other end is the writer thread.
final class CommitPipeline: Sendable {
    private struct Queue {
        var refusals: [WriteJob] = []
        var writes: [WriteJob] = []
        /// Events of `writes`.
        var eventCount = 0
        var tasks: [any RegisterTask] = []
        var isSleeping = false
        /// Something else than the queue has work for the thread.
        var isWoken = false
        var isStopping = false
    }

    private let limits: ServerConfiguration.Limits
    private let queue = Mutex(Queue())
    private let wakeUp = DispatchSemaphore(value: 0)
    private let stopped = DispatchSemaphore(value: 0)

    init(limits: ServerConfiguration.Limits) {
        self.limits = limits
    }

    // MARK: Any thread

    /// Queues a write. Refusals are taken even when the queue is full.
    func enqueue(_ job: WriteJob) -> Admission {
        admit { queue in
            if job.isRefusal {
                queue.refusals.append(job)
                return .queued
            }
            // Events are counted too: one import may hold thousands.
            guard queue.writes.count < limits.queuedWritesMax, queue.eventCount < limits.queuedEventsMax
            else { return .full }
            queue.eventCount += job.eventCount
            queue.writes.append(job)
            return .queued
        }
    }

    /// Whether a write waits, so that a read that is under way should let it go first.
    var hasWaitingWrites: Bool { queue.withLock { !$0.refusals.isEmpty || !$0.writes.isEmpty } }

    /// Queues a read.
    func enqueue(_ task: any RegisterTask) -> Admission {
        admit { queue in
            guard queue.tasks.count < limits.queuedReadsMax else { return .full }
            queue.tasks.append(task)
            return .queued
        }
    }

    /// Queues a stream that goes on. It was admitted when it began, so the limit does not apply.
    func enqueue(again task: any RegisterTask) -> Admission {
        admit { queue in
            queue.tasks.append(task)
            return .queued
        }
    }

    /// Lets the thread finish what is queued, flush, and end; returns when it has.
    func stop() {
        let wasSleeping = queue.withLock { queue in
            queue.isStopping = true
            defer { queue.isSleeping = false }
            return queue.isSleeping
        }
        if wasSleeping { wakeUp.signal() }
        stopped.wait()
    }

    /// Makes the thread go around once.
    func wake() {
        let wasSleeping = queue.withLock { queue in
            queue.isWoken = true
            defer { queue.isSleeping = false }
            return queue.isSleeping
        }
        if wasSleeping { wakeUp.signal() }
    }

    private func admit(_ body: (inout Queue) -> Admission) -> Admission {
        let (admission, wasSleeping) = queue.withLock { queue -> (Admission, Bool) in
            guard !queue.isStopping else { return (.stopped, false) }
            let admission = body(&queue)
            guard admission == .queued, queue.isSleeping else { return (admission, false) }
            queue.isSleeping = false
            return (admission, true)
        }
        if wasSleeping { wakeUp.signal() }
        return admission
    }

    // MARK: Writer thread

    /// Starts the thread, which owns `writer` from then on.
    func start(_ writer: sending RegisterWriter) {
        let box = ThreadBox(writer)
        let thread = Thread { [self] in
            // The writer has to be gone, and the state folder unlocked, when `stop` returns.
            do {
                guard let writer = box.take() else { return }
                run(writer)
            }
            stopped.signal()
        }
        thread.name = "register-writer"
        thread.stackSize = 4 << 20
        thread.start()
    }

    private func run(_ writer: RegisterWriter) {
        var tasks: [any RegisterTask] = []
        writer.begin()
        while true {
            let work = nextWork(
                hasTasks: !tasks.isEmpty || writer.wantsToRun, refusalsOnly: writer.owesRows)
            tasks.append(contentsOf: work.tasks)
            if !work.writes.isEmpty { writer.commit(work.writes) }
            runTasks(&tasks, writer)
            let isIdle = work.writes.isEmpty && tasks.isEmpty
            if isIdle || writer.isFlushUrgent { writer.flushStep(isIdle: isIdle) }
            writer.snapshotStep(isIdle: isIdle)
            writer.checkpointIfDue()
            writer.finishErasuresIfDue()
            writer.heartbeat()
            writer.keepHeadIfDue()
            writer.noteTime()
            if work.isStopping && work.writes.isEmpty && tasks.isEmpty { break }
        }
        writer.close()
    }

    /// Takes what is queued, refusals first; sleeps when there is nothing.
    /// - Parameter refusalsOnly: leave other writes in the queue, unless the server stops.
    private func nextWork(
        hasTasks: Bool, refusalsOnly: Bool
    ) -> (writes: [WriteJob], tasks: [any RegisterTask], isStopping: Bool) {
        var hasSlept = false
        while true {
            let work = queue.withLock {
                queue -> (writes: [WriteJob], tasks: [any RegisterTask], isStopping: Bool)? in
                let isEmpty = queue.refusals.isEmpty && queue.writes.isEmpty && queue.tasks.isEmpty
                if isEmpty && !hasTasks && !queue.isStopping && !queue.isWoken && !hasSlept {
                    queue.isSleeping = true
                    return nil
                }
                queue.isSleeping = false
                queue.isWoken = false
                var writes: [WriteJob] = []
                swap(&writes, &queue.refusals)
                if !refusalsOnly || queue.isStopping {
                    queue.eventCount -= Self.take(limits.commitEventsMax, from: &queue.writes, into: &writes)
                }
                var tasks: [any RegisterTask] = []
                swap(&tasks, &queue.tasks)
                return (writes, tasks, queue.isStopping)
            }
            if let work { return work }
            _ = wakeUp.wait(timeout: .now() + .milliseconds(limits.flushIdleMilliseconds))
            hasSlept = true
        }
    }

    /// Moves jobs of at most `eventsMax` events, and at least one job.
    /// - Returns: how many events they are.
    private static func take(
        _ eventsMax: Int, from source: inout [WriteJob], into target: inout [WriteJob]
    ) -> Int {
        guard !source.isEmpty else { return 0 }
        var events = 0
        var taken = 0
        while taken < source.count {
            let more = source[taken].eventCount
            if events + more > eventsMax && taken > 0 { break }
            events += more
            taken += 1
        }
        if taken == source.count && target.isEmpty {
            swap(&target, &source)
        } else {
            target.append(contentsOf: source[..<taken])
            source.removeFirst(taken)
        }
        return events
    }

    /// Gives each task a turn until the slice is used up; those that are not done stay.
    private func runTasks(_ tasks: inout [any RegisterTask], _ writer: RegisterWriter) {
        guard !tasks.isEmpty else { return }
        let deadline = consent_monotonic_nanoseconds() + UInt64(limits.readStepMicroseconds) * 1000
        var unfinished: [any RegisterTask] = []
        for (position, task) in tasks.enumerated() {
            if consent_monotonic_nanoseconds() >= deadline {
                tasks = Array(tasks[position...]) + unfinished
                return
            }
            if task.step(writer, until: deadline) { unfinished.append(task) }
        }
        tasks = unfinished
    }
}

/// Hands one value to a thread.
private final class ThreadBox: @unchecked Sendable {
    private var writer: RegisterWriter?
    init(_ writer: sending RegisterWriter) { self.writer = writer }
    func take() -> RegisterWriter? {
        defer { writer = nil }
        return writer
    }
}
