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
        let rounds = Int(Self.number("CONSENTD_CRASH_ROUNDS") ?? 3)
        let seed = Self.number("CONSENTD_CRASH_SEED") ?? UInt64.random(in: 1...1_000_000)
        var random = SeededGenerator(seed: seed)
        var (acknowledged, events) = (0, 0)
        // Each audit reads the whole log, so now and then a new one is begun.
        for first in stride(from: 0, to: rounds, by: Self.roundsOfARegister) {
            let audit = try await Self.kill(
                min(rounds - first, Self.roundsOfARegister), seed: seed &+ UInt64(first), &random)
            acknowledged += audit.acknowledged
            events += audit.events
        }
        #expect(acknowledged > 0, "no write was acknowledged in \(rounds) rounds: the test shows nothing")
        print("crash: \(rounds) kills, \(acknowledged) acknowledged events, 0 lost, \(events) on file")
    }

    private static let roundsOfARegister = 20

    /// Kills the daemon of a new register so often.
    private static func kill(
        _ rounds: Int, seed: UInt64, _ random: inout SeededGenerator
    ) async throws -> CrashAudit {
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

        var audit = CrashAudit()
        for round in 1...rounds {
            let load = try ProgramUnderTest(
                "consent-load",
                [
                    "write", "--server", daemon.address, "--token-file", state + "/admin.token",
                    "--connections", "4",
                    "--in-flight", "16", "--duration", "60s", "--warm-up", "0ms", "--seed",
                    "\(seed &+ UInt64(round))",
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
        return audit
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
        var audit = CrashAudit()
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
