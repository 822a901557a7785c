// Canonical forms of what catalogue events write: controller, purpose, notice, invalidation of a notice.
//
// Little-endian; a text is a u16 byte count and UTF-8.
//
//   controller   u8 version = 1, u8 kind, u8 flags (bit 0 reference required, bit 1 closed), u8 zero,
//                u32 id, u16 double opt-in channels, u16 retention months, u16 validity months, u16 zero,
//                texts: code, name, country, contact, region, jurisdiction, storage location, recipients,
//                withdrawal method
//   purpose      u8 version = 1, u8 id, u8 class, u8 retired, texts: code, title
//   notice       u8 version = 1, u8 flags (bit 0 withdrawal explained, bit 1 data use explained,
//                bit 2 conditional, bit 3 separate from terms), u8 box, u8 zero, u16 channels,
//                u16 controller count, u64 purposes, i64 valid from, u32 each controller (ascending, each
//                once), texts: locale, version, policy URL, u32 byte count and UTF-8 of the text
//   invalidation u8 version = 1, 7 zero bytes, i64 effective, 32 bytes notice id, text: reason

/// Invalidates a notice: what a `noticeInvalidated` event writes.
public struct NoticeInvalidation: Hashable, Sendable {
    /// Id of the notice.
    public var id: NoticeID
    /// Why.
    public var reason: String
    /// Consents under the notice stop counting from this time on.
    public var effective: Timestamp

    /// An invalidation.
    public init(id: NoticeID, reason: String, effective: Timestamp) {
        self.id = id
        self.reason = reason
        self.effective = effective
    }

    /// The canonical form.
    public var encoded: [UInt8] {
        var writer = CanonicalWriter(reserving: 64)
        writer.append(1 as UInt8)
        writer.append(zeros: 7)
        writer.append(effective.rawValue)
        writer.append(id)
        writer.append(text: reason)
        return writer.bytes
    }

    /// Reads the canonical form.
    public init(decoding bytes: [UInt8]) throws(CanonicalFormError) {
        var reader = CanonicalReader(bytes, form: "invalidation")
        try reader.version()
        try reader.zeros("zero bytes", count: 7)
        let effective = Timestamp(rawValue: try reader.read())
        self.init(id: try reader.digest(), reason: try reader.text("reason"), effective: effective)
        try reader.finish()
    }
}

extension CanonicalReader {
    /// The form's version byte, which must be the one expected.
    mutating func version(_ expected: UInt8 = 1) throws(CanonicalFormError) {
        let version = try read(UInt8.self)
        guard version == expected else { throw bad("version", version) }
    }
}

extension Controller {
    /// The canonical form.
    public var encoded: [UInt8] {
        var writer = CanonicalWriter(reserving: 128)
        writer.append(1 as UInt8)
        writer.append(kind.rawValue)
        writer.append((referenceRequired ? 1 : 0) | (closed ? 2 : 0) as UInt8)
        writer.append(0 as UInt8)
        writer.append(id.rawValue)
        writer.append(doubleOptIn.rawValue)
        writer.append(retentionMonths)
        writer.append(validityMonths)
        writer.append(zeros: 2)
        for text in [
            code, name, country, contact, region, jurisdiction, storageLocation, recipients, withdrawalMethod,
        ] {
            writer.append(text: text)
        }
        return writer.bytes
    }

    /// Reads the canonical form.
    public init(decoding bytes: [UInt8]) throws(CanonicalFormError) {
        var reader = CanonicalReader(bytes, form: "controller")
        try reader.version()
        let kind: ControllerKind = try reader.value("kind")
        let flags: UInt8 = try reader.read()
        guard flags < 4 else { throw reader.bad("flags", flags) }
        try reader.zeros("zero byte", count: 1)
        let id = ControllerID(rawValue: try reader.read())
        let doubleOptIn = ChannelSet(rawValue: try reader.read())
        let retentionMonths: UInt16 = try reader.read()
        let validityMonths: UInt16 = try reader.read()
        try reader.zeros("zero bytes", count: 2)
        self.init(id: id, code: try reader.text("code"), name: try reader.text("name"))
        self.kind = kind
        self.doubleOptIn = doubleOptIn
        self.retentionMonths = retentionMonths
        self.validityMonths = validityMonths
        referenceRequired = flags & 1 != 0
        closed = flags & 2 != 0
        country = try reader.text("country")
        contact = try reader.text("contact")
        region = try reader.text("region")
        jurisdiction = try reader.text("jurisdiction")
        storageLocation = try reader.text("storage location")
        recipients = try reader.text("recipients")
        withdrawalMethod = try reader.text("withdrawal method")
        try reader.finish()
    }
}

extension Purpose {
    /// The canonical form.
    public var encoded: [UInt8] {
        var writer = CanonicalWriter(reserving: 64)
        writer.append(1 as UInt8)
        writer.append(id.rawValue)
        writer.append(purposeClass.rawValue)
        writer.append((retired ? 1 : 0) as UInt8)
        writer.append(text: code)
        writer.append(text: title)
        return writer.bytes
    }

    /// Reads the canonical form.
    public init(decoding bytes: [UInt8]) throws(CanonicalFormError) {
        var reader = CanonicalReader(bytes, form: "purpose")
        try reader.version()
        let rawID: UInt8 = try reader.read()
        guard let id = PurposeID(rawValue: rawID) else { throw reader.bad("id", rawID) }
        let purposeClass: PurposeClass = try reader.value("class")
        let retired = try reader.flag("retired")
        self.init(
            id: id, code: try reader.text("code"), title: try reader.text("title"), purposeClass: purposeClass
        )
        self.retired = retired
        try reader.finish()
    }
}

extension Notice {
    /// The canonical form. Ordinal and invalidation are no part of it.
    public var encoded: [UInt8] {
        let named = Set(controllers).sorted()
        precondition(named.count <= Int(UInt16.max), "notice with \(named.count) controllers")
        var writer = CanonicalWriter(reserving: 64 + named.count * 4 + text.utf8.count)
        writer.append(1 as UInt8)
        var flags: UInt8 = withdrawalExplained ? 1 : 0
        if dataUseExplained { flags |= 2 }
        if conditional { flags |= 4 }
        if termsSeparate { flags |= 8 }
        writer.append(flags)
        writer.append(box.rawValue)
        writer.append(0 as UInt8)
        writer.append(channels.rawValue)
        writer.append(UInt16(named.count))
        writer.append(purposes.rawValue)
        writer.append(validFrom.rawValue)
        for controller in named { writer.append(controller.rawValue) }
        writer.append(text: locale)
        writer.append(text: version)
        writer.append(text: policyURL)
        writer.append(UInt32(text.utf8.count))
        writer.append(utf8Of: text)
        return writer.bytes
    }

    /// SHA-256 of the canonical form.
    public var id: NoticeID { .sha256(encoded) }

    /// Reads the canonical form.
    public init(decoding bytes: [UInt8]) throws(CanonicalFormError) {
        var reader = CanonicalReader(bytes, form: "notice")
        try reader.version()
        let flags: UInt8 = try reader.read()
        guard flags < 16 else { throw reader.bad("flags", flags) }
        let box: BoxDefault = try reader.value("box")
        try reader.zeros("zero byte", count: 1)
        let channels = ChannelSet(rawValue: try reader.read())
        let controllerCount = Int(try reader.read(UInt16.self))
        let purposes = PurposeSet(rawValue: try reader.read())
        let validFrom = Timestamp(rawValue: try reader.read())
        var controllers: [ControllerID] = []
        for _ in 0..<controllerCount {
            let controller = ControllerID(rawValue: try reader.read())
            if let last = controllers.last, last >= controller {
                throw reader.bad("controller", controller.rawValue)
            }
            controllers.append(controller)
        }
        let locale = try reader.text("locale")
        let version = try reader.text("version")
        let policyURL = try reader.text("policy URL")
        let textCount = Int(try reader.read(UInt32.self))
        self.init(
            locale: locale, text: try reader.text("text", count: textCount), channels: channels,
            purposes: purposes, controllers: controllers)
        self.version = version
        self.policyURL = policyURL
        self.validFrom = validFrom
        self.box = box
        withdrawalExplained = flags & 1 != 0
        dataUseExplained = flags & 2 != 0
        conditional = flags & 4 != 0
        termsSeparate = flags & 8 != 0
        try reader.finish()
    }
}
