// Goal: the engine sends what the plan says, counts what came back, and survives what servers do.
//
// Method: a small server on a real socket that answers single checks as if nothing were on file, or lies,
// stalls, refuses, cuts frames or breaks the protocol. Counts are asserted, times are not.

import LoadGenerator
import NIOCore
import NIOPosix
import Synchronization
import Testing
import WireProtocol

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the server does wrong.
enum Misbehaviour: Sendable {
    /// Nothing.
    case none
    /// Every tenth answer allows.
    case lies
    /// Every fifth call is refused with RESOURCE_EXHAUSTED.
    case refuses
    /// Answers trickle in pieces of seven bytes.
    case trickles
    /// After a thousand calls it says goodbye and closes.
    case leaves
    /// It sends noise instead of a welcome.
    case babbles
    /// It answers a stream that was never opened.
    case mistakes
    /// It never answers.
    case stalls
    /// Once, it does nothing for 100 ms.
    case stallsOnce
    /// It takes a millisecond for each read.
    case isSlow
}

/// One connection of the server.
final class FakeServer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let misbehaviour: Misbehaviour
    private var received = ByteBuffer()
    private var sawPreface = false
    private var calls = 0

    init(_ misbehaviour: Misbehaviour) { self.misbehaviour = misbehaviour }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = unwrapInboundIn(data)
        received.writeBuffer(&incoming)
        var writer = FrameWriter()
        if !sawPreface, received.readableBytes >= 8 {
            #expect(received.readBytes(length: 8) == Handshake.preface)
            sawPreface = true
        }
        var reader = FrameReader(bodyBytesMax: 1 << 20)
        received.withUnsafeReadableBytes { raw in
            let bytes = RawSpan(_unsafeBytes: raw)
            while let frame = try? reader.next(bytes) {
                answer(frame.header, bytes.extracting(frame.body), into: &writer)
            }
        }
        received.moveReaderIndex(forwardBy: reader.rebase())
        let bytes = writer.withBytes { Array($0) }
        var start = 0
        while start < bytes.count {
            let end = misbehaviour == .trickles ? min(start + 7, bytes.count) : bytes.count
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes[start..<end])), promise: nil)
            start = end
        }
        if misbehaviour == .leaves && calls >= 1_000 { context.close(promise: nil) }
    }

    private func answer(_ header: FrameHeader, _ body: RawSpan, into writer: inout FrameWriter) {
        if header.kind == .hello {
            guard let hello = try? Wire.Hello(decoding: body) else { return }
            #expect(hello.credential == [1, 2, 3] && hello.featuresOptional & 1 == 0)
            if misbehaviour == .babbles {
                for _ in 0..<32 { writer.append(UInt64.max) }
            } else if case .accept(let welcome) = Handshake.negotiate(hello, server: Handshake.ServerOffer())
            {
                writer.appendWelcome(welcome)
            }
            return
        }
        calls += 1
        if misbehaviour == .stalls { return }
        if misbehaviour == .stallsOnce && calls == 800 { usleep(100_000) }
        if misbehaviour == .isSlow { usleep(1_000) }
        if misbehaviour == .leaves && calls == 1_000 {
            writer.appendGoaway(Wire.Goaway(reason: .drain, message: "time to go"))
        }
        if misbehaviour == .refuses && calls % 5 == 0 {
            writer.appendFrame(.response, code: Status.resourceExhausted.rawValue, stream: header.stream)
            return
        }
        guard let request = try? Wire.CheckRequestView(body) else { return }
        let isService = request.purpose == 4 || misbehaviour == .lies && calls % 10 == 0
        let stream = misbehaviour == .mistakes && calls == 50 ? 9_999 : header.stream
        let frame = writer.beginFrame(.response, stream: stream)
        Wire.CheckResponse(
            now: 20_781 * 86_400_000_000, decision: isService ? .allow : .deny,
            reason: isService ? .service : .noRecord
        ).encode(into: &writer)
        writer.endFrame(frame)
    }
}

@Suite(.serialized) struct EngineTests {
    static func withServer<R>(
        _ misbehaviour: Misbehaviour, _ work: (Int) async throws -> R
    ) async throws -> R {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FakeServer(misbehaviour))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        let result: Result<R, any Error>
        do { result = .success(try await work(port)) } catch { result = .failure(error) }
        try await channel.close()
        try await group.shutdownGracefully()
        return try result.get()
    }

    static func plan(_ adjust: (inout RunPlan) -> Void = { _ in }) -> RunPlan {
        var plan = RunPlan()
        plan.connections = 3
        plan.inFlight = 4
        plan.warmUpNanoseconds = 50_000_000
        plan.durationNanoseconds = 300_000_000
        plan.drainNanoseconds = 200_000_000
        adjust(&plan)
        return plan
    }

    /// Checks about addresses that nobody has: the server's answer is right unless it lies.
    static func run(
        _ misbehaviour: Misbehaviour, _ plan: RunPlan, progress: (@Sendable (ProgressSample) -> Void)? = nil
    ) async throws -> RunResult {
        let (pool, _) = try QuestionTests.pool { $0.hitRatio = 0 }
        return try await withServer(misbehaviour) { port in
            try await LoadDriver<ConsentDialogue<CheckWorkload>>(
                host: "127.0.0.1", port: port, plan: plan
            ).run(credential: [1, 2, 3], meter: { MeterReading() }, progress: progress) { number in
                CheckWorkload(
                    pool: pool, connection: number, connections: plan.connections, inFlight: plan.inFlight,
                    verifies: true, wrongAnswers: WrongAnswers())
            }
        }
    }

    @Test(arguments: [1, 2]) func closedLoop(_ threads: Int) async throws {
        let result = try await Self.run(.none, Self.plan { $0.threads = threads })
        let statistics = result.statistics
        #expect(statistics.requests > 100 && statistics.units == statistics.requests)
        #expect(statistics.wrong == 0 && statistics.errorCount == 0 && statistics.lostConnections == 0)
        #expect(statistics.service.count == UInt64(statistics.requests))
        #expect(statistics.intended.count == statistics.service.count, "a closed loop intends what it does")
        #expect(result.measuredSeconds > 0.29 && result.measuredSeconds < 0.31)
    }

    @Test(arguments: ArrivalPattern.allCases) func openLoopSendsTheSchedule(_ pattern: ArrivalPattern)
        async throws
    {
        let plan = Self.plan {
            $0.rate = 2_000
            $0.arrivals = pattern
            $0.inFlight = 64
            $0.threads = 2
        }
        let result = try await Self.run(.none, plan)
        var expected = 0
        for thread in 0..<2 {
            var arrivals = Arrivals(
                rate: 2_000, pattern: pattern, thread: thread, threads: 2, seed: plan.seed)
            var due = arrivals.next()
            while due < 350_000_000 {
                if due >= 50_000_000 { expected += 1 }
                due = arrivals.next()
            }
        }
        // Every request that was due in the window was sent and measured, no matter how slow the machine was.
        #expect(result.statistics.requests + result.statistics.unanswered == expected)
        #expect(result.statistics.unanswered == 0 && result.statistics.wrong == 0)
        #expect(result.statistics.sendLag.count == UInt64(expected))
    }

    @Test func liesAreFound() async throws {
        // No warm-up: its wrong answers would be counted, its requests not.
        let statistics = try await Self.run(.lies, Self.plan { $0.warmUpNanoseconds = 0 }).statistics
        #expect(statistics.wrong > statistics.requests / 12 && statistics.wrong < statistics.requests / 8)
    }

    @Test func refusalsAreErrorsAndTheRunGoesOn() async throws {
        let statistics = try await Self.run(.refuses, Self.plan()).statistics
        let refused = statistics.errors[Status.resourceExhausted.rawValue, default: 0]
        #expect(refused > statistics.requests / 6 && statistics.requests > 100 && statistics.wrong == 0)
    }

    @Test func cutFramesAreFrames() async throws {
        let statistics = try await Self.run(.trickles, Self.plan()).statistics
        #expect(statistics.requests > 50 && statistics.wrong == 0 && statistics.errorCount == 0)
    }

    @Test func aServerThatLeavesIsNoticed() async throws {
        let statistics = try await Self.run(.leaves, Self.plan { $0.durationNanoseconds = 20_000_000_000 })
            .statistics
        #expect(statistics.lostConnections == 3)
        #expect(statistics.lostReason?.contains("time to go") == true)
    }

    @Test func anAnswerToNothingEndsTheConnection() async throws {
        let statistics = try await Self.run(.mistakes, Self.plan()).statistics
        #expect(statistics.lostConnections == 3 && statistics.unanswered > 0)
        #expect(statistics.lostReason?.contains("stream 9999") == true)
    }

    @Test(arguments: [nil, 1_000.0]) func silenceIsCounted(_ rate: Double?) async throws {
        let statistics = try await Self.run(.stalls, Self.plan { $0.rate = rate }).statistics
        #expect(statistics.requests == 0)
        // Closed: every slot. Open: at least the slots and the requests that never found one.
        #expect(rate == nil ? statistics.unanswered == 12 : statistics.unanswered > 200)
    }

    @Test func aServerThatBabblesIsRefused() async throws {
        await #expect(throws: LoadError.self) { try await Self.run(.babbles, Self.plan()) }
    }

    @Test func nobodyThere() async throws {
        // A port that was free a moment ago.
        let port = try await Self.withServer(.none) { $0 }
        let (pool, _) = try QuestionTests.pool { $0.hitRatio = 0 }
        let error = await #expect(throws: LoadError.self) {
            try await LoadDriver<ConsentDialogue<CheckWorkload>>(
                host: "127.0.0.1", port: port, plan: Self.plan()
            ).run(credential: [], meter: { MeterReading() }, progress: nil) { _ in
                QuestionTests.workload(pool)
            }
        }
        #expect(error?.exitCode == .unavailable)
        #expect(error.map { "\($0)".contains("consentd serve") } == true)
    }

    @Test func progressComesOncePerSecond() async throws {
        let samples = Mutex<[ProgressSample]>([])
        let plan = Self.plan {
            $0.durationNanoseconds = 1_300_000_000
            $0.seed = 4
        }
        _ = try await Self.run(.none, plan) { sample in samples.withLock { $0.append(sample) } }
        let seen = samples.withLock { $0 }
        #expect((1...3).contains(seen.count))
        let line = try #require(seen.first).line(unit: "checks")
        #expect(
            line.contains(" checks  ") && line.contains("/s") && line.contains("p99")
                && line.contains("0 errors"))
    }

    @Test func plansAreChecked() {
        let bad: [(inout RunPlan) -> Void] = [
            { $0.connections = 0 }, { $0.inFlight = 0 }, { $0.inFlight = 70_000 }, { $0.threads = 0 },
            { $0.threads = 60 }, { $0.rate = 0 }, { $0.rate = -1 }, { $0.rate = .nan },
            { $0.durationNanoseconds = 0 },
        ]
        for adjust in bad {
            var plan = RunPlan()
            adjust(&plan)
            #expect(throws: LoadError.self) { try plan.check() }
        }
        #expect(throws: Never.self) { try RunPlan().check() }
    }
}
