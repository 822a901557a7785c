// Latencies of one thread, and how those of several are put together.
//
// Percentiles cannot be averaged: threads keep whole histograms (HdrHistogram, three significant digits, in
// nanoseconds) and only the merged one is asked for percentiles.

import Histogram

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

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

    /// Decimal digits that are right.
    package static let significantDigits = 3

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

    /// The longest latency in nanoseconds; 0 when there is nothing.
    package var nanosecondsLargest: UInt64 { count == 0 ? 0 : histogram.max }

    /// How many latencies took at least so long, as far as they are told apart.
    package func count(fromNanoseconds limit: UInt64) -> UInt64 {
        histogram.recordedValues().reduce(0) { $1.value >= limit ? $0 + $1.count : $0 }
    }

    /// The counts that are not zero, by their place: 2,048 places of one nanosecond, then 1,024 places for
    /// each further power of two.
    package var counts: [(index: Int, count: UInt64)] {
        histogram.recordedValues().map { (LatencyHistogram.index(of: $0.value), $0.count) }
    }

    private static func index(of nanoseconds: UInt64) -> Int {
        let power = max(0, 64 - 11 - nanoseconds.leadingZeroBitCount)
        return power << 10 + Int(nanoseconds >> UInt64(power))
    }

    /// A percentile in microseconds; 0 when there is nothing.
    package func microseconds(atPercentile percentile: Double) -> Double {
        count == 0 ? 0 : Double(histogram.valueAtPercentile(percentile)) / 1_000
    }

    /// How many nines a percentile can have that so many latencies tell: 1,000 latencies tell three.
    package static func nines(ofCount count: Double) -> Double { log10(max(count, 1)) }

    /// The percentile of so many nines: 1 is 90, 2 is 99.
    package static func percentile(nines: Double) -> Double { 100 * (1 - pow(10, -nines)) }

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
