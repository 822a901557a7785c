// The naive model's view of one contact point: what had occurred by a time, of what was known.
//
// Invariant: acts stand in order of occurrence; at the same microsecond what gives stands before what takes,
// so that what takes has the last word.

import ConsentDomain

/// One act, at the time that counts.
struct ModelAct {
    var event: ConsentEvent
    /// Microseconds. No act lies in the future of its recording: what claims to is taken for now.
    var time: Int64

    init(_ event: ConsentEvent) {
        self.event = event
        time = min(event.occurredAt.microseconds, event.recordedAt.microseconds)
    }

    /// Ends consents, or keeps them from beginning.
    var takes: Bool {
        switch event.kind {
        case .refuse, .withdraw, .object, .complaint, .revoke, .invalidate, .reassigned: true
        default: false
        }
    }
}

/// What is on file about one contact point.
struct ModelFile {
    private(set) var acts: [ModelAct] = []
    /// When the person was erased for the last time, microseconds; nil: never.
    private(set) var erasedAt: Int64?
    /// The moment asked about, microseconds.
    let now: Int64
    /// From when on each notice is invalid, microseconds.
    private var invalidFrom: [UInt16: Int64] = [:]

    /// Of entries that are all known.
    init(_ known: [Entry], of subject: Subject, at now: Int64) {
        self.now = now
        for entry in known {
            switch entry.content {
            case .act(subject, let event) where event.kind == .erase:
                // The fold of history starts at the erasure: what was recorded before it is destroyed, and
                // nobody can tell any more what was in force earlier. It occurs when it is carried out.
                erasedAt = entry.recordedAt.microseconds
                acts = []
            case .act(subject, let event):
                acts.append(ModelAct(event))
            case .change(.invalidate(let notice, let from)):
                // Effective from the time it states, whenever it was recorded; the earliest counts.
                invalidFrom[notice] = min(invalidFrom[notice] ?? .max, from.microseconds)
            default: break
            }
        }
        acts.removeAll { $0.time > now }
        acts.sort { left, right in
            if left.time != right.time { return left.time < right.time }
            if left.takes != right.takes { return right.takes }
            return left.event.sequence < right.event.sequence
        }
    }

    // MARK: Delivery

    /// A bounce or a new holder of the number makes a channel undeliverable, a clearance lifts that; the last
    /// of them counts, and at the same microsecond the one that denies.
    func isUndeliverable(_ channel: Channel) -> Bool {
        var last: (time: Int64, isBad: Bool) = (.min, false)
        for act in acts {
            switch act.event.kind {
            case .bounce, .reassigned:
                if act.reaches(channel) { last = (act.time, true) }
            case .deliverabilityCleared:
                // It lifts what it names; unlike a denial, it does not mean more than it says.
                guard act.event.channels.covers(channel) else { continue }
                if act.time > last.time || !last.isBad { last = (act.time, false) }
            default: break
            }
        }
        return last.isBad
    }

    // MARK: Notices and the two clocks

    func isInvalid(notice: UInt16, at time: Int64) -> Bool {
        guard let from = invalidFrom[notice] else { return false }
        return from <= time
    }

    /// Whether the time since the person's last contact ran out between an act that gave a consent and a
    /// later time. The last contact counts, whatever it was about; a contact after the end comes too late.
    func retentionEnded(since given: ModelAct, by time: Int64) -> Bool {
        var end: Int64?
        var isAfter = false
        for act in acts where act.time <= time && (act.isContact || act.event.sequence == given.event.sequence) {
            if isAfter, let reached = end, act.time >= reached { return true }
            if act.event.retentionDay != .none { end = startOfDay(act.event.retentionDay) }
            guard act.event.sequence == given.event.sequence else { continue }
            isAfter = true
            // What ran out before this consent does not concern it.
            if let reached = end, reached <= act.time { end = nil }
        }
        guard let reached = end else { return false }
        return time >= reached
    }
}

extension ModelAct {
    /// The person was heard of: seen, or gave something. A request that waits for a confirmation may come
    /// from anybody.
    var isContact: Bool {
        switch event.kind {
        case .contactSeen, .confirm, .renew: true
        case .grant: !event.channels.subtracting(event.pendingChannels).isEmpty
        default: false
        }
    }

    /// Whether a denial concerns a channel: one that names none, or all, concerns each.
    func reaches(_ channel: Channel) -> Bool { event.channels.isEmpty || event.channels.covers(channel) }

    /// Whether a denial concerns a purpose, in the same way; purposes added later included.
    func reaches(_ purpose: PurposeID) -> Bool { event.purposes.isEmpty || event.purposes.covers(purpose) }

    /// Whether the act names the cell itself: what gives never means more than it names.
    func names(_ channel: Channel, _ purpose: PurposeID) -> Bool {
        event.channels.contains(ChannelSet([channel])) && event.purposes.contains(PurposeSet([purpose]))
    }
}

/// 00:00 UTC, microseconds.
func startOfDay(_ day: Day) -> Int64 { Int64(day.rawValue) * 86_400 * 1_000_000 }
