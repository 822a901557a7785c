// A server that does what a test says: real sockets, real frames, scripted answers.
//
// It counts what it sees (requests, cancels, credits) so that tests can tell what the client sent, not only
// what the client says.

import NIOCore
import NIOPosix
import Synchronization
import WireProtocol

/// One request as the fake server got it; the script answers it with the methods below, or not at all.
struct FakeCall: Sendable {
    let connection: FakeConnectionRef
    /// Number of the connection, from 0.
    let connectionIndex: Int
    let method: Wire.Method
    let stream: UInt32
    let deadlineMicroseconds: UInt32
    let body: [UInt8]
    let isCompressed: Bool
    /// What the server has seen by now.
    let seen: @Sendable () -> Seen

    func respond<Message: WireMessage>(_ message: Message) {
        connection.send { writer in
            let frame = writer.beginFrame(.response, stream: stream)
            message.encode(into: &writer)
            writer.endFrame(frame)
        }
    }

    func respond(bytes: [UInt8]) {
        connection.send { writer in
            let frame = writer.beginFrame(.response, stream: stream)
            writer.append(bytes.span.bytes)
            writer.endFrame(frame)
        }
    }

    func fail(_ status: Status, _ message: String = "", notExecuted: Bool = false) {
        connection.send { writer in
            let frame = writer.beginFrame(
                .response, flags: notExecuted ? .notExecuted : [], code: status.rawValue, stream: stream)
            Wire.ErrorDetail(message: message).encode(into: &writer)
            writer.endFrame(frame)
        }
    }

    func item<Message: WireMessage>(_ message: Message) {
        connection.send { writer in
            let frame = writer.beginFrame(.item, stream: stream)
            message.encode(into: &writer)
            writer.endFrame(frame)
        }
    }

    func end(_ status: Status = .ok) {
        connection.send { $0.appendFrame(.end, code: status.rawValue, stream: stream) }
    }

    func goaway(_ reason: Wire.GoawayReason, lastStream: UInt32) {
        connection.send {
            $0.appendGoaway(Wire.Goaway(reason: reason, lastStream: lastStream, message: "test"))
        }
    }

    func close() { connection.close() }
}

/// A connection of the fake server, usable from anywhere.
final class FakeConnectionRef: Sendable {
    private let channel: any Channel
    init(_ channel: any Channel) { self.channel = channel }

    func send(_ write: (inout FrameWriter) -> Void) {
        var writer = FrameWriter()
        write(&writer)
        let bytes = writer.withBytes { ByteBuffer(bytes: $0) }
        channel.writeAndFlush(bytes, promise: nil)
    }

    func close() { channel.close(promise: nil) }
}

/// What the fake server saw.
struct Seen: Sendable {
    var connections = 0
    var methods: [Wire.Method] = []
    var bodies: [[UInt8]] = []
    var cancels: [UInt32] = []
    var credits: [UInt32] = []
    var hellos: [Wire.Hello] = []
}

final class FakeServer: Sendable {
    typealias Script = @Sendable (FakeCall) -> Void

    let port: Int
    private let channel: any Channel
    private let seenState: Mutex<Seen>
    private let open: Mutex<[FakeConnectionRef]>

    var seen: Seen { seenState.withLock { $0 } }
    var address: String { "127.0.0.1:\(port)" }

    /// - Parameters:
    ///   - welcome: the welcome for each connection by number; nil: refuse with bad_credential.
    ///   - port: 0: a free one.
    ///   - script: called for each request.
    init(
        welcome: @escaping @Sendable (Int) -> Wire.Welcome? = { _ in FakeServer.welcome() }, port: Int = 0,
        _ script: @escaping Script
    ) async throws {
        let box = Box()
        let bootstrap = ServerBootstrap(group: NIOSingletons.posixEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        FakeHandler(box: box, welcome: welcome, script: script))
                }
            }
        channel = try await bootstrap.bind(host: "127.0.0.1", port: port).get()
        self.port = channel.localAddress?.port ?? 0
        self.box = box
        seenState = Mutex(Seen())
        open = Mutex([])
        box.server.withLock { $0 = WeakServer(server: self) }
    }

    private let box: Box

    static func welcome(incarnation: UInt64 = 1, sequence: UInt64 = 10, features: UInt64 = 0) -> Wire.Welcome
    {
        Wire.Welcome(
            version: Wire.protocolVersion, features: features, bodyBytesMax: 1 << 20, inFlightMax: 64,
            schemaFingerprint: Wire.schemaFingerprint, incarnation: Wire.Bytes16(word0: incarnation),
            sequence: sequence, serverName: "fake")
    }

    func stop() async {
        try? await channel.close()
        for connection in open.withLock({ $0 }) { connection.close() }
    }

    /// Closes every connection that is open.
    func dropConnections() {
        for connection in open.withLock({ $0 }) { connection.close() }
    }

    func note(_ change: (inout Seen) -> Void) { seenState.withLock { change(&$0) } }

    func opened(_ channel: any Channel) -> Int {
        open.withLock { $0.append(FakeConnectionRef(channel)) }
        return seenState.withLock { seen in
            defer { seen.connections += 1 }
            return seen.connections
        }
    }

    fileprivate struct WeakServer: Sendable { weak let server: FakeServer? }

    fileprivate final class Box: Sendable {
        let server = Mutex<WeakServer?>(nil)
        var current: FakeServer? { server.withLock { $0?.server } }
    }
}

private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let box: FakeServer.Box
    private let welcome: @Sendable (Int) -> Wire.Welcome?
    private let script: FakeServer.Script
    private var reader = FrameReader(bodyBytesMax: 1 << 20)
    private var bytes = ByteBuffer()
    private var hasPreface = false
    private var index = 0

    init(
        box: FakeServer.Box, welcome: @escaping @Sendable (Int) -> Wire.Welcome?,
        script: @escaping FakeServer.Script
    ) {
        self.box = box
        self.welcome = welcome
        self.script = script
    }

    func channelActive(context: ChannelHandlerContext) { index = box.current?.opened(context.channel) ?? 0 }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = unwrapInboundIn(data)
        bytes.writeBuffer(&incoming)
        if !hasPreface {
            guard let preface = bytes.readBytes(length: 8) else { return }
            guard preface == Handshake.preface else { return context.close(promise: nil) }
            hasPreface = true
        }
        let connection = FakeConnectionRef(context.channel)
        bytes.withUnsafeReadableBytes { pointer in
            let span = pointer.bytes
            do {
                while let frame = try reader.next(span) {
                    try received(frame.header, span.extracting(frame.body), connection)
                }
            } catch {
                connection.close()
            }
        }
        bytes.moveReaderIndex(forwardBy: reader.rebase())
    }

    private func received(_ header: FrameHeader, _ body: RawSpan, _ connection: FakeConnectionRef) throws {
        guard let server = box.current else { return }
        switch header.kind {
        case .hello:
            let hello = try Wire.Hello(decoding: body)
            server.note { $0.hellos.append(hello) }
            connection.send { writer in
                if let welcome = welcome(index) {
                    writer.appendWelcome(welcome)
                } else {
                    writer.appendGoaway(Wire.Goaway(reason: .badCredential, message: "no such credential"))
                }
            }
        case .request:
            var scratch = FrameWriter()
            let payload = try header.withPayload(of: body, bodyBytesMax: 1 << 20, scratch: &scratch) {
                $0.array(0..<$0.byteCount)
            }
            let method = Wire.Method(rawValue: header.code)
            server.note {
                $0.methods.append(method)
                $0.bodies.append(payload)
            }
            script(
                FakeCall(
                    connection: connection, connectionIndex: index, method: method, stream: header.stream,
                    deadlineMicroseconds: header.value, body: payload,
                    isCompressed: header.flags.contains(.compressed), seen: { server.seen }))
        case .cancel: server.note { $0.cancels.append(header.stream) }
        case .credit: server.note { $0.credits.append(header.value) }
        case .ping: connection.send { $0.appendFrame(.pong, value: header.value) }
        default: break
        }
    }
}

/// Waits until a condition holds; false when it never did within two seconds.
func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<400 {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return condition()
}
