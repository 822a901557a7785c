// What somebody should look at before it is too late: the rows of Review.
//
// Invariant: a reminder is about a cell of a marketing purpose that is in use, on a channel that messages
// arrive on; each cell has one at most.

/// One thing that is due.
public struct Reminder: Hashable, Sendable {
    /// What is due.
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// A consent ends soon.
        case expiring = 0
        /// A double opt-in lapses soon.
        case lapsing = 1
        /// An import without proof waits for a consent.
        case unproven = 2
        /// A consent stands under an invalidated notice.
        case noticeInvalidated = 3

        /// The reason that a check gives, or will give once it is due.
        public var reason: Reason {
            switch self {
            case .expiring: .expired
            case .lapsing: .lapsed
            case .unproven: .unproven
            case .noticeInvalidated: .noticeInvalidated
            }
        }

        /// The kind that a reason stands for; nil for any other.
        public init?(_ reason: Reason) {
            guard let kind = Self.allCases.first(where: { $0.reason == reason }) else { return nil }
            self = kind
        }
    }

    /// What is due.
    public var kind: Kind
    /// Channel.
    public var channel: Channel
    /// Purpose.
    public var purpose: PurposeID
    /// When a consent ends or a double opt-in lapses; nil: it denies already.
    public var due: Timestamp?
    /// Sequence of the grant or import.
    public var sequence: UInt64
}

extension ContactState {
    /// What is due on this contact point, by channel and purpose.
    /// - Parameters:
    ///   - within: microseconds ahead of `now` up to which ends and lapses count, the last one included.
    public func reminders(now: Timestamp, within: Int64, catalogue: Catalogue) -> [Reminder] {
        let horizon = now.adding(microseconds: max(0, within))
        return cells.compactMap { cell in
            guard let purpose = catalogue.purposes[cell.purpose], !purpose.retired,
                purpose.purposeClass == .marketing
            else { return nil }
            let finding = finding(channel: cell.channel, purpose: cell.purpose)
            guard let (kind, due) = Self.due(finding.outcome, now: now, catalogue: catalogue),
                due.map({ $0 <= horizon }) ?? true
            else { return nil }
            return Reminder(
                kind: kind, channel: cell.channel, purpose: cell.purpose, due: due,
                sequence: finding.sequence)
        }
    }

    /// What will be due on a cell, and when; nil: nothing ever.
    private static func due(
        _ outcome: CellOutcome, now: Timestamp, catalogue: Catalogue
    ) -> (Reminder.Kind, Timestamp?)? {
        let query = CheckQuery(
            channel: 0, purpose: 0, isService: false, today: now.day.rawValue, now: now.microseconds)
        let notice = catalogue.notice(ordinal: outcome.noticeOrdinal)
        let reason = query.reason(
            for: outcome, noticeInvalidFrom: notice?.invalidatedFrom.microseconds ?? .max)
        let end = Day(rawValue: outcome.untilDay)
        switch Reason(rawValue: reason) {
        case .consent: return end == .none ? nil : (.expiring, end.start)
        case .pending: return (.lapsing, end.start)
        case .unproven: return (.unproven, nil)
        case .noticeInvalidated: return (.noticeInvalidated, nil)
        default: return nil
        }
    }
}
