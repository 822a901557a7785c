// Goal: over a real socket and a real register, the right decision with the right reason, at once after each
// write. Method: a server in this process, the client library against it; every step states decision and
// reason.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct DecisionTests {
    @Test func aConsentHoldsForItsChannelPurposeAndControllerAlone() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let result = try await client.grant(salon.grant(["claire.dubois@example.fr"], channels: [.email]))
        #expect(result.status == .recorded && result.sequence > 0)

        func reason(_ question: CheckQuestion, _ address: String) async -> Reason? {
            var question = question
            question.minimumSequence = result.sequence
            let answer = await client.check(question, .address(address))
            #expect(answer.isAllowed == (answer.decision == .allow))
            return answer.reason
        }
        #expect(await reason(salon.question(.email), "claire.dubois@example.fr") == .consent)
        #expect(await reason(salon.question(.email), " Claire.Dubois@EXAMPLE.fr ") == .consent)
        #expect(
            await reason(salon.question(.email, salon.newsletter), "claire.dubois@example.fr") == .noRecord)
        #expect(await reason(salon.question(.sms), "+33612345678") == .noRecord)
        #expect(await reason(salon.question(.email, salon.reminders), "claire.dubois@example.fr") == .service)
        #expect(await reason(salon.question(.email), "someone.else@example.fr") == .noRecord)
        var elsewhere = salon.question(.email)
        elsewhere.controller = salon.other
        #expect(await reason(elsewhere, "claire.dubois@example.fr") == .noRecord)
        var mistaken = salon.question(.email)
        mistaken.purposeClass = .service
        #expect(await reason(mistaken, "claire.dubois@example.fr") == .classMismatch)
        elsewhere.controller = ControllerID(rawValue: 99)
        #expect(await reason(elsewhere, "claire.dubois@example.fr") == .unknownController)
        await client.close()
        await server.server.drain()
    }

    @Test func aWithdrawalIsSeenByTheNextCheck() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        for round in 0..<20 {
            let address = "person\(round)@example.fr"
            _ = try await client.grant(salon.grant([address], channels: [.email]))
            #expect(await client.check(salon.question(.email), .address(address)).reason == .consent)
            let withdrawn = try await client.withdraw(salon.refusal(address))
            #expect(withdrawn.status == .recorded)
            let answer = await client.check(salon.question(.email), .address(address))
            #expect(answer.reason == .withdrawn && !answer.isAllowed)
            #expect(answer.sequence >= withdrawn.sequence)
            #expect(
                await client.check(salon.question(.email, salon.reminders), .address(address)).reason
                    == .service)
        }
        await client.close()
        await server.server.drain()
    }

    @Test func onePersonWithTwoAddressesIsOneTransaction() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var grant = salon.grant(["lea@example.fr", "06 12 34 56 78"], channels: [.email, .sms])
        grant.reference = "customer-17"
        let result = try await client.grant(grant)
        #expect(result.sequences.count == 2 && result.eventIDs.count == 2)
        #expect(await client.check(salon.question(.email), .address("lea@example.fr")).reason == .consent)
        #expect(await client.check(salon.question(.sms), .address("+33 6 12 34 56 78")).reason == .consent)

        // One bad address among them: nothing is recorded.
        let before = try await client.stats().sequence
        let bad = try await client.grant(
            salon.grant(["max@example.fr", "not a number"], channels: [.email, .sms]))
        #expect(bad.status == .refused && bad.refusals.map(\.refusal) == [.badAddress])
        #expect(try await client.stats().sequence == before)

        // A refusal by reference reaches both.
        let refused = try await client.withdraw(
            RefusalNotice(controller: salon.controller, subject: .reference("customer-17")))
        #expect(refused.sequences.count == 2)
        #expect(await client.check(salon.question(.email), .address("lea@example.fr")).reason == .withdrawn)
        #expect(await client.check(salon.question(.sms), .address("+33612345678")).reason == .withdrawn)
        await client.close()
        await server.server.drain()
    }

    @Test func batchesSayTheSameAsSingleChecks() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var addresses: [String] = []
        for number in 0..<100 {
            addresses.append("batch\(number)@example.fr")
            if number % 3 != 0 {
                _ = try await client.grant(salon.grant([addresses[number]], channels: [.email]))
            }
            if number % 5 == 0 { _ = try await client.object(salon.refusal(addresses[number])) }
        }
        addresses.insert("broken", at: 50)
        let question = salon.question(.email)
        let batch = await client.checkBatch(question, addresses: addresses)
        #expect(batch.cause == nil && batch.count == 101)
        #expect(batch.itemErrors[50] != nil && !batch.isAllowed(50))
        let keys = try await client.keys(of: addresses, controller: salon.controller, kind: .email)
        #expect(keys.keys[50] == nil)
        let byKey = await client.checkBatch(
            question, keys: keys.keys.map { $0 ?? RecipientKey(low: 0, high: 0) })
        for (position, address) in addresses.enumerated() where position != 50 {
            let single = await client.check(question, .address(address))
            #expect(batch.reasonCode(position) == single.reasonCode, "position \(position)")
            #expect(byKey.reasonCode(position) == single.reasonCode, "position \(position)")
            #expect(batch.isAllowed(position) == single.isAllowed)
        }
        #expect(await client.checkBatch(question, addresses: []).count == 0)
        await client.close()
        await server.server.drain()
    }

    @Test func aCheckAheadOfTheRegisterIsIndeterminate() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let granted = try await client.grant(salon.grant(["early@example.fr"], channels: [.email]))
        var question = salon.question(.email)
        question.minimumSequence = granted.sequence + 1
        let answer = await client.check(question, .address("early@example.fr"))
        #expect(answer.decision == .indeterminate && answer.reason == .notFresh && !answer.isAllowed)
        let batch = await client.checkBatch(question, addresses: ["early@example.fr"])
        #expect(batch.whole == .indeterminate && !batch.isAllowed(0))
        await client.close()
        await server.server.drain()
    }

    @Test func doubleOptInNeedsTheClick() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client) { $0.doubleOptIn = ChannelSet([.email]) }
        let granted = try await client.grant(salon.grant(["click@example.fr"], channels: [.email]))
        #expect(await client.check(salon.question(.email), .address("click@example.fr")).reason == .pending)
        let token = try #require(granted.tokens.first)
        var forged = token
        forged[forged.count - 1] ^= 1
        #expect(try await client.confirm(token: forged).refusals.map(\.refusal) == [.badToken])
        #expect(try await client.confirm(token: token).status == .recorded)
        #expect(await client.check(salon.question(.email), .address("click@example.fr")).reason == .consent)
        #expect(try await client.confirm(token: token).status == .repeated)

        // After a withdrawal a token confirms nothing.
        let second = try await client.grant(salon.grant(["late@example.fr"], channels: [.email]))
        _ = try await client.withdraw(salon.refusal("late@example.fr"))
        let confirmed = try await client.confirm(token: try #require(second.tokens.first))
        #expect(confirmed.status == .refused)
        #expect(await client.check(salon.question(.email), .address("late@example.fr")).reason == .withdrawn)
        await client.close()
        await server.server.drain()
    }

    @Test func anInvalidatedNoticeDeniesEveryGrantUnderIt() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        _ = try await client.grant(salon.grant(["notice@example.fr"], channels: [.email]))
        _ = try await client.invalidateNotice(salon.notice, reason: "withdrawal was not explained")
        #expect(
            await client.check(salon.question(.email), .address("notice@example.fr")).reason
                == .noticeInvalidated)
        let refused = try await client.grant(salon.grant(["new@example.fr"], channels: [.email]))
        #expect(refused.refusals.map(\.refusal) == [.notInformed])
        await client.close()
        await server.server.drain()
    }
}
