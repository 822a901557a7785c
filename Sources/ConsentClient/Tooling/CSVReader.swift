// Reads CSV as RFC 4180 describes it, from bytes that arrive in any cuts, without holding the file.
//
// A field is bare or in quotes; in quotes it may hold commas, line breaks and doubled quotes. Lines end with
// LF or CRLF, the last one may end with nothing; a byte order mark in front and empty lines are skipped.
//
// A line without quotes that lies whole in what was read is cut where it lies; all else goes through a state
// machine byte by byte. Both give the same records: the tests cut files at every place.
//
// Invariant: every byte is read once; a record with an error costs only itself, reading goes on at the next
// line.

/// One record: its fields' bytes, quotes removed, and where each begins and ends.
///
/// Nothing is copied from a plain line: `bytes` is then the piece of the file that was read.
package struct CSVRecord: Hashable, Sendable {
    /// One field.
    package struct Field: Hashable, Sendable {
        /// Its place in `bytes`; well-formed UTF-8.
        package var range: Range<Int>
        /// Line on which it starts, from 1.
        package var line: Int
    }

    /// Line on which it starts, from 1.
    package fileprivate(set) var line = 1
    /// In order; at least one.
    package fileprivate(set) var fields: [Field] = []
    fileprivate var bytes: [UInt8] = []

    /// No record yet.
    package init() {}

    /// Bytes of its fields.
    package var byteCount: Int {
        (fields.last?.range.upperBound ?? 0) - (fields.first?.range.lowerBound ?? 0)
    }

    /// A field's text.
    package func text(_ place: Int) -> String {
        withBytes(place) { String(decoding: $0, as: UTF8.self) }
    }

    /// Lends a field's bytes.
    @inline(__always)
    package func withBytes<Result>(_ place: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let range = fields[place].range
        return bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// Equal fields on equal lines.
    package static func == (left: Self, right: Self) -> Bool {
        left.line == right.line && left.fields.map(\.line) == right.fields.map(\.line)
            && left.fields.indices.map(left.text) == right.fields.indices.map(right.text)
    }

    /// Feeds what `==` compares.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(line)
        for place in fields.indices { hasher.combine(text(place)) }
    }
}

/// What is wrong with a record, and where.
package struct CSVError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of mistakes.
    package enum Kind: Hashable, Sendable {
        /// The bytes are not UTF-8; `byte` is the place in the field, from 1.
        case notUTF8(byte: Int)
        /// A quote in a field that does not start with one.
        case strayQuote
        /// Something other than a comma or a line end after the closing quote.
        case textAfterQuote
        /// The file ends inside quotes.
        case unclosedQuote
        /// The field is longer than any that this program takes.
        case fieldTooLong(limit: Int)
    }

    /// Line, from 1.
    package var line: Int
    /// Number of the field in its record, from 1.
    package var column: Int
    /// What is wrong.
    package var kind: Kind

    /// An error of these parts.
    package init(line: Int, column: Int, kind: Kind) {
        self.line = line
        self.column = column
        self.kind = kind
    }

    /// What is wrong and what would be right.
    package var reason: String {
        switch kind {
        case .notUTF8(let byte): "byte \(byte) of the field is not UTF-8: save the file as UTF-8"
        case .strayQuote: "a quote inside a bare field: put the whole field in quotes and double the quote"
        case .textAfterQuote: "text after the closing quote: double a quote that belongs to the field"
        case .unclosedQuote: "the file ends inside quotes: close them"
        case .fieldTooLong(let limit): "a field of more than \(limit) bytes: is a quote not closed?"
        }
    }

    package var description: String { "line \(line), column \(column): \(reason)" }
}

/// Cuts bytes into records.
package struct CSVReader {
    /// Bytes of a field at most.
    package static let fieldBytesMax = 65_536

    private enum Place {
        case fieldStart, bare, quoted, quoteInQuotes, skipping
    }

    private let read: () -> [UInt8]
    private var chunk: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    private var line = 1

    private var place = Place.fieldStart
    /// The record so far, and where its open field starts in its bytes.
    private var record = CSVRecord()
    private var fieldStart = 0
    private var fieldLine = 1
    private var hasContent = false
    /// Of the last record.
    private var fieldCount = 0
    private var failure: CSVError?

    /// - Parameter read: gives the next bytes; none means the end.
    package init(read: @escaping () -> [UInt8]) {
        self.read = read
        // The first bytes may come one at a time, and a byte order mark has three.
        refill()
        var first = chunk
        while first.count < 3 && !isAtEnd {
            refill()
            first += chunk
        }
        chunk = first
        isAtEnd = first.isEmpty
        if first.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// The next record, or what is wrong with it; nil at the end.
    package mutating func next() -> Result<CSVRecord, CSVError>? {
        while let end = plainLineEnd() {
            if let record = plainRecord(to: end) { return .success(record) }
        }
        while let byte = nextByte() {
            let isLineEnd = byte == UInt8(ascii: "\n")
            take(byte)
            if isLineEnd {
                line += 1
                if place != .quoted, let result = endRecord() { return result }
            }
        }
        if place == .quoted && failure == nil {
            failure = CSVError(line: fieldLine, column: record.fields.count + 1, kind: .unclosedQuote)
        }
        return endRecord()
    }

    // MARK: Plain lines

    /// End of the line at the position; nil where it has quotes, is cut or may be no UTF-8.
    private func plainLineEnd() -> Int? {
        let start = position
        return chunk.withUnsafeBytes { bytes in
            var bits: UInt8 = 0
            var end = start
            while end < bytes.count, bytes[end] != UInt8(ascii: "\n") {
                if bytes[end] == UInt8(ascii: "\"") { return nil }
                bits |= bytes[end]
                end += 1
            }
            let isWhole = end < bytes.count && end - start <= Self.fieldBytesMax
            return isWhole && bits < 0x80 ? end : nil
        }
    }

    /// Cuts the line at the position and moves behind it; nil where it is empty.
    private mutating func plainRecord(to lineEnd: Int) -> CSVRecord? {
        let start = position
        var end = lineEnd
        if end > start, chunk[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        defer {
            position = lineEnd + 1
            line += 1
            fieldLine = line
            record.line = line
        }
        guard end > start else { return nil }
        var found = CSVRecord()
        found.line = line
        found.bytes = chunk
        found.fields.reserveCapacity(fieldCount)
        chunk.withUnsafeBytes { bytes in
            var fieldStart = start
            for place in start..<end where bytes[place] == UInt8(ascii: ",") {
                found.fields.append(CSVRecord.Field(range: fieldStart..<place, line: line))
                fieldStart = place + 1
            }
            found.fields.append(CSVRecord.Field(range: fieldStart..<end, line: line))
        }
        fieldCount = found.fields.count
        return found
    }

    // MARK: Bytes

    private mutating func nextByte() -> UInt8? {
        if position == chunk.count { refill() }
        if isAtEnd { return nil }
        defer { position += 1 }
        return chunk[position]
    }

    private mutating func refill() {
        guard !isAtEnd else { return }
        chunk = read()
        position = 0
        isAtEnd = chunk.isEmpty
    }

    private mutating func take(_ byte: UInt8) {
        switch (place, byte) {
        case (.skipping, _): break
        case (.quoted, UInt8(ascii: "\"")): place = .quoteInQuotes
        case (.quoted, _): append(byte)
        case (.quoteInQuotes, UInt8(ascii: "\"")):
            append(byte)
            place = .quoted
        case (_, UInt8(ascii: "\n")): break
        case (_, UInt8(ascii: ",")):
            hasContent = true
            endField()
        case (.quoteInQuotes, UInt8(ascii: "\r")): break
        case (.quoteInQuotes, _): fail(.textAfterQuote)
        case (.fieldStart, UInt8(ascii: "\"")):
            hasContent = true
            place = .quoted
            fieldLine = line
        case (.bare, UInt8(ascii: "\"")): fail(.strayQuote)
        case (.fieldStart, _), (.bare, _):
            place = .bare
            append(byte)
        }
    }

    private mutating func append(_ byte: UInt8) {
        guard record.bytes.count - fieldStart < Self.fieldBytesMax else {
            // An unclosed quote would swallow the rest of the file: the record ends with this line.
            return fail(.fieldTooLong(limit: Self.fieldBytesMax))
        }
        record.bytes.append(byte)
    }

    private mutating func fail(_ kind: CSVError.Kind) {
        failure = CSVError(line: line, column: record.fields.count + 1, kind: kind)
        place = .skipping
    }

    // MARK: Fields and records

    private mutating func endField() {
        let range = fieldStart..<record.bytes.count
        if let byte = Self.firstBadByte(record.bytes[range]) {
            failure = CSVError(
                line: fieldLine, column: record.fields.count + 1, kind: .notUTF8(byte: byte + 1))
            place = .skipping
            return
        }
        record.fields.append(CSVRecord.Field(range: range, line: fieldLine))
        fieldStart = record.bytes.count
        fieldLine = line
        place = .fieldStart
    }

    private mutating func endRecord() -> Result<CSVRecord, CSVError>? {
        let hasBytes = record.bytes.count > fieldStart
        if place == .bare, hasBytes, record.bytes.last == UInt8(ascii: "\r") { record.bytes.removeLast() }
        let isEmpty = record.fields.isEmpty && record.bytes.count == fieldStart && !hasContent
        if failure == nil && !isEmpty { endField() }
        let finished = record
        defer {
            record = CSVRecord()
            record.line = line
            fieldStart = 0
            hasContent = false
            failure = nil
            place = .fieldStart
            fieldLine = line
        }
        if let failure { return .failure(failure) }
        return isEmpty ? nil : .success(finished)
    }

    /// Position of the first byte that is not part of well-formed UTF-8; nil when all are.
    private static func firstBadByte(_ bytes: ArraySlice<UInt8>) -> Int? {
        if bytes.allSatisfy({ $0 < 0x80 }) || String(validating: bytes, as: UTF8.self) != nil { return nil }
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var good = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { good += UTF8.width(scalar) }
        return good
    }
}
