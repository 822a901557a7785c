// Goal: peers that mean harm do not hurt those that mean none: good clients see no error, the bad ones are
// gone in ten seconds, memory stays within a cap, and the server counts right.
// Method: a daemon under a steady load of checks and writes by consent-load, which compares every answer with
// its model; beside it, one after the other: peers that dribble bytes, peers that never read, a flood of
// connections, and frames that are wrong in known ways. p99 is printed beside that of quiet times and not
// judged. CONSENTD_HOSTILE_PERCENT is the size of the attacks (100: 1,000 dribble, 500 never read, 10,000
// connect, 1,000,000 wrong frames), CONSENTD_FAULT_SEED repeats the frames.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct HostileTests {
    private static let percent = Setting.number("CONSENTD_HOSTILE_PERCENT", default: 2)
    /// Length of a run of good clients that has to be in time for nothing.
    private static let shortSeconds = percent < 50 ? 1 : 5
    private static func sized(_ whole: Int) -> Int { whole * percent / 100 }

    /// What good clients saw while something was done to the server.
    private struct Beside {
        var p99: [Double] = []
        var median: Double { p99.isEmpty ? 0 : p99.sorted()[p99.count / 2] }
    }

    /// Loads the server with good clients until the attack is over; each run of theirs has to be without an
    /// error. The attack begins when the first run is under way.
    private func load(
        _ site: Site, _ admin: ConsentClient, seconds: Int, _ name: String,
        beside attack: @escaping @Sendable () async throws -> Void
    ) async throws -> Beside {
        var beside = Beside()
        let isOver = Flag()
        let before = try await admin.stats()
        async let attacked: Void = {
            defer { isOver.set() }
            var stats = before
            while stats.checks < before.checks + 200 || stats.writes < before.writes + 10 {
                try await Task.sleep(for: .milliseconds(20))
                stats = try await admin.stats()
            }
            try await attack()
        }()
        var length = seconds
        repeat {
            let figures = try await site.load([
                "mixed", "--rate", "500", "--connections", "8", "--in-flight", "64", "--write-rate", "50",
                "--write-connections", "2", "--verify", "--duration", "\(length)s", "--warm-up", "300ms",
                "--questions", "5000",
            ]).finished()
            length = Self.shortSeconds
            figures.expectNoError(name)
            beside.p99.append(figures.latency("p99"))
        } while !isOver.isSet
        try await attacked
        return beside
    }

    /// Waits until no more connections are open than before.
    /// - Returns: seconds that it took; nil when they are not gone after so many.
    private static func gone(
        _ client: ConsentClient, downTo count: UInt64, within seconds: Double
    ) async throws -> Double? {
        let start = Date()
        while -start.timeIntervalSinceNow < seconds {
            if try await client.stats().connections <= count { return -start.timeIntervalSinceNow }
            try await Task.sleep(for: .milliseconds(50))
        }
        return nil
    }

    @Test func goodClientsDoNotNoticeBadOnes() async throws {
        let seed = Setting.seed()
        let cap = max(64, Self.sized(4_096))
        let site = try Site(["--limit", "connections-max=\(cap)"])
        try await site.seed(recipients: 5_000)
        let admin = try await site.client { $0.timeout = .seconds(30) }
        let peers = try HostilePeers(site.address)
        let before = try #require(site.daemon.program.residentBytesMax)
        let quiet = try await load(site, admin, seconds: Self.shortSeconds, "quiet") {}

        // The load's, this test's own, and two that the load asks with before it begins.
        let ours: UInt64 = 8 + 2 + 1 + 2
        let attacks: [@Sendable () async throws -> Void] = [
            {
                let left = try await onThread { try peers.dribble(Self.sized(1_000), seconds: 12) }
                #expect(left == 0, "peers that dribble were still served after 12 s")
            },
            {
                let sockets = try await onThread { try peers.askAndNeverRead(Self.sized(500)) }
                let seconds = try await Self.gone(admin, downTo: ours, within: 30) ?? .infinity
                // The short form runs beside other suites, which keep the processor from it.
                #expect(
                    seconds <= (Self.percent < 50 ? 20 : 10), "peers that never read: gone after \(seconds) s"
                )
                withExtendedLifetime(sockets) {}
                print("hostile: peers that never read are gone after \((seconds * 10).rounded() / 10) s")
            },
            {
                let began = Date()
                // The last try of a connect that the kernel dropped comes after 15 s.
                let reasons = try await onThread { try peers.flood(Self.sized(10_000), seconds: 25) }
                let seconds = Date().timeIntervalSince(began)
                let (silent, away, late) = (
                    reasons.count { $0 == nil }, reasons.count { $0 == .tooManyConnections },
                    reasons.count { $0 == .handshakeTimeout }
                )
                #expect(silent == 0, "connections that were neither turned away nor timed out")
                #expect(away > 0 && late > 0)
                print(
                    "hostile: of a flood \(away) are turned away, \(late) time out, after "
                        + "\((seconds * 10).rounded() / 10) s")
            },
        ]
        var beside: [Beside] = []
        if Self.percent < 50 {
            beside.append(
                try await load(site, admin, seconds: 8, "attacks") {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for attack in attacks { group.addTask(operation: attack) }
                        try await group.waitForAll()
                    }
                })
        } else {
            for (number, attack) in attacks.enumerated() {
                beside.append(try await load(site, admin, seconds: 15, "attack \(number)", beside: attack))
            }
        }
        let memory = try #require(site.daemon.program.residentBytesMax) - before
        // Each peer may hold its unread output, twice while it is handed over, and its last requests.
        let memoryMax = (64 + Self.sized(500)) << 20
        #expect(
            memory < memoryMax || Setting.keepsFreedMemory,
            "\(memory >> 20) MiB more than before the attacks")

        let figures = try await admin.stats()
        let tallies = Tallies()
        beside.append(
            try await load(site, admin, seconds: Self.shortSeconds, "garbage, seed \(seed)") {
                try await Self.sendGarbage(site.address, seed: seed, figures.sequence, tallies)
            })
        let tally = tallies.sum
        #expect(tally.wrong.isEmpty, "\(tally.wrong.prefix(5)) (seed \(seed))")
        let after = try await admin.stats()
        #expect(after.rejectedFrames - figures.rejectedFrames == UInt64(tally.rejected), "seed \(seed)")
        #expect(try await Self.gone(admin, downTo: 1, within: 10) != nil, "connections that nobody has")
        await admin.close()
        await site.stop()

        print(
            "hostile: p99 \(beside.map { Int($0.median) }) us beside \(Int(quiet.median)) quiet; "
                + "\(tally.frames) wrong frames, \(memory >> 20) MiB")
    }

    private static func sendGarbage(
        _ address: String, seed: UInt64, _ sequence: UInt64, _ tallies: Tallies
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<4 {
                group.addTask {
                    tallies.add(
                        try await onThread {
                            try GarbageTally.send(
                                sized(1_000_000) / 4, to: address, seed: seed &+ UInt64(lane),
                                sequence: sequence)
                        })
                }
            }
            try await group.waitForAll()
        }
    }

    // MARK: The test's own test

    @Test func peersThatAreServedForTooLongAreFound() async throws {
        let server = try await TestServer.start {
            $0.limits.handshakeSeconds = 60
            $0.limits.frameSeconds = 60
            $0.limits.slowReaderSeconds = 60
        }
        let left = try HostilePeers(server.address).dribble(9, seconds: 1)
        #expect(left == 9)
        await server.server.drain()
    }

    @Test func aFrameThatIsCountedWrongIsFound() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let before = try await client.stats()
        let tally = try GarbageTally.send(
            200, to: server.address, seed: 1, sequence: before.sequence, planted: true)
        let counted = try await client.stats().rejectedFrames - before.rejectedFrames
        #expect(tally.wrong.isEmpty)
        withKnownIssue { #expect(counted == UInt64(tally.rejected)) }
        #expect(counted == UInt64(tally.rejected - tally.connections))
        await client.close()
        await server.server.drain()
    }
}

/// What several threads did.
private final class Tallies: @unchecked Sendable {
    private let lock = NSLock()
    private var total = GarbageTally()

    var sum: GarbageTally { lock.withLock { total } }

    func add(_ tally: GarbageTally) {
        lock.withLock {
            total.frames += tally.frames
            total.rejected += tally.rejected
            total.connections += tally.connections
            total.wrong += tally.wrong
        }
    }
}
