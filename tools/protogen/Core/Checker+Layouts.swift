// The rules of structs, columns and tables.
//
// Invariant: a fixed part has no gap and no overlap, and each of its fields is aligned to its own size; a
// table's ids ascend.

extension Checker {
    /// Highest id of a table's field: 13 bits beside the size class.
    static let idMax = 8_191

    mutating func check(_ item: MessageSyntax) {
        requireDocs(item.docs, item.kind.word, item.name)
        requireUnique(item.fields.map(\.name) + item.columns.map(\.name), "field")
        var message = Message(
            kind: item.kind, docs: item.docs, name: item.name.text, position: item.name.position,
            size: item.size?.value ?? 0, fields: [], columns: [], reserved: Reserved())
        for field in item.fields {
            if let checked = check(field, in: item.kind) { message.fields.append(checked) }
        }
        if item.kind == .table {
            checkIDs(item)
            message.reserved = check(
                item.reserved, numbers: item.fields.map(\.number), names: item.fields.map(\.name))
        } else {
            // Where a field's type is unknown, its size is too: one fault is enough.
            if message.fields.count == item.fields.count { checkLayout(item, message.fields) }
            for index in item.columns.indices {
                if let column = check(item.columns[index], of: message) { message.columns.append(column) }
            }
            checkOffsets(of: &message)
        }
        schema.messages.append(message)
    }

    private mutating func check(_ item: FieldSyntax, in kind: Message.Kind) -> Field? {
        requireSnakeCase(item.name)
        requireDocs(item.docs, "field", item.name)
        guard let type = resolve(item.type) else { return nil }
        if let fault = fault(of: type, isOptional: item.isOptional, in: kind) {
            fail(item.type.position, fault)
            return nil
        }
        if let limit = item.limit {
            if schema.limit(limit.text) == nil {
                fail(limit.position, "there is no limit `\(limit.text)`")
            } else if !type.mayHaveLimit(in: kind) {
                fail(
                    limit.position,
                    "only u8, u16 and u32 of a fixed part, strings, bytes and lists have a `max`")
            }
        }
        return Field(
            docs: item.docs, name: item.name.text, position: item.name.position, type: type,
            isOptional: item.isOptional, number: item.number.value, since: check(since: item.since),
            limit: item.limit?.text)
    }

    private mutating func resolve(_ type: TypeSyntax) -> FieldType? {
        switch type {
        case .name(let name):
            if let scalar = Scalar(rawValue: name.text) { return .scalar(scalar) }
            if name.text == "string" { return .string }
            if name.text == "bytes" { return .bytes }
            if let found = schema.enumeration(name.text) { return .enumeration(found.name, found.width) }
            guard let found = syntax.messages.first(where: { $0.name.text == name.text }) else {
                fail(name.position, "there is no type `\(name.text)`")
                return nil
            }
            switch found.kind {
            case .table: return .table(name.text)
            case .fixed: return .structure(name.text, found.size?.value ?? 0)
            case .columns:
                fail(name.position, "`\(name.text)` has columns: it is a whole body and cannot be a field")
                return nil
            }
        case .fixedBytes(let size), .pad(let size):
            guard (1...65_535).contains(size.value) else {
                fail(size.position, "the number of bytes is 1…65535")
                return nil
            }
            if case .pad = type { return .pad(size.value) }
            return .fixedBytes(size.value)
        case .list(let element, _):
            return resolve(element).map { .list($0) }
        }
    }

    /// Why a type cannot stand where it does.
    private func fault(of type: FieldType, isOptional: Bool, in kind: Message.Kind) -> String? {
        if kind == .table {
            switch type {
            case .pad: return "a table has no pads"
            case .structure: return "a struct is a whole body or a column's element; a table holds tables"
            case .list(let element):
                if isOptional { return "a list is never optional: an absent one is empty" }
                switch element {
                case .list, .pad, .structure:
                    return "a list's elements are scalars, enums, bytes, strings or tables"
                default: return nil
                }
            default: return nil
            }
        }
        switch type {
        case .scalar(.bool): return "a fixed layout has no bool; use u8"
        case .scalar, .enumeration, .pad, .fixedBytes(16), .fixedBytes(32): return nil
        default: return "a fixed layout holds numbers, enums, bytes[16], bytes[32] and pads only"
        }
    }

    private mutating func checkIDs(_ item: MessageSyntax) {
        requireUnique(item.fields.map(\.number), "id")
        var previous = 0
        for field in item.fields {
            let id = field.number.value
            if !(1...Self.idMax).contains(id) { fail(field.number.position, "an id is 1…\(Self.idMax)") }
            if id < previous { fail(field.number.position, "ids ascend: \(id) comes after \(previous)") }
            previous = max(previous, id)
        }
    }

    private mutating func checkLayout(_ item: MessageSyntax, _ fields: [Field]) {
        var end = 0
        for (syntax, field) in zip(item.fields, fields) {
            guard let byteCount = field.type.byteCount else { continue }
            let position = syntax.number.position
            if field.number != end {
                let what = field.number < end ? "overlaps the field before it" : "leaves a gap (write a pad)"
                fail(position, "`\(field.name)` at \(field.number) \(what): the next free offset is \(end)")
            }
            let alignment = field.type.alignment
            if field.number % alignment != 0 {
                fail(position, "`\(field.name)` at \(field.number) is not aligned to \(alignment) bytes")
            }
            end = field.number + byteCount
        }
        let size = item.size ?? NumberSyntax(value: 0, position: item.name.position)
        if size.value != end {
            fail(size.position, "the size is \(size.value), but the fields end at \(end)")
        }
        if !(1...65_535).contains(size.value) { fail(size.position, "a fixed part has 1…65535 bytes") }
    }

    // MARK: Columns

    private mutating func check(_ item: ColumnSyntax, of message: Message) -> Column? {
        requireSnakeCase(item.name)
        requireDocs(item.docs, "column", item.name)
        var element: FieldType?
        if let written = item.element {
            guard let type = resolve(written) else { return nil }
            switch type {
            case .scalar(.bool), .pad, .string, .bytes, .table, .list:
                fail(written.position, "a column holds numbers, enums, bytes[N], structs or bits")
                return nil
            default: element = type
            }
        }
        let counts: [FieldType] = [.scalar(.u8), .scalar(.u16), .scalar(.u32)]
        guard let count = message.field(item.countField.text), counts.contains(count.type) else {
            fail(item.countField.position, "`\(item.countField.text)` is no u8, u16 or u32 of the fixed part")
            return nil
        }
        if let plus = item.countPlus, plus.value != 1 || element != .scalar(.u32) {
            fail(plus.position, "only `u32[… + 1]`, the offsets into the column after it, adds to its count")
        }
        return Column(
            docs: item.docs, name: item.name.text, position: item.name.position, element: element,
            countField: count.name, countPlus: item.countPlus?.value ?? 0,
            condition: check(item.condition, of: message))
    }

    private mutating func check(_ condition: ColumnSyntax.Condition?, of message: Message) -> Condition? {
        guard let condition else { return nil }
        switch condition {
        case .equals(let field, let value), .has(let field, let value):
            guard let found = message.field(field.text), let bits = found.type.wholeNumberBits else {
                fail(field.position, "`\(field.text)` is no whole number or enum of the fixed part")
                return nil
            }
            if case .has = condition {
                if value.value >= bits { fail(value.position, "`\(field.text)` has only \(bits) bits") }
                return .has(field: found.name, bit: value.value)
            }
            if bits < 63, value.value >= 1 << bits {
                fail(value.position, "\(value.value) does not fit in `\(field.text)`")
            }
            return .equals(field: found.name, value: value.value)
        }
    }

    /// A column of `count + 1` offsets cuts the column after it, bytes under the same condition, into pieces.
    private mutating func checkOffsets(of message: inout Message) {
        for index in message.columns.indices where message.columns[index].countPlus == 1 {
            // Other elements were refused already.
            guard message.columns[index].element == .scalar(.u32) else { continue }
            let next = index + 1
            guard next < message.columns.count, message.columns[next].element == .scalar(.u8),
                message.columns[next].countPlus == 0,
                message.columns[next].condition == message.columns[index].condition
            else {
                fail(
                    message.columns[index].position,
                    "offsets need a column of u8 right after them, under the same condition")
                continue
            }
            message.columns[index].offsetsInto = message.columns[next].name
        }
    }
}

extension FieldType {
    /// Bytes to whose multiple a fixed field's offset must be aligned.
    var alignment: Int {
        switch self {
        case .scalar(let scalar), .enumeration(_, let scalar): scalar.byteCount
        case .fixedBytes: 8
        default: 1
        }
    }

    /// Bits of an unsigned whole number or enum.
    var wholeNumberBits: Int? {
        switch self {
        case .enumeration(_, let width): width.byteCount * 8
        case .scalar(let scalar) where [.u8, .u16, .u32, .u64].contains(scalar): scalar.byteCount * 8
        default: nil
        }
    }

    /// Whether `max` may follow a field of this type.
    func mayHaveLimit(in kind: Message.Kind) -> Bool {
        switch self {
        case .scalar(.u8), .scalar(.u16), .scalar(.u32): kind != .table
        case .bytes, .string, .list: kind == .table
        default: false
        }
    }
}
