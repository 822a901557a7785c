// Goal: wherever the daemon is killed between two steps, the next start has every acknowledged event once, at
// its sequence, in a log that extends the one before; who withdrew or was erased is not allowed.
// Method: a daemon that kills itself at a place that has a name (Sources/Failpoint), under writes, at a stop,
// in an erasure, a backup, a restore, an upgrade, a growth of the index and a snapshot of it; a restart, and
// the audit of the crash test. CONSENTD_FAILPOINT_ROUNDS and CONSENTD_CRASH_SEED lengthen and repeat it;
// without the first each place is met once, bar those that need a large index.

import CSQLite
import CScrub
import ConsentClient
import Failpoint
import Foundation
import TestRandomness
import TestSupport
import Testing

@Suite struct FailpointTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test func aKillBetweenTwoStepsLosesNothing() async throws {
        let seed = Self.number("CONSENTD_CRASH_SEED") ?? UInt64.random(in: 1...1_000_000)
        let small = Failpoint.allCases.filter { !$0.needsLargeIndex }
        // A large index takes its time, so each of its places is met once.
        let first = Self.number("CONSENTD_FAILPOINT_ROUNDS") == nil ? small : Failpoint.allCases
        let rounds = Int(Self.number("CONSENTD_FAILPOINT_ROUNDS") ?? UInt64(small.count))
        let trial = try await FailpointTrial(seed: seed)
        for round in 0..<rounds {
            try await trial.kill(at: round < first.count ? first[round] : small[round % small.count])
        }
        #expect(rounds < first.count || trial.hit == Set(first), "some failpoint was never met")
        #expect(trial.acknowledged > 0, "no write was acknowledged: the test shows nothing")
        print(
            "failpoint: \(rounds) kills at \(trial.hit.count) places, \(trial.acknowledged) acknowledged events, 0 "
                + "lost")
    }

    @Test func anUnknownNameIsRefusedWithTheListOfNames() throws {
        let folder = try TemporaryFolder()
        for name in ["commit.befor", "commit.before:0", "commit.before:1:2", ""] {
            let ended = try ProgramUnderTest(
                "consentd", ["serve", "--state-dir", folder.file("state"), "--init", "--test-register"],
                environment: ["CONSENTD_FAILPOINT": name]
            ).wait()
            #expect(ended.code == 64)
            for point in Failpoint.allCases { #expect(ended.errors.contains(point.rawValue)) }
        }
    }

    @Test func aRegisterThatIsNotForTestsIsNotBroken() throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
        let ended = try ProgramUnderTest(
            "consentd", ["serve", "--state-dir", state, "--listen", "127.0.0.1:0"],
            environment: ["CONSENTD_FAILPOINT": "commit.before"]
        ).wait()
        #expect(ended.code == 78 && ended.errors.contains("--test-register"))
    }
}

extension Failpoint {
    /// Whether it is met with some hundred thousand contact points only.
    fileprivate var needsLargeIndex: Bool {
        [.growthStep, .snapshotBeforeRename, .snapshotAfterRename].contains(self)
    }
}

/// A register whose daemon is killed at one failpoint after another.
private final class FailpointTrial {
    private let seed: UInt64
    private var random: SeededGenerator
    private let folder: TemporaryFolder
    private let state: String
    private var token: String { state + "/admin.token" }
    private let writer: NotedWriter
    private var audit = CrashAudit()
    /// Failpoints that have ended a process.
    private(set) var hit = Set<Failpoint>()
    private var copies = 0
    var acknowledged: Int { audit.acknowledged }

    init(seed: UInt64) async throws {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        folder = try TemporaryFolder()
        state = folder.file("state")
        let daemon = try DaemonUnderTest(stateFolder: state, ["--init", "--test-register"])
        let client = try await CrashAudit.connect(daemon.address, token: state + "/admin.token")
        writer = try NotedWriter(try await Salon(client), log: folder.file("acknowledged"))
        await writer.write(client, count: 200)
        await client.close()
        try stop(daemon)
    }

    func kill(at point: Failpoint) async throws {
        switch point {
        case .commitBefore, .commitAfter, .commitBeforeAck: try await killUnderWrites(point, stops: false)
        case .flushBefore, .flushAfter, .checkpointBefore, .checkpointAfter:
            try await killUnderWrites(point, stops: true)
        case .eraseSnapshotRemoved, .eraseDestroyed, .eraseEmptied, .eraseEnded: try await killErasing(point)
        case .backupCopying, .backupBeforeName, .backupNamed: try killCopying(point)
        case .restoreCopied, .restoreMarked, .restoreNamed: try await killRestoring(point)
        case .migrationBefore, .migrationAfter: try killUpgrading(point)
        case .growthStep, .snapshotBeforeRename, .snapshotAfterRename: try await killLarge(point)
        }
        let daemon = try DaemonUnderTest(stateFolder: state)
        try await audit.check(
            daemon.address, token: token, acknowledged: folder.file("acknowledged"), seed: seed,
            destroyed: writer.erasedSequences)
        let client = try await CrashAudit.connect(daemon.address, token: token)
        try await writer.expectAnswers(client, "\(point.rawValue), seed \(seed)")
        await client.close()
        try stop(daemon)
    }

    // MARK: Ways to the places

    private func start(_ point: Failpoint, _ count: Int = 1) throws -> DaemonUnderTest {
        try DaemonUnderTest(stateFolder: state, environment: Self.environment(point, count))
    }

    private static func environment(_ point: Failpoint, _ count: Int = 1) -> [String: String] {
        ["CONSENTD_FAILPOINT": "\(point.rawValue):\(count)"]
    }

    private func stop(_ daemon: DaemonUnderTest) throws {
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }

    private func note(_ point: Failpoint, _ code: Int32) {
        #expect(code == -SIGKILL, "\(point.rawValue) was not met (seed \(seed))")
        if code == -SIGKILL { hit.insert(point) }
    }

    private func killUnderWrites(_ point: Failpoint, stops: Bool) async throws {
        let daemon = try start(point, stops ? 1 : 1 + random.below(30))
        let client = try await CrashAudit.connect(daemon.address, token: token)
        await writer.write(client, count: stops ? 300 : 100_000)
        if stops { daemon.program.signal(SIGTERM) }
        note(point, daemon.program.wait().code)
        await client.close()
    }

    private func killErasing(_ point: Failpoint) async throws {
        let daemon = try start(point)
        let client = try await CrashAudit.connect(daemon.address, token: token)
        await writer.erase(client)
        note(point, daemon.program.wait().code)
        await client.close()
    }

    private func backUp(_ address: String) throws -> (path: String, code: Int32) {
        copies += 1
        let path = folder.file("copy-\(copies)")
        let ended = try ProgramUnderTest.run(
            "consentctl", ["backup", "--server", address, "--token-file", token, path])
        return (path, ended.code)
    }

    private func killCopying(_ point: Failpoint) throws {
        let daemon = try start(point)
        #expect(try backUp(daemon.address).code != 0, "a backup that was cut off is none")
        note(point, daemon.program.wait().code)
    }

    private func killRestoring(_ point: Failpoint) async throws {
        let daemon = try DaemonUnderTest(stateFolder: state)
        let copy = try backUp(daemon.address)
        try #require(copy.code == 0)
        try stop(daemon)
        let target = folder.file("restored-\(copies)")
        try FileManager.default.createDirectory(
            atPath: target, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        for name in ["recipient.key", "log.key", "log.pub", "deployment.id", "admin.token"] {
            try FileManager.default.copyItem(atPath: state + "/" + name, toPath: target + "/" + name)
        }
        let arguments = ["restore", copy.path, "--state-dir", target]
        let killed = try ProgramUnderTest("consentd", arguments, environment: Self.environment(point))
        note(point, killed.wait().code)
        // Again, where it was not complete.
        if point != .restoreNamed {
            let again = try ProgramUnderTest.run("consentd", arguments)
            #expect(again.code == 0, "a restore that was cut off cannot be made again: \(again.errors)")
        }
        let restored = try DaemonUnderTest(stateFolder: target)
        var copyAudit = CrashAudit()
        try await copyAudit.check(
            restored.address, token: token, acknowledged: folder.file("acknowledged"), seed: seed,
            destroyed: writer.erasedSequences)
        let client = try await CrashAudit.connect(restored.address, token: token)
        try await writer.expectNothingIsAllowed(client, "\(point.rawValue), seed \(seed)")
        await client.close()
        try stop(restored)
    }

    private func killUpgrading(_ point: Failpoint) throws {
        // Format 3 had state rows of another form.
        var handle: OpaquePointer?
        defer { sqlite3_close(handle) }
        let opened = sqlite3_open_v2(
            state + "/register.db", &handle, SQLITE_OPEN_READWRITE, consent_scrub_vfs())
        try #require(opened == SQLITE_OK)
        let sql = "UPDATE state SET row = zeroblob(40); PRAGMA user_version = 3"
        try #require(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
        sqlite3_close(handle)
        handle = nil
        let killed = try ProgramUnderTest(
            "consentd", ["serve", "--state-dir", state, "--listen", "127.0.0.1:0"],
            environment: Self.environment(point, 1 + random.below(2)))
        note(point, killed.wait().code)
    }

    /// A register of its own, large enough for a growth of the index and for a snapshot.
    private func killLarge(_ point: Failpoint) async throws {
        copies += 1
        let large = folder.file("large-\(copies)")
        func seedAll(_ address: String) throws -> Int32 {
            try ProgramUnderTest.run(
                "consent-load",
                [
                    "seed", "--server", address, "--token-file", large + "/admin.token", "--recipients",
                    "130000",
                ]
            ).code
        }
        let first = try DaemonUnderTest(
            stateFolder: large, ["--init", "--test-register"],
            environment: Self.environment(point, point == .growthStep ? 1 + random.below(2_000) : 1))
        let code = try seedAll(first.address)
        #expect((code == 0) == (point != .growthStep))
        if point != .growthStep { first.program.signal(SIGTERM) }
        note(point, first.program.wait().code)

        let daemon = try DaemonUnderTest(stateFolder: large)
        var largeAudit = CrashAudit()
        try Data().write(to: URL(fileURLWithPath: folder.file("nothing")))
        try await largeAudit.check(
            daemon.address, token: large + "/admin.token", acknowledged: folder.file("nothing"), seed: seed)
        #expect(largeAudit.events > 60_000)
        try stop(daemon)
        let check = try ProgramUnderTest.run("consentd", ["check-register", "--state-dir", large])
        #expect(check.code == 0, "\(check.output)\(check.errors)")
        try FileManager.default.removeItem(atPath: large)
    }
}
