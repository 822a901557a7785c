// The client on its event loop: the queues of calls, the one connection, and what happens to both over time.
//
//   callers ──submit──► Submissions (lock) ──one turn──► waiting ──pump──► in flight ──answer──► callers
//                                                           ▲                  │
//                                                           └── sent again ────┘
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
        var isDrainScheduled = false
    }

    let address: ServerAddress
    let configuration: ConsentClient.Configuration
    let loop: any EventLoop
    let submissions = Mutex(Submissions())
    /// What the server said of itself last.
    let serverInfo = Mutex<ServerInfo?>(nil)
    /// The highest sequence in any answer from the register that the client knows.
    let highestSequence = Atomic<UInt64>(0)
    private let nextID = Atomic<UInt64>(1)

    // MARK: Event loop

    var link = Link.idle
    var table = CallTable<CallInFlight>(callsMax: Wire.Limits.inFlightDefault)
    var waitingChecks: [WaitingCheck] = []
    var waitingCalls = CircularBuffer<WaitingCall>()
    var waitingStreams = CircularBuffer<WaitingStream>()
    /// Calls that are sent again at a time, not at once.
    var parked: [(due: NIODeadline, call: CallInFlight)] = []
    var streamNumbers: [UInt64: UInt32] = [:]
    var wakeups = Wakeups()
    var writer = FrameWriter(minimumCapacity: 1 << 16)
    var budget: RetryBudget
    var backoff: Backoff
    var refusedRegister: RegisterChange?
    var timer: (at: NIODeadline, task: Scheduled<Void>)?
    var firstConnection: EventLoopPromise<Void>?
    /// Who waits for the end; not empty: no new calls.
    var closing: [EventLoopPromise<Void>] = []

    init(address: ServerAddress, configuration: ConsentClient.Configuration, loop: any EventLoop) {
        self.address = address
        self.configuration = configuration
        self.loop = loop
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

    func cancel(_ id: UInt64) { submit { $0.cancellations.append(id) } }

    // MARK: Turn of the loop

    /// Takes over what callers submitted since the last turn, and sends what can be sent.
    private func drain() {
        var batch = Submissions()
        submissions.withLock { submissions in
            swap(&batch.checks, &submissions.checks)
            swap(&batch.calls, &submissions.calls)
            swap(&batch.streams, &submissions.streams)
            swap(&batch.cancellations, &submissions.cancellations)
            swap(&batch.credits, &submissions.credits)
            submissions.isDrainScheduled = false
        }
        var earliest = NIODeadline.distantFuture
        for check in batch.checks {
            earliest = min(earliest, check.deadline.at)
            enqueue(check)
        }
        for call in batch.calls {
            earliest = min(earliest, call.deadline.at)
            enqueue(call)
        }
        for stream in batch.streams {
            earliest = min(earliest, stream.deadline.at)
            if let error = refusal { stream.items.finish(error) } else { waitingStreams.append(stream) }
        }
        if !batch.cancellations.isEmpty { giveUp(Set(batch.cancellations)) }
        for (id, count) in batch.credits { grantCredit(id, count) }
        pump()
        finishTurn()
        if earliest != .distantFuture { scheduleExpiry(earliest) }
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

    /// Sends what waits, as far as the connection takes calls, in one write.
    func pump() {
        guard case .open(let connection) = link, connection.state.phase == .open else { return }
        let now = NIODeadline.now()
        while let stream = waitingStreams.first {
            guard let number = beginCall(connection) else { break }
            waitingStreams.removeFirst()
            send(stream, as: number, connection, now)
        }
        while var call = waitingCalls.first {
            guard call.body.count <= connection.state.agreement.bodyBytesMax else {
                waitingCalls.removeFirst()
                let limit = connection.state.agreement.bodyBytesMax
                wakeups.add(call, .failure(.invalidRequest(Self.tooLong(call.body.count, limit: limit))))
                continue
            }
            guard let number = beginCall(connection) else { break }
            waitingCalls.removeFirst()
            call.attempts += 1
            send(call, as: number, connection, now)
        }
        if !waitingChecks.isEmpty { sendChecks(connection, now) }
        flush(connection)
    }

    static func tooLong(_ bytes: Int, limit: Int) -> String {
        "the request takes \(bytes) bytes and the server accepts \(limit): split it"
    }

    /// A stream number for one more call; nil when the connection takes no more now.
    private func beginCall(_ connection: Connection) -> UInt32? {
        connection.state.beginCall { table.isTaken($0) }
    }

    func flush(_ connection: Connection) {
        guard writer.count > 0 else { return }
        var buffer = connection.channel.allocator.buffer(capacity: writer.count)
        writer.withBytes { bytes in _ = buffer.writeBytes(bytes) }
        writer.removeAll()
        connection.channel.writeAndFlush(buffer, promise: nil)
    }

    // MARK: Sending

    private func send(_ call: WaitingCall, as stream: UInt32, _ connection: Connection, _ now: NIODeadline) {
        let frame = writer.beginFrame(
            .request, code: call.method, stream: stream, value: call.deadline.microsecondsLeft(now))
        writer.append(call.body.span.bytes)
        writer.endFrame(frame, compressIfUseful: connection.state.agreement.allowsCompression)
        table.insert(.unary(call), at: stream)
    }

    private func send(_ call: WaitingStream, as stream: UInt32, _ connection: Connection, _ now: NIODeadline)
    {
        let frame = writer.beginFrame(
            .request, code: call.method, stream: stream, value: call.deadline.microsecondsLeft(now))
        writer.append(call.body.span.bytes)
        writer.endFrame(frame)
        table.insert(.stream(call), at: stream)
        streamNumbers[call.id] = stream
    }

    private func sendChecks(_ connection: Connection, _ now: NIODeadline) {
        var checks: [WaitingCheck] = []
        swap(&checks, &waitingChecks)
        let coalesces = configuration.coalescesChecks && checks.count >= configuration.coalescingMin
        guard coalesces else {
            for position in checks.indices {
                guard sendAlone(checks[position], connection, now) else {
                    waitingChecks = Array(checks[position...])
                    return
                }
            }
            checks.removeAll(keepingCapacity: true)
            if waitingChecks.isEmpty { swap(&checks, &waitingChecks) }
            return
        }
        let keys = checks.map { $0.goesAlone ? UInt64.max : Coalescing.groupKey($0.question, $0.contact) }
        let groups = Coalescing.groups(
            keys, min: configuration.coalescingMin, max: coalescedMax(connection.state.agreement.bodyBytesMax)
        )
        for group in groups {
            if group.count == 1 || keys[group[0]] == .max {
                for position in group where !sendAlone(checks[position], connection, now) {
                    waitingChecks.append(checks[position])
                }
            } else if let stream = beginCall(connection) {
                send(group.map { checks[$0] }, as: stream, connection, now)
            } else {
                for position in group { waitingChecks.append(checks[position]) }
            }
        }
    }

    /// Most items of a coalesced batch: what fits even when every address has its longest form.
    private func coalescedMax(_ bodyBytesMax: Int) -> Int {
        let room = bodyBytesMax - Wire.CheckBatchRequest.fixedByteCount - 4
        return max(2, min(Coalescing.itemsMax, room / (Wire.Limits.addressBytesMax + 4)))
    }

    private func sendAlone(_ check: WaitingCheck, _ connection: Connection, _ now: NIODeadline) -> Bool {
        guard let stream = beginCall(connection) else { return false }
        var check = check
        check.attempts += 1
        let frame = writer.beginFrame(
            .request, code: Wire.Method.check.rawValue, stream: stream,
            value: check.deadline.microsecondsLeft(now))
        writer.appendCheck(check.question, check.contact)
        writer.endFrame(frame)
        table.insert(.check(check), at: stream)
        return true
    }

    /// One batch for many callers. The server works as long as the most patient of them waits; the others
    /// give up here, each at its own deadline.
    private func send(
        _ checks: [WaitingCheck], as stream: UInt32, _ connection: Connection, _ now: NIODeadline
    ) {
        var checks = checks
        var latest = NIODeadline.uptimeNanoseconds(0)
        var minimum: UInt64 = 0
        for position in checks.indices {
            checks[position].attempts += 1
            latest = max(latest, checks[position].deadline.at)
            minimum = max(minimum, checks[position].question.minimumSequence)
        }
        var deadline = checks[0].deadline
        deadline.at = latest
        var question = checks[0].question
        question.minimumSequence = minimum
        let frame = writer.beginFrame(
            .request, code: Wire.Method.checkBatch.rawValue, stream: stream,
            value: deadline.microsecondsLeft(now))
        switch checks[0].contact {
        case .key:
            let keys = checks.map { check in
                if case .key(let key) = check.contact { key } else { RecipientKey(low: 0, high: 0) }
            }
            writer.appendBatch(question, keys: keys, want: [.reasons, .validity])
        case .address:
            let addresses = checks.map { check in
                if case .address(let address) = check.contact { address } else { "" }
            }
            writer.appendBatch(question, addresses: addresses, want: [.reasons, .validity])
        }
        writer.endFrame(frame)
        table.insert(.batch(checks), at: stream)
    }

    private func grantCredit(_ id: UInt64, _ count: UInt32) {
        guard case .open(let connection) = link, let stream = streamNumbers[id] else { return }
        writer.appendFrame(.credit, stream: stream, value: count)
        flush(connection)
    }
}
