// Which fields a consent receipt must have, as data: path, type, and what each comes from.
//
// The lists are those of Kantara Consent Receipt 1.1 (its field table, as the required members of WSO2's
// consent DTOs carry it) and of ISO/IEC TS 27560:2023 (the fields that W3C DPVCG's guide to it and
// arXiv:2405.04528 mark as mandatory). In a path, `0` is the first element of a list.

import ConsentClient

/// What a receipt is made from; each change of the tables alters some of it.
struct ReceiptSources {
    var controller: Controller
    var text = "Offers by e-mail."
    var locale = "en-GB"
    var policy = "https://salon.example/privacy"
    var source = Source.widget
    var act = Act.tickedBox
    var occurredAt: Int64 = 1_790_000_000_000_000
    var reference = ""
    var channels: [Channel] = [.email]
    var address = "receipt@example.fr"
    var purposes: [UInt8] = [3]
    /// A withdrawal follows.
    var isWithdrawn = false

    /// - Parameter number: of the controller; its code carries it.
    init(number: UInt32) {
        controller = Controller(
            id: ControllerID(rawValue: number), code: "salon-\(number)", name: "Salon")
        controller.jurisdiction = "FR"
        controller.contact = "Salon, dpo@salon.example, +33 1 23 45 67 89"
        controller.country = "FR"
        controller.storageLocation = "Paris"
        controller.recipients = "Mailer SAS"
        controller.withdrawalMethod = "reply STOP"
        controller.region = "FR"
    }

    mutating func byText() {
        channels = [.sms]
        address = "+33612345678"
    }
}

/// The JSON type of a field.
enum FieldType {
    case string, integer, boolean, list, object

    func holds(_ json: JSON) -> Bool {
        switch (self, json) {
        case (.string, .string(let text)): !text.isEmpty
        case (.integer, .integer), (.integer, .unsigned), (.boolean, .bool), (.list, .array),
            (.object, .object):
            true
        default: false
        }
    }
}

/// The fields of one form of receipt.
struct ReceiptForm: Sendable {
    typealias Change = @Sendable (inout ReceiptSources) -> Void

    let format: ExportFormat
    /// Mandatory fields with their types; strings must not be empty.
    let mandatory: [(path: String, type: FieldType)]
    /// Fields that are the same in every receipt, each with the reason.
    let constants: [String: String]
    /// Fields, mandatory or not, and changes to their sources that must alter them.
    let changes: [(path: String, change: Change)]

    static let all = [kantara, iso27560]

    static let kantara = ReceiptForm(
        format: .kantara,
        mandatory: [
            ("version", .string), ("jurisdiction", .string), ("consentTimestamp", .integer),
            ("collectionMethod", .string), ("consentReceiptID", .string), ("piiPrincipalId", .string),
            ("piiControllers", .list), ("piiControllers.0.piiController", .string),
            ("piiControllers.0.contact", .string), ("piiControllers.0.address", .object),
            ("piiControllers.0.address.addressCountry", .string), ("piiControllers.0.email", .string),
            ("piiControllers.0.phone", .string), ("policyUrl", .string), ("services", .list),
            ("services.0.service", .string), ("services.0.purposes", .list),
            ("services.0.purposes.0.purposeCategory", .list),
            ("services.0.purposes.0.consentType", .string), ("services.0.purposes.0.piiCategory", .list),
            ("services.0.purposes.0.termination", .string),
            ("services.0.purposes.0.thirdPartyDisclosure", .boolean),
            ("services.0.purposes.0.thirdPartyName", .string), ("sensitive", .boolean), ("spiCat", .list),
        ],
        constants: [
            "version": "the form's own version",
            "services.0.purposes.0.purposeCategory.0": "the gate lets grants be for marketing only",
            "services.0.purposes.0.consentType": "the gate lets in no grant without an affirmative act",
            "sensitive": "special categories of data are out of the register's scope",
            "spiCat": "special categories of data are out of the register's scope",
        ],
        changes: [
            ("jurisdiction", { $0.controller.jurisdiction = "DE" }),
            ("consentTimestamp", { $0.occurredAt -= 5_000_000 }),
            ("collectionMethod", { $0.source = .preferencePage }),
            ("collectionMethod", { $0.act = .button }),
            ("consentReceiptID", { _ in }), ("language", { $0.locale = "fr-FR" }),
            ("piiPrincipalId", { $0.reference = "customer-1" }),
            ("piiControllers.0.piiController", { $0.controller.name = "Other" }),
            ("piiControllers.0.contact", { $0.controller.contact = "Elsewhere" }),
            ("piiControllers.0.address.addressCountry", { $0.controller.country = "BE" }),
            ("piiControllers.0.email", { $0.controller.contact = "other@salon.example" }),
            ("piiControllers.0.phone", { $0.controller.contact = "+3299" }),
            ("policyUrl", { $0.policy = "https://other.example/" }),
            ("services.0.service", { $0.byText() }),
            ("services.0.purposes.0.purpose", { $0.purposes = [4] }),
            ("services.0.purposes.0.piiCategory.0", { $0.byText() }),
            ("services.0.purposes.0.termination", { $0.controller.retentionMonths = 12 }),
            ("services.0.purposes.0.termination", { $0.controller.validityMonths = 6 }),
            ("services.0.purposes.0.termination", { $0.controller.withdrawalMethod = "write to us" }),
            ("services.0.purposes.0.termination", { $0.isWithdrawn = true }),
            ("services.0.purposes.0.thirdPartyDisclosure", { $0.controller.recipients = "" }),
            ("services.0.purposes.0.thirdPartyName", { $0.controller.recipients = "Another" }),
        ])

    static let iso27560 = ReceiptForm(
        format: .iso27560,
        mandatory: [
            ("schema_version", .string), ("record_id", .string), ("receipt_id", .string),
            ("pii_principal_id", .string), ("pii_processing", .object),
            ("pii_processing.privacy_notice", .string), ("pii_processing.language", .string),
            ("pii_processing.purposes", .list), ("pii_processing.purposes.0.purpose", .string),
            ("pii_processing.purposes.0.pii_information", .list),
            ("pii_processing.purposes.0.pii_information.0.pii_type", .string),
            ("pii_processing.purposes.0.pii_controllers", .list),
            ("pii_processing.purposes.0.storage_locations", .list),
            ("pii_processing.purposes.0.retention_period", .string),
            ("pii_processing.purposes.0.jurisdiction", .string),
            ("pii_processing.purposes.0.recipient_third_parties", .list),
            ("pii_processing.purposes.0.withdrawal_method", .string), ("party_identification", .list),
            ("party_identification.0.party_id", .string), ("party_identification.0.party_name", .string),
            ("party_identification.0.party_address", .string),
            ("party_identification.0.party_contact", .string),
            ("party_identification.0.party_type", .string), ("event", .list), ("event.0.event_time", .string),
            ("event.0.validity_duration", .string), ("event.0.entity_id", .string),
            ("event.0.event_type", .string), ("event.0.event_state", .string),
        ],
        constants: [
            "schema_version": "the form's own version",
            "pii_processing.purposes.0.purpose_type": "the gate lets grants be for marketing only",
            "pii_processing.purposes.0.lawful_basis":
                "marketing rests on consent, and nothing else is granted",
            "party_identification.0.party_role": "the controller is the one party that the register knows",
        ],
        changes: [
            ("record_id", { _ in }), ("receipt_id", { _ in }),
            ("pii_principal_id", { $0.reference = "customer-1" }),
            ("pii_processing.privacy_notice", { $0.policy = "https://other.example/" }),
            ("pii_processing.privacy_notice", { $0.policy = "" }),
            ("pii_processing.language", { $0.locale = "fr-FR" }),
            ("pii_processing.x_notice_text", { $0.text = "Other words." }),
            ("pii_processing.purposes.0.purpose", { $0.purposes = [4] }),
            ("pii_processing.purposes.0.pii_information.0.pii_type", { $0.byText() }),
            ("pii_processing.purposes.0.pii_controllers.0", { _ in }),
            ("pii_processing.purposes.0.collection_method", { $0.source = .preferencePage }),
            ("pii_processing.purposes.0.collection_method", { $0.act = .button }),
            ("pii_processing.purposes.0.processing_method.0", { $0.byText() }),
            ("pii_processing.purposes.0.services.0", { $0.byText() }),
            ("pii_processing.purposes.0.storage_locations.0", { $0.controller.storageLocation = "Lyon" }),
            ("pii_processing.purposes.0.retention_period", { $0.controller.retentionMonths = 12 }),
            ("pii_processing.purposes.0.jurisdiction", { $0.controller.jurisdiction = "DE" }),
            (
                "pii_processing.purposes.0.recipient_third_parties.0",
                { $0.controller.recipients = "Another" }
            ),
            ("pii_processing.purposes.0.withdrawal_method", { $0.controller.withdrawalMethod = "write" }),
            ("pii_processing.purposes.0.x_state.0.channel", { $0.byText() }),
            ("pii_processing.purposes.0.x_state.0.state", { $0.isWithdrawn = true }),
            ("pii_processing.purposes.0.x_state.0.until", { $0.controller.validityMonths = 6 }),
            ("party_identification.0.party_id", { _ in }),
            ("party_identification.0.party_name", { $0.controller.name = "Other" }),
            ("party_identification.0.party_type", { $0.controller.kind = .brand }),
            ("party_identification.0.party_address", { $0.controller.country = "BE" }),
            ("party_identification.0.party_contact", { $0.controller.contact = "Elsewhere" }),
            ("event.0.event_time", { $0.occurredAt -= 5_000_000 }),
            ("event.0.event_type", { $0.act = .button }),
            ("event.0.event_state", { $0.controller.doubleOptIn = ChannelSet([.email]) }),
            ("event.0.validity_duration", { $0.controller.validityMonths = 6 }),
            ("event.0.entity_id", { $0.reference = "customer-1" }),
            ("event.0.x_channels.0", { $0.byText() }), ("event.0.x_sequence", { _ in }),
        ])
}
