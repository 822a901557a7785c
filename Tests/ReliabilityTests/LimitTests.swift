// Goal: a server that has no descriptor left goes on serving those it has, takes no core for it, and accepts
// again as soon as some have gone; one that has no memory left ends, and nothing that it acknowledged is
// lost. Method: a daemon under `ulimit -n 64`, more connections than that, processor time from /proc; another
// under `ulimit -v`, filled until it ends, and examined.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct LimitTests {
    /// Processor seconds that a program takes in two seconds.
    private static func busy(_ program: ProgramUnderTest) async throws -> Double {
        let before = try #require(program.processorSeconds)
        try await Task.sleep(for: .seconds(2))
        return try #require(program.processorSeconds) - before
    }

    @Test func aServerWithoutDescriptorsRecovers() async throws {
        // Without the flag its descriptors can be counted by root alone.
        let site = try Site(["--crash-dumps"], prelude: "ulimit -n 64")
        let early = try await site.client { $0.timeout = .seconds(10) }
        let salon = try await Salon(early)
        let peers = try HostilePeers(site.address)
        var sockets = try await onThread { try peers.connect(200) }
        try await Task.sleep(for: .milliseconds(500))
        let descriptors = try #require(site.daemon.program.descriptorCount)
        #expect(descriptors >= 60, "\(descriptors) descriptors: there were some left")

        // Whoever is connected is served: checks, and writes, which need none either.
        #expect((try await early.grant(salon.grant(["few@example.fr"], channels: [.email]))).isDurable)
        #expect(await early.check(salon.question(.email), .address("few@example.fr")).isAllowed)
        let busy = try await Self.busy(site.daemon.program)
        #expect(busy < 1, "\(busy) s of processor time in 2 s without a descriptor")

        #expect(sockets.allSatisfy { !$0.isGone }, "connections that nobody accepted were ended")
        sockets.removeAll()
        let late = try await site.client { $0.connectTimeout = .seconds(20) }
        #expect(await late.check(salon.question(.email), .address("few@example.fr")).isAllowed)
        await late.close()
        var left = descriptors
        for _ in 0..<200 where left > 40 {
            try await Task.sleep(for: .milliseconds(50))
            left = try #require(site.daemon.program.descriptorCount)
        }
        #expect(left <= 40, "\(left) descriptors after all but one connection have gone")
        await early.close()
        await site.stop()
        print("limits: 200 connections for 64 descriptors, \(Int(busy * 50)) % of a core, served again")
    }

    @Test func aServerWithoutMemoryLosesNothing() async throws {
        let empty = try Site()
        let usual = try #require(empty.daemon.program.virtualBytes)
        await empty.stop()

        let site = try Site(prelude: "ulimit -v \(usual / 1024 + 64 * 1024)")
        let watcher = try await site.client { $0.attemptsMax = 1 }
        let filling = try ProgramUnderTest(
            "consent-load", ["seed", "--bulk", "--recipients", "1000000"] + site.server)
        // What was acknowledged was published before, and what is published is on disk.
        var published: UInt64 = 0
        while let stats = try? await watcher.stats() {
            published = stats.sequence
            try await Task.sleep(for: .milliseconds(10))
        }
        await watcher.close()
        #expect(await filling.finished().code != 0 && published > 0)
        #expect(
            await site.daemon.program.finished().code != 0, "it ends by itself, and not as if all were well")

        site.daemon = try site.start()
        let later = try await site.client()
        #expect(try await later.stats().sequence >= published)
        await later.close()
        await site.stop()
        let examined = try await ProgramUnderTest("consentd", ["check-register", "--state-dir", site.state])
            .finished()
        #expect(examined.code == 0, "\(examined.output) \(examined.errors)")
    }

    @Test func aProgramThatSpinsIsFound() async throws {
        let spinning = try ProgramUnderTest("consentd", [], prelude: "while :; do :; done")
        // Others may want the core too: until it has had what the test above does not allow.
        var busy = 0.0
        for _ in 0..<20 where busy < 1 { busy += try await Self.busy(spinning) }
        #expect(busy >= 1)
        spinning.signal(SIGKILL)
        #expect(await spinning.finished().code == -SIGKILL)
    }
}
