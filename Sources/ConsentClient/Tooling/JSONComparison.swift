// What a file says against what its canonical bytes say: member by member, white space and the order of
// members aside.

import ConsentWire

/// Where two JSON values differ first.
struct JSONDifference: Hashable, Sendable, CustomStringConvertible {
    /// Names of members and positions of elements, joined by dots.
    var path: String
    /// What is wrong there.
    var problem: String

    var description: String { path.isEmpty ? problem : "\(path) \(problem)" }

    /// nil where they are the same.
    static func between(found: JSONValue, expected: JSONValue, path: String = "") -> JSONDifference? {
        func inside(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
        switch (found, expected) {
        case (.object(let found), .object(let expected)):
            for member in expected {
                guard let value = found.first(where: { $0.name == member.name })?.value else {
                    return JSONDifference(path: inside(member.name), problem: "is missing")
                }
                let difference = between(found: value, expected: member.value, path: inside(member.name))
                if let difference { return difference }
            }
            let names = Set(expected.map(\.name))
            guard let more = found.first(where: { !names.contains($0.name) }) else { return nil }
            return JSONDifference(path: inside(shortened(more.name)), problem: "is not expected there")
        case (.array(let found), .array(let expected)):
            for (position, pair) in zip(found, expected).enumerated() {
                let difference = between(found: pair.0, expected: pair.1, path: inside("\(position)"))
                if let difference { return difference }
            }
            guard found.count != expected.count else { return nil }
            return JSONDifference(path: path, problem: "has \(found.count) elements, not \(expected.count)")
        default:
            let texts = [found, expected].map { String(decoding: $0.text, as: UTF8.self) }
            guard texts[0] != texts[1] else { return nil }
            return JSONDifference(
                path: path, problem: "says \(shortened(texts[0])), and the log \(shortened(texts[1]))")
        }
    }

    private static func shortened(_ text: String) -> String {
        text.count > 60 ? text.prefix(60) + "…" : text
    }
}

extension JSONValue {
    /// A value that was read; nil where it holds a number that the register does not write.
    init?(_ json: JSON) {
        switch json {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(value)
        case .unsigned(let value): self = .unsigned(value)
        case .double: return nil
        case .string(let text): self = .string(text)
        case .array(let elements):
            let values = elements.compactMap { JSONValue($0) }
            guard values.count == elements.count else { return nil }
            self = .array(values)
        case .object(let members):
            let values = members.compactMap { member in
                JSONValue(member.value).map { Member(member.key, $0) }
            }
            guard values.count == members.count else { return nil }
            self = .object(values)
        }
    }
}
