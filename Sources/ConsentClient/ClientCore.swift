// The client on its event loop: the queues of calls, the one connection, and what happens to both over time.
//
//   callers ──submit──► Submissions (lock) ──one turn──► waiting ──pump──► in flight ──answer──► callers
//      │                                                 ▲  ▲                  │
//      └── on the loop already: no lock ─────────────────┘  └── sent again ────┘
//
// Why one object on one loop: nothing below the submissions needs a lock, and whatever callers submit during
// one turn of the loop leaves in one write.
//
// Invariant: everything under "Event loop" is touched on `loop` alone; a call is in exactly one of the
// submissions, a waiting queue and the table, until its continuation is resumed.

import ConsentDomain
import NIOCore
import Synchronization
import WireProtocol

/// A client's state.
final class ClientCore: @unchecked Sendable {
    // Sendable: `submissions`, `serverInfo` and the atomics guard themselves; all else belongs to `loop`.

    /// The connection, as far as it has come.
    enum Link {
        /// Nothing is there, nothing is tried: before the start, or after a register was refused.
        case idle
        /// A connection is being made.
        case connecting
        /// The next attempt is scheduled.
        case pausing
        /// Calls may be sent.
        case open(Connection)
        /// For good.
        case closed
    }

    /// What callers hand over between two turns of the loop.
    struct Submissions {
        var checks: [WaitingCheck] = []
        var calls: [WaitingCall] = []
        var streams: [WaitingStream] = []
        var cancellations: [UInt64] = []
        var credits: [(id: UInt64, count: UInt32)] = []
        var jobs: [UnownedJob] = []
        var isDrainScheduled = false
        var hold: Hold?
    }

    let address: ServerAddress
    let configuration: ConsentClient.Configuration
    let loop: any EventLoop
    /// Time for a check that states none.
    let checkTimeout: TimeAmount
    let submissions = Mutex(Submissions())
    /// What the server said of itself last.
    let serverInfo = Mutex<ServerInfo?>(nil)
    /// The highest sequence in any answer from the register that the client knows.
    let highestSequence = Atomic<UInt64>(0)
    private let nextID = Atomic<UInt64>(1)

    // MARK: Event loop

    // One thread touches these, so their exclusive access is not checked at run time.
    @exclusivity(unchecked) var link = Link.idle
    @exclusivity(unchecked) var table = CallTable<CallInFlight>(callsMax: Wire.Limits.inFlightDefault)
    @exclusivity(unchecked) var waitingChecks: [WaitingCheck] = []
    @exclusivity(unchecked) var waitingCalls = CircularBuffer<WaitingCall>()
    @exclusivity(unchecked) var waitingStreams = CircularBuffer<WaitingStream>()
    @exclusivity(unchecked) var wakeups = Wakeups()
    @exclusivity(unchecked) var writer = FrameWriter(minimumCapacity: 1 << 16)
    /// Where a payload is inflated.
    @exclusivity(unchecked) var inflated = FrameWriter(minimumCapacity: 64)
    /// Tasks on the loop that can run.
    @exclusivity(unchecked) var jobs: [UnownedJob] = []
    /// Whether what is asked and woken now is seen to before the loop goes on.
    @exclusivity(unchecked) var isInTurn = false
    @exclusivity(unchecked) var isTurnScheduled = false
    /// Checks that were sent and not answered.
    @exclusivity(unchecked) var unanswered = 0
    /// Checks asked on the loop since the last pump, and how many leave together.
    @exclusivity(unchecked) var askedSincePump = 0
    @exclusivity(unchecked) var partSize = 1
    /// Turns for which a part that is too small may still wait.
    @exclusivity(unchecked) var patience = 0
    /// Wakes callers on Swift's threads; nil once the client is closed.
    var waker: CallerWaker?
    /// Memory that turns use again.
    @exclusivity(unchecked) var spare = SpareMemory()
    /// Calls that are sent again at a time, not at once.
    var parked: [(due: NIODeadline, call: CallInFlight)] = []
    var streamNumbers: [UInt64: UInt32] = [:]
    var budget: RetryBudget
    var backoff: Backoff
    var refusedRegister: RegisterChange?
    var timer: (at: NIODeadline, task: Scheduled<Void>)?
    var firstConnection: EventLoopPromise<Void>?
    /// Who waits for the end; not empty: no new calls.
    @exclusivity(unchecked) var closing: [EventLoopPromise<Void>] = []

    init(address: ServerAddress, configuration: ConsentClient.Configuration, loop: any EventLoop) {
        self.address = address
        self.configuration = configuration
        self.loop = loop
        checkTimeout = TimeAmount(configuration.timeout ?? .seconds(1))
        budget = RetryBudget(capacity: configuration.retryBudget)
        backoff = Backoff(base: configuration.reconnectBase, limit: configuration.reconnectMax)
    }

    // MARK: Callers

    /// A number for a call, never used again.
    func makeID() -> UInt64 { nextID.wrappingAdd(1, ordering: .relaxed).oldValue }

    /// Hands something over to the loop, at the latest with the next turn.
    func submit(_ add: (inout Submissions) -> Void) {
        let mustSchedule = submissions.withLock { submissions in
            add(&submissions)
            defer { submissions.isDrainScheduled = true }
            return !submissions.isDrainScheduled
        }
        if mustSchedule { loop.execute { self.drain() } }
    }

    /// Hands a check over; `onLoop`: the caller is there; `isCancelled`: nobody waits for its answer.
    func submit(_ check: WaitingCheck, onLoop: Bool, isCancelled: Bool) {
        if onLoop && !isCancelled {
            enqueue(check)
            return askedOnLoop(check.deadline.at)
        }
        let mustSchedule = submissions.withLock { submissions in
            submissions.checks.append(check)
            if isCancelled { submissions.cancellations.append(check.id) }
            if submissions.isDrainScheduled { return false }
            if !isCancelled, let hold = submissions.hold, submissions.checks.count < hold.checks,
                check.deadline.asked < hold.until
            {
                return false
            }
            submissions.isDrainScheduled = true
            return true
        }
        if mustSchedule { loop.execute { self.drain() } }
    }

    func cancel(_ id: UInt64) { submit { $0.cancellations.append(id) } }

    // MARK: Turn of the loop

    /// Takes over what callers submitted since the last turn, and sends what can be sent.
    func drain() {
        submissions.withLock { submissions in
            swap(&spare.taken, &submissions)
            submissions.isDrainScheduled = false
            submissions.hold = spare.taken.hold
        }
        var earliest = NIODeadline.distantFuture
        for check in spare.taken.checks {
            earliest = min(earliest, check.deadline.at)
            enqueue(check)
        }
        for call in spare.taken.calls {
            earliest = min(earliest, call.deadline.at)
            enqueue(call)
        }
        for stream in spare.taken.streams {
            earliest = min(earliest, stream.deadline.at)
            if let error = refusal { stream.items.finish(error) } else { waitingStreams.append(stream) }
        }
        if !spare.taken.cancellations.isEmpty { giveUp(Set(spare.taken.cancellations)) }
        for (id, count) in spare.taken.credits { grantCredit(id, count) }
        jobs.append(contentsOf: spare.taken.jobs)
        spare.taken.removeAll()
        pump()
        turn()
        if earliest != .distantFuture { scheduleExpiry(earliest) }
    }

    /// Wakes callers up, lets those on this thread ask again, and sends what can be sent.
    func turn() {
        isInTurn = true
        wakeups.resumeAll(waker)
        runJobs()
        sendOrWait()
        isInTurn = false
        finishTurn()
    }

    /// Why nothing can be sent now or later; nil: it can.
    private var refusal: ConsentClientError? {
        if case .closed = link { return .closed }
        if !closing.isEmpty { return .closed }
        if let refusedRegister { return .registerChanged(refusedRegister) }
        let waiting = waitingChecks.count + waitingCalls.count + waitingStreams.count
        return waiting >= configuration.waitingMax ? .overloaded(waiting: waiting) : nil
    }

    private func enqueue(_ check: WaitingCheck) {
        if let error = refusal {
            wakeups.add(check, CheckAnswer(failure: error))
        } else {
            waitingChecks.append(check)
        }
    }

    private func enqueue(_ call: WaitingCall) {
        if let error = refusal { wakeups.add(call, .failure(error)) } else { waitingCalls.append(call) }
    }
}

/// Arrays that one turn leaves to the next, empty but with their memory.
struct SpareMemory {
    /// What the loop took over from callers; empty between two turns.
    var taken = ClientCore.Submissions()
    /// The checks that are being sent, and their group keys.
    var checks: [WaitingCheck] = []
    var keys: [UInt64] = []
    var coalescing = Coalescing()
    private var batches: [CheckBatch] = []

    /// A batch without checks.
    mutating func takeBatch() -> CheckBatch { batches.popLast() ?? CheckBatch() }

    /// Keeps the memory of a batch that was answered, of a few.
    mutating func keep(_ batch: CheckBatch) {
        guard batches.count < 64 else { return }
        batch.checks.removeAll(keepingCapacity: true)
        batches.append(batch)
    }
}

extension ClientCore.Submissions {
    /// Forgets all and keeps the memory.
    mutating func removeAll() {
        checks.removeAll(keepingCapacity: true)
        calls.removeAll(keepingCapacity: true)
        streams.removeAll(keepingCapacity: true)
        cancellations.removeAll(keepingCapacity: true)
        credits.removeAll(keepingCapacity: true)
        jobs.removeAll(keepingCapacity: true)
    }
}
