// The naive model's view of one contact point: what had occurred by a time, of what was known.
//
// Invariant: acts stand in the order in which they were recorded.

import ConsentDomain

/// One act, at the time that counts.
struct ModelAct {
    var event: ConsentEvent
    /// Microseconds. No act lies in the future of its recording: what claims to is taken for now.
    var time: Int64
    var sequence: UInt64 { event.sequence }

    init(_ event: ConsentEvent) {
        self.event = event
        time = min(event.occurredAt.microseconds, event.recordedAt.microseconds)
    }

    /// Whether this came before another, in order of occurrence.
    func precedes(_ other: ModelAct) -> Bool { (time, sequence) < (other.time, other.sequence) }
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
                // History starts at the erasure: what was recorded before it is destroyed, and nobody can
                // tell any more what was in force earlier. It occurs when it is carried out.
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
    }

    /// A bounce or a new holder of the number makes a channel undeliverable. Only a clearance lifts that: one
    /// that occurred later, and that was recorded by somebody who could know of it. (The page does not say
    /// what a bounce means that becomes known after a clearance: it denies.)
    func isUndeliverable(_ channel: Channel) -> Bool {
        acts.contains { bad in
            guard bad.event.kind == .bounce || bad.event.kind == .reassigned, bad.reaches(channel) else {
                return false
            }
            return !acts.contains { clearance in
                clearance.event.kind == .deliverabilityCleared && clearance.sequence > bad.sequence
                    && clearance.time > bad.time && clearance.event.channels.covers(channel)
            }
        }
    }

    func isInvalid(notice: UInt16) -> Bool {
        guard let from = invalidFrom[notice] else { return false }
        return from <= now
    }

    /// Retention: when the person's contacts without a gap began, and when the time since the last of them
    /// runs out. Whatever it was about, the last contact counts, by the policy of its time. Once the time has
    /// run out before the next contact, what was given before has ended for good. (The page leaves open what
    /// a contact does that becomes known late: it counts where its own time reaches the contacts on file, and
    /// undoes no end that was met without it.)
    var retention: (since: Int64, end: Int64?) {
        var since = Int64.min
        var end: Int64?
        var last: Int64?
        for act in acts where act.isContact {
            let ownEnd = act.event.retentionDay == .none ? nil : startOfDay(act.event.retentionDay)
            guard let latest = last, act.time < latest else {
                let hasEnded = end.map { act.time >= $0 } ?? false
                if last == nil || hasEnded { since = act.time }
                last = act.time
                end = ownEnd ?? end
                continue
            }
            let reaches = ownEnd.map { $0 > since } ?? true
            if act.time < since && reaches { since = act.time }
        }
        return (since, end)
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

    /// A keyword sent by SMS.
    var isStop: Bool { event.kind == .withdraw && event.source == .smsKeyword }
}

/// 00:00 UTC, microseconds.
func startOfDay(_ day: Day) -> Int64 { Int64(day.rawValue) * 86_400 * 1_000_000 }
