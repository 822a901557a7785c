// The rows of an import file: from the fields of a CSV record to what Import takes.
//
// Files have millions of rows and few distinct words, so what a word means is looked up once and remembered
// by its bytes; only addresses, references and times are read anew in each row.
//
// Invariant: a row is either complete and understood, or every mistake in it is named with its column.
// Nothing is guessed: an unknown code, a time without offset or an unknown word is a mistake, and mistakes
// are never remembered.

import ConsentDomain

/// Reads the rows of one file.
package struct ImportRowReader {
    private let sheet: ImportSheet
    private let codes: CatalogueCodes
    private let event: Column
    private let controller: Column
    private let channels: Column
    private let purposes: Column
    private let addresses: [(column: Column, kind: ContactKind)]
    private let reference: Column
    private let occurredAt: Column
    private let source: Column
    private let act: Column
    private let notice: Column
    private let staff: Column
    private let memo: Column
    private let attestations: Column
    private let eventID: Column

    private var knownKinds = KnownWords<EventKind>()
    private var knownControllers = KnownWords<ControllerID>()
    private var knownChannels = KnownWords<ChannelSet>()
    private var knownPurposes = KnownWords<PurposeSet>()
    private var knownSources = KnownWords<Source>()
    private var knownActs = KnownWords<Act>()
    private var knownDigests = KnownWords<Digest32>()
    private var knownAttestations = KnownWords<Attestations>()
    /// Mistakes in the row that is being read.
    private var issues: [SheetIssue] = []

    /// A column by its name, and where the file has it.
    private struct Column {
        let name: String
        let place: Int?
    }

    /// Reads rows under a header.
    package init(_ sheet: ImportSheet, _ codes: CatalogueCodes) {
        func column(_ name: String) -> Column { Column(name: name, place: sheet.place(name)) }
        self.sheet = sheet
        self.codes = codes
        event = column("event")
        controller = column("controller")
        channels = column("channels")
        purposes = column("purposes")
        addresses = [(column("email"), .email), (column("phone"), .phone), (column("opaque"), .opaque)]
        reference = column("reference")
        occurredAt = column("occurred_at")
        source = column("source")
        act = column("act")
        notice = column("notice")
        staff = column("staff")
        memo = column("memo")
        attestations = column("attestations")
        eventID = column("event_id")
    }

    /// Reads a row.
    ///
    /// - Returns: the row, or every mistake in it.
    package mutating func row(_ record: CSVRecord) -> Result<ImportRow, SheetIssues> {
        let columnCount = sheet.columns.count
        guard record.fields.count == columnCount else {
            let column = min(record.fields.count, columnCount) + 1
            let reason = "\(record.fields.count) fields where the header has \(columnCount)"
            let field = FieldIssue(column: column, name: "", reason: reason)
            return .failure(SheetIssues([SheetIssue(line: record.line, field: field)]))
        }
        issues.removeAll()
        let kind = readKind(record)
        var row = ImportRow(
            kind: kind ?? .refuse, controller: readController(record) ?? ControllerID(rawValue: 0),
            contacts: readContacts(record))
        let mayBeAll = kind != nil && kind != .grant
        row.channels = readChannels(record, mayBeAll: mayBeAll)
        row.purposes = readPurposes(record, mayBeAll: mayBeAll)
        row.reference = text(reference, record)
        row.occurredAt = readTime(record)
        row.source = readSource(record) ?? .unspecified
        row.act = readAct(record) ?? .none
        row.notice = readDigest(notice, record)
        row.staff = text(staff, record)
        row.memo = readDigest(memo, record)
        row.attestations = readAttestations(record)
        row.eventID = readEventID(record)
        if row.contacts.isEmpty && row.reference.isEmpty {
            add(addresses[0].column, record, "no contact point: fill email, phone, opaque or reference")
        }
        return issues.isEmpty ? .success(row) : .failure(SheetIssues(issues))
    }

    // MARK: Columns

    private mutating func readKind(_ record: CSVRecord) -> EventKind? {
        if let known = Self.known(event, record, knownKinds) { return known }
        let kinds: [EventKind] = [.grant, .refuse, .withdraw, .object, .complaint, .bounce, .contactSeen]
        let name = text(event, record).replacing("-", with: "_")
        if let kind = kinds.first(where: { Names.kind($0.rawValue) == name }) {
            return Self.remember(kind, event, record, &knownKinds)
        }
        let names = kinds.map { Names.kind($0.rawValue) }.joined(separator: ", ")
        add(
            event, record,
            name.isEmpty ? "empty: it is one of \(names)" : "unknown event: it is one of \(names)")
        return nil
    }

    private mutating func readController(_ record: CSVRecord) -> ControllerID? {
        if let known = Self.known(controller, record, knownControllers) { return known }
        let code = text(controller, record)
        if let id = codes.controller(code) { return Self.remember(id, controller, record, &knownControllers) }
        add(
            controller, record,
            code.isEmpty ? "empty: name the controller by its code" : Tooling.noController(code))
        return nil
    }

    private mutating func readContacts(_ record: CSVRecord) -> [WriteContact] {
        var contacts: [WriteContact] = []
        for (column, kind) in addresses {
            let text = text(column, record)
            if text.isEmpty { continue }
            for address in text.utf8.contains(UInt8(ascii: "|")) ? Self.parts(text) : [text] {
                if address.utf8.count > 320 { add(column, record, "longer than 320 bytes") }
                contacts.append(WriteContact(address, kind: kind))
            }
        }
        if contacts.count > 8 {
            add(addresses[0].column, record, "more than 8 contact points in one row: split it")
        }
        return contacts
    }

    private mutating func readChannels(_ record: CSVRecord, mayBeAll: Bool) -> ChannelSet {
        if let known = Self.known(channels, record, knownChannels) { return known }
        let names = Self.parts(text(channels, record))
        if mayBeAll && (names.isEmpty || names.contains("all")) { return ChannelSet() }
        if names.isEmpty { add(channels, record, "empty: name at least one of \(Names.all(Names.channel))") }
        var set = ChannelSet()
        let before = issues.count
        for name in names {
            if let channel = Names.value(name, Names.channel) {
                set.formUnion(ChannelSet([channel]))
            } else {
                add(
                    channels, record,
                    "no channel \(Tooling.shown(name)): it is one of \(Names.all(Names.channel))")
            }
        }
        guard issues.count == before, !set.isEmpty else { return set }
        return Self.remember(set, channels, record, &knownChannels)
    }

    private mutating func readPurposes(_ record: CSVRecord, mayBeAll: Bool) -> PurposeSet {
        if let known = Self.known(purposes, record, knownPurposes) { return known }
        let names = Self.parts(text(purposes, record))
        if mayBeAll && (names.isEmpty || names.contains("all")) { return PurposeSet() }
        if names.isEmpty { add(purposes, record, "empty: name at least one purpose by its code") }
        var set = PurposeSet()
        let before = issues.count
        for name in names {
            if let purpose = codes.purpose(name) {
                set.formUnion(PurposeSet([purpose]))
            } else {
                add(purposes, record, Tooling.noPurpose(name))
            }
        }
        guard issues.count == before, !set.isEmpty else { return set }
        return Self.remember(set, purposes, record, &knownPurposes)
    }

    private mutating func readTime(_ record: CSVRecord) -> Timestamp? {
        guard let place = occurredAt.place else { return nil }
        let (isEmpty, time) = record.withBytes(place) { bytes in
            let trimmed = Self.trimmed(bytes)
            return (trimmed.isEmpty, Timestamp(rfc3339: trimmed))
        }
        if isEmpty || time != nil { return time }
        add(occurredAt, record, "not a time: write it as 2026-03-29T10:15:30+02:00, with the offset")
        return nil
    }

    private mutating func readSource(_ record: CSVRecord) -> Source? {
        if let known = Self.known(source, record, knownSources) { return known }
        guard let value = readName(source, record, Names.source) else { return nil }
        return Self.remember(value, source, record, &knownSources)
    }

    private mutating func readAct(_ record: CSVRecord) -> Act? {
        if let known = Self.known(act, record, knownActs) { return known }
        guard let value = readName(act, record, Names.act) else { return nil }
        return Self.remember(value, act, record, &knownActs)
    }

    /// The value of a name; nil where the field is empty, or is none, which is then a mistake.
    private mutating func readName<Value: CaseIterable>(
        _ column: Column, _ record: CSVRecord, _ nameOf: (Value) -> String
    ) -> Value? {
        let name = text(column, record)
        if name.isEmpty { return nil }
        if let value = Names.value(name, nameOf) { return value }
        add(column, record, "unknown name \(Tooling.shown(name)): it is one of \(Names.all(nameOf))")
        return nil
    }

    private mutating func readDigest(_ column: Column, _ record: CSVRecord) -> Digest32? {
        if let known = Self.known(column, record, knownDigests) { return known }
        let digits = text(column, record)
        if digits.isEmpty { return nil }
        if let bytes = [UInt8](hexadecimal: digits), let digest = Digest32(bytes) {
            return Self.remember(digest, column, record, &knownDigests)
        }
        add(column, record, "not an id: 64 hexadecimal digits")
        return nil
    }

    private mutating func readAttestations(_ record: CSVRecord) -> Attestations {
        if let known = Self.known(attestations, record, knownAttestations) { return known }
        var set = Attestations()
        let before = issues.count
        for name in Self.parts(text(attestations, record)) {
            if name == "all" {
                set = .all
            } else if let found = Names.attestations.first(where: { $0.name == name }) {
                set.formUnion(found.value)
            } else {
                add(
                    attestations, record,
                    "unknown name \(Tooling.shown(name)): it is one of \(Tooling.attestationNames)")
            }
        }
        guard issues.count == before, !set.isEmpty else { return set }
        return Self.remember(set, attestations, record, &knownAttestations)
    }

    private mutating func readEventID(_ record: CSVRecord) -> EventID? {
        let digits = text(eventID, record)
        if digits.isEmpty { return nil }
        if let bytes = [UInt8](hexadecimal: digits.replacing("-", with: "")), let id = EventID(bytes: bytes) {
            return id
        }
        add(eventID, record, "not an event id: 32 hexadecimal digits")
        return nil
    }

    // MARK: Fields

    private mutating func add(_ column: Column, _ record: CSVRecord, _ reason: String) {
        let place = column.place ?? 0
        let field = FieldIssue(column: place + 1, name: column.name, reason: reason)
        issues.append(SheetIssue(line: record.fields[place].line, field: field))
    }

    private func text(_ column: Column, _ record: CSVRecord) -> String {
        guard let place = column.place else { return "" }
        return record.withBytes(place) { String(decoding: Self.trimmed($0), as: UTF8.self) }
    }

    private static func known<Value>(_ column: Column, _ record: CSVRecord, _ words: KnownWords<Value>)
        -> Value?
    {
        guard let place = column.place else { return nil }
        return record.withBytes(place) { words.value(of: $0) }
    }

    private static func remember<Value>(
        _ value: Value, _ column: Column, _ record: CSVRecord, _ words: inout KnownWords<Value>
    ) -> Value {
        if let place = column.place { record.withBytes(place) { words.add(value, for: $0) } }
        return value
    }

    private static func parts(_ text: String) -> [String] {
        text.split(separator: "|", omittingEmptySubsequences: true).map { String($0).trimmingASCIISpaces }
    }

    /// Without spaces and tabs at either end.
    private static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var start = 0
        var end = bytes.count
        while start < end, isSpace(bytes[start]) { start += 1 }
        while start < end, isSpace(bytes[end - 1]) { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }
}

/// What the words of a column mean, by their bytes. Few are kept: a column of many words gains nothing.
private struct KnownWords<Value> {
    private static var countMax: Int { 16 }
    private var words: [(bytes: [UInt8], value: Value)] = []

    /// The value of a word; nil: not known.
    func value(of word: UnsafeRawBufferPointer) -> Value? {
        for known in words where known.bytes.count == word.count {
            let isEqual = known.bytes.withUnsafeBytes { bytes in
                var place = 0
                while place < word.count, bytes[place] == word[place] { place += 1 }
                return place == word.count
            }
            if isEqual { return known.value }
        }
        return nil
    }

    mutating func add(_ value: Value, for word: UnsafeRawBufferPointer) {
        if words.count == Self.countMax { words.removeFirst() }
        words.append((Array(word), value))
    }
}
