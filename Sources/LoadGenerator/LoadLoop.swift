// One thread of the load tester: its connections, its clock, its schedule and its counts.
//
//   closed loop   an answer is followed by the next request on the same slot
//   open loop     a schedule says when requests are due; each takes the slot that has been free longest. When
//                 the next one is close, the loop turns without waiting: a timer's slack must be no send lag
//
// Invariant: outstanding = busy slots of live connections. The run of this thread is over when nothing may be
// issued any more and outstanding is 0, or when the drain has lasted long enough.

import CPlatform
import NIOCore
import WireProtocol

/// Slots of an open loop that are free, longest free first.
struct FreeSlots {
    private var ring: [(connection: Int, slot: Int)] = []
    private var first = 0
    private(set) var count = 0

    init(connections: Int, slots: Int) {
        // Slot by slot, so that the first requests spread over all connections.
        for slot in 0..<slots {
            for connection in 0..<connections { ring.append((connection, slot)) }
        }
        count = ring.count
    }

    mutating func push(connection: Int, slot: Int) {
        ring[(first + count) % ring.count] = (connection, slot)
        count += 1
    }

    mutating func pop() -> (connection: Int, slot: Int)? {
        guard count > 0 else { return nil }
        let free = ring[first]
        first = first + 1 == ring.count ? 0 : first + 1
        count -= 1
        return free
    }
}

/// One event loop's share of a run.
///
/// Sendable: everything mutable is touched on the event loop only, which `preconditionInEventLoop` checks
/// where the outside comes in.
final class LoadLoop<Talk: Dialogue>: @unchecked Sendable {
    let eventLoop: any EventLoop
    let plan: RunPlan
    /// Completes when this thread's share is over.
    let over: EventLoopPromise<Void>
    private let thread: Int

    private var connections: [LoadConnection<Talk>] = []
    private var alive: [Bool] = []
    @exclusivity(unchecked) private var free = FreeSlots(connections: 0, slots: 0)
    private var arrivals: Arrivals?
    private var nextDue = UInt64.max
    private var startedAt: UInt64 = 0
    private var measureFrom = UInt64.max
    private var endAt = UInt64.max
    @exclusivity(unchecked) private var outstanding = 0
    private var retriesWaiting = 0
    private var isExhausted = false
    private var isOver = false
    private var isTickScheduled = false
    /// Connections with something to send; empty between two calls of `pump`.
    private var dirty: [Int] = []

    @exclusivity(unchecked) private var statistics = RunStatistics()
    @exclusivity(unchecked) private var interval = IntervalStatistics()

    init(eventLoop: any EventLoop, plan: RunPlan, thread: Int) {
        self.eventLoop = eventLoop
        self.plan = plan
        self.thread = thread
        over = eventLoop.makePromise()
    }

    // MARK: From outside

    func add(_ connection: LoadConnection<Talk>) -> Int {
        eventLoop.preconditionInEventLoop()
        connections.append(connection)
        alive.append(true)
        return connections.count - 1
    }

    /// How many connections there are: the next one's index.
    var connectionCount: Int { connections.count }

    /// Starts sending.
    ///
    /// - Parameters:
    ///   - start: when the run starts, the same for all threads.
    ///   - measureFrom: when the warm-up is over.
    ///   - end: when nothing more is due; `.max`: when the workloads have nothing left.
    func start(at start: UInt64, measureFrom: UInt64, end: UInt64) {
        eventLoop.preconditionInEventLoop()
        startedAt = start
        self.measureFrom = measureFrom
        endAt = end
        if end != .max {
            let left = end > start ? end - start : 0
            // A little after the end: before it, the run would not count as over.
            eventLoop.scheduleTask(in: .nanoseconds(Int64(left) + 1_000_000)) { self.finishIfIdle() }
            eventLoop.scheduleTask(in: .nanoseconds(Int64(left + plan.drainNanoseconds))) { self.finish() }
        }
        if let rate = plan.rate {
            free = FreeSlots(connections: connections.count, slots: plan.inFlight)
            var schedule = Arrivals(
                rate: rate, pattern: plan.arrivals, thread: thread, threads: plan.threads, seed: plan.seed)
            nextDue = start + schedule.next()
            arrivals = schedule
            pump()
        } else {
            let now = consent_monotonic_nanoseconds()
            for connection in connections {
                for slot in 0..<plan.inFlight { issue(connection, slot: slot, intended: now) }
                connection.flush()
            }
            finishIfIdle()
        }
    }

    /// The counts of the run. After `over` only.
    func result() -> RunStatistics {
        eventLoop.preconditionInEventLoop()
        for connection in connections { connection.close() }
        return statistics
    }

    /// What happened since the last call, for the progress line.
    func takeInterval() -> IntervalStatistics {
        eventLoop.preconditionInEventLoop()
        let taken = interval
        interval.reset()
        return taken
    }

    // MARK: From connections

    @inline(__always)
    func didTransfer(sent: Int, received: Int, now: UInt64) {
        guard isMeasured(now) else { return }
        statistics.bytesSent += sent
        statistics.bytesReceived += received
    }

    func didSend(_ slot: RequestSlot) {
        guard plan.rate != nil, isMeasured(slot.intended) else { return }
        if slot.freed > slot.intended { statistics.blocked += 1 }
        // What a request waited for a free slot is the server's doing; it stays in the intended latency.
        statistics.sendLag.record(nanoseconds: slot.sent - min(slot.sent, max(slot.intended, slot.freed)))
    }

    @inline(__always)
    func didAnswer(_ slot: RequestSlot, _ reply: Reply, status: Status, now: UInt64) {
        outstanding -= 1
        let latency = now - min(now, slot.sent)
        switch reply {
        case .answered(let units, let wrong):
            interval.record(units: units, nanoseconds: now - min(now, slot.intended))
            // Closed: what was answered within the window. Open: what was due within it, however late.
            guard isMeasured(plan.rate == nil ? now : slot.intended) else { return }
            statistics.requests += 1
            statistics.units += units
            statistics.wrong += wrong
            statistics.service.record(nanoseconds: latency)
            if plan.rate != nil {
                statistics.intended.record(nanoseconds: now - min(now, slot.intended))
            }
        case .failed:
            statistics.errors[status.rawValue, default: 0] += 1
            interval.errors += 1
        case .retry:
            interval.retries += 1
        }
    }

    /// A slot has its answer: closed loops use it at once, open ones when something is due.
    @inline(__always)
    func release(
        _ connection: LoadConnection<Talk>, _ index: Int, slot: Int, retry: Bool, now: UInt64
    ) {
        if retry {
            retryLater(index, slot: slot)
        } else if plan.rate == nil {
            issue(connection, slot: slot, intended: now)
        } else {
            free.push(connection: index, slot: slot)
        }
    }

    /// A read's answers were all judged.
    func burstEnded(of connection: LoadConnection<Talk>) {
        if plan.rate != nil { pump() }
        connection.flush()
        if outstanding == 0 { finishIfIdle() }
    }

    func connectionEnded(_ index: Int, unanswered: Int, why: String) {
        guard !isOver else { return }
        alive[index] = false
        outstanding -= unanswered
        statistics.unanswered += unanswered
        statistics.lostConnections += 1
        statistics.lostReason = statistics.lostReason ?? why
        if !alive.contains(true) { finish() } else { finishIfIdle() }
    }

    // MARK: Issuing

    @inline(__always)
    private func isMeasured(_ time: UInt64) -> Bool { time >= measureFrom && time < endAt }

    @inline(__always)
    private func issue(_ connection: LoadConnection<Talk>, slot: Int, intended: UInt64) {
        guard intended < endAt else { return }
        if connection.issue(slot: slot, intended: intended) {
            outstanding += 1
        } else {
            isExhausted = true
        }
    }

    private func retryLater(_ index: Int, slot: Int) {
        retriesWaiting += 1
        eventLoop.scheduleTask(in: .milliseconds(50)) {
            let connection = self.connections[index]
            self.retriesWaiting -= 1
            self.issue(connection, slot: slot, intended: consent_monotonic_nanoseconds())
            connection.flush()
            self.finishIfIdle()
        }
    }

    /// Sends everything that is due, then sees to it that it is called again in time.
    private func pump() {
        var now = consent_monotonic_nanoseconds()
        while nextDue <= now && nextDue < endAt {
            // A few at a time: requests that share a connection share a write, and none waits long for it.
            dirty.removeAll(keepingCapacity: true)
            while nextDue <= now && nextDue < endAt && dirty.count < 32 {
                guard let place = nextFree() else { break }
                issue(connections[place.connection], slot: place.slot, intended: nextDue)
                dirty.append(place.connection)
                advance()
            }
            if dirty.isEmpty { return }  // No slot is free: the next answer calls again.
            for connection in dirty { connections[connection].flush() }
            now = consent_monotonic_nanoseconds()
        }
        if nextDue < endAt { scheduleTick(now: now) }
    }

    private func nextFree() -> (connection: Int, slot: Int)? {
        while let place = free.pop() {
            if alive[place.connection] { return place }
        }
        return nil
    }

    private func advance() {
        guard var schedule = arrivals else { return }
        nextDue = startedAt + schedule.next()
        arrivals = schedule
    }

    private func scheduleTick(now: UInt64) {
        guard !isTickScheduled && !isOver else { return }
        isTickScheduled = true
        switch Pacing(due: nextDue, now: now) {
        case .due, .spin: eventLoop.execute { self.tick() }
        case .rest(let nanoseconds):
            eventLoop.scheduleTask(in: .nanoseconds(Int64(nanoseconds))) { self.tick() }
        }
    }

    private func tick() {
        isTickScheduled = false
        guard !isOver else { return }
        pump()
    }

    // MARK: The end

    private func finishIfIdle() {
        guard outstanding == 0 && retriesWaiting == 0 else { return }
        guard isExhausted || consent_monotonic_nanoseconds() >= endAt else { return }
        if plan.rate != nil && nextDue < endAt && alive.contains(true) { return }
        finish()
    }

    private func finish() {
        guard !isOver else { return }
        isOver = true
        statistics.unanswered += max(outstanding, 0)
        // Requests that were due and never found a slot.
        while plan.rate != nil && nextDue < endAt && nextDue <= consent_monotonic_nanoseconds() {
            if isMeasured(nextDue) { statistics.unanswered += 1 }
            advance()
        }
        over.succeed(())
    }
}
