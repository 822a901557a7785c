// Durations of the standard library as NIO's amounts of time.

import NIOCore

extension Duration {
    /// Whole nanoseconds, cut to what 64 bits hold.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflowed) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? .max : sum
    }
}

extension TimeAmount {
    /// The same time; a hundred years at most, so that sums with a deadline do not overflow.
    init(_ duration: Duration) {
        self = .nanoseconds(Swift.min(Swift.max(duration.nanoseconds, 0), 3_155_760_000_000_000_000))
    }
}
