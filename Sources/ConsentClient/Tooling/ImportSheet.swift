// The rows of an import file: from the fields of a CSV record to what Import takes.
//
// Invariant: a row is either complete and understood, or every mistake in it is named with its column.
// Nothing is guessed: an unknown code, a time without offset or an unknown word is a mistake.

import ConsentDomain

/// A mistake in one field.
package struct FieldIssue: Hashable, Sendable {
    /// Number of the column, from 1.
    package var column: Int
    /// Name of the column; empty where the file has none.
    package var name: String
    /// What is wrong and what would be right.
    package var reason: String
}

/// A mistake in one place of the file.
package struct SheetIssue: Error, Hashable, Sendable, CustomStringConvertible {
    /// Line, from 1.
    package var line: Int
    /// The field; column 0: the whole row.
    package var field: FieldIssue

    /// An issue of these parts.
    package init(line: Int, field: FieldIssue) {
        self.line = line
        self.field = field
    }

    package var description: String {
        let name = field.name.isEmpty ? "" : " (\(field.name))"
        let column = field.column == 0 ? "" : ", column \(field.column)\(name)"
        return "line \(line)\(column): \(field.reason)"
    }
}

/// Codes of the catalogue, to numbers. Digits are taken as the number itself.
package struct CatalogueCodes: Sendable {
    private var controllers: [String: ControllerID] = [:]
    private var purposes: [String: PurposeID] = [:]

    /// The codes of a catalogue.
    package init(controllers: [Controller], purposes: [Purpose]) {
        for controller in controllers { self.controllers[controller.code] = controller.id }
        for purpose in purposes { self.purposes[purpose.code] = purpose.id }
    }

    /// The controller with this code or number; nil: none.
    package func controller(_ text: String) -> ControllerID? {
        controllers[text] ?? UInt32(text).map(ControllerID.init(rawValue:))
    }

    /// The purpose with this code or number; nil: none.
    package func purpose(_ text: String) -> PurposeID? {
        purposes[text] ?? UInt8(text).flatMap(PurposeID.init(rawValue:))
    }
}

/// The header of an import file, and the reading of its rows.
package struct ImportSheet: Sendable {
    package static let required = [
        "event", "controller", "channels", "purposes", "email", "phone", "reference", "occurred_at", "source",
        "act",
        "notice",
    ]
    package static let optional = ["opaque", "staff", "memo", "attestations", "event_id"]

    /// Name of each column, in the file's order.
    package let columns: [String]
    private let places: [String: Int]

    /// Reads the header.
    package init(header: CSVRecord) throws(SheetIssue) {
        func issue(_ column: Int, _ reason: String) -> SheetIssue {
            SheetIssue(line: header.line, field: FieldIssue(column: column, name: "", reason: reason))
        }
        let names = header.fields.map { $0.text.trimmingASCIISpaces.lowercased() }
        guard names.count(where: Self.required.contains) * 2 >= Self.required.count else {
            throw issue(
                1, "no header: the first line must name the columns \(Self.required.joined(separator: ","))")
        }
        var places: [String: Int] = [:]
        for (position, name) in names.enumerated() {
            guard Self.required.contains(name) || Self.optional.contains(name) else {
                throw issue(
                    position + 1,
                    "no column is called \"\(name.prefix(40))\"; columns are "
                        + (Self.required + Self.optional).joined(separator: ","))
            }
            guard places.updateValue(position, forKey: name) == nil else {
                throw issue(position + 1, "the column \(name) is there twice")
            }
        }
        if let missing = Self.required.first(where: { places[$0] == nil }) {
            throw issue(names.count + 1, "the column \(missing) is missing")
        }
        columns = names
        self.places = places
    }

    /// Reads a row.
    ///
    /// - Returns: the row, or every mistake in it.
    package func row(_ record: CSVRecord, _ codes: CatalogueCodes) -> Result<ImportRow, SheetIssues> {
        guard record.fields.count == columns.count else {
            let column = min(record.fields.count, columns.count) + 1
            let reason = "\(record.fields.count) fields where the header has \(columns.count)"
            return .failure(
                SheetIssues([
                    SheetIssue(line: record.line, field: FieldIssue(column: column, name: "", reason: reason))
                ]))
        }
        var fields = RowFields(sheet: self, record: record)
        let kind = fields.kind()
        let controller = fields.controller(codes)
        var row = ImportRow(
            kind: kind ?? .refuse, controller: controller ?? ControllerID(rawValue: 0),
            contacts: fields.contacts())
        let mayBeAll = kind != nil && kind != .grant
        row.channels = fields.channels(mayBeAll: mayBeAll)
        row.purposes = fields.purposes(codes, mayBeAll: mayBeAll)
        row.reference = fields.text("reference")
        row.occurredAt = fields.time("occurred_at")
        row.source = fields.named("source", Names.source) ?? .unspecified
        row.act = fields.named("act", Names.act) ?? .none
        row.notice = fields.digest("notice")
        row.staff = fields.text("staff")
        row.memo = fields.digest("memo")
        row.attestations = fields.attestations()
        row.eventID = fields.eventID()
        if row.contacts.isEmpty && row.reference.isEmpty {
            fields.add("email", "no contact point: fill email, phone, opaque or reference")
        }
        return fields.issues.isEmpty ? .success(row) : .failure(SheetIssues(fields.issues))
    }

    fileprivate func place(_ name: String) -> Int? { places[name] }
}

/// All mistakes in one row.
package struct SheetIssues: Error, Hashable, Sendable {
    package var issues: [SheetIssue]
    init(_ issues: [SheetIssue]) { self.issues = issues }
}

/// Reads the fields of one row and collects what is wrong.
private struct RowFields {
    let sheet: ImportSheet
    let record: CSVRecord
    var issues: [SheetIssue] = []

    init(sheet: ImportSheet, record: CSVRecord) {
        self.sheet = sheet
        self.record = record
    }

    mutating func add(_ name: String, _ reason: String) {
        let place = sheet.place(name) ?? 0
        issues.append(
            SheetIssue(
                line: record.fields[place].line,
                field: FieldIssue(column: place + 1, name: name, reason: reason)))
    }

    func text(_ name: String) -> String {
        guard let place = sheet.place(name) else { return "" }
        return record.fields[place].text.trimmingASCIISpaces
    }

    private func parts(_ name: String) -> [String] {
        text(name).split(separator: "|", omittingEmptySubsequences: true).map {
            String($0).trimmingASCIISpaces
        }
    }

    mutating func kind() -> EventKind? {
        let known: [EventKind] = [.grant, .refuse, .withdraw, .object, .complaint, .bounce, .contactSeen]
        let name = text("event").replacing("-", with: "_")
        if let kind = known.first(where: { Names.kind($0.rawValue) == name }) { return kind }
        let names = known.map { Names.kind($0.rawValue) }.joined(separator: ", ")
        add("event", name.isEmpty ? "empty: it is one of \(names)" : "unknown event: it is one of \(names)")
        return nil
    }

    mutating func controller(_ codes: CatalogueCodes) -> ControllerID? {
        let code = text("controller")
        if let id = codes.controller(code) { return id }
        add(
            "controller", code.isEmpty ? "empty: name the controller by its code" : Tooling.noController(code)
        )
        return nil
    }

    mutating func contacts() -> [WriteContact] {
        var contacts: [WriteContact] = []
        for (name, kind) in [("email", ContactKind.email), ("phone", .phone), ("opaque", .opaque)] {
            for address in parts(name) {
                if address.utf8.count > 320 { add(name, "longer than 320 bytes") }
                contacts.append(WriteContact(address, kind: kind))
            }
        }
        if contacts.count > 8 { add("email", "more than 8 contact points in one row: split it") }
        return contacts
    }

    mutating func channels(mayBeAll: Bool) -> ChannelSet {
        let names = parts("channels")
        if mayBeAll && (names.isEmpty || names.contains("all")) { return ChannelSet() }
        if names.isEmpty { add("channels", "empty: name at least one of \(Names.all(Names.channel))") }
        var set = ChannelSet()
        for name in names {
            if let channel = Names.value(name, Names.channel) {
                set.formUnion(ChannelSet([channel]))
            } else {
                add("channels", "no channel \"\(name.prefix(40))\": it is one of \(Names.all(Names.channel))")
            }
        }
        return set
    }

    mutating func purposes(_ codes: CatalogueCodes, mayBeAll: Bool) -> PurposeSet {
        let names = parts("purposes")
        if mayBeAll && (names.isEmpty || names.contains("all")) { return PurposeSet() }
        if names.isEmpty { add("purposes", "empty: name at least one purpose by its code") }
        var set = PurposeSet()
        for name in names {
            if let purpose = codes.purpose(name) {
                set.formUnion(PurposeSet([purpose]))
            } else {
                add("purposes", Tooling.noPurpose(name))
            }
        }
        return set
    }

    mutating func time(_ name: String) -> Timestamp? {
        let value = text(name)
        if value.isEmpty { return nil }
        if let time = Timestamp(rfc3339: value) { return time }
        add(name, "not a time: write it as 2026-03-29T10:15:30+02:00, with the offset")
        return nil
    }

    mutating func named<Value: CaseIterable>(_ name: String, _ nameOf: (Value) -> String) -> Value? {
        let value = text(name)
        if value.isEmpty { return nil }
        if let found = Names.value(value, nameOf) { return found }
        add(name, "\"\(value.prefix(40))\" is not one of \(Names.all(nameOf))")
        return nil
    }

    mutating func digest(_ name: String) -> Digest32? {
        let value = text(name)
        if value.isEmpty { return nil }
        if let bytes = [UInt8](hexadecimal: value), let digest = Digest32(bytes) { return digest }
        add(name, "not an id: 64 hexadecimal digits")
        return nil
    }

    mutating func attestations() -> Attestations {
        var set = Attestations()
        for name in parts("attestations") {
            if name == "all" {
                set = .all
            } else if let found = Names.attestations.first(where: { $0.name == name }) {
                set.formUnion(found.value)
            } else {
                add("attestations", "\"\(name.prefix(40))\" is not one of \(Tooling.attestationNames)")
            }
        }
        return set
    }

    mutating func eventID() -> EventID? {
        let value = text("event_id")
        if value.isEmpty { return nil }
        if let bytes = [UInt8](hexadecimal: value.replacing("-", with: "")), let id = EventID(bytes: bytes) {
            return id
        }
        add("event_id", "not an event id: 32 hexadecimal digits")
        return nil
    }
}

/// Sentences that several commands share.
package enum Tooling {
    package static func noController(_ code: String) -> String {
        "no controller \"\(code.prefix(64))\": see consentctl controller list"
    }
    package static func noPurpose(_ code: String) -> String {
        "no purpose \"\(code.prefix(64))\": see consentctl purpose list"
    }
    package static let attestationNames = Names.attestations.map(\.name).joined(separator: ", ")
}

extension String {
    /// Without spaces and tabs at either end.
    package var trimmingASCIISpaces: String {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        let bytes = utf8.drop(while: isSpace)
        guard let last = bytes.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(Substring(bytes[...last]))
    }
}
