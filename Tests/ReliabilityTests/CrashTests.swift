// Goal: kill -9 at any moment loses nothing that was acknowledged, doubles nothing, and leaves a log that
// extends the one before.
// Method: a daemon process, a write load that notes each acknowledgement in a file of its own, SIGKILL after
// a random while, a restart, and an audit of every event by a watch from the beginning. CONSENTD_CRASH_ROUNDS
// and CONSENTD_CRASH_SEED lengthen and repeat it.

import ConsentClient
import ConsentProof
import Foundation
import TestRandomness
import TestSupport
import Testing

@Suite struct CrashTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test func nothingAcknowledgedIsLost() async throws {
        let rounds = Self.number("CONSENTD_CRASH_ROUNDS") ?? 3
        let seed = Self.number("CONSENTD_CRASH_SEED") ?? UInt64.random(in: 1...1_000_000)
        var random = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let log = folder.file("acknowledged")
        var daemon = try DaemonUnderTest(stateFolder: state, ["--init", "--test-register"])
        let seeded = try ProgramUnderTest.run(
            "consent-load",
            [
                "seed", "--server", daemon.address, "--token-file", state + "/admin.token", "--recipients",
                "500",
            ])
        try #require(seeded.code == 0, "seed: \(seeded.errors)")

        var audit = Audit()
        for round in 1...rounds {
            let load = try ProgramUnderTest(
                "consent-load",
                [
                    "write", "--server", daemon.address, "--token-file", state + "/admin.token",
                    "--connections", "4",
                    "--in-flight", "16", "--duration", "60s", "--warm-up", "0ms", "--seed",
                    "\(seed &+ round)",
                    "--ack-log", log,
                ])
            try await Task.sleep(for: .milliseconds(Int(random.next() % 700) + 150))
            daemon.program.signal(SIGKILL)
            #expect(daemon.program.wait().code == -SIGKILL)
            load.signal(SIGTERM)
            _ = load.wait()

            daemon = try DaemonUnderTest(stateFolder: state)
            try await audit.check(
                daemon.address, token: state + "/admin.token", acknowledged: log, seed: seed)
        }
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
        #expect(
            audit.acknowledged > 0, "no write was acknowledged in \(rounds) rounds: the test shows nothing")
        print(
            "crash: \(rounds) kills, \(audit.acknowledged) acknowledged events, 0 lost, \(audit.events) on file"
        )
    }

    @Test func theAuditFindsAnEventThatIsMissing() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let granted = try await client.grant(salon.grant(["audit@example.fr"], channels: [.email]))
        let id = try #require(granted.eventIDs.first)
        let log = server.folder.file("acknowledged")
        let token = server.stateFolder + "/admin.token"

        try Data("\(granted.sequence) \(Hexadecimal.text(of: id.bytes))\n".utf8).write(
            to: URL(fileURLWithPath: log))
        var audit = Audit()
        try await audit.check(server.address, token: token, acknowledged: log, seed: 0)
        try Data("\(granted.sequence + 1) \(Hexadecimal.text(of: id.bytes))\n".utf8).write(
            to: URL(fileURLWithPath: log))
        await withKnownIssue("an acknowledged event that is not on file") {
            try await audit.check(server.address, token: token, acknowledged: log, seed: 0)
        }
        await client.close()
        await server.server.drain()
    }
}

/// Compares a register with what was acknowledged.
struct Audit {
    var acknowledged = 0
    var events = 0
    private var head: SignedHead?

    mutating func check(_ address: String, token: String, acknowledged log: String, seed: UInt64) async throws
    {
        var configuration = ConsentClient.Configuration()
        let secret = try String(contentsOfFile: token, encoding: .utf8)
        configuration.credential = Array(secret.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        let client = try await ConsentClient.connect(to: address, configuration: configuration)
        defer { Task { await client.close() } }

        let last = try await client.stats().sequence
        var ids: [EventID?] = []
        if last > 0 {
            for try await change in client.watch(from: WatchPosition(after: 0)) where !change.isHeartbeat {
                #expect(change.sequence == UInt64(ids.count) + 1, "the sequence is dense (seed \(seed))")
                ids.append(change.event?.eventID)
                if change.sequence >= last { break }
            }
        }
        #expect(
            Set(ids.compactMap { $0 }).count == ids.compactMap { $0 }.count,
            "no event is doubled (seed \(seed))")
        events = ids.count

        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        acknowledged = lines.count
        var missing = 0
        for line in lines {
            let fields = line.split(separator: " ")
            guard fields.count == 2, let sequence = Int(fields[0]),
                let id = Hexadecimal.bytes(of: String(fields[1])).flatMap({ EventID(bytes: $0) })
            else { continue }
            if sequence < 1 || sequence > ids.count || ids[sequence - 1] != id { missing += 1 }
        }
        #expect(
            missing == 0, "\(missing) of \(lines.count) acknowledged events are not on file (seed \(seed))")

        let newHead = try await client.head(since: head?.treeSize ?? 0)
        if let head {
            let proof = try newHead.consistency.map { try #require(TreeHash($0)) }
            #expect(
                MerkleProof.verifyConsistency(
                    oldSize: head.treeSize, oldRoot: head.root, newSize: newHead.head.treeSize,
                    newRoot: newHead.head.root, proof: proof), "the log extends the one before (seed \(seed))"
            )
        }
        head = newHead.head
    }
}
