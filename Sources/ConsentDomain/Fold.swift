// The fold: how one event changes the state of a contact point.
//
// Events are folded in order of sequence. A denial D beats a grant G when
//     G is imported, or
//     D was recorded after G and occurred no more than five minutes before it, or
//     D was recorded before G and occurred at the same time or later.
// Invariant: after each event no grant, shadowed grant or pending grant stands that a denial beats; a grant
// that is dropped never comes back.
//
// Retention is counted from the last contact, and a contact that comes after its end brings nothing back:
// what stood until then keeps that day as its end.
//
// An erasure is a denial of everything that takes the rest of the state with it: the fold of a contact point
// starts there, because the keys of its earlier events are destroyed. It counts from the time that it was
// recorded, so that whatever is known of the person by then is covered.

extension ContactState {
    /// Microseconds that clocks may differ: a denial recorded after a grant beats it unless it occurred
    /// earlier by more than this.
    public static let clockToleranceMicroseconds: Int64 = 5 * 60 * 1_000_000

    /// Folds an event in. Events up to `lastSequence` are skipped; catalogue events change nothing.
    public mutating func apply(_ event: ConsentEvent) {
        guard event.sequence > lastSequence else { return }
        lastSequence = event.sequence
        guard !event.kind.isCatalogue else { return }
        if event.contactKind != nil { keyEpoch = event.keyEpoch }
        if event.isContact { endWhatRetentionEnded(before: event.clampedOccurredAt) }
        switch event.kind {
        case .grant: applyGrant(event)
        case .confirm: applyConfirm(event)
        case .renew: applyRenewal(event)
        case .contactSeen: break
        case .refuse, .withdraw, .object, .revoke, .complaint: applyDenial(event)
        case .invalidate: applyInvalidation(event)
        case .reassigned: applyReassignment(event)
        case .bounce: markUndeliverable(event)
        case .deliverabilityCleared: clearUndeliverable(event)
        case .erase: applyErasure(event)
        case .unprovenImport: applyUnproven(event)
        case .rekeyed, .restored, .noticeInvalidated, .controllerPut, .purposePut, .noticePut: break
        }
        if event.isContact { retentionDay = max(retentionDay, event.retentionDay) }
        cells.removeAll(where: \.isEmpty)
    }

    // MARK: Grants

    private mutating func applyGrant(_ event: ConsentEvent) {
        event.channels.intersection(kind.channels).forEachNamed { channel in
            let isPending = event.pendingChannels.covers(channel)
            let mark = event.grantMark(untilDay: isPending ? event.lapseDay : event.validityDay)
            event.purposes.forEachNamed { purpose in
                guard !isBeaten(mark, channel: channel, purpose: purpose) else { return }
                withCell(channel, purpose) { cell in
                    if isPending { cell.install(pending: mark) } else { cell.install(grant: mark) }
                }
            }
        }
    }

    /// The click occurred later than the grant, so the grant that it makes is measured against denials anew.
    /// A token of a later grant confirms the pending one too: both asked the same.
    private mutating func applyConfirm(_ event: ConsentEvent) {
        for index in cells.indices {
            guard let pending = cells[index].pending, pending.sequence <= event.refersTo,
                event.refersTo < event.sequence,
                event.channels.isEmpty || event.channels.names(cells[index].channel),
                event.purposes.isEmpty || event.purposes.names(cells[index].purpose)
            else { continue }
            var mark = event.grantMark(untilDay: event.validityDay)
            guard mark.occurredAt.day < pending.untilDay else { continue }
            if mark.noticeOrdinal == 0 { mark.noticeOrdinal = pending.noticeOrdinal }
            mark.imported = mark.imported || pending.imported
            mark.extend(cells[index].grant)
            guard !isBeaten(mark, channel: cells[index].channel, purpose: cells[index].purpose) else {
                continue
            }
            cells[index].pending = nil
            cells[index].install(grant: mark)
        }
    }

    private mutating func applyRenewal(_ event: ConsentEvent) {
        for index in cells.indices {
            guard let grant = cells[index].grant, event.channels.names(cells[index].channel),
                event.purposes.names(cells[index].purpose)
            else { continue }
            var mark = event.grantMark(untilDay: event.validityDay)
            guard !isBeaten(mark, channel: cells[index].channel, purpose: cells[index].purpose) else {
                continue
            }
            mark.extend(grant)
            if mark.noticeOrdinal == 0 { mark.noticeOrdinal = grant.noticeOrdinal }
            cells[index].install(grant: mark)
        }
    }

    /// Fixes the end of retention in each grant that stands, where the day has come by the time of a contact.
    private mutating func endWhatRetentionEnded(before time: Timestamp) {
        guard retentionDay != .none, time.day >= retentionDay else { return }
        for index in cells.indices {
            let ends = (cells[index].grant.map(endDay), cells[index].shadowed.map(endDay))
            if let day = ends.0 { cells[index].grant?.untilDay = day }
            if let day = ends.1 { cells[index].shadowed?.untilDay = day }
        }
    }

    private mutating func applyUnproven(_ event: ConsentEvent) {
        let mark = event.denialMark(.unproven)
        for channel in event.channels.named where channel.contactKind == kind {
            for purpose in event.purposes.named {
                guard latestDenial(channel.rawValue, purpose) == nil else { continue }
                withCell(channel, purpose) { if $0.isEmpty { $0.unproven = mark } }
            }
        }
    }

    // MARK: Denials

    private mutating func applyDenial(_ event: ConsentEvent) {
        guard let state = event.denialState else { return }
        let scope = event.denialScope
        deny(channels: scope.channels, purposes: scope.purposes, mark: event.denialMark(state))
    }

    private mutating func deny(channels: ChannelSet, purposes: PurposeSet, mark: DenialMark) {
        // What covers all is kept once, and covers what is added later.
        let channelScopes: [Channel?] = channels.isAll ? [nil] : channels.named
        let purposeScopes: [PurposeID?] = purposes.isAll ? [nil] : purposes.named
        for channel in channelScopes {
            for purpose in purposeScopes {
                if let channel, let purpose {
                    withCell(channel, purpose) { $0.install(denial: mark) }
                } else {
                    install(ScopedDenial(channel: channel, purpose: purpose, mark: mark))
                }
            }
        }
        for index in cells.indices
        where channels.covers(cells[index].channel) && purposes.covers(cells[index].purpose) {
            _ = cells[index].drop(beatenBy: mark)
        }
    }

    /// Hits only cells where a grant or a pending one stands.
    private mutating func applyInvalidation(_ event: ConsentEvent) {
        let mark = event.denialMark(.invalid)
        let scope = event.denialScope
        for index in cells.indices
        where scope.channels.covers(cells[index].channel) && scope.purposes.covers(cells[index].purpose) {
            if cells[index].drop(beatenBy: mark) { cells[index].install(denial: mark) }
        }
    }

    /// Kept as a denial of the channel, so that grants of the person before that arrive late stay ended.
    private mutating func applyReassignment(_ event: ConsentEvent) {
        let channels = event.denialScope.channels
        deny(channels: channels, purposes: .all, mark: event.denialMark(.reassigned))
        markUndeliverable(event)
    }

    private mutating func applyErasure(_ event: ConsentEvent) {
        var mark = event.denialMark(.erased)
        mark.occurredAt = max(mark.occurredAt, event.recordedAt)
        erasure = mark
        undeliverable = []
        scopedDenials = []
        cells = []
        retentionDay = .none
    }

    // MARK: Deliverability

    private mutating func markUndeliverable(_ event: ConsentEvent) {
        for channel in event.channels.ofContact(kind) {
            let mark = UndeliverableMark(
                channel: channel, occurredAt: event.clampedOccurredAt, sequence: event.sequence)
            if let index = undeliverable.firstIndex(where: { $0.channel == channel }) {
                if undeliverable[index].occurredAt <= mark.occurredAt { undeliverable[index] = mark }
            } else {
                let place = undeliverable.firstIndex { $0.channel > channel } ?? undeliverable.endIndex
                undeliverable.insert(mark, at: place)
            }
        }
    }

    private mutating func clearUndeliverable(_ event: ConsentEvent) {
        let channels = event.channels.ofContact(kind)
        undeliverable.removeAll {
            channels.contains($0.channel) && $0.occurredAt < event.clampedOccurredAt
        }
    }

    // MARK: Helpers

    /// Whether an erasure or a denial on file beats a grant that comes in now.
    private func isBeaten(_ grant: GrantMark, channel: Channel, purpose: PurposeID) -> Bool {
        guard let denial = latestDenial(channel.rawValue, purpose) else { return false }
        return denial.beats(grant)
    }

    /// The denial with the latest time that covers a cell: erasure, scoped or the cell's own.
    private func latestDenial(_ channel: UInt8, _ purpose: PurposeID) -> DenialMark? {
        var latest = erasure
        if let scoped = scopedDenial(covering: channel, purpose), scoped.isLater(than: latest) {
            latest = scoped
        }
        if let own = cell(channel, purpose)?.denial, own.isLater(than: latest) { latest = own }
        return latest
    }

    private mutating func withCell(_ channel: Channel, _ purpose: PurposeID, _ change: (inout Cell) -> Void) {
        let place =
            cells.firstIndex { ($0.channel, $0.purpose) >= (channel, purpose) } ?? cells.endIndex
        if place == cells.endIndex || cells[place].channel != channel || cells[place].purpose != purpose {
            cells.insert(Cell(channel: channel, purpose: purpose), at: place)
        }
        change(&cells[place])
    }

    private mutating func install(_ denial: ScopedDenial) {
        let place = scopedDenials.firstIndex { $0.order >= denial.order } ?? scopedDenials.endIndex
        if place < scopedDenials.endIndex, scopedDenials[place].order == denial.order {
            if denial.mark.isLater(than: scopedDenials[place].mark) { scopedDenials[place] = denial }
        } else {
            scopedDenials.insert(denial, at: place)
        }
    }
}

extension ScopedDenial {
    /// Place in `scopedDenials`.
    var order: UInt16 { UInt16(channel?.rawValue ?? 0) << 8 | UInt16(purpose?.rawValue ?? 0) }

    /// Whether the denial covers a cell, named by raw channel.
    func covers(_ rawChannel: UInt8, _ purposeID: PurposeID?) -> Bool {
        (channel == nil || channel?.rawValue == rawChannel) && (purpose == nil || purpose == purposeID)
    }
}

extension DenialMark {
    /// Whether this denial beats a grant: see the rule on top of this file.
    func beats(_ grant: GrantMark) -> Bool {
        if grant.imported { return true }
        guard sequence > grant.sequence else { return occurredAt >= grant.occurredAt }
        return occurredAt.adding(microseconds: ContactState.clockToleranceMicroseconds) >= grant.occurredAt
    }

    func isLater(than other: DenialMark?) -> Bool {
        guard let other else { return true }
        return (occurredAt, sequence) > (other.occurredAt, other.sequence)
    }
}

extension Cell {
    /// Makes a grant that no denial beats the one that stands, where it is the latest.
    fileprivate mutating func install(grant mark: GrantMark) {
        unproven = nil
        var live = shadowed ?? (grant?.imported == false ? grant : nil)
        var imported = grant?.imported == true ? grant : nil
        if mark.imported {
            if mark.isNotEarlier(than: imported) { imported = mark }
        } else {
            if mark.isNotEarlier(than: live) { live = mark }
        }
        // An import that occurred no later than the live grant adds nothing to it.
        if let standing = live, let other = imported, standing.occurredAt >= other.occurredAt {
            imported = nil
        }
        grant = imported ?? live
        shadowed = imported == nil ? nil : live
    }

    /// A second request does not restart the first one's lapse, unless the first has lapsed by then.
    fileprivate mutating func install(pending mark: GrantMark) {
        unproven = nil
        if let first = pending, mark.occurredAt.day < first.untilDay { return }
        pending = mark
    }

    fileprivate mutating func install(denial mark: DenialMark) {
        if mark.isLater(than: denial) { denial = mark }
        unproven = nil
    }

    /// Drops what a new denial beats.
    /// - Returns: whether anything was dropped.
    fileprivate mutating func drop(beatenBy denial: DenialMark) -> Bool {
        let before = self
        if let mark = shadowed, denial.beats(mark) { shadowed = nil }
        if let mark = grant, denial.beats(mark) {
            grant = shadowed
            shadowed = nil
        }
        if let mark = pending, denial.beats(mark) { pending = nil }
        return self != before
    }
}

extension GrantMark {
    /// A confirmation or a renewal never moves the end of what stands to an earlier day.
    fileprivate mutating func extend(_ standing: GrantMark?) {
        if let standing, untilDay != .none { untilDay = max(untilDay, standing.untilDay) }
    }

    fileprivate func isNotEarlier(than other: GrantMark?) -> Bool {
        guard let other else { return true }
        return (occurredAt, sequence) >= (other.occurredAt, other.sequence)
    }
}

extension ConsentEvent {
    /// The time of the act; a future one counts as the time of recording.
    public var clampedOccurredAt: Timestamp { min(occurredAt, recordedAt) }

    /// Whether the person was in contact, so that retention is counted anew.
    fileprivate var isContact: Bool {
        switch kind {
        case .grant, .confirm, .renew, .contactSeen: true
        default: false
        }
    }

    fileprivate func grantMark(untilDay: Day) -> GrantMark {
        GrantMark(
            occurredAt: clampedOccurredAt, sequence: sequence, untilDay: untilDay,
            noticeOrdinal: noticeOrdinal,
            imported: via == .import)
    }

    fileprivate func denialMark(_ state: CellState) -> DenialMark {
        DenialMark(state: state, occurredAt: clampedOccurredAt, sequence: sequence)
    }

    /// The state that a denial leaves behind; nil for other events.
    public var denialState: CellState? {
        switch kind {
        case .refuse: .refused
        case .withdraw: source == .smsKeyword ? .stop : .withdrawn
        case .object: .objected
        case .complaint: .complaint
        case .revoke: .revoked
        case .invalidate: .invalid
        case .reassigned: .reassigned
        case .erase: .erased
        default: nil
        }
    }

    /// What a refusal covers: naming nothing means all, and a complaint, a STOP and a reassignment cover
    /// every purpose of their channels.
    public var denialScope: (channels: ChannelSet, purposes: PurposeSet) {
        let isAboutChannel = kind == .complaint || kind == .reassigned || denialState == .stop
        return (
            channels.isAll || channels.named.isEmpty ? .all : channels,
            isAboutChannel || purposes.isAll || purposes.named.isEmpty ? .all : purposes
        )
    }
}

extension ChannelSet {
    /// Consents never inherit: what gives one must name the channel.
    fileprivate func names(_ channel: Channel) -> Bool { contains(ChannelSet(channel)) }

    /// The channels of a contact point that are meant; naming none means all of them.
    fileprivate func ofContact(_ kind: ContactKind) -> [Channel] {
        isAll || named.isEmpty ? kind.channels.named : named
    }
}

extension PurposeSet {
    /// Consents never inherit: what gives one must name the purpose.
    fileprivate func names(_ purpose: PurposeID) -> Bool { contains(PurposeSet(purpose)) }
}
