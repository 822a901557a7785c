// Goal: after a new key epoch nothing that was on file is lost: refusals are found, keys that clients stored
// stay good, tombstones keep theirs; new contact points get keys under the new secret; and the register
// insists on every secret.
// Method: a daemon's life over three epochs, asked by address, by stored key and by reference; then the key
// files taken away, and a backup from an earlier epoch restored.

import ConsentClient
import ConsentDomain
import ConsentServer
import Foundation
import TestSupport
import Testing

@Suite struct KeyEpochTests {
    private static func key(
        _ client: ConsentClient, _ salon: Salon, _ address: String
    ) async throws -> RecipientKey {
        let keys = try await client.keys(of: [address], controller: salon.controller, kind: .email)
        return try #require(keys.keys.first ?? nil)
    }

    private static func subject(_ address: String) -> Subject { .contacts([WriteContact(address)]) }

    /// Stops a server, begins an epoch by the program, and starts it again.
    private static func rotate(_ server: TestServer, _ epoch: Int) async throws -> TestServer {
        await server.server.drain()
        let done = try ProgramUnderTest.run(
            "consentd", ["rotate-recipient-key", "--state-dir", server.stateFolder])
        #expect(done.code == 0 && done.output == "key epoch \(epoch)\n", "\(done.errors)")
        return try await TestServer.start(in: server.folder)
    }

    @Test func nothingIsLostByANewEpoch() async throws {
        var server = try await TestServer.start()
        var client = try await server.admin()
        let salon = try await Salon(client)
        let question = salon.question(.email)
        for name in ["granted", "withdrawn", "erased", "later"] {
            var grant = salon.grant(["\(name)@example.fr"], channels: [.email])
            grant.reference = "ref-\(name)"
            _ = try await client.grant(grant)
        }
        _ = try await client.withdraw(salon.refusal("withdrawn@example.fr"))
        _ = try await client.erase(
            Erasure(controller: salon.controller, subject: Self.subject("erased@example.fr")))
        var stored: [String: RecipientKey] = [:]
        for name in ["granted", "withdrawn", "erased", "later"] {
            stored[name] = try await Self.key(client, salon, "\(name)@example.fr")
        }
        let unseen = try await Self.key(client, salon, "new@example.fr")
        await client.close()

        for epoch in 2...3 {
            server = try await Self.rotate(server, epoch)
            client = try await server.admin()
            #expect(client.server?.keyEpoch == UInt16(epoch))
            // By address and by stored key, alone and in a batch: the same answers as before.
            for (name, allowed) in [
                ("granted", true), ("withdrawn", false), ("erased", false), ("later", true),
            ] {
                let address = "\(name)@example.fr"
                let key = try #require(stored[name])
                #expect(await client.check(question, .address(address)).isAllowed == allowed, "\(name)")
                #expect(await client.check(question, .key(key)).isAllowed == allowed, "\(name) by key")
                #expect(await client.checkBatch(question, addresses: [address]).isAllowed(0) == allowed)
                #expect(try await Self.key(client, salon, address) == key, "a key changed")
            }
            #expect(await client.check(question, .address("withdrawn@example.fr")).reason == .withdrawn)
            // A contact point that is new has another key now, and only that.
            let key = try await Self.key(client, salon, "new@example.fr")
            #expect(key != unseen)
            if epoch == 3 {
                #expect(try await Self.key(client, salon, "second@example.fr") == stored["second"])
            }
            let name = epoch == 2 ? "second" : "third"
            let granted = try await client.grant(salon.grant(["\(name)@example.fr"], channels: [.email]))
            stored[name] = try await Self.key(client, salon, "\(name)@example.fr")
            #expect(await client.check(question, .key(try #require(stored[name]))).isAllowed)
            #expect(try await client.proof(of: .event(granted.sequence)).event.key == stored[name])
            await client.close()
        }

        // What is written now is about the same contact points: one key each for ever.
        client = try await server.admin()
        _ = try await client.withdraw(salon.refusal("later@example.fr"))
        #expect(await client.check(question, .key(try #require(stored["later"]))).decision == .deny)
        _ = try await client.withdraw(
            RefusalNotice(controller: salon.controller, subject: .reference("ref-granted")))
        #expect(await client.check(question, .address("granted@example.fr")).decision == .deny)
        var events = 0
        for try await event in try client.history(
            controller: salon.controller, of: Self.subject("later@example.fr"))
        {
            events += 1
            #expect(event.key == stored["later"])
        }
        #expect(events == 2)
        // A list cannot bring the erased person back under a new key.
        var row = ImportRow(
            kind: .grant, controller: salon.controller, contacts: [WriteContact("erased@example.fr")])
        row.channels = ChannelSet([.email])
        row.purposes = PurposeSet([salon.promotions])
        row.notice = salon.notice
        row.act = .tickedBox
        row.source = .widget
        row.occurredAt = Timestamp(microseconds: 1_790_000_000_000_000)
        #expect(try await client.importRows([row]).issues.first?.refusals.map(\.refusal) == [.erased])
        await client.close()
        await server.server.drain()
    }

    @Test func everySecretIsNeeded() async throws {
        var server = try await TestServer.start()
        var client = try await server.admin()
        let salon = try await Salon(client)
        _ = try await client.grant(salon.grant(["kept@example.fr"], channels: [.email]))
        let backup = server.folder.file("backup.db")
        var bytes: [UInt8] = []
        for try await chunk in client.backup() { bytes += chunk.bytes }
        try Data(bytes).write(to: URL(fileURLWithPath: backup))
        await client.close()
        server = try await Self.rotate(server, 2)
        client = try await server.admin()
        await client.close()
        await server.server.drain()

        let state = server.stateFolder
        let later = state + "/recipient.key.2"
        let secret = try Data(contentsOf: URL(fileURLWithPath: later))
        func refusal() throws -> String {
            let run = try ProgramUnderTest.run(
                "consentd", ["serve", "--state-dir", state, "--listen", "127.0.0.1:0"])
            #expect(run.code == 78)
            return run.errors
        }
        try FileManager.default.removeItem(atPath: later)
        #expect(try refusal().contains("recipient.key.N"))
        // Another secret, one that others can read, a gap in the numbers: each is refused with its remedy.
        func write(_ data: Data, _ name: String, _ permissions: Int = 0o600) throws {
            try data.write(to: URL(fileURLWithPath: state + "/" + name))
            try FileManager.default.setAttributes(
                [.posixPermissions: permissions], ofItemAtPath: state + "/" + name)
        }
        try write(Data(String(repeating: "7", count: 64).utf8), "recipient.key.2")
        #expect(try refusal().contains("recipient.key.N"))
        try write(secret, "recipient.key.2", 0o644)
        #expect(try refusal().contains("recipient.key.2"))
        try FileManager.default.removeItem(atPath: later)
        try write(secret, "recipient.key.3")
        #expect(try refusal().contains("recipient.key.2"))
        try FileManager.default.removeItem(atPath: state + "/recipient.key.3")
        try write(secret, "recipient.key.2")
        server = try await TestServer.start(in: server.folder)
        await server.server.drain()

        // A backup of the first epoch is restored beside the keys of both.
        try FileManager.default.removeItem(atPath: state + "/register.db")
        try? FileManager.default.removeItem(atPath: state + "/register.db-wal")
        _ = try ConsentServer.restore(RestoreRequest(backup: backup, stateFolder: state, acceptLoss: true))
        server = try await TestServer.start(in: server.folder)
        client = try await server.admin()
        #expect(client.server?.keyEpoch == 2)
        #expect(await client.check(salon.question(.email), .address("kept@example.fr")).isAllowed)
        await client.close()
        await server.server.drain()
    }
}
