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
        if outcome.isUndeliverable { return 48 }
        if isService { return 2 }
        switch outcome.code {
        case 0: return 96
        case 1: return today >= outcome.untilDay ? 81 : 80
        case 2:
            if outcome.untilDay != 0 && today >= outcome.untilDay { return 82 }
            return now >= noticeInvalidFrom ? 83 : 1
        case 3: return 64
        case 4: return 65
        case 5: return 66
        case 6: return 84
        case 7: return 85
        case 8: return 86
        case 9: return 87
        case 10: return 69
        case 11: return 67
        case 12: return 68
        default: return 96
        }
    }
}
