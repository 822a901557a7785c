// Answers about the past: CheckAt. Runs on the writer thread.
//
// What was known and in force, and the decision, are for `Hindsight` and `CatalogueHistory` (ConsentDomain);
// here the events come from the register.

import ConsentDomain
import ConsentProof
import ConsentRegister
import ConsentWire
import WireProtocol

extension CatalogueHistory {
    private static var pageCount: Int { 256 }

    /// Reads what was recorded since it was last asked.
    func refresh(_ register: SQLiteRegister) throws(RegisterError) {
        while (events.last?.sequence ?? 0) < register.catalogue.sequence {
            let more = try register.catalogueEvents(
                after: events.last?.sequence ?? 0, limit: Self.pageCount)
            guard !more.isEmpty else { return }
            append(more)
        }
    }
}

extension RegisterWriter {
    /// The catalogue's events that concern a controller, ascending: from them alone follows all that the
    /// words of its other events need.
    /// - Parameters:
    ///   - head: of the log; later events do not count.
    ///   - notices: ids of the notices that are wanted.
    func catalogueEvents(
        of controller: ControllerID, until head: SignedHead, notices: Set<NoticeID>
    ) throws(RegisterError) -> [ConsentEvent] {
        try catalogueHistory.refresh(register)
        return catalogueHistory.events.filter { event in
            guard event.sequence <= head.treeSize else { return false }
            return switch event.kind {
            case .purposePut: true
            case .noticePut, .noticeInvalidated: event.notice.map(notices.contains) ?? false
            default: event.controller == controller
            }
        }
    }

    /// Signs a file that is handed over.
    func signature(of seal: FileSeal, with head: SignedHead) throws(RegisterError) -> [UInt8] {
        do throws(ProofError) {
            return try seal.signature(with: head, by: core.logKey)
        } catch {
            throw .corrupt("\(error)")
        }
    }
}

enum PastAnswers {
    /// Answers CheckAt.
    static func checkAt(
        _ writer: RegisterWriter, _ request: Wire.CheckAtRequest, subject: ReadHandler.Subject
    ) throws(RegisterError) -> Result<Wire.ExplainResponse, CallFailure> {
        let register = writer.register
        let point: PastPoint
        switch try knownPoint(register, request) {
        case .success(let found): point = found
        case .failure(let failure): return .failure(failure)
        }
        var response = Wire.ExplainResponse()
        response.sequence = point.known
        response.now = writer.core.clock.now.microseconds
        let controller = ControllerID(rawValue: request.controller)
        guard let channel = Channel(request.channel), let purpose = PurposeID(rawValue: request.purpose),
            case .slot(let slot, let kind) = subject
        else {
            response.denyUnknown(request.channel)
            return .success(response)
        }
        try writer.catalogueHistory.refresh(register)
        var events: [ConsentEvent] = []
        for sequence in try register.sequences(of: slot) where sequence <= point.known {
            if let event = try register.event(sequence) { events.append(event) }
        }
        let state = Hindsight.state(
            events, controller: controller,
            kind: events.last?.contactKind ?? kind ?? channel.contactKind, at: point)
        let cell: CellAnswer
        let catalogue: Catalogue
        do throws(CanonicalFormError) {
            (cell, catalogue) = try writer.catalogueHistory.checkAt(
                point, state, channel, purpose,
                blocking: Reason(rawValue: writer.core.serving.blockingReason))
        } catch {
            throw .corrupt("a catalogue event: \(error)")
        }
        response.decision = Wire.Decision(cell.reason.decision)
        response.reason = Wire.Reason(cell.reason)
        response.validUntil = cell.validUntil
        response.events = try decidingEvents(
            writer, cell, controller, purpose, known: point.known, in: catalogue)
        return .success(response)
    }

    /// The last event that the caller wants to be known.
    private static func knownPoint(
        _ register: SQLiteRegister, _ request: Wire.CheckAtRequest
    ) throws(RegisterError) -> Result<PastPoint, CallFailure> {
        let time = Timestamp(microseconds: request.at)
        switch (request.knownAt, request.knownAtSequence) {
        case (nil, nil): return .success(PastPoint(time: time, known: register.lastSequence))
        case (let known?, nil):
            let sequence = try register.sequence(recordedBy: Timestamp(microseconds: known))
            return .success(PastPoint(time: time, known: sequence))
        case (nil, let sequence?):
            guard sequence <= register.lastSequence else {
                return .failure(
                    CallFailure(
                        .outOfRange,
                        "sequence \(sequence) is not reached yet; the register is at \(register.lastSequence)"
                    ))
            }
            return .success(PastPoint(time: time, known: sequence))
        case (_?, _?):
            return .failure(
                CallFailure(.invalidArgument, "state known_at or known_at_sequence, not both"))
        }
    }

    /// The events that a decision rests on, newest first, with their wording. What was known already is not
    /// looked at again: an event names only earlier ones.
    static func decidingEvents(
        _ writer: RegisterWriter, _ cell: CellAnswer, _ controller: ControllerID,
        _ purpose: PurposeID, known: UInt64, in catalogue: Catalogue
    ) throws(RegisterError) -> [Wire.EventRecord] {
        var records: [Wire.EventRecord] = []
        let notice = catalogue.notice(ordinal: cell.noticeOrdinal)?.id
        try writer.catalogueHistory.refresh(writer.register)
        let decree = writer.catalogueHistory.deciding(
            cell.reason, known: known, controller: controller, purpose: purpose, notice: notice)
        if let decree { records.append(Wire.EventRecord(decree)) }
        var sequence = cell.sequence
        while sequence != 0, let event = try writer.register.event(sequence) {
            let wording = event.notice.flatMap { catalogue.notices[$0] }
            records.append(Wire.EventRecord(event, notice: wording))
            sequence = event.refersTo < sequence ? event.refersTo : 0
        }
        return records
    }
}

extension ReadHandler {
    static func checkAt(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.CheckAtRequest(decoding: body)
        let controller = ControllerID(rawValue: request.controller)
        guard
            let subject = subject(
                connection, header, controller, request.contact, "", channel: Channel(request.channel))
        else { return }
        query(connection, header, AuditEntry(.checkAt, controller, subject)) { writer throws(RegisterError) in
            let answer = try PastAnswers.checkAt(writer, request, subject: subject)
            return answer.map { answer in { answer.encode(into: &$0) } }
        }
    }

    static func review(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.ReviewRequest(decoding: body)
        let controller = ControllerID(rawValue: request.controller)
        guard connection.controller(controller, of: header) != nil else { return }
        open(
            connection, header, AuditEntry(.review, controller, .everyone),
            ReviewSource(controller: controller, within: request.within))
    }
}
