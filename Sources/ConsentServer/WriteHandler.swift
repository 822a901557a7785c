// Calls that append events about contact points: decoded here, on the event loop; executed by the writer
// thread.

import ConsentDomain
import ConsentWire
import WireProtocol

enum WriteHandler {
    static func grant(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.GrantRequest(decoding: body)
        var command = WriteDraft(connection, .grant, controller: request.controller)
        command.eventID = request.eventId
        command.contacts = request.contacts
        command.setCells(request.channels, request.purposes, unknownMeansAll: false)
        command.notice = request.notice.isZero ? nil : request.notice
        command.source = request.source
        command.act = request.act
        command.occurredAt = request.occurredAt
        command.reference = request.reference
        command.staff = request.staff
        command.memo = request.memo
        command.attestations = request.attestations
        command.evidence = request.evidence
        enqueue(connection, header, .write(try command.finished()))
    }

    static func confirm(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.ConfirmRequest(decoding: body)
        var command = WriteDraft(connection, .confirm, controller: 0)
        command.eventID = request.eventId
        command.token = request.token
        command.act = .confirmationClick
        command.occurredAt = request.occurredAt
        command.evidence = request.evidence
        enqueue(connection, header, .write(try command.finished()))
    }

    /// Withdraw, Refuse, Object.
    static func refusal(
        _ kind: EventKind, _ connection: Connection, _ header: FrameHeader, _ body: RawSpan
    ) throws(WireError) {
        let request = try Wire.RefusalRequest(decoding: body)
        enqueue(connection, header, .write(try draft(kind, connection, request).finished()))
    }

    static func record(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.RecordRequest(decoding: body)
        guard let kind = EventKind(rawValue: request.kind.rawValue), recordable.contains(kind) else {
            connection.reject(
                header.stream, .invalidArgument,
                "Record takes renew, invalidate, revoke, contact_seen, bounce, complaint, deliverability_cleared and "
                    + "reassigned, not \(request.kind)")
            return connection.endCall(header.stream)
        }
        var command = draft(kind, connection, request.about)
        command.act = request.act
        command.memo = request.memo
        command.attestations = request.attestations
        enqueue(connection, header, .write(try command.finished()))
    }

    static func erase(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.EraseRequest(decoding: body)
        var command = WriteDraft(connection, .erase, controller: request.controller)
        command.eventID = request.eventId
        command.contacts = request.contacts
        command.reference = request.reference
        command.channels = .all
        command.purposes = .all
        command.restrictUntil = request.restrictUntil
        let finished = try command.finished()
        let controller = finished.controller
        let whom: AuditEntry.Whom =
            finished.contacts.isEmpty
            ? .subject(
                .reference(
                    connection.core.keyring.referenceKey(controller: controller, finished.reference)))
            : .contacts(finished.contacts.map(\.personal.key))
        AuditEntry(.erase, controller, whom).log(connection)
        enqueue(connection, header, .write(finished))
    }

    static func retireLapsed(
        _ connection: Connection, _ header: FrameHeader, _ body: RawSpan
    ) throws(WireError) {
        let request = try Wire.RetireLapsedRequest(decoding: body)
        let controller = ControllerID(rawValue: request.controller)
        guard connection.controller(controller, of: header) != nil else { return }
        let step = RetireLapsed(
            controller: controller,
            proofMonths: request.proofMonths == 0
                ? RetireLapsed.defaultProofMonths : Int(request.proofMonths),
            isDryRun: request.dryRun,
            after: request.after.flatMap { high in
                high == RetireLapsed.beginning ? nil : SlotKey(low: .max, high: high)
            }, client: connection.access.clientName)
        if !step.isDryRun { AuditEntry(.retireLapsed, controller, .everyone).log(connection) }
        enqueue(connection, header, .retireLapsed(step))
    }

    static func importRows(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError)
    {
        let request = try Wire.ImportRequest(decoding: body)
        guard request.rows.count <= Wire.Limits.importRowsMax else {
            throw .overLimit(name: "rows", value: request.rows.count, limit: Wire.Limits.importRowsMax)
        }
        var rows: [ImportRowCommand] = []
        rows.reserveCapacity(request.rows.count)
        for (position, row) in request.rows.enumerated() {
            rows.append(ImportRowCommand(index: UInt32(position), command: command(of: row, connection)))
        }
        enqueue(connection, header, .importRows(rows, dryRun: request.dryRun))
    }

    // MARK: Decoding

    private static let recordable: Set<EventKind> = [
        .renew, .invalidate, .revoke, .contactSeen, .bounce, .complaint, .deliverabilityCleared, .reassigned,
    ]
    private static let importable: Set<EventKind> = [
        .grant, .refuse, .withdraw, .object, .complaint, .bounce, .contactSeen,
    ]

    private static func draft(
        _ kind: EventKind, _ connection: Connection, _ request: Wire.RefusalRequest
    ) -> WriteDraft {
        var command = WriteDraft(connection, kind, controller: request.controller)
        command.eventID = request.eventId
        command.contacts = request.contacts
        command.reference = request.reference
        command.setCells(request.channels, request.purposes, unknownMeansAll: kind.isRefusal)
        command.source = request.source
        command.occurredAt = request.occurredAt
        command.notice = request.notice
        command.staff = request.staff
        command.evidence = request.evidence
        return command
    }

    private static func command(
        of row: Wire.ImportRow, _ connection: Connection
    ) -> Result<WriteCommand, ImportRowCommand.RowError> {
        guard let kind = EventKind(rawValue: row.kind.rawValue), importable.contains(kind) else {
            return .failure(
                ImportRowCommand.RowError(refusals: [
                    RefusalFinding(.notSpecific, subject: "event \(row.kind)")
                ]))
        }
        var command = WriteDraft(connection, kind, controller: row.controller)
        command.via = .import
        command.eventID = row.eventId
        command.contacts = row.contacts
        command.setCells(row.channels, row.purposes, unknownMeansAll: kind.isRefusal)
        command.notice = row.notice
        command.source = row.source
        command.act = row.act
        command.occurredAt = row.occurredAt
        command.reference = row.reference
        command.staff = row.staff
        command.memo = row.memo
        command.attestations = row.attestations
        do throws(WireError) {
            return .success(try command.finished())
        } catch {
            return .failure(
                ImportRowCommand.RowError(refusals: [RefusalFinding(.badText, subject: "\(error)")]))
        }
    }

    /// Queues a write; turns it away when the queue is full.
    static func enqueue(_ connection: Connection, _ header: FrameHeader, _ operation: WriteOperation) {
        let job = WriteJob(call: CallContext(connection, header), operation: operation)
        switch connection.core.pipeline.enqueue(job) {
        case .queued: return
        case .full:
            connection.reject(
                header.stream, .resourceExhausted,
                "\(connection.core.limits.queuedWritesMax) writes are waiting: try again", notExecuted: true,
                retryAfterMicroseconds: 50_000)
        case .stopped:
            connection.reject(
                header.stream, .unavailable, "the server is stopping: connect again", notExecuted: true)
        }
        connection.endCall(header.stream)
    }
}

/// A write while its fields are collected.
private struct WriteDraft {
    let connection: Connection
    let kind: EventKind
    let controller: ControllerID
    var via = Via.live
    var eventID: Wire.Bytes16?
    var contacts: [Wire.WriteContact] = []
    var channels = ChannelSet()
    var purposes = PurposeSet()
    var hasUnknownChannel = false
    var hasUnknownPurpose = false
    var notice: Wire.Bytes32?
    var source = Wire.Source.unspecified
    var act = Wire.Act.none
    var occurredAt: Int64?
    var reference = ""
    var staff = ""
    var memo: Wire.Bytes32?
    var attestations: UInt8 = 0
    var evidence: Wire.Evidence?
    var token: [UInt8] = []
    var restrictUntil: Int64?

    init(_ connection: Connection, _ kind: EventKind, controller: UInt32) {
        self.connection = connection
        self.kind = kind
        self.controller = ControllerID(rawValue: controller)
    }

    mutating func setCells(_ channels: [Wire.Channel], _ purposes: [UInt8], unknownMeansAll: Bool) {
        if let set = ChannelSet(channels, unknownMeansAll: unknownMeansAll) {
            self.channels = set
        } else {
            hasUnknownChannel = true
        }
        if let set = PurposeSet(purposes, unknownMeansAll: unknownMeansAll) {
            self.purposes = set
        } else {
            hasUnknownPurpose = true
        }
    }

    /// Normalises, keys and hashes.
    func finished() throws(WireError) -> WriteCommand {
        var copy = self
        copy.dropWhatMayNotBeKept()
        return try copy.made()
    }

    /// A refusal is never turned away for the texts that come with it: what may not be kept is left out.
    private mutating func dropWhatMayNotBeKept() {
        guard kind != .grant && kind != .renew && kind != .confirm else { return }
        let limit = Wire.Limits.textBytesMax
        if staff.utf8.count > limit { staff = "" }
        if reference.utf8.count > limit && !contacts.isEmpty { reference = "" }
        if let evidence,
            TextRules.problem(evidence: Evidence(evidence), reference: "", staff: "") != nil
        {
            self.evidence = nil
        }
    }

    private func made() throws(WireError) -> WriteCommand {
        try check("contacts", contacts.count, Wire.Limits.contactsMax)
        let limit = Wire.Limits.textBytesMax
        try check("reference", reference.utf8.count, limit)
        try check("staff", staff.utf8.count, limit)
        if let evidence {
            try check("ip", evidence.ip.utf8.count, limit)
            try check("user_agent", evidence.userAgent.utf8.count, limit)
            try check("url", evidence.url.utf8.count, limit)
            try check("template_values", evidence.templateValues.utf8.count, limit)
        }
        var addresses: [ContactAddress] = []
        var problems: [DraftContact] = []
        for contact in contacts {
            let isEmail = contact.address.utf8.contains(UInt8(ascii: "@"))
            let kind = ContactKind(contact.kind) ?? (isEmail ? .email : .phone)
            do throws(AddressError) {
                addresses.append(
                    try ContactAddress(
                        kind: kind, text: contact.address, region: kind == .phone ? region : nil))
            } catch {
                problems.append(DraftContact(kind: kind, problem: error))
            }
        }
        let mac = contentMAC(addresses)
        var command = WriteCommand(
            kind: kind, controller: controller, eventID: eventID.map(EventID.init) ?? mac, contentMAC: mac,
            contacts: [])
        command.badContacts = problems
        command.reference = reference
        command.channels = channels
        command.purposes = purposes
        command.hasUnknownChannel = hasUnknownChannel
        command.hasUnknownPurpose = hasUnknownPurpose
        command.source = Source(rawValue: source.rawValue) ?? .unspecified
        command.act = Act(rawValue: act.rawValue) ?? .none
        command.via = via
        command.occurredAt = Timestamp(wire: occurredAt)
        command.notice = notice.map(Digest32.init)
        command.staff = staff
        command.memo = memo.map(Digest32.init)
        command.attestations = Attestations(rawValue: attestations)
        command.evidence = evidence.map { Evidence($0).truncated } ?? Evidence()
        command.token = token
        command.restrictUntil = Timestamp(wire: restrictUntil)
        command.client = connection.access.clientName
        command.arrivedAt = connection.core.clock.now
        command.contacts = addresses.enumerated().map { subject($1, of: command, position: $0) }
        return command
    }

    /// Region whose national phone numbers the controller's writes may hold.
    private var region: PhoneRegion? {
        connection.catalogue.catalogue.controllers[controller].flatMap { PhoneRegion(code: $0.region) }
    }

    private func subject(_ address: ContactAddress, of command: WriteCommand, position: Int) -> WriteSubject {
        let keyring = connection.core.keyring
        let index = connection.core.index
        let (key, epoch) = address.normalised.withUnsafeBytes {
            keyring.home(controller: controller, kind: address.kind, normalised: $0) { index.contains($0) }
        }
        let eventID = command.eventID.forContact(position)
        var personal = PersonalPart(
            key: key, eventID: eventID, contentMAC: command.contentMAC,
            addressCommitment: RecipientKeyring.addressCommitment(
                opening: keyring.opening(eventID), kind: address.kind, normalised: address.normalised))
        personal.reference = reference
        personal.staff = staff
        personal.evidence = command.evidence
        return WriteSubject(
            kind: address.kind, keyEpoch: epoch, slot: keyring.slotKey(key, controller: controller),
            personal: personal, seal: PersonalSeal(personal, salt: connection.salts.next()))
    }

    /// MAC of what makes two writes the same. A write without a time of its own and without an id is never
    /// the same as another: two withdrawals by the same person on two days are two events.
    private func contentMAC(_ addresses: [ContactAddress]) -> EventID {
        let isAnonymous = eventID == nil && occurredAt == nil
        var writer = FrameWriter(minimumCapacity: 512)
        writer.append(kind.rawValue)
        writer.append(via.rawValue)
        writer.append(controller.rawValue)
        writer.append(channels.rawValue)
        writer.append(purposes.rawValue)
        writer.append(source.rawValue)
        writer.append(act.rawValue)
        writer.append(attestations)
        writer.append(occurredAt ?? 0)
        writer.append(isAnonymous ? UInt64.random(in: 1...UInt64.max) : 0)
        for address in addresses {
            writer.append(UInt32(1 + address.normalised.count))
            writer.append(address.kind.rawValue)
            writer.append(address.normalised.span.bytes)
        }
        writer.append(part: notice)
        writer.append(part: memo)
        writer.append(part: reference)
        writer.append(part: staff)
        writer.append(UInt32(token.count))
        writer.append(token.span.bytes)
        if let restrictUntil {
            writer.append(UInt32(8))
            writer.append(restrictUntil)
        }
        return writer.withBytes { connection.core.keyring.contentMAC($0) }
    }

    private func check(_ name: String, _ value: Int, _ limit: Int) throws(WireError) {
        guard value <= limit else { throw .overLimit(name: name, value: value, limit: limit) }
    }
}

extension FrameWriter {
    /// Appends a part of a content with its byte count in front; nothing where it is absent.
    fileprivate mutating func append(part digest: Wire.Bytes32?) {
        append(UInt32(digest == nil ? 0 : 32))
        guard let digest else { return }
        let offset = appendUninitialized(32)
        digest.store(in: &self, at: offset)
    }

    fileprivate mutating func append(part text: String) {
        append(UInt32(text.utf8.count))
        append(text.utf8.span.bytes)
    }
}

extension EventID {
    /// The id of the event about one of several contact points: the first has the write's own; the others
    /// keep its first six bytes (the time of a UUIDv7) and differ in the rest.
    func forContact(_ position: Int) -> EventID {
        guard position > 0 else { return self }
        let digest = Digest32.sha256(bytes, [UInt8(truncatingIfNeeded: position)])
        return EventID(bytes: Array(bytes.prefix(6)) + digest.bytes.prefix(10)) ?? self
    }
}
