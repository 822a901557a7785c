// Syntax → checked model: names are looked up, numbers are judged, all faults are gathered.
//
// Why: one run names everything that is wrong, each with its place and its remedy.
// Invariant: a schema comes out only if no fault was found.

/// Checks one schema. The rules of layouts stand in Checker+Layouts.swift.
struct Checker {
    let file: SourceFile
    let syntax: SchemaSyntax
    var schema: Schema
    var diagnostics: [Diagnostic] = []

    /// Names that generated code uses for itself.
    static let ownNames: Set = ["Limits", "Method", "MethodInfo", "Scope", "Bytes16", "Bytes32"]

    static func check(_ syntax: SchemaSyntax, in file: SourceFile) throws(SchemaErrors) -> Schema {
        var checker = Checker(
            file: file, syntax: syntax,
            schema: Schema(file: file, name: syntax.name.text, version: syntax.version.value))
        checker.checkTypeNames()
        checker.checkLimits()
        for item in syntax.enums { checker.check(item) }
        // A column's element may be a struct, a table's field another table: structs first, then the rest.
        for item in syntax.messages where item.kind == .fixed { checker.check(item) }
        for item in syntax.messages where item.kind != .fixed { checker.check(item) }
        let order = syntax.messages.map(\.name.text)
        checker.schema.messages.sort {
            (order.firstIndex(of: $0.name) ?? 0) < (order.firstIndex(of: $1.name) ?? 0)
        }
        checker.checkRecursion()
        checker.checkMethods()
        guard checker.diagnostics.isEmpty else {
            throw SchemaErrors(diagnostics: checker.diagnostics.sorted { $0.position < $1.position })
        }
        return checker.schema
    }

    // MARK: Tools

    mutating func fail(_ position: Position, _ message: String) {
        diagnostics.append(Diagnostic(file, position, message))
    }

    mutating func requireDocs(_ docs: [String], _ what: String, _ name: NameSyntax) {
        if docs.allSatisfy(\.isEmpty) {
            fail(name.position, "\(what) `\(name.text)` needs a doc comment: a line `///` above it")
        }
    }

    /// `lower_case_with_digits`
    mutating func requireSnakeCase(_ name: NameSyntax) {
        let allowed = name.text.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "_" }
        let first = name.text.first?.isLowercase ?? false
        if !allowed || !first || name.text.contains("__") || name.text.hasSuffix("_") {
            fail(name.position, "`\(name.text)` must be written in lower case with underscores")
        }
    }

    /// `UpperCamel`
    mutating func requireUpperCamelCase(_ name: NameSyntax) {
        if name.text.contains("_") || !(name.text.first?.isUppercase ?? false) {
            fail(name.position, "`\(name.text)` must be written in camel case with a capital first")
        }
    }

    mutating func check(since: NumberSyntax?) -> Int? {
        if let since, since.value > syntax.version.value {
            fail(since.position, "version \(since.value) is later than the schema's, \(syntax.version.value)")
        }
        return since?.value
    }

    /// Numbers and names once each, none of them used.
    mutating func check(_ reserved: ReservedSyntax, numbers: [NumberSyntax], names: [NameSyntax]) -> Reserved
    {
        var result = Reserved()
        for number in reserved.numbers where !result.numbers.insert(number.value).inserted {
            fail(number.position, "\(number.value) is reserved twice")
        }
        for name in reserved.names where !result.names.insert(name.text).inserted {
            fail(name.position, "\"\(name.text)\" is reserved twice")
        }
        for number in numbers where result.numbers.contains(number.value) {
            fail(number.position, "\(number.value) is reserved; take a number that was never used")
        }
        for name in names where result.names.contains(name.text) {
            fail(name.position, "`\(name.text)` is reserved; take a name that was never used")
        }
        return result
    }

    mutating func requireUnique(_ names: [NameSyntax], _ what: String) {
        var seen: [String: Position] = [:]
        for name in names {
            if let first = seen[name.text] {
                fail(name.position, "\(what) `\(name.text)` is declared twice, first on line \(first.line)")
            } else {
                seen[name.text] = name.position
            }
        }
    }

    mutating func requireUnique(_ numbers: [NumberSyntax], _ what: String) {
        var seen: [Int: Position] = [:]
        for number in numbers {
            if let first = seen[number.value] {
                fail(number.position, "\(what) \(number.value) is used twice, first on line \(first.line)")
            } else {
                seen[number.value] = number.position
            }
        }
    }

    // MARK: Declarations

    private mutating func checkTypeNames() {
        let names = (syntax.enums.map(\.name) + syntax.messages.map(\.name)).sorted {
            $0.position < $1.position
        }
        requireUnique(names, "type")
        for name in names {
            requireUpperCamelCase(name)
            if Self.ownNames.contains(name.text) || Scalar(rawValue: name.text) != nil {
                fail(name.position, "`\(name.text)` is a name that generated code uses for itself")
            }
        }
        for number in syntax.reservedMessages.numbers {
            fail(number.position, "messages have no numbers; reserve the name in quotes")
        }
        let reserved = check(syntax.reservedMessages, numbers: [], names: names)
        schema.reservedMessages = reserved.names
    }

    private mutating func checkLimits() {
        requireUnique(syntax.limits.map(\.name), "limit")
        for limit in syntax.limits {
            requireSnakeCase(limit.name)
            requireDocs(limit.docs, "limit", limit.name)
            if limit.value.value > Int(Int32.max) {
                fail(limit.value.position, "a limit is at most \(Int32.max)")
            }
            schema.limits.append(
                Limit(
                    docs: limit.docs, name: limit.name.text, position: limit.name.position,
                    value: limit.value.value))
        }
    }

    private mutating func check(_ item: EnumSyntax) {
        requireDocs(item.docs, "enum", item.name)
        let width = Scalar(rawValue: item.width.text) ?? .u8
        let isWidthValid = [Scalar.u8, .u16, .u32].contains(width) && width.rawValue == item.width.text
        if !isWidthValid {
            fail(item.width.position, "an enum is u8, u16 or u32 wide")
        }
        requireUnique(item.cases.map(\.name), "case")
        requireUnique(item.cases.map(\.value), "number")
        for entry in item.cases {
            requireSnakeCase(entry.name)
            requireDocs(entry.docs, "case", entry.name)
            if entry.name.text == "known" {
                fail(entry.name.position, "`known` is a name that generated code uses for itself")
            }
            if isWidthValid, entry.value.value >= 1 << (8 * width.byteCount) {
                fail(entry.value.position, "\(entry.value.value) does not fit in \(width.rawValue)")
            }
        }
        if !item.cases.contains(where: { $0.value.value == 0 }) {
            fail(
                item.name.position,
                "enum `\(item.name.text)` needs a case 0: it is what an absent field reads as")
        }
        let reserved = check(item.reserved, numbers: item.cases.map(\.value), names: item.cases.map(\.name))
        var cases: [Enumeration.Case] = []
        for entry in item.cases {
            cases.append(
                Enumeration.Case(
                    docs: entry.docs, name: entry.name.text, position: entry.name.position,
                    value: entry.value.value, since: check(since: entry.since)))
        }
        schema.enums.append(
            Enumeration(
                docs: item.docs, name: item.name.text, position: item.name.position, width: width,
                cases: cases,
                reserved: reserved))
    }

    private mutating func checkMethods() {
        requireUnique(syntax.methods.map(\.name), "method")
        requireUnique(syntax.methods.map(\.number), "method number")
        schema.reservedMethods = check(
            syntax.reservedMethods, numbers: syntax.methods.map(\.number), names: syntax.methods.map(\.name))
        for method in syntax.methods { check(method) }
    }

    private mutating func check(_ method: MethodSyntax) {
        requireDocs(method.docs, "method", method.name)
        requireUpperCamelCase(method.name)
        if !(1...Int(UInt16.max)).contains(method.number.value) {
            fail(method.number.position, "a method's number is 1…65535")
        }
        for type in [method.request, method.response]
        where !syntax.messages.contains(where: { $0.name.text == type.text }) {
            fail(type.position, "there is no message `\(type.text)`")
        }
        if method.scope == nil { fail(method.name.position, "method `\(method.name.text)` needs a `scope`") }
        if method.bodyBytesMax == nil {
            fail(method.name.position, "method `\(method.name.text)` needs a `body`")
        }
        if method.deadlineMicroseconds == nil {
            fail(method.name.position, "method `\(method.name.text)` needs a `deadline` (0s: none)")
        }
        let scope = Scope(rawValue: method.scope?.text ?? "none")
        if let name = method.scope, scope == nil {
            let all = Scope.allCases.map(\.rawValue).joined(separator: ", ")
            fail(name.position, "there is no scope `\(name.text)`; there are \(all)")
        }
        if let deadline = method.deadlineMicroseconds, deadline.value > Int(UInt32.max) {
            fail(deadline.position, "a deadline is at most \(UInt32.max) microseconds")
        }
        if let body = method.bodyBytesMax, let most = schema.limit("body_bytes_max"), body.value > most {
            fail(body.position, "the body is larger than the limit body_bytes_max, \(most)")
        }
        schema.methods.append(
            Method(
                docs: method.docs, name: method.name.text, position: method.name.position,
                number: method.number.value, request: method.request.text, response: method.response.text,
                isStreaming: method.isStreaming, isIdempotent: method.isIdempotent, scope: scope ?? .none,
                deadlineMicroseconds: method.deadlineMicroseconds?.value ?? 0,
                bodyBytesMax: method.bodyBytesMax?.value ?? 0, since: check(since: method.since)))
    }

    /// A table that holds itself would let a peer choose how deep decoding nests.
    private mutating func checkRecursion() {
        var state: [String: Bool] = [:]  // false: being visited, true: done
        func visit(_ name: String, _ found: inout [Field]) {
            guard state[name] == nil, let message = schema.message(name) else { return }
            state[name] = false
            for field in message.fields {
                guard let inner = field.type.tableName else { continue }
                if state[inner] == false { found.append(field) } else { visit(inner, &found) }
            }
            state[name] = true
        }
        var found: [Field] = []
        for message in schema.messages { visit(message.name, &found) }
        for field in found {
            fail(field.position, "field `\(field.name)` makes its table hold itself; depth must be bounded")
        }
    }
}

extension FieldType {
    /// The table that a field of this type holds, alone or in a list.
    var tableName: String? {
        switch self {
        case .table(let name): name
        case .list(let element): element.tableName
        default: nil
        }
    }
}
