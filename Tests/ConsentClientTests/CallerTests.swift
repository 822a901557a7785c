// Goal: many callers at once, wherever their tasks run, each get their own answer, and none is left waiting.
// Method: tasks on Swift's threads, on the client's event loop and on another executor ask again and again;
// a scripted server answers by a rule that each caller can compute.

import ConsentClient
import NIOCore
import NIOPosix
import Synchronization
import Testing
import WireProtocol

@Suite struct CallerTests {
    /// Where callers run.
    enum Place: CaseIterable, CustomTestStringConvertible {
        case pool, loop, both, elsewhere
        var testDescription: String { "\(self)" }
    }

    /// Runs tasks on a thread pool of its own: neither Swift's threads nor the client's.
    final class OtherExecutor: TaskExecutor {
        private let threads = NIOThreadPool(numberOfThreads: 2)
        init() { threads.start() }
        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            threads.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
        func stop() async { try? await threads.shutdownGracefully() }
    }

    @Test(arguments: Place.allCases, [true, false])
    func eachCallerGetsItsOwnAnswer(_ place: Place, coalesces: Bool) async throws {
        let server = try await FakeServer { Answers.byRule($0) }
        let client = try await ConsentClient.connect(
            to: server.address, configuration: Answers.quick { $0.coalescesChecks = coalesces })
        let other = OtherExecutor()
        let (callers, rounds) = (60, 20)
        let right = await withTaskGroup(of: Int.self) { group in
            for caller in 0..<callers {
                let ask: @Sendable () async -> Int = {
                    var right = 0
                    for round in 0..<rounds {
                        let number = UInt64(caller * rounds + round)
                        let contact: Contact =
                            caller % 5 == 0
                            ? .address(String(repeating: "a", count: Int(number % 9) + 1))
                            : Answers.key(number)
                        let expected = caller % 5 == 0 ? (number % 9 + 1) % 2 == 0 : number % 2 == 0
                        let answer = await client.check(Answers.question, contact)
                        if answer.cause == nil && answer.isAllowed == expected { right += 1 }
                    }
                    return right
                }
                switch place {
                case .pool: group.addTask(operation: ask)
                case .loop: group.addTask(executorPreference: client.taskExecutor, operation: ask)
                case .elsewhere: group.addTask(executorPreference: other, operation: ask)
                case .both:
                    let preference: (any TaskExecutor)? = caller % 2 == 0 ? nil : client.taskExecutor
                    group.addTask(executorPreference: preference, operation: ask)
                }
            }
            return await group.reduce(0, +)
        }
        #expect(right == callers * rounds)
        await client.close()
        await server.stop()
        await other.stop()
    }

    @Test func tasksOnTheLoopStayThere() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let server = try await FakeServer { Answers.byRule($0) }
        let client = try await ConsentClient.connect(
            to: server.address, configuration: Answers.quick { $0.eventLoopGroup = group })
        let places = await withTaskExecutorPreference(client.taskExecutor) {
            var places = [loop.inEventLoop]
            _ = await client.check(Answers.question, Answers.key(2))
            places.append(loop.inEventLoop)
            _ = try? await client.health()
            places.append(loop.inEventLoop)
            async let child = loop.inEventLoop
            places.append(await child)
            return places
        }
        #expect(places == [true, true, true, true])
        #expect(!loop.inEventLoop)
        await client.close()
        await server.stop()
        try await group.shutdownGracefully()
    }

    /// Callers that are woken and ask nothing more must not keep others waiting.
    @Test(arguments: [false, true]) func manyAreWokenAndOneAsks(onLoop: Bool) async throws {
        let server = try await FakeServer { Answers.byRule($0) }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        for round in 0..<50 {
            let allowed = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<20 {
                    group.addTask(executorPreference: onLoop ? client.taskExecutor : nil) {
                        let first = await client.check(Answers.question, Answers.key(UInt64(2 * number)))
                        guard number == round % 20 else { return first.isAllowed }
                        return await client.check(Answers.question, Answers.key(4)).isAllowed
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(allowed == 20, "round \(round)")
        }
        await client.close()
        await server.stop()
    }

    @Test func deadlineAndCancellationOnTheLoop() async throws {
        let server = try await FakeServer { _ in }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let late = Task(executorPreference: client.taskExecutor) {
            await client.check(Answers.question, Answers.key(2), timeout: .milliseconds(100))
        }
        #expect(await late.value.cause == .timedOut(after: .milliseconds(100)))
        let stopped = Task(executorPreference: client.taskExecutor) {
            await client.check(Answers.question, Answers.key(2))
        }
        #expect(await eventually { server.seen.methods.count == 2 })
        stopped.cancel()
        #expect(await stopped.value.cause == .cancelled)
        #expect(await eventually { server.seen.cancels.count == 2 })
        let never = Task(executorPreference: client.taskExecutor) {
            withUnsafeCurrentTask { $0?.cancel() }
            return await client.check(Answers.question, Answers.key(2))
        }
        #expect(await never.value.cause == .cancelled)
        await client.close()
        let closed = Task(executorPreference: client.taskExecutor) {
            await client.check(Answers.question, Answers.key(2))
        }
        #expect(await closed.value.cause == .closed)
        await server.stop()
    }

    /// One of many coalesced checks cannot be answered: its caller alone hears so. A batch without the
    /// columns that were asked for still denies and allows right.
    @Test(arguments: [false, true]) func aBatchThatIsNotPlain(hasError: Bool) async throws {
        let batches = Mutex(0)
        let server = try await FakeServer { call in
            guard call.method == .checkBatch, let view = try? Wire.CheckBatchRequestView(call.body.span.bytes)
            else { return Answers.byRule(call) }
            batches.withLock { $0 += 1 }
            let response = Wire.CheckBatchResponse(
                sequence: 10, now: 1_000, count: view.count, errorCount: hasError ? 1 : 0, want: 0,
                whole: .deny)
            var writer = FrameWriter()
            let columns = response.beginEncoding(into: &writer)
            for index in 0..<Int(view.count) where view.keys.load(UInt64.self, at: index * 16) % 2 == 0 {
                writer.withMutableBytes(at: columns.allow.lowerBound + index / 8, count: 1) {
                    $0[0] |= 1 << UInt8(index % 8)
                }
            }
            if hasError { writer.store(UInt16(8), at: columns.errors.lowerBound + 4) }
            call.respond(bytes: writer.withBytes { Array($0) })
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let answers = await withTaskGroup(of: (Int, CheckAnswer).self) { group in
            for number in 0..<200 {
                group.addTask { (number, await client.check(Answers.question, Answers.key(UInt64(number)))) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        let failed = answers.filter { $0.value.cause != nil }
        #expect(failed.count == (hasError ? batches.withLock { $0 } : 0))
        for (number, answer) in answers where answer.cause == nil {
            #expect(answer.isAllowed == (number % 2 == 0), "\(number)")
        }
        #expect(failed.values.allSatisfy { !$0.isAllowed })
        await client.close()
        await server.stop()
    }
}
