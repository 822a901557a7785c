// Calls that read the register: decoded on the event loop, answered by the writer thread between commits.

import ConsentDomain
import ConsentRegister
import ConsentWire
import WireProtocol

enum ReadHandler {
    static func preferences(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan)
        throws(WireError)
    {
        let request = try Wire.PreferencesRequest(decoding: body)
        let controller = ControllerID(rawValue: request.controller)
        guard let subject = subject(connection, header, controller, request.contact, request.reference) else {
            return
        }
        query(connection, header, AuditEntry(.preferences, controller, subject)) {
            writer throws(RegisterError) in
            let answer = try RegisterAnswers.preferences(writer, controller: controller, subject: subject)
            return answer.map { answer in { answer.encode(into: &$0) } }
        }
    }

    static func explain(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.ExplainRequest(decoding: body)
        let controller = ControllerID(rawValue: request.controller)
        guard
            let subject = subject(
                connection, header, controller, request.contact, "", channel: Channel(request.channel))
        else { return }
        query(connection, header, AuditEntry(.explain, controller, subject)) { writer throws(RegisterError) in
            let answer = try RegisterAnswers.explain(writer, request, subject: subject)
            return .success { answer.encode(into: &$0) }
        }
    }

    static func proof(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.ProofRequest(decoding: body)
        var subject: Subject?
        var audit = AuditEntry(.proof, nil, .event(request.sequence))
        if request.sequence == 0 {
            let controller = ControllerID(rawValue: request.controller)
            subject = self.subject(
                connection, header, controller, request.contact, "", channel: Channel(request.channel))
            guard let subject else { return }
            audit = AuditEntry(.proof, controller, subject)
        }
        let found = subject
        let isAdministrator = connection.access.scopes.allows(.admin)
        let claim = connection.access.client.definition.controllers
        query(connection, header, audit) { writer throws(RegisterError) in
            let answer = try RegisterAnswers.proof(
                writer, request, subject: found, isAdministrator: isAdministrator, claim: claim)
            return answer.map { answer in { answer.encode(into: &$0) } }
        }
    }

    static func head(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.HeadRequest(decoding: body)
        query(connection, header, nil) { writer throws(RegisterError) in
            let answer = try RegisterAnswers.head(
                writer, since: request.since, keptUntil: Timestamp(wire: request.keptUntil))
            return answer.map { answer in { answer.encode(into: &$0) } }
        }
    }

    // MARK: Streams

    static func history(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.HistoryRequest(decoding: body)
        let controller = ControllerID(rawValue: request.controller)
        guard let subject = subject(connection, header, controller, request.contact, request.reference) else {
            return
        }
        open(
            connection, header, AuditEntry(.history, controller, subject),
            HistorySource(
                subject: subject, withWording: request.wording,
                isAdministrator: connection.access.scopes.allows(.admin)))
    }

    static func watch(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.WatchRequest(decoding: body)
        let core = connection.core
        guard request.incarnation.isZero || request.incarnation == core.identity.incarnation else {
            connection.reject(
                header.stream, .failedPrecondition,
                "the register has another incarnation: forget what was derived from the old one, and watch from 0"
            )
            return connection.endCall(header.stream)
        }
        guard request.after <= core.index.publishedSequence else {
            connection.reject(
                header.stream, .outOfRange,
                "sequence \(request.after) is not reached yet; the register is at \(core.index.publishedSequence)"
            )
            return connection.endCall(header.stream)
        }
        let controller = request.controller == 0 ? nil : ControllerID(rawValue: request.controller)
        if let controller, !connection.mayActFor(controller.rawValue, header) { return }
        open(
            connection, header, AuditEntry(.watch, controller, .everyone),
            WatchSource(
                after: request.after, controller: controller,
                claim: connection.access.client.definition.controllers,
                heartbeatSeconds: core.limits.heartbeatSeconds),
            followsCommits: true)
    }

    static func backup(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        _ = try Wire.Empty(decoding: body)
        let name = BackupSource.namePrefix + "\(connection.id)-\(header.stream).db"
        open(
            connection, header, AuditEntry(.backup, nil, .everyone),
            BackupSource(
                path: connection.core.stateFolder + "/" + name,
                chunkBytes: min(256 << 10, connection.state.agreement.bodyBytesMax / 2)))
    }

    // MARK: Shared

    /// Whom a read is about.
    enum Subject: Sendable {
        case slot(SlotKey, kind: ContactKind?)
        case reference(RecipientKey)
    }

    /// Finds out whom a read is about; answers the call and returns nil when that cannot be told.
    static func subject(
        _ connection: Connection, _ header: FrameHeader, _ controllerID: ControllerID,
        _ contact: Wire.ContactPoint?, _ reference: String, channel: Channel? = nil
    ) -> Subject? {
        func refuse(_ status: Status, _ message: String) -> Subject? {
            connection.reject(header.stream, status, message)
            connection.endCall(header.stream)
            return nil
        }
        let keyring = connection.core.keyring
        guard let controller = connection.controller(controllerID, of: header) else { return nil }
        guard !connection.access.isMetered || connection.admitChecks(1, header) else { return nil }
        func found(_ slot: SlotKey, _ kind: ContactKind?) -> Subject {
            if connection.access.isMetered, !connection.core.index.contains(slot) {
                connection.chargeMisses(1)
            }
            return .slot(slot, kind: kind)
        }
        if !reference.isEmpty {
            return .reference(keyring.referenceKey(controller: controllerID, reference))
        }
        guard let contact else { return refuse(.invalidArgument, "name a contact point or a reference") }
        if contact.address.isEmpty {
            guard let bytes = contact.key else {
                return refuse(.invalidArgument, "name the contact point by an address or a key")
            }
            return found(
                keyring.slotKey(RecipientKey(bytes), controller: controllerID), ContactKind(contact.kind))
        }
        let kind =
            ContactKind(contact.kind) ?? channel?.contactKind
            ?? (contact.address.contains("@") ? .email : .phone)
        switch AddressKeyer(connection.core, controller: controller, kind: kind).key(of: contact.address) {
        case .success(let key): return found(keyring.slotKey(key, controller: controllerID), kind)
        case .failure(let error): return refuse(.invalidArgument, "\(error)")
        }
    }

    typealias Encoder = @Sendable (inout FrameWriter) -> Void

    /// Has the writer thread answer the call.
    /// - Parameter audit: nil where nothing personal is read.
    static func query(
        _ connection: Connection, _ header: FrameHeader, _ audit: AuditEntry?,
        _ body: @escaping @Sendable (RegisterWriter) throws(RegisterError) -> Result<Encoder, CallFailure>
    ) {
        audit?.log(connection)
        let call = CallContext(connection, header)
        switch connection.core.pipeline.enqueue(RegisterQuery(call: call, body: body)) {
        case .queued: return
        case .full:
            connection.core.metrics.shed.count("reads")
            connection.reject(
                header.stream, .resourceExhausted, "too many reads are waiting: try again", notExecuted: true,
                retryAfterMicroseconds: 50_000)
        case .stopped:
            connection.core.metrics.shed.count("draining")
            connection.reject(
                header.stream, .unavailable, "the server is stopping: connect again", notExecuted: true)
        }
        connection.endCall(header.stream)
    }

    /// Begins a stream.
    static func open(
        _ connection: Connection, _ header: FrameHeader, _ audit: AuditEntry,
        _ source: sending any StreamSource,
        followsCommits: Bool = false
    ) {
        guard connection.streams.count < connection.core.limits.streamsMax else {
            connection.core.metrics.shed.count("streams")
            connection.reject(
                header.stream, .resourceExhausted,
                "\(connection.core.limits.streamsMax) streams are open on this connection: end one first",
                notExecuted: true)
            return connection.endCall(header.stream)
        }
        audit.log(connection)
        let stream = RegisterStream(
            call: CallContext(connection, header), pipeline: connection.core.pipeline,
            credit: Wire.Limits.streamCreditDefault, followsCommits: followsCommits, source: source)
        connection.streams[header.stream] = stream
        stream.begin()
    }
}

/// Why a call is answered with an error.
struct CallFailure: Error, Sendable {
    var status: Status
    var message: String

    init(_ status: Status, _ message: String) {
        self.status = status
        self.message = message
    }
}

/// One unary read.
private final class RegisterQuery: RegisterTask {
    private let call: CallContext
    private let body:
        @Sendable (RegisterWriter) throws(RegisterError) -> Result<ReadHandler.Encoder, CallFailure>

    init(
        call: CallContext,
        body:
            @escaping @Sendable (RegisterWriter) throws(RegisterError) -> Result<
                ReadHandler.Encoder, CallFailure
            >
    ) {
        self.call = call
        self.body = body
    }

    func step(_ writer: RegisterWriter, until deadline: UInt64) -> Bool {
        Completion.deliver([answer(writer)])
        return false
    }

    private func answer(_ writer: RegisterWriter) -> Completion {
        if call.isExpired {
            return Completion(
                call, .deadlineExceeded, "the deadline passed before the read began", notExecuted: true)
        }
        do throws(RegisterError) {
            switch try body(writer) {
            case .success(let encode):
                return call.isExpired
                    ? Completion(call, .deadlineExceeded, "the deadline passed while the register was read")
                    : Completion(call, encode: encode)
            case .failure(let failure): return Completion(call, failure.status, failure.message)
            }
        } catch {
            return Completion(call, .dataLoss, "the register could not be read: \(error)")
        }
    }
}
