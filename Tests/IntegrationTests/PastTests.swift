// Goal: CheckAt answers what was in force at a time as known at another, with the events that decide it, also
// after a restart; Review lists what is due. Method: a server in this process; each question states decision
// and reason for both sides of an event.

import ConsentClient
import TestSupport
import Testing

@Suite struct PastTests {
    private struct Asker {
        let client: ConsentClient
        let salon: Salon
        let address: String

        func reason(
            _ time: Timestamp, _ known: KnownAt = .now, purpose: PurposeID? = nil
        ) async throws -> Reason? {
            try await explanation(time, known, purpose: purpose).answer.reason
        }

        func explanation(
            _ time: Timestamp, _ known: KnownAt = .now, purpose: PurposeID? = nil
        ) async throws -> Explanation {
            try await client.checkAt(
                salon.question(.email, purpose), .contacts([WriteContact(address)]), at: time, known: known)
        }

        func event(_ sequence: UInt64) async throws -> RecordedEvent {
            try await client.proof(of: .event(sequence)).event
        }
    }

    private func minutes(_ count: Int64) -> Int64 { count * 60_000_000 }

    @Test func anInvalidatedNoticeIsSeenFromBothSides() async throws {
        var server = try await TestServer.start()
        var client = try await server.admin()
        let salon = try await Salon(client)
        let granted = try await client.grant(salon.grant(["both@example.fr"], channels: [.email]))
        let invalidated = try await client.invalidateNotice(salon.notice, reason: "withdrawal unclear")
        for round in 0..<2 {
            let asker = Asker(client: client, salon: salon, address: "both@example.fr")
            let at = try await asker.event(granted.sequence).recordedAt
            #expect(
                try await asker.reason(at, .sequence(granted.sequence - 1)) == .noRecord, "round \(round)")
            #expect(try await asker.reason(at, .sequence(granted.sequence)) == .consent)
            let after = try await asker.explanation(at, .sequence(invalidated.sequence))
            #expect(after.answer.reason == .noticeInvalidated && !after.answer.isAllowed)
            #expect(after.answer.sequence == invalidated.sequence)
            #expect(after.events.map(\.sequence) == [invalidated.sequence, granted.sequence])
            #expect(after.events.last?.wording == Salon.text)
            // What is known by a time is what was recorded by then.
            let recorded = try await asker.event(invalidated.sequence).recordedAt
            #expect(try await asker.reason(at, .time(recorded)) == .noticeInvalidated)
            #expect(
                try await asker.reason(at, .time(recorded.adding(microseconds: -1))) == .consent)
            await client.close()
            if round == 0 {
                server = try await server.restarted()
                client = try await server.admin()
            }
        }
        await server.server.drain()
    }

    @Test func anInvalidationFromATimeOnLeavesWhatWasBefore() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let granted = try await client.grant(salon.grant(["from@example.fr"], channels: [.email]))
        let asker = Asker(client: client, salon: salon, address: "from@example.fr")
        let at = try await asker.event(granted.sequence).recordedAt
        let effective = at.adding(microseconds: minutes(10))
        _ = try await client.invalidateNotice(salon.notice, reason: "moved", effective: effective)
        #expect(try await asker.reason(at) == .consent)
        #expect(try await asker.reason(effective.adding(microseconds: -1)) == .consent)
        #expect(try await asker.reason(effective) == .noticeInvalidated)
        await client.close()
        await server.server.drain()
    }

    @Test func aLateRecordedWithdrawalReachesBack() async throws {
        var server = try await TestServer.start()
        var client = try await server.admin()
        let salon = try await Salon(client)
        let start = try await client.stats().sequence
        let now = try await client.proof(of: .event(start)).event.recordedAt
        var grant = salon.grant(["late@example.fr"], channels: [.email])
        grant.occurredAt = now.adding(microseconds: -minutes(600))
        let granted = try await client.grant(grant)
        var refusal = salon.refusal("late@example.fr")
        refusal.occurredAt = now.adding(microseconds: -minutes(300))
        let withdrawn = try await client.withdraw(refusal)
        for round in 0..<2 {
            let asker = Asker(client: client, salon: salon, address: "late@example.fr")
            for (minute, known, expected): (Int64, UInt64, Reason) in [
                (601, withdrawn.sequence, .noRecord), (600, withdrawn.sequence, .consent),
                (301, withdrawn.sequence, .consent), (300, withdrawn.sequence, .withdrawn),
                (300, granted.sequence, .consent), (0, granted.sequence, .consent),
                (0, withdrawn.sequence, .withdrawn),
            ] {
                let time = now.adding(microseconds: -minutes(minute))
                let found = try await asker.reason(time, .sequence(known))
                #expect(found == expected, "\(minute) minutes ago, known at \(known), round \(round)")
            }
            await client.close()
            if round == 0 {
                server = try await server.restarted()
                client = try await server.admin()
            }
        }
        await server.server.drain()
    }

    @Test func aRetiredPurposeWasOpenBefore() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let granted = try await client.grant(salon.grant(["retired@example.fr"], channels: [.email]))
        var offers = Purpose(
            id: salon.promotions, code: "promotions", title: "Promotions", purposeClass: .marketing)
        offers.retired = true
        let retired = try await client.putPurpose(offers)
        let asker = Asker(client: client, salon: salon, address: "retired@example.fr")
        let grantedAt = try await asker.event(granted.sequence).recordedAt
        let retiredAt = try await asker.event(retired.sequence).recordedAt
        #expect(try await asker.reason(grantedAt) == .consent)
        #expect(try await asker.reason(retiredAt, .sequence(granted.sequence)) == .consent)
        let after = try await asker.explanation(retiredAt)
        #expect(after.answer.reason == .retiredPurpose)
        #expect(after.events.first?.sequence == retired.sequence)
        await client.close()
        await server.server.drain()
    }

    @Test func nowItIsTheCheck() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        for number in 0..<20 {
            let address = "now\(number)@example.fr"
            if number % 2 == 0 {
                _ = try await client.grant(salon.grant([address], channels: [.email]))
            }
            if number % 3 == 0 { _ = try await client.withdraw(salon.refusal(address)) }
            if number % 5 == 0 { _ = try await client.record(.bounce, salon.refusal(address)) }
            let check = await client.check(salon.question(.email), .address(address))
            let now = try #require(check.now).adding(microseconds: minutes(1))
            let asker = Asker(client: client, salon: salon, address: address)
            #expect(try await asker.reason(now) == check.reason, "\(number)")
            let explained = try await client.explain(
                salon.question(.email), .contacts([WriteContact(address)]))
            #expect(try await asker.explanation(now).events == explained.events, "\(number)")
            #expect(
                try await asker.reason(now, purpose: salon.reminders)
                    == (number % 5 == 0 ? .undeliverable : .service))
        }
        await client.close()
        await server.server.drain()
    }

    @Test func aPointThatIsNotReachedIsAnError() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let asker = Asker(client: client, salon: salon, address: "x@example.fr")
        let last = try await client.stats().sequence
        await #expect(throws: ConsentClientError.self) {
            try await asker.reason(.epoch, .sequence(last + 1))
        }
        #expect(try await asker.reason(.epoch, .sequence(0)) == .unknownPurpose)
        #expect(try await asker.reason(.epoch, .sequence(last)) == .noRecord)
        #expect(try await asker.reason(.epoch, .time(.epoch)) == .unknownPurpose)
        await client.close()
        await server.server.drain()
    }

    // MARK: Review

    @Test func theReviewListsWhatIsDueByReference() async throws {
        var server = try await TestServer.start()
        var client = try await server.admin()
        let salon = try await Salon(client) { $0.validityMonths = 1 }
        for number in 0..<300 {
            var grant = salon.grant(["review\(number)@example.fr"], channels: [.email])
            grant.reference = "customer-\(number)"
            _ = try await client.grant(grant)
            if number % 3 == 0 { _ = try await client.withdraw(salon.refusal("review\(number)@example.fr")) }
        }
        var row = ImportRow(
            kind: .grant, controller: salon.controller, contacts: [WriteContact("import@example.fr")])
        row.channels = ChannelSet([.email])
        row.purposes = PurposeSet([salon.promotions])
        row.reference = "imported"
        #expect(try await client.importRows([row]).unproven == 1)

        for round in 0..<2 {
            let far = try await review(client, salon, days: 40)
            #expect(far.filter { $0.kind == .expiring }.count == 200, "round \(round)")
            #expect(Set(far.map(\.reference)).count == 201)
            #expect(far.filter { $0.kind == .unproven }.map(\.reference) == ["imported"])
            let first = try #require(far.first { $0.kind == .expiring })
            #expect(first.channel == .email && first.purpose == salon.promotions && first.due != nil)
            #expect(try await review(client, salon, days: 1).map(\.kind) == [.unproven])
            await client.close()
            if round == 0 {
                // Now the states are read from the derived tables.
                server = try await server.restarted()
                client = try await server.admin()
            }
        }
        client = try await server.admin()
        _ = try await client.invalidateNotice(salon.notice, reason: "unclear")
        let after = try await review(client, salon, days: 1)
        #expect(after.filter { $0.kind == .noticeInvalidated }.count == 200)
        await client.close()
        await server.server.drain()
    }

    @Test func theReviewOfAnotherControllerIsEmpty() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client) { $0.validityMonths = 1 }
        _ = try await client.grant(salon.grant(["mine@example.fr"], channels: [.email]))
        for try await _ in client.review(controller: salon.other, within: .seconds(86_400 * 400)) {
            Issue.record("a reminder of another controller")
        }
        await #expect(throws: ConsentClientError.self) {
            for try await _ in client.review(controller: ControllerID(rawValue: 99), within: .zero) {}
        }
        await client.close()
        await server.server.drain()
    }

    private func review(
        _ client: ConsentClient, _ salon: Salon, days: Int64
    ) async throws -> [ReviewEntry] {
        var entries: [ReviewEntry] = []
        for try await entry in client.review(
            controller: salon.controller, within: .seconds(86_400 * days))
        {
            entries.append(entry)
        }
        return entries
    }

    @Test func theProgramsAnswerAboutThePastAndWhatIsDue() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client) { $0.validityMonths = 1 }
        var grant = salon.grant(["cli@example.fr"], channels: [.email])
        grant.reference = "cli-1"
        let granted = try await client.grant(grant)
        func run(_ arguments: String...) throws -> (code: Int32, output: String, errors: String) {
            try ProgramUnderTest.run("consentctl", arguments + ["--server", server.address])
        }
        let text = try run("review", "--controller", "salon-lyon", "--within", "40d", "--locale", "fr")
        #expect(text.code == 0 && text.output.contains("cli-1") && text.output.contains("expire"))
        let summary = try run(
            "review", "--controller", "salon-lyon", "--within", "40d", "--summary", "--locale", "fr")
        #expect(summary.output.contains("1 consentement de 1 personne expire dans les 40 jours"))
        #expect(!summary.output.contains("cli-1"))

        let withdrawn = try await client.withdraw(salon.refusal("cli@example.fr"))
        let cell = [
            "--controller", "salon-lyon", "--channel", "email", "--purpose", "promotions", "cli@example.fr",
        ]
        func checkAt(_ arguments: String...) throws -> (code: Int32, output: String, errors: String) {
            try ProgramUnderTest.run(
                "consentctl", ["check-at", "--server", server.address] + arguments + cell)
        }
        let before = try checkAt("--at", "@\(granted.sequence)")
        #expect(before.code == 0 && before.output.contains("allow: consent"), "\(before.errors)")
        #expect(before.output.contains(Salon.text))
        let after = try checkAt("--at", "@\(withdrawn.sequence)")
        #expect(after.code == 1 && after.output.contains("deny: withdrawn"))
        let unknowing = try checkAt(
            "--at", "@\(withdrawn.sequence)", "--known-at", "@\(granted.sequence)", "--json")
        #expect(unknowing.code == 0 && unknowing.output.contains("\"knownSequence\": \(granted.sequence)"))
        #expect(try checkAt("--at", "yesterday").code == 64)
        #expect(try checkAt("--at", "@1", "--known-at", "@999999").code == 65)
        let text2000 = try checkAt("--at", "2000-01-01T00:00:00+01:00")
        #expect(text2000.code == 1 && text2000.output.contains("deny: no_record"))
        await client.close()
        await server.server.drain()
    }
}
