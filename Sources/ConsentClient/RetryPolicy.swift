// When a call is sent again and when the next connection is tried: pure values, no clock, no socket.
//
// Invariant: 0 <= tenths <= capacity * 10. A repeat takes ten tenths and a success gives one back, so while a
// server fails steadily at most one call in eleven is a repeat.

/// How many repeats are left.
package struct RetryBudget: Sendable {
    private let capacity: Int
    private var tenths: Int

    /// - Parameter capacity: repeats in a row without a success.
    package init(capacity: Int) {
        self.capacity = max(capacity, 0)
        tenths = self.capacity * 10
    }

    /// Takes one repeat; false when none is left.
    package mutating func takeRepeat() -> Bool {
        guard tenths >= 10 else { return false }
        tenths -= 10
        return true
    }

    /// A call succeeded.
    package mutating func succeeded() {
        if tenths < capacity * 10 { tenths += 1 }
    }
}

/// Times between attempts: doubled each time, with full jitter, so that a thousand clients that lost the same
/// server do not come back together.
package struct Backoff: Sendable {
    let base: Duration
    let limit: Duration
    private(set) var attempts = 0

    /// - Parameters:
    ///   - base: the longest first wait.
    ///   - limit: the longest wait of all.
    package init(base: Duration, limit: Duration) {
        self.base = base
        self.limit = limit
    }

    /// The time to wait before the next attempt: between nothing and min(limit, base × 2ⁿ), n failures so
    /// far.
    package mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        var most = base
        for _ in 0..<min(attempts, 32) where most < limit { most = most * 2 }
        attempts += 1
        return min(most, limit) * Double.random(in: 0...1, using: &generator)
    }

    /// An attempt succeeded.
    package mutating func reset() { attempts = 0 }
}

/// Whether a failed call may be sent again.
package enum RetryRule {
    /// - Parameters:
    ///   - error: why the call failed.
    ///   - isIdempotent: whether executing it twice is the same as once.
    ///   - attempts: times that it was sent.
    ///   - attemptsMax: most times that it may be sent.
    package static func maySendAgain(
        after error: ConsentClientError, isIdempotent: Bool, attempts: Int, attemptsMax: Int
    ) -> Bool {
        guard attempts < attemptsMax else { return false }
        switch error {
        case .connectionLost: return isIdempotent
        case .rejected(let rejection):
            switch rejection.status {
            case .unavailable, .resourceExhausted, .aborted: return isIdempotent || rejection.notExecuted
            case .unimplemented, .permissionDenied, .unauthenticated, .invalidArgument: return false
            default: return rejection.notExecuted
            }
        default: return false
        }
    }
}
