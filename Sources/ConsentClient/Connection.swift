// One TCP connection: bytes to frames, in place; the rules of the protocol are ClientConnectionState's, the
// calls are ClientCore's.
//
// Invariant: after the channel went inactive, or was failed, the core hears of it exactly once and of no
// frame after.

import NIOCore
import NIOSSL
import NIOTLS
import WireProtocol

/// The handler of one connection. On the core's event loop alone.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let core: ClientCore
    let channel: any NIOCore.Channel
    let hello: Wire.Hello
    @exclusivity(unchecked) var state = ClientConnectionState()
    /// When bytes came last; when the ping that is out was sent.
    var heardAt = NIODeadline.now()
    var pingedAt: NIODeadline?
    @exclusivity(unchecked) private var reader = FrameReader(bodyBytesMax: Wire.Limits.helloBytesMax)
    private var tail: ByteBuffer?
    /// The bytes of the last write, unless the socket still holds them.
    @exclusivity(unchecked) private var output = ByteBuffer()
    private var isDown = false

    init(core: ClientCore, channel: any NIOCore.Channel, hello: Wire.Hello) {
        self.core = core
        self.channel = channel
        self.hello = hello
    }

    // MARK: Channel

    func channelActive(context: ChannelHandlerContext) {
        if core.configuration.tls == nil { greet() }
    }

    /// With TLS nothing is said before it is known who listens.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent, let tls = core.configuration.tls {
            if let name = tls.expectedName(host: core.address.host) {
                let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
                guard let certificate, ConsentClient.TLS.certificate(certificate, hasName: name) else {
                    return down(
                        .untrusted(
                            address: "\(core.address)",
                            why:
                                "the server's certificate does not have the name \(name): connect by a name that it "
                                + "has, or give that name (--server-name)"))
                }
            }
            greet()
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func greet() {
        var writer = FrameWriter(minimumCapacity: 512)
        writer.appendPrefaceAndHello(hello)
        send(&writer)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDown else { return }
        heardAt = .now()
        var bytes = unwrapInboundIn(data)
        if var rest = tail {
            tail = nil
            rest.writeBuffer(&bytes)
            bytes = rest
        }
        var failure: FrameError?
        bytes.withUnsafeReadableBytes { pointer in
            let span = pointer.bytes
            do throws(FrameError) {
                while !isDown, let frame = try reader.next(span) {
                    core.received(frame.header, span.extracting(frame.body), on: self)
                }
            } catch {
                failure = error
            }
        }
        if let failure { return fail(failure) }
        bytes.moveReaderIndex(forwardBy: reader.rebase())
        if bytes.readableBytes > 0 && !isDown { tail = bytes }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        core.readEnded()
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard state.phase == .awaitingWelcome else {
            return down(.connectionLost(why: "the server closed it"))
        }
        down(
            .unreachable(
                address: "\(core.address)",
                why: core.configuration.tls == nil
                    ? "the connection was closed without a welcome: if the server has TLS, give --ca"
                    : "the connection was closed without a welcome"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        down(
            state.phase == .awaitingWelcome
                ? ConsentClient.TLS.error(error, address: core.address) : .connectionLost(why: "\(error)"))
    }

    // MARK: Core

    /// The handshake is done: frames may be as long as was agreed.
    func accepted(_ agreement: Agreement) {
        state.accept(agreement)
        reader.bodyBytesMax = agreement.bodyBytesMax
    }

    /// The server broke the protocol: says so and closes.
    func fail(_ error: FrameError) {
        guard !isDown else { return }
        var writer = FrameWriter(minimumCapacity: 256)
        writer.appendGoaway(Handshake.goaway(error, lastStream: 0))
        send(&writer)
        down(.connectionLost(why: "\(error)"))
    }

    /// Ends the connection and tells the core why.
    func down(_ error: ConsentClientError) {
        guard !isDown else { return }
        isDown = true
        state.close()
        tail = nil
        channel.close(promise: nil)
        core.connectionDown(self, error)
    }

    /// Sends what was written, in one write.
    func send(_ writer: inout FrameWriter) {
        if output.capacity <= 1 << 20 {
            output.clear(minimumCapacity: writer.count)
        } else {
            output = ByteBuffer()
        }
        writer.withBytes { bytes in _ = output.writeBytes(bytes) }
        writer.removeAll()
        channel.writeAndFlush(output, promise: nil)
    }
}
