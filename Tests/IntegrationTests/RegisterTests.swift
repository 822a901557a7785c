// Goal: what was acknowledged is on file, can be read back with its wording, proven, watched, and survives a
// restart. Method: a server in this process, the client library against it, ConsentProof for the proofs.

import ConsentClient
import ConsentProof
import Foundation
import TestSupport
import Testing

@Suite struct RegisterTests {
    @Test func aRepeatedEventIsRecordedOnce() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var grant = salon.grant(["twice@example.fr"], channels: [.email])
        grant.eventID = EventID(low: 1, high: 2)
        let first = try await client.grant(grant)
        let second = try await client.grant(grant)
        #expect(first.status == .recorded && second.status == .repeated)
        #expect(second.sequences == first.sequences && second.eventIDs == first.eventIDs)
        grant.purposes = PurposeSet([salon.newsletter])
        let third = try await client.grant(grant)
        #expect(third.refusals.map(\.refusal) == [.eventIDReused])
        await client.close()
        await server.server.drain()
    }

    @Test func theGateListsAllThatIsWrong() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var grant = salon.grant(["gate@example.fr"], channels: [.email], purposes: [salon.reminders])
        grant.act = .none
        grant.staff = "Camille"
        let result = try await client.grant(grant)
        #expect(result.status == .refused && result.sequence == 0)
        #expect(
            result.refusals.map(\.refusal)
                == [.notSpecific, .ambiguous, .notAffirmative, .attestationMissing, .wrongClass])
        #expect(result.refusals.allSatisfy { $0.sentence.count > 20 })

        // With the memo read and the five conditions attested, staff may record what was said.
        let memo = try await client.memo(locale: "fr")
        #expect(memo.text.contains("case"))
        var attested = salon.grant(["gate@example.fr"], channels: [.email])
        attested.act = .spoken
        attested.source = .salon
        attested.staff = "Camille"
        attested.memo = memo.id
        attested.attestations = .all
        #expect(try await client.grant(attested).status == .recorded)
        await client.close()
        await server.server.drain()
    }

    @Test func historyPreferencesAndExplanationShowTheWording() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let address = "history@example.fr"
        var grant = salon.grant(
            [address], channels: [.email], purposes: [salon.promotions, salon.newsletter])
        grant.reference = "h-1"
        _ = try await client.grant(grant)
        var withdrawal = salon.refusal(address)
        withdrawal.purposes = PurposeSet([salon.promotions])
        withdrawal.channels = ChannelSet([.email])
        let withdrawn = try await client.withdraw(withdrawal)

        var kinds: [EventKind?] = []
        for try await event in try client.history(
            controller: salon.controller, of: .contacts([WriteContact(address)]), wording: true)
        {
            kinds.append(event.kind)
            if event.kind == .grant { #expect(event.wording == Salon.text && event.reference == "h-1") }
        }
        #expect(kinds == [.grant, .withdraw])

        let preferences = try await client.preferences(controller: salon.controller, of: .reference("h-1"))
        #expect(preferences.contacts.count == 1)
        let cells = try #require(preferences.contacts.first).preferences
        #expect(cells.first { $0.purpose == salon.promotions }?.reason == .withdrawn)
        #expect(cells.first { $0.purpose == salon.newsletter }?.reason == .consent)
        #expect(cells.first { $0.purpose == salon.reminders }?.reason == .service)

        let explanation = try await client.explain(salon.question(.email), .contacts([WriteContact(address)]))
        #expect(explanation.answer.reason == .withdrawn)
        #expect(explanation.events.first?.sequence == withdrawn.sequence)
        let sms = try await client.explain(
            salon.question(.email, salon.newsletter), .contacts([WriteContact(address)]))
        #expect(sms.answer.reason == .consent && sms.events.first?.wording == Salon.text)
        await client.close()
        await server.server.drain()
    }

    @Test func aProofVerifiesWithoutTheServer() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let early = try await client.head()
        for number in 0..<300 {
            _ = try await client.grant(salon.grant(["proof\(number)@example.fr"], channels: [.email]))
        }
        let key = try LogPublicKey(
            pem: String(contentsOfFile: server.stateFolder + "/log.pub", encoding: .utf8))
        for number in [0, 1, 150, 299] {
            let proof = try await client.proof(
                of: .newestGrant(
                    salon.controller, .contacts([WriteContact("proof\(number)@example.fr")]), .email, nil))
            #expect(proof.head.isSigned(by: key))
            let path = try proof.path.map { try #require(TreeHash($0)) }
            func isProven(_ leaf: [UInt8]) -> Bool {
                MerkleProof.verifyInclusion(
                    leafHash: TreeHash.leaf(leaf), leafIndex: proof.event.sequence - 1,
                    treeSize: proof.head.treeSize, root: proof.head.root, proof: path)
            }
            #expect(isProven(proof.leaf))
            var changed = proof.leaf
            changed[20] ^= 1
            #expect(!isProven(changed))
            #expect(Digest32.sha256(proof.notice) == salon.notice)
            let notice = try Notice(decoding: proof.notice)
            #expect(notice.text == Salon.text)
        }
        let late = try await client.head(since: early.head.treeSize)
        let consistency = try late.consistency.map { try #require(TreeHash($0)) }
        #expect(
            MerkleProof.verifyConsistency(
                oldSize: early.head.treeSize, oldRoot: early.head.root, newSize: late.head.treeSize,
                newRoot: late.head.root, proof: consistency))
        await client.close()
        await server.server.drain()
    }

    @Test func aRestartChangesNoAnswer() async throws {
        var server = try await TestServer.start()
        var client = try await server.admin()
        let salon = try await Salon(client)
        for number in 0..<50 {
            _ = try await client.grant(salon.grant(["restart\(number)@example.fr"], channels: [.email]))
            if number % 2 == 0 { _ = try await client.withdraw(salon.refusal("restart\(number)@example.fr")) }
        }
        let before = try await client.stats()
        let addresses = (0..<60).map { "restart\($0)@example.fr" }
        let answers = await client.checkBatch(salon.question(.email), addresses: addresses)
        let headBefore = try await client.head()
        await client.close()

        server = try await server.restarted()
        client = try await server.admin()
        let after = try await client.stats()
        #expect(after.sequence == before.sequence && after.incarnation == before.incarnation)
        #expect(after.recipients == before.recipients && after.events == before.events)
        let again = await client.checkBatch(salon.question(.email), addresses: addresses)
        for position in 0..<60 { #expect(again.reasonCode(position) == answers.reasonCode(position)) }
        #expect(try await client.head().head.root == headBefore.head.root)
        await client.close()
        await server.server.drain()
    }

    @Test func aWatchGetsEveryChangeInOrder() async throws {
        let server = try await TestServer.start { $0.limits.heartbeatSeconds = 1 }
        let client = try await server.admin()
        let salon = try await Salon(client)
        let start = try await client.stats().sequence
        let watcher = Task {
            var sequences: [UInt64] = []
            for try await change in client.watch(from: WatchPosition(after: start)) where !change.isHeartbeat
            {
                sequences.append(change.sequence)
                if sequences.count == 200 { break }
            }
            return sequences
        }
        for number in 0..<200 {
            _ = try await client.grant(salon.grant(["watch\(number)@example.fr"], channels: [.email]))
        }
        #expect(try await watcher.value == Array((start + 1)...(start + 200)))
        var beats = 0
        for try await change in client.watch(from: WatchPosition(after: start + 200)) {
            #expect(change.isHeartbeat && change.sequence == start + 200)
            beats += 1
            if beats == 2 { break }
        }
        await client.close()
        await server.server.drain()
    }

    @Test func anImportKeepsTheGoodRowsAndSaysWhatIsWrongWithTheOthers() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        func row(_ address: String, _ configure: (inout ImportRow) -> Void = { _ in }) -> ImportRow {
            var row = ImportRow(kind: .grant, controller: salon.controller, contacts: [WriteContact(address)])
            row.channels = ChannelSet([.email])
            row.purposes = PurposeSet([salon.promotions])
            row.notice = salon.notice
            row.act = .tickedBox
            row.source = .widget
            row.occurredAt = Timestamp(microseconds: 1_790_000_000_000_000)
            configure(&row)
            return row
        }
        _ = try await client.withdraw(salon.refusal("refused@example.fr"))
        let rows = [
            row("good@example.fr"),
            row("broken@@example"),
            row("noproof@example.fr") { $0.notice = nil },
            row("refused@example.fr"),
            row("unknown@example.fr") { $0.controller = ControllerID(rawValue: 99) },
        ]
        let dry = try await client.importRows(rows, dryRun: true)
        #expect(dry.recorded == 3 && dry.refused == 2 && dry.unproven == 1)
        let before = try await client.stats().sequence
        let result = try await client.importRows(rows)
        #expect(result.recorded == 3 && result.refused == 2 && result.unproven == 1)
        #expect(Set(result.issues.map(\.index)) == [1, 2, 4])
        #expect(try await client.stats().sequence == before + 3)
        func reason(_ address: String) async -> Reason? {
            await client.check(salon.question(.email), .address(address)).reason
        }
        #expect(await reason("good@example.fr") == .consent)
        #expect(await reason("noproof@example.fr") == .unproven)
        // An import never beats a refusal.
        #expect(await reason("refused@example.fr") == .withdrawn)
        // Again: nothing changes.
        let again = try await client.importRows(rows)
        #expect(again.recorded == 0 && again.repeated == 3 && again.refused == 2)
        #expect(try await client.stats().sequence == before + 3)
        await client.close()
        await server.server.drain()
    }
}
