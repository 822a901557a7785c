// Writes. Each is durable when the method returns with a result whose `isDurable` is true.

import ConsentDomain
import ConsentWire
import WireProtocol

extension ConsentClient {
    /// Records a consent of one person for up to 8 of their contact points, all or nothing.
    ///
    /// - Returns: `.refused` with every reason where the grant does not pass the gate. For a channel with
    ///   double opt-in, `tokens` holds what `confirm` takes.
    /// - Throws: any `ConsentClientError`. After `.timedOut`, `.cancelled` or `.connectionLost` the grant may
    ///   be recorded: making it again with the same `eventID` is safe.
    public func grant(_ grant: Grant, timeout: Duration? = nil) async throws(ConsentClientError)
        -> WriteResult
    {
        let request = Wire.GrantRequest(
            eventId: Wire.Bytes16(grant.eventID ?? EventID.makeVersion7()),
            controller: grant.controller.rawValue,
            contacts: grant.contacts.map(Wire.WriteContact.init(client:)), channels: grant.channels.wireList,
            purposes: grant.purposes.wireList, notice: Wire.Bytes32(grant.notice),
            source: Wire.Source(rawValue: grant.source.rawValue), act: Wire.Act(rawValue: grant.act.rawValue),
            occurredAt: grant.occurredAt?.microseconds, reference: grant.reference, staff: grant.staff,
            memo: grant.memo.map { Wire.Bytes32($0) }, attestations: grant.attestations.rawValue,
            evidence: grant.evidence.isEmpty ? nil : Wire.Evidence(grant.evidence))
        return try await write(.grant, request, timeout)
    }

    /// Confirms a double opt-in.
    ///
    /// - Parameters:
    ///   - token: from the grant's result.
    ///   - occurredAt: when the person clicked; nil: now, by the server's clock.
    ///   - evidence: circumstances; erasable.
    ///   - eventID: nil: the client makes one.
    /// - Throws: any `ConsentClientError`.
    public func confirm(
        token: [UInt8], occurredAt: Timestamp? = nil, evidence: Evidence = Evidence(),
        eventID: EventID? = nil,
        timeout: Duration? = nil
    ) async throws(ConsentClientError) -> WriteResult {
        let request = Wire.ConfirmRequest(
            eventId: Wire.Bytes16(eventID ?? EventID.makeVersion7()), token: token,
            occurredAt: occurredAt?.microseconds, evidence: evidence.isEmpty ? nil : Wire.Evidence(evidence))
        return try await write(.confirm, request, timeout)
    }

    /// Records that the person took consent back.
    ///
    /// - Throws: any `ConsentClientError`; making it again with the same `eventID` is safe.
    public func withdraw(
        _ notice: RefusalNotice, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> WriteResult {
        try await write(.withdraw, try Self.wire(notice), timeout)
    }

    /// Records that the person said no when asked.
    ///
    /// - Throws: any `ConsentClientError`; making it again with the same `eventID` is safe.
    public func refuse(
        _ notice: RefusalNotice, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> WriteResult {
        try await write(.refuse, try Self.wire(notice), timeout)
    }

    /// Records that the person objected to marketing.
    ///
    /// - Throws: any `ConsentClientError`; making it again with the same `eventID` is safe.
    public func object(
        _ notice: RefusalNotice, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> WriteResult {
        try await write(.object, try Self.wire(notice), timeout)
    }

    /// Records any other event about contact points.
    ///
    /// - Parameters:
    ///   - kind: renew, invalidate, revoke, contactSeen, bounce, complaint, deliverabilityCleared or
    ///     reassigned.
    ///   - notice: whom and what it is about.
    ///   - act: of a renewal.
    ///   - memo: that the staff member read, of a renewal.
    ///   - attestations: of a renewal.
    /// - Throws: any `ConsentClientError`; making it again with the same `eventID` is safe.
    public func record(
        _ kind: EventKind, _ notice: RefusalNotice, act: Act = .none, memo: Digest32? = nil,
        attestations: Attestations = Attestations(), timeout: Duration? = nil
    ) async throws(ConsentClientError) -> WriteResult {
        let request = Wire.RecordRequest(
            kind: Wire.EventKind(rawValue: kind.rawValue), about: try Self.wire(notice),
            act: Wire.Act(rawValue: act.rawValue), memo: memo.map { Wire.Bytes32($0) },
            attestations: attestations.rawValue)
        return try await write(.record, request, timeout)
    }

    /// Records rows in bulk. The same rows again change nothing.
    ///
    /// - Parameters:
    ///   - rows: at most 4,096.
    ///   - dryRun: only say what would happen.
    /// - Throws: any `ConsentClientError`. A refused row is not an error of the call.
    public func importRows(
        _ rows: [ImportRow], dryRun: Bool = false, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> ImportResult {
        guard rows.count <= Wire.Limits.importRowsMax else {
            throw .invalidRequest(
                "\(rows.count) rows in one request, the limit is \(Wire.Limits.importRowsMax): split them")
        }
        let request = Wire.ImportRequest(rows: rows.map(Wire.ImportRow.init(client:)), dryRun: dryRun)
        let response = try await call(.import, request, as: Wire.ImportResponse.self, timeout: timeout)
        core.noteSequence(response.sequence)
        var result = ImportResult()
        result.sequence = response.sequence
        result.recorded = Int(response.recorded)
        result.repeated = Int(response.repeated)
        result.unproven = Int(response.unproven)
        result.refused = Int(response.refused)
        result.issues = response.issues.map { issue in
            ImportResult.Issue(
                index: Int(issue.index),
                refusals: issue.refusals.map { RefusalNote(wire: $0) })
        }
        return result
    }

    // MARK: Parts

    func write<Request: WireMessage>(
        _ method: Wire.Method, _ request: Request, _ timeout: Duration?
    ) async throws(ConsentClientError) -> WriteResult {
        do throws(ConsentClientError) {
            let response = try await call(method, request, as: Wire.WriteResponse.self, timeout: timeout)
            core.noteSequence(response.sequence)
            return WriteResult(response)
        } catch {
            guard case .rejected(let rejection) = error, !rejection.refusals.isEmpty else { throw error }
            return WriteResult(
                status: .refused, sequence: 0, eventIDs: [], sequences: [], refusals: rejection.refusals,
                tokens: [])
        }
    }

    private static func wire(_ notice: RefusalNotice) throws(ConsentClientError) -> Wire.RefusalRequest {
        var request = Wire.RefusalRequest(
            eventId: Wire.Bytes16(notice.eventID ?? EventID.makeVersion7()),
            controller: notice.controller.rawValue,
            channels: notice.channels.isAll ? [] : notice.channels.wireList,
            purposes: notice.purposes.isAll ? [] : notice.purposes.wireList,
            source: Wire.Source(rawValue: notice.source.rawValue),
            occurredAt: notice.occurredAt?.microseconds,
            notice: notice.notice.map { Wire.Bytes32($0) }, staff: notice.staff,
            evidence: notice.evidence.isEmpty ? nil : Wire.Evidence(notice.evidence))
        switch notice.subject {
        case .contacts(let contacts): request.contacts = contacts.map(Wire.WriteContact.init(client:))
        case .reference(let reference): request.reference = reference
        case .key: throw .invalidRequest("a write names an address or a reference, never a key")
        }
        return request
    }
}

extension WriteResult {
    init(_ response: Wire.WriteResponse) {
        status =
            switch response.status {
            case .recorded: .recorded
            case .repeated: .repeated
            default: .refused
            }
        sequence = response.sequence
        eventIDs = response.eventIds.map { EventID($0) }
        sequences = response.sequences
        refusals = response.refusals.map { RefusalNote(wire: $0) }
        tokens = response.tokens
    }
}

extension Wire.WriteContact {
    init(client contact: WriteContact) {
        self.init(kind: Wire.ContactKind(contact.kind), address: contact.address)
    }
}

extension Wire.ImportRow {
    init(client row: ImportRow) {
        self.init(
            kind: Wire.EventKind(rawValue: row.kind.rawValue), controller: row.controller.rawValue,
            contacts: row.contacts.map(Wire.WriteContact.init(client:)),
            channels: row.channels.isAll ? [] : row.channels.wireList,
            purposes: row.purposes.isAll ? [] : row.purposes.wireList,
            notice: row.notice.map { Wire.Bytes32($0) },
            source: Wire.Source(rawValue: row.source.rawValue), act: Wire.Act(rawValue: row.act.rawValue),
            occurredAt: row.occurredAt?.microseconds, reference: row.reference, staff: row.staff,
            memo: row.memo.map { Wire.Bytes32($0) }, attestations: row.attestations.rawValue,
            eventId: row.eventID.map { Wire.Bytes16($0) })
    }
}

extension EventID {
    /// A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then random bits, so that ids made one after
    /// the other lie next to each other in the register's lookup.
    public static func makeVersion7() -> EventID {
        var generator = SystemRandomNumberGenerator()
        return makeVersion7(milliseconds: UInt64(max(wallClockMicroseconds() / 1_000, 0)), using: &generator)
    }

    package static func makeVersion7(
        milliseconds: UInt64, using generator: inout some RandomNumberGenerator
    ) -> EventID {
        // Big-endian fields of the UUID's two halves; the id's words are the same bytes, little-endian.
        let front = milliseconds << 16 | 0x7000 | generator.next() & 0x0FFF
        let back = 0x8000_0000_0000_0000 | generator.next() >> 2
        return EventID(low: front.byteSwapped, high: back.byteSwapped)
    }
}
