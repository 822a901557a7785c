// Accepts connections: the one socket that listens, and what each accepted one starts with. Each connection
// stays for life on the event loop that it was given.

import CPlatform
import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization
import WireProtocol

/// The listening socket and its event loops.
final class Listener: Sendable {
    private let channel: any Channel

    /// The address that was bound.
    var address: (host: String, port: Int) {
        (channel.localAddress?.ipAddress ?? "", channel.localAddress?.port ?? 0)
    }

    private init(channel: any Channel) {
        self.channel = channel
    }

    /// Binds and listens.
    static func listen(
        core: ServerCore, group: any EventLoopGroup, host: String, port: Int
    ) async throws -> Listener {
        let numbers = ConnectionNumbers()
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: CInt(core.limits.acceptQueueMax))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause(logger: core.logger))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(
                .tcpOption(.init(rawValue: TCP_NOTSENT_LOWAT)),
                value: core.limits.unsentBytesMax
            )
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 128 << 10))
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelOption(
                .writeBufferWaterMark,
                value: ChannelOptions.Types.WriteBufferWaterMark(
                    low: core.limits.outputLowWatermarkBytes, high: core.limits.outputHighWatermarkBytes)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let security = core.security {
                        try channel.pipeline.syncOperations.addHandler(security.handler())
                    }
                    let connection = Connection(core: core, id: numbers.next(), eventLoop: channel.eventLoop)
                    try channel.pipeline.syncOperations.addHandler(connection)
                }
            }
        return Listener(channel: try await bootstrap.bind(host: host, port: port).get())
    }

    /// Stops accepting.
    func close() async {
        try? await channel.close()
    }
}

/// Stops accepting for a moment when the system has no descriptor left. A connection that waits keeps the
/// listening socket readable, so that to try again at once would take a core and bring nothing.
private final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel
    private static let pause = TimeAmount.milliseconds(100)
    private static let complaintInterval = TimeAmount.seconds(5)

    private let logger: Logger
    private var lastComplaint: NIODeadline?

    init(logger: Logger) {
        self.logger = logger
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is IOError else { return context.fireErrorCaught(error) }
        let channel = context.channel
        channel.setOption(.autoRead, value: false).whenFailure { _ in }
        context.eventLoop.scheduleTask(in: Self.pause) {
            channel.setOption(.autoRead, value: true).whenFailure { _ in }
        }
        let now = NIODeadline.now()
        if let lastComplaint, now - lastComplaint < Self.complaintInterval { return }
        lastComplaint = now
        logger.error(
            "connections wait to be accepted: raise the limit of descriptors, or close some",
            metadata: ["error": "\(error)"])
    }
}

/// Numbers connections.
private final class ConnectionNumbers: Sendable {
    private let last = Atomic<UInt64>(0)
    func next() -> UInt64 { last.wrappingAdd(1, ordering: .relaxed).newValue }
}
