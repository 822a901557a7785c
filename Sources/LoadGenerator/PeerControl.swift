// What is said to a peer apart from its load: its mark is written and read, on a connection of its own.

import NIOCore
import NIOPosix
import WireProtocol

/// Which peer, where, and asked with what.
package struct PeerOptions: Sendable {
    /// Requests and answers as bytes.
    package var format: PeerFormat
    /// Host.
    package var host: String
    /// Port.
    package var port: Int
    /// Number of its process, to know what it costs; nil: not known.
    package var processID: Int32?

    /// A peer whose process is not known.
    package init(format: PeerFormat, host: String, port: Int) {
        self.format = format
        self.host = host
        self.port = port
    }

    /// Reads processor times here and there.
    func meter() -> MeterReading {
        var reading = MeterReading()
        reading.serverSeconds = processID.flatMap(ProcessTime.seconds(ofProcess:))
        return reading
    }
}

extension PeerOptions {
    /// The population that the peer holds; nil: none.
    func population() async throws(LoadError) -> Population? {
        let answer = try await exchange(format.markQuestion)
        let values = answer.withUnsafeBytes { format.values(in: RawSpan(_unsafeBytes: $0)) }
        guard let mark = values.first.flatMap(\.self) else { return nil }
        return Population(mark: String(decoding: mark, as: UTF8.self))
    }

    /// Records which population the peer holds.
    func mark(_ population: Population) async throws(LoadError) {
        _ = try await exchange(format.markRequest(population.mark))
    }

    /// Sends one request and waits for its answer.
    private func exchange(_ request: [UInt8]) async throws(LoadError) -> [UInt8] {
        let address = "\(host):\(port)"
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome: Result<[UInt8], LoadError>
        do {
            let answer = group.next().makePromise(of: [UInt8].self)
            let format = format
            do {
                let channel = try await ClientBootstrap(group: group).connectTimeout(.seconds(5))
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(
                                PeerAnswerHandler(format: format, answer: answer))
                        }
                    }.connect(host: host, port: port).get()
                channel.eventLoop.scheduleTask(in: .seconds(10)) {
                    answer.fail(DialogueFailure("no answer within 10 s"))
                }
                try await channel.writeAndFlush(ByteBuffer(bytes: request))
            } catch {
                answer.fail(error)
            }
            outcome = .success(try await answer.futureResult.get())
        } catch let failure as DialogueFailure {
            outcome = .failure(.lost(failure.why))
        } catch {
            outcome = .failure(.peerUnreachable(address: address, why: ConnectionFailure.reason(of: error)))
        }
        try? await group.shutdownGracefully()
        return try outcome.get()
    }
}

/// Gathers one answer.
private final class PeerAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let format: PeerFormat
    private let answer: EventLoopPromise<[UInt8]>
    private var received: [UInt8] = []

    init(format: PeerFormat, answer: EventLoopPromise<[UInt8]>) {
        self.format = format
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytesView
        let format = format
        let end = received.withUnsafeBytes { raw in
            Result { () throws(DialogueFailure) in
                try format.end(of: RawSpan(_unsafeBytes: raw), parts: 0)
            }
        }
        switch end {
        case .success(.some):
            answer.succeed(received)
            context.close(promise: nil)
        case .success(.none): break
        case .failure(let failure):
            answer.fail(failure)
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        answer.fail(DialogueFailure("the peer closed the connection"))
    }
}
