// What exports and dumps show that needs the register or its log: heads, proofs, a person's preferences.

import ConsentDomain
import ConsentProof
import ConsentRegister
import ConsentWire
import WireProtocol

extension EventText {
    /// An event with its proof: its place in the log under a head.
    static func proven(
        _ event: ConsentEvent, _ catalogue: Catalogue, head: SignedHead, _ writer: RegisterWriter
    ) throws(RegisterError) -> [Member] {
        let path = try writer.register.inclusionProof(of: event, head: head)
        let opening = event.personal.map { writer.core.keyring.opening($0.eventID) } ?? []
        return self.event(event, catalogue)
            + [Member("proof", proof(event, opening: opening, path: path.map(\.bytes)))]
    }

    static func head(_ head: SignedHead) -> JSONValue {
        .members([
            "treeSize": .unsigned(head.treeSize), "root": .hex(head.root.bytes),
            "time": .integer(head.time), "incarnation": .hex(head.incarnation),
            "keyId": .hex(head.keyID),
            "signature": .hex(head.signature), "encoded": .hex(head.encoded),
        ])
    }

    static func preferences(_ response: Wire.PreferencesResponse, _ catalogue: Catalogue) -> JSONValue {
        .array(
            response.contacts.map { contact in
                .members([
                    "key": .hex(contact.key.bytes),
                    "kind": .string(contact.kind.name ?? ""),
                    "preferences": .array(contact.preferences.map { preference($0, catalogue) }),
                ])
            })
    }

    private static func preference(_ cell: Wire.Preference, _ catalogue: Catalogue) -> JSONValue {
        .members([
            "channel": .string(cell.channel.name ?? ""),
            "purpose": .string(
                PurposeID(rawValue: cell.purpose).flatMap { catalogue.purposes[$0]?.code } ?? ""),
            "state": .string(cell.state.name ?? ""), "decision": .string(cell.decision.name ?? ""),
            "reason": .string(cell.reason.name ?? ""),
            "since": cell.since == 0 ? .null : .string(Timestamp(microseconds: cell.since).rfc3339),
            "validUntil": cell.validUntil == 0
                ? .null : .string(Timestamp(microseconds: cell.validUntil).rfc3339),
            "event": .unsigned(cell.event),
        ])
    }
}
