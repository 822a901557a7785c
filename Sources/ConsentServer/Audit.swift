// The audit: who asked for what of personal data, when, and about whom; and who was refused what.
//
// One line of the log for each call that reads what is on file about people, and for each that destroys some
// of it, written when the call is taken up and before it is done. `ReadHandler.query` and `.open`, through
// which every read goes, ask for the entry, so that no method can forget it; checks are no reads of the
// register.
//
// Invariant: a line tells people apart by keyed hashes alone (recipient key, reference key), which name
// nobody without the register's secret.

import ConsentDomain
import Logging
import WireProtocol

/// What one call is about.
struct AuditEntry: Sendable {
    /// About whom.
    enum Whom: Sendable {
        case subject(ReadHandler.Subject)
        case contacts([RecipientKey])
        case event(UInt64)
        case everyone
    }

    let method: Wire.Method
    /// nil: any.
    let controller: ControllerID?
    let whom: Whom

    init(_ method: Wire.Method, _ controller: ControllerID?, _ whom: Whom) {
        self.method = method
        self.controller = controller
        self.whom = whom
    }

    init(_ method: Wire.Method, _ controller: ControllerID, _ subject: ReadHandler.Subject) {
        self.init(method, controller, .subject(subject))
    }

    /// Writes the line of a call that was refused.
    static func refused(
        _ connection: Connection, _ header: FrameHeader, because reason: String, controller: UInt32? = nil
    ) {
        let core = connection.core
        core.metrics.refusedAccess.count(reason)
        core.logger.notice(
            "call refused",
            metadata: [
                "audit": "\(Wire.Method(rawValue: header.code).info?.name ?? "\(header.code)")",
                "reason": "\(reason)", "client": "\(connection.access.clientName)",
                "controller": "\(controller.map { String($0) } ?? "any")",
                "time": "\(core.clock.now.rfc3339)",
            ])
    }

    /// Writes the line.
    func log(_ connection: Connection) {
        let core = connection.core
        var metadata: Logger.Metadata = [
            "audit": "\(method.info?.name ?? "\(method)")", "client": "\(connection.access.clientName)",
            "controller": "\(controller.map { String($0.rawValue) } ?? "any")",
            "time": "\(core.clock.now.rfc3339)",
        ]
        switch whom {
        case .subject(.slot(let slot, _)):
            let key = controller.map { core.keyring.recipientKey(of: slot, controller: $0) }
            metadata["contact"] = "\(Hexadecimal.text(of: key?.bytes ?? []))"
        case .subject(.reference(let key)): metadata["reference"] = "\(Hexadecimal.text(of: key.bytes))"
        case .contacts(let keys):
            metadata["contact"] = "\(keys.map { Hexadecimal.text(of: $0.bytes) }.joined(separator: " "))"
        case .event(let sequence): metadata["event"] = "\(sequence)"
        case .everyone: metadata["contact"] = "all"
        }
        core.logger.notice("personal data", metadata: metadata)
    }
}
