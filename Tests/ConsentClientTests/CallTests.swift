// Goal: calls reach the server once, in one write where they can, and come to an end whatever happens to the
// connection. Method: scripted servers on real sockets; what they saw is compared with what the client was
// asked.

import ConsentClient
import Synchronization
import Testing
import WireProtocol

@Suite struct CallTests {
    // MARK: Coalescing

    @Test(arguments: [true, false]) func concurrentChecks(coalesces: Bool) async throws {
        let server = try await FakeServer { Answers.byRule($0) }
        let client = try await ConsentClient.connect(
            to: server.address, configuration: Answers.quick { $0.coalescesChecks = coalesces })
        let count = 500
        let right = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<count {
                group.addTask {
                    let contact: Contact =
                        number % 3 == 0
                        ? .address(String(repeating: "a", count: number % 7 + 1))
                        : Answers.key(UInt64(number))
                    let expected = number % 3 == 0 ? (number % 7 + 1) % 2 == 0 : number % 2 == 0
                    return await client.check(Answers.question, contact).isAllowed == expected
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(right == count)
        let methods = server.seen.methods
        if coalesces {
            #expect(methods.contains(.checkBatch))
            #expect(methods.count < count)
        } else {
            #expect(methods.count == count)
            #expect(methods.allSatisfy { $0 == .check })
        }
        await client.close()
        await server.stop()
    }

    /// A caller that asks for a sequence which is not reached must not make its neighbours indeterminate.
    @Test func minimumSequenceOfAnotherCaller() async throws {
        let server = try await FakeServer { Answers.byRule($0) }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let answers = await withTaskGroup(of: (Int, CheckAnswer).self) { group in
            for number in 0..<64 {
                group.addTask {
                    var question = Answers.question
                    if number == 5 { question.minimumSequence = 1_000 }
                    return (number, await client.check(question, Answers.key(UInt64(number * 2))))
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (number, answer) in answers {
            if number == 5 {
                #expect(answer.reason == .notFresh)
            } else {
                #expect(answer.isAllowed, "\(number)")
            }
        }
        await client.close()
        await server.stop()
    }

    // MARK: Deadlines and cancellation

    @Test func deadlineTravelsAndEnds() async throws {
        let deadline = Mutex<UInt32>(0)
        let server = try await FakeServer { call in deadline.withLock { $0 = call.deadlineMicroseconds } }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let start = ContinuousClock.now
        await #expect(throws: ConsentClientError.timedOut(after: .milliseconds(150))) {
            try await client.stats(timeout: .milliseconds(150))
        }
        #expect(ContinuousClock.now - start >= .milliseconds(149))
        let stated = deadline.withLock { $0 }
        #expect(stated > 0 && stated <= 150_000)
        #expect(await eventually { server.seen.cancels.count == 1 })
        await client.close()
        await server.stop()
    }

    @Test func cancellationReachesTheServer() async throws {
        let server = try await FakeServer { _ in }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let call = Task { try await client.stats() }
        let check = Task { await client.check(Answers.question, Answers.key(2)) }
        #expect(await eventually { server.seen.methods.count == 2 })
        call.cancel()
        check.cancel()
        await #expect(throws: ConsentClientError.cancelled) { try await call.value }
        let answer = await check.value
        #expect(answer.cause == .cancelled)
        #expect(!answer.isAllowed)
        #expect(await eventually { server.seen.cancels.count == 2 })
        await client.close()
        await server.stop()
    }

    @Test func aCallOfACancelledTask() async throws {
        let server = try await FakeServer { Answers.byRule($0) }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let answer = await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await client.check(Answers.question, Answers.key(2))
        }.value
        #expect(answer.cause == .cancelled)
        await client.close()
        await server.stop()
    }

    @Test func moreCallsThanInFlight() async throws {
        let held = Mutex<[FakeCall]>([])
        let server = try await FakeServer { call in
            let ready = held.withLock { held in
                held.append(call)
                guard held.count >= 64 else { return [FakeCall]() }
                defer { held = [] }
                return held
            }
            for call in ready { call.respond(Wire.HealthResponse(state: .serving)) }
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let healthy = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<256 { group.addTask { (try? await client.health().state) == .serving } }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(healthy == 256)
        await client.close()
        await server.stop()
    }

    @Test func tooManyWait() async throws {
        let server = try await FakeServer { _ in }
        let client = try await ConsentClient.connect(
            to: server.address,
            configuration: Answers.quick {
                $0.waitingMax = 8
                $0.coalescesChecks = false
                $0.timeout = .milliseconds(300)
            })
        let causes = await withTaskGroup(of: ConsentClientError?.self) { group in
            for number in 0..<200 {
                group.addTask { await client.check(Answers.question, Answers.key(UInt64(number))).cause }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(causes.allSatisfy { $0 != nil })
        #expect(causes.contains { if case .overloaded? = $0 { true } else { false } })
        await client.close()
        await server.stop()
    }

    // MARK: Closing

    @Test func closeWaitsForWhatIsInFlight() async throws {
        let held = Mutex<FakeCall?>(nil)
        let server = try await FakeServer { call in held.withLock { $0 = call } }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let call = Task { try await client.health() }
        #expect(await eventually { held.withLock { $0 != nil } })
        let closing = Task { await client.close() }
        try await Task.sleep(for: .milliseconds(30))
        await #expect(throws: ConsentClientError.closed) { try await client.stats() }
        held.withLock { $0?.respond(Wire.HealthResponse(state: .serving, sequence: 5)) }
        #expect(try await call.value.sequence == 5)
        await closing.value
        await server.stop()
    }

    @Test func compressionWhereAgreed() async throws {
        let compressed = Mutex<[Bool]>([])
        let server = try await FakeServer(welcome: { _ in FakeServer.welcome(features: Feature.compression) })
        { call in
            compressed.withLock { $0.append(call.isCompressed) }
            let request = try? Wire.PutNoticeRequest(decoding: call.body.span.bytes)
            call.respond(Wire.CatalogueChange(sequence: UInt64(request?.notice.text.utf8.count ?? 0)))
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        for length in [10, 20_000] {
            let notice = Notice(
                locale: "fr", text: String(repeating: "o", count: length), channels: [], purposes: [],
                controllers: [])
            #expect(try await client.putNotice(notice).sequence == UInt64(length))
        }
        #expect(compressed.withLock { $0 } == [false, true])
        await client.close()
        await server.stop()
    }

    @Test func aRequestOverTheLimit() async throws {
        let server = try await FakeServer { $0.fail(.internal) }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let keys = Array(repeating: RecipientKey(low: 1, high: 1), count: 65_536)
        let answer = await client.checkBatch(Answers.question, keys: keys)
        guard case .invalidRequest? = answer.cause else {
            Issue.record("\(String(describing: answer.cause))")
            return
        }
        #expect(server.seen.methods.isEmpty)
        await client.close()
        await server.stop()
    }
}
