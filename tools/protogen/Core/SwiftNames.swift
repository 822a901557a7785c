// How the schema's names and types are written in Swift.

enum SwiftNames {
    /// `not_fresh` → `notFresh`, back-ticked where it is a keyword.
    static func member(_ name: String) -> String {
        let camel = camelCase(name)
        return keywords.contains(camel) ? "`\(camel)`" : camel
    }

    /// `not_fresh` → `notFresh`, `CheckBatch` → `checkBatch`.
    static func camelCase(_ name: String) -> String {
        let words = name.split(separator: "_")
        guard let first = words.first else { return name }
        let head = first.prefix(1).lowercased() + first.dropFirst()
        return head + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// The Swift type of a field.
    static func type(_ field: Field) -> String {
        type(field.type) + (field.isOptional ? "?" : "")
    }

    /// The Swift type of a value.
    static func type(_ type: FieldType) -> String {
        switch type {
        case .scalar(let scalar): self.type(scalar)
        case .enumeration(let name, _), .table(let name), .structure(let name, _): name
        case .fixedBytes(16): "Bytes16"
        case .fixedBytes(32): "Bytes32"
        case .fixedBytes, .bytes, .pad: "[UInt8]"
        case .string: "String"
        case .list(let element): "[\(self.type(element))]"
        }
    }

    /// The Swift type of a scalar.
    static func type(_ scalar: Scalar) -> String {
        switch scalar {
        case .bool: "Bool"
        case .u8: "UInt8"
        case .u16: "UInt16"
        case .u32: "UInt32"
        case .u64: "UInt64"
        case .i64, .timeMicroseconds, .durationMicroseconds: "Int64"
        case .f64: "Double"
        }
    }

    /// What a field holds when nobody said anything.
    static func defaultValue(_ field: Field) -> String {
        if field.isOptional { return "nil" }
        switch field.type {
        case .scalar(.bool): return "false"
        case .scalar: return "0"
        case .enumeration(let name, _): return "\(name)(rawValue: 0)"
        case .fixedBytes(16): return "Bytes16()"
        case .fixedBytes(32): return "Bytes32()"
        case .fixedBytes(let count): return "[UInt8](repeating: 0, count: \(count))"
        case .table(let name): return "\(name)()"
        case .string: return "\"\""
        case .bytes, .list, .pad, .structure: return "[]"
        }
    }

    /// `4194304` → `4_194_304`
    static func grouped(_ number: Int) -> String {
        let digits = Array(String(number))
        guard digits.count > 4 else { return String(number) }
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { result += "_" }
            result.append(digit)
        }
        return result
    }

    private static let keywords: Set = [
        "as", "associatedtype", "break", "case", "catch", "class", "continue", "default", "defer", "deinit",
        "do",
        "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if",
        "import",
        "in", "init", "inout", "internal", "is", "let", "nil", "operator", "private", "protocol", "public",
        "repeat", "rethrows", "return", "self", "static", "struct", "subscript", "super", "switch", "throw",
        "throws", "true", "try", "typealias", "var", "where", "while",
    ]
}
