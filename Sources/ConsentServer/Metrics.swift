// Counters that Stats and /metrics show. Each is one atomic, written with relaxed order: they are figures,
// not signals. What happens rarely, and has a reason, is counted by reason under a lock.

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
    /// Wall-clock seconds since the Unix epoch of the last commit; 0: none since the start.
    let lastCommit = Atomic<UInt64>(0)
    let indeterminates = Atomic<UInt64>(0)
    /// Frames that broke the protocol, by reason.
    let rejectedFrames = CountsByReason()
    /// Calls and connections that a credential does not allow, by reason.
    let refusedAccess = CountsByReason()
    /// Work that was turned away for want of room, by reason.
    let shed = CountsByReason()
    /// Connections that the server ended, by reason.
    let closedConnections = CountsByReason()
    /// Time of one commit on the writer thread.
    let commitSeconds = Histogram(bounds: [
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5,
    ])

    // Nanoseconds of the writer thread.
    let stageTime = Atomic<UInt64>(0)
    let commitTime = Atomic<UInt64>(0)
    let publishTime = Atomic<UInt64>(0)
    let flushTime = Atomic<UInt64>(0)
}

/// Counts of rare events by reason.
final class CountsByReason: Sendable {
    private let counts = Mutex<[String: UInt64]>([:])

    /// - Parameter reason: one of few, fixed in the program: never a text of a peer.
    func count(_ reason: String) { counts.withLock { $0[reason, default: 0] += 1 } }

    /// The counts, by name.
    var all: [(reason: String, count: UInt64)] {
        counts.withLock { $0.map { (reason: $0.key, count: $0.value) } }.sorted { $0.reason < $1.reason }
    }

    /// All of them together.
    var total: UInt64 { counts.withLock { $0.values.reduce(0, +) } }
}

/// Counts of durations, as Prometheus shows them: how many took no longer than each bound.
final class Histogram: Sendable {
    /// Bounds of the buckets in seconds, ascending.
    let bounds: [Double]
    private let state: Mutex<(counts: [UInt64], sum: Double)>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex((counts: [UInt64](repeating: 0, count: bounds.count + 1), sum: 0))
    }

    /// Counts one duration in seconds.
    func record(_ seconds: Double) {
        let bucket = bounds.firstIndex { seconds <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += seconds
        }
    }

    /// How many durations each bucket holds, the one without a bound last; and their sum in seconds.
    var snapshot: (counts: [UInt64], sum: Double) { state.withLock { $0 } }
}

/// Tells how long the parts of some work take, one after the other.
struct Stopwatch {
    private var last = consent_monotonic_nanoseconds()

    /// Adds the time since the lap before to a counter.
    /// - Returns: that time in seconds.
    @discardableResult
    mutating func lap(_ counter: borrowing Atomic<UInt64>) -> Double {
        let now = consent_monotonic_nanoseconds()
        let passed = now - last
        counter.count(Int(passed))
        last = now
        return Double(passed) / 1e9
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
