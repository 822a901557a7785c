// Reads CSV as RFC 4180 describes it, from bytes that arrive in any cuts, without holding the file.
//
// A field is bare or in quotes; in quotes it may hold commas, line breaks and doubled quotes. Lines end with
// LF or CRLF, the last one may end with nothing; a byte order mark in front and empty lines are skipped.
//
// Invariant: every byte is read once; a record with an error costs only itself, reading goes on at the next
// line.

/// One field of a record.
package struct CSVField: Hashable, Sendable {
    /// The field's text, quotes removed.
    package var text: String
    /// Line on which it starts, from 1.
    package var line: Int
}

/// One record.
package struct CSVRecord: Hashable, Sendable {
    /// Line on which it starts, from 1.
    package var line: Int
    /// Its fields, in order; at least one.
    package var fields: [CSVField]
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
    private var fields: [CSVField] = []
    private var field: [UInt8] = []
    private var fieldLine = 1
    private var recordLine = 1
    private var hasContent = false
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
        while let byte = nextByte() {
            let isLineEnd = byte == UInt8(ascii: "\n")
            take(byte)
            if isLineEnd {
                line += 1
                if place != .quoted, let result = endRecord() { return result }
            }
        }
        if place == .quoted && failure == nil {
            failure = CSVError(line: fieldLine, column: fields.count + 1, kind: .unclosedQuote)
        }
        return endRecord()
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
        guard field.count < Self.fieldBytesMax else {
            // An unclosed quote would swallow the rest of the file: the record ends with this line.
            return fail(.fieldTooLong(limit: Self.fieldBytesMax))
        }
        field.append(byte)
    }

    private mutating func fail(_ kind: CSVError.Kind) {
        failure = CSVError(line: line, column: fields.count + 1, kind: kind)
        place = .skipping
    }

    // MARK: Fields and records

    private mutating func endField() {
        if let byte = Self.firstBadByte(field) {
            failure = CSVError(line: fieldLine, column: fields.count + 1, kind: .notUTF8(byte: byte + 1))
            place = .skipping
            return
        }
        fields.append(CSVField(text: String(decoding: field, as: UTF8.self), line: fieldLine))
        field.removeAll(keepingCapacity: true)
        fieldLine = line
        place = .fieldStart
    }

    private mutating func endRecord() -> Result<CSVRecord, CSVError>? {
        if place == .bare, field.last == UInt8(ascii: "\r") { field.removeLast() }
        let isEmpty = fields.isEmpty && field.isEmpty && !hasContent
        if failure == nil && !isEmpty { endField() }
        defer {
            fields = []
            field.removeAll(keepingCapacity: true)
            hasContent = false
            failure = nil
            place = .fieldStart
            fieldLine = line
            recordLine = line
        }
        if let failure { return .failure(failure) }
        return isEmpty ? nil : .success(CSVRecord(line: recordLine, fields: fields))
    }

    /// Position of the first byte that is not part of well-formed UTF-8; nil when all are.
    private static func firstBadByte(_ bytes: [UInt8]) -> Int? {
        if bytes.allSatisfy({ $0 < 0x80 }) || String(validating: bytes, as: UTF8.self) != nil { return nil }
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var good = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { good += UTF8.width(scalar) }
        return good
    }
}
