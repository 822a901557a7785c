// One connection of the load tester: bytes in, bytes out, no allocation per request.
//
// Why not the client library: a load tester must cost little next to the server it measures, so this is a
// synchronous handler without promises, tasks or timers. Requests are copied from templates or encoded in
// place, answers are judged where they lie in the read buffer, and a burst of answers leads to one write.
//
// Invariant: a slot is busy exactly while its answer is awaited.

import CPlatform
import NIOCore
import WireProtocol

/// A request in flight, or the room for one. Times are monotonic nanoseconds.
struct RequestSlot {
    /// When it should have been sent.
    var intended: UInt64 = 0
    /// When it was sent.
    var sent: UInt64 = 0
    /// When the answer to the slot's last request came.
    var freed: UInt64 = 0
    /// An answer is awaited.
    var isBusy = false
}

/// A connection and its requests in flight. Confined to its event loop.
final class LoadConnection<Talk: Dialogue>: ChannelInboundHandler, LoadLane {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let dialogue: Talk
    private let loop: LoadLoop<LoadConnection<Talk>>
    private let index: Int
    private let ready: EventLoopPromise<Void>

    @exclusivity(unchecked) private(set) var slots: [RequestSlot]
    /// Slots whose requests stand in `writer`.
    @exclusivity(unchecked) private var unsent: [Int] = []
    private var context: ChannelHandlerContext?
    @exclusivity(unchecked) private var writer = FrameWriter(minimumCapacity: 1 << 16)
    @exclusivity(unchecked) private var output = ByteBufferAllocator().buffer(capacity: 1 << 16)
    /// The front of a message whose rest has not come yet; usually empty.
    private var tail = ByteBufferAllocator().buffer(capacity: 1 << 12)
    private var isReady = false
    private var farewell: String?

    init(loop: LoadLoop<LoadConnection<Talk>>, index: Int, dialogue: Talk, ready: EventLoopPromise<Void>) {
        self.loop = loop
        self.index = index
        self.dialogue = dialogue
        self.ready = ready
        slots = Array(repeating: RequestSlot(), count: loop.plan.inFlight)
        unsent.reserveCapacity(slots.count)
    }

    // MARK: Sending

    /// Appends the next request to what `flush` will send; false when the dialogue has nothing left.
    @inline(__always)
    func issue(slot: Int, intended: UInt64) -> Bool {
        guard dialogue.appendRequest(slot: slot, to: &writer) else { return false }
        slots[slot].intended = intended
        slots[slot].isBusy = true
        unsent.append(slot)
        return true
    }

    /// Sends what was issued, in one write.
    func flush() {
        guard writer.count > 0, let context else { return }
        output.clear()
        writer.withBytes { _ = output.writeBytes($0) }
        writer.removeAll()
        let now = consent_monotonic_nanoseconds()
        for slot in unsent {
            slots[slot].sent = now
            loop.didSend(slots[slot])
        }
        unsent.removeAll(keepingCapacity: true)
        loop.didTransfer(sent: output.readableBytes, received: 0, now: now)
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    /// Closes the connection at the end of a run.
    func close() {
        context?.close(promise: nil)
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        let isReadyAtOnce = dialogue.open(to: &writer)
        flush()
        if isReadyAtOnce { becomeReady() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = consent_monotonic_nanoseconds()
        var incoming = unwrapInboundIn(data)
        loop.didTransfer(sent: 0, received: incoming.readableBytes, now: now)
        if tail.readableBytes > 0 {
            var whole = tail
            tail = ByteBuffer()
            whole.writeBuffer(&incoming)
            takeMessages(&whole, now: now)
            whole.discardReadBytes()
            tail = whole
        } else {
            takeMessages(&incoming, now: now)
            if incoming.readableBytes > 0 {
                tail.clear()
                tail.writeBuffer(&incoming)
            }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        dialogue.endOfBurst()
        loop.burstEnded(of: self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(farewell ?? dialogue.farewell ?? "the server closed the connection")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(dialogue.farewell ?? "\(error)")
    }

    private func becomeReady() {
        isReady = true
        ready.succeed(())
    }

    private func end(_ why: String) {
        guard isReady else {
            ready.fail(LoadError.turnedAway(why))
            return
        }
        isReady = false
        let busy = slots.indices.filter { slots[$0].isBusy }
        for slot in busy { slots[slot].isBusy = false }
        loop.laneEnded(index, unanswered: busy.count, why: why)
    }

    // MARK: Receiving

    private func takeMessages(_ buffer: inout ByteBuffer, now: UInt64) {
        var failure: DialogueFailure?
        buffer.withUnsafeReadableBytes { raw in
            let bytes = RawSpan(_unsafeBytes: raw)
            do throws(DialogueFailure) {
                while let arrival = try dialogue.next(bytes, writer: &writer) {
                    try take(arrival, bytes, now: now)
                }
            } catch {
                failure = error
            }
        }
        if let failure {
            fail(failure.why)
            buffer.clear()
        } else {
            buffer.moveReaderIndex(forwardBy: dialogue.rebase())
        }
    }

    @inline(__always)
    private func take(_ arrival: Arrival, _ bytes: RawSpan, now: UInt64) throws(DialogueFailure) {
        switch arrival {
        case .answer(let slot):
            guard slot >= 0 && slot < slots.count && slots[slot].isBusy else {
                throw DialogueFailure("the server answered what it was not asked: stream \(slot + 1)")
            }
            let (reply, status) = dialogue.judge(bytes)
            slots[slot].isBusy = false
            slots[slot].freed = now
            loop.didAnswer(slots[slot], reply, status: status, now: now)
            loop.release(self, index, slot: slot, retry: reply == .retry, now: now)
        case .ready: becomeReady()
        case .aside: flush()
        }
    }

    private func fail(_ why: String) {
        farewell = farewell ?? why
        context?.close(promise: nil)
    }
}
