// Counters that Stats shows. Each is one atomic, written with relaxed order: they are figures, not signals.

import CPlatform
import Synchronization

/// Counts since the start of the server.
final class Metrics: Sendable {
    let connections = Atomic<Int>(0)
    let checks = Atomic<UInt64>(0)
    let allows = Atomic<UInt64>(0)
    let writes = Atomic<UInt64>(0)
    let refusals = Atomic<UInt64>(0)
    let commits = Atomic<UInt64>(0)
    let rejectedFrames = Atomic<UInt64>(0)

    // Nanoseconds of the writer thread.
    let stageTime = Atomic<UInt64>(0)
    let commitTime = Atomic<UInt64>(0)
    let publishTime = Atomic<UInt64>(0)
    let flushTime = Atomic<UInt64>(0)
}

/// Tells how long the parts of some work take, one after the other.
struct Stopwatch {
    private var last = consent_monotonic_nanoseconds()

    /// Adds the time since the lap before to a counter.
    mutating func lap(_ counter: borrowing Atomic<UInt64>) {
        let now = consent_monotonic_nanoseconds()
        counter.count(Int(now - last))
        last = now
    }
}

extension Atomic where Value == UInt64 {
    /// Adds with relaxed order.
    @inline(__always)
    func count(_ amount: Int = 1) {
        wrappingAdd(UInt64(truncatingIfNeeded: amount), ordering: .relaxed)
    }
    /// Reads with relaxed order.
    var value: UInt64 { load(ordering: .relaxed) }
}
