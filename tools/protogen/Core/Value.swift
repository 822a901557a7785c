// Values of a schema's types, and their encoding by the rules of the protocol.
//
// Why: test vectors come from here and not from generated code, so each tests the other.
// Invariant: what is encoded is canonical: zero and empty fields are left out unless they are optional.

/// A value of some type of the schema.
indirect enum Value: Hashable {
    /// Any scalar but bool and f64, or an enum: its bits, sign-extended.
    case number(UInt64)
    case bool(Bool)
    case double(Double)
    case bytes([UInt8])
    case text(String)
    case list([Value])
    /// A table or struct: values by field name; a field that is not there is zero, empty or absent.
    case record([String: Value])

    /// Whether a field that is not optional is left out with this value.
    var isDefault: Bool {
        switch self {
        case .number(let bits): bits == 0
        case .bool(let flag): !flag
        case .double(let number): number.bitPattern == 0
        case .bytes(let bytes): bytes.allSatisfy { $0 == 0 }
        case .text(let text): text.isEmpty
        case .list(let elements): elements.isEmpty
        case .record(let fields): fields.values.allSatisfy(\.isDefault)
        }
    }
}

/// Encodes values by a schema.
struct WireEncoder {
    let schema: Schema

    /// A table: every field in order of ids.
    ///
    /// - Parameter explicit: write non-optional fields that are zero or empty, too, where a value is given.
    func table(_ message: Message, _ values: [String: Value], explicit: Bool = false) -> [UInt8] {
        message.fields.flatMap { field -> [UInt8] in
            guard let value = values[field.name] else { return [] }
            // `bytes` that hold zeros only are not empty.
            let isEmpty =
                if case .bytes(let bytes) = value, field.type == .bytes { bytes.isEmpty } else {
                    value.isDefault
                }
            if isEmpty, !field.isOptional, !explicit { return [] }
            return self.field(field.number, field.type, value)
        }
    }

    /// A field of a table: tag, length where its class has one, value.
    func field(_ id: Int, _ type: FieldType, _ value: Value) -> [UInt8] {
        let content = self.content(type, value)
        return tag(id, type.sizeClass) + (type.sizeClass == 6 ? prefixed(content) : content)
    }

    /// `id << 3 | class`
    func tag(_ id: Int, _ sizeClass: Int) -> [UInt8] {
        littleEndian(UInt64(id << 3 | sizeClass), 2)
    }

    /// Bytes with their length before them.
    func prefixed(_ bytes: [UInt8]) -> [UInt8] {
        littleEndian(UInt64(bytes.count), 4) + bytes
    }

    /// A number's lowest bytes.
    func littleEndian(_ number: UInt64, _ byteCount: Int) -> [UInt8] {
        (0..<byteCount).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }

    /// A value without tag and length.
    func content(_ type: FieldType, _ value: Value) -> [UInt8] {
        switch (type, value) {
        case (.table(let name), .record(let values)), (.structure(let name, _), .record(let values)):
            guard let message = schema.message(name) else { return [] }
            return message.kind == .table ? table(message, values) : fixedPart(message, values)
        case (.list(let element), .list(let values)):
            let isPacked = element.byteCount != nil
            let elements = values.flatMap { value in
                isPacked ? content(element, value) : prefixed(content(element, value))
            }
            return littleEndian(UInt64(values.count), 4) + elements
        case (_, .bytes(let bytes)): return bytes
        case (_, .text(let text)): return Array(text.utf8)
        case (_, .bool(let flag)): return [flag ? 1 : 0]
        case (_, .double(let number)): return littleEndian(number.bitPattern, 8)
        case (_, .number(let bits)): return littleEndian(bits, type.byteCount ?? 0)
        default: return []
        }
    }

    /// A struct, or what stands before columns: every field at its offset, pads zero.
    func fixedPart(_ message: Message, _ values: [String: Value]) -> [UInt8] {
        message.fields.flatMap { field -> [UInt8] in
            guard let value = values[field.name] else {
                return [UInt8](repeating: 0, count: field.type.byteCount ?? 0)
            }
            return content(field.type, value)
        }
    }

    /// A fixed part and its columns.
    func columns(_ message: Message, _ values: [String: Value]) -> [UInt8] {
        message.columns.reduce(into: fixedPart(message, values)) { bytes, column in
            guard isThere(column, values), case .list(let elements)? = values[column.name] else { return }
            if let type = column.element {
                for element in elements { bytes += content(type, element) }
                return
            }
            var packed = [UInt8](repeating: 0, count: (elements.count + 7) / 8)
            for (index, element) in elements.enumerated() where !element.isDefault {
                packed[index >> 3] |= 1 << UInt8(index & 7)
            }
            bytes += packed
        }
    }

    /// Whether a column's condition holds.
    func isThere(_ column: Column, _ values: [String: Value]) -> Bool {
        func bits(_ field: String) -> UInt64 {
            if case .number(let bits)? = values[field] { bits } else { 0 }
        }
        return switch column.condition {
        case nil: true
        case .equals(let field, let value): bits(field) == UInt64(value)
        case .has(let field, let bit): bits(field) >> UInt64(bit) & 1 == 1
        }
    }
}
