// Tokens → syntax. Recursive descent, one function a construct.
//
// Why: the grammar is small enough to read here; the first error of grammar ends the parse.
// Invariant: the cursor never passes the `.end` token.

/// Reads one schema file.
struct Parser {
    private let file: SourceFile
    private let tokens: [Token]
    private var index = 0
    private var docs: [String] = []
    private var docPosition: Position?

    /// Parses a file.
    static func parse(_ file: SourceFile) throws(Diagnostic) -> SchemaSyntax {
        var parser = Parser(file: file, tokens: try Lexer.tokens(of: file))
        return try parser.parseSchema()
    }

    private init(file: SourceFile, tokens: [Token]) {
        self.file = file
        self.tokens = tokens
    }

    // MARK: Declarations

    private mutating func parseSchema() throws(Diagnostic) -> SchemaSyntax {
        var schema = SchemaSyntax()
        try keyword("protocol")
        schema.name = try name("the protocol's name")
        try keyword("version")
        schema.version = try number("the protocol's version")
        while true {
            readDocs()
            if case .end = token.kind { break }
            let start = try name("a declaration (limit, enum, struct, columns, table, method, reserved)")
            switch start.text {
            case "limit": schema.limits.append(try parseLimit())
            case "enum": schema.enums.append(try parseEnum())
            case "struct": schema.messages.append(try parseMessage(.fixed))
            case "columns": schema.messages.append(try parseMessage(.columns))
            case "table": schema.messages.append(try parseMessage(.table))
            case "method": schema.methods.append(try parseMethod())
            case "reserved": try parseTopReserved(&schema)
            default:
                throw error(
                    start.position,
                    "`\(start.text)` begins no declaration; one of limit, enum, struct, columns, table, method, reserved does"
                )
            }
        }
        try noDocs()
        return schema
    }

    private mutating func parseLimit() throws(Diagnostic) -> LimitSyntax {
        let docs = takeDocs()
        let name = try name("the limit's name")
        try symbol("=")
        return LimitSyntax(docs: docs, name: name, value: try number("the limit's value"))
    }

    private mutating func parseEnum() throws(Diagnostic) -> EnumSyntax {
        let docs = takeDocs()
        let name = try name("the enum's name")
        try symbol(":")
        var result = EnumSyntax(docs: docs, name: name, width: try self.name("u8, u16 or u32"))
        try symbol("{")
        while try !closes("}") {
            let name = try self.name("a case's name")
            if name.text == "reserved", !isSymbol("=") {
                try noDocs()
                try parseReserved(into: &result.reserved)
                continue
            }
            let docs = takeDocs()
            try symbol("=")
            let value = try number("the case's number")
            result.cases.append(.init(docs: docs, name: name, value: value, since: try parseSince()))
        }
        return result
    }

    private mutating func parseMessage(_ kind: Message.Kind) throws(Diagnostic) -> MessageSyntax {
        var result = MessageSyntax(kind: kind, docs: takeDocs(), name: try name("the \(kind.word)'s name"))
        if kind != .table {
            try keyword("size")
            result.size = try number("the size in bytes")
        }
        try symbol("{")
        while try !closes("}") {
            let name = try self.name("a field's name")
            if name.text == "reserved", kind == .table, !isSymbol(":") {
                try noDocs()
                try parseReserved(into: &result.reserved)
            } else if name.text == "column", kind == .columns, !isSymbol(":") {
                result.columns.append(try parseColumn())
            } else {
                if kind == .columns, !result.columns.isEmpty {
                    throw error(name.position, "the fixed part comes before all columns")
                }
                result.fields.append(try parseField(name, in: kind))
            }
        }
        return result
    }

    private mutating func parseField(_ name: NameSyntax, in kind: Message.Kind) throws(Diagnostic)
        -> FieldSyntax
    {
        let docs = takeDocs()
        try symbol(":")
        var isOptional = false
        if isKeyword("optional") {
            guard kind == .table else { throw error(token.position, "only a table's fields may be optional") }
            index += 1
            isOptional = true
        }
        let type = try parseType()
        try symbol(kind == .table ? "=" : "@")
        let number = try number(kind == .table ? "the field's id" : "the field's offset")
        var field = FieldSyntax(docs: docs, name: name, type: type, isOptional: isOptional, number: number)
        if isKeyword("max") {
            index += 1
            field.limit = try self.name("the name of a limit")
        }
        field.since = try parseSince()
        return field
    }

    private mutating func parseColumn() throws(Diagnostic) -> ColumnSyntax {
        let docs = takeDocs()
        let name = try name("the column's name")
        try symbol(":")
        var element: TypeSyntax?
        if isKeyword("bits") {
            index += 1
        } else {
            element = try parseType()
        }
        try symbol("[")
        var column = ColumnSyntax(
            docs: docs, name: name, element: element, countField: try self.name("a count field"))
        if isSymbol("+") {
            index += 1
            column.countPlus = try number("the number added to the count")
        }
        try symbol("]")
        guard isKeyword("when") else { return column }
        index += 1
        let field = try self.name("a field of the fixed part")
        if isSymbol("==") {
            index += 1
            column.condition = .equals(field, try number("the value"))
        } else {
            try keyword("has", orElse: "`==` or `has`")
            column.condition = .has(field, try number("the bit's number"))
        }
        return column
    }

    private mutating func parseType() throws(Diagnostic) -> TypeSyntax {
        let name = try name("a type")
        switch name.text {
        case "list":
            try symbol("<")
            let element = try parseType()
            try symbol(">")
            return .list(element, name.position)
        case "pad":
            return .pad(try parseSize())
        case "bytes":
            return isSymbol("[") ? .fixedBytes(try parseSize()) : .name(name)
        default:
            return .name(name)
        }
    }

    private mutating func parseSize() throws(Diagnostic) -> NumberSyntax {
        try symbol("[")
        let size = try number("the number of bytes")
        try symbol("]")
        return size
    }

    private mutating func parseSince() throws(Diagnostic) -> NumberSyntax? {
        guard isKeyword("since") else { return nil }
        index += 1
        return try number("the version that it came with")
    }

    private mutating func parseMethod() throws(Diagnostic) -> MethodSyntax {
        let docs = takeDocs()
        let name = try name("the method's name")
        try symbol("=")
        let number = try number("the method's number")
        try symbol("(")
        let request = try self.name("the request's type")
        try symbol(")")
        try keyword("returns")
        try symbol("(")
        var response = try self.name("the response's type")
        let isStreaming = response.text == "stream" && !isSymbol(")")
        if isStreaming { response = try self.name("the items' type") }
        try symbol(")")
        var method = MethodSyntax(
            docs: docs, name: name, number: number, request: request, response: response,
            isStreaming: isStreaming)
        try symbol("{")
        while try !closes("}") {
            try parseAttribute(of: &method)
            guard isSymbol(",") else {
                guard isSymbol("}") else { throw unexpected("`,` or `}`") }
                continue
            }
            index += 1
        }
        return method
    }

    private mutating func parseAttribute(of method: inout MethodSyntax) throws(Diagnostic) {
        let attribute = try name("an attribute")
        switch attribute.text {
        case "idempotent": method.isIdempotent = true
        case "scope": method.scope = try name("a scope")
        case "body": method.bodyBytesMax = try number("the largest request body in bytes")
        case "since": method.since = try number("the version that it came with")
        case "deadline":
            let value = try number("the default deadline")
            let unit = try name("a unit (s, ms or us)")
            let scales = ["s": 1_000_000, "ms": 1_000, "us": 1]
            guard let scale = scales[unit.text] else {
                throw error(unit.position, "the units are s, ms and us")
            }
            let (product, overflow) = value.value.multipliedReportingOverflow(by: scale)
            guard !overflow else { throw error(value.position, "the number is too large") }
            method.deadlineMicroseconds = NumberSyntax(value: product, position: value.position)
        default:
            throw error(attribute.position, "attributes are idempotent, scope, deadline, body and since")
        }
    }

    private mutating func parseTopReserved(_ schema: inout SchemaSyntax) throws(Diagnostic) {
        try noDocs()
        let what = try name("`method` or `message`")
        switch what.text {
        case "method": try parseReserved(into: &schema.reservedMethods)
        case "message": try parseReserved(into: &schema.reservedMessages)
        default: throw error(what.position, "what is reserved here is a `method` or a `message`")
        }
    }

    private mutating func parseReserved(into reserved: inout ReservedSyntax) throws(Diagnostic) {
        while true {
            switch token.kind {
            case .number(let value):
                reserved.numbers.append(NumberSyntax(value: value, position: token.position))
            case .text(let text):
                reserved.names.append(NameSyntax(text: text, position: token.position))
            default: throw unexpected("a number or a name in quotes")
            }
            index += 1
            guard isSymbol(",") else { return }
            index += 1
        }
    }

    // MARK: Tokens

    private var token: Token { tokens[index] }

    private mutating func readDocs() {
        while case .doc(let text) = token.kind {
            if docs.isEmpty { docPosition = token.position }
            docs.append(text)
            index += 1
        }
    }

    private mutating func takeDocs() -> [String] {
        defer { docs = [] }
        return docs
    }

    private func noDocs() throws(Diagnostic) {
        guard !docs.isEmpty, let docPosition else { return }
        throw error(docPosition, "the doc comment documents nothing")
    }

    /// Reads docs, then the closing symbol where it is next.
    private mutating func closes(_ closing: String) throws(Diagnostic) -> Bool {
        readDocs()
        if case .end = token.kind { throw unexpected("`\(closing)`") }
        guard isSymbol(closing) else { return false }
        try noDocs()
        index += 1
        return true
    }

    private func isSymbol(_ expected: String) -> Bool { token.kind == .symbol(expected) }

    private func isKeyword(_ expected: String) -> Bool { token.kind == .identifier(expected) }

    private mutating func symbol(_ expected: String) throws(Diagnostic) {
        guard isSymbol(expected) else { throw unexpected("`\(expected)`") }
        index += 1
    }

    private mutating func keyword(_ expected: String, orElse shown: String? = nil) throws(Diagnostic) {
        guard isKeyword(expected) else { throw unexpected(shown ?? "`\(expected)`") }
        index += 1
    }

    private mutating func name(_ what: String) throws(Diagnostic) -> NameSyntax {
        guard case .identifier(let text) = token.kind else { throw unexpected(what) }
        defer { index += 1 }
        return NameSyntax(text: text, position: token.position)
    }

    private mutating func number(_ what: String) throws(Diagnostic) -> NumberSyntax {
        guard case .number(let value) = token.kind else { throw unexpected(what) }
        defer { index += 1 }
        return NumberSyntax(value: value, position: token.position)
    }

    private func unexpected(_ expected: String) -> Diagnostic {
        error(token.position, "expected \(expected), found \(token.shown)")
    }

    private func error(_ position: Position, _ message: String) -> Diagnostic {
        Diagnostic(file, position, message)
    }
}
