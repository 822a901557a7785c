// Goal: percentiles of merged histograms are those of all latencies together.
//
// Method: seeded samples spread over threads; the oracle sorts them all. Three significant digits are
// promised.

import LoadGenerator
import Testing

@Suite struct LatencyTests {
    @Test(arguments: [1 as UInt64, 2, 3]) func mergedPercentilesMatchSorting(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var threads = [LatencyHistogram](repeating: LatencyHistogram(), count: 3)
        var all: [UInt64] = []
        for index in 0..<50_000 {
            // From microseconds to seconds, with a long tail, and differently for each thread.
            let thread = index % 3
            let magnitude = 1_000 << UInt64(generator.below(6 + 7 * thread))
            let latency = UInt64(magnitude) + Mix64.bounded(generator.next(), UInt64(magnitude))
            threads[thread].record(nanoseconds: latency)
            all.append(latency)
        }
        var merged = LatencyHistogram()
        for thread in threads { merged.add(thread) }
        all.sort()
        #expect(merged.count == 50_000)
        for (percentile, got) in [
            (50.0, merged.summary.p50), (90, merged.summary.p90), (99, merged.summary.p99),
            (99.9, merged.summary.p999), (99.99, merged.summary.p9999), (100, merged.summary.max),
        ] {
            let rank = max(1, Int((percentile / 100 * Double(all.count)).rounded(.up)))
            let exact = Double(all[rank - 1]) / 1_000
            #expect(
                abs(got - exact) <= exact * 0.002, "p\(percentile) of seed \(seed): \(got), exact \(exact)")
        }
    }

    @Test func extremes() {
        var histogram = LatencyHistogram()
        #expect(histogram.summary == LatencySummary())
        histogram.record(nanoseconds: 0)
        histogram.record(nanoseconds: .max)
        let longest = Double(LatencyHistogram.nanosecondsMax) / 1_000
        #expect(histogram.count == 2 && abs(histogram.summary.max / longest - 1) < 0.002)
        #expect(histogram.count(fromNanoseconds: 1) == 1 && histogram.count(fromNanoseconds: 0) == 2)
    }
}
