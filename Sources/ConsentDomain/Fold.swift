// The fold: how one event changes the state of a contact point.
//
// Events are folded in order of sequence. A denial D beats a grant G when
//     G is imported, or
//     D was recorded after G and occurred no more than five minutes before it, or
//     D was recorded before G and occurred at the same time or later.
// A confirmation rests on its request: what beats the one takes the other along.
// Invariant: after each event no grant or pending one stands that a denial beats; a grant that is dropped
// never comes back.
//
// Retention is counted from the person's last contact. What was given before a gap in which it ended stays
// ended, whatever comes later.
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
        if event.isContact { count(contact: event) }
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
        cells.removeAll(where: \.isEmpty)
    }

    // MARK: Grants

    private mutating func applyGrant(_ event: ConsentEvent) {
        cells.reserveCapacity(cells.count + event.purposes.rawValue.nonzeroBitCount)
        event.channels.intersection(kind.channels).forEachNamed { channel in
            let isPending = event.pendingChannels.covers(channel)
            let mark = event.grantMark(untilDay: isPending ? event.lapseDay : event.validityDay)
            event.purposes.forEachNamed { purpose in
                let isBeaten = isBeaten(mark, channel, purpose)
                withCell(channel, purpose) { cell in
                    cell.wasGiven = true
                    guard !isBeaten else { return }
                    if isPending { cell.install(pending: mark) } else { cell.install(mark) }
                }
            }
        }
    }

    /// A token of a later request confirms the one that waits too: both asked the same.
    private mutating func applyConfirm(_ event: ConsentEvent) {
        for index in cells.indices {
            guard let pending = cells[index].pending, pending.sequence <= event.refersTo,
                event.refersTo < event.sequence, event.channels.names(cells[index].channel),
                event.purposes.names(cells[index].purpose)
            else { continue }
            var mark = event.grantMark(untilDay: event.validityDay)
            guard mark.occurredAt >= pending.occurredAt, mark.occurredAt.day < pending.untilDay else {
                continue
            }
            mark.kind = .confirmation
            mark.restsOn = pending.restsOn
            if mark.noticeOrdinal == 0 { mark.noticeOrdinal = pending.noticeOrdinal }
            mark.imported = mark.imported || pending.imported
            guard !isBeaten(mark, cells[index].channel, cells[index].purpose) else { continue }
            cells[index].pending = nil
            cells[index].install(mark)
        }
    }

    /// Kept even where nothing stands yet: the grant that it renews may arrive late.
    private mutating func applyRenewal(_ event: ConsentEvent) {
        var mark = event.grantMark(untilDay: event.validityDay)
        mark.kind = .renewal
        for channel in event.channels.named where channel.contactKind == kind {
            for purpose in event.purposes.named where !isBeaten(mark, channel, purpose) {
                withCell(channel, purpose) { $0.install(mark) }
            }
        }
    }

    /// The last contact counts, by the policy of its time. One that arrives late moves the beginning back
    /// where its own retention reaches that far.
    private mutating func count(contact event: ConsentEvent) {
        let time = event.clampedOccurredAt
        let day = event.retentionDay
        guard var run = contacts else {
            contacts = ContactRun(since: time, last: time, retentionDay: day)
            return
        }
        if time >= run.last {
            if run.retentionDay != .none, time >= run.retentionDay.start { run.since = time }
            run.last = time
            if day != .none { run.retentionDay = day }
        } else if time < run.since, day == .none || run.since < day.start {
            run.since = time
        }
        contacts = run
    }

    /// Over any other state it changes nothing: whatever else is on file is answered first.
    private mutating func applyUnproven(_ event: ConsentEvent) {
        let mark = event.denialMark(.unproven)
        for channel in event.channels.named where channel.contactKind == kind {
            for purpose in event.purposes.named {
                withCell(channel, purpose) { if $0.unproven == nil { $0.unproven = mark } }
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
        for (channel, purpose) in Self.scopes(channels, purposes) {
            if let channel, let purpose {
                withCell(channel, purpose) { $0.install(denial: mark) }
            } else {
                Self.install(ScopedDenial(channel: channel, purpose: purpose, mark: mark), &scopedDenials)
            }
        }
        drop(channels, purposes, beatenBy: mark)
    }

    /// Says nothing in cells that nothing was ever given in.
    private mutating func applyInvalidation(_ event: ConsentEvent) {
        let mark = event.denialMark(.invalid)
        let scope = event.denialScope
        for (channel, purpose) in Self.scopes(scope.channels, scope.purposes) {
            Self.install(ScopedDenial(channel: channel, purpose: purpose, mark: mark), &invalidations)
        }
        drop(scope.channels, scope.purposes, beatenBy: mark)
    }

    private mutating func drop(_ channels: ChannelSet, _ purposes: PurposeSet, beatenBy mark: DenialMark) {
        for index in cells.indices
        where channels.covers(cells[index].channel) && purposes.covers(cells[index].purpose) {
            cells[index].drop(beatenBy: mark)
        }
    }

    /// What covers all is kept once, and covers what is added later.
    private static func scopes(
        _ channels: ChannelSet, _ purposes: PurposeSet
    ) -> [(channel: Channel?, purpose: PurposeID?)] {
        let channelScopes: [Channel?] = channels.isAll ? [nil] : channels.named
        let purposeScopes: [PurposeID?] = purposes.isAll ? [nil] : purposes.named
        return channelScopes.flatMap { channel in purposeScopes.map { (channel, $0) } }
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
        invalidations = []
        cells = []
        contacts = nil
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

    /// Lifts what it names: unlike a denial it never means more than it says.
    private mutating func clearUndeliverable(_ event: ConsentEvent) {
        undeliverable.removeAll {
            event.channels.covers($0.channel) && $0.occurredAt < event.clampedOccurredAt
        }
    }

    // MARK: Helpers

    /// Whether an erasure, a denial or an invalidation on file beats a grant that comes in now.
    private func isBeaten(_ grant: GrantMark, _ channel: Channel, _ purpose: PurposeID) -> Bool {
        func beats(_ denial: DenialMark?) -> Bool { denial?.beats(grant) ?? false }
        return beats(erasure) || beats(Self.latest(of: scopedDenials, covering: channel.rawValue, purpose))
            || beats(cell(channel.rawValue, purpose)?.denial)
            || beats(Self.latest(of: invalidations, covering: channel.rawValue, purpose))
    }

    private mutating func withCell(_ channel: Channel, _ purpose: PurposeID, _ change: (inout Cell) -> Void) {
        let place =
            cells.firstIndex { ($0.channel, $0.purpose) >= (channel, purpose) } ?? cells.endIndex
        if place == cells.endIndex || cells[place].channel != channel || cells[place].purpose != purpose {
            cells.insert(Cell(channel: channel, purpose: purpose), at: place)
        }
        change(&cells[place])
    }

    private static func install(_ denial: ScopedDenial, _ list: inout [ScopedDenial]) {
        let place = list.firstIndex { $0.order >= denial.order } ?? list.endIndex
        if place < list.endIndex, list[place].order == denial.order {
            if denial.mark.isLater(than: list[place].mark) { list[place] = denial }
        } else {
            list.insert(denial, at: place)
        }
    }
}

extension ScopedDenial {
    /// Place in its list.
    var order: UInt16 { UInt16(channel?.rawValue ?? 0) << 8 | UInt16(purpose?.rawValue ?? 0) }

    /// Whether the denial covers a cell, named by raw channel.
    func covers(_ rawChannel: UInt8, _ purposeID: PurposeID?) -> Bool {
        (channel == nil || channel?.rawValue == rawChannel) && (purpose == nil || purpose == purposeID)
    }
}

extension ConsentEvent {
    /// The time of the act; a future one counts as the time of recording.
    public var clampedOccurredAt: Timestamp { min(occurredAt, recordedAt) }

    /// Whether the person was in contact, so that retention is counted anew. A request that only waits for a
    /// confirmation may come from anybody.
    fileprivate var isContact: Bool {
        switch kind {
        case .grant: !channels.isSubset(of: pendingChannels)
        case .confirm, .renew, .contactSeen: true
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
