// Reads about the past and the near future: what would have been answered, and what is due.

import ConsentDomain
import ConsentWire
import WireProtocol

/// Up to where the register is taken to be known in a question about the past.
public enum KnownAt: Hashable, Sendable {
    /// All that is known now.
    case now
    /// What was recorded at this time or before it.
    case time(Timestamp)
    /// The events up to this sequence.
    case sequence(UInt64)
}

extension ConsentClient {
    /// What the answer was at a time, as known at another, with the events that decide it.
    ///
    /// - Parameters:
    ///   - question: its class and minimum sequence are left aside.
    ///   - subject: one contact point, by address or key.
    ///   - time: the time asked about.
    ///   - known: up to where the register counts. The answer's `sequence` is that of the last event known.
    /// - Throws: any `ConsentClientError`; `.rejected` with `outOfRange` for a sequence not reached.
    public func checkAt(
        _ question: CheckQuestion, _ subject: Subject, at time: Timestamp, known: KnownAt = .now,
        timeout: Duration? = nil
    ) async throws(ConsentClientError) -> Explanation {
        let (contact, reference) = try Self.contact(subject)
        guard let contact, reference.isEmpty else {
            throw .invalidRequest("checkAt is about one contact point: name its address or key")
        }
        var request = Wire.CheckAtRequest(
            controller: question.controller.rawValue, channel: Wire.Channel(question.channel),
            purpose: question.purpose.rawValue, contact: contact, at: time.microseconds)
        switch known {
        case .now: break
        case .time(let time): request.knownAt = time.microseconds
        case .sequence(let sequence): request.knownAtSequence = sequence
        }
        let response = try await call(.checkAt, request, as: Wire.ExplainResponse.self, timeout: timeout)
        return Explanation(wire: response)
    }

    /// What is due: consents that end, double opt-ins that lapse, imports without proof, consents under an
    /// invalidated notice. In no order.
    ///
    /// - Parameter within: how far ahead ends and lapses count.
    /// - Returns: a sequence whose iteration throws `ConsentClientError`.
    public func review(controller: ControllerID, within: Duration) -> ReviewSequence {
        let (seconds, attoseconds) = within.components
        let microseconds = seconds.multipliedReportingOverflow(by: 1_000_000)
        return ReviewSequence(
            client: self,
            request: Wire.ReviewRequest(
                controller: controller.rawValue,
                within: microseconds.overflow
                    ? .max / 2 : microseconds.partialValue + attoseconds / 1_000_000_000_000))
    }
}

/// One reminder.
public struct ReviewEntry: Hashable, Sendable {
    /// The operator's own id of the person; empty: none is on file.
    public var reference: String
    /// What is due; nil for a number that this library does not know.
    public var kind: Reminder.Kind?
    /// When a consent ends or a double opt-in lapses; nil: it denies already.
    public var due: Timestamp?
    /// Sequence of the grant or import.
    public var event: UInt64
    /// Recipient key.
    public var key: RecipientKey?
    /// Kind of the contact point.
    public var contactKind: ContactKind?
    /// Channel.
    public var channel: Channel?
    /// Purpose.
    public var purpose: PurposeID?

    /// A reminder about a contact point; channel and purpose are set afterwards.
    public init(
        reference: String, kind: Reminder.Kind?, due: Timestamp?, event: UInt64, key: RecipientKey?
    ) {
        self.reference = reference
        self.kind = kind
        self.due = due
        self.event = event
        self.key = key
    }

    init(wire: Wire.ReviewItem) {
        reference = wire.reference
        kind = Reason(wire.reason).flatMap(Reminder.Kind.init)
        due = wire.due == 0 ? nil : Timestamp(microseconds: wire.due)
        event = wire.event
        key = wire.key.map { RecipientKey($0) }
        contactKind = ContactKind(wire.contactKind)
        channel = Channel(wire.channel)
        purpose = PurposeID(rawValue: wire.purpose)
    }
}

/// Reminders of one controller; see `ConsentClient.review`.
public struct ReviewSequence: AsyncSequence, Sendable {
    let client: ConsentClient
    let request: Wire.ReviewRequest

    /// One pass.
    public struct AsyncIterator: AsyncIteratorProtocol {
        /// Kept, so that the connection stays while the stream is read.
        let client: ConsentClient
        let stream: OpenStream

        /// The next reminder; nil after the last.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(ConsentClientError) -> ReviewEntry? {
            guard let body = try await stream.next() else { return nil }
            return ReviewEntry(wire: try ConsentClient.decode(body))
        }

        /// The next reminder; nil after the last.
        public mutating func next() async throws(ConsentClientError) -> ReviewEntry? {
            try await next(isolation: nil)
        }
    }

    /// Makes the call.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, stream: client.stream(.review, request, timeout: nil))
    }
}
