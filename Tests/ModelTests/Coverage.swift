// What a comparison has met: each reason, in answers about the present and about the past; each kind of
// event; each situation in which an order of events may go wrong. A comparison that never met one of them is
// blind to it, and says so.

import ConsentDomain

/// Counts of what was met.
struct Coverage: CustomStringConvertible {
    /// What makes the order of events matter.
    enum Situation: CaseIterable {
        /// Recorded after something that occurred later.
        case late
        /// The same as an earlier event, once more.
        case repeated
        /// At the same microsecond as another.
        case sameMicrosecond
        /// A denial that occurred up to five minutes before a grant and was recorded after it.
        case clocksApart
        /// Claims to occur after its recording.
        case future
        /// Proven, by import.
        case provenImport
        /// Under another key of the contact point than an earlier event.
        case anotherKey
        /// The catalogue gets a purpose after a refusal of ALL.
        case purposeAfterRefusalOfAll
        /// A number is granted anew after it changed hands.
        case grantAfterReassignment
        /// Something is recorded after an erasure.
        case afterErasure
        /// A request while another waits, or where a consent stands.
        case secondRequest
        /// A click on a token that was clicked before.
        case secondClick
    }

    private var present: [Reason: Int] = [:]
    private var past: [Reason: Int] = [:]
    private var kinds: [EventKind: Int] = [:]
    private var situations: [Situation: Int] = [:]

    /// Every count with its name, zeros included. What is about a whole server is left out.
    var counts: [(name: String, count: Int)] {
        let elsewhere: Set<Reason> = [.notFresh, .loading, .restored, .integrityFailure, .unavailable]
        let reasons = Reason.allCases.filter { !elsewhere.contains($0) }
        // Notices and controllers stand at the beginning of each log; `restored` is about a whole register.
        let kinds = EventKind.allCases.filter { $0 != .noticePut && $0 != .restored }
        return reasons.map { ("\($0)", present[$0] ?? 0) } + reasons.map { ("past \($0)", past[$0] ?? 0) }
            + kinds.map { ("event \($0)", self.kinds[$0] ?? 0) }
            + Situation.allCases.map { ("situation \($0)", situations[$0] ?? 0) }
    }

    var description: String {
        "met: " + counts.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
    }

    /// An answer.
    mutating func count(_ reason: Reason, isPast: Bool) {
        if isPast { past[reason, default: 0] += 1 } else { present[reason, default: 0] += 1 }
    }

    /// A line of a log.
    mutating func count(_ entry: Entry, after earlier: ArraySlice<Entry>) {
        switch entry.content {
        case .change(let change):
            kinds[Self.kind(of: change), default: 0] += 1
            let hasRefusal = earlier.contains { line in
                guard case .act(_, let event) = line.content else { return false }
                return [.refuse, .withdraw, .object].contains(event.kind)
                    && (event.purposes.isAll || event.purposes.isEmpty)
            }
            if case .add = change, hasRefusal { situations[.purposeAfterRefusalOfAll, default: 0] += 1 }
        case .act(let subject, let event):
            kinds[event.kind, default: 0] += 1
            let others = earlier.compactMap { line -> ConsentEvent? in
                if case .act(subject, let other) = line.content { other } else { nil }
            }
            for situation in Situation.allCases where Self.holds(situation, event, others) {
                situations[situation, default: 0] += 1
            }
        }
    }

    private static func kind(of change: Entry.Change) -> EventKind {
        switch change {
        case .open, .close: .controllerPut
        case .add, .retire: .purposePut
        case .publish: .noticePut
        case .invalidate: .noticeInvalidated
        }
    }

    private static func holds(
        _ situation: Situation, _ event: ConsentEvent, _ others: [ConsentEvent]
    ) -> Bool {
        let time = min(event.occurredAt, event.recordedAt)
        let isRequest = event.kind == .grant && event.lapseDay != .none
        switch situation {
        case .late: return others.contains { $0.occurredAt > time && $0.recordedAt > time }
        case .repeated:
            return others.contains { other in
                var copy = event
                copy.sequence = other.sequence
                copy.recordedAt = other.recordedAt
                return copy == other
            }
        case .sameMicrosecond: return others.contains { $0.occurredAt == event.occurredAt }
        case .clocksApart:
            let limit = time.adding(microseconds: 300_000_000)
            return event.kind.isRefusal
                && others.contains {
                    $0.kind == .grant && time < $0.occurredAt && $0.occurredAt <= limit
                }
        case .future: return event.occurredAt > event.recordedAt
        case .provenImport: return event.kind == .grant && event.via == .import
        case .anotherKey: return others.contains { $0.keyEpoch != event.keyEpoch }
        case .purposeAfterRefusalOfAll: return false
        case .grantAfterReassignment:
            return event.kind == .grant && others.contains { $0.kind == .reassigned && $0.occurredAt < time }
        case .afterErasure: return others.contains { $0.kind == .erase }
        case .secondRequest: return isRequest && others.contains { $0.kind == .grant }
        case .secondClick:
            return event.kind == .confirm
                && others.contains { $0.kind == .confirm && $0.refersTo == event.refersTo }
        }
    }
}
