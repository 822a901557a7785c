// Tables in Swift: id-tagged fields, decoded field by field, encoded in order of ids.

extension SwiftRenderer {
    func tables() -> String {
        file("Tables: id-tagged fields. Unknown ones are skipped, absent ones read as zero or empty.") {
            code in
            code.block("extension Wire {") { code in
                for (index, message) in schema.messages.filter({ $0.kind == .table }).enumerated() {
                    if index > 0 { code.line() }
                    render(message, &code)
                }
            }
        }
    }

    private func render(_ message: Message, _ code: inout CodeText) {
        code.docs(message.docs)
        code.block("public struct \(message.name): WireMessage {") { code in
            code.docs(["The schema's name."])
            code.line("public static var schemaName: String { \"\(message.name)\" }")
            renderProperties(message, &code)
            renderMemberwiseInit(message, &code)
            renderDecoding(message, &code)
            renderEncoding(message, &code)
        }
    }

    /// One stored property a field that carries something.
    func renderProperties(_ message: Message, _ code: inout CodeText) {
        for field in message.valueFields {
            code.line()
            code.docs(field.docs)
            code.line("public var \(SwiftNames.member(field.name)): \(SwiftNames.type(field))")
        }
    }

    /// An initialiser in which every field has its default.
    func renderMemberwiseInit(_ message: Message, _ code: inout CodeText) {
        code.line()
        code.docs(["All fields, each zero or empty unless given."])
        let arguments = message.valueFields.map {
            "\(SwiftNames.camelCase($0.name)): \(SwiftNames.type($0)) = \(SwiftNames.defaultValue($0))"
        }
        guard !arguments.isEmpty else {
            code.line("public init() {}")
            return
        }
        code.call("public init(", arguments, ") {")
        code.indented { code in
            for field in message.valueFields {
                let name = SwiftNames.member(field.name)
                code.line("self.\(name) = \(name)")
            }
        }
        code.line("}")
    }

    // MARK: Decoding

    private func renderDecoding(_ message: Message, _ code: inout CodeText) {
        code.line()
        code.docs(["- Parameter bytes: the whole encoding.", "- Throws: what is wrong with it."])
        code.block("public init(decoding bytes: RawSpan) throws(WireError) {") { code in
            code.line("self.init()")
            code.line("var cursor = TableCursor()")
            guard !message.fields.isEmpty else {
                code.line("while try cursor.next(bytes) != nil {}")
                return
            }
            code.block("while let field = try cursor.next(bytes) {") { code in
                code.line("switch field.id {")
                for field in message.fields {
                    code.line("case \(field.number):")
                    code.indented { renderDecoding(field, &$0) }
                }
                code.line("default: break")
                code.line("}")
            }
        }
    }

    private func renderDecoding(_ field: Field, _ code: inout CodeText) {
        let target = "self.\(SwiftNames.member(field.name))"
        let limit = field.limit.map { ", max: Limits.\(SwiftNames.member($0)), \"\(field.name)\"" } ?? ""
        switch field.type {
        case .scalar(.bool): code.line("\(target) = try field.bool(bytes)")
        case .scalar(.f64): code.line("\(target) = Double(bitPattern: try field.integer(bytes))")
        case .scalar: code.line("\(target) = try field.integer(bytes)")
        case .enumeration(let name, _): code.line("\(target) = \(name)(rawValue: try field.integer(bytes))")
        case .fixedBytes(16): code.line("\(target) = try field.bytes16(bytes)")
        case .fixedBytes(32): code.line("\(target) = try field.bytes32(bytes)")
        case .fixedBytes(let count): code.line("\(target) = try field.blob(bytes, exactly: \(count))")
        case .bytes: code.line("\(target) = try field.blob(bytes\(limit))")
        case .string: code.line("\(target) = try field.text(bytes\(limit))")
        case .table(let name):
            code.line("\(target) = try \(name)(decoding: bytes.extracting(field.content()))")
        case .list(let element): renderDecoding(listOf: element, target, limit, &code)
        case .pad, .structure: break
        }
    }

    private func renderDecoding(
        listOf element: FieldType, _ target: String, _ limit: String, _ code: inout CodeText
    ) {
        let packed = element.byteCount
        let arguments = packed.map { "packed: \($0)" } ?? "prefixed: ()"
        code.line("var list = try ListCursor(bytes, field, \(arguments)\(limit))")
        code.line("\(target).reserveCapacity(list.reservation)")
        let value =
            switch element {
            case .scalar(.bool): "try list.bool(bytes)"
            case .scalar(.f64): "Double(bitPattern: list.integer(bytes))"
            case .scalar: "list.integer(bytes)"
            case .enumeration(let name, _): "\(name)(rawValue: list.integer(bytes))"
            case .fixedBytes(16): "list.bytes16(bytes)"
            case .fixedBytes(32): "list.bytes32(bytes)"
            case .fixedBytes(let count): "bytes.array(list.packed(\(count)))"
            case .bytes: "bytes.array(try list.element(bytes))"
            case .string: "try bytes.text(list.element(bytes))"
            case .table(let name): "try \(name)(decoding: element)"
            case .pad, .structure, .list: ""
            }
        code.block("for _ in 0..<list.count {") { code in
            if case .table = element { code.line("let element = bytes.extracting(try list.element(bytes))") }
            code.line("\(target).append(\(value))")
        }
        if packed == nil { code.line("try list.finish()") }
    }

    // MARK: Encoding

    private func renderEncoding(_ message: Message, _ code: inout CodeText) {
        code.line()
        code.docs(["Appends the encoding; fields that are zero or empty are left out."])
        code.block("public func encode(into writer: inout FrameWriter) {") { code in
            for field in message.fields { renderEncoding(field, &code) }
        }
    }

    private func renderEncoding(_ field: Field, _ code: inout CodeText) {
        let source = "self.\(SwiftNames.member(field.name))"
        let id = field.number
        if field.isOptional {
            if case .table = field.type {
                code.block("if let value = \(source) {") { code in
                    code.line("let start = writer.beginField(\(id))")
                    code.line("value.encode(into: &writer)")
                    code.line("writer.endField(start)")
                }
                return
            }
            code.line("if let value = \(source) { writer.appendField(\(id), \(plain("value", field.type))) }")
            return
        }
        let append = "writer.appendField(\(id), \(plain(source, field.type)))"
        switch field.type {
        case .scalar(.bool): code.line("if \(source) { \(append) }")
        case .scalar(.f64): code.line("if \(source).bitPattern != 0 { \(append) }")
        case .scalar, .enumeration: code.line("if \(plain(source, field.type)) != 0 { \(append) }")
        case .fixedBytes(16), .fixedBytes(32): code.line("if !\(source).isZero { \(append) }")
        case .fixedBytes(let count):
            code.line("writer.appendFieldUnlessZero(\(id), \(source), exactly: \(count))")
        case .bytes, .string: code.line("if !\(source).isEmpty { \(append) }")
        case .table:
            let start = SwiftNames.camelCase(field.name) + "Start"
            code.line("let \(start) = writer.beginField(\(id))")
            code.line("\(source).encode(into: &writer)")
            code.line("writer.endFieldUnlessEmpty(\(start))")
        case .list(let element): renderEncoding(listOf: element, source, id, &code)
        case .pad, .structure: break
        }
    }

    private func renderEncoding(
        listOf element: FieldType, _ source: String, _ id: Int, _ code: inout CodeText
    ) {
        code.block("if !\(source).isEmpty {") { code in
            code.line("let start = writer.beginList(\(id), count: \(source).count)")
            switch element {
            case .table:
                code.block("for element in \(source) {") { code in
                    code.line("let elementStart = writer.beginLength()")
                    code.line("element.encode(into: &writer)")
                    code.line("writer.endLength(elementStart)")
                }
            case .string, .bytes:
                code.line("for element in \(source) { writer.appendPrefixed(element) }")
            default:
                let call = "writer.appendElement(\(plain("element", element)))"
                code.line("for element in \(source) { \(call) }")
            }
            code.line("writer.endField(start)")
        }
    }

    /// What the writer takes: the number behind an enum or a double.
    private func plain(_ source: String, _ type: FieldType) -> String {
        switch type {
        case .enumeration: "\(source).rawValue"
        case .scalar(.f64): "\(source).bitPattern"
        case .fixedBytes(let count) where count != 16 && count != 32: "\(source), exactly: \(count)"
        default: source
        }
    }
}
