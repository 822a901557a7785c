// Sample values for test vectors: deterministic, and different in each field, so that two fields swapped
// show.

/// Makes values for the messages of a schema.
struct Samples {
    let schema: Schema
    /// Rises with each leaf, so that no two hold the same.
    private var counter: UInt64 = 0

    init(_ schema: Schema) {
        self.schema = schema
    }

    /// A value in which nothing is zero, empty or absent.
    mutating func full(_ message: Message) -> [String: Value] {
        var values: [String: Value] = [:]
        for field in message.valueFields { values[field.name] = full(field.type, field.name) }
        return values
    }

    /// The value that an absent field reads as.
    func zero(_ type: FieldType) -> Value {
        switch type {
        case .scalar(.bool): .bool(false)
        case .scalar(.f64): .double(0)
        case .scalar, .enumeration: .number(0)
        case .fixedBytes(let count), .pad(let count): .bytes([UInt8](repeating: 0, count: count))
        case .bytes: .bytes([])
        case .string: .text("")
        case .list: .list([])
        case .table, .structure: .record([:])
        }
    }

    /// The highest number of an enum's width that has no name; `nil` where all have one.
    func unknownNumber(_ type: FieldType) -> Value? {
        guard case .enumeration(let name, let width) = type, let item = schema.enumeration(name) else {
            return nil
        }
        let named = Set(item.cases.map(\.value))
        let most = 1 << (8 * width.byteCount) - 1
        return stride(from: most, through: 0, by: -1).first { !named.contains($0) }.map {
            .number(UInt64($0))
        }
    }

    /// A value that is neither zero nor empty.
    mutating func full(_ type: FieldType, _ name: String) -> Value {
        switch type {
        case .table(let table), .structure(let table, _):
            return .record(schema.message(table).map { full($0) } ?? [:])
        case .list(let element):
            return .list([full(element, name), full(element, name)])
        default:
            break
        }
        counter += 1
        switch type {
        case .scalar(let scalar): return number(scalar)
        case .enumeration(let name, _):
            let named = schema.enumeration(name)?.cases.filter { $0.value != 0 } ?? []
            guard !named.isEmpty else { return unknownNumber(type) ?? .number(1) }
            return .number(UInt64(named[Int(counter) % named.count].value))
        case .fixedBytes(let count):
            return .bytes((0..<count).map { UInt8(truncatingIfNeeded: Int(counter) * 16 + $0 + 1) })
        case .bytes: return .bytes([UInt8(truncatingIfNeeded: counter), 0, 255])
        case .string: return .text("\(name) \(counter) é")
        default: return .number(counter)
        }
    }

    private func number(_ scalar: Scalar) -> Value {
        switch scalar {
        case .bool: .bool(true)
        case .f64: .double(Double(counter) + 0.5)
        case .u8: .number(counter % 255 + 1)
        case .u16: .number(0x0100 + counter)
        case .u32: .number(0x0102_0300 + counter)
        case .u64: .number(0x0102_0304_0506_0700 + counter)
        case .i64: .number(UInt64(bitPattern: -Int64(counter)))
        case .timeMicroseconds: .number(1_700_000_000_000_000 + counter)
        case .durationMicroseconds: .number(1_000_000 + counter)
        }
    }

    // MARK: Columns

    /// One value for each way in which the columns' conditions can hold, with its name.
    mutating func columns(_ message: Message) -> [(name: String, values: [String: Value])] {
        var choices: [[(field: String, value: UInt64)]] = [[]]
        for (field, options) in conditionOptions(message) {
            choices = choices.flatMap { choice in options.map { choice + [(field, $0)] } }
        }
        return choices.map { choice in
            let name = choice.map { "\($0.field)-\($0.value)" }.joined(separator: ",")
            return (name.isEmpty ? "full" : name, filled(message, choice))
        }
    }

    private func conditionOptions(_ message: Message) -> [(field: String, options: [UInt64])] {
        var order: [String] = []
        var options: [String: [UInt64]] = [:]
        for column in message.columns {
            switch column.condition {
            case nil: continue
            case .equals(let field, let value):
                if options[field] == nil { order.append(field) }
                if options[field]?.contains(UInt64(value)) != true {
                    options[field, default: []].append(UInt64(value))
                }
            case .has(let field, let bit):
                if options[field] == nil { order.append(field) }
                let all = (options[field]?.last ?? 0) | 1 << UInt64(bit)
                options[field] = [0, all]
            }
        }
        return order.map { ($0, options[$0] ?? []) }
    }

    private mutating func filled(_ message: Message, _ choice: [(field: String, value: UInt64)]) -> [String:
        Value]
    {
        var values = full(message)
        for (field, value) in choice { values[field] = .number(value) }
        let encoder = WireEncoder(schema: schema)
        var counts: [String: Int] = [:]
        for column in message.columns {
            counts[column.countField] = counts[column.countField] ?? 0
            guard encoder.isThere(column, values) else { continue }
            let wanted =
                switch column.element {
                case nil: 11
                case .scalar(.u8): 12
                default: 3
                }
            counts[column.countField] = max(counts[column.countField] ?? 0, wanted)
        }
        for (field, count) in counts { values[field] = .number(UInt64(count)) }
        for column in message.columns where encoder.isThere(column, values) {
            let count = (counts[column.countField] ?? 0) + column.countPlus
            values[column.name] = .list(elements(column, of: message, count, counts))
        }
        return values
    }

    private mutating func elements(
        _ column: Column, of message: Message, _ count: Int, _ counts: [String: Int]
    ) -> [Value] {
        guard let type = column.element else {
            return (0..<count).map { .bool($0 % 3 == 0) }
        }
        if let target = message.columns.first(where: { $0.name == column.offsetsInto }) {
            let total = counts[target.countField] ?? 0
            let pieces = max(count - 1, 1)
            return (0..<count).map { .number(UInt64($0 * total / pieces)) }
        }
        if type == .scalar(.u8) { return (0..<count).map { .number(UInt64(97 + $0 % 26)) } }
        return (0..<count).map { _ in full(type, column.name) }
    }
}
