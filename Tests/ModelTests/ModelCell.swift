// The naive model's cell: one channel and one purpose of a contact point.
//
// Invariant: an act that gives counts unless something on file beats it, now or later; so what was recorded
// in which order decides only where two clocks may differ, and for the requests that wait for a confirmation.

import ConsentDomain

/// A consent in the cell.
private struct ModelConsent {
    /// When the last act occurred that gave or extended it.
    var time: Int64
    /// What was shown; 0: unknown.
    var notice: UInt16
    /// The day at whose start it ends; none: no such policy.
    var validityDay: Day
}

struct ModelCell {
    private let channel: Channel
    private let purpose: PurposeID
    private let file: ModelFile

    init(_ channel: Channel, _ purpose: PurposeID, in file: ModelFile) {
        self.channel = channel
        self.purpose = purpose
        self.file = file
    }

    /// The answer from what stands; nil where nothing does. The first that stands is the answer: so a refusal
    /// that a grant lifts is silent as long as that grant stands, and speaks again when it is gone.
    var reason: Reason? {
        let (confirmed, waiting) = requests
        if let consent = consent(confirmed) { return reason(of: consent) }
        if let waiting {
            return file.now < startOfDay(waiting.event.lapseDay) ? .pending : .lapsed
        }
        if file.erasedAt != nil { return .erased }
        let last = denials.filter { $0.event.kind != .invalidate }.max { $0.precedes($1) }
        let wide = denials.filter(isWide).max { $0.precedes($1) }
        if let denial = wide ?? last { return reason(of: denial) }
        // Only what was given can be declared invalid.
        if file.acts.contains(where: { $0.event.kind == .grant && names($0) }), !denials.isEmpty {
            return .invalid
        }
        return file.acts.contains { $0.event.kind == .unprovenImport && names($0) } ? .unproven : nil
    }

    // MARK: What takes

    /// The acts that end a consent in this cell, or keep it from beginning.
    private var denials: [ModelAct] {
        file.acts.filter { act in
            switch act.event.kind {
            case .refuse, .object, .revoke, .invalidate: act.reaches(channel) && act.reaches(purpose)
            // A STOP covers SMS, for all purposes, and whatever channel it names beside.
            case .withdraw where act.isStop: channel == .sms || act.event.channels.covers(channel)
            case .withdraw: act.reaches(channel) && act.reaches(purpose)
            // A complaint covers email in the same way.
            case .complaint: channel == .email || act.reaches(channel)
            // Whoever asked or consented no longer holds the number.
            case .reassigned: act.reaches(channel)
            default: false
            }
        }
    }

    /// Whether a denial reaches further than cells that it names one by one. The page asks after these first;
    /// an objection that is narrowed is the cell's own.
    private func isWide(_ denial: ModelAct) -> Bool {
        let event = denial.event
        switch event.kind {
        case .invalidate: return false
        case .complaint, .reassigned: return true
        case _ where denial.isStop: return true
        default:
            return event.channels.isEmpty || event.channels.isAll || event.purposes.isEmpty
                || event.purposes.isAll
        }
    }

    private func reason(of denial: ModelAct) -> Reason {
        switch denial.event.kind {
        case .refuse: .refused
        case .withdraw: denial.isStop ? .stop : .withdrawn
        case .object: .objected
        case .complaint: .complaint
        case .reassigned: .reassigned
        default: .revoked
        }
    }

    /// Whether a denial beats an act that gives: on a tie the denial wins; an import lifts nothing, however
    /// late it claims to be; and clocks differ, so that a denial which is recorded later counts as later
    /// unless it occurred more than five minutes before.
    private func beats(_ denial: ModelAct, _ act: ModelAct) -> Bool {
        if act.event.via == .import || denial.time >= act.time { return true }
        let fiveMinutes: Int64 = 300 * 1_000_000
        return denial.sequence > act.sequence && act.time - denial.time <= fiveMinutes
    }

    /// Whether nothing on file beats an act that gives.
    private func stands(_ act: ModelAct) -> Bool {
        // After an erasure only the person can begin again, and later than it.
        if let erasedAt = file.erasedAt, act.event.via == .import || act.time <= erasedAt { return false }
        return !denials.contains { beats($0, act) }
    }

    // MARK: What gives

    private func names(_ act: ModelAct) -> Bool { act.names(channel, purpose) }

    private func waits(_ request: ModelAct) -> Bool {
        request.event.pendingChannels.contains(ChannelSet([channel]))
    }

    /// What became of the requests for a confirmation, as they came in: the clicks that confirmed one, with
    /// the request, and the one that still waits. A second request while one waits joins it: its token
    /// confirms the first, lapses and falls with it. (The page says only that it does not restart the first
    /// one's lapse.)
    private var requests: (confirmed: [(click: ModelAct, request: ModelAct)], waiting: ModelAct?) {
        var confirmed: [(click: ModelAct, request: ModelAct)] = []
        var waiting: ModelAct?
        for (position, act) in file.acts.enumerated() {
            let before = denials.filter { $0.sequence < act.sequence }
            if denials.contains(where: { $0.sequence == act.sequence }) {
                if let first = waiting, beats(act, first) { waiting = nil }
                continue
            }
            let isErased = file.erasedAt.map { act.event.via == .import || act.time <= $0 } ?? false
            guard names(act), !isErased, !before.contains(where: { beats($0, act) }) else { continue }
            switch act.event.kind {
            case .grant where waits(act):
                if let first = waiting, act.time < startOfDay(first.event.lapseDay) { continue }
                waiting = act
            case .confirm:
                // By a token of a request for this cell, not older than what waits; before the lapse; once.
                let token = file.acts[..<position].first { $0.sequence == act.event.refersTo }
                guard let first = waiting, let token, token.event.kind == .grant, names(token), waits(token),
                    token.sequence >= first.sequence, act.time >= first.time,
                    act.time < startOfDay(first.event.lapseDay)
                else { continue }
                confirmed.append((act, first))
                waiting = nil
            default: break
            }
        }
        return (confirmed, waiting)
    }

    /// The consent that stands: what the acts that nothing beats come to, in order of occurrence.
    private func consent(_ confirmed: [(click: ModelAct, request: ModelAct)]) -> ModelConsent? {
        let since = file.retention.since
        var consent: ModelConsent?
        for act in file.acts.sorted(by: { $0.precedes($1) }) where names(act) && stands(act) {
            let event = act.event
            var given = ModelConsent(
                time: act.time, notice: event.noticeOrdinal, validityDay: event.validityDay)
            switch event.kind {
            case .grant where !waits(act):
                // It stands for itself: its notice and its day replace those before it.
                consent = given
            case .confirm:
                // The click rests on the request: what beats the one takes the other along.
                guard let request = confirmed.first(where: { $0.click.sequence == act.sequence })?.request,
                    stands(request)
                else { continue }
                if given.notice == 0 { given.notice = request.event.noticeOrdinal }
                consent = extended(consent, by: given, since)
            case .renew:
                // Extends a consent, whether or not its days have come, and gives none.
                guard let old = consent else { continue }
                if given.notice == 0 { given.notice = old.notice }
                consent = extended(old, by: given, since)
            default: break
            }
        }
        return consent
    }

    /// Moves the end to a later day, never to an earlier. A consent without an end gets the new one: the page
    /// does not say, so it denies. What had ended by retention has no day to keep.
    private func extended(_ old: ModelConsent?, by new: ModelConsent, _ since: Int64) -> ModelConsent {
        guard let old, old.time >= since, new.validityDay != .none else { return new }
        var new = new
        new.validityDay = max(old.validityDay, new.validityDay)
        return new
    }

    /// Allowed until the earlier of validity and retention, and while its notice is valid.
    private func reason(of consent: ModelConsent) -> Reason {
        let retention = file.retention
        if consent.validityDay != .none, file.now >= startOfDay(consent.validityDay) { return .expired }
        if consent.time < retention.since { return .expired }
        if let end = retention.end, file.now >= end { return .expired }
        return file.isInvalid(notice: consent.notice) ? .noticeInvalidated : .consent
    }
}
