// Accepts connections: the one socket that listens, and what each accepted one starts with. Each connection
// stays for life on the event loop that it was given.

import CPlatform
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
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
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

/// Numbers connections.
private final class ConnectionNumbers: Sendable {
    private let last = Atomic<UInt64>(0)
    func next() -> UInt64 { last.wrappingAdd(1, ordering: .relaxed).newValue }
}
