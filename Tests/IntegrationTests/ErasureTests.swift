// Goal: an erasure over the wire keeps the denial, destroys what names the person in every file, leaves all
// other proofs valid, and is undone only by the person. Method: a real server on real files; canaries in all
// that a person's events hold, searched for in database, log, a backup and the daemon's own log before and
// after; the client library and consentctl as callers.

import ConsentClient
import ConsentDomain
import ConsentProof
import Foundation
import TestSupport
import Testing

@Suite struct ErasureTests {
    private static func contacts(_ addresses: String...) -> Subject {
        .contacts(addresses.map { WriteContact($0) })
    }

    private static func history(
        _ client: ConsentClient, _ salon: Salon, _ subject: Subject
    ) async throws -> [RecordedEvent] {
        var events: [RecordedEvent] = []
        for try await event in try client.history(controller: salon.controller, of: subject) {
            events.append(event)
        }
        return events
    }

    @Test func anErasedPersonStaysDeniedUntilThePersonConsentsAnew() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let address = "erased@example.fr"
        let grant = salon.grant([address], channels: [.email])
        let granted = try await client.grant(grant)
        var erasure = Erasure(controller: salon.controller, subject: Self.contacts(address))
        erasure.eventID = EventID(low: 1, high: 2)
        let erased = try await client.erase(erasure)
        #expect(erased.status == .recorded && erased.sequences.count == 1)
        func reason() async throws -> Reason? {
            try await client.explain(salon.question(.email), Self.contacts(address)).answer.reason
        }
        #expect(try await reason() == .erased)
        #expect(await client.check(salon.question(.email), .address(address)).decision == .deny)

        // Again, by the same id and by another: nothing more is recorded.
        let head = try await client.stats().sequence
        #expect(try await client.erase(erasure).status == .repeated)
        erasure.eventID = nil
        let again = try await client.erase(erasure)
        #expect(again.status == .repeated && again.sequences == erased.sequences)
        #expect(try await client.stats().sequence == head)

        // The grant that was erased, sent again, is not a new one.
        var same = grant
        same.eventID = granted.eventIDs.first
        #expect(try await client.grant(same).refusals.map(\.refusal) == [.erased])

        // A later refusal leaves it erased; a list cannot bring the person back, and is not stored. Its
        // refusals are: no refusal is ever turned away.
        _ = try await client.withdraw(salon.refusal(address))
        #expect(try await reason() == .erased)
        let before = try await client.stats().sequence
        func row(_ kind: EventKind, at time: Timestamp) -> ImportRow {
            var row = ImportRow(kind: kind, controller: salon.controller, contacts: [WriteContact(address)])
            row.channels = ChannelSet([.email])
            row.purposes = PurposeSet([salon.promotions])
            row.notice = salon.notice
            row.act = .tickedBox
            row.source = .widget
            row.occurredAt = time
            return row
        }
        let old = Timestamp(microseconds: 1_790_000_000_000_000)
        for kind in [EventKind.grant, .contactSeen] {
            let result = try await client.importRows([row(kind, at: old)])
            let found = result.issues.first?.refusals.map(\.refusal) ?? []
            #expect(result.refused == 1 && found.contains(.erased), "\(kind): \(found)")
        }
        #expect(try await client.stats().sequence == before)
        // But a refusal is never turned away. It is kept by its key alone.
        var refusal = row(.withdraw, at: old)
        refusal.reference = "from-a-list"
        #expect(try await client.importRows([refusal]).recorded == 1)
        #expect(try await reason() == .erased)
        let listed = try await Self.history(client, salon, Self.contacts(address)).last
        #expect(listed?.kind == .withdraw && listed?.reference == "" && listed?.key != nil)

        // The person itself may consent again.
        #expect(try await client.grant(salon.grant([address], channels: [.email])).status == .recorded)
        #expect(await client.check(salon.question(.email), .address(address)).decision == .allow)
        await client.close()
        await server.server.drain()
    }

    @Test func historyWatchAndProofShowABlank() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let start = try await client.stats().sequence
        let granted = try await client.grant(salon.grant(["blank@example.fr"], channels: [.email]))
        let neighbour = try await client.grant(salon.grant(["neighbour@example.fr"], channels: [.email]))
        let early = try await client.proof(of: .event(neighbour.sequence))
        let erased = try await client.erase(
            Erasure(controller: salon.controller, subject: Self.contacts("blank@example.fr")))
        #expect(
            try await Self.history(client, salon, Self.contacts("blank@example.fr")).map(\.sequence)
                == erased.sequences)
        var seen: [UInt64: Bool] = [:]
        for try await change in client.watch(from: WatchPosition(after: start)) where !change.isHeartbeat {
            seen[change.sequence] = change.event?.isErased
            if change.event?.isErased == true { #expect(change.event?.key == nil) }
            if change.sequence == erased.sequence { break }
        }
        #expect(
            seen == [granted.sequence: true, neighbour.sequence: false, erased.sequence: false],
            "an erased event is a numbered blank")

        let key = try LogPublicKey(
            pem: String(contentsOfFile: server.stateFolder + "/log.pub", encoding: .utf8))
        for sequence in [granted.sequence, neighbour.sequence, erased.sequence] {
            let proof = try await client.proof(of: .event(sequence))
            #expect(proof.personal.isEmpty == (sequence == granted.sequence))
            #expect(proof.head.isSigned(by: key))
            #expect(
                MerkleProof.verifyInclusion(
                    leafHash: TreeHash.leaf(proof.leaf), leafIndex: sequence - 1,
                    treeSize: proof.head.treeSize, root: proof.head.root,
                    proof: try proof.path.map { try #require(TreeHash($0)) }))
            if sequence == neighbour.sequence {
                #expect(proof.leaf == early.leaf && proof.personal == early.personal)
            }
        }
        let late = try await client.head(since: early.head.treeSize)
        #expect(
            MerkleProof.verifyConsistency(
                oldSize: early.head.treeSize, oldRoot: early.head.root, newSize: late.head.treeSize,
                newRoot: late.head.root, proof: try late.consistency.map { try #require(TreeHash($0)) }))
        await client.close()
        await server.server.drain()
    }

    /// The person consents again on a device without a network, then withdraws; a list brings the withdrawal
    /// before the device brings the grant.
    @Test func aListedRefusalBeatsAGrantThatArrivesLaterAfterAnErasure() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let address = "late@example.fr"
        _ = try await client.erase(
            Erasure(controller: salon.controller, subject: Self.contacts(address)))
        try await Task.sleep(for: .milliseconds(5))
        let granted = Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
        var refusal = ImportRow(
            kind: .withdraw, controller: salon.controller, contacts: [WriteContact(address)])
        refusal.occurredAt = granted.adding(microseconds: 1_000)
        #expect(try await client.importRows([refusal]).recorded == 1)
        var grant = salon.grant([address], channels: [.email])
        grant.occurredAt = granted
        #expect(try await client.grant(grant).status == .recorded)
        let check = await client.check(salon.question(.email), .address(address))
        #expect(check.decision == .deny, "the withdrawal came after the grant")
        await client.close()
        await server.server.drain()
    }

    @Test func aReferenceReachesEveryContactPoint() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var grant = salon.grant(["many@example.fr", "+33612345678"], channels: [.email, .sms])
        grant.reference = "customer-9"
        _ = try await client.grant(grant)
        var second = salon.grant(["second@example.fr"], channels: [.email])
        second.reference = "customer-9"
        _ = try await client.grant(second)
        let erased = try await client.erase(
            Erasure(controller: salon.controller, subject: .reference("customer-9")))
        #expect(erased.status == .recorded && erased.sequences.count == 3)
        for address in ["many@example.fr", "second@example.fr"] {
            #expect(await client.check(salon.question(.email), .address(address)).decision == .deny)
        }
        #expect(await client.check(salon.question(.sms), .address("+33612345678")).decision == .deny)
        // The reference is gone too.
        let again = try await client.erase(
            Erasure(controller: salon.controller, subject: .reference("customer-9")))
        #expect(again.refusals.map(\.refusal) == [.unknownReference])
        // Another controller's customer of the same reference is another person.
        let foreign = try await client.erase(
            Erasure(controller: salon.other, subject: .reference("customer-9")))
        #expect(foreign.refusals.map(\.refusal) == [.unknownReference])
        await client.close()
        await server.server.drain()
    }

    @Test func aRestrictionLeavesThePersonalPartToTheAdministrator() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let anyone = try await server.client()
        let salon = try await Salon(client)
        var grant = salon.grant(["restricted@example.fr"], channels: [.email])
        grant.reference = "restricted-1"
        let granted = try await client.grant(grant)
        var erasure = Erasure(controller: salon.controller, subject: Self.contacts("restricted@example.fr"))
        erasure.restrictUntil = Timestamp(microseconds: 4_000_000_000_000_000)
        #expect(try await client.erase(erasure).status == .recorded)
        let question = salon.question(.email)
        #expect(await client.check(question, .address("restricted@example.fr")).decision == .deny)
        #expect(try await client.proof(of: .event(granted.sequence)).event.reference == "restricted-1")
        let blank = try await anyone.proof(of: .event(granted.sequence))
        #expect(blank.event.isErased && blank.personal.isEmpty && blank.event.reference.isEmpty)
        let subject = Self.contacts("restricted@example.fr")
        #expect(try await Self.history(anyone, salon, subject).map(\.isErased) == [true, false])
        #expect(try await Self.history(client, salon, subject).map(\.isErased) == [false, false])
        let export = try await anyone.export(controller: salon.controller, of: subject).bytes()
        #expect(!String(decoding: export, as: UTF8.self).contains("restricted-1"))

        // An erasure without a restriction ends it at once.
        erasure.restrictUntil = nil
        #expect(try await client.erase(erasure).status == .recorded)
        #expect(try await client.proof(of: .event(granted.sequence)).personal.isEmpty)
        await anyone.close()
        await client.close()
        await server.server.drain()
    }

    @Test func onlyAScopeToEraseErases() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let anyone = try await server.client()
        await #expect(throws: ConsentClientError.self) {
            try await anyone.erase(
                Erasure(controller: salon.controller, subject: Self.contacts("a@example.fr")))
        }
        let unknown = try await client.erase(
            Erasure(controller: ControllerID(rawValue: 99), subject: Self.contacts("a@example.fr")))
        #expect(unknown.refusals.map(\.refusal) == [.unknownController])
        let bad = try await client.erase(
            Erasure(controller: salon.controller, subject: Self.contacts("not@@an address")))
        #expect(bad.refusals.map(\.refusal) == [.badAddress])
        // Whoever was never on file can be erased too: no list brings them in later.
        let never = try await client.erase(
            Erasure(controller: salon.controller, subject: Self.contacts("never@example.fr")))
        #expect(never.status == .recorded)
        await anyone.close()
        await client.close()
        await server.server.drain()
    }

    /// All that is written of a person, by name, as bytes that can be searched for.
    private static func canaries(_ keys: [RecipientKey]) -> [(String, Data)] {
        [
            ("address", Data("canary-7f3a@example.fr".utf8)), ("phone", Data("33698765432".utf8)),
            ("reference", Data("canary-reference-5521".utf8)), ("staff", Data("Canary Staff 8812".utf8)),
            ("agent", Data("CanaryBrowser/99.7".utf8)), ("url", Data("https://canary.example/form-3".utf8)),
        ]
    }

    private static func files(_ server: TestServer, _ more: [String]) throws -> [(String, Data)] {
        var paths = ["register.db", "register.db-wal"].map { server.stateFolder + "/" + $0 } + more
        paths.removeAll { !FileManager.default.fileExists(atPath: $0) }
        return try paths.map { ($0, try Data(contentsOf: URL(fileURLWithPath: $0))) }
    }

    private static func backup(_ client: ConsentClient, to path: String) async throws {
        var bytes: [UInt8] = []
        for try await chunk in client.backup() { bytes += chunk.bytes }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test func canariesAreInNoFileAfterwards() async throws {
        let folder = try TemporaryFolder()
        let log = folder.file("log")
        try Data().write(to: URL(fileURLWithPath: log))
        let server = try await TestServer.start(logFile: log)
        let client = try await server.admin()
        let salon = try await Salon(client)
        // The whole life of a person: grants, a withdrawal, an objection, a bounce, an import, reads.
        var grant = salon.grant(["canary-7f3a@example.fr", "+33698765432"], channels: [.email, .sms])
        grant.reference = "canary-reference-5521"
        grant.evidence.userAgent = "CanaryBrowser/99.7"
        grant.evidence.url = "https://canary.example/form-3"
        let granted = try await client.grant(grant)
        #expect(granted.status == .recorded)
        var withdrawal = salon.refusal("canary-7f3a@example.fr")
        withdrawal.staff = "Canary Staff 8812"
        _ = try await client.withdraw(withdrawal)
        _ = try await client.object(salon.refusal("+33698765432"))
        _ = try await client.record(.bounce, salon.refusal("canary-7f3a@example.fr"))
        _ = try await client.export(
            controller: salon.controller, of: .reference("canary-reference-5521")
        ).bytes()
        _ = try await client.preferences(
            controller: salon.controller, of: Self.contacts("canary-7f3a@example.fr"))
        var bad = salon.grant(["canary-7f3a@example.fr"], channels: [.email])
        bad.act = .none
        _ = try await client.grant(bad)
        let ids = granted.eventIDs.map { ("event id", Data($0.bytes)) }
        try await Task.sleep(for: .milliseconds(300))
        let oldBackup = folder.file("before.db")
        try await Self.backup(client, to: oldBackup)

        let before = try Self.files(server, [oldBackup])
        for (name, canary) in Self.canaries([]) + ids {
            let isStored = name != "address" && name != "phone"
            let hits = before.filter { $0.1.range(of: canary) != nil }
            #expect(hits.isEmpty != isStored, "\(name): found in \(hits.map(\.0)) before")
        }
        // By reference, so that the erase request itself carries a canary.
        let erased = try await client.erase(
            Erasure(controller: salon.controller, subject: .reference("canary-reference-5521")))
        #expect(erased.status == .recorded && erased.sequences.count == 2)
        let newBackup = folder.file("after.db")
        try await Self.backup(client, to: newBackup)
        for (path, data) in try Self.files(server, [newBackup, log]) {
            for (name, canary) in Self.canaries([]) + ids {
                #expect(data.range(of: canary) == nil, "\(name) is in \(path) after the erasure")
            }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: log)).count > 100, "nothing was logged")
        for address in ["canary-7f3a@example.fr"] {
            #expect(await client.check(salon.question(.email), .address(address)).decision == .deny)
        }
        await client.close()
        await server.server.drain()
        for (path, data) in try Self.files(server, [log]) {
            for (name, canary) in Self.canaries([]) + ids {
                #expect(data.range(of: canary) == nil, "\(name) is in \(path) after the stop")
            }
        }
    }
}
