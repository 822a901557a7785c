// Goal: nothing grows with time: memory, descriptors and latency are flat under a load that goes on, and
// nothing is lost on the way.
// Method: consent-load asks and writes, connects again and again, and watches, each comparing what it hears;
// meanwhile memory and descriptors are noted, and a line is laid through each series (least squares, without
// its first quarter). CONSENTD_SOAK_SECONDS is the length.

import ConsentClient
import Foundation
import TestRandomness
import TestSupport
import Testing

@Suite struct SoakTests {
    @Test func nothingGrowsWithTime() async throws {
        let seconds = Setting.number("CONSENTD_SOAK_SECONDS", default: 2)
        // Without the flag its descriptors can be counted by root alone.
        let site = try Site(["--crash-dumps"])
        try await site.seed(recipients: 5_000)
        let admin = try await site.client()
        let descriptorsBefore = try #require(site.daemon.program.descriptorCount)
        let common = ["--duration", "\(seconds)s", "--warm-up", "300ms"]
        let loads = [
            try site.load(
                [
                    "mixed", "--rate", "500", "--connections", "8", "--write-rate", "40", "--withdraw-ratio",
                    "0.5", "--verify", "--questions", "5000",
                ] + common),
            try site.load(
                [
                    "churn", "--rate", "30", "--connections", "8", "--checks", "3", "--verify", "--questions",
                    "5000",
                ] + common),
            try site.load(
                [
                    "watch", "--rate", "20", "--connections", "2", "--subscribers", "5", "--withdraw-ratio",
                    "0.3",
                ]
                    + common),
        ]
        var memory = Trend()
        var descriptors = Trend()
        let start = Date()
        while -start.timeIntervalSinceNow < Double(seconds) {
            try await Task.sleep(for: .milliseconds(max(50, seconds * 1_000 / 300)))
            let time = -start.timeIntervalSinceNow
            memory.add(time, Double(try #require(site.daemon.program.residentBytes)))
            descriptors.add(time, Double(try #require(site.daemon.program.descriptorCount)))
        }
        var latency = Trend()
        for (load, name) in zip(loads, ["mixed", "churn", "watch"]) {
            let figures = try await load.finished()
            figures.expectNoError(name)
            if name == "mixed" {
                for (time, microseconds) in figures.mediansBySecond { latency.add(time, microseconds) }
            }
        }
        // Contact points that changed wait in memory for an idle writer, which comes after the load; a leak
        // would be more than this.
        #expect(memory.growth < memory.mean / 10 + Double(8 << 20), "memory: \(memory)")
        // Connections come and go by the thousand meanwhile: a leak would be of that order.
        #expect(abs(descriptors.growth) < 64, "descriptors: \(descriptors)")
        #expect(latency.growth < latency.mean, "latency: \(latency)")

        var left: UInt64 = .max
        for _ in 0..<200 where left > 1 {
            try await Task.sleep(for: .milliseconds(50))
            left = try await admin.stats().connections
        }
        #expect(left == 1, "connections that nobody has")
        #expect(try #require(site.daemon.program.descriptorCount) <= descriptorsBefore + 4)
        await admin.close()
        await site.stop()
        print(
            "soak: \(seconds) s, memory \(Int(memory.mean) >> 20) MiB growing \(Int(memory.growth) >> 10) KiB, "
                + "descriptors \(Int(descriptors.growth.rounded())), p50 \(Int(latency.mean)) us growing "
                + "\(Int(latency.growth)) us")
    }

    // MARK: The test's own test

    @Test func aLineIsLaidThroughASeries() {
        let seed = Setting.seed()
        var random = SeededGenerator(seed: seed)
        var flat = Trend()
        var growing = Trend()
        for number in 0..<400 {
            let noise = Double(random.below(2_000)) - 1_000
            // What happens at the beginning does not count.
            let start = number < 100 ? Double(number) * 500 : 50_000
            flat.add(Double(number), start + noise)
            growing.add(Double(number), start + noise + Double(number) * 30)
        }
        #expect(abs(flat.growth) < 1_000, "\(flat) (seed \(seed))")
        #expect(growing.growth > 8_000 && growing.growth < 10_000, "\(growing) (seed \(seed))")
        #expect(Trend().growth == 0)
    }

    @Test func connectionsThatAreNeverClosedAreFound() async throws {
        let site = try Site(["--crash-dumps"])
        let peers = try HostilePeers(site.address)
        var descriptors = Trend()
        var held: [HostileSocket] = []
        for number in 0..<40 {
            held += try peers.connect(1)
            try await Task.sleep(for: .milliseconds(25))
            descriptors.add(Double(number), Double(try #require(site.daemon.program.descriptorCount)))
        }
        withKnownIssue { #expect(abs(descriptors.growth) < 8) }
        held.removeAll()
        await site.stop()
    }
}

/// A series over time, and the line through it.
struct Trend: CustomStringConvertible {
    private var points: [(time: Double, value: Double)] = []

    mutating func add(_ time: Double, _ value: Double) { points.append((time, value)) }

    /// Without the first quarter, in which things find their size.
    private var settled: ArraySlice<(time: Double, value: Double)> { points[(points.count / 4)...] }

    var mean: Double { settled.isEmpty ? 0 : settled.reduce(0) { $0 + $1.value } / Double(settled.count) }

    /// How much the line rises from its first point to its last.
    var growth: Double {
        guard settled.count > 2, let first = settled.first, let last = settled.last else { return 0 }
        let middle = settled.reduce(0) { $0 + $1.time } / Double(settled.count)
        let mean = mean
        let spread = settled.reduce(0) { $0 + ($1.time - middle) * ($1.time - middle) }
        let common = settled.reduce(0) { $0 + ($1.time - middle) * ($1.value - mean) }
        return spread > 0 ? common / spread * (last.time - first.time) : 0
    }

    var description: String { "mean \(Int(mean)), growing by \(Int(growth)) over \(settled.count) points" }
}
