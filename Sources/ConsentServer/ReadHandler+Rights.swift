// Export, Dump, Journal: decoded on the event loop, read by the writer thread in steps.

import ConsentDomain
import ConsentWire
import WireProtocol

extension ReadHandler {
    static func export(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.ExportRequest(decoding: body)
        guard let format = ExportSource.Format(rawValue: request.format.isEmpty ? "json" : request.format)
        else {
            connection.reject(
                header.stream, .invalidArgument, "the format of an export is json, kantara or iso27560")
            return connection.endCall(header.stream)
        }
        let controller = ControllerID(rawValue: request.controller)
        guard let subject = subject(connection, header, controller, request.contact, request.reference) else {
            return
        }
        open(
            connection, header, AuditEntry(.export, controller, subject),
            ExportSource(
                controller: controller, subject: subject, format: format,
                isAdministrator: connection.access.scopes.allows(.admin)))
    }

    static func dump(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.DumpRequest(decoding: body)
        let controller = ControllerID(rawValue: request.controller)
        guard connection.controller(controller, of: header) != nil else { return }
        open(connection, header, AuditEntry(.dump, controller, .everyone), DumpSource(controller: controller))
    }

    static func journal(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.JournalRequest(decoding: body)
        let reached = connection.core.index.publishedSequence
        guard request.after <= reached else {
            connection.reject(
                header.stream, .outOfRange,
                "sequence \(request.after) is not reached yet; the register is at \(reached)")
            return connection.endCall(header.stream)
        }
        open(connection, header, AuditEntry(.journal, nil, .everyone), JournalSource(after: request.after))
    }
}
