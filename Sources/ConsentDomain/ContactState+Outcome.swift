// What is on file for one cell, read straight from the state.
//
// Precedence: a standing grant; a pending one; erasure; the latest denial of a whole scope; the cell's own
// denial; an import without proof; nothing. The flattened profile is tested against this.

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
    public func standingGrant(channel: Channel, purpose: PurposeID) -> GrantMark? {
        cell(channel.rawValue, purpose)?.grant
    }

    /// Day at whose start a standing grant ends: the earlier one of policy and retention; `.none`: no end.
    public func endDay(of grant: GrantMark) -> Day {
        if grant.untilDay == .none { return retentionDay }
        if retentionDay == .none { return grant.untilDay }
        return min(grant.untilDay, retentionDay)
    }

    /// The finer reason where nothing is on file: a consent that holds today stands next door.
    public func noRecordReason(channel: Channel, purpose: PurposeID, today: Day) -> Reason {
        func holds(_ cell: Cell) -> Bool {
            guard let grant = cell.grant else { return false }
            let end = endDay(of: grant)
            return end == .none || today < end
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
        if let grant = own?.grant {
            let outcome = CellOutcome(
                code: CellState.granted.rawValue, untilDay: endDay(of: grant).rawValue,
                noticeOrdinal: grant.noticeOrdinal)
            return CellFinding(outcome: outcome, sequence: grant.sequence, since: grant.occurredAt)
        }
        if let pending = own?.pending {
            let outcome = CellOutcome(code: CellState.pending.rawValue, untilDay: pending.untilDay.rawValue)
            return CellFinding(outcome: outcome, sequence: pending.sequence, since: pending.occurredAt)
        }
        let denial = erasure ?? scopedDenial(covering: rawChannel, purpose) ?? own?.denial ?? own?.unproven
        guard let denial else {
            return CellFinding(outcome: CellOutcome(code: CellState.none.rawValue), sequence: 0, since: nil)
        }
        return CellFinding(
            outcome: CellOutcome(code: denial.state.rawValue), sequence: denial.sequence,
            since: denial.occurredAt)
    }

    /// The latest scoped denial that covers a cell.
    func scopedDenial(covering rawChannel: UInt8, _ purpose: PurposeID?) -> DenialMark? {
        var latest: DenialMark?
        for denial in scopedDenials where denial.covers(rawChannel, purpose) {
            if denial.mark.isLater(than: latest) { latest = denial.mark }
        }
        return latest
    }

    func cell(_ rawChannel: UInt8, _ purpose: PurposeID) -> Cell? {
        cells.first { $0.channel.rawValue == rawChannel && $0.purpose == purpose }
    }
}
