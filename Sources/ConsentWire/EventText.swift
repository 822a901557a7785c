// An event, a notice and a controller as JSON: what exports, dumps and journals are made of. Names are those
// of the schema; bytes are hexadecimal.
//
// The register writes with it, and whoever verifies such a file writes the same again from the canonical
// bytes and compares. Invariant: nothing here depends on anything but its arguments.

import ConsentDomain
import WireProtocol

package enum EventText {
    package typealias Member = JSONValue.Member

    /// An event in words.
    package static func event(_ event: ConsentEvent, _ catalogue: Catalogue) -> [Member] {
        let notice = event.notice.flatMap { catalogue.notices[$0] }
        var members: [Member] = [
            Member("sequence", .unsigned(event.sequence)), Member("kind", .string(name(event.kind))),
            Member("controller", .unsigned(UInt64(event.controller.rawValue))),
            Member("channels", channels(event.channels)),
            Member("purposes", purposes(event.purposes, catalogue)),
            Member("pendingChannels", channels(event.pendingChannels)),
            Member("occurredAt", .string(event.occurredAt.rfc3339)),
            Member("recordedAt", .string(event.recordedAt.rfc3339)), Member("via", .string("\(event.via)")),
            Member("source", .string(name(event.source))), Member("act", .string(name(event.act))),
            Member("attestations", .strings(attestations(event.attestations))),
            Member("client", .string(event.client)),
            Member("validityDay", .string(event.validityDay.iso8601)),
            Member("retentionDay", .string(event.retentionDay.iso8601)),
            Member("lapseDay", .string(event.lapseDay.iso8601)),
            Member("refersTo", .unsigned(event.refersTo)),
            Member("notice", digest(event.notice)), Member("memo", digest(event.memo)),
            Member("wording", .string(notice?.text ?? "")), Member("locale", .string(notice?.locale ?? "")),
            Member("erased", .bool(event.commitment != nil && event.personal == nil)),
        ]
        if let kind = event.contactKind { members.append(Member("contactKind", .string(name(kind)))) }
        if let personal = event.personal {
            members += [
                Member("key", .hex(personal.key.bytes)), Member("eventId", .hex(personal.eventID.bytes)),
                Member("reference", .string(personal.reference)), Member("staff", .string(personal.staff)),
                Member("ip", .string(personal.evidence.ip)),
                Member("userAgent", .string(personal.evidence.userAgent)),
                Member("url", .string(personal.evidence.url)),
                Member("templateValues", .string(personal.evidence.templateValues)),
            ]
        }
        return members
    }

    /// The canonical bytes of an event, as a journal replays them.
    package static func bytes(_ event: ConsentEvent) -> [Member] {
        [
            Member("leaf", .hex(event.leaf)), Member("personal", .hex(event.personal?.encoded ?? [])),
            Member("salt", .hex(event.personal == nil ? [] : event.salt)),
            Member("payload", .hex(event.payload)),
        ]
    }

    /// What shows that an event is in the log: its bytes, the opening of its address commitment, and the path
    /// to the root of a head, the hash nearest to the leaf first.
    package static func proof(_ event: ConsentEvent, opening: [UInt8], path: [[UInt8]]) -> JSONValue {
        .object(
            bytes(event) + [
                Member("opening", .hex(opening)), Member("path", .array(path.map(JSONValue.hex))),
            ])
    }

    /// A notice: its canonical form, whose SHA-256 is its id, and its text.
    package static func notice(_ notice: Notice) -> [Member] {
        [
            Member("id", .hex(notice.id.bytes)), Member("locale", .string(notice.locale)),
            Member("text", .string(notice.text)),
            Member("version", .string(notice.version)), Member("policyUrl", .string(notice.policyURL)),
            Member(
                "invalidatedFrom",
                notice.invalidatedFrom == .distantFuture ? .null : .string(notice.invalidatedFrom.rfc3339)
            ),
            Member("canonical", .hex(notice.encoded)),
        ]
    }

    /// A controller.
    package static func controller(_ controller: Controller) -> JSONValue {
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

    // MARK: Names

    /// Names of the schema; empty for a number that it does not know.
    package static func name(_ kind: EventKind) -> String {
        Wire.EventKind(rawValue: kind.rawValue).name ?? ""
    }
    package static func name(_ source: Source) -> String { Wire.Source(rawValue: source.rawValue).name ?? "" }
    package static func name(_ act: Act) -> String { Wire.Act(rawValue: act.rawValue).name ?? "" }
    package static func name(_ kind: ContactKind) -> String {
        Wire.ContactKind(rawValue: kind.rawValue).name ?? ""
    }
    package static func name(_ channel: Channel) -> String {
        Wire.Channel(rawValue: channel.rawValue).name ?? ""
    }

    package static func name(_ state: CellState) -> String {
        Wire.CellState(rawValue: state.rawValue).name ?? ""
    }

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
