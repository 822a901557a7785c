// Goal: a receipt has each mandatory field of its form, each field but the named constants follows its
// source, and no receipt claims a consent that was not given or no longer stands.
// Method: the tables of ReceiptFields: a baseline and one receipt a change, each under a controller of its
// own; then whole lives of a consent.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct ReceiptFormTests {
    private static func receipts(
        _ client: ConsentClient, _ controller: ControllerID, _ address: String, _ format: ExportFormat
    ) async throws -> [JSON] {
        let subject = Subject.contacts([WriteContact(address)])
        let bytes = try await client.export(controller: controller, of: subject, format: format).bytes()
        return try #require(try JSON(parsing: bytes).elements)
    }

    private static func receipt(
        _ client: ConsentClient, number: UInt32, _ format: ExportFormat, _ change: ReceiptForm.Change
    ) async throws -> JSON {
        var sources = ReceiptSources(number: number)
        change(&sources)
        let id = sources.controller.id
        _ = try await client.putController(sources.controller)
        let purposes = PurposeSet(sources.purposes.compactMap(PurposeID.init(rawValue:)))
        var notice = Notice(
            locale: sources.locale, text: sources.text, channels: ChannelSet([.email, .sms]),
            purposes: purposes, controllers: [id])
        notice.policyURL = sources.policy
        notice.withdrawalExplained = true
        notice.dataUseExplained = true
        notice.termsSeparate = true
        notice.box = .unticked
        _ = try await client.putNotice(notice)
        var grant = Grant(
            controller: id, contacts: [WriteContact(sources.address)],
            channels: ChannelSet(sources.channels), purposes: purposes, notice: notice.id)
        grant.source = sources.source
        grant.act = sources.act
        grant.occurredAt = Timestamp(microseconds: sources.occurredAt)
        grant.reference = sources.reference
        let result = try await client.grant(grant)
        try #require(result.status == .recorded, "\(result.refusals)")
        if sources.isWithdrawn {
            _ = try await client.withdraw(
                RefusalNotice(controller: id, subject: .contacts([WriteContact(sources.address)])))
        }
        return try #require(try await receipts(client, id, sources.address, format).first)
    }

    /// The value at a path.
    private static func value(_ document: JSON, _ path: String) -> JSON? {
        path.split(separator: ".").reduce(document) { value, step in
            guard let position = Int(step) else { return value?[String(step)] }
            return value?.elements.flatMap { position < $0.count ? $0[position] : nil }
        }
    }

    /// Paths of all values that hold no others.
    private static func leaves(_ json: JSON, _ path: String = "") -> [String] {
        func inside(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
        switch json {
        case .object(let members) where !members.isEmpty:
            return members.flatMap { leaves($0.value, inside($0.key)) }
        case .array(let elements) where !elements.isEmpty:
            return elements.enumerated().flatMap { leaves($1, inside("\($0)")) }
        default: return [path]
        }
    }

    @Test(arguments: [ExportFormat.kantara, .iso27560])
    func everyFieldIsThereAndFollowsItsSource(format: ExportFormat) async throws {
        let form = format == .kantara ? ReceiptForm.kantara : .iso27560
        let server = try await TestServer.start()
        let client = try await server.admin()
        _ = try await Salon(client)
        let baseline = try await Self.receipt(client, number: 100, format) { _ in }
        for (path, type) in form.mandatory {
            let value = try #require(Self.value(baseline, path), "\(path) is missing")
            #expect(type.holds(value), "\(path) is \(value.line), no \(type) or an empty one")
        }
        var altered = Set<String>()
        let leaves = Self.leaves(baseline)
        for (position, entry) in form.changes.enumerated() {
            let changed = try await Self.receipt(
                client, number: UInt32(101 + position), format, entry.change)
            let different = leaves.filter { Self.value(changed, $0) != Self.value(baseline, $0) }
            #expect(different.contains(entry.path), "\(entry.path) does not follow its source")
            altered.formUnion(different)
        }
        let constants = Set(leaves).subtracting(altered)
        #expect(constants == Set(form.constants.keys), "constants must be those that are named with a reason")
        let traced = Set(form.changes.map(\.path)).union(form.constants.keys)
        #expect(Set(leaves).subtracting(traced).isEmpty, "each field stands in the tables")
        await client.close()
        await server.server.drain()
    }

    // MARK: Lives of a consent

    private static func states(_ record: JSON) -> [String] {
        (record["event"]?.elements ?? []).compactMap { $0["event_state"]?.text }
    }

    private static func standing(_ record: JSON) -> Set<String> {
        var all = Set<String>()
        for purpose in record["pii_processing"]?["purposes"]?.elements ?? [] {
            for cell in purpose["x_state"]?.elements ?? [] {
                let texts = [purpose["purpose"], cell["channel"], cell["state"]].compactMap { $0?.text }
                all.insert(texts.joined(separator: " "))
            }
        }
        return all
    }

    @Test func twoPurposesAndTwoChannels() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let both = [salon.promotions, salon.newsletter]
        let result = try await client.grant(
            salon.grant(
                ["two@example.fr", "+33612345678"], channels: [.email, .sms], purposes: both))
        try #require(result.status == .recorded)
        var withdrawal = salon.refusal("two@example.fr")
        withdrawal.purposes = PurposeSet([salon.newsletter])
        _ = try await client.withdraw(withdrawal)

        for (address, channel) in [("two@example.fr", "email"), ("+33612345678", "sms")] {
            let receipt = try #require(
                try await Self.receipts(client, salon.controller, address, .kantara).first)
            let services = try #require(receipt["services"]?.elements)
            #expect(services.compactMap { $0["service"]?.text } == [channel])
            let purposes = try #require(services.first?["purposes"]?.elements)
            #expect(purposes.compactMap { $0["purpose"]?.text } == ["Promotions", "Newsletter"])
            let ended = purposes.map { $0["termination"]?.text?.contains("ended: withdrawn") == true }
            #expect(ended == [false, channel == "email"])
        }
        let record = try #require(
            try await Self.receipts(client, salon.controller, "two@example.fr", .iso27560).first)
        #expect(Self.states(record) == ["given", "withdrawn"])
        #expect(Self.standing(record) == ["Promotions email granted", "Newsletter email withdrawn"])
        let events = try #require(record["event"]?.elements)
        #expect(
            events.compactMap { $0["event_type"]?.text } == ["grant: ticked_box", "withdraw: unspecified"])
        await client.close()
        await server.server.drain()
    }

    @Test func aPendingGrantClaimsNoConsentUntilItIsConfirmed() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client) { $0.doubleOptIn = ChannelSet([.email]) }
        let granted = try await client.grant(salon.grant(["pending@example.fr"], channels: [.email]))
        func record() async throws -> JSON {
            try #require(
                try await Self.receipts(client, salon.controller, "pending@example.fr", .iso27560).first)
        }
        func receipts() async throws -> [JSON] {
            try await Self.receipts(client, salon.controller, "pending@example.fr", .kantara)
        }
        #expect(Self.states(try await record()) == ["requested"])
        #expect(Self.standing(try await record()) == ["Promotions email pending"])
        #expect(try await receipts().isEmpty, "nothing was given yet")

        let confirmed = try await client.confirm(token: try #require(granted.tokens.first))
        try #require(confirmed.status == .recorded)
        #expect(Self.states(try await record()) == ["requested", "given"])
        #expect(Self.standing(try await record()) == ["Promotions email granted"])
        let receipt = try #require(try await receipts().first)
        let time = try #require(receipt["consentTimestamp"]?.integerValue)
        var history: [RecordedEvent] = []
        for try await event in try client.history(
            controller: salon.controller, of: .contacts([WriteContact("pending@example.fr")]))
        {
            history.append(event)
        }
        #expect(time == history.last.map { $0.occurredAt.microseconds / 1_000_000 })
        await client.close()
        await server.server.drain()
    }

    @Test func anEndThatNoEventRecordsShowsToo() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client) { $0.validityMonths = 6 }
        func record(_ address: String) async throws -> JSON {
            try #require(try await Self.receipts(client, salon.controller, address, .iso27560).first)
        }
        // Two years ago: over by the controller's policy.
        var old = salon.grant(["expired@example.fr"], channels: [.email])
        old.occurredAt = Timestamp(
            microseconds: Int64(Date.now.timeIntervalSince1970 - 730 * 86_400) * 1_000_000)
        try #require(try await client.grant(old).status == .recorded)
        #expect(Self.states(try await record("expired@example.fr")) == ["given", "expired"])
        #expect(Self.standing(try await record("expired@example.fr")) == ["Promotions email expired"])
        // A notice that is invalidated from the beginning on.
        try #require(
            try await client.grant(salon.grant(["invalid@example.fr"], channels: [.email])).status
                == .recorded)
        _ = try await client.invalidateNotice(salon.notice, reason: "wrong policy", effective: .epoch)
        #expect(Self.states(try await record("invalid@example.fr")) == ["given", "invalidated"])
        #expect(
            Self.standing(try await record("invalid@example.fr")) == ["Promotions email notice invalidated"])
        await client.close()
        await server.server.drain()
    }

    @Test func anErasureShowsAsLongAsItRestrictsAndLeavesNoReceiptAfterwards() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        try #require(
            try await client.grant(salon.grant(["erased@example.fr"], channels: [.email])).status
                == .recorded)
        var erasure = Erasure(
            controller: salon.controller, subject: .contacts([WriteContact("erased@example.fr")]))
        erasure.restrictUntil = Timestamp(microseconds: 4_000_000_000_000_000)
        _ = try await client.erase(erasure)
        let record = try #require(
            try await Self.receipts(client, salon.controller, "erased@example.fr", .iso27560).first)
        #expect(Self.states(record) == ["given", "terminated"])
        #expect(Self.standing(record) == ["Promotions email erased"])
        erasure.restrictUntil = nil
        _ = try await client.erase(erasure)
        for format in [ExportFormat.kantara, .iso27560] {
            #expect(
                try await Self.receipts(client, salon.controller, "erased@example.fr", format).isEmpty,
                "what a receipt would name is destroyed")
        }
        await client.close()
        await server.server.drain()
    }
}
