// Goal: retire-lapsed destroys what neither a consent nor a proof needs, and nothing else; counts first;
// keeps the denial; is the same the second time.
// Method: people whose last act lies at chosen distances from today, by import, so that one rule each
// decides; the steps of the client and the command.

import ConsentClient
import ConsentDomain
import Foundation
import TestSupport
import Testing

@Suite struct RetirementTests {
    private static let day: Int64 = 86_400_000_000

    private static func ago(days: Int64) -> Timestamp {
        Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000) - days * day)
    }

    /// Whom to retire at a proof period of 12 months and a retention of 36: the last act's age decides.
    private static let people: [(name: String, kind: EventKind, days: Int64, isRetired: Bool)] = [
        ("long-gone", .grant, 6 * 366, true), ("just-past", .grant, 4 * 366 + 10, true),
        ("proof-kept", .grant, 4 * 365 - 10, false), ("retained", .grant, 400, false),
        ("refused-long-ago", .withdraw, 400, true), ("refused-lately", .withdraw, 300, false),
        ("bounced-long-ago", .bounce, 500, true),
    ]

    private static func total(
        _ client: ConsentClient, _ salon: Salon, dryRun: Bool
    ) async throws -> RetirementStep {
        var sum = RetirementStep()
        repeat {
            let step = try await client.retireLapsed(
                controller: salon.controller, proofMonths: 12, dryRun: dryRun, after: sum.next)
            sum.examined += step.examined
            sum.contacts += step.contacts
            sum.events += step.events
            sum.next = step.next
        } while sum.next != nil
        return sum
    }

    @Test func whatIsPastRetentionAndProofIsDestroyedAndNothingElse() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var rows = people(salon)
        // Somebody long gone who gave an act since, and somebody of another controller.
        rows.append(row(salon, "came-back", .grant, days: 6 * 366))
        rows.append(row(salon, "came-back", .contactSeen, days: 30))
        let imported = try await client.importRows(rows)
        #expect(imported.refused == 0, "\(imported.issues)")
        var foreign = RefusalNotice(
            controller: salon.other, subject: .contacts([WriteContact("long-gone@example.fr")]))
        foreign.occurredAt = Self.ago(days: 6 * 366)
        _ = try await client.withdraw(foreign)

        let count = Self.people.count + 1
        let found = try await Self.total(client, salon, dryRun: true)
        let retired = Self.people.filter(\.isRetired)
        let counts = [found.examined, found.contacts, found.events]
        #expect(counts == [count, retired.count, retired.count])
        #expect(try await history(client, salon, "long-gone").first?.isErased == false, "a dry run destroys")

        let options = [
            "retire-lapsed", "--server", server.address, "--token-file", server.stateFolder + "/admin.token",
            "--controller", "salon-lyon", "--proof-months", "12",
        ]
        #expect(try ProgramUnderTest.run("consentctl", options).code == 64, "it must ask")
        let counted = try ProgramUnderTest.run("consentctl", options + ["--dry-run"])
        #expect(counted.code == 0 && counted.output.contains("4 events about 4 of 8 contact points"))
        let done = try ProgramUnderTest.run("consentctl", options + ["--yes"])
        #expect(done.code == 0 && done.output.contains("4 events about 4 contact points retired"))

        for person in Self.people {
            let events = try await history(client, salon, person.name)
            #expect(events.map(\.kind) == [person.isRetired ? .erase : person.kind], "\(person.name)")
            let answer = try await client.explain(salon.question(.email), subject(person.name)).answer
            #expect((answer.reason == .erased) == person.isRetired, "\(person.name): \(answer.reason)")
        }
        #expect(try await history(client, salon, "came-back").count == 2)
        #expect(
            await client.check(salon.question(.email), .address("retained@example.fr")).decision == .allow)
        let again = try await Self.total(client, salon, dryRun: false)
        #expect(again.contacts == 0 && again.events == 0)
        await client.close()
        await server.server.drain()
    }

    @Test func itNeedsTheScopeToEraseAndAKnownController() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let anyone = try await server.client()
        await #expect(throws: ConsentClientError.self) {
            try await anyone.retireLapsed(controller: salon.controller, dryRun: true)
        }
        await #expect(throws: ConsentClientError.self) {
            try await client.retireLapsed(controller: ControllerID(rawValue: 99), dryRun: true)
        }
        await anyone.close()
        await client.close()
        await server.server.drain()
    }

    // MARK: Parts

    private func people(_ salon: Salon) -> [ImportRow] {
        Self.people.map { row(salon, $0.name, $0.kind, days: $0.days) }
    }

    private func row(_ salon: Salon, _ name: String, _ kind: EventKind, days: Int64) -> ImportRow {
        var row = ImportRow(
            kind: kind, controller: salon.controller, contacts: [WriteContact("\(name)@example.fr")])
        row.channels = ChannelSet([.email])
        row.purposes = kind == .bounce ? PurposeSet() : PurposeSet([salon.promotions])
        row.notice = kind == .grant ? salon.notice : nil
        row.act = .tickedBox
        row.source = .widget
        row.occurredAt = Self.ago(days: days)
        return row
    }

    private func subject(_ name: String) -> Subject { .contacts([WriteContact("\(name)@example.fr")]) }

    private func history(
        _ client: ConsentClient, _ salon: Salon, _ name: String
    ) async throws -> [RecordedEvent] {
        var events: [RecordedEvent] = []
        for try await event in try client.history(controller: salon.controller, of: subject(name)) {
            events.append(event)
        }
        return events
    }
}
