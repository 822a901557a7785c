// Controllers, purposes and notices, both ways.

import ConsentDomain
import WireProtocol

/// Why a catalogue message has no domain value.
public enum CatalogueMappingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A field holds a number that this program does not know, or one outside its range.
    case badField(name: String, value: Int)
    /// A field is longer than its limit.
    case tooLong(name: String, bytes: Int, limit: Int)

    /// The field, what is wrong with it, and where its rule is written.
    public var description: String {
        switch self {
        case .badField(let name, let value): "field \(name) cannot be \(value); see Protocol/REFERENCE.md"
        case .tooLong(let name, let bytes, let limit):
            "field \(name) has \(bytes) bytes; the limit is \(limit)"
        }
    }
}

extension Controller {
    /// Checks the kind, the channels of double opt-in and the lengths of texts (bytes of UTF-8). A retention
    /// of 0 months stands for the default, 36.
    public init(_ wire: Wire.Controller) throws(CatalogueMappingError) {
        guard let kind = ControllerKind(rawValue: wire.kind.rawValue) else {
            throw .badField(name: "kind", value: Int(wire.kind.rawValue))
        }
        guard let doubleOptIn = ChannelSet(wire.doubleOptIn, unknownMeansAll: false), !doubleOptIn.isAll
        else {
            throw .badField(name: "double_opt_in", value: 0)
        }
        for (name, text) in [
            ("name", wire.name), ("contact", wire.contact), ("jurisdiction", wire.jurisdiction),
            ("storage_location", wire.storageLocation), ("recipients", wire.recipients),
            ("withdrawal_method", wire.withdrawalMethod), ("country", wire.country), ("region", wire.region),
        ] {
            try checkLength(name, text, limit: Int(Wire.Limits.textBytesMax))
        }
        try checkLength("code", wire.code, limit: Int(Wire.Limits.codeBytesMax))
        self.init(id: ControllerID(rawValue: wire.id), code: wire.code, name: wire.name)
        country = wire.country
        contact = wire.contact
        self.kind = kind
        region = wire.region
        self.doubleOptIn = doubleOptIn
        retentionMonths = wire.retentionMonths == 0 ? 36 : wire.retentionMonths
        validityMonths = wire.validityMonths
        referenceRequired = wire.referenceRequired
        jurisdiction = wire.jurisdiction
        storageLocation = wire.storageLocation
        recipients = wire.recipients
        withdrawalMethod = wire.withdrawalMethod
        closed = wire.closed
    }
}

extension Wire.Controller {
    /// All fields, as they are.
    public init(_ controller: Controller) {
        self.init()
        id = controller.id.rawValue
        code = controller.code
        name = controller.name
        country = controller.country
        contact = controller.contact
        kind = Wire.ControllerKind(rawValue: controller.kind.rawValue)
        region = controller.region
        doubleOptIn = controller.doubleOptIn.wireList
        retentionMonths = controller.retentionMonths
        validityMonths = controller.validityMonths
        referenceRequired = controller.referenceRequired
        jurisdiction = controller.jurisdiction
        storageLocation = controller.storageLocation
        recipients = controller.recipients
        withdrawalMethod = controller.withdrawalMethod
        closed = controller.closed
    }
}

extension Purpose {
    /// Checks the number (1…63), the class and the lengths of code and title (bytes of UTF-8).
    public init(_ wire: Wire.Purpose) throws(CatalogueMappingError) {
        guard let id = PurposeID(rawValue: wire.id) else { throw .badField(name: "id", value: Int(wire.id)) }
        guard let purposeClass = PurposeClass(rawValue: wire.class.rawValue) else {
            throw .badField(name: "class", value: Int(wire.class.rawValue))
        }
        try checkLength("code", wire.code, limit: Int(Wire.Limits.codeBytesMax))
        try checkLength("title", wire.title, limit: Int(Wire.Limits.textBytesMax))
        self.init(id: id, code: wire.code, title: wire.title, purposeClass: purposeClass)
        retired = wire.retired
    }
}

extension Wire.Purpose {
    /// All fields, as they are.
    public init(_ purpose: Purpose) {
        self.init()
        id = purpose.id.rawValue
        code = purpose.code
        title = purpose.title
        self.class = Wire.PurposeClass(rawValue: purpose.purposeClass.rawValue)
        retired = purpose.retired
    }
}

extension Notice {
    /// Checks the box, the channels and purposes (named ones only, never "all") and the lengths of texts
    /// (bytes of UTF-8). Id, ordinal and invalidation are the register's to set, so they are not read.
    public init(_ wire: Wire.Notice) throws(CatalogueMappingError) {
        guard let box = BoxDefault(rawValue: wire.box.rawValue) else {
            throw .badField(name: "box", value: Int(wire.box.rawValue))
        }
        guard let channels = ChannelSet(wire.channels, unknownMeansAll: false), !channels.isAll else {
            throw .badField(name: "channels", value: 0)
        }
        guard let purposes = PurposeSet(wire.purposes, unknownMeansAll: false), !purposes.isAll else {
            throw .badField(name: "purposes", value: 0)
        }
        try checkLength("text", wire.text, limit: Int(Wire.Limits.noticeBytesMax))
        for (name, text) in [
            ("locale", wire.locale), ("policy_url", wire.policyUrl), ("version", wire.version),
        ] {
            try checkLength(name, text, limit: Int(Wire.Limits.textBytesMax))
        }
        self.init(
            locale: wire.locale, text: wire.text, channels: channels, purposes: purposes,
            controllers: wire.controllers.map(ControllerID.init(rawValue:)))
        withdrawalExplained = wire.withdrawalExplained
        dataUseExplained = wire.dataUseExplained
        policyURL = wire.policyUrl
        conditional = wire.conditional
        self.box = box
        termsSeparate = wire.termsSeparate
        version = wire.version
        validFrom = Timestamp(microseconds: wire.validFrom)
    }
}

extension Wire.Notice {
    /// - Parameter withText: whether the text goes along.
    public init(_ notice: Notice, id: NoticeID, withText: Bool) {
        self.init()
        self.id = Wire.Bytes32(id)
        locale = notice.locale
        text = withText ? notice.text : ""
        channels = notice.channels.wireList
        purposes = notice.purposes.wireList
        controllers = notice.controllers.map(\.rawValue)
        withdrawalExplained = notice.withdrawalExplained
        dataUseExplained = notice.dataUseExplained
        policyUrl = notice.policyURL
        conditional = notice.conditional
        box = Wire.BoxDefault(rawValue: notice.box.rawValue)
        termsSeparate = notice.termsSeparate
        version = notice.version
        validFrom = notice.validFrom.microseconds
        ordinal = notice.ordinal
        invalidatedFrom =
            notice.invalidatedFrom == .distantFuture ? nil : notice.invalidatedFrom.microseconds
        invalidatedReason = notice.invalidatedReason
    }
}

private func checkLength(_ name: String, _ text: String, limit: Int) throws(CatalogueMappingError) {
    guard text.utf8.count <= limit else { throw .tooLong(name: name, bytes: text.utf8.count, limit: limit) }
}
