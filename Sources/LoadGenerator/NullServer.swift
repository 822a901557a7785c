// A server that knows nobody: it answers every check at once with what is true of an empty register.
//
// Why: against it a run shows what the load generator itself can do on this machine. A rate near that ceiling
// says nothing about the server that was measured. Its answers are right for questions about addresses that
// nobody has, so that verified runs have a ceiling too.
//
// Invariant: one thread, whose processor time is told apart from the generator's.

import CPlatform
import NIOCore
import NIOPosix
import WireProtocol

/// The server.
package final class NullServer: Sendable {
    /// Port on 127.0.0.1.
    package let port: Int
    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel

    private init(group: MultiThreadedEventLoopGroup, channel: any Channel, port: Int) {
        self.group = group
        self.channel = channel
        self.port = port
    }

    /// Starts one on a free port of 127.0.0.1.
    package static func start() async throws(LoadError) -> NullServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 1_024)
                .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
                .childChannelOption(.maxMessagesPerRead, value: 4)
                .childChannelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 * 1024)
                )
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(NullConnection())
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            guard let port = channel.localAddress?.port else { throw LoadError.lost("no port was bound") }
            return NullServer(group: group, channel: channel, port: port)
        } catch {
            try? await group.shutdownGracefully()
            throw .unreachable(address: "127.0.0.1:0", why: ConnectionFailure.reason(of: error))
        }
    }

    /// Reads CPU times: the server's thread, and the rest of the process.
    package func meter() async -> MeterReading {
        let used = try? await group.next().submit { consent_thread_cpu_nanoseconds() }.get()
        var reading = MeterReading()
        reading.serverSeconds = used.map { Double($0) / 1e9 }
        reading.clientSeconds -= reading.serverSeconds ?? 0
        return reading
    }

    /// Stops it.
    package func stop() async {
        try? await channel.close()
        try? await group.shutdownGracefully()
    }
}

/// One connection.
private final class NullConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private var reader = FrameReader(bodyBytesMax: Wire.Limits.bodyBytesDefault)
    private var writer = FrameWriter(minimumCapacity: 1 << 16)
    private var received = ByteBuffer()
    private var sawPreface = false
    /// Answers by what was asked: a run asks one kind of question, for two classes of purposes.
    private var answers: [Question: [UInt8]] = [:]

    private static let offer = Handshake.ServerOffer(inFlightMax: Wire.Limits.inFlightMax)

    private struct Question: Hashable {
        var isService: Bool
        /// Items; 0: a single check.
        var count: UInt32
        var want: UInt8
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = unwrapInboundIn(data)
        if received.readableBytes == 0 {
            received = incoming
        } else {
            received.writeBuffer(&incoming)
        }
        if !sawPreface {
            guard let preface = received.readBytes(length: Handshake.preface.count) else { return }
            guard preface == Handshake.preface else {
                context.close(promise: nil)
                return
            }
            sawPreface = true
        }
        var isBroken = false
        received.withUnsafeReadableBytes { raw in
            let bytes = RawSpan(_unsafeBytes: raw)
            do {
                while let frame = try reader.next(bytes) {
                    try answer(frame.header, bytes.extracting(frame.body))
                }
            } catch {
                isBroken = true
            }
        }
        received.moveReaderIndex(forwardBy: reader.rebase())
        if writer.count > 0 {
            let output = writer.withBytes { ByteBuffer(bytes: UnsafeRawBufferPointer($0)) }
            writer.removeAll()
            context.write(wrapOutboundOut(output), promise: nil)
        }
        if isBroken { context.close(promise: nil) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func answer(_ header: FrameHeader, _ body: RawSpan) throws {
        switch (header.kind, Wire.Method(rawValue: header.code)) {
        case (.hello, _):
            let hello = try Wire.Hello(decoding: body)
            switch Handshake.negotiate(hello, server: NullConnection.offer) {
            case .accept(let welcome): writer.appendWelcome(welcome)
            case .reject(let goaway): writer.appendGoaway(goaway)
            }
        case (.request, .check):
            let purpose = try Wire.CheckRequestView(body).purpose
            send(Question(isService: purpose == PopulationPurpose.service.id, count: 0, want: 0), header)
        case (.request, .checkBatch):
            let view = try Wire.CheckBatchRequestView(body)
            send(
                Question(
                    isService: view.purpose == PopulationPurpose.service.id, count: view.count,
                    want: view.want & 1),
                header)
        case (.request, _):
            writer.appendFrame(.response, code: Status.unimplemented.rawValue, stream: header.stream)
        default: break
        }
    }

    private func send(_ question: Question, _ header: FrameHeader) {
        let frame = answers[question] ?? NullConnection.frame(question)
        if answers.count < 8 { answers[question] = frame }
        let start = writer.count
        frame.withUnsafeBytes { writer.append(RawSpan(_unsafeBytes: $0)) }
        writer.address(start, toStream: header.stream)
    }

    private static func frame(_ question: Question) -> [UInt8] {
        let now = Int64(consent_wall_nanoseconds() / 1_000)
        let reason = question.isService ? ExpectedReason.service : ExpectedReason.noRecord
        var writer = FrameWriter()
        let frame = writer.beginFrame(.response, stream: 1)
        if question.count == 0 {
            Wire.CheckResponse(
                now: now, decision: question.isService ? .allow : .deny,
                reason: Wire.Reason(rawValue: reason)
            ).encode(into: &writer)
        } else {
            let columns = Wire.CheckBatchResponse(now: now, count: question.count, want: question.want)
                .beginEncoding(into: &writer)
            writer.withMutableBytes(at: columns.reasons.lowerBound, count: columns.reasons.count) { bytes in
                for place in bytes.indices { bytes[place] = reason }
            }
            if question.isService {
                for item in 0..<Int(question.count) {
                    writer.withMutableBytes(at: columns.allow.lowerBound + item >> 3, count: 1) {
                        $0[0] |= 1 << UInt8(item & 7)
                    }
                }
            }
        }
        writer.endFrame(frame)
        return writer.withBytes { Array($0) }
    }
}
