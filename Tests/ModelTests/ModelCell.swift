// The history of one cell as the model defines it: which requests were open, which acts count, which denials
// were heard, each at any point of the log.
//
// "Before a sequence" means: from what had been recorded by then. Definitions refer only to earlier
// sequences, so they end. Answers that are asked for again are remembered; nothing else is kept.

import ConsentDomain

/// One (channel, purpose) of one contact point.
final class ModelCell {
    private let channel: Channel
    private let purpose: PurposeID
    private let events: [ConsentEvent]
    private let contacts: [ConsentEvent]
    private let requests: [ConsentEvent]
    private let candidates: [ConsentEvent]
    private let denyingEvents: [ConsentEvent]
    private var countsKnown: [UInt64: Bool] = [:]
    private var opensKnown: [UInt64: Bool] = [:]
    private var heardKnown: [UInt64: Bool] = [:]

    init(kind: ContactKind, events: [ConsentEvent], channel: Channel, purpose: PurposeID) {
        self.events = events
        self.channel = channel
        self.purpose = purpose
        contacts = events.filter(Self.isContact)
        func grants(_ event: ConsentEvent) -> Bool { Self.grantScope(event, kind, channel, purpose) }
        requests = events.filter { $0.kind == .grant && $0.pendingChannels.covers(channel) && grants($0) }
        candidates = events.filter { event in
            switch event.kind {
            case .grant: !event.pendingChannels.covers(channel) && grants(event)
            case .confirm, .renew: grants(event)
            default: false
            }
        }
        denyingEvents = events.filter { Self.isDenial($0) && Self.denialScope($0, channel, purpose) }
        isUnprovenNamed = events.contains { $0.kind == .unprovenImport && grants($0) }
    }

    private let isUnprovenNamed: Bool

    /// An unproven import counts where nothing else was on file.
    var isUnproven: Bool { isUnprovenNamed }

    // MARK: Denials

    /// The denials that had been heard before a sequence.
    func denials(before sequence: UInt64) -> [ConsentEvent] {
        denyingEvents.filter { $0.sequence < sequence && isHeard($0) }
    }

    /// An invalidation is heard where it ends something that stood; the other denials always are.
    private func isHeard(_ denial: ConsentEvent) -> Bool {
        guard denial.kind == .invalidate else { return true }
        if let known = heardKnown[denial.sequence] { return known }
        let acts = candidates.filter { stands($0, before: denial.sequence) }
        let request = openRequest(before: denial.sequence)
        let isHeard = (acts + (request.map { [$0] } ?? [])).contains { beats(denial, $0) }
        heardKnown[denial.sequence] = isHeard
        return isHeard
    }

    /// By occurrence; a tie goes to the denial, and so does a denial that was recorded later unless it
    /// occurred more than five minutes before. An import lifts nothing.
    private func beats(_ denial: ConsentEvent, _ act: ConsentEvent) -> Bool {
        if isImport(act) { return true }
        if denial.time.rawValue >= act.time.rawValue { return true }
        return denial.sequence > act.sequence
            && act.time.microseconds - denial.time.microseconds <= Model.clockDoubt
    }

    private func isBeaten(_ act: ConsentEvent, before sequence: UInt64) -> Bool {
        denyingEvents.contains { $0.sequence < sequence && beats($0, act) && isHeard($0) }
    }

    // MARK: Double opt-in

    /// The request that a confirmation could confirm. A second request while one is open does not restart
    /// its lapse: it joins it.
    func openRequest(before sequence: UInt64) -> ConsentEvent? {
        let opened = requests.filter { $0.sequence < sequence && opens($0) }
        guard let last = opened.max(by: { $0.sequence < $1.sequence }) else { return nil }
        let isConfirmed = candidates.contains {
            $0.kind == .confirm && $0.sequence > last.sequence && $0.sequence < sequence && counts($0)
        }
        return isConfirmed || isBeaten(last, before: sequence) ? nil : last
    }

    private func opens(_ request: ConsentEvent) -> Bool {
        if let known = opensKnown[request.sequence] { return known }
        var opens = !isBeaten(request, before: request.sequence)
        if opens, let open = openRequest(before: request.sequence) {
            opens = request.time.rawValue >= open.lapseDay.midnight.rawValue
        }
        opensKnown[request.sequence] = opens
        return opens
    }

    // MARK: Acts

    /// Whether an act counted when it was recorded: a confirmation needs an open request that has not lapsed
    /// by the click, a renewal an act that stands. A confirmation names the contact point and the cells of
    /// the request whose token it carries; one that is older than what is open confirms nothing.
    private func counts(_ act: ConsentEvent) -> Bool {
        if let known = countsKnown[act.sequence] { return known }
        var counts = !isBeaten(act, before: act.sequence)
        if counts {
            switch act.kind {
            case .confirm:
                let open = openRequest(before: act.sequence)
                counts =
                    open.map {
                        $0.sequence <= act.refersTo && act.refersTo < act.sequence
                            && act.time.rawValue < $0.lapseDay.midnight.rawValue
                    } ?? false
            case .renew: counts = rulingAct(before: act.sequence) != nil
            default: break
            }
        }
        countsKnown[act.sequence] = counts
        return counts
    }

    private func stands(_ act: ConsentEvent, before sequence: UInt64) -> Bool {
        act.sequence < sequence && counts(act) && !isBeaten(act, before: sequence)
    }

    /// The latest act that stands, by occurrence; at the same time a live one before an import.
    func rulingAct(before sequence: UInt64) -> ConsentEvent? {
        func rank(_ act: ConsentEvent) -> (Int64, Int, UInt64) {
            (act.time.rawValue, isImport(act) ? 0 : 1, act.sequence)
        }
        return candidates.filter { stands($0, before: sequence) }.max { rank($0) < rank($1) }
    }

    /// What came in by import stays one, also where it is confirmed later.
    private func isImport(_ act: ConsentEvent) -> Bool {
        if act.via == .import { return true }
        guard act.kind == .confirm else { return false }
        return openRequest(before: act.sequence)?.via == .import
    }

    /// The notice that was shown; a confirmation or a renewal without one of its own is about the former.
    func notice(of act: ConsentEvent) -> UInt16 {
        guard act.noticeOrdinal == 0 else { return act.noticeOrdinal }
        switch act.kind {
        case .confirm: return openRequest(before: act.sequence)?.noticeOrdinal ?? 0
        case .renew: return rulingAct(before: act.sequence).map(notice) ?? 0
        default: return 0
        }
    }

    // MARK: Ends

    /// Day at whose start an act ends, as known before a sequence. A grant states it. A confirmation or a
    /// renewal only moves the end of what stood to a later day. Retention that had run out by a contact ended
    /// what stood then, and the contact does not bring it back.
    func validity(of act: ConsentEvent, before sequence: UInt64) -> Day {
        var day = act.validityDay
        if act.kind != .grant, day != .none, let previous = rulingAct(before: act.sequence) {
            day = max(day, validity(of: previous, before: act.sequence + 1))
        }
        for contact in contacts where contact.sequence > act.sequence && contact.sequence < sequence {
            let before = Self.retention(contacts.filter { $0.sequence < contact.sequence })
            if before != .none, contact.time.rawValue >= before.midnight.rawValue {
                day = Self.earlier(day, before)
            }
        }
        return day
    }

    /// Day at whose start retention ends, by the contacts among the events.
    static func retention(_ events: [ConsentEvent]) -> Day {
        events.filter(isContact).map(\.retentionDay).max() ?? .none
    }

    private static func isContact(_ event: ConsentEvent) -> Bool {
        switch event.kind {
        case .grant, .confirm, .renew, .contactSeen: true
        default: false
        }
    }

    static func earlier(_ left: Day, _ right: Day) -> Day {
        left == .none ? right : right == .none ? left : min(left, right)
    }

    // MARK: Scopes and names

    /// Grants never inherit: ALL grants nothing, and a channel must fit the contact point.
    static func grantScope(
        _ event: ConsentEvent, _ kind: ContactKind, _ channel: Channel, _ purpose: PurposeID
    ) -> Bool {
        channel.contactKind == kind && event.channels.named.contains(channel)
            && event.purposes.named.contains(purpose)
    }

    /// Nothing named means all. A complaint covers e-mail and STOP covers SMS, for all purposes, beside what
    /// they name; an erasure covers everything; a reassignment every purpose of its channels.
    private static func denialScope(_ event: ConsentEvent, _ channel: Channel, _ purpose: PurposeID) -> Bool {
        let isNamed = event.channels.isEmpty || event.channels.covers(channel)
        switch event.kind {
        case .erase: return true
        case .complaint: return channel == .email || isNamed
        case .reassigned: return isNamed
        case _ where isStop(event): return channel == .sms || isNamed
        default: return isNamed && (event.purposes.isEmpty || event.purposes.covers(purpose))
        }
    }

    /// Whether a denial covers all channels or all purposes.
    static func isWide(_ denial: ConsentEvent) -> Bool {
        switch denial.kind {
        case .invalidate: false
        case .complaint, .reassigned, .erase: true
        default:
            isStop(denial) || denial.channels.isEmpty || denial.channels.isAll || denial.purposes.isEmpty
                || denial.purposes.isAll
        }
    }

    private static func isDenial(_ event: ConsentEvent) -> Bool {
        switch event.kind {
        case .refuse, .withdraw, .object, .revoke, .complaint, .invalidate, .reassigned, .erase: true
        default: false
        }
    }

    /// A withdrawal by SMS keyword.
    private static func isStop(_ event: ConsentEvent) -> Bool {
        event.kind == .withdraw && event.source == .smsKeyword
    }

    static func name(_ denial: ConsentEvent) -> Reason {
        if isStop(denial) { return .stop }
        switch denial.kind {
        case .refuse: return .refused
        case .object: return .objected
        case .revoke: return .revoked
        case .complaint: return .complaint
        case .invalidate: return .invalid
        case .reassigned: return .reassigned
        case .erase: return .erased
        default: return .withdrawn
        }
    }
}
