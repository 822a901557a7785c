// Goal: nothing but a right answer in time reads as allowed. Method: a table of everything that can go wrong,
// each against a real socket whose other side does exactly that, and the single rule that none of them is
// allowed.

import ConsentClient
import Testing
import WireProtocol

@Suite struct FailClosedTests {
    /// What the server does with every request.
    enum Trouble: CustomTestStringConvertible, CaseIterable {
        case silence, closing, garbage, shortBody, wrongStatus, unknownDecision, unknownReason,
            allowWithDenyReason
        case denyWithAllowReason, indeterminate, resourceExhausted, unavailable, internalError, unimplemented
        case permissionDenied, deadlineExceeded, goaway
        var testDescription: String { "\(self)" }
    }

    @Sendable static func make(_ trouble: Trouble, _ call: FakeCall) {
        switch trouble {
        case .silence: break
        case .closing: call.close()
        case .garbage:
            call.connection.send {
                $0.append(UInt64.max); $0.append(UInt64.max); $0.append(UInt64.max)
            }
        case .shortBody: call.respond(bytes: [1, 2, 3])
        case .wrongStatus: call.fail(Status(rawValue: 999))
        case .unknownDecision: call.respond(Answers.response(Wire.Decision(rawValue: 9), .consent, 10))
        case .unknownReason: call.respond(Answers.response(.allow, Wire.Reason(rawValue: 3), 10))
        case .allowWithDenyReason: call.respond(Answers.response(.allow, .withdrawn, 10))
        case .denyWithAllowReason: call.respond(Answers.response(.deny, .consent, 10))
        case .indeterminate: call.respond(Answers.response(.indeterminate, .loading, 10))
        case .resourceExhausted: call.fail(.resourceExhausted, notExecuted: true)
        case .unavailable: call.fail(.unavailable)
        case .internalError: call.fail(.internal)
        case .unimplemented: call.fail(.unimplemented)
        case .permissionDenied: call.fail(.permissionDenied)
        case .deadlineExceeded: call.fail(.deadlineExceeded)
        case .goaway: call.goaway(.protocolError, lastStream: 0)
        }
    }

    @Test(arguments: Trouble.allCases) func singleCheck(_ trouble: Trouble) async throws {
        let server = try await FakeServer { Self.make(trouble, $0) }
        let client = try await ConsentClient.connect(
            to: server.address, configuration: Answers.quick { $0.timeout = .milliseconds(200) })
        let answer = await client.check(Answers.question, Answers.key(2))
        #expect(!answer.isAllowed)
        #expect(answer.decision != .allow)
        switch trouble {
        case .unknownDecision, .unknownReason, .allowWithDenyReason, .denyWithAllowReason:
            #expect(answer.decision == .deny)
            #expect(answer.cause == nil)
        case .indeterminate: #expect(answer.cause == nil)
        default:
            #expect(answer.cause != nil)
            #expect(answer.reason == .unavailable)
        }
        await client.close()
        await server.stop()
    }

    @Test(arguments: Trouble.allCases) func batch(_ trouble: Trouble) async throws {
        let server = try await FakeServer { Self.make(trouble, $0) }
        let client = try await ConsentClient.connect(
            to: server.address, configuration: Answers.quick { $0.timeout = .milliseconds(200) })
        let keys = (0..<9).map { RecipientKey(low: $0 * 2, high: 1) }
        let answer = await client.checkBatch(Answers.question, keys: keys)
        #expect(answer.count == 9)
        #expect(answer.cause != nil)
        #expect(answer.allowedCount == 0)
        #expect(
            (0..<9).allSatisfy { !answer.answer($0).isAllowed && answer.answer($0).reason == .unavailable })
        await client.close()
        await server.stop()
    }

    /// Batches whose bytes are well formed but must not read as allowed.
    @Test func batchesThatAreNotAllows() async throws {
        struct Case: Sendable {
            var name: String
            var whole: Wire.Decision = .deny
            var reason: Wire.Reason = .consent
            var count: UInt32 = 1
            var error: UInt32?
        }
        let cases = [
            Case(name: "whole indeterminate", whole: .indeterminate),
            Case(name: "whole allow", whole: .allow),
            Case(name: "whole unknown", whole: Wire.Decision(rawValue: 7)),
            Case(name: "deny reason", reason: .withdrawn),
            Case(name: "unknown reason", reason: Wire.Reason(rawValue: 5)),
            Case(name: "another count", count: 2), Case(name: "item error on an allow", error: 0),
            Case(name: "item error outside", error: 1),
        ]
        for item in cases {
            let server = try await FakeServer { call in
                var writer = FrameWriter()
                let response = Wire.CheckBatchResponse(
                    sequence: 10, now: 1, count: item.count, errorCount: item.error == nil ? 0 : 1, want: 1,
                    whole: item.whole)
                let columns = response.beginEncoding(into: &writer)
                writer.store(UInt8(1), at: columns.allow.lowerBound)
                writer.store(item.reason.rawValue, at: columns.reasons.lowerBound)
                if let error = item.error {
                    writer.store(error, at: columns.errors.lowerBound)
                    writer.store(UInt16(8), at: columns.errors.lowerBound + 4)
                }
                call.respond(bytes: writer.withBytes { Array($0) })
            }
            let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
            let answer = await client.checkBatch(
                Answers.question, keys: [RecipientKey(low: 2, high: 0)], detail: .reasons)
            #expect(!answer.isAllowed(0), "\(item.name)")
            #expect(!answer.answer(0).isAllowed, "\(item.name)")
            await client.close()
            await server.stop()
        }
    }

    @Test func aRightAnswerIsAllowed() async throws {
        let server = try await FakeServer { Answers.byRule($0) }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let allowed = await client.check(Answers.question, Answers.key(2))
        #expect(allowed.isAllowed)
        #expect(allowed.reason == .consent)
        #expect(allowed.sequence == 10)
        #expect(allowed.validUntil == Timestamp(microseconds: 86_400_000_000))
        let denied = await client.check(Answers.question, Answers.key(3))
        #expect(denied.decision == .deny)
        #expect(denied.reason == .withdrawn)
        let batch = await client.checkBatch(Answers.question, addresses: ["ab", "abc", "abcd"])
        #expect((0..<3).map(batch.isAllowed) == [true, false, true])
        #expect(batch.answer(0).validUntil == Timestamp(microseconds: 86_400_000_000))
        await client.close()
        let late = await client.check(Answers.question, Answers.key(2))
        #expect(late.cause == .closed)
        #expect(!late.isAllowed)
        await server.stop()
    }

    @Test func whatIsNeverSent() async throws {
        let server = try await FakeServer { Answers.byRule($0) }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let long = await client.check(Answers.question, .address(String(repeating: "a", count: 322)))
        #expect(!long.isAllowed)
        let many = await client.checkBatch(
            Answers.question, keys: Array(repeating: RecipientKey(low: 2, high: 2), count: 65_537))
        #expect(many.allowedCount == 0)
        #expect(many.cause != nil)
        #expect(server.seen.methods.isEmpty)
        await client.close()
        await server.stop()
    }
}
