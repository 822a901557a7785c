// Goal: a lost connection costs time, not correctness: what is safe is sent again, what is not is told, and
// another register is noticed. Method: servers that break off at chosen moments.

import ConsentClient
import Synchronization
import Testing
import WireProtocol

@Suite struct ReconnectTests {
    @Test func sentAgainOnANewConnection() async throws {
        let server = try await FakeServer { call in
            if call.connectionIndex == 0 { call.close() } else { Answers.byRule(call) }
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let answer = await client.check(Answers.question, Answers.key(2))
        #expect(answer.isAllowed)
        #expect(server.seen.connections == 2)
        await client.close()
        await server.stop()
    }

    /// A write that is sent again carries the same event id, so that it cannot be recorded twice.
    @Test func writesKeepTheirEventID() async throws {
        let ids = Mutex<[Wire.Bytes16?]>([])
        let server = try await FakeServer { call in
            let request = try? Wire.GrantRequest(decoding: call.body.span.bytes)
            ids.withLock { $0.append(request?.eventId) }
            if call.connectionIndex == 0 { return call.close() }
            call.respond(Wire.WriteResponse(status: .recorded, sequence: 11))
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let grant = Grant(
            controller: ControllerID(rawValue: 7), contacts: [WriteContact("a@example.org")], channels: [],
            purposes: [], notice: .zero)
        let result = try await client.grant(grant)
        #expect(result.status == .recorded)
        let seen = ids.withLock { $0 }
        #expect(seen.count == 2)
        #expect(seen[0] != nil)
        #expect(seen[0] == seen[1])
        await client.close()
        await server.stop()
    }

    /// The first sending may have been executed, whatever the server says of the second.
    @Test func aCallThatWasLostOnceIsNeverCalledNotExecuted() async throws {
        let server = try await FakeServer { call in
            if call.connectionIndex == 0 { call.close() } else { call.fail(.unavailable, notExecuted: true) }
        }
        let client = try await ConsentClient.connect(
            to: server.address, configuration: Answers.quick { $0.attemptsMax = 3 })
        let grant = Grant(
            controller: ControllerID(rawValue: 7), contacts: [WriteContact("a@example.org")], channels: [],
            purposes: [], notice: .zero)
        do {
            _ = try await client.grant(grant)
            Issue.record("no error")
        } catch {
            #expect(error == .rejected(Rejection(status: .unavailable, notExecuted: false)))
        }
        #expect(server.seen.methods.count == 3)
        await client.close()
        await server.stop()
    }

    @Test func attemptsAreBounded() async throws {
        let server = try await FakeServer { $0.fail(.unavailable, notExecuted: true) }
        let client = try await ConsentClient.connect(
            to: server.address, configuration: Answers.quick { $0.attemptsMax = 3 })
        let answer = await client.check(Answers.question, Answers.key(2))
        #expect(answer.cause?.status == .unavailable)
        #expect(server.seen.methods.count == 3)
        await client.close()
        await server.stop()
    }

    @Test func theBudgetIsBounded() async throws {
        let server = try await FakeServer { $0.fail(.unavailable, notExecuted: true) }
        let client = try await ConsentClient.connect(
            to: server.address,
            configuration: Answers.quick {
                $0.retryBudget = 2
                $0.coalescesChecks = false
            })
        for number in 0..<10 { _ = await client.check(Answers.question, Answers.key(UInt64(number))) }
        #expect(server.seen.methods.count == 12)
        await client.close()
        await server.stop()
    }

    @Test func errorsThatAreNotSentAgain() async throws {
        for status in [
            Status.invalidArgument, .notFound, .permissionDenied, .internal, .dataLoss, .deadlineExceeded,
        ] {
            let server = try await FakeServer { $0.fail(status, "why") }
            let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
            do {
                _ = try await client.stats()
                Issue.record("no error for \(status)")
            } catch {
                #expect(error == .rejected(Rejection(status: status, message: "why")))
            }
            #expect(server.seen.methods.count == 1)
            await client.close()
            await server.stop()
        }
    }

    @Test func drain() async throws {
        let server = try await FakeServer { call in
            if call.connectionIndex > 0 { return Answers.byRule(call) }
            // The first call is answered after the goaway, the second was not taken up.
            if call.stream == 2 {
                call.goaway(.drain, lastStream: 1)
                call.connection.send { writer in
                    let frame = writer.beginFrame(.response, stream: 1)
                    Answers.response(.allow, .consent, 10).encode(into: &writer)
                    writer.endFrame(frame)
                }
                call.close()
            }
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let first = Task { await client.check(Answers.question, Answers.key(1)) }
        #expect(await eventually { server.seen.methods.count == 1 })
        let second = await client.check(Answers.question, Answers.key(2))
        #expect(await first.value.isAllowed)
        #expect(second.isAllowed)
        #expect(server.seen.methods.count == 3)
        await client.close()
        await server.stop()
    }

    @Test(arguments: [(UInt64(2), UInt64(10)), (1, 9)])
    func anotherRegisterIsRefused(incarnation: UInt64, sequence: UInt64) async throws {
        let server = try await FakeServer(
            welcome: { index in
                index == 0
                    ? FakeServer.welcome() : FakeServer.welcome(incarnation: incarnation, sequence: sequence)
            }
        ) { call in
            if call.connectionIndex == 0 { call.close() } else { Answers.byRule(call) }
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        for _ in 0..<2 {
            let answer = await client.check(Answers.question, Answers.key(2))
            guard case .registerChanged(let change)? = answer.cause else {
                Issue.record("\(String(describing: answer.cause))")
                return
            }
            #expect(change.knownSequence == 10)
            #expect(change.sequence == sequence)
            #expect(!answer.isAllowed)
        }
        await client.acceptRegister()
        #expect(await client.check(Answers.question, Answers.key(2)).isAllowed)
        await client.close()
        await server.stop()
    }

    @Test func refusedAtTheDoor() async throws {
        let server = try await FakeServer(welcome: { _ in nil }) { _ in }
        do {
            _ = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
            Issue.record("connected")
        } catch {
            guard case .handshake(let failure) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(failure.isBadCredential)
        }
        await server.stop()
        let port = server.port
        do {
            _ = try await ConsentClient.connect(to: "127.0.0.1:\(port)", configuration: Answers.quick())
            Issue.record("connected")
        } catch {
            guard case .unreachable(let address, _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(address == "127.0.0.1:\(port)")
        }
    }

    @Test func aSlowServerThatAnswersPings() async throws {
        let server = try await FakeServer { _ in }
        let client = try await ConsentClient.connect(
            to: server.address, configuration: Answers.quick { $0.keepAlive = .milliseconds(50) })
        // Pings are answered, so the connection stays although the call is not answered.
        let answer = await client.check(Answers.question, Answers.key(2), timeout: .milliseconds(400))
        #expect(answer.cause == .timedOut(after: .milliseconds(400)))
        #expect(server.seen.connections == 1)
        await client.close()
        await server.stop()
    }
}
