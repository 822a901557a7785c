// What may be written to the catalogue, and how catalogue events change it.
//
// Invariant: what `change(…)` lets through, `apply` takes in the same way at each replay; ordinals of notices
// follow the order of recording.

/// Why something cannot be written to the catalogue. Each names the thing and the remedy.
public enum CatalogueError: Error, Hashable, Sendable, CustomStringConvertible {
    case badControllerID
    case badCode(thing: String, code: String)
    case duplicateCode(thing: String, code: String, holder: UInt32)
    case emptyText(thing: String, field: String)
    case textTooLong(thing: String, field: String, byteCount: Int, byteCountMax: Int)
    case badCountry(thing: String, field: String, value: String)
    case unknownRegion(thing: String, region: String)
    case badMonths(thing: String, field: String, months: UInt16)
    case badChannels(thing: String)
    case reopened(thing: String)
    case classChanged(thing: String)
    case noPurposes(thing: String)
    case noControllers(thing: String)
    case unknownPurpose(thing: String, purpose: UInt8)
    case unknownController(thing: String, controller: UInt32)
    case unknownNotice(String)
    case tooManyNotices
    case alreadyInvalidated(String, from: Timestamp)

    /// What is wrong and the remedy.
    public var description: String {
        switch self {
        case .badControllerID: "controller 0: numbers begin at 1; choose another"
        case .badCode(let thing, let code):
            "\(thing): code '\(code)' must be 1 to 64 lower-case letters, digits and dashes, and begin with "
                + "a letter "
                + "or digit; choose another"
        case .duplicateCode(let thing, let code, let holder):
            "\(thing): code '\(code)' belongs to number \(holder); choose another"
        case .emptyText(let thing, let field): "\(thing): \(field) is empty; state it"
        case .textTooLong(let thing, let field, let byteCount, let byteCountMax):
            "\(thing): \(field) has \(byteCount) bytes, \(byteCountMax) at most; shorten it"
        case .badCountry(let thing, let field, let value):
            "\(thing): \(field) '\(value)' is no ISO 3166 alpha-2 code; write two capital letters, such as FR"
        case .unknownRegion(let thing, let region):
            "\(thing): national phone numbers of region '\(region)' are not understood; leave the region "
                + "empty and "
                + "give numbers with + and the country code, or use one of "
                + PhoneRegion.allCases.map(\.rawValue).joined(separator: ", ")
        case .badMonths(let thing, let field, let months):
            "\(thing): \(field) of \(months) months is outside of what is allowed; use 1 to 1200"
        case .badChannels(let thing):
            "\(thing): channels must be named one by one; name at least one known channel"
        case .reopened(let thing):
            "\(thing) was closed or retired for good; write a new one under another number"
        case .classChanged(let thing):
            "\(thing): the class never changes; write a new purpose under another number"
        case .noPurposes(let thing): "\(thing): purposes must be named one by one; name at least one"
        case .noControllers(let thing): "\(thing): no controller is named; name those that the text names"
        case .unknownPurpose(let thing, let purpose):
            "\(thing): purpose \(purpose) is unknown; write it to the catalogue first"
        case .unknownController(let thing, let controller):
            "\(thing): controller \(controller) is unknown; write it to the catalogue first"
        case .unknownNotice(let id): "notice \(id) is unknown; check its id"
        case .tooManyNotices: "the register holds 65535 notices and can take no other"
        case .alreadyInvalidated(let id, let from):
            "notice \(id) is invalidated from \(from.rfc3339) on; it cannot become valid again, choose that "
                + "time or an "
                + "earlier one"
        }
    }
}

/// What writing to the catalogue would do.
public enum CatalogueChange: Hashable, Sendable {
    /// The same is on file: no event.
    case unchanged
    /// The event's payload.
    case changed(payload: [UInt8])
}

extension Catalogue {
    /// Bytes of a notice's text at most.
    public static let noticeByteCountMax = 65_536
    /// Bytes of a code at most.
    public static let codeByteCountMax = 64

    // MARK: Lookups

    /// The controller with a code, closed ones included.
    public func controller(code: String) -> Controller? {
        controllerCodes[code].flatMap { controllers[$0] }
    }

    /// The purpose with a code, retired ones included.
    public func purpose(code: String) -> Purpose? { purposes.values.first { $0.code == code } }

    // MARK: Rules

    /// What writing a controller would do, or why it cannot be written.
    public func change(putting controller: Controller) throws(CatalogueError) -> CatalogueChange {
        guard controller.id.rawValue != 0 else { throw .badControllerID }
        let thing = "controller \(controller.id.rawValue)"
        try Self.check(code: controller.code, of: thing)
        if let holder = controllerCodes[controller.code], holder != controller.id {
            throw .duplicateCode(thing: thing, code: controller.code, holder: holder.rawValue)
        }
        guard !controller.name.isEmpty else { throw .emptyText(thing: thing, field: "name") }
        try Self.check(country: controller.country, field: "country", of: thing)
        try Self.check(country: controller.region, field: "region", of: thing)
        if !controller.region.isEmpty, PhoneRegion(code: controller.region) == nil {
            throw .unknownRegion(thing: thing, region: controller.region)
        }
        guard (1...1_200).contains(controller.retentionMonths) else {
            throw .badMonths(thing: thing, field: "retention", months: controller.retentionMonths)
        }
        guard controller.validityMonths <= 1_200 else {
            throw .badMonths(thing: thing, field: "validity", months: controller.validityMonths)
        }
        guard controller.doubleOptIn == ChannelSet(controller.doubleOptIn.named) else {
            throw .badChannels(thing: thing)
        }
        for (field, text) in [
            ("name", controller.name), ("contact", controller.contact),
            ("jurisdiction", controller.jurisdiction),
            ("storage location", controller.storageLocation), ("recipients", controller.recipients),
            ("withdrawal method", controller.withdrawalMethod),
        ] {
            try Self.check(text: text, field: field, of: thing)
        }
        let current = controllers[controller.id]
        if let current, current.closed, !controller.closed { throw .reopened(thing: thing) }
        return current == controller ? .unchanged : .changed(payload: controller.encoded)
    }

    /// What writing a purpose would do, or why it cannot be written.
    public func change(putting purpose: Purpose) throws(CatalogueError) -> CatalogueChange {
        let thing = "purpose \(purpose.id.rawValue)"
        try Self.check(code: purpose.code, of: thing)
        if let holder = self.purpose(code: purpose.code), holder.id != purpose.id {
            throw .duplicateCode(thing: thing, code: purpose.code, holder: UInt32(holder.id.rawValue))
        }
        guard !purpose.title.isEmpty else { throw .emptyText(thing: thing, field: "title") }
        try Self.check(text: purpose.title, field: "title", of: thing)
        let current = purposes[purpose.id]
        if let current {
            guard current.purposeClass == purpose.purposeClass else { throw .classChanged(thing: thing) }
            guard !current.retired || purpose.retired else { throw .reopened(thing: thing) }
        }
        return current == purpose ? .unchanged : .changed(payload: purpose.encoded)
    }

    /// What writing a notice would do, or why it cannot be written. A notice that is on file is unchanged,
    /// whether or not it was invalidated since.
    public func change(putting notice: Notice) throws(CatalogueError) -> CatalogueChange {
        let thing = "notice \(notice.version.isEmpty ? notice.locale : notice.version)"
        guard !notice.text.isEmpty else { throw .emptyText(thing: thing, field: "text") }
        try Self.check(text: notice.text, field: "text", of: thing, byteCountMax: Self.noticeByteCountMax)
        guard !notice.locale.isEmpty else { throw .emptyText(thing: thing, field: "locale") }
        try Self.check(text: notice.locale, field: "locale", of: thing, byteCountMax: Self.codeByteCountMax)
        try Self.check(text: notice.version, field: "version", of: thing)
        try Self.check(text: notice.policyURL, field: "policy URL", of: thing)
        guard !notice.channels.isEmpty, notice.channels == ChannelSet(notice.channels.named) else {
            throw .badChannels(thing: thing)
        }
        guard !notice.purposes.isEmpty, !notice.purposes.isAll else { throw .noPurposes(thing: thing) }
        for purpose in notice.purposes.named where purposes[purpose] == nil {
            throw .unknownPurpose(thing: thing, purpose: purpose.rawValue)
        }
        guard !notice.controllers.isEmpty else { throw .noControllers(thing: thing) }
        for controller in notice.controllers where controllers[controller] == nil {
            throw .unknownController(thing: thing, controller: controller.rawValue)
        }
        if notices[notice.id] != nil { return .unchanged }
        guard noticeOrdinals.count < Int(UInt16.max) else { throw .tooManyNotices }
        return .changed(payload: notice.encoded)
    }

    /// What invalidating a notice would do, or why it cannot be done. A second invalidation may only reach
    /// further back.
    public func change(invalidating invalidation: NoticeInvalidation) throws(CatalogueError)
        -> CatalogueChange
    {
        guard let notice = notices[invalidation.id] else { throw .unknownNotice(invalidation.id.hex) }
        let thing = "notice \(invalidation.id.hex)"
        try Self.check(text: invalidation.reason, field: "reason", of: thing)
        guard invalidation.effective <= notice.invalidatedFrom else {
            throw .alreadyInvalidated(invalidation.id.hex, from: notice.invalidatedFrom)
        }
        if notice.invalidatedFrom == invalidation.effective, notice.invalidatedReason == invalidation.reason {
            return .unchanged
        }
        return .changed(payload: invalidation.encoded)
    }

    // MARK: Replay

    /// Takes in a catalogue event; events up to `sequence` and those of other kinds change nothing.
    public mutating func apply(_ event: ConsentEvent) throws(CanonicalFormError) {
        guard event.kind.isCatalogue, event.sequence > sequence else { return }
        switch event.kind {
        case .controllerPut:
            let controller = try Controller(decoding: event.payload)
            if let old = controllers[controller.id] { controllerCodes[old.code] = nil }
            controllers[controller.id] = controller
            controllerCodes[controller.code] = controller.id
        case .purposePut:
            let purpose = try Purpose(decoding: event.payload)
            purposes[purpose.id] = purpose
        case .noticePut:
            var notice = try Notice(decoding: event.payload)
            let id = Digest32.sha256(event.payload)
            if notices[id] == nil {
                guard noticeOrdinals.count < Int(UInt16.max) else {
                    throw .badValue(form: "notice", field: "ordinal", value: UInt64(noticeOrdinals.count) + 1)
                }
                noticeOrdinals.append(id)
                notice.ordinal = UInt16(noticeOrdinals.count)
                notices[id] = notice
            }
        case .noticeInvalidated:
            let invalidation = try NoticeInvalidation(decoding: event.payload)
            notices[invalidation.id]?.invalidatedFrom = invalidation.effective
            notices[invalidation.id]?.invalidatedReason = invalidation.reason
        default: return
        }
        sequence = event.sequence
    }

    // MARK: Helpers

    private static func check(code: String, of thing: String) throws(CatalogueError) {
        let bytes = Array(code.utf8)
        let isPlain = bytes.allSatisfy { $0 &- 97 < 26 || $0 &- 48 < 10 || $0 == UInt8(ascii: "-") }
        guard isPlain, (1...codeByteCountMax).contains(bytes.count), bytes.first != UInt8(ascii: "-") else {
            throw .badCode(thing: thing, code: String(code.prefix(80)))
        }
    }

    private static func check(country: String, field: String, of thing: String) throws(CatalogueError) {
        let isPlain = country.utf8.count == 2 && country.utf8.allSatisfy { $0 &- 65 < 26 }
        guard country.isEmpty || isPlain else {
            throw .badCountry(thing: thing, field: field, value: String(country.prefix(16)))
        }
    }

    private static func check(
        text: String, field: String, of thing: String, byteCountMax: Int = GrantGate.textByteCountMax
    ) throws(CatalogueError) {
        let count = text.utf8.count
        guard count <= byteCountMax else {
            throw .textTooLong(thing: thing, field: field, byteCount: count, byteCountMax: byteCountMax)
        }
    }
}
