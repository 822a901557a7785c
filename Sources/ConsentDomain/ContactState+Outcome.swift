// What is on file for one cell, read straight from the state.
//
// Precedence: a standing grant; a pending one; erasure; the latest denial of a whole scope; the cell's own
// denial; a consent declared invalid; an import without proof; nothing. So what a grant lifts speaks again
// when the grant has gone. The flattened profile is tested against this.

/// What is on file for one cell, with the event that decides it.
public struct CellFinding: Hashable, Sendable {
    /// What a check sees.
    public var outcome: CellOutcome
    /// Sequence of the deciding event; 0: none.
    public var sequence: UInt64
    /// When the deciding act occurred; nil: nothing on file.
    public var since: Timestamp?

    /// A finding from its parts.
    public init(outcome: CellOutcome, sequence: UInt64, since: Timestamp?) {
        self.outcome = outcome
        self.sequence = sequence
        self.since = since
    }
}

extension ContactState {
    /// What is on file for one cell. Where the channel is undeliverable, the deciding event is the one that
    /// said so.
    public func finding(channel: Channel, purpose: PurposeID) -> CellFinding {
        var finding = cellFinding(rawChannel: channel.rawValue, purpose: purpose)
        if let mark = undeliverable.first(where: { $0.channel == channel }) {
            finding.outcome.isUndeliverable = true
            finding.sequence = mark.sequence
            finding.since = mark.occurredAt
        }
        return finding
    }

    /// What a check sees of one cell.
    public func outcome(channel: Channel, purpose: PurposeID) -> CellOutcome {
        finding(channel: channel, purpose: purpose).outcome
    }

    /// The consent that stands in a cell, whether or not its days have come.
    public func consent(in cell: Cell) -> GrantMark? { cell.consent(contacts) }

    /// Day at whose start a consent that stands ends: the earlier one of policy and retention; `.none`: no
    /// end.
    public func endDay(of grant: GrantMark) -> Day {
        guard let contacts else { return grant.untilDay }
        // What was given before a gap in the contacts ended in that gap.
        let end = grant.occurredAt < contacts.since ? contacts.since.day : contacts.retentionDay
        if grant.untilDay == .none { return end }
        return end == .none ? grant.untilDay : min(grant.untilDay, end)
    }

    /// The finer reason where nothing is on file: a consent that is in force stands next door.
    /// - Parameter isInvalid: whether the notice with an ordinal is invalid by now.
    public func noRecordReason(
        channel: Channel, purpose: PurposeID, today: Day, isInvalid: (UInt16) -> Bool
    ) -> Reason {
        func holds(_ cell: Cell) -> Bool {
            guard let grant = cell.consent(contacts) else { return false }
            let end = endDay(of: grant)
            return (end == .none || today < end) && !isInvalid(grant.noticeOrdinal)
        }
        if cells.contains(where: { $0.purpose == purpose && $0.channel != channel && holds($0) }) {
            return .otherChannel
        }
        if cells.contains(where: { $0.channel == channel && $0.purpose != purpose && holds($0) }) {
            return .otherPurpose
        }
        return .noRecord
    }

    /// A cell's finding by raw channel, deliverability left aside. A nil purpose stands for one that nothing
    /// names.
    func cellFinding(rawChannel: UInt8, purpose: PurposeID?) -> CellFinding {
        let own = purpose.flatMap { cell(rawChannel, $0) }
        if let grant = own?.consent(contacts) {
            let outcome = CellOutcome(
                code: CellState.granted.rawValue, untilDay: endDay(of: grant).rawValue,
                noticeOrdinal: grant.noticeOrdinal)
            return CellFinding(outcome: outcome, sequence: grant.sequence, since: grant.occurredAt)
        }
        if let pending = own?.pending {
            let outcome = CellOutcome(code: CellState.pending.rawValue, untilDay: pending.untilDay.rawValue)
            return CellFinding(outcome: outcome, sequence: pending.sequence, since: pending.occurredAt)
        }
        let wide = erasure ?? Self.latest(of: scopedDenials, covering: rawChannel, purpose)
        let invalid =
            own?.wasGiven == true ? Self.latest(of: invalidations, covering: rawChannel, purpose) : nil
        let denial = wide ?? own?.denial ?? invalid ?? own?.unproven
        guard let denial else {
            return CellFinding(outcome: CellOutcome(code: CellState.none.rawValue), sequence: 0, since: nil)
        }
        return CellFinding(
            outcome: CellOutcome(code: denial.state.rawValue), sequence: denial.sequence,
            since: denial.occurredAt)
    }

    /// The latest denial of a list that covers a cell.
    static func latest(
        of denials: [ScopedDenial], covering rawChannel: UInt8, _ purpose: PurposeID?
    ) -> DenialMark? {
        var latest: DenialMark?
        for denial in denials where denial.covers(rawChannel, purpose) {
            if denial.mark.isLater(than: latest) { latest = denial.mark }
        }
        return latest
    }

    func cell(_ rawChannel: UInt8, _ purpose: PurposeID) -> Cell? {
        cells.first { $0.channel.rawValue == rawChannel && $0.purpose == purpose }
    }
}
