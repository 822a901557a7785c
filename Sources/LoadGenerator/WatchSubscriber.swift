// One subscriber of changes: it notes which events it was told of, and when.
//
// Invariant: `arrivals` ascend by sequence; an item whose predecessor never came counts as a gap.

import CPlatform
import NIOCore
import WireProtocol

/// When a write was submitted and acknowledged, in monotonic nanoseconds.
package struct AcknowledgedWrite: Hashable, Sendable {
    /// Sequence of its event.
    package var sequence: UInt64
    /// When it was encoded to be sent.
    package var submitted: UInt64
    /// When its acknowledgement was read.
    package var acknowledged: UInt64
}

/// The acknowledged writes of one connection. Written on its event loop, read after the run.
package final class AcknowledgementTimes: @unchecked Sendable {
    private(set) var writes: [AcknowledgedWrite] = []

    /// None yet.
    package init() {}

    func add(_ write: AcknowledgedWrite) { writes.append(write) }
}

/// A subscriber's connection. Confined to its event loop.
final class WatchSubscriber: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// An event and when its news came, in monotonic nanoseconds.
    struct Arrival: Sendable {
        let sequence: UInt64
        let at: UInt64
    }

    /// What was heard in all.
    struct Heard: Sendable {
        var arrivals: [Arrival]
        var gaps: Int
        var failure: String?
    }

    private let hello: Wire.Hello
    private let request: Wire.WatchRequest
    private let ready: EventLoopPromise<Void>
    private var reader = FrameReader(bodyBytesMax: Wire.Limits.helloBytesMax)
    private var writer = FrameWriter(minimumCapacity: 1 << 10)
    private var received = ByteBuffer()
    private var isReady = false

    private var arrivals: [Arrival] = []
    /// Last sequence that it was told of.
    private(set) var complete: UInt64
    private var gaps = 0
    /// Why the watch ended, if it did.
    private(set) var failure: String?

    /// - Parameters:
    ///   - after: sequence after which it wants to know.
    ///   - controller: whose events.
    ///   - hello: how the connection opens.
    ///   - ready: completes when the watch is asked for.
    init(after: UInt64, controller: UInt32, hello: Wire.Hello, ready: EventLoopPromise<Void>) {
        self.hello = hello
        self.ready = ready
        complete = after
        request = Wire.WatchRequest(after: after, controller: controller)
    }

    /// What it heard so far.
    var heard: Heard { Heard(arrivals: arrivals, gaps: gaps, failure: failure) }

    func channelActive(context: ChannelHandlerContext) {
        writer.appendPrefaceAndHello(hello)
        flush(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = consent_monotonic_nanoseconds()
        var incoming = unwrapInboundIn(data)
        received.writeBuffer(&incoming)
        var items: UInt32 = 0
        var why: String?
        received.withUnsafeReadableBytes { raw in
            let bytes = RawSpan(_unsafeBytes: raw)
            do {
                while let frame = try reader.next(bytes) {
                    let body = bytes.extracting(frame.body)
                    if frame.header.kind == .item { items += 1 }
                    try take(frame.header, body, now: now)
                }
            } catch let error as DialogueFailure {
                why = error.why
            } catch {
                why = "the server broke the protocol: \(error)"
            }
        }
        received.moveReaderIndex(forwardBy: reader.rebase())
        // What was taken may be sent again.
        if items > 0 { writer.appendFrame(.credit, stream: 1, value: items) }
        flush(context)
        if let why {
            failure = failure ?? why
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        let why = failure ?? "the server closed the connection"
        failure = why
        ready.fail(LoadError.turnedAway(why))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = failure ?? "\(error)"
        context.close(promise: nil)
    }

    private func take(_ header: FrameHeader, _ body: RawSpan, now: UInt64) throws {
        switch header.kind {
        case .welcome where !isReady:
            let agreement = try Handshake.accept(try Wire.Welcome(decoding: body), hello: hello)
            reader.bodyBytesMax = agreement.bodyBytesMax
            isReady = true
            let frame = writer.beginFrame(.request, code: Wire.Method.watch.rawValue, stream: 1)
            request.encode(into: &writer)
            writer.endFrame(frame)
            ready.succeed(())
        case .item:
            try header.verifyBody(body)
            let range = try header.payloadRange(in: body)
            let item = try Wire.WatchItem(decoding: body.extracting(range))
            if item.heartbeat { return }
            if item.previous > complete { gaps += 1 }
            complete = item.sequence
            arrivals.append(Arrival(sequence: item.sequence, at: now))
        case .end:
            throw DialogueFailure("the server ended the watch: \(header.status)")
        case .ping: writer.appendFrame(.pong, value: header.value)
        case .pong: break
        case .goaway:
            let goaway = try Wire.Goaway(decoding: body)
            failure = "\(goaway.message) (\(goaway.reason.name ?? "\(goaway.reason.rawValue)"))"
        default: throw FrameError.unexpectedFrame(header.kind)
        }
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard writer.count > 0 else { return }
        let output = writer.withBytes { ByteBuffer(bytes: UnsafeRawBufferPointer($0)) }
        writer.removeAll()
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }
}
