// Structs and columns in Swift: fixed layouts, read in place.

extension SwiftRenderer {
    func structs() -> String {
        file("Structs: fixed layouts. A struct is decoded by loads at fixed offsets.") { code in
            code.block("extension Wire {") { code in
                for (index, message) in schema.messages.filter({ $0.kind == .fixed }).enumerated() {
                    if index > 0 { code.line() }
                    renderStruct(message, &code)
                }
            }
        }
    }

    private func renderStruct(_ message: Message, _ code: inout CodeText) {
        code.docs(message.docs)
        code.block("public struct \(message.name): WireMessage {") { code in
            code.docs(["The schema's name."])
            code.line("public static var schemaName: String { \"\(message.name)\" }")
            code.line()
            code.docs(["Bytes of the encoding."])
            code.line("@inlinable public static var byteCount: Int { \(message.size) }")
            renderProperties(message, &code)
            renderMemberwiseInit(message, &code)
            code.line()
            code.docs([
                "- Parameter bytes: the whole encoding.", "- Throws: wrong size, or a pad that is not zero.",
            ])
            code.block("public init(decoding bytes: RawSpan) throws(WireError) {") { code in
                code.line("try bytes.requireByteCount(\(message.size))")
                code.line("try Self.requireZeroPads(bytes, at: 0)")
                code.line("self.init(unchecked: bytes, at: 0)")
            }
            code.line()
            code.docs(["Reads bytes whose size and pads were checked before."])
            code.block("@inlinable public init(unchecked bytes: RawSpan, at offset: Int) {") { code in
                for field in message.valueFields {
                    let value = load(field.type, "offset + \(field.number)")
                    code.line("self.\(SwiftNames.member(field.name)) = \(value)")
                }
            }
            renderPadCheck(message, &code)
            code.line()
            code.docs(["Appends the encoding."])
            code.block("public func encode(into writer: inout FrameWriter) {") { code in
                code.line("let offset = writer.appendZeros(\(message.size))")
                renderStores(message, &code)
            }
        }
    }

    private func renderPadCheck(_ message: Message, _ code: inout CodeText) {
        code.line()
        code.docs(["Checks that all pads of the encoding at `offset` are zero."])
        let pads = message.fields.filter(\.isPad)
        let name = pads.isEmpty ? "_: RawSpan, at _: Int" : "_ bytes: RawSpan, at offset: Int"
        code.block("static func requireZeroPads(\(name)) throws(WireError) {") {
            renderZeroChecks(pads, "offset + ", &$0)
        }
    }

    private func renderZeroChecks(_ pads: [Field], _ prefix: String, _ code: inout CodeText) {
        for pad in pads {
            code.line("try bytes.requireZeros(at: \(prefix)\(pad.number), count: \(pad.type.byteCount ?? 0))")
        }
    }

    private func renderStores(_ message: Message, _ code: inout CodeText) {
        for field in message.valueFields {
            let source = "self.\(SwiftNames.member(field.name))"
            switch field.type {
            case .enumeration: code.line("writer.store(\(source).rawValue, at: offset + \(field.number))")
            case .scalar(.f64): code.line("writer.store(\(source).bitPattern, at: offset + \(field.number))")
            case .fixedBytes: code.line("\(source).store(in: &writer, at: offset + \(field.number))")
            default: code.line("writer.store(\(source), at: offset + \(field.number))")
            }
        }
    }

    private func load(_ type: FieldType, _ offset: String) -> String {
        switch type {
        case .enumeration(let name, _): "\(name)(rawValue: bytes.load(at: \(offset)))"
        case .scalar(.f64): "Double(bitPattern: bytes.load(at: \(offset)))"
        case .fixedBytes: "\(SwiftNames.type(type))(loading: bytes, at: \(offset))"
        default: "bytes.load(at: \(offset))"
        }
    }

    // MARK: Columns

    func columns() -> String {
        file("Columns: a fixed part, then columns whose lengths it states. Views read them in place.") {
            code in
            code.block("extension Wire {") { code in
                for (index, message) in schema.messages.filter({ $0.kind == .columns }).enumerated() {
                    if index > 0 { code.line() }
                    renderView(message, &code)
                    code.line()
                    renderFixedPart(message, &code)
                }
            }
        }
    }

    private func renderView(_ message: Message, _ code: inout CodeText) {
        code.docs(message.docs)
        code.line("///")
        code.docs(["A view of an encoding whose whole layout was checked; it allocates and copies nothing."])
        code.block("public struct \(message.name)View: ~Escapable {") { code in
            code.docs(["The whole encoding."])
            code.line("public let bytes: RawSpan")
            for column in message.columns {
                code.line("@usableFromInline let \(SwiftNames.camelCase(column.name))Range: Range<Int>")
            }
            code.line()
            renderViewInit(message, &code)
            for field in message.valueFields {
                code.line()
                code.docs(field.docs)
                let name = SwiftNames.member(field.name)
                code.line(
                    "@inlinable public var \(name): \(SwiftNames.type(field)) "
                        + "{ \(load(field.type, String(field.number))) }")
            }
            for column in message.columns {
                code.line()
                code.docs(column.docs)
                code.docs([bytesNote(column)])
                code.block("@inlinable public var \(SwiftNames.member(column.name)): RawSpan {") { code in
                    let range = SwiftNames.camelCase(column.name) + "Range"
                    code.line("@_lifetime(copy self) get { bytes.extracting(\(range)) }")
                }
            }
            code.line()
            code.docs(["A copy of the fixed part."])
            code.block("public var fixedPart: \(message.name) {") { code in
                let arguments = message.valueFields.map {
                    "\(SwiftNames.camelCase($0.name)): \(SwiftNames.member($0.name))"
                }
                code.call("\(message.name)(", arguments, ")")
            }
        }
    }

    private func bytesNote(_ column: Column) -> String {
        let count = "\(column.countField)\(column.countPlus == 0 ? "" : " + \(column.countPlus)")"
        let layout =
            switch column.element {
            case .none: "One bit an element, lowest first: (\(count) + 7) / 8 bytes, unused bits zero."
            case .some(let element): "\(count) × \(element.byteCount ?? 0) bytes."
            }
        return layout + (column.condition.map { " Empty unless \($0.written)." } ?? "")
    }

    private func renderViewInit(_ message: Message, _ code: inout CodeText) {
        code.docs([
            "- Parameter bytes: the whole encoding.",
            "- Throws: a wrong size, a pad or unused bit that is not zero, offsets that do not ascend, or a",
            "  number over its limit.",
        ])
        code.line("@_lifetime(copy bytes)")
        code.block("public init(_ bytes: RawSpan) throws(WireError) {") { code in
            code.line("try bytes.requireByteCount(atLeast: \(message.size))")
            renderZeroChecks(message.fields.filter(\.isPad), "", &code)
            for field in message.fields {
                guard let limit = field.limit else { continue }
                let value = "Int(bytes.load(\(SwiftNames.type(field)).self, at: \(field.number)))"
                let most = "Limits.\(SwiftNames.member(limit))"
                code.line("try requireAtMost(\(value), \(most), \"\(field.name)\")")
            }
            if !message.columns.isEmpty {
                code.line("var layout = ColumnCursor(bytes, fixed: \(message.size))")
            }
            for column in message.columns { renderRange(column, of: message, &code) }
            code.line(
                message.columns.isEmpty
                    ? "try bytes.requireByteCount(\(message.size))" : "try layout.finish(bytes)")
            for column in message.columns { renderContentCheck(column, &code) }
            code.line("self.bytes = bytes")
        }
    }

    private func renderRange(_ column: Column, of message: Message, _ code: inout CodeText) {
        guard let count = message.field(column.countField) else { return }
        let plus = column.countPlus == 0 ? "" : " + \(column.countPlus)"
        let value = "Int(bytes.load(\(SwiftNames.type(count)).self, at: \(count.number)))\(plus)"
        let size = column.element.map { "stride: \($0.byteCount ?? 0)" } ?? "bits: ()"
        let arguments = ["bytes", "count: \(value)", size, condition(column, of: message, inPlace: true)]
        let name = SwiftNames.camelCase(column.name) + "Range"
        code.call("\(name) = try layout.take(", arguments.compactMap { $0 }, ")")
    }

    private func condition(_ column: Column, of message: Message, inPlace: Bool) -> String? {
        guard let condition = column.condition else { return nil }
        func value(_ name: String) -> String {
            guard let field = message.field(name) else { return "0" }
            let isEnum = if case .enumeration = field.type { true } else { false }
            guard inPlace else { return "self.\(SwiftNames.member(name))\(isEnum ? ".rawValue" : "")" }
            let width = if case .enumeration(_, let width) = field.type { width } else { scalar(field.type) }
            return "bytes.load(\(SwiftNames.type(width)).self, at: \(field.number))"
        }
        switch condition {
        case .equals(let field, let number): return "when: \(value(field)) == \(number)"
        case .has(let field, let bit): return "when: \(value(field)) & \(1 << bit) != 0"
        }
    }

    private func scalar(_ type: FieldType) -> Scalar {
        if case .scalar(let scalar) = type { scalar } else { .u8 }
    }

    private func renderContentCheck(_ column: Column, _ code: inout CodeText) {
        let range = SwiftNames.camelCase(column.name) + "Range"
        if let target = column.offsetsInto {
            let targetRange = SwiftNames.camelCase(target) + "Range"
            code.line("try bytes.requireOffsets(\(range), into: \(targetRange))")
        }
        if case .structure(let name, let size) = column.element,
            let message = schema.message(name), message.fields.contains(where: \.isPad)
        {
            code.block(
                "for offset in stride(from: \(range).lowerBound, to: \(range).upperBound, by: \(size)) {"
            ) {
                $0.line("try \(name).requireZeroPads(bytes, at: offset)")
            }
        }
    }

    private func renderFixedPart(_ message: Message, _ code: inout CodeText) {
        code.docs(["The fixed part of `\(message.name)`: what is known before the columns are filled."])
        code.block("public struct \(message.name): WireMessage {") { code in
            code.docs(["The schema's name."])
            code.line("public static var schemaName: String { \"\(message.name)\" }")
            code.line()
            code.docs(["Bytes before the first column."])
            code.line("@inlinable public static var fixedByteCount: Int { \(message.size) }")
            renderProperties(message, &code)
            renderMemberwiseInit(message, &code)
            code.line()
            code.docs([
                "Checks a whole encoding and copies its fixed part.", "",
                "- Throws: as the view's initialiser.",
            ])
            code.block("public init(decoding bytes: RawSpan) throws(WireError) {") { code in
                code.line("self = try \(message.name)View(bytes).fixedPart")
            }
            renderColumnRanges(message, &code)
            renderBeginEncoding(message, &code)
            renderRecode(message, &code)
        }
    }

    private func renderColumnRanges(_ message: Message, _ code: inout CodeText) {
        code.line()
        code.docs(["Where the columns stand in a writer's bytes: to be filled through `withMutableBytes`."])
        code.block("public struct Columns: Hashable, Sendable {") { code in
            code.docs(["Offset of the fixed part."])
            code.line("public let start: Int")
            for column in message.columns {
                code.line()
                code.docs(column.docs)
                code.docs([bytesNote(column)])
                code.line("public let \(SwiftNames.member(column.name)): Range<Int>")
            }
            code.line()
            code.docs(["Offset behind the last column."])
            code.line("public let end: Int")
        }
    }

    private func renderBeginEncoding(_ message: Message, _ code: inout CodeText) {
        code.line()
        code.docs(["Appends the fixed part and all columns, filled with zeros; returns where they stand."])
        code.block("public func beginEncoding(into writer: inout FrameWriter) -> Columns {") { code in
            code.line("let offset = writer.appendZeros(\(message.size))")
            renderStores(message, &code)
            for column in message.columns {
                let count = "Int(self.\(SwiftNames.member(column.countField)))"
                var size = column.countPlus == 0 ? count : "(\(count) + \(column.countPlus))"
                switch column.element?.byteCount {
                case .none: size = "(\(size) + 7) / 8"
                case .some(1): break
                case .some(let stride): size += " * \(stride)"
                }
                if let condition = condition(column, of: message, inPlace: false)?.dropFirst(6) {
                    size = "\(condition) ? \(size) : 0"
                }
                code.line("let \(SwiftNames.camelCase(column.name)) = writer.appendColumn(\(size))")
            }
            let ranges = message.columns.map {
                "\(SwiftNames.camelCase($0.name)): \(SwiftNames.camelCase($0.name))"
            }
            code.call("return Columns(", ["start: offset"] + ranges + ["end: writer.count"], ")")
        }
    }

    private func renderRecode(_ message: Message, _ code: inout CodeText) {
        code.line()
        code.docs(["Appends the fixed part and columns of zeros."])
        code.block("public func encode(into writer: inout FrameWriter) {") {
            $0.line("_ = beginEncoding(into: &writer)")
        }
        code.line()
        code.docs(["Decodes a whole encoding and appends it again, columns too."])
        code.block(
            "public static func recode(_ bytes: RawSpan, into writer: inout FrameWriter) throws(WireError) {"
        ) {
            code in
            code.line("let view = try \(message.name)View(bytes)")
            let isUsed = !message.columns.isEmpty
            code.line("\(isUsed ? "let columns" : "_") = view.fixedPart.beginEncoding(into: &writer)")
            for column in message.columns {
                let name = SwiftNames.member(column.name)
                code.line("writer.fill(columns.\(name), with: view.\(name))")
            }
        }
    }
}
