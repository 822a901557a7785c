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
        try submit(connection, header, command)
    }

    static func confirm(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.ConfirmRequest(decoding: body)
        var command = WriteDraft(connection, .confirm, controller: 0)
        command.eventID = request.eventId
        command.token = request.token
        command.act = .confirmationClick
        command.occurredAt = request.occurredAt
        command.evidence = request.evidence
        try submit(connection, header, command)
    }

    /// Withdraw, Refuse, Object.
    static func refusal(
        _ kind: EventKind, _ connection: Connection, _ header: FrameHeader, _ body: RawSpan
    ) throws(WireError) {
        let request = try Wire.RefusalRequest(decoding: body)
        try submit(connection, header, draft(kind, connection, request))
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
        try submit(connection, header, command)
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
        guard isCovered(command, connection, header) else { return }
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
        guard connection.admitWrites(request.rows.count, header) else { return }
        var rows: [ImportRowCommand] = []
        rows.reserveCapacity(request.rows.count)
        for (position, row) in request.rows.enumerated() {
            guard isCovered(row, connection, header) else { return }
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

    // MARK: Rights

    /// Queues a write about contact points, where the caller's credential covers it.
    private static func submit(
        _ connection: Connection, _ header: FrameHeader, _ draft: WriteDraft
    ) throws(WireError) {
        guard isCovered(draft, connection, header),
            draft.kind.isRefusal || connection.admitWrites(max(1, draft.contacts.count), header)
        else { return }
        enqueue(connection, header, .write(try draft.finished()))
    }

    /// Whether the caller may act for the controller, and may claim source and actor; where not, the call is
    /// answered and over. A refusal is taken whatever it claims: `WriteDraft` leaves out what it may not.
    private static func isCovered(
        _ draft: WriteDraft, _ connection: Connection, _ header: FrameHeader
    ) -> Bool {
        // A confirmation names no controller: its token does.
        guard draft.kind == .confirm || connection.mayActFor(draft.controller.rawValue, header) else {
            return false
        }
        return draft.dropsClaims || mayClaim(draft.source, draft.staff, connection, header)
    }

    private static func isCovered(
        _ row: Wire.ImportRow, _ connection: Connection, _ header: FrameHeader
    ) -> Bool {
        guard connection.mayActFor(row.controller, header) else { return false }
        return row.kind != .grant || mayClaim(row.source, row.staff, connection, header)
    }

    private static func mayClaim(
        _ source: Wire.Source, _ staff: String, _ connection: Connection, _ header: FrameHeader
    ) -> Bool {
        let client = connection.access.client.definition
        guard client.claims(source) else {
            connection.deny(
                header, because: "source",
                "client \(connection.access.clientName) may not claim source \(source): see its sources in the "
                    + "credentials file")
            return false
        }
        guard client.actors.covers(staff) else {
            connection.deny(
                header, because: "actor",
                "client \(connection.access.clientName) may not record in the name of this member of staff: see "
                    + "its actors in the credentials file")
            return false
        }
        return true
    }

    /// Queues a write; turns it away when the queue is full.
    static func enqueue(_ connection: Connection, _ header: FrameHeader, _ operation: WriteOperation) {
        let job = WriteJob(call: CallContext(connection, header), operation: operation)
        switch connection.core.pipeline.enqueue(job) {
        case .queued: return
        case .full:
            connection.core.metrics.shed.count("writes")
            connection.reject(
                header.stream, .resourceExhausted,
                "\(connection.core.limits.queuedWritesMax) writes are waiting: try again", notExecuted: true,
                retryAfterMicroseconds: 50_000)
        case .stopped:
            connection.core.metrics.shed.count("draining")
            connection.reject(
                header.stream, .unavailable, "the server is stopping: connect again", notExecuted: true)
        }
        connection.endCall(header.stream)
    }
}
