// What the model sees of one contact point for one question: retention, deliverability, and the way from a
// cell's history to a reason.
//
// Invariant: a question is answered from the events that are given and nothing else.

import ConsentDomain

/// What is on file about a contact point, for one question.
struct ModelView {
    var kind: ContactKind
    var events: [ConsentEvent]
    var now: Timestamp
    var changes: [ModelCatalogueEntry.Change]

    /// 6 and 7: what takes the consent away, and the cell's state.
    func reason(_ channel: Channel, _ purpose: PurposeID) -> Reason {
        let cell = ModelCell(kind: kind, events: events, channel: channel, purpose: purpose)
        if let act = cell.rulingAct(before: .max) {
            if isOver(end(of: act, in: cell)) { return .expired }
            return invalidFrom(notice: cell.notice(of: act)) <= now ? .noticeInvalidated : .consent
        }
        if let request = cell.openRequest(before: .max) {
            return now >= request.lapseDay.midnight ? .lapsed : .pending
        }
        return denialReason(cell) ?? (cell.isUnproven ? .unproven : .noRecord)
    }

    /// An erasure shows first, then the latest denial of all channels or purposes, then the cell's own.
    private func denialReason(_ cell: ModelCell) -> Reason? {
        let denials = cell.denials(before: .max)
        if denials.contains(where: { $0.kind == .erase }) { return .erased }
        func latest(_ list: [ConsentEvent]) -> ConsentEvent? {
            list.max { ($0.time.rawValue, $0.sequence) < ($1.time.rawValue, $1.sequence) }
        }
        let wide = latest(denials.filter(ModelCell.isWide))
        return (wide ?? latest(denials)).map(ModelCell.name)
    }

    /// 8: whether a grant that has not ended stands in a cell that fits.
    func hasGrantNextDoor(_ fits: (Channel, PurposeID) -> Bool) -> Bool {
        for channel in Channel.allCases {
            for purpose in (1...63).compactMap({ PurposeID(rawValue: $0) }) where fits(channel, purpose) {
                let isNamed = events.contains { ModelCell.grantScope($0, kind, channel, purpose) }
                guard isNamed else { continue }
                let reason = reason(channel, purpose)
                if reason == .consent || reason == .noticeInvalidated { return true }
            }
        }
        return false
    }

    private func invalidFrom(notice: UInt16) -> Timestamp {
        changes.compactMap { change -> Timestamp? in
            guard case .invalidate(notice, let from) = change else { return nil }
            return from
        }.min() ?? .distantFuture
    }

    // MARK: Ends

    /// Validity and retention, the earlier of the two; `.none`: no end.
    private func end(of act: ConsentEvent, in cell: ModelCell) -> Day {
        ModelCell.earlier(cell.validity(of: act, before: .max), ModelCell.retention(events))
    }

    private func isOver(_ day: Day) -> Bool { day != .none && now >= day.midnight }

    // MARK: Deliverability

    /// A bounce or a reassignment makes a channel undeliverable until it is cleared: by a clearance that was
    /// recorded after it and occurred later.
    func isUndeliverable(_ channel: Channel) -> Bool {
        func concerns(_ event: ConsentEvent) -> Bool {
            event.channels.isEmpty || event.channels.covers(channel)
        }
        return events.contains { event in
            guard event.kind == .bounce || event.kind == .reassigned, concerns(event) else { return false }
            return !events.contains {
                $0.kind == .deliverabilityCleared && concerns($0) && $0.sequence > event.sequence
                    && $0.time.rawValue > event.time.rawValue
            }
        }
    }
}
