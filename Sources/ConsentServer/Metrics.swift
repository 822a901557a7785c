// Counters that Stats shows. Each is one atomic, written with relaxed order: they are figures, not signals.

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
