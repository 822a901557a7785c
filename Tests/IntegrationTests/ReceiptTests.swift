// Goal: a receipt proves what was asked and answered, to whoever has the log's public key, and nothing else
// passes. Method: receipts of real batches through the file form; one part altered at a time; the programs.

import ConsentClient
import ConsentProof
import Foundation
import TestSupport
import Testing

@Suite struct ReceiptTests {
    private static func key(_ server: TestServer) throws -> LogPublicKey {
        try LogPublicKey(pem: String(contentsOfFile: server.stateFolder + "/log.pub", encoding: .utf8))
    }

    @Test func aReceiptProvesABatch() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let addresses = (0..<20).map { "receipt\($0)@example.fr" }
        for address in addresses.prefix(7) {
            _ = try await client.grant(salon.grant([address], channels: [.email]))
        }
        let key = try Self.key(server)
        let asked = addresses + ["broken"]
        let made = try await client.keys(of: asked, controller: salon.controller, kind: .email)
        let keys = made.keys.map { $0 ?? RecipientKey(low: 0, high: 0) }
        let question = salon.question(.email)
        let detail: BatchDetail = [.reasons, .receipt]
        for answer in [
            await client.checkBatch(question, addresses: asked, detail: detail),
            await client.checkBatch(question, keys: keys, detail: detail),
            await client.checkBatch(question, keys: keys, detail: .receipt),
        ] {
            #expect(answer.cause == nil && answer.allowedCount == 7)
            let receipt = try #require(answer.receipt)
            #expect(receipt.controller == 7 && receipt.channel == 1 && receipt.purpose == 3)
            #expect(receipt.sequence == answer.sequence && receipt.count == 21)
            let check = ReceiptFile.Check(receipt: receipt, answer, keys: keys)
            let text = ReceiptFile(checks: [check]).json.pretty
            let file = try ReceiptFile(parsing: try JSON(parsing: Array(text.utf8)))
            #expect(try file.verify(keys: [key]) == [receipt])
            #expect(try file.verify(keys: [LogSigningKey().publicKey, key]) == [receipt])
            try expectEveryChangeIsFound(check, key)
        }
        // Without being asked for there is none.
        #expect(await client.checkBatch(question, keys: keys).receipt == nil)
        await client.close()
        await server.server.drain()
    }

    private func expectEveryChangeIsFound(_ good: ReceiptFile.Check, _ key: LogPublicKey) throws {
        let changes: [(String, (inout ReceiptFile.Check) -> Void)] = [
            ("sequence", { $0.receipt[24] ^= 1 }), ("time", { $0.receipt[33] ^= 1 }),
            ("controller", { $0.receipt[64] ^= 1 }), ("signature", { $0.receipt[200] ^= 1 }),
            ("key", { $0.keys[3] = RecipientKey(low: 1, high: 1) }),
            ("order", { $0.keys.swapAt(0, 1) }), ("one less", { $0.keys.removeLast() }),
            ("allowed", { $0.allow[1] ^= 1 }), ("longer", { $0.allow.append(0) }),
        ]
        for (name, change) in changes {
            var check = good
            change(&check)
            #expect(throws: VerificationFailure.self, "\(name)") { try check.verify(keys: [key]) }
        }
        if !good.reasons.isEmpty {
            var check = good
            check.reasons[0] ^= 1
            #expect(throws: VerificationFailure.self) { try check.verify(keys: [key]) }
        }
        #expect(throws: VerificationFailure.self) {
            try good.verify(keys: [LogSigningKey().publicKey])
        }
    }

    @Test func aBatchThatWasNotLookedAtHasAReceiptToo() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var question = salon.question(.email)
        question.minimumSequence = 1_000_000
        let key = try Self.key(server)
        let none = RecipientKey(low: 0, high: 0)
        let answer = await client.checkBatch(
            question, addresses: ["a@example.fr", "b@example.fr"], detail: [.reasons, .receipt])
        #expect(answer.whole == .indeterminate)
        let receipt = try #require(answer.receipt)
        #expect(receipt.whole == 2 && receipt.minimumSequence == 1_000_000)
        let check = ReceiptFile.Check(receipt: receipt, answer, keys: [none, none])
        #expect(try check.verify(keys: [key]) == receipt)
        await client.close()
        await server.server.drain()
    }

    /// The same by consentctl: check --receipt, then verify, offline.
    @Test func theProgramsWriteAndVerifyReceiptsAndHeads() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        _ = try await client.grant(salon.grant(["program@example.fr"], channels: [.email]))
        let files = server.folder
        let token = server.stateFolder + "/admin.token"
        let pub = server.stateFolder + "/log.pub"
        func run(_ arguments: String...) throws -> (code: Int32, output: String, errors: String) {
            try ProgramUnderTest.run(
                "consentctl",
                arguments
                    + (arguments[0] == "verify" ? [] : ["--server", server.address, "--token-file", token])
            )
        }
        let old = files.file("old.json")
        let new = files.file("new.json")
        #expect(try run("head", "--out", old).code == 0)
        let receipt = files.file("receipt.json")
        let checked = try run(
            "check", "--controller", "salon-lyon", "--channel", "email", "--purpose", "promotions",
            "--receipt", receipt, "program@example.fr", "stranger@example.fr")
        #expect(checked.code == 1 && checked.output.contains("1\tallow\tconsent"))
        let verified = try run("verify", receipt, "--key", pub)
        #expect(verified.code == 0 && verified.output.contains("1 of 2"))
        let text = try String(contentsOfFile: receipt, encoding: .utf8)
        #expect(!text.contains("example.fr"))
        let forged = files.file("forged.json")
        try text.replacing("\"allow\": \"01\"", with: "\"allow\": \"03\"")
            .write(toFile: forged, atomically: true, encoding: .utf8)
        let refused = try run("verify", forged, "--key", pub)
        #expect(refused.code == 1 && refused.errors.contains("bitmap"), "\(refused.errors)")

        _ = try await client.withdraw(salon.refusal("program@example.fr"))
        let size = try await client.stats().sequence - 1
        #expect(try run("head", "--since", "\(size)", "--out", new).code == 0)
        #expect(try run("verify", old, new, "--key", pub).code == 0)
        #expect(try run("verify", new, "--key", pub).code == 0)
        let swapped = try run("verify", new, old, "--key", pub)
        #expect(swapped.code == 65 && swapped.errors.contains("older head first"))
        let otherKey = files.file("other.pub")
        try LogSigningKey().publicKey.pem.write(toFile: otherKey, atomically: true, encoding: .utf8)
        let foreign = try run("verify", old, new, "--key", otherKey)
        #expect(foreign.code == 1 && foreign.errors.contains("is signed by key"))
        #expect(try run("verify", old, new, "--key", otherKey, "--key", pub).code == 0)
        await client.close()
        await server.server.drain()
    }

    @Test func aKeptHeadIsShownLater() async throws {
        let server = try await TestServer.start { $0.limits.headSeconds = 1 }
        let client = try await server.admin()
        let salon = try await Salon(client)
        await #expect(throws: ConsentClientError.self) { try await client.head(keptUntil: .epoch) }
        let far = Timestamp(microseconds: 4_000_000_000_000_000)
        var kept: LogHead?
        for _ in 0..<100 where kept == nil {
            try await Task.sleep(for: .milliseconds(100))
            kept = try? await client.head(keptUntil: far)
        }
        let old = try #require(kept)
        #expect(old.head.isSigned(by: try Self.key(server)))
        _ = try await client.grant(salon.grant(["kept@example.fr"], channels: [.email]))
        let now = try await client.head(since: old.head.treeSize)
        try HeadFile(old, since: 0).verify(
            extendedBy: HeadFile(now, since: old.head.treeSize), keys: [try Self.key(server)])
        await client.close()
        await server.server.drain()
    }

    @Test func aReceiptOutlivesTheKeyThatSignedIt() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let keys = [RecipientKey(low: 1, high: 2)]
        let oldKey = try Self.key(server)
        let old = await client.checkBatch(salon.question(.email), keys: keys, detail: .receipt)
        await client.close()
        await server.server.drain()
        let rotated = try ProgramUnderTest.run(
            "consentd", ["rotate-log-key", "--state-dir", server.stateFolder])
        #expect(rotated.code == 0, "\(rotated.errors)")

        let again = try await TestServer.start(in: server.folder)
        let later = try await again.admin()
        let newKey = try Self.key(again)
        #expect(newKey != oldKey && rotated.output.contains(newKey.keyID.hexadecimal))
        let new = await later.checkBatch(salon.question(.email), keys: keys, detail: .receipt)
        for (answer, right, wrong) in [(old, oldKey, newKey), (new, newKey, oldKey)] {
            let check = ReceiptFile.Check(
                receipt: try #require(answer.receipt), answer, keys: keys)
            #expect(try check.verify(keys: [wrong, right]) == answer.receipt)
            #expect(throws: VerificationFailure.self) { try check.verify(keys: [wrong]) }
        }
        // The head that the old key signed last is still shown.
        let kept = try await later.head(
            keptUntil: Timestamp(microseconds: 4_000_000_000_000_000)
        ).head
        #expect(kept.isSigned(by: oldKey))
        await later.close()
        await again.server.drain()
    }
}
