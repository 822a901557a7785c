// The naive model's cell: one channel and one purpose of a contact point, lived through once more in the order
// in which things occurred.
//
// Invariant: at most one of consent, request and denial stands at any moment, except that a denial that spans
// more than its cell stays beside a narrower one and is named first.

import ConsentDomain

/// A consent in the cell.
struct ModelConsent {
    /// The last act that gave or extended it.
    var given: ModelAct
    /// What was shown; 0: unknown.
    var notice: UInt16
    /// The day at whose start it ends; none: no such policy.
    var validityDay: Day
}

struct ModelCell {
    private let channel: Channel
    private let purpose: PurposeID
    private let file: ModelFile

    private var consent: ModelConsent?
    /// The day on which a request that waits for its confirmation lapses.
    private var waitsUntil: Day?
    /// Requests whose token is good, by sequence.
    private var tokens: [UInt64: ModelAct] = [:]
    private var isErased = false
    /// An objection, a complaint, a STOP or a refusal of all channels or purposes.
    private var wideDenial: Reason?
    private var ownDenial: Reason?
    private var isUnproven = false

    init(_ channel: Channel, _ purpose: PurposeID, in file: ModelFile) {
        self.channel = channel
        self.purpose = purpose
        self.file = file
        isErased = file.erasedAt != nil
        for act in file.acts { live(through: act) }
    }

    /// The answer from what stands in the end; nil where nothing does.
    var reason: Reason? {
        if let consent {
            if hasExpired(consent, by: file.now) { return .expired }
            return file.isInvalid(notice: consent.notice, at: file.now) ? .noticeInvalidated : .consent
        }
        if let waitsUntil { return file.now < startOfDay(waitsUntil) ? .pending : .lapsed }
        if isErased { return .erased }
        return wideDenial ?? ownDenial ?? (isUnproven ? .unproven : nil)
    }

    private mutating func live(through act: ModelAct) {
        switch act.event.kind {
        case .grant where act.names(channel, purpose):
            let waits = act.event.pendingChannels.contains(ChannelSet([channel]))
            waits ? ask(act) : grant(act)
        case .confirm where act.names(channel, purpose): confirm(act)
        case .renew where act.names(channel, purpose): renew(act)
        case .unprovenImport where act.names(channel, purpose): isUnproven = true
        case .invalidate where concerns(act): if consent != nil { end(.invalid) }
        case .reassigned where concerns(act):
            // Whoever asked or consented is no longer the one who holds the number.
            if consent != nil || waitsUntil != nil { end(.reassigned) }
            tokens = [:]
        case _ where act.takes && concerns(act): deny(act)
        default: break
        }
    }

    // MARK: What gives

    /// A consent given at once. It stands for itself: its notice and its day replace those before it.
    private mutating func grant(_ act: ModelAct) {
        guard !isBeaten(act) else { return }
        begin(ModelConsent(given: act, notice: act.event.noticeOrdinal, validityDay: act.event.validityDay))
    }

    /// A request that waits for a confirmation.
    private mutating func ask(_ act: ModelAct) {
        guard !isBeaten(act) else { return }
        tokens[act.event.sequence] = act
        // A consent in force stays what it is.
        if let consent, isInForce(consent, at: act.time) { return }
        // A second request does not prolong the first one's wait.
        if let waitsUntil, act.time < startOfDay(waitsUntil) { return }
        clear()
        waitsUntil = act.event.lapseDay
    }

    /// A click on a token: of this contact point, for this cell, once, before it lapses. Its request has
    /// been forgotten if a refusal came in between.
    private mutating func confirm(_ act: ModelAct) {
        guard let request = tokens[act.event.refersTo], !isBeaten(act) else { return }
        guard act.time < startOfDay(request.event.lapseDay) else { return }
        if let waitsUntil, act.time >= startOfDay(waitsUntil) { return }
        tokens[act.event.refersTo] = nil
        let shown = act.event.noticeOrdinal != 0 ? act.event.noticeOrdinal : request.event.noticeOrdinal
        extend(ModelConsent(given: act, notice: shown, validityDay: act.event.validityDay))
    }

    /// A renewal needs a consent that is still in force.
    private mutating func renew(_ act: ModelAct) {
        guard let consent, isInForce(consent, at: act.time), !isBeaten(act) else { return }
        let shown = act.event.noticeOrdinal != 0 ? act.event.noticeOrdinal : consent.notice
        extend(ModelConsent(given: act, notice: shown, validityDay: act.event.validityDay))
    }

    /// Begins a consent, or moves one that is in force to a later day, never to an earlier.
    private mutating func extend(_ new: ModelConsent) {
        var new = new
        if let old = consent, isInForce(old, at: new.given.time) {
            let isEndless = old.validityDay == .none || new.validityDay == .none
            new.validityDay = isEndless ? .none : max(old.validityDay, new.validityDay)
        }
        begin(new)
    }

    /// The person gave this very cell, later than whatever denied it.
    private mutating func begin(_ new: ModelConsent) {
        clear()
        consent = new
    }

    private mutating func clear() {
        consent = nil
        waitsUntil = nil
        isErased = false
        wideDenial = nil
        ownDenial = nil
    }

    // MARK: What takes

    /// Whether something that occurred earlier keeps an act from giving anything. (What occurs later, or at
    /// the same microsecond, ends it when its turn comes.)
    private mutating func isBeaten(_ act: ModelAct) -> Bool {
        let isImport = act.event.via == .import
        // After an erasure only the person can begin again, and later than it.
        if let erasedAt = file.erasedAt, isImport || act.time <= erasedAt { return true }
        let fiveMinutes: Int64 = 300 * 1_000_000
        let beats = file.acts.last { other in
            guard other.takes, concerns(other), other.time < act.time else { return false }
            // An import lifts nothing, however late it claims to be.
            if isImport { return true }
            // Clocks differ: what is recorded later may have occurred later.
            return other.event.sequence > act.event.sequence && act.time - other.time <= fiveMinutes
        }
        guard let beats else { return false }
        // What ends grants only has ended this one, if nothing else stands.
        let isBlank = consent == nil && waitsUntil == nil && wideDenial == nil && ownDenial == nil
        if isBlank, beats.event.kind == .invalidate { ownDenial = .invalid }
        if isBlank, beats.event.kind == .reassigned { ownDenial = .reassigned }
        return true
    }

    /// Whether a denial reaches this cell.
    private func concerns(_ act: ModelAct) -> Bool {
        switch act.event.kind {
        case .complaint:
            // Covers email, whatever it says, and what it says, for all purposes.
            channel == .email || act.event.channels.covers(channel)
        case .withdraw where act.isStop, .refuse where act.isStop:
            channel == .sms || act.event.channels.covers(channel)
        case .reassigned: act.reaches(channel)
        default: act.reaches(channel) && act.reaches(purpose)
        }
    }

    private mutating func deny(_ act: ModelAct) {
        // Later refusals leave it erased.
        if isErased { return }
        end(nil)
        switch act.event.kind {
        case .object: wideDenial = .objected
        case .complaint: wideDenial = .complaint
        case _ where act.isStop: wideDenial = .stop
        default:
            let isWide = !act.isNarrow
            let reason: Reason =
                switch act.event.kind {
                case .refuse: .refused
                case .withdraw: .withdrawn
                default: .revoked
                }
            if isWide { wideDenial = reason } else { ownDenial = reason }
        }
    }

    private mutating func end(_ reason: Reason?) {
        consent = nil
        waitsUntil = nil
        if reason != nil { ownDenial = reason }
        if reason != .invalid { tokens = [:] }
    }

    // MARK: Time

    private func isInForce(_ consent: ModelConsent, at time: Int64) -> Bool {
        !hasExpired(consent, by: time) && !file.isInvalid(notice: consent.notice, at: time)
    }

    /// Allowed until the earlier of validity and retention.
    private func hasExpired(_ consent: ModelConsent, by time: Int64) -> Bool {
        if consent.validityDay != .none, time >= startOfDay(consent.validityDay) { return true }
        return file.retentionEnded(since: consent.given, by: time)
    }
}

extension ModelAct {
    /// A keyword sent by SMS.
    var isStop: Bool {
        event.source == .smsKeyword && (event.kind == .withdraw || event.kind == .refuse)
    }

    /// Names both its channels and its purposes one by one.
    var isNarrow: Bool {
        let channels = event.channels
        let purposes = event.purposes
        return !channels.isEmpty && !channels.isAll && !purposes.isEmpty && !purposes.isAll
    }
}
