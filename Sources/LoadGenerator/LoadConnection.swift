// One connection of the load tester: frames in, frames out, no allocation per request.
//
// Why not the client library: a load tester must cost little next to the server it measures, so this is a
// synchronous handler without promises, tasks or timers. Requests are copied from templates or encoded in
// place, answers are judged where they lie in the read buffer, and a burst of answers leads to one write.
//
// Invariant: stream number = slot + 1, and a slot is busy exactly while its stream is open, so that an answer
// finds its request by an index.

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
final class LoadConnection<Load: Workload>: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let workload: Load
    private let loop: LoadLoop<Load>
    private let index: Int
    private let hello: Wire.Hello
    private let ready: EventLoopPromise<Void>

    private(set) var slots: [RequestSlot]
    /// Slots whose frames stand in `writer`.
    private var unsent: [Int] = []
    private var context: ChannelHandlerContext?
    private var reader = FrameReader(bodyBytesMax: Wire.Limits.helloBytesMax)
    private var writer = FrameWriter(minimumCapacity: 1 << 16)
    private var output = ByteBufferAllocator().buffer(capacity: 1 << 16)
    /// The front of a frame whose rest has not come yet; usually empty.
    private var tail = ByteBufferAllocator().buffer(capacity: 1 << 12)
    private var isReady = false
    private var farewell: String?

    init(
        loop: LoadLoop<Load>, index: Int, workload: Load, hello: Wire.Hello, ready: EventLoopPromise<Void>
    ) {
        self.loop = loop
        self.index = index
        self.workload = workload
        self.hello = hello
        self.ready = ready
        slots = Array(repeating: RequestSlot(), count: loop.plan.inFlight)
        unsent.reserveCapacity(slots.count)
    }

    // MARK: Sending

    /// Appends the next request to what `flush` will send; false when the workload has nothing left.
    func issue(slot: Int, intended: UInt64) -> Bool {
        guard workload.appendRequest(slot: slot, stream: UInt32(slot + 1), to: &writer) else { return false }
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
        writer.appendPrefaceAndHello(hello)
        flush()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = consent_monotonic_nanoseconds()
        var incoming = unwrapInboundIn(data)
        if tail.readableBytes > 0 {
            var whole = tail
            tail = ByteBuffer()
            whole.writeBuffer(&incoming)
            takeFrames(&whole, now: now)
            whole.discardReadBytes()
            tail = whole
        } else {
            takeFrames(&incoming, now: now)
            if incoming.readableBytes > 0 {
                tail.clear()
                tail.writeBuffer(&incoming)
            }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        workload.endOfBurst()
        loop.burstEnded(of: self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(farewell ?? "the server closed the connection")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        farewell = farewell ?? "\(error)"
        context.close(promise: nil)
    }

    private func end(_ why: String) {
        guard isReady else {
            ready.fail(LoadError.turnedAway(why))
            return
        }
        isReady = false
        let busy = slots.indices.filter { slots[$0].isBusy }
        for slot in busy { slots[slot].isBusy = false }
        loop.connectionEnded(index, unanswered: busy.count, why: why)
    }

    // MARK: Receiving

    private func takeFrames(_ buffer: inout ByteBuffer, now: UInt64) {
        var failure: FrameError?
        buffer.withUnsafeReadableBytes { raw in
            let bytes = RawSpan(_unsafeBytes: raw)
            do throws(FrameError) {
                while let frame = try reader.next(bytes) {
                    try take(frame.header, bytes.extracting(frame.body), now: now)
                }
            } catch {
                failure = error
            }
        }
        if let failure {
            fail("the server broke the protocol: \(failure)")
            buffer.clear()
        } else {
            buffer.moveReaderIndex(forwardBy: reader.rebase())
        }
    }

    @inline(__always)
    private func take(_ header: FrameHeader, _ body: RawSpan, now: UInt64) throws(FrameError) {
        if header.kind == .response && isReady {
            try takeResponse(header, body, now: now)
        } else {
            try takeOther(header, body)
        }
    }

    @inline(__always)
    private func takeResponse(_ header: FrameHeader, _ body: RawSpan, now: UInt64) throws(FrameError) {
        let slot = Int(header.stream) - 1
        guard slot >= 0 && slot < slots.count && slots[slot].isBusy else { throw .badStream(header.stream) }
        let reply = judge(slot, header, body)
        slots[slot].isBusy = false
        slots[slot].freed = now
        loop.didAnswer(slots[slot], reply, status: header.status, now: now)
        loop.release(self, index, slot: slot, retry: reply == .retry, now: now)
    }

    @inline(__always)
    private func judge(_ slot: Int, _ header: FrameHeader, _ body: RawSpan) -> Reply {
        do throws(WireError) {
            try header.verifyBody(body)
            guard !header.flags.contains(.compressed) else { return .failed }
            let range = try header.payloadRange(in: body)
            return workload.judge(slot: slot, status: header.status, payload: body.extracting(range))
        } catch {
            return .failed
        }
    }

    /// Everything but answers in an open connection: rare, so out of line.
    @inline(never)
    private func takeOther(_ header: FrameHeader, _ body: RawSpan) throws(FrameError) {
        switch header.kind {
        case .welcome where !isReady: try takeWelcome(body)
        case .ping:
            writer.appendFrame(.pong, value: header.value)
            flush()
        case .pong: break
        case .goaway:
            guard let goaway = try? Wire.Goaway(decoding: body) else { throw .unexpectedFrame(.goaway) }
            let reason = goaway.reason.name ?? "\(goaway.reason.rawValue)"
            farewell = goaway.message.isEmpty ? reason : "\(goaway.message) (\(reason))"
        default: throw .unexpectedFrame(header.kind)
        }
    }

    private func takeWelcome(_ body: RawSpan) throws(FrameError) {
        let agreement: Agreement
        do {
            agreement = try Handshake.accept(try Wire.Welcome(decoding: body), hello: hello)
        } catch {
            fail("\(error)")
            return
        }
        guard agreement.inFlightMax >= slots.count else {
            fail("it takes \(agreement.inFlightMax) requests in flight a connection: lower --in-flight")
            return
        }
        reader.bodyBytesMax = agreement.bodyBytesMax
        isReady = true
        ready.succeed(())
    }

    private func fail(_ why: String) {
        farewell = farewell ?? why
        context?.close(promise: nil)
    }
}
