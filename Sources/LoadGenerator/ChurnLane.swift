// Connections that come and go: connect, shake hands, ask a few questions at once, close, and again.
//
// To the engine one such round is one request: it is sent when the connection is asked for, and answered when
// the first answer is there. Invariant: a lane has at most one socket; a round that breaks ends its lane.

import CPlatform
import ConsentClient
import NIOCore
import WireProtocol

/// Where the rounds of one lane go, and what they ask.
struct ChurnTarget<Load: Workload>: Sendable {
    let host: String
    let port: Int
    let tls: ConsentClient.TLS?
    let credential: [UInt8]
    /// Questions of a round.
    let checks: Int
    /// The run's plan, with as many requests in flight as a round has questions.
    let plan: RunPlan
    /// Makes the workload of a lane.
    let workload: @Sendable (Int, RunPlan) -> Load
}

/// One connection after the other.
///
/// Sendable: everything is touched on its event loop only.
final class ChurnLane<Load: Workload>: LoadLane, @unchecked Sendable {
    private let loop: LoadLoop<ChurnLane<Load>>
    private let index: Int
    private let number: Int
    private let target: ChurnTarget<Load>
    private let workload: Load
    private var round = RequestSlot()
    private var rounds = 0
    private var isIssued = false
    private var channel: (any NIOCore.Channel)?

    init(loop: LoadLoop<ChurnLane<Load>>, index: Int, number: Int, target: ChurnTarget<Load>) {
        self.loop = loop
        self.index = index
        self.number = number
        self.target = target
        workload = target.workload(number, target.plan)
    }

    func issue(slot: Int, intended: UInt64) -> Bool {
        round.intended = intended
        round.isBusy = true
        isIssued = true
        return true
    }

    func flush() {
        guard isIssued else { return }
        isIssued = false
        round.sent = consent_monotonic_nanoseconds()
        loop.didSend(round)
        rounds += 1
        LoadSockets.bootstrap(on: loop.eventLoop) { channel in
            self.channel = channel
            try LoadSockets.secure(channel, self.target.tls, host: self.target.host)
            let dialogue = ConsentDialogue(
                workload: self.workload, plan: self.target.plan, credential: self.target.credential,
                connection: self.number | self.rounds << 20)
            try channel.pipeline.syncOperations.addHandler(
                ChurnRound(lane: self, dialogue: dialogue, checks: self.target.checks))
        }
        .connect(host: target.host, port: target.port)
        .whenFailure { error in self.broke(ConnectionFailure.reason(of: error)) }
    }

    func close() {
        channel?.close(promise: nil)
    }

    // MARK: From rounds

    func transferred(sent: Int, received: Int, now: UInt64) {
        loop.didTransfer(sent: sent, received: received, now: now)
    }

    /// All answers came and the connection is closed.
    func finished(_ units: Int, wrong: Int, firstAnswer: UInt64) {
        guard round.isBusy else { return }
        round.isBusy = false
        channel = nil
        let now = consent_monotonic_nanoseconds()
        round.freed = now
        loop.didAnswer(round, .answered(units: units, wrong: wrong), status: .ok, now: firstAnswer)
        loop.release(self, index, slot: 0, retry: false, now: now)
        loop.burstEnded(of: self)
    }

    func broke(_ why: String) {
        guard round.isBusy else { return }
        round.isBusy = false
        channel = nil
        loop.laneEnded(index, unanswered: 1, why: why)
    }
}

/// One round's socket.
private final class ChurnRound<Load: Workload>: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let lane: ChurnLane<Load>
    private let dialogue: ConsentDialogue<Load>
    private let checks: Int
    private var writer = FrameWriter(minimumCapacity: 1 << 10)
    private var received = ByteBuffer()
    private var answers = 0
    private var units = 0
    private var wrong = 0
    private var firstAnswer: UInt64 = 0
    private var failure: String?

    init(lane: ChurnLane<Load>, dialogue: ConsentDialogue<Load>, checks: Int) {
        self.lane = lane
        self.dialogue = dialogue
        self.checks = checks
    }

    func channelActive(context: ChannelHandlerContext) {
        _ = dialogue.open(to: &writer)
        flush(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = consent_monotonic_nanoseconds()
        var incoming = unwrapInboundIn(data)
        lane.transferred(sent: 0, received: incoming.readableBytes, now: now)
        received.writeBuffer(&incoming)
        received.withUnsafeReadableBytes { raw in
            let bytes = RawSpan(_unsafeBytes: raw)
            do throws(DialogueFailure) {
                while let arrival = try dialogue.next(bytes, writer: &writer) {
                    take(arrival, bytes, now: now)
                }
            } catch {
                failure = error.why
            }
        }
        received.moveReaderIndex(forwardBy: dialogue.rebase())
        flush(context)
        if failure != nil || answers == checks { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if answers == checks && failure == nil {
            lane.finished(units, wrong: wrong, firstAnswer: firstAnswer)
        } else {
            lane.broke(failure ?? dialogue.farewell ?? "the server closed the connection")
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = failure ?? "\(error)"
        context.close(promise: nil)
    }

    private func take(_ arrival: Arrival, _ bytes: RawSpan, now: UInt64) {
        switch arrival {
        case .ready:
            for slot in 0..<checks { _ = dialogue.appendRequest(slot: slot, to: &writer) }
        case .answer(let slot):
            guard slot >= 0 && slot < checks else {
                failure = "the server answered what it was not asked: stream \(slot + 1)"
                return
            }
            if answers == 0 { firstAnswer = now }
            answers += 1
            switch dialogue.judge(bytes) {
            case (.answered(let more, let bad), _):
                units += more
                wrong += bad
            case (_, let status): failure = "the server answered \(status)"
            }
        case .aside: break
        }
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard writer.count > 0 else { return }
        let output = writer.withBytes { ByteBuffer(bytes: UnsafeRawBufferPointer($0)) }
        writer.removeAll()
        lane.transferred(sent: output.readableBytes, received: 0, now: consent_monotonic_nanoseconds())
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }
}
