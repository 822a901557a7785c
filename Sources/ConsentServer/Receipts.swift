// Consent receipts: a grant in the forms of Kantara Consent Receipt 1.1 and of ISO/IEC TS 27560:2023.
//
// Which fields are mandatory, and what they are called:
//   Kantara   the specification's field table as public implementations carry it: the required members of
//             ConsentReceiptDTO, PiiControllerDTO and PurposeResponseDTO in WSO2's carbon-consent-management,
//             and the specification's rules for non-empty jurisdiction, time in seconds, and third party
//   27560     the mapping of its fields, with "Mandatory" or "Optional" each, in W3C DPVCG's guide to it
//             (w3id.org/dpv/guides/consent-27560) and in the article arXiv:2405.04528; states of events are
//             those of DPV
// Optional fields are given where the register knows them. Members that neither form has begin with "x_".
//
// Every field is read from the event, its controller, purposes, notice or later events. The constants are the
// forms' versions, the role of the one party, and what the gate and the scope of the register fix: a grant is
// explicit and for marketing, and there are no special categories of data.
//
// Invariant: nothing says that consent was given for a channel on which a double opt-in was not confirmed,
// or that it stands where the fold says otherwise.

import ConsentDomain
import ConsentProof
import ConsentWire

/// What one receipt is made from.
struct ConsentReceipt {
    private let grant: ConsentEvent
    private let personal: PersonalPart
    private let controller: Controller
    private let purposes: [Purpose]
    private let notice: Notice?
    private let steps: [Step]
    private let state: ContactState
    private let head: SignedHead
    /// Channels on which consent was given, each with the event that gave it.
    private let given: [(channel: Channel, by: ConsentEvent)]

    /// nil for an event that is no grant, or whose personal part is gone.
    /// - Parameters:
    ///   - all: every event of the person, ascending.
    ///   - head: of the log as it was read.
    init?(of event: ConsentEvent, among all: [ConsentEvent], _ catalogue: Catalogue, head: SignedHead) {
        guard event.kind == .grant, let personal = event.personal,
            let controller = catalogue.controllers[event.controller]
        else { return nil }
        grant = event
        self.personal = personal
        self.controller = controller
        self.head = head
        purposes = event.purposes.named.compactMap { catalogue.purposes[$0] }
        notice = event.notice.flatMap { catalogue.notices[$0] }
        let own = all.filter { $0.personal?.key == personal.key && $0.contactKind == event.contactKind }
        let now = Timestamp(microseconds: head.time)
        state = Hindsight.state(
            own, controller: event.controller, kind: event.contactKind ?? .opaque,
            at: PastPoint(time: now, known: head.treeSize))
        let confirmation = own.first { $0.kind == .confirm && $0.refersTo == event.sequence }
        given = event.channels.named.compactMap { channel in
            event.pendingChannels.covers(channel) ? confirmation.map { (channel, $0) } : (channel, event)
        }
        let later = own.filter { $0.sequence > event.sequence && Step.concerns($0, event) }
        var steps = ([event] + later).flatMap { Step.steps($0, of: controller, personal) }
        steps += Step.ends(of: event, chain: [event] + later, state, notice, controller, now: now)
        self.steps = steps.sorted { ($0.time, $0.sequence ?? .max) < ($1.time, $1.sequence ?? .max) }
    }

    // MARK: Kantara Consent Receipt 1.1

    /// nil while nothing was given: a double opt-in that waits, or lapsed.
    var kantara: JSONValue? {
        guard let time = given.map(\.by.occurredAt).max() else { return nil }
        return .members([
            "version": .string("KI-CR-v1.1.0"), "jurisdiction": .string(jurisdiction),
            "consentTimestamp": .integer(time.microseconds / 1_000_000),
            "collectionMethod": .string(collectionMethod), "consentReceiptID": .string(recordID),
            "language": .string(notice?.locale ?? ""), "piiPrincipalId": .string(Self.principal(personal)),
            "piiControllers": .array([
                .members([
                    "piiController": .string(controller.name), "contact": .string(controller.contact),
                    "address": .members(["addressCountry": .string(controller.country)]),
                    "email": .string(contactEmail), "phone": .string(contactPhone),
                ])
            ]),
            "policyUrl": .string(notice?.policyURL ?? ""),
            "services": .array(
                given.map { channel, _ in
                    .members([
                        "service": .string(EventText.name(channel)),
                        "purposes": .array(purposes.map { kantaraPurpose($0, channel) }),
                    ])
                }),
            "sensitive": .bool(false), "spiCat": .array([]),
        ])
    }

    private func kantaraPurpose(_ purpose: Purpose, _ channel: Channel) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("purpose", .string(purpose.title)), .init("purposeCategory", .strings(["Marketing"])),
            .init("consentType", .string("EXPLICIT")), .init("piiCategory", .strings([contactKind])),
            .init("termination", .string(termination(purpose, channel))),
            .init("thirdPartyDisclosure", .bool(!controller.recipients.isEmpty)),
        ]
        if !controller.recipients.isEmpty {
            members.append(.init("thirdPartyName", .string(controller.recipients)))
        }
        return .object(members)
    }

    /// When a consent ends, or how it ended.
    private func termination(_ purpose: Purpose, _ channel: Channel) -> String {
        var parts: [String] = []
        let cell = standing(purpose, channel)
        if cell.state != "granted" { parts.append("ended: \(cell.state)") }
        if grant.validityDay != .none { parts.append("valid until \(grant.validityDay.iso8601)") }
        if grant.retentionDay != .none { parts.append("kept until \(grant.retentionDay.iso8601)") }
        if !controller.withdrawalMethod.isEmpty { parts.append(controller.withdrawalMethod) }
        return parts.joined(separator: "; ")
    }

    // MARK: ISO/IEC TS 27560

    var iso27560: JSONValue {
        .members([
            "schema_version": .string("ISO/IEC TS 27560:2023"), "record_id": .string(recordID),
            "receipt_id": .string("\(recordID)@\(head.treeSize)"),
            "pii_principal_id": .string(Self.principal(personal)),
            "pii_processing": .members([
                "privacy_notice": .string(privacyNotice), "language": .string(notice?.locale ?? ""),
                "x_notice_text": .string(notice?.text ?? ""), "purposes": .array(purposes.map(isoPurpose)),
            ]),
            "party_identification": .array([
                .members([
                    "party_id": .string(controller.code), "party_name": .string(controller.name),
                    "party_role": .string("pii_controller"), "party_type": .string("\(controller.kind)"),
                    "party_address": .string(controller.country),
                    "party_contact": .string(controller.contact),
                ])
            ]),
            "event": .array(steps.map(\.json)),
        ])
    }

    private func isoPurpose(_ purpose: Purpose) -> JSONValue {
        .members([
            "purpose": .string(purpose.title), "purpose_type": .string("Marketing"),
            "lawful_basis": .string("consent"),
            "pii_information": .array([.members(["pii_type": .string(contactKind)])]),
            "pii_controllers": .strings([controller.code]), "collection_method": .string(collectionMethod),
            "processing_method": .strings(grant.channels.named.map { "send by \(EventText.name($0))" }),
            "storage_locations": .strings(
                controller.storageLocation.isEmpty ? [] : [controller.storageLocation]),
            "retention_period": .string("until \(retentionDay.iso8601)"),
            "services": .strings(grant.channels.named.map { EventText.name($0) }),
            "jurisdiction": .string(jurisdiction),
            "recipient_third_parties": .strings(controller.recipients.isEmpty ? [] : [controller.recipients]),
            "withdrawal_method": .string(controller.withdrawalMethod),
            "x_state": .array(
                grant.channels.named.map { channel in
                    let cell = standing(purpose, channel)
                    return .members([
                        "channel": .string(EventText.name(channel)), "state": .string(cell.state),
                        "until": .string(cell.until.iso8601),
                    ])
                }),
        ])
    }

    // MARK: Parts

    /// What is in force for a purpose on a channel by now, by the fold.
    private func standing(_ purpose: Purpose, _ channel: Channel) -> (state: String, until: Day) {
        let outcome = state.finding(channel: channel, purpose: purpose.id).outcome
        let until = Day(rawValue: outcome.untilDay)
        let now = Timestamp(microseconds: head.time)
        if outcome.code == CellState.granted.rawValue {
            if let notice, notice.ordinal == outcome.noticeOrdinal, notice.invalidatedFrom <= now {
                return ("notice invalidated", until)
            }
            if until != .none, until.start <= now { return ("expired", until) }
        }
        if outcome.code == CellState.pending.rawValue, until.start <= now { return ("lapsed", until) }
        return (EventText.name(CellState(rawValue: outcome.code) ?? .none), until)
    }

    /// Moved by each contact of the person; after an erasure, that of the grant.
    private var retentionDay: Day {
        guard let day = state.contacts?.retentionDay, day != .none else { return grant.retentionDay }
        return day
    }

    /// The operator's own name of the person, or else the recipient key.
    static func principal(_ personal: PersonalPart) -> String {
        personal.reference.isEmpty ? Hexadecimal.text(of: personal.key.bytes) : personal.reference
    }

    private var jurisdiction: String {
        controller.jurisdiction.isEmpty ? controller.country : controller.jurisdiction
    }

    private var privacyNotice: String {
        guard let notice else { return "" }
        return notice.policyURL.isEmpty ? "sha-256:\(notice.id.hex)" : notice.policyURL
    }

    private var contactKind: String { grant.contactKind.map { EventText.name($0) } ?? "" }

    private var collectionMethod: String { "\(EventText.name(grant.source)): \(EventText.name(grant.act))" }

    /// The first e-mail address in the controller's contact; empty where there is none.
    private var contactEmail: String {
        controller.contact.split { " ,;<>()".contains($0) }.first { $0.contains("@") }.map(String.init) ?? ""
    }

    /// The first phone number in it: digits in groups, between commas or semicolons.
    private var contactPhone: String {
        let parts = controller.contact.split { ",;".contains($0) }.map { $0.drop { $0 == " " } }
        let phone = parts.first { part in
            (part.first == "+" || part.first == "0") && part.allSatisfy { "+0123456789 .-()".contains($0) }
        }
        return phone.map(String.init) ?? ""
    }

    /// The event's id, written as a UUID.
    private var recordID: String {
        let digits = Array(Hexadecimal.text(of: personal.eventID.bytes))
        let parts = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
        return parts.map { String($0) }.joined(separator: "-")
    }
}
