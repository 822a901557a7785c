// The law by definitions over the whole list of events: slow, without state, and written from the domain page
// alone. It shares nothing with the fold but the value types, so that the two can be held against each other.
//
// Vocabulary. A *request* is a grant that waits for its confirmation, an *act* a grant, a confirmation or a
// renewal that counts in a cell. A *denial* is any event that takes a consent away in a cell. A denial
// *beats* an act by order of occurrence, with the tie and five minutes of doubt between clocks going to the
// denial. A cell is granted while an act stands that no denial beats.
//
// Invariant: nothing here depends on the order of the array, only on sequences and times.

import ConsentDomain

/// What may be known when a question is asked again later.
enum Knowledge: Hashable {
    /// Everything.
    case everything
    /// Events recorded at this time or before.
    case time(Timestamp)
    /// Events up to this sequence.
    case sequence(UInt64)

    func covers(_ sequence: UInt64, recordedAt: Timestamp) -> Bool {
        switch self {
        case .everything: true
        case .time(let time): recordedAt <= time
        case .sequence(let last): sequence <= last
        }
    }
}

/// A change of the catalogue, as the model notes it down.
struct ModelCatalogueEntry: Hashable {
    enum Change: Hashable {
        case open(ControllerID)
        case close(ControllerID)
        case add(PurposeID, PurposeClass)
        case retire(PurposeID)
        case invalidate(notice: UInt16, from: Timestamp)
    }
    var sequence: UInt64
    var recordedAt: Timestamp
    var change: Change
}

/// One question about one contact point.
struct ModelQuestion: Hashable {
    var controller: ControllerID
    var channel: Channel
    var purpose: PurposeID
    /// The class that the caller believes it sends.
    var purposeClass: PurposeClass?
    var at: Timestamp
    var known = Knowledge.everything
}

/// The events of one contact point and the catalogue.
struct Model {
    var kind: ContactKind
    var events: [ConsentEvent]
    var catalogue: [ModelCatalogueEntry]

    /// Clocks differ by this much at most.
    static let clockDoubt: Int64 = 5 * 60 * 1_000_000

    /// The decision's reason, first hit wins.
    func answer(_ question: ModelQuestion) -> Reason {
        let entries = catalogue.filter { question.known.covers($0.sequence, recordedAt: $0.recordedAt) }
        let changes = entries.map(\.change)
        // Closing and retiring count from their own time on.
        let ended = entries.filter { $0.recordedAt <= question.at }.map(\.change)
        // 3. unknown or retired purpose, unknown or closed controller, class mismatch
        let classes = changes.compactMap { change -> PurposeClass? in
            if case .add(question.purpose, let purposeClass) = change { purposeClass } else { nil }
        }
        guard let purposeClass = classes.first else { return .unknownPurpose }
        if ended.contains(.retire(question.purpose)) { return .retiredPurpose }
        guard changes.contains(.open(question.controller)) else { return .unknownController }
        if ended.contains(.close(question.controller)) { return .closedController }
        if let stated = question.purposeClass, stated != purposeClass { return .classMismatch }
        // A channel that does not fit the address is no channel of this contact point.
        guard question.channel.contactKind == kind else { return .badChannel }
        let known = events.filter {
            question.known.covers($0.sequence, recordedAt: $0.recordedAt)
                && ($0.kind == .erase || $0.time <= question.at)
        }
        let view = ModelView(
            kind: kind, events: Self.sinceErasure(known), now: question.at, changes: changes)
        // 4. undeliverable on this channel
        if view.isUndeliverable(question.channel) { return .undeliverable }
        // 5. class service
        if purposeClass == .service { return .service }
        // 6 and 7. what takes the consent away, and the cell's state
        let reason = view.reason(question.channel, question.purpose)
        guard reason == .noRecord else { return reason }
        // 8. a grant next door
        if view.hasGrantNextDoor({ $0 != question.channel && $1 == question.purpose }) {
            return .otherChannel
        }
        if view.hasGrantNextDoor({ $0 == question.channel && $1 != question.purpose }) {
            return .otherPurpose
        }
        return .noRecord
    }

    /// An erasure destroys what came before it, other erasures excepted.
    private static func sinceErasure(_ events: [ConsentEvent]) -> [ConsentEvent] {
        let last = events.filter { $0.kind == .erase }.map(\.sequence).max() ?? 0
        return events.filter { $0.kind == .erase || $0.sequence > last }
    }
}

extension ConsentEvent {
    /// A future time is clamped to when it was recorded. An erasure counts from when it was recorded.
    var time: Timestamp {
        if kind == .erase { return recordedAt }
        return occurredAt.rawValue < recordedAt.rawValue ? occurredAt : recordedAt
    }
}

extension Day {
    /// 00:00 UTC of the day.
    var midnight: Timestamp { Timestamp(microseconds: Int64(rawValue) * 86_400_000_000) }
}
