// One thread of the load tester: its lanes, its clock, its schedule and its counts.
//
//   closed loop   an answer is followed by the next request on the same slot
//   open loop     a schedule says when requests are due; each takes the slot that has been free longest. When
//                 the next one is close, the loop turns without waiting: a timer's slack must be no send lag
//
// Invariant: outstanding = busy slots of live lanes. The run of this thread is over when nothing may be
// issued any more and outstanding is 0, or when the drain has lasted long enough.

import CPlatform
import NIOCore
import WireProtocol

/// What a thread sends on: a connection, or whatever else takes requests by slots.
protocol LoadLane: AnyObject, SendableMetatype {
    /// Prepares the next request; false when there is nothing left.
    func issue(slot: Int, intended: UInt64) -> Bool
    /// Sends what was issued.
    func flush()
    /// Ends it, after a run.
    func close()
}

/// Slots of an open loop that are free, longest free first.
struct FreeSlots {
    private var ring: [(lane: Int, slot: Int)] = []
    private var first = 0
    private(set) var count = 0

    init(lanes: Int, slots: Int) {
        // Slot by slot, so that the first requests spread over all lanes.
        for slot in 0..<slots {
            for lane in 0..<lanes { ring.append((lane, slot)) }
        }
        count = ring.count
    }

    mutating func push(lane: Int, slot: Int) {
        ring[(first + count) % ring.count] = (lane, slot)
        count += 1
    }

    mutating func pop() -> (lane: Int, slot: Int)? {
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
final class LoadLoop<Lane: LoadLane>: @unchecked Sendable {
    let eventLoop: any EventLoop
    let plan: RunPlan
    /// Completes when this thread's share is over.
    let over: EventLoopPromise<Void>
    private let thread: Int

    private var lanes: [Lane] = []
    private var alive: [Bool] = []
    @exclusivity(unchecked) private var free = FreeSlots(lanes: 0, slots: 0)
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
    /// Nil where the system had no descriptor left: then a timer has to do.
    private var turns: LoopTurns?
    /// Since when requests are due for which no slot is free, and this thread's processor time then.
    private var blockedSince: (time: UInt64, processor: UInt64)?
    /// Lanes with something to send; empty between two calls of `pump`.
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

    func add(_ lane: Lane) {
        eventLoop.preconditionInEventLoop()
        lanes.append(lane)
        alive.append(true)
    }

    /// How many lanes there are: the next one's index.
    var laneCount: Int { lanes.count }

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
            free = FreeSlots(lanes: lanes.count, slots: plan.inFlight)
            var schedule = Arrivals(
                rate: rate, pattern: plan.arrivals, thread: thread, threads: plan.threads, seed: plan.seed)
            nextDue = start + schedule.next()
            arrivals = schedule
            LoopTurns.open(on: eventLoop) {
                self.tick()
            } ready: { turns in
                self.turns = turns
                self.pump()
            }
        } else {
            // Not before the start: an answer from before it would not count.
            let now = consent_monotonic_nanoseconds()
            let wait = start > now ? Int64(start - now) : 0
            eventLoop.scheduleTask(in: .nanoseconds(wait)) { self.fillSlots() }
        }
    }

    /// Sends the first requests of a closed loop; each answer brings the next.
    private func fillSlots() {
        guard !isOver else { return }
        let now = consent_monotonic_nanoseconds()
        for (index, lane) in lanes.enumerated() where alive[index] {
            for slot in 0..<plan.inFlight { issue(lane, slot: slot, intended: now) }
            lane.flush()
        }
        finishIfIdle()
    }

    /// The counts of the run. After `over` only.
    func result() -> RunStatistics {
        eventLoop.preconditionInEventLoop()
        for lane in lanes { lane.close() }
        turns = nil
        return statistics
    }

    /// What happened since the last call, for the progress line.
    func takeInterval() -> IntervalStatistics {
        eventLoop.preconditionInEventLoop()
        defer { interval = IntervalStatistics() }
        return interval
    }

    // MARK: From lanes

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
            // A wrong answer is one, warm-up or not.
            statistics.wrong += wrong
            // Closed: what was answered within the window. Open: what was due within it, however late.
            guard isMeasured(plan.rate == nil ? now : slot.intended) else { return }
            statistics.requests += 1
            statistics.units += units
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
        _ lane: Lane, _ index: Int, slot: Int, retry: Bool, now: UInt64
    ) {
        if retry {
            retryLater(index, slot: slot)
        } else if plan.rate == nil {
            issue(lane, slot: slot, intended: now)
        } else {
            free.push(lane: index, slot: slot)
        }
    }

    /// A read's answers were all judged.
    func burstEnded(of lane: Lane) {
        if plan.rate != nil { pump() }
        lane.flush()
        if outstanding == 0 { finishIfIdle() }
    }

    func laneEnded(_ index: Int, unanswered: Int, why: String) {
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
    private func issue(_ lane: Lane, slot: Int, intended: UInt64) {
        guard intended < endAt else { return }
        if lane.issue(slot: slot, intended: intended) {
            outstanding += 1
        } else {
            isExhausted = true
        }
    }

    private func retryLater(_ index: Int, slot: Int) {
        retriesWaiting += 1
        eventLoop.scheduleTask(in: .milliseconds(50)) {
            let lane = self.lanes[index]
            self.retriesWaiting -= 1
            self.issue(lane, slot: slot, intended: consent_monotonic_nanoseconds())
            lane.flush()
            self.finishIfIdle()
        }
    }

    /// Sends everything that is due, then sees to it that it is called again in time.
    private func pump() {
        var now = consent_monotonic_nanoseconds()
        if free.count > 0, let since = blockedSince { endBlocked(since, now: now) }
        // Not without end: answers must be taken too.
        for _ in 0..<8 {
            guard nextDue <= now && nextDue < endAt else { break }
            // A few at a time: requests that share a lane share a write, and none waits long for it.
            dirty.removeAll(keepingCapacity: true)
            while nextDue <= now && nextDue < endAt && dirty.count < 32 {
                guard let place = nextFree() else { break }
                issue(lanes[place.lane], slot: place.slot, intended: nextDue)
                dirty.append(place.lane)
                advance()
            }
            if dirty.isEmpty {
                // No slot is free: the next answer calls again.
                if blockedSince == nil { blockedSince = (now, consent_thread_cpu_nanoseconds()) }
                return
            }
            for lane in dirty { lanes[lane].flush() }
            now = consent_monotonic_nanoseconds()
        }
        if nextDue < endAt { scheduleTick(now: now) }
    }

    /// While a request waits for a slot this thread has nothing to do but to take answers: how busy that made
    /// it tells whose fault the wait was.
    private func endBlocked(_ since: (time: UInt64, processor: UInt64), now: UInt64) {
        blockedSince = nil
        guard isMeasured(now) else { return }
        statistics.blockedNanoseconds += now - since.time
        statistics.blockedBusyNanoseconds += consent_thread_cpu_nanoseconds() - since.processor
    }

    private func nextFree() -> (lane: Int, slot: Int)? {
        while let place = free.pop() {
            if alive[place.lane] { return place }
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
        let pacing = Pacing(due: nextDue, now: now)
        if let turns, pacing == .due || pacing == .spin {
            turns.ask()
            return
        }
        var nanoseconds: UInt64 = 1_000
        if case .rest(let rest) = pacing { nanoseconds = rest }
        eventLoop.scheduleTask(in: .nanoseconds(Int64(nanoseconds))) { self.tick() }
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
