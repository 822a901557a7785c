// From what is on file for one cell to a reason: the part of the decision that is made for every single
// check.
//
// It is a pure function of the cell's outcome, the question and one number about the grant's notice. What
// concerns a whole request (freshness, controller, purpose, class) was decided before: see `CheckGuard`.

/// What every item of one question has in common.
public struct CheckQuery: Hashable, Sendable, BitwiseCopyable {
    /// Raw value of the channel, 1…8.
    public var channel: UInt8
    /// Raw value of the purpose, 1…63.
    public var purpose: UInt8
    /// The purpose is of class service.
    public var isService: Bool
    /// UTC day of `now`.
    public var today: UInt16
    /// Microseconds since the Unix epoch.
    public var now: Int64

    /// A question from its parts.
    public init(channel: UInt8, purpose: UInt8, isService: Bool, today: UInt16, now: Int64) {
        self.channel = channel
        self.purpose = purpose
        self.isService = isService
        self.today = today
        self.now = now
    }

    /// The reason for one cell, as the raw value of a `Reason`.
    /// - Parameter noticeInvalidFrom: microseconds from which the grant's notice is invalid; `.max` when it
    ///   is valid or
    ///   there is none.
    @inlinable @inline(__always)
    public func reason(for outcome: CellOutcome, noticeInvalidFrom: Int64) -> UInt8 {
        // Selections instead of branches: which case comes next can't be guessed.
        let hasPassed = today >= outcome.untilDay
        let isExpired = hasPassed && outcome.untilDay != 0
        let ofGrant: UInt8 = isExpired ? 82 : now >= noticeInvalidFrom ? 83 : 1
        let ofPending: UInt8 = hasPassed ? 81 : 80
        let code = outcome.code
        var reason = code == 2 ? ofGrant : code == 1 ? ofPending : Self.reasonOfOther(code)
        reason = isService ? 2 : reason
        return outcome.isUndeliverable ? 48 : reason
    }

    /// The reason of a state that needs neither time nor notice: one byte of two words for each code; 96 for
    /// none.
    @inlinable @inline(__always)
    static func reasonOfOther(_ code: UInt8) -> UInt8 {
        //                      7  6  5  4  3  2  1  0
        let low: UInt64 = 0x55_54_42_41_40_60_60_60
        //                      15 14 13 12 11 10 9  8
        let high: UInt64 = 0x60_60_60_44_43_45_57_56
        let word = code & 8 == 0 ? low : high
        let reason = UInt8(truncatingIfNeeded: word &>> UInt64(code & 7 &* 8))
        return code > 15 ? 96 : reason
    }
}
