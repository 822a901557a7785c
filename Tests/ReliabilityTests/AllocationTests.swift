// Goal: in steady state a check allocates nothing, neither in our code nor in what it calls.
// Method: the real server with every call of the allocator counted, under the real load tester; both counts,
// allocations and checks, are read at two moments of the run. CONSENTD_ALLOCATION_CHECKS lengthens it.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct AllocationTests {
    private static let checksMin =
        ProcessInfo.processInfo.environment["CONSENTD_ALLOCATION_CHECKS"].flatMap { UInt64($0) } ?? 50_000

    /// What the load tester sends.
    static let loads: [(name: String, arguments: [String])] = [
        ("single", ["--connections", "50", "--in-flight", "1"]),
        ("pipelined", ["--connections", "50", "--in-flight", "16"]),
        ("batch", ["--connections", "4", "--in-flight", "8", "--batch", "100"]),
        ("raw", ["--connections", "50", "--in-flight", "16", "--keys", "raw"]),
        ("raw batch", ["--connections", "4", "--in-flight", "8", "--batch", "100", "--keys", "raw"]),
    ]

    @Test func aCheckAllocatesNothing() async throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let counts = AllocationCounts(path: folder.file("counts"))
        let daemon = try DaemonUnderTest(
            stateFolder: state, ["--init", "--test-register"], environment: counts.environment)
        let target = ["--server", daemon.address, "--token-file", state + "/admin.token"]
        let seeded = try ProgramUnderTest.run("consent-load", ["seed", "--recipients", "20000"] + target)
        try #require(seeded.code == 0, "seed: \(seeded.errors)")

        var configuration = ConsentClient.Configuration()
        let secret = try String(contentsOfFile: state + "/admin.token", encoding: .utf8)
        configuration.credential = Array(secret.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        let client = try await ConsentClient.connect(to: daemon.address, configuration: configuration)

        var figures: [String] = []
        for load in Self.loads {
            let run = try ProgramUnderTest(
                "consent-load",
                ["check", "--duration", "120s", "--warm-up", "0ms", "--verify"] + load.arguments + target)
            /// Waits until so many checks more were answered, and returns how many in all.
            func checks(after count: UInt64) async throws -> UInt64 {
                while true {
                    let now = try await client.stats().checks
                    if now >= count { return now }
                    // Each Stats call allocates: so few of them.
                    try await Task.sleep(for: .milliseconds(400))
                }
            }
            let warm = try await client.stats().checks + Self.checksMin / 2
            let checksBefore = try await checks(after: warm)
            let begin = Date()
            let callsBefore = try counts.calls()
            let checksAfter = try await checks(after: checksBefore + Self.checksMin)
            let callsAfter = try counts.calls()
            run.signal(SIGTERM)
            _ = await run.finished()
            let perCheck = Double(callsAfter - callsBefore) / Double(checksAfter - checksBefore)
            figures.append("\(load.name) \(String(format: "%.5f", perCheck))")
            // Timers and these Stats calls allocate with time, and not with checks.
            let withTime = -begin.timeIntervalSinceNow * 200
            #expect(
                Double(callsAfter - callsBefore) <= Double(checksAfter - checksBefore) * 0.005 + withTime,
                "\(load.name): \(callsAfter - callsBefore) allocations in \(checksAfter - checksBefore) checks"
            )
        }
        print("allocations: a check, \(figures.joined(separator: ", "))")
        await client.close()
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }

    @Test func theCounterSeesAllocations() throws {
        let folder = try TemporaryFolder()
        let counts = AllocationCounts(path: folder.file("counts"))
        let run = try ProgramUnderTest("consentctl", ["--help"], environment: counts.environment)
        #expect(run.wait().code == 0)
        #expect(try counts.calls() > 100, "a program that prints its help allocates")
    }
}
