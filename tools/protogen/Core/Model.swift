// A checked schema: what every renderer works from.
//
// Why: renderers decide nothing. Sizes, strides, widths and the order of fields are settled here once, so
// that a renderer for another language is one file.
// Invariant: a `Schema` exists only if the checker found nothing wrong, so looking up a name it holds
// succeeds.

/// Types of fixed size that the language knows by name.
package enum Scalar: String, Hashable, Sendable, CaseIterable {
    case bool
    case u8
    case u16
    case u32
    case u64
    case i64
    case f64
    /// Microseconds since 1970-01-01 UTC, as i64.
    case timeMicroseconds = "time_us"
    /// Microseconds, as i64.
    case durationMicroseconds = "duration_us"

    /// Bytes on the wire.
    package var byteCount: Int {
        switch self {
        case .bool, .u8: 1
        case .u16: 2
        case .u32: 4
        case .u64, .i64, .f64, .timeMicroseconds, .durationMicroseconds: 8
        }
    }
}

/// The type of a field or of a column's element, without `optional`.
package indirect enum FieldType: Hashable, Sendable {
    case scalar(Scalar)
    /// Name and width.
    case enumeration(String, Scalar)
    case fixedBytes(Int)
    case pad(Int)
    case bytes
    case string
    /// Name of the table.
    case table(String)
    /// Name and size of a struct: only as a column's element.
    case structure(String, Int)
    case list(FieldType)

    /// Bytes on the wire; `nil` where they vary.
    package var byteCount: Int? {
        switch self {
        case .scalar(let scalar), .enumeration(_, let scalar): scalar.byteCount
        case .fixedBytes(let count), .pad(let count), .structure(_, let count): count
        case .bytes, .string, .table, .list: nil
        }
    }

    /// The size class of a table's field: 0…3 for numbers of 1, 2, 4 and 8 bytes, 4 and 5 for bytes[16] and
    /// bytes[32], 6 for all that states its length first.
    package var sizeClass: Int {
        switch self {
        case .scalar(let scalar), .enumeration(_, let scalar):
            switch scalar.byteCount {
            case 1: 0
            case 2: 1
            case 4: 2
            default: 3
            }
        case .fixedBytes(16): 4
        case .fixedBytes(32): 5
        default: 6
        }
    }

    /// The type as a schema writes it.
    package var written: String {
        switch self {
        case .scalar(let scalar): scalar.rawValue
        case .enumeration(let name, _), .table(let name), .structure(let name, _): name
        case .fixedBytes(let count): "bytes[\(count)]"
        case .pad(let count): "pad[\(count)]"
        case .bytes: "bytes"
        case .string: "string"
        case .list(let element): "list<\(element.written)>"
        }
    }
}

/// Numbers and names that are never used again.
package struct Reserved: Hashable, Sendable {
    /// Numbers.
    package var numbers: Set<Int> = []
    /// Names.
    package var names: Set<String> = []
}

/// A named number.
package struct Limit: Hashable, Sendable {
    package var docs: [String]
    package var name: String
    package var position: Position
    package var value: Int
}

/// An open enum.
package struct Enumeration: Hashable, Sendable {
    /// One named number.
    package struct Case: Hashable, Sendable {
        package var docs: [String]
        package var name: String
        package var position: Position
        package var value: Int
        package var since: Int?
    }

    package var docs: [String]
    package var name: String
    package var position: Position
    package var width: Scalar
    package var cases: [Case]
    package var reserved: Reserved
}

/// A field of a table (number: id) or of a fixed part (number: offset).
package struct Field: Hashable, Sendable {
    package var docs: [String]
    package var name: String
    package var position: Position
    package var type: FieldType
    package var isOptional: Bool
    package var number: Int
    package var since: Int?
    /// Name of the limit on the value, the length or the number of elements.
    package var limit: String?

    /// Whether the field is bytes that must be zero.
    package var isPad: Bool {
        if case .pad = type { true } else { false }
    }
}

/// When a column is there.
package enum Condition: Hashable, Sendable {
    /// The field has this value.
    case equals(field: String, value: Int)
    /// The field has this bit.
    case has(field: String, bit: Int)

    /// The condition as a schema writes it.
    package var written: String {
        switch self {
        case .equals(let field, let value): "\(field) == \(value)"
        case .has(let field, let bit): "\(field) has \(bit)"
        }
    }
}

/// A column behind a fixed part.
package struct Column: Hashable, Sendable {
    package var docs: [String]
    package var name: String
    package var position: Position
    /// `nil`: one bit an element, the lowest bit first, unused bits zero.
    package var element: FieldType?
    package var countField: String
    package var countPlus: Int
    package var condition: Condition?
    /// Name of the column of bytes that these offsets cut into pieces.
    package var offsetsInto: String?

    /// The column's type as a schema writes it.
    package var written: String {
        let count = countPlus == 0 ? countField : "\(countField) + \(countPlus)"
        return "\(element?.written ?? "bits")[\(count)]"
    }
}

/// A struct, columns or a table.
package struct Message: Hashable, Sendable {
    /// How its bytes are laid out.
    package enum Kind: Hashable, Sendable {
        case fixed
        case columns
        case table

        /// The word that declares it.
        package var word: String {
            switch self {
            case .fixed: "struct"
            case .columns: "columns"
            case .table: "table"
            }
        }
    }

    package var kind: Kind
    package var docs: [String]
    package var name: String
    package var position: Position
    /// Bytes of the fixed part; 0 for tables.
    package var size: Int
    /// In order of offsets or ids.
    package var fields: [Field]
    /// In order on the wire.
    package var columns: [Column]
    package var reserved: Reserved

    /// The fields that carry something.
    package var valueFields: [Field] { fields.filter { !$0.isPad } }

    /// The field of a name.
    package func field(_ name: String) -> Field? { fields.first { $0.name == name } }
}

/// What a credential must allow for a method.
package enum Scope: String, CaseIterable, Hashable, Sendable {
    case none
    case check
    case read
    case record
    case erase
    case catalogue
    case watch
    case admin
}

/// A method.
package struct Method: Hashable, Sendable {
    package var docs: [String]
    package var name: String
    package var position: Position
    package var number: Int
    package var request: String
    package var response: String
    package var isStreaming: Bool
    package var isIdempotent: Bool
    package var scope: Scope
    package var deadlineMicroseconds: Int
    package var bodyBytesMax: Int
    package var since: Int?
}

/// A whole schema without errors.
package struct Schema: Hashable, Sendable {
    package var file: SourceFile
    package var name: String
    package var version: Int
    package var limits: [Limit]
    package var enums: [Enumeration]
    package var messages: [Message]
    package var methods: [Method]
    package var reservedMethods: Reserved
    package var reservedMessages: Set<String>

    /// Reads and checks a schema.
    ///
    /// - Throws: all that is wrong with it, in order of lines.
    package init(_ file: SourceFile) throws(SchemaErrors) {
        let syntax: SchemaSyntax
        do {
            syntax = try Parser.parse(file)
        } catch {
            throw SchemaErrors(diagnostics: [error])
        }
        self = try Checker.check(syntax, in: file)
    }

    init(file: SourceFile, name: String, version: Int) {
        self.file = file
        self.name = name
        self.version = version
        limits = []
        enums = []
        messages = []
        methods = []
        reservedMethods = Reserved()
        reservedMessages = []
    }

    /// The message of a name.
    package func message(_ name: String) -> Message? { messages.first { $0.name == name } }

    /// The enum of a name.
    package func enumeration(_ name: String) -> Enumeration? { enums.first { $0.name == name } }

    /// The value of a limit.
    package func limit(_ name: String) -> Int? { limits.first { $0.name == name }?.value }
}
