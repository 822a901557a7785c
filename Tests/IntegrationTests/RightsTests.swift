// Goal: an export holds all that is on file and is consistent while others write; a dump is whole; a journal
// closes the gap of a restore.
// Method: a real server; for the restore, a backup, refusals after it, and a second state folder.

import ConsentClient
import ConsentDomain
import ConsentProof
import ConsentServer
import Foundation
import TestSupport
import Testing

@Suite struct RightsTests {
    private static func object(_ bytes: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    private static func lines(_ bytes: [UInt8]) throws -> [[String: Any]] {
        try bytes.split(separator: 0x0A).map { try object(Array($0)) }
    }

    /// Whether the proof of an exported event leads to the root of a head.
    private static func isProven(_ event: [String: Any], _ head: SignedHead) throws -> Bool {
        let proof = try #require(event["proof"] as? [String: Any])
        let leaf = try #require(Hexadecimal.bytes(of: proof["leaf"] as? String ?? "?"))
        var path: [TreeHash] = []
        for text in proof["path"] as? [String] ?? [] {
            let bytes = try #require(Hexadecimal.bytes(of: text))
            path.append(try #require(TreeHash(bytes)))
        }
        let sequence = try #require(event["sequence"] as? NSNumber).uint64Value
        return MerkleProof.verifyInclusion(
            leafHash: TreeHash.leaf(leaf), leafIndex: sequence - 1, treeSize: head.treeSize, root: head.root,
            proof: path)
    }

    private static func head(_ value: Any?) throws -> SignedHead {
        let encoded = (value as? [String: Any])?["encoded"] as? String
        return try SignedHead(decoding: try #require(Hexadecimal.bytes(of: encoded ?? "?")))
    }

    @Test func anExportIsWholeAndStandsStillWhileOthersWrite() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        for number in 0..<120 {
            var grant = salon.grant(["export@example.fr"], channels: [.email])
            grant.reference = "export-1"
            grant.occurredAt = Timestamp(microseconds: 1_790_000_000_000_000 + Int64(number))
            _ = try await client.grant(grant)
        }
        let subject = Subject.reference("export-1")
        var iterator = try client.export(controller: salon.controller, of: subject).makeAsyncIterator()
        var bytes = try #require(try await iterator.next()).bytes
        // The export has begun: this withdrawal is acknowledged meanwhile, and is not in it.
        let withdrawn = try await client.withdraw(salon.refusal("export@example.fr"))
        #expect(withdrawn.isDurable)
        #expect(await client.check(salon.question(.email), .address("export@example.fr")).decision == .deny)
        while let chunk = try await iterator.next() { bytes += chunk.bytes }

        let document = try Self.object(bytes)
        let head = try Self.head(document["head"])
        #expect(head.treeSize == withdrawn.sequence - 1)
        let key = try LogPublicKey(
            pem: String(contentsOfFile: server.stateFolder + "/log.pub", encoding: .utf8))
        #expect(head.isSigned(by: key))
        let events = try #require(document["events"] as? [[String: Any]])
        #expect(events.count == 120)
        for event in events {
            #expect(event["wording"] as? String == Salon.text && event["reference"] as? String == "export-1")
            #expect(try Self.isProven(event, head))
        }
        let contacts = try #require(document["contacts"] as? [[String: Any]])
        let cells = try #require(contacts.first?["preferences"] as? [[String: Any]])
        let promotions = cells.first { $0["purpose"] as? String == "promotions" }
        #expect(promotions?["state"] as? String == "granted", "the preferences are those of the head")
        let notices = try #require(document["notices"] as? [[String: Any]])
        let canonical = try #require(
            Hexadecimal.bytes(of: notices.first?["canonical"] as? String ?? "?"))
        #expect(Digest32.sha256(canonical) == salon.notice)

        let after = try Self.object(
            try await client.export(controller: salon.controller, of: subject).bytes())
        #expect((after["events"] as? [[String: Any]])?.last?["kind"] as? String == "withdraw")
        #expect((after["events"] as? [[String: Any]])?.count == 121)
        let byAddress = try Self.object(
            try await client.export(
                controller: salon.controller, of: .contacts([WriteContact("export@example.fr")])
            ).bytes())
        #expect((byAddress["events"] as? [[String: Any]])?.last?["kind"] as? String == "withdraw")
        await client.close()
        await server.server.drain()
    }

    // MARK: Dump and journal

    @Test func aDumpHasEveryEventOfItsControllerAndNoOther() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        for number in 0..<100 {
            _ = try await client.grant(salon.grant(["dump\(number)@example.fr"], channels: [.email]))
            _ = try await client.withdraw(
                RefusalNotice(
                    controller: salon.other, subject: .contacts([WriteContact("dump\(number)@example.fr")])))
        }
        _ = try await client.erase(
            Erasure(controller: salon.controller, subject: .contacts([WriteContact("dump7@example.fr")])))
        let lines = try Self.lines(try await client.dump(controller: salon.controller).bytes())
        let head = try Self.head(lines.first?["head"])
        let events = lines.filter { $0["type"] as? String == "event" }
        #expect(events.filter { $0["kind"] as? String == "grant" }.count == 100)
        #expect(events.filter { $0["kind"] as? String == "erase" }.count == 1)
        #expect(events.filter { $0["erased"] as? Bool == true }.count == 1)
        #expect(!events.contains { $0["kind"] as? String == "withdraw" })
        for event in events { #expect(try Self.isProven(event, head)) }
        #expect(lines.filter { $0["type"] as? String == "notice" }.count == 1)
        #expect(lines.last?["type"] as? String == "end")
        #expect((lines.last?["events"] as? NSNumber)?.intValue == events.count)
        await client.close()
        await server.server.drain()
    }

    private static func copyKeys(from state: String, to folder: String) throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        for name in ["recipient.key", "log.key", "log.pub", "deployment.id", "admin.token"] {
            try FileManager.default.copyItem(atPath: state + "/" + name, toPath: folder + "/" + name)
        }
    }

    @Test func aJournalClosesTheGapOfARestore() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        for name in ["kept", "withdrawn", "erased"] {
            var grant = salon.grant(["\(name)@example.fr"], channels: [.email])
            grant.reference = "gap-\(name)"
            _ = try await client.grant(grant)
        }
        let backup = server.folder.file("backup.db")
        var bytes: [UInt8] = []
        var held: UInt64 = 0
        for try await chunk in client.backup() {
            bytes += chunk.bytes
            held = chunk.head?.treeSize ?? held
        }
        try Data(bytes).write(to: URL(fileURLWithPath: backup))
        _ = try await client.withdraw(salon.refusal("withdrawn@example.fr"))
        _ = try await client.erase(
            Erasure(controller: salon.controller, subject: .contacts([WriteContact("erased@example.fr")])))
        _ = try await client.grant(salon.grant(["lost@example.fr"], channels: [.email]))
        let journal = server.folder.file("journal")
        let text = try await client.journal(after: held).bytes()
        try Data(text).write(to: URL(fileURLWithPath: journal))
        let late = server.folder.file("late")
        try Data(try await client.journal(after: held + 1).bytes()).write(to: URL(fileURLWithPath: late))
        await client.close()
        await server.server.drain()

        let second = try TemporaryFolder()
        let state = second.file("state")
        try Self.copyKeys(from: server.stateFolder, to: state)
        // A journal with a gap, one that is cut, one that was changed: each is refused, and nothing is made.
        #expect(throws: JournalError.gap(backup: held, journalAfter: held + 1)) {
            try ConsentServer.restore(RestoreRequest(backup: backup, stateFolder: state, journal: late))
        }
        let damaged = server.folder.file("damaged")
        for damage in 0..<2 {
            var copy = text
            if damage == 0 {
                copy.removeLast(text.split(separator: 0x0A).last.map(\.count) ?? 0)
            } else if let place = Data(text).range(of: Data("\"leaf\":\"01".utf8)) {
                copy[place.upperBound + 30] ^= 1
            }
            try Data(copy).write(to: URL(fileURLWithPath: damaged))
            #expect(throws: JournalError.self) {
                try ConsentServer.restore(
                    RestoreRequest(backup: backup, stateFolder: state, journal: damaged))
            }
        }
        // One that ends before what is known to have been acknowledged.
        let end = held + 3
        #expect(throws: JournalError.endsBefore(last: end + 1, journalEnd: end)) {
            try ConsentServer.restore(
                RestoreRequest(backup: backup, stateFolder: state, journal: journal, lastSequence: end + 1))
        }
        #expect(!FileManager.default.fileExists(atPath: state + "/register.db"))

        let summary = try ConsentServer.restore(
            RestoreRequest(backup: backup, stateFolder: state, journal: journal, lastSequence: end))
        #expect(
            summary.isAccepted && summary.journalEnd == end && summary.replayed == 2
                && summary.sequence == held + 3)
        let restored = try await TestServer.start(in: second)
        let again = try await restored.admin()
        func decision(_ name: String) async -> Decision {
            await again.check(salon.question(.email), .address("\(name)@example.fr")).decision
        }
        #expect(await decision("kept") == .allow)
        #expect(await decision("withdrawn") == .deny)
        #expect(await decision("erased") == .deny)
        #expect(await decision("lost") == .deny)
        let data = try Data(contentsOf: URL(fileURLWithPath: state + "/register.db"))
        #expect(data.range(of: Data("gap-withdrawn".utf8)) != nil)
        #expect(data.range(of: Data("gap-erased".utf8)) == nil, "the backup brought an erased person back")
        await again.close()
        await restored.server.drain()
    }

    @Test func theCommandsDoWhatTheyNameAndAskFirst() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        _ = try await client.grant(salon.grant(["cli@example.fr"], channels: [.email]))
        let options = ["--server", server.address, "--token-file", server.stateFolder + "/admin.token"]
        let who = ["--controller", "salon-lyon", "cli@example.fr"]
        let refused = try ProgramUnderTest.run("consentctl", ["erase"] + options + who)
        #expect(refused.code == 64 && refused.errors.contains("--yes"))
        let export = try ProgramUnderTest.run("consentctl", ["export"] + options + who)
        #expect(export.code == 0 && export.output.contains(Salon.text))
        let receipt = try ProgramUnderTest.run(
            "consentctl", ["export", "--format", "kantara"] + options + who)
        #expect(receipt.code == 0 && receipt.output.contains("KI-CR-v1.1.0"))
        let erased = try ProgramUnderTest.run("consentctl", ["erase", "--yes"] + options + who)
        #expect(erased.code == 0 && erased.errors.contains("1 event about 1 contact point"))
        #expect(await client.check(salon.question(.email), .address("cli@example.fr")).decision == .deny)
        let dump = server.folder.file("dump")
        let dumped = try ProgramUnderTest.run(
            "consentctl", ["dump", "--controller", "salon-lyon", "--out", dump] + options)
        #expect(dumped.code == 0 && dumped.output.contains("bytes written"))
        let journal = try ProgramUnderTest.run("consentctl", ["journal", "--from", "0"] + options)
        #expect(journal.code == 0 && journal.output.contains("\"type\":\"end\""))
        await client.close()
        await server.server.drain()
    }
}
