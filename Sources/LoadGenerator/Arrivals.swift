// When the requests of an open loop are due.
//
// The schedule is fixed before the first request and never looks at an answer: a server that stalls finds
// all the requests that came due meanwhile, as it would with real callers, and their wait counts.
//
// Invariant: due times never go back, and the k-th depends on (seed, thread, k) alone.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How the requests of an open loop are spread over time.
package enum ArrivalPattern: String, CaseIterable, Sendable {
    /// Independent callers: exponential gaps.
    case poisson
    /// A metronome: equal gaps.
    case fixed
}

/// Due times of one thread's share of an open loop, in nanoseconds from its start.
package struct Arrivals: Sendable {
    private let pattern: ArrivalPattern
    private let thread: Int
    private let threads: Int
    private let nanosecondsPerRequest: Double
    private var generator: SeededGenerator
    private var index = 0
    private var elapsed = 0.0

    /// - Parameters:
    ///   - rate: requests a second of all threads together, more than 0.
    ///   - pattern: how they are spread.
    ///   - thread: which thread, from 0.
    ///   - threads: number of threads; their schedules together make up the whole.
    ///   - seed: the run's seed.
    package init(rate: Double, pattern: ArrivalPattern, thread: Int, threads: Int, seed: UInt64) {
        precondition(rate > 0 && threads > 0 && thread >= 0 && thread < threads, "no such schedule")
        self.pattern = pattern
        self.thread = thread
        self.threads = threads
        nanosecondsPerRequest = 1e9 / rate
        generator = SeededGenerator(seed: seed ^ 0x6172_7269, stream: UInt64(thread))
    }

    /// The next due time.
    package mutating func next() -> UInt64 {
        switch pattern {
        case .fixed:
            // From the index, not by adding up: a gap that is not a whole number of nanoseconds must not
            // drift.
            let due = Double(index * threads + thread) * nanosecondsPerRequest
            index += 1
            return UInt64(due)
        case .poisson:
            // Independent Poisson streams of a T-th of the rate add up to one of the whole rate.
            elapsed -= log(1 - generator.unit()) * nanosecondsPerRequest * Double(threads)
            return UInt64(elapsed)
        }
    }
}

/// How long a thread may rest before its next request is due.
package enum Pacing: Hashable, Sendable {
    /// It is due now.
    case due
    /// So close that a timer would be late: turn the loop without waiting.
    case spin
    /// Set a timer for so many nanoseconds, then spin.
    case rest(nanoseconds: UInt64)

    /// What a timer may be late by.
    package static let timerSlack: UInt64 = 250_000

    /// - Parameters:
    ///   - due: due time.
    ///   - now: the time now, on the same clock.
    package init(due: UInt64, now: UInt64) {
        if due <= now {
            self = .due
        } else if due - now <= 2 * Pacing.timerSlack {
            self = .spin
        } else {
            self = .rest(nanoseconds: due - now - Pacing.timerSlack)
        }
    }
}
