// Probes and metrics over HTTP: /livez, /readyz and /metrics, on an address and a thread of their own, so
// that whoever scrapes never delays a check.
//
// Nothing personal is served here, and nothing can be changed. An address that other machines can reach has
// the TLS of the main listener.

import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// The HTTP listener.
final class AdminEndpoint: Sendable {
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    /// The address that was bound.
    var address: (host: String, port: Int) {
        (channel.localAddress?.ipAddress ?? "", channel.localAddress?.port ?? 0)
    }

    private init(channel: any Channel, group: MultiThreadedEventLoopGroup) {
        self.channel = channel
        self.group = group
    }

    /// Connections open at once.
    private static let connectionsMax = 64
    /// Time that a request may take to arrive.
    private static let requestSeconds: Int64 = 5

    /// Binds and serves.
    /// - Parameter security: nil: connections are plain.
    static func listen(
        core: ServerCore, at address: ServerConfiguration.AdminAddress, security: TransportSecurity?
    ) async throws -> AdminEndpoint {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let open = OpenCount()
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    open.count.add(1, ordering: .relaxed)
                    channel.closeFuture.whenComplete { _ in open.count.subtract(1, ordering: .relaxed) }
                    guard open.count.load(ordering: .relaxed) <= connectionsMax else {
                        throw TooManyConnections()
                    }
                    channel.eventLoop.scheduleTask(in: .seconds(requestSeconds)) {
                        channel.close(promise: nil)
                    }
                    if let security { try channel.pipeline.syncOperations.addHandler(security.handler()) }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandler(AdminHandler(core))
                }
            }
        do {
            let channel = try await bootstrap.bind(host: address.host, port: address.port).get()
            return AdminEndpoint(channel: channel, group: group)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    /// Stops serving.
    func close() async {
        try? await channel.close()
        try? await group.shutdownGracefully()
    }
}

/// A connection that is closed at once.
private struct TooManyConnections: Error {}

/// How many connections are open.
private final class OpenCount: Sendable {
    let count = Atomic<Int>(0)
}

/// Answers one request and closes.
private final class AdminHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let core: ServerCore
    private var head: HTTPRequestHead?

    init(_ core: ServerCore) { self.core = core }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end: if let head { answer(context, head) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func answer(_ context: ChannelHandlerContext, _ request: HTTPRequestHead) {
        let path = request.uri.prefix { $0 != "?" }
        guard request.method == .GET || request.method == .HEAD else {
            return send(context, request, .methodNotAllowed, "only GET and HEAD are served\n")
        }
        switch path {
        case "/livez":
            // A register that failed ends the process by itself.
            send(context, request, .ok, "alive\n")
        case "/readyz":
            let isReady = core.serving.state == .serving
            send(context, request, isReady ? .ok : .serviceUnavailable, core.serving.sentence + "\n")
        case "/metrics":
            send(context, request, .ok, core.metricsText, type: "text/plain; version=0.0.4; charset=utf-8")
        default:
            send(context, request, .notFound, "there are /livez, /readyz and /metrics\n")
        }
    }

    private func send(
        _ context: ChannelHandlerContext, _ request: HTTPRequestHead, _ status: HTTPResponseStatus,
        _ text: String,
        type: String = "text/plain; charset=utf-8"
    ) {
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: type)
        headers.add(name: "Content-Length", value: "\(text.utf8.count)")
        headers.add(name: "Connection", value: "close")
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))),
            promise: nil)
        if request.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        }
        let done = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        done.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    }
}
