// Latencies of one thread, and how those of several are put together.
//
// Percentiles cannot be averaged: threads keep whole histograms (HdrHistogram, three significant digits, in
// nanoseconds) and only the merged one is asked for percentiles.

import Histogram

/// The latencies of a report, in microseconds.
package struct LatencySummary: Hashable, Sendable {
    /// Half took at most so long.
    package var p50 = 0.0
    /// 90 % took at most so long.
    package var p90 = 0.0
    /// 99 % took at most so long.
    package var p99 = 0.0
    /// 99.9 % took at most so long.
    package var p999 = 0.0
    /// 99.99 % took at most so long.
    package var p9999 = 0.0
    /// The longest.
    package var max = 0.0

    /// All with their names, in order.
    package var named: [(name: String, microseconds: Double)] {
        [("p50", p50), ("p90", p90), ("p99", p99), ("p999", p999), ("p9999", p9999), ("max", max)]
    }

    /// No latencies.
    package init() {}
}

/// Latencies in nanoseconds. Longer ones than `nanosecondsMax` count as that.
package struct LatencyHistogram: Sendable {
    /// Longest latency that is told apart: ten minutes.
    package static let nanosecondsMax: UInt64 = 600_000_000_000

    private var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 1, highestTrackableValue: nanosecondsMax,
        numberOfSignificantValueDigits: .three)

    /// An empty histogram.
    package init() {}

    /// How many latencies were recorded.
    package var count: UInt64 { histogram.totalCount }

    /// Records one latency.
    @inline(__always)
    package mutating func record(nanoseconds: UInt64) {
        histogram.record(min(nanoseconds, LatencyHistogram.nanosecondsMax))
    }

    /// Adds the latencies of another one.
    package mutating func add(_ other: LatencyHistogram) {
        histogram.add(other.histogram)
    }

    /// Forgets all.
    package mutating func reset() {
        histogram.reset()
    }

    /// A percentile in microseconds; 0 when there is nothing.
    package func microseconds(atPercentile percentile: Double) -> Double {
        count == 0 ? 0 : Double(histogram.valueAtPercentile(percentile)) / 1_000
    }

    /// The percentiles of a report.
    package var summary: LatencySummary {
        guard count > 0 else { return LatencySummary() }
        var summary = LatencySummary()
        summary.p50 = microseconds(atPercentile: 50)
        summary.p90 = microseconds(atPercentile: 90)
        summary.p99 = microseconds(atPercentile: 99)
        summary.p999 = microseconds(atPercentile: 99.9)
        summary.p9999 = microseconds(atPercentile: 99.99)
        summary.max = Double(histogram.max) / 1_000
        return summary
    }
}
