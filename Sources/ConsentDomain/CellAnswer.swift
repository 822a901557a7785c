// The decision about one cell, from the fold itself: what Explain, Preferences and CheckAt answer.
//
// Invariant: it is the decision that the index makes from the flattened state, with the finer reasons.

/// What is decided about one cell, and by what.
public struct CellAnswer: Hashable, Sendable {
    /// Why the decision is what it is.
    public var reason: Reason
    /// A `CellState`.
    public var stateCode: UInt8
    /// When the deciding act occurred; `.epoch` where nothing is on file.
    public var since = Timestamp.epoch
    /// Microseconds at which an allowed answer ends; 0: no end, or not allowed.
    public var validUntil: Int64 = 0
    /// Sequence of the deciding event; 0: none.
    public var sequence: UInt64 = 0
    /// Ordinal of the notice of a grant; 0: none.
    public var noticeOrdinal: UInt16 = 0
}

/// What a decision stands on beside the contact point's state.
public struct DecisionGround: Sendable {
    /// Controllers, purposes and notices.
    public var catalogue: Catalogue
    /// Made from the catalogue.
    public var checkGuard: CheckGuard
    /// Why marketing is indeterminate; nil: it is not.
    public var blocking: Reason?
    /// The time of the question.
    public var now: Timestamp

    /// From its parts.
    public init(catalogue: Catalogue, checkGuard: CheckGuard, blocking: Reason?, now: Timestamp) {
        self.catalogue = catalogue
        self.checkGuard = checkGuard
        self.blocking = blocking
        self.now = now
    }

    /// The decision about one cell.
    /// - Parameter statedClass: raw value of the class that the caller believes it sends; 0: as catalogued.
    public func answer(
        _ state: ContactState, _ channel: Channel, _ purpose: PurposeID, statedClass: UInt8 = 0
    ) -> CellAnswer {
        let cell = state.finding(channel: channel, purpose: purpose)
        var answer = CellAnswer(
            reason: .noRecord, stateCode: cell.outcome.code, since: cell.since ?? .epoch,
            sequence: cell.sequence, noticeOrdinal: cell.outcome.noticeOrdinal)
        switch checkGuard.answer(
            controller: state.controller.rawValue, channel: channel.rawValue, purpose: purpose.rawValue,
            claimedClass: statedClass, contactKind: state.kind.rawValue)
        {
        case .deny(let reason): answer.reason = reason
        case .proceed(let isService):
            if let blocking, !isService {
                answer.reason = blocking
                return answer
            }
            let query = CheckQuery(
                channel: channel.rawValue, purpose: purpose.rawValue, isService: isService,
                today: now.day.rawValue, now: now.microseconds)
            let notice = catalogue.notice(ordinal: cell.outcome.noticeOrdinal)
            let code = query.reason(
                for: cell.outcome, noticeInvalidFrom: notice?.invalidatedFrom.microseconds ?? .max)
            answer.reason = Reason(rawValue: code) ?? .noRecord
            if answer.reason == .noRecord {
                answer.reason = state.noRecordReason(
                    channel: channel, purpose: purpose, today: now.day
                ) { ordinal in
                    (catalogue.notice(ordinal: ordinal)?.invalidatedFrom).map { $0 <= now } ?? false
                }
            }
            if answer.reason == .consent, cell.outcome.untilDay != 0 {
                answer.validUntil = Day(rawValue: cell.outcome.untilDay).start.microseconds
            }
        }
        return answer
    }
}
