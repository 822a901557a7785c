// Consent receipts: a grant in the forms of Kantara Consent Receipt 1.1 and of ISO/IEC TS 27560.
//
// Every field is read from the event, its controller, its purposes or its notice. The exceptions are the
// name of each form's version, and Kantara's `sensitive` and `spiCat`: special categories of data are out of
// the register's scope, so they always say none.

import ConsentDomain

/// What one receipt is made from.
struct ReceiptSource {
    let grant: ConsentEvent
    let personal: PersonalPart
    let controller: Controller
    let purposes: [Purpose]
    let notice: Notice?
    /// Later events of the same contact point, oldest first.
    let later: [ConsentEvent]

    /// nil for an event that is no grant, or whose personal part is gone.
    init?(_ event: ConsentEvent, among all: [ConsentEvent], _ catalogue: Catalogue) {
        guard event.kind == .grant, let personal = event.personal,
            let controller = catalogue.controllers[event.controller]
        else { return nil }
        grant = event
        self.personal = personal
        self.controller = controller
        purposes = event.purposes.named.compactMap { catalogue.purposes[$0] }
        notice = event.notice.flatMap { catalogue.notices[$0] }
        later = all.filter { other in
            other.sequence > event.sequence && other.personal?.key == personal.key
                && other.contactKind == event.contactKind && Self.concerns(other, event)
        }
    }

    /// Whether a later event changes what a grant gave.
    private static func concerns(_ other: ConsentEvent, _ grant: ConsentEvent) -> Bool {
        switch other.kind {
        case .confirm: return other.refersTo == grant.sequence
        case .contactSeen, .rekeyed, .unprovenImport, .deliverabilityCleared, .bounce: return false
        case .erase: return true
        default:
            let scope = other.denialScope
            return grant.channels.named.contains { scope.channels.covers($0) }
                && grant.purposes.named.contains { scope.purposes.covers($0) }
        }
    }

    // MARK: Kantara Consent Receipt 1.1

    var kantara: JSONValue {
        .members([
            "version": .string("KI-CR-v1.1.0"), "jurisdiction": .string(controller.jurisdiction),
            "consentTimestamp": .integer(seconds(grant.occurredAt)),
            "collectionMethod": .string(collectionMethod), "consentReceiptID": .string(uuid),
            "language": .string(notice?.locale ?? ""), "piiPrincipalId": .string(principal),
            "piiControllers": .array([
                .members([
                    "piiController": .string(controller.name), "contact": .string(controller.contact),
                    "address": .members(["addressCountry": .string(controller.country)]),
                    "email": .string(contactPart { $0.contains("@") }),
                    "phone": .string(
                        contactPart { !$0.contains("@") && ($0.first == "+" || $0.first == "0") }),
                ])
            ]),
            "policyUrl": .string(notice?.policyURL ?? ""),
            "services": .array([
                .members([
                    "service": .string(services),
                    "purposes": .array(purposes.map(kantaraPurpose)),
                ])
            ]),
            "sensitive": .bool(false), "spiCat": .array([]),
        ])
    }

    private func kantaraPurpose(_ purpose: Purpose) -> JSONValue {
        .members([
            "purpose": .string(purpose.title), "purposeCategory": .strings([category(purpose)]),
            "consentType": .string(grant.act == .none ? "IMPLICIT" : "EXPLICIT"),
            "piiCategory": .strings([grant.contactKind.map { EventText.name($0) } ?? ""]),
            "primaryPurpose": .bool(purpose.purposeClass == .service), "termination": .string(termination),
            "thirdPartyDisclosure": .bool(!controller.recipients.isEmpty),
            "thirdPartyName": .string(controller.recipients),
        ])
    }

    // MARK: ISO/IEC TS 27560

    var iso27560: JSONValue {
        .members([
            "schema_version": .string("ISO/IEC TS 27560:2023"), "record_id": .string(uuid),
            "pii_principal_id": .string(principal),
            "pii_processing": .members([
                "privacy_notice": .string(notice?.policyURL ?? ""),
                "notice_id": .string(Hexadecimal.text(of: grant.notice?.bytes ?? [])),
                "notice_text": .string(notice?.text ?? ""), "language": .string(notice?.locale ?? ""),
                "purposes": .array(purposes.map(isoPurpose)),
            ]),
            "party_identification": .array([
                .members([
                    "party_id": .string(controller.code), "party_name": .string(controller.name),
                    "party_role": .string("pii_controller"), "party_type": .string("\(controller.kind)"),
                    "party_address": .string(controller.country),
                    "party_contact": .string(controller.contact),
                ])
            ]),
            "event": .array(([grant] + later).map(isoEvent)),
        ])
    }

    private func isoPurpose(_ purpose: Purpose) -> JSONValue {
        .members([
            "purpose": .string(purpose.title), "purpose_type": .string(category(purpose)),
            "lawful_basis": .string(purpose.purposeClass == .marketing ? "consent" : "contract"),
            "pii_information": .array([
                .members([
                    "pii_type": .string(grant.contactKind.map { EventText.name($0) } ?? ""),
                    "pii_optional": .bool(!(notice?.conditional ?? false)),
                ])
            ]),
            "pii_controllers": .strings([controller.code]), "collection_method": .string(collectionMethod),
            "processing_method": .string(services),
            "storage_locations": .strings([controller.storageLocation]),
            "retention_period": .string(grant.retentionDay.iso8601),
            "jurisdiction": .string(controller.jurisdiction),
            "recipients": .strings(controller.recipients.isEmpty ? [] : [controller.recipients]),
            "withdrawal_method": .string(controller.withdrawalMethod),
        ])
    }

    private func isoEvent(_ event: ConsentEvent) -> JSONValue {
        .members([
            "event_time": .string(event.occurredAt.rfc3339), "event_type": .string(EventText.name(event.act)),
            "event_state": .string(EventText.name(event.kind)),
            "validity_duration": .string(event.validityDay.iso8601), "entity_id": .string(controller.code),
            "event_sequence": .unsigned(event.sequence),
        ])
    }

    // MARK: Parts

    private var principal: String {
        personal.reference.isEmpty ? Hexadecimal.text(of: personal.key.bytes) : personal.reference
    }

    private var collectionMethod: String {
        "\(EventText.name(grant.source)): \(EventText.name(grant.act))"
    }

    private var services: String {
        grant.channels.named.map { EventText.name($0) }.joined(separator: ", ")
    }

    private var termination: String {
        var parts: [String] = []
        if grant.validityDay != .none { parts.append("valid until \(grant.validityDay.iso8601)") }
        if grant.retentionDay != .none { parts.append("kept until \(grant.retentionDay.iso8601)") }
        if !controller.withdrawalMethod.isEmpty { parts.append(controller.withdrawalMethod) }
        return parts.joined(separator: "; ")
    }

    private func category(_ purpose: Purpose) -> String {
        purpose.purposeClass == .marketing ? "Marketing" : "Core Function"
    }

    /// The first word of the controller's contact that is of a kind; empty where there is none.
    private func contactPart(_ isWanted: (Substring) -> Bool) -> String {
        controller.contact.split { " ,;".contains($0) }.first(where: isWanted).map(String.init) ?? ""
    }

    /// The event's id, written as a UUID.
    private var uuid: String {
        let digits = Array(Hexadecimal.text(of: personal.eventID.bytes))
        let parts = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
        return parts.map { String($0) }.joined(separator: "-")
    }

    private func seconds(_ time: Timestamp) -> Int64 { time.microseconds / 1_000_000 }
}
