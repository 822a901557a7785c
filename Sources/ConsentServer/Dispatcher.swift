// From a request frame to the code that answers it: one line a method.
//
// The two checks come first and by number, since they are almost all of the traffic; every other method is
// looked up in the generated table. What the table says of a method (scope, longest body) is enforced here,
// before its handler sees a byte.

import CPlatform
import ConsentDomain
import WireProtocol

enum Dispatcher {
    /// Answers a request, or begins to.
    /// - Throws: what is wrong with the body; the caller answers INVALID_ARGUMENT.
    @inline(__always)
    static func dispatch(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        if header.code == Wire.Method.check.rawValue {
            guard admitSynchronous(connection, header, scope: .check),
                !connection.access.isMetered || connection.admitChecks(1, header)
            else { return }
            return try CheckHandler.check(connection, header, body)
        }
        try dispatchOther(connection, header, body)
    }

    @inline(never)
    private static func dispatchOther(
        _ connection: Connection, _ header: FrameHeader, _ body: RawSpan
    ) throws(WireError) {
        // An error would be taken for the answer of the call that is open under this number.
        if connection.state.isOpen(header.stream) { return connection.fail(.badStream(header.stream)) }
        let method = Wire.Method(rawValue: header.code)
        guard let info = method.info else {
            return connection.reject(
                header.stream, .unimplemented,
                "no method has number \(header.code): see Protocol/REFERENCE.md",
                notExecuted: true)
        }
        guard body.byteCount <= info.bodyBytesMax else {
            return connection.reject(
                header.stream, .invalidArgument,
                "the body of \(info.name) has \(body.byteCount) bytes; its limit is \(info.bodyBytesMax)",
                notExecuted: true)
        }
        switch method {
        case .checkBatch, .keys, .catalogue, .memo, .health, .stats:
            guard admitSynchronous(connection, header, scope: info.scope) else { return }
        default:
            guard admitOpen(connection, header, scope: info.scope) else { return }
        }
        do throws(WireError) {
            try route(method, connection, header, body)
        } catch {
            if connection.state.isOpen(header.stream) { connection.endCall(header.stream) }
            throw error
        }
    }

    private static func route(
        _ method: Wire.Method, _ connection: Connection, _ header: FrameHeader, _ body: RawSpan
    ) throws(WireError) {
        switch method {
        case .checkBatch: try CheckHandler.checkBatch(connection, header, body)
        case .keys: try KeysHandler.keys(connection, header, body)
        case .preferences: try ReadHandler.preferences(connection, header, body)
        case .explain: try ReadHandler.explain(connection, header, body)
        case .checkAt: try ReadHandler.checkAt(connection, header, body)
        case .grant: try WriteHandler.grant(connection, header, body)
        case .confirm: try WriteHandler.confirm(connection, header, body)
        case .withdraw: try WriteHandler.refusal(.withdraw, connection, header, body)
        case .refuse: try WriteHandler.refusal(.refuse, connection, header, body)
        case .object: try WriteHandler.refusal(.object, connection, header, body)
        case .record: try WriteHandler.record(connection, header, body)
        case .erase: try WriteHandler.erase(connection, header, body)
        case .retireLapsed: try WriteHandler.retireLapsed(connection, header, body)
        case .import: try WriteHandler.importRows(connection, header, body)
        case .putController: try CatalogueHandler.putController(connection, header, body)
        case .putPurpose: try CatalogueHandler.putPurpose(connection, header, body)
        case .putNotice: try CatalogueHandler.putNotice(connection, header, body)
        case .invalidateNotice: try CatalogueHandler.invalidateNotice(connection, header, body)
        case .catalogue: try CatalogueHandler.catalogue(connection, header, body)
        case .memo: try CatalogueHandler.memo(connection, header, body)
        case .history: try ReadHandler.history(connection, header, body)
        case .export: try ReadHandler.export(connection, header, body)
        case .dump: try ReadHandler.dump(connection, header, body)
        case .journal: try ReadHandler.journal(connection, header, body)
        case .proof: try ReadHandler.proof(connection, header, body)
        case .review: try ReadHandler.review(connection, header, body)
        case .watch: try ReadHandler.watch(connection, header, body)
        case .head: try ReadHandler.head(connection, header, body)
        case .backup: try ReadHandler.backup(connection, header, body)
        case .health: StatusHandler.health(connection, header)
        case .stats: StatusHandler.stats(connection, header)
        default:
            connection.reject(
                header.stream, .unimplemented,
                "\(method) is not served by version \(ServerCore.Identity.version): use a server that has it",
                notExecuted: true)
            connection.endCall(header.stream)
        }
    }

    // MARK: Admission

    @inline(__always)
    private static func admitSynchronous(
        _ connection: Connection, _ header: FrameHeader, scope: Wire.Scope
    ) -> Bool {
        let admission = connection.state.checkSynchronousCall(header.stream)
        if admission == .takeUp && connection.access.scopes.allows(scope) { return true }
        return turnAway(connection, header, admission, scope)
    }

    private static func admitOpen(_ connection: Connection, _ header: FrameHeader, scope: Wire.Scope) -> Bool
    {
        guard connection.access.scopes.allows(scope) else {
            return turnAway(connection, header, .takeUp, scope)
        }
        let admission = connection.state.beginCall(header.stream)
        return admission == .takeUp || turnAway(connection, header, admission, scope)
    }

    @inline(never)
    private static func turnAway(
        _ connection: Connection, _ header: FrameHeader, _ admission: ServerConnectionState.Admission,
        _ scope: Wire.Scope
    ) -> Bool {
        switch admission {
        case .takeUp:
            AuditEntry.refused(connection, header, because: "scope")
            connection.reject(
                header.stream, .permissionDenied,
                "this needs scope \(scope): connect with a credential that has it (--token-file)",
                notExecuted: true)
        case .reject(let status):
            connection.core.metrics.shed.count(status == .resourceExhausted ? "calls_in_flight" : "draining")
            connection.reject(
                header.stream, status,
                status == .resourceExhausted
                    ? "\(connection.state.agreement.inFlightMax) calls are in flight: wait for answers"
                    : "the server is stopping: connect again",
                notExecuted: true, retryAfterMicroseconds: 10_000)
        case .fail(let error): connection.fail(error)
        }
        return false
    }
}

extension CallContext {
    /// The call that a request frame begins.
    init(_ connection: Connection, _ header: FrameHeader) {
        let now = consent_monotonic_nanoseconds()
        self.init(
            connection: connection, stream: header.stream, arrival: now,
            deadline: header.value == 0 ? 0 : now + UInt64(header.value) * 1000,
            clientName: connection.access.clientName)
    }
}

extension Connection {
    /// The controller that a call is about; where there is none, or the caller may not act for it, the call
    /// is answered and over.
    func controller(_ id: ControllerID, of header: FrameHeader) -> Controller? {
        if let entry = catalogue.catalogue.controllers[id] { return entry }
        guard mayActFor(id.rawValue, header) else { return nil }
        reject(
            header.stream, .notFound,
            "no controller has number \(id.rawValue): see consentctl controller list")
        if state.isOpen(header.stream) { endCall(header.stream) }
        return nil
    }

    /// Whether the caller may act for a controller; where not, the call is answered and over. One that does
    /// not exist is answered alike, so that nobody learns which others there are.
    func mayActFor(_ controller: UInt32, _ header: FrameHeader) -> Bool {
        guard !claims(controller) else { return true }
        deny(
            header, because: "controller", controller: controller,
            "client \(access.clientName) may not act for controller \(controller): see its controllers in the "
                + "credentials file")
        return false
    }

    /// Whether the caller's credential names a controller.
    func claims(_ controller: UInt32) -> Bool {
        access.client.definition.controllers == .all
            || catalogue.catalogue.controllers[ControllerID(rawValue: controller)] != nil
    }

    /// Answers a call that the caller's credential does not allow; the call is over.
    func deny(
        _ header: FrameHeader, because reason: String, controller: UInt32? = nil, _ message: String
    ) {
        AuditEntry.refused(self, header, because: reason, controller: controller)
        reject(header.stream, .permissionDenied, message, notExecuted: true)
        if state.isOpen(header.stream) { endCall(header.stream) }
    }
}
