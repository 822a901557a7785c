// An event, a notice, a head and a person's preferences as JSON: what exports, dumps and journals are made
// of. Names are those of the schema; bytes are hexadecimal.

import ConsentDomain
import ConsentProof
import ConsentRegister
import ConsentWire
import WireProtocol

enum EventText {
    /// An event in words.
    static func event(_ event: ConsentEvent, _ catalogue: Catalogue) -> [(String, JSONValue)] {
        let notice = event.notice.flatMap { catalogue.notices[$0] }
        var members: [(String, JSONValue)] = [
            ("sequence", .unsigned(event.sequence)), ("kind", .string(name(event.kind))),
            ("controller", .unsigned(UInt64(event.controller.rawValue))),
            ("channels", channels(event.channels)), ("purposes", purposes(event.purposes, catalogue)),
            ("pendingChannels", channels(event.pendingChannels)),
            ("occurredAt", .string(event.occurredAt.rfc3339)),
            ("recordedAt", .string(event.recordedAt.rfc3339)), ("via", .string("\(event.via)")),
            ("source", .string(name(event.source))), ("act", .string(name(event.act))),
            ("attestations", .strings(attestations(event.attestations))), ("client", .string(event.client)),
            ("validityDay", .string(event.validityDay.iso8601)),
            ("retentionDay", .string(event.retentionDay.iso8601)),
            ("lapseDay", .string(event.lapseDay.iso8601)), ("refersTo", .unsigned(event.refersTo)),
            ("notice", digest(event.notice)), ("memo", digest(event.memo)),
            ("wording", .string(notice?.text ?? "")), ("locale", .string(notice?.locale ?? "")),
            ("erased", .bool(event.commitment != nil && event.personal == nil)),
        ]
        if let kind = event.contactKind { members.append(("contactKind", .string(name(kind)))) }
        if let personal = event.personal {
            members += [
                ("key", .hex(personal.key.bytes)), ("eventId", .hex(personal.eventID.bytes)),
                ("reference", .string(personal.reference)), ("staff", .string(personal.staff)),
                ("ip", .string(personal.evidence.ip)), ("userAgent", .string(personal.evidence.userAgent)),
                ("url", .string(personal.evidence.url)),
                ("templateValues", .string(personal.evidence.templateValues)),
            ]
        }
        return members
    }

    /// The canonical bytes of an event, as a journal replays them.
    static func bytes(_ event: ConsentEvent) -> [(String, JSONValue)] {
        [
            ("leaf", .hex(event.leaf)), ("personal", .hex(event.personal?.encoded ?? [])),
            ("salt", .hex(event.personal == nil ? [] : event.salt)), ("payload", .hex(event.payload)),
        ]
    }

    /// What shows that an event is in the log: its bytes, the opening of its address commitment, and the path
    /// to the root of a head.
    static func proof(
        _ event: ConsentEvent, head: SignedHead, _ writer: RegisterWriter
    ) throws(RegisterError) -> JSONValue {
        let path = try writer.register.inclusionProof(sequence: event.sequence, treeSize: head.treeSize)
        let opening = event.personal.map { writer.core.keyring.opening($0.eventID) } ?? []
        return .object(
            bytes(event) + [("opening", .hex(opening)), ("path", .array(path.map { .hex($0.bytes) }))])
    }

    /// A notice: its canonical form, whose SHA-256 is its id, and its text.
    static func notice(_ notice: Notice) -> [(String, JSONValue)] {
        [
            ("id", .hex(notice.id.bytes)), ("locale", .string(notice.locale)), ("text", .string(notice.text)),
            ("version", .string(notice.version)), ("policyUrl", .string(notice.policyURL)),
            (
                "invalidatedFrom",
                notice.invalidatedFrom == .distantFuture ? .null : .string(notice.invalidatedFrom.rfc3339)
            ),
            ("canonical", .hex(notice.encoded)),
        ]
    }

    static func head(_ head: SignedHead) -> JSONValue {
        .members([
            "treeSize": .unsigned(head.treeSize), "root": .hex(head.root.bytes),
            "time": .integer(head.time), "incarnation": .hex(head.incarnation),
            "keyId": .hex(head.keyID),
            "signature": .hex(head.signature), "encoded": .hex(head.encoded),
        ])
    }

    static func controller(_ controller: Controller) -> JSONValue {
        .members([
            "id": .unsigned(UInt64(controller.id.rawValue)), "code": .string(controller.code),
            "name": .string(controller.name), "country": .string(controller.country),
            "contact": .string(controller.contact), "kind": .string("\(controller.kind)"),
            "jurisdiction": .string(controller.jurisdiction),
            "storageLocation": .string(controller.storageLocation),
            "recipients": .string(controller.recipients),
            "withdrawalMethod": .string(controller.withdrawalMethod),
            "retentionMonths": .unsigned(UInt64(controller.retentionMonths)),
            "validityMonths": .unsigned(UInt64(controller.validityMonths)),
            "closed": .bool(controller.closed),
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

    // MARK: Names

    static func name(_ kind: EventKind) -> String { Wire.EventKind(rawValue: kind.rawValue).name ?? "" }
    static func name(_ source: Source) -> String { Wire.Source(rawValue: source.rawValue).name ?? "" }
    static func name(_ act: Act) -> String { Wire.Act(rawValue: act.rawValue).name ?? "" }
    static func name(_ kind: ContactKind) -> String { Wire.ContactKind(rawValue: kind.rawValue).name ?? "" }
    static func name(_ channel: Channel) -> String { Wire.Channel(rawValue: channel.rawValue).name ?? "" }

    private static func channels(_ set: ChannelSet) -> JSONValue {
        .strings((set.isAll ? ["all"] : []) + set.named.map { name($0) })
    }

    private static func purposes(_ set: PurposeSet, _ catalogue: Catalogue) -> JSONValue {
        .strings(
            (set.isAll ? ["all"] : [])
                + set.named.map { catalogue.purposes[$0]?.code ?? String($0.rawValue) })
    }

    private static func attestations(_ set: Attestations) -> [String] {
        let all: [(String, Attestations)] = [
            ("free", .free), ("specific", .specific), ("informed", .informed), ("unambiguous", .unambiguous),
            ("affirmative", .affirmative),
        ]
        return all.filter { set.contains($0.1) }.map(\.0)
    }

    private static func digest(_ digest: Digest32?) -> JSONValue { digest.map { .hex($0.bytes) } ?? .null }
}
