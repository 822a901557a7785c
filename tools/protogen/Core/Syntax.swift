// A schema as written: names not yet looked up, numbers not yet judged.
//
// Why: the parser knows only grammar, the checker only meaning; this is what passes between them.
// Invariant: each part knows where it stands.

/// A word and where it stands.
struct NameSyntax: Hashable {
    var text: String
    var position: Position
}

/// A number and where it stands.
struct NumberSyntax: Hashable {
    var value: Int
    var position: Position
}

/// A type as written.
indirect enum TypeSyntax: Hashable {
    /// A scalar, an enum, a message, `string` or `bytes`.
    case name(NameSyntax)
    /// `bytes[N]`
    case fixedBytes(NumberSyntax)
    /// `pad[N]`
    case pad(NumberSyntax)
    /// `list<T>`
    case list(TypeSyntax, Position)

    var position: Position {
        switch self {
        case .name(let name): name.position
        case .fixedBytes(let size), .pad(let size): size.position
        case .list(_, let position): position
        }
    }
}

/// `name: type = 1` or `name: type @8`, with what may follow.
struct FieldSyntax {
    var docs: [String]
    var name: NameSyntax
    var type: TypeSyntax
    var isOptional: Bool
    var number: NumberSyntax
    var since: NumberSyntax?
    var limit: NameSyntax?
}

/// `column name: element[count + 1] when field == 1`
struct ColumnSyntax {
    enum Condition {
        case equals(NameSyntax, NumberSyntax)
        case has(NameSyntax, NumberSyntax)
    }

    var docs: [String]
    var name: NameSyntax
    /// `nil`: bits
    var element: TypeSyntax?
    var countField: NameSyntax
    var countPlus: NumberSyntax?
    var condition: Condition?
}

/// Numbers and names that are never used again.
struct ReservedSyntax {
    var numbers: [NumberSyntax] = []
    var names: [NameSyntax] = []
}

/// A struct, columns or a table.
struct MessageSyntax {
    var kind: Message.Kind
    var docs: [String]
    var name: NameSyntax
    var size: NumberSyntax?
    var fields: [FieldSyntax] = []
    var columns: [ColumnSyntax] = []
    var reserved = ReservedSyntax()
}

/// `enum Name: u8 { … }`
struct EnumSyntax {
    struct Case {
        var docs: [String]
        var name: NameSyntax
        var value: NumberSyntax
        var since: NumberSyntax?
    }

    var docs: [String]
    var name: NameSyntax
    var width: NameSyntax
    var cases: [Case] = []
    var reserved = ReservedSyntax()
}

/// `method Name = 1 (Request) returns (stream Response) { … }`
struct MethodSyntax {
    var docs: [String]
    var name: NameSyntax
    var number: NumberSyntax
    var request: NameSyntax
    var response: NameSyntax
    var isStreaming: Bool
    var isIdempotent = false
    var scope: NameSyntax?
    var deadlineMicroseconds: NumberSyntax?
    var bodyBytesMax: NumberSyntax?
    var since: NumberSyntax?
}

/// `limit name = 1`
struct LimitSyntax {
    var docs: [String]
    var name: NameSyntax
    var value: NumberSyntax
}

/// A whole file.
struct SchemaSyntax {
    var name = NameSyntax(text: "", position: Position(line: 1, column: 1))
    var version = NumberSyntax(value: 0, position: Position(line: 1, column: 1))
    var limits: [LimitSyntax] = []
    var enums: [EnumSyntax] = []
    var messages: [MessageSyntax] = []
    var methods: [MethodSyntax] = []
    var reservedMethods = ReservedSyntax()
    var reservedMessages = ReservedSyntax()
}
