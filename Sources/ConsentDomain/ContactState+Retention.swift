// When a contact point is past all use: nothing that is recorded of it is in force, and nothing new was
// recorded.

extension ContactState {
    /// First day on which nothing of this contact point is in force: the end of retention, of consents and of
    /// waiting double opt-ins, and the day of the last denial, whichever comes last. `.last` where a consent
    /// has no end.
    public var quietDay: Day {
        let retentionDay = contacts?.retentionDay ?? .none
        var day = retentionDay
        func extend(to other: Day) { if other != .none { day = max(day, other) } }
        func extend(after time: Timestamp?) { if let time { extend(to: time.day.adding(days: 1)) } }
        for cell in cells {
            for grant in cell.grants {
                // Retention bounds every consent; where neither is set, it has no end.
                guard retentionDay != .none || grant.untilDay != .none else { return .last }
                extend(after: grant.occurredAt)
                if retentionDay == .none { extend(to: grant.untilDay) }
            }
            if let pending = cell.pending { extend(to: pending.untilDay) }
            extend(after: cell.denial?.occurredAt)
            extend(after: cell.unproven?.occurredAt)
        }
        for mark in undeliverable { extend(after: mark.occurredAt) }
        for denial in scopedDenials + invalidations { extend(after: denial.mark.occurredAt) }
        extend(after: erasure?.occurredAt)
        return day
    }

    /// Whether nothing has been in force for a number of calendar months.
    public func isQuiet(forMonths months: Int, on today: Day) -> Bool {
        let quiet = quietDay
        guard quiet != .none, quiet != .last else { return false }
        let end = quiet.adding(months: months)
        return end != .last && end <= today
    }
}
