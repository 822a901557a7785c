// JSON with its keys in the order in which they were written, so that two reports can be read side by side.

/// A JSON value.
package indirect enum JSONText: Hashable, Sendable {
    /// Keys and values, in order.
    case object([Member])
    /// Values.
    case array([JSONText])
    /// Text.
    case string(String)
    /// Whole number.
    case integer(Int)
    /// Number; one that is not finite is written as null.
    case number(Double)
    /// True or false.
    case bool(Bool)
    /// Nothing.
    case null

    /// A key and its value.
    package struct Member: Hashable, Sendable {
        /// Key.
        package let key: String
        /// Value.
        package let value: JSONText

        /// A key and its value.
        package init(_ key: String, _ value: JSONText) {
            self.key = key
            self.value = value
        }
    }

    /// The document, indented by two spaces, without an end of line at the end.
    package var text: String {
        var text = ""
        append(to: &text, indent: 0)
        return text
    }

    private func append(to text: inout String, indent: Int) {
        switch self {
        case .object(let members):
            JSONText.list(members, "{", "}", to: &text, indent: indent) { member, text in
                JSONText.quote(member.key, to: &text)
                text += ": "
                member.value.append(to: &text, indent: indent + 2)
            }
        case .array(let values):
            JSONText.list(values, "[", "]", to: &text, indent: indent) { value, text in
                value.append(to: &text, indent: indent + 2)
            }
        case .string(let value): JSONText.quote(value, to: &text)
        case .integer(let value): text += String(value)
        case .number(let value): text += value.isFinite ? "\(value)" : "null"
        case .bool(let value): text += value ? "true" : "false"
        case .null: text += "null"
        }
    }

    private static func list<Element>(
        _ elements: [Element], _ open: String, _ close: String, to text: inout String, indent: Int,
        _ append: (Element, inout String) -> Void
    ) {
        guard !elements.isEmpty else {
            text += open + close
            return
        }
        text += open
        for (place, element) in elements.enumerated() {
            text += (place == 0 ? "\n" : ",\n") + String(repeating: " ", count: indent + 2)
            append(element, &text)
        }
        text += "\n" + String(repeating: " ", count: indent) + close
    }

    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case _ where scalar.value < 32:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
