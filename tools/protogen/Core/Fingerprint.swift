// The canonical form of a schema and its fingerprint.
//
// Why: client and server tell in the handshake whether they were generated from the same layouts.
// Invariant: the form holds all that is on the wire and no comments, so only a change on the wire changes it.

extension Schema {
    /// One line a declaration, comments left out, in the schema's order.
    package var canonicalForm: String {
        var lines = ["protocol \(name) \(version)"]
        for limit in limits { lines.append("limit \(limit.name) \(limit.value)") }
        for item in enums {
            lines.append("enum \(item.name) \(item.width.rawValue)")
            for entry in item.cases { lines.append(" case \(entry.name) \(entry.value)") }
        }
        for message in messages {
            lines.append("\(message.kind.word) \(message.name) \(message.size)")
            for field in message.fields {
                let optional = field.isOptional ? "optional " : ""
                let limit = field.limit.map { " max \($0)" } ?? ""
                lines.append(" field \(field.name) \(optional)\(field.type.written) \(field.number)\(limit)")
            }
            for column in message.columns {
                let condition = column.condition.map { " when \($0.written)" } ?? ""
                lines.append(" column \(column.name) \(column.written)\(condition)")
            }
        }
        for method in methods {
            let stream = method.isStreaming ? "stream " : ""
            lines.append(
                "method \(method.name) \(method.number) \(method.request) \(stream)\(method.response) "
                    + "\(method.isIdempotent) \(method.scope.rawValue) \(method.deadlineMicroseconds) "
                    + "\(method.bodyBytesMax)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// FNV-1a, 64 bits, over the canonical form in UTF-8.
    package var fingerprint: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in canonicalForm.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        return hash
    }

    /// The fingerprint as 16 digits with a prefix, grouped by four.
    var fingerprintHex: String {
        let digits = String(fingerprint, radix: 16)
        let padded = Array(String(repeating: "0", count: 16 - digits.count) + digits)
        let groups = stride(from: 0, to: 16, by: 4).map { String(padded[$0..<($0 + 4)]) }
        return "0x" + groups.joined(separator: "_")
    }
}
