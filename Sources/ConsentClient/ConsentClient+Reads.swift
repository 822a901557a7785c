// Reads: preferences, explanations, the catalogue, memos, proofs, heads, and how the server is.

import ConsentDomain
import ConsentProof
import ConsentWire
import WireProtocol

extension ConsentClient {
    /// State of every channel and purpose of a contact point, or of each recorded under a reference.
    ///
    /// - Parameter subject: one contact point, a key, or a reference.
    /// - Throws: any `ConsentClientError`.
    public func preferences(
        controller: ControllerID, of subject: Subject, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> Preferences {
        var request = Wire.PreferencesRequest(controller: controller.rawValue)
        (request.contact, request.reference) = try Self.contact(subject)
        let response = try await call(
            .preferences, request, as: Wire.PreferencesResponse.self, timeout: timeout)
        return Preferences(
            sequence: response.sequence, now: Timestamp(microseconds: response.now),
            contacts: response.contacts.map(ContactPreferences.init(wire:)))
    }

    /// A check's answer with its finer reason and the events that decide it, with their wording.
    ///
    /// - Throws: any `ConsentClientError`.
    public func explain(
        _ question: CheckQuestion, _ subject: Subject, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> Explanation {
        let (contact, reference) = try Self.contact(subject)
        guard let contact, reference.isEmpty else {
            throw .invalidRequest("explain is about one contact point: name its address or key")
        }
        let request = Wire.ExplainRequest(
            controller: question.controller.rawValue, channel: Wire.Channel(question.channel),
            purpose: question.purpose.rawValue,
            class: Wire.PurposeClass(rawValue: question.purposeClass?.rawValue ?? 0), contact: contact)
        let response = try await call(.explain, request, as: Wire.ExplainResponse.self, timeout: timeout)
        return Explanation(wire: response)
    }

    /// Every event of a contact point or reference, oldest first, as a stream.
    ///
    /// - Parameter wording: whether each event carries the text that the person was shown.
    /// - Returns: a sequence whose iteration throws `ConsentClientError`.
    public func history(
        controller: ControllerID, of subject: Subject, wording: Bool = false, timeout: Duration? = nil
    ) throws(ConsentClientError) -> EventSequence {
        var request = Wire.HistoryRequest(controller: controller.rawValue, wording: wording)
        (request.contact, request.reference) = try Self.contact(subject)
        return EventSequence(client: self, request: request, timeout: timeout)
    }

    /// What `proof` is asked for.
    public enum ProofSubject: Hashable, Sendable {
        /// The event with this sequence.
        case event(UInt64)
        /// The newest grant of a contact point; nil: on any channel, for any purpose.
        case newestGrant(ControllerID, Subject, Channel?, PurposeID?)
    }

    /// All that is needed to verify one event offline; see `ProofFile`.
    ///
    /// - Throws: any `ConsentClientError`; `.rejected` with `notFound` where there is no such event.
    public func proof(
        of subject: ProofSubject, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> EventProof {
        var request = Wire.ProofRequest()
        switch subject {
        case .event(let sequence): request.sequence = sequence
        case .newestGrant(let controller, let subject, let channel, let purpose):
            request.controller = controller.rawValue
            request.contact = try Self.contact(subject).contact
            request.channel = channel.map { Wire.Channel($0) } ?? .all
            request.purpose = purpose?.rawValue ?? 0
        }
        let response = try await call(.proof, request, as: Wire.ProofResponse.self, timeout: timeout)
        return EventProof(
            leaf: response.leaf, personal: response.personal, salt: response.salt, opening: response.opening,
            notice: response.notice, path: response.path.map(\.bytes),
            head: try SignedHead(wire: response.head),
            event: RecordedEvent(wire: response.event))
    }

    /// A signed head of the log.
    ///
    /// - Parameter since: also prove that the log of this size is a prefix; 0: no proof.
    /// - Parameter keptUntil: the last head that the server kept until this time; nil: a new one.
    /// - Throws: any `ConsentClientError`; `.rejected` with `notFound` where none was kept until then.
    public func head(
        since: UInt64 = 0, keptUntil: Timestamp? = nil, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> LogHead {
        let request = Wire.HeadRequest(since: since, keptUntil: keptUntil?.microseconds)
        let response = try await call(.head, request, as: Wire.HeadResponse.self, timeout: timeout)
        return LogHead(
            head: try SignedHead(wire: response.head), consistency: response.consistency.map(\.bytes))
    }

    /// What staff read before they confirm a consent.
    ///
    /// - Parameter locale: BCP 47; French or English.
    /// - Throws: any `ConsentClientError`.
    public func memo(locale: String, timeout: Duration? = nil) async throws(ConsentClientError) -> StaffMemo {
        let request = Wire.MemoRequest(locale: locale)
        let response = try await call(.memo, request, as: Wire.MemoResponse.self, timeout: timeout)
        return StaffMemo(id: Digest32(response.id), locale: response.locale, text: response.text)
    }

    /// Whether the server serves. Needs no credential.
    ///
    /// - Throws: any `ConsentClientError`.
    public func health(timeout: Duration? = nil) async throws(ConsentClientError) -> ServerHealth {
        let response = try await call(.health, Wire.Empty(), as: Wire.HealthResponse.self, timeout: timeout)
        return ServerHealth(
            state: ServingState(rawValue: response.state.rawValue) ?? .notServing,
            sequence: response.sequence,
            message: response.message)
    }

    /// Counts of the server.
    ///
    /// - Throws: any `ConsentClientError`.
    public func stats(timeout: Duration? = nil) async throws(ConsentClientError) -> ServerStats {
        let response = try await call(.stats, Wire.Empty(), as: Wire.StatsResponse.self, timeout: timeout)
        return ServerStats(wire: response)
    }

    /// A copy of the register, in pieces; the last one states the size and the head that it ends with.
    ///
    /// - Returns: a sequence whose iteration throws `ConsentClientError`.
    public func backup() -> BackupSequence { BackupSequence(client: self) }

    static func contact(
        _ subject: Subject
    ) throws(ConsentClientError) -> (contact: Wire.ContactPoint?, reference: String) {
        switch subject {
        case .contacts(let contacts):
            guard let contact = contacts.first, contacts.count == 1 else {
                throw .invalidRequest("a read is about one contact point, not \(contacts.count)")
            }
            return (Wire.ContactPoint(kind: Wire.ContactKind(contact.kind), address: contact.address), "")
        case .key(let key, let kind):
            return (Wire.ContactPoint(kind: Wire.ContactKind(kind), key: Wire.Bytes16(key)), "")
        case .reference(let reference): return (nil, reference)
        }
    }
}
