// Goal: the near cache answers denials without the server, never an allow, and no denial outlives what lifts
// it once the watch has passed that. Where the watch is missing, broken or silent, the server is asked.
// Method: a real server and its count of checks; random writes and checks with minimum sequences against the
// server's own answers; a restart, a restored register, a client without the scope; the table alone for the
// race between an answer and the watch.

import ConsentClient
import ConsentDomain
import ConsentServer
import Foundation
import TestRandomness
import TestSupport
import Testing

@Suite struct RecentDenialsTests {
    /// Waits until the cache has seen a sequence.
    private static func settle(_ cache: RecentDenials, at sequence: UInt64) async throws {
        for _ in 0..<500 {
            let statistics = cache.statistics
            if statistics.isLive && statistics.complete >= sequence { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("the watch has not reached \(sequence): \(cache.statistics)")
    }

    private static func key(
        _ client: ConsentClient, _ salon: Salon, _ address: String
    ) async throws -> RecipientKey {
        let keys = try await client.keys(of: [address], controller: salon.controller, kind: .email).keys
        return try #require(keys.first ?? nil)
    }

    @Test func aDenialIsAnsweredFromMemoryUntilItIsLifted() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let key = try await Self.key(client, salon, "near@example.fr")
        let cache = RecentDenials(client)
        try await Self.settle(cache, at: try await client.stats().sequence)
        let question = salon.question(.email)

        let first = await cache.check(question, .key(key))
        #expect(first.decision == .deny && cache.statistics.entries == 1)
        let before = try await client.stats().checks
        for _ in 0..<50 {
            let again = await cache.check(question, .key(key))
            #expect(again.decision == .deny && again.reason == first.reason && again.cause == nil)
        }
        #expect(try await client.stats().checks == before, "the server was asked")
        #expect(cache.statistics.hits == 50)
        // Another channel is another question.
        #expect(await cache.check(salon.question(.push), .key(key)).decision == .deny)
        #expect(try await client.stats().checks == before + 1)

        let granted = try await client.grant(salon.grant(["near@example.fr"], channels: [.email]))
        try await Self.settle(cache, at: granted.sequence)
        #expect(await cache.check(question, .key(key)).isAllowed)
        // An allow is never held: the withdrawal counts from its acknowledgement on, whatever the watch does.
        for _ in 0..<20 {
            _ = try await client.withdraw(salon.refusal("near@example.fr"))
            #expect(await cache.check(question, .key(key)).decision == .deny)
            let again = try await client.grant(salon.grant(["near@example.fr"], channels: [.email]))
            var fresh = question
            fresh.minimumSequence = again.sequence
            #expect(await cache.check(fresh, .key(key)).isAllowed, "older than its minimum sequence")
        }
        // A change to the catalogue may concern anybody.
        #expect(
            await cache.check(question, .key(try await Self.key(client, salon, "x@example.fr"))).decision
                == .deny)
        let change = try await client.putPurpose(
            Purpose(id: salon.newsletter, code: "newsletter", title: "Other", purposeClass: .marketing))
        try await Self.settle(cache, at: change.sequence)
        #expect(cache.statistics.entries == 0)
        await cache.close()
        await client.close()
        await server.server.drain()
    }

    @Test(arguments: [UInt64(31), 32]) func neverOlderThanTheWatch(seed: UInt64) async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var random = SeededGenerator(seed: seed)
        let addresses = (0..<12).map { "random\($0)@example.fr" }
        var keys: [RecipientKey] = []
        for address in addresses { keys.append(try await Self.key(client, salon, address)) }
        // So small that entries are pushed out all the time.
        let cache = RecentDenials(client, capacity: 8)
        try await Self.settle(cache, at: try await client.stats().sequence)
        var allowed = Set<Int>()
        var last: UInt64 = 0
        for step in 0..<1_500 {
            let person = Int(random.next() % 12)
            if random.next() % 4 == 0 {
                let isGrant = random.next() % 2 == 0
                let result =
                    isGrant
                    ? try await client.grant(salon.grant([addresses[person]], channels: [.email]))
                    : try await client.withdraw(salon.refusal(addresses[person]))
                last = result.sequence
                if isGrant { allowed.insert(person) } else { allowed.remove(person) }
                continue
            }
            var question = salon.question(.email)
            // Half of the questions insist on the last write; the others may hear an older no, never an older
            // yes.
            let insists = random.next() % 2 == 0
            if insists { question.minimumSequence = last }
            let answer = await cache.check(question, .key(keys[person]))
            let isRight = answer.isAllowed == allowed.contains(person)
            #expect(isRight || (!insists && !answer.isAllowed), "seed \(seed), step \(step)")
        }
        try await Self.settle(cache, at: last)
        for person in 0..<12 {
            let answer = await cache.check(salon.question(.email), .key(keys[person]))
            #expect(answer.isAllowed == allowed.contains(person), "seed \(seed), at the end")
        }
        let statistics = cache.statistics
        #expect(statistics.hits > 50 && statistics.entries <= 8, "seed \(seed): \(statistics)")
        await cache.close()
        await client.close()
        await server.server.drain()
    }

    @Test func withoutAWatchTheServerIsAsked() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let key = try await Self.key(client, salon, "quiet@example.fr")
        let question = salon.question(.email)
        // Heartbeats come every 10 s: after 300 ms of silence nothing is used any more.
        let impatient = RecentDenials(client, staleAfter: .milliseconds(300))
        try await Self.settle(impatient, at: 0)
        _ = await impatient.check(question, .key(key))
        for _ in 0..<500 where impatient.statistics.isLive { try await Task.sleep(for: .milliseconds(10)) }
        #expect(!impatient.statistics.isLive)
        let before = try await client.stats().checks
        _ = await impatient.check(question, .key(key))
        #expect(try await client.stats().checks == before + 1)
        await impatient.close()
        // One that was closed holds nothing.
        _ = await impatient.check(question, .key(key))
        #expect(try await client.stats().checks == before + 2 && impatient.statistics.entries == 0)
        await client.close()
        await server.server.drain()
    }

    @Test func aRestartEmptiesIt() async throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        var daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        let address = daemon.address
        var configuration = ConsentClient.Configuration()
        let secret = try String(contentsOfFile: state + "/admin.token", encoding: .utf8)
        configuration.credential = Array(secret.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        let client = try await ConsentClient.connect(to: address, configuration: configuration)
        let salon = try await Salon(client)
        let key = try await Self.key(client, salon, "restart@example.fr")
        let cache = RecentDenials(client)
        try await Self.settle(cache, at: try await client.stats().sequence)
        #expect(await cache.check(salon.question(.email), .key(key)).decision == .deny)
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
        let port = try #require(address.split(separator: ":").last)
        daemon = try DaemonUnderTest(stateFolder: state, ["--listen", "127.0.0.1:\(port)"])
        let granted = try await client.grant(salon.grant(["restart@example.fr"], channels: [.email]))
        try await Self.settle(cache, at: granted.sequence)
        #expect(await cache.check(salon.question(.email), .key(key)).isAllowed)
        await cache.close()
        await client.close()
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }
}
