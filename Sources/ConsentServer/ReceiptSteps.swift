// The events section of a consent record after ISO/IEC TS 27560: what happened to one consent, one entry an
// event of the register, and one for each end that no event records (expiry, lapse, an invalidated notice).
//
//   event_time           when the act occurred, or the end took effect
//   event_type           the register's kind of event, and how: the act, or where it came from
//   event_state          state of consent that it leads to, in DPV's words
//   validity_duration    ISO 8601 interval; open where nothing ends it
//   entity_id            who acted: the person, or the controller
//
// Invariant: only a grant that waits for no confirmation, and a confirmation, say "given".

import ConsentDomain
import ConsentWire

extension ConsentReceipt {
    /// One entry.
    struct Step {
        var time: Timestamp
        var type: String
        var state: String
        var end = Day.none
        var entity: String
        /// nil for an end that no event records.
        var sequence: UInt64?
        /// Channels that a grant is about.
        var channels: [Channel] = []

        var json: JSONValue {
            let until = end == .none ? ".." : end.start.rfc3339
            var members: [JSONValue.Member] = [
                .init("event_time", .string(time.rfc3339)), .init("event_type", .string(type)),
                .init("event_state", .string(state)),
                .init("validity_duration", .string("\(time.rfc3339)/\(until)")),
                .init("entity_id", .string(entity)),
            ]
            if !channels.isEmpty {
                members.append(.init("x_channels", .strings(channels.map { EventText.name($0) })))
            }
            if let sequence { members.append(.init("x_sequence", .unsigned(sequence))) }
            return .object(members)
        }
    }
}

extension ConsentReceipt.Step {
    /// The entries of an event: two for a grant that waits for a confirmation on some of its channels only.
    static func steps(
        _ event: ConsentEvent, of controller: Controller, _ personal: PersonalPart
    ) -> [ConsentReceipt.Step] {
        let step = ConsentReceipt.Step(event, of: controller, personal)
        guard event.kind == .grant else { return [step] }
        var (direct, waiting) = (step, step)
        waiting.channels = event.channels.named.filter(event.pendingChannels.covers)
        waiting.state = "requested"
        waiting.end = event.lapseDay
        direct.channels = event.channels.named.filter { !event.pendingChannels.covers($0) }
        return [direct, waiting].filter { !$0.channels.isEmpty }
    }

    private init(_ event: ConsentEvent, of controller: Controller, _ personal: PersonalPart) {
        time = event.occurredAt
        sequence = event.sequence
        let way = event.act == .none ? EventText.name(event.source) : EventText.name(event.act)
        type = "\(EventText.name(event.kind)): \(way)"
        state =
            switch event.kind {
            case .grant, .confirm: "given"
            case .renew: "renewed"
            case .refuse: "refused"
            case .withdraw, .object, .complaint: "withdrawn"
            case .invalidate, .reassigned: "invalidated"
            default: "terminated"
            }
        if [.grant, .confirm, .renew].contains(event.kind) {
            end = [event.validityDay, event.retentionDay].filter { $0 != .none }.min() ?? .none
        }
        switch event.kind {
        case .revoke, .invalidate, .erase, .reassigned: entity = controller.code
        default: entity = ConsentReceipt.principal(personal)
        }
    }

    /// Whether a later event changes what a grant gave.
    static func concerns(_ other: ConsentEvent, _ grant: ConsentEvent) -> Bool {
        switch other.kind {
        case .confirm: return other.refersTo == grant.sequence
        case .contactSeen, .rekeyed, .unprovenImport, .deliverabilityCleared, .bounce: return false
        case .erase: return true
        default:
            let scope = other.denialScope
            return grant.channels.named.contains { scope.channels.covers($0) }
                && grant.purposes.named.contains { scope.purposes.covers($0) }
        }
    }

    /// The ends that took effect by now without an event.
    /// - Parameters:
    ///   - chain: the grant and the later events that concern it.
    ///   - contact: the fold over all events of the contact point.
    static func ends(
        of grant: ConsentEvent, chain: [ConsentEvent], _ contact: ContactState, _ notice: Notice?,
        _ controller: Controller, now: Timestamp
    ) -> [ConsentReceipt.Step] {
        var ends: [ConsentReceipt.Step] = []
        let sequences = Set(chain.map(\.sequence))
        let cells = contact.cells.filter {
            grant.channels.covers($0.channel) && grant.purposes.covers($0.purpose)
        }
        let expiries = cells.compactMap(contact.consent).filter { sequences.contains($0.sequence) }
            .map(contact.endDay)
        let lapses = cells.compactMap(\.pending).filter { sequences.contains($0.sequence) }
            .map(\.untilDay)
        for (days, type) in [(expiries, "expiry"), (lapses, "lapse")] {
            let over = days.filter { $0 != .none && $0.start <= now }
            guard let day = over.min() else { continue }
            ends.append(
                ConsentReceipt.Step(time: day.start, type: type, state: "expired", entity: controller.code))
        }
        if let notice, notice.invalidatedFrom <= now {
            ends.append(
                ConsentReceipt.Step(
                    time: max(notice.invalidatedFrom, grant.occurredAt), type: "notice_invalidated",
                    state: "invalidated", entity: controller.code))
        }
        return ends
    }
}
