// The catalogue's own events, and with them the answers about the past: CheckAt.
//
// What was known is a prefix of the log; what was in force then is for `Hindsight`; the decision is that of
// Explain. Invariant: a catalogue of the past that is kept is used again only where the same events count.

/// Where CheckAt stands: the time asked about, and the last event that was known.
public struct PastPoint: Hashable, Sendable {
    /// The time asked about.
    public var time: Timestamp
    /// Sequence.
    public var known: UInt64

    /// From its parts.
    public init(time: Timestamp, known: UInt64) {
        self.time = time
        self.known = known
    }
}

/// The catalogue's own events in order, for one thread.
public final class CatalogueHistory {
    /// With their payloads.
    public private(set) var events: [ConsentEvent] = []

    /// A catalogue of the past that was made last.
    private struct Past {
        /// Events that were known.
        var known: Int
        /// Places of those that had not occurred yet.
        var late: [Int]
        var catalogue: Catalogue
        var checkGuard: CheckGuard
    }
    private var last: Past?

    /// No events.
    public init() {}

    /// Takes in what was recorded since.
    public func append(_ more: some Sequence<ConsentEvent>) { events += more }

    /// The catalogue of a time, as it was known at a sequence, with what decides about whole requests. It is
    /// made anew only where other events count than the last time.
    public func catalogue(
        _ point: PastPoint
    ) throws(CanonicalFormError) -> (catalogue: Catalogue, checkGuard: CheckGuard) {
        let prefix = events.prefix { $0.sequence <= point.known }
        let late = prefix.indices.filter { prefix[$0].clampedOccurredAt > point.time }
        if let last, last.known == prefix.count, last.late == late {
            return (last.catalogue, last.checkGuard)
        }
        let catalogue = try Hindsight.catalogue(prefix, at: point.time)
        let checkGuard = CheckGuard(catalogue)
        last = Past(known: prefix.count, late: late, catalogue: catalogue, checkGuard: checkGuard)
        return (catalogue, checkGuard)
    }

    /// CheckAt: what was in force in one cell at a time, as it was known.
    /// - Parameters:
    ///   - state: the contact point's, from `Hindsight.state` at the same point.
    ///   - blocking: why marketing is indeterminate; nil: it is not.
    public func checkAt(
        _ point: PastPoint, _ state: ContactState, _ channel: Channel, _ purpose: PurposeID,
        statedClass: UInt8 = 0, blocking: Reason? = nil
    ) throws(CanonicalFormError) -> (answer: CellAnswer, catalogue: Catalogue) {
        let (catalogue, checkGuard) = try catalogue(point)
        let ground = DecisionGround(
            catalogue: catalogue, checkGuard: checkGuard, blocking: blocking, now: point.time)
        return (ground.answer(state, channel, purpose, statedClass: statedClass), catalogue)
    }

    /// The newest event, as known at a sequence, that a decision about a whole request or notice rests on.
    public func deciding(
        _ reason: Reason, known: UInt64, controller: ControllerID, purpose: PurposeID, notice: NoticeID?
    ) -> ConsentEvent? {
        events.last { event in
            guard event.sequence <= known else { return false }
            switch (reason, event.kind) {
            case (.noticeInvalidated, .noticeInvalidated):
                return (try? NoticeInvalidation(decoding: event.payload))?.id == notice && notice != nil
            case (.retiredPurpose, .purposePut):
                return (try? Purpose(decoding: event.payload))?.id == purpose
            case (.closedController, .controllerPut):
                return (try? Controller(decoding: event.payload))?.id == controller
            default: return false
            }
        }
    }
}
