// Goal: the client library allocates next to nothing a check, wherever its callers run.
// Method: `consent-load callers` with every call of the allocator counted, beside a real server whose count
// of checks is read at the same two moments. What is left on Swift's threads is the queue's that wakes tasks.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct CallerAllocationTests {
    private static let checksMin: UInt64 = 50_000

    /// How callers run, and the most allocations a check that are let pass.
    static let loads: [(name: String, arguments: [String], most: Double)] = [
        ("on the loop", ["--on-loop"], 0.01),
        ("on the loop, each alone", ["--on-loop", "--no-coalescing"], 0.01),
        ("on the loop, a campaign", ["--on-loop", "--campaign"], 0.01),
        ("on Swift's threads", [], 1),
        ("on Swift's threads, each alone", ["--no-coalescing"], 1),
        ("on Swift's threads, a campaign", ["--campaign"], 1),
    ]

    @Test func aCallerAllocatesNextToNothing() async throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let daemon = try DaemonUnderTest(stateFolder: state, ["--init", "--test-register"])
        let target = ["--server", daemon.address, "--token-file", state + "/admin.token"]
        let seeded = try ProgramUnderTest.run("consent-load", ["seed", "--recipients", "20000"] + target)
        try #require(seeded.code == 0, "seed: \(seeded.errors)")

        var configuration = ConsentClient.Configuration()
        let secret = try String(contentsOfFile: state + "/admin.token", encoding: .utf8)
        configuration.credential = Array(secret.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        let client = try await ConsentClient.connect(to: daemon.address, configuration: configuration)
        /// Waits until so many checks were answered, and returns how many.
        func checks(after count: UInt64) async throws -> UInt64 {
            while true {
                let now = try await client.stats().checks
                if now >= count { return now }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        var figures: [String] = []
        for (number, load) in Self.loads.enumerated() {
            let counts = AllocationCounts(path: folder.file("counts-\(number)"))
            let run = try ProgramUnderTest(
                "consent-load",
                ["callers", "--duration", "120s", "--warm-up", "0ms", "--verify", "--questions", "20000"]
                    + load.arguments + target, environment: counts.environment)
            let warm = try await client.stats().checks + Self.checksMin
            let checksBefore = try await checks(after: warm)
            let callsBefore = try counts.calls()
            let checksAfter = try await checks(after: checksBefore + Self.checksMin)
            let callsAfter = try counts.calls()
            run.signal(SIGTERM)
            _ = await run.finished()
            let perCheck = Double(callsAfter - callsBefore) / Double(checksAfter - checksBefore)
            figures.append("\(load.name) \(String(format: "%.4f", perCheck))")
            #expect(perCheck <= load.most, "\(load.name): \(perCheck) allocations a check")
        }
        print("client allocations: a check, \(figures.joined(separator: ", "))")
        await client.close()
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }
}
