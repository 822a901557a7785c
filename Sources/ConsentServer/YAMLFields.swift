// The fields of a mapping in a YAML file: every one is known and of the right type, or the error names its
// line, its column and what would be right. The parser is Yams.

import Foundation
import Yams

/// What is wrong with a YAML file, and where. The daemon ends with exit code 78.
public struct YAMLFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// `PATH:LINE:COLUMN: sentence`, or `PATH: sentence`.
    public let description: String

    init(_ path: String, _ mark: Mark?, _ sentence: String) {
        description = mark.map { "\(path):\($0.line):\($0.column): \(sentence)" } ?? "\(path): \(sentence)"
    }
}

/// A mapping of which all keys are known.
package struct YAMLFields {
    private let path: String
    private let mark: Mark?
    private let values: [String: Node]

    /// Reads a whole file, which must hold one mapping.
    package init(file path: String, known: [String]) throws(YAMLFailure) {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw YAMLFailure(path, nil, "the file cannot be read: check its path and that it is text")
        }
        switch Result(catching: { try Yams.compose(yaml: text) }) {
        case .success(nil): try self.init(.mapping([:]), of: path, known: known)
        case .success(let node?): try self.init(node, of: path, known: known)
        case .failure(let error):
            throw YAMLFailure(path, nil, "this is no YAML: \(error)".replacing("\n", with: " "))
        }
    }

    private init(_ node: Node, of path: String, known: [String]) throws(YAMLFailure) {
        self.path = path
        mark = node.mark
        guard case .mapping(let mapping) = node else {
            throw YAMLFailure(path, node.mark, "here belong fields, each as `name: value`")
        }
        var values: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string, known.contains(name) else {
                throw YAMLFailure(
                    path, key.mark,
                    "\"\(key.scalar?.string ?? "?")\" is not known here: there are \(known.joined(separator: ", "))"
                )
            }
            values[name] = value
        }
        self.values = values
    }

    /// Whether a field is there.
    package func has(_ name: String) -> Bool { values[name] != nil }

    /// The text of a field; nil where it is absent.
    package func text(_ name: String) throws(YAMLFailure) -> String? {
        guard let node = values[name] else { return nil }
        guard let text = node.scalar?.string else { throw failure(name, "takes one word or number") }
        return text
    }

    /// The words of a field that takes one or a list; nil where it is absent.
    package func texts(_ name: String) throws(YAMLFailure) -> [String]? {
        guard let node = values[name] else { return nil }
        if let text = node.scalar?.string { return [text] }
        var texts: [String] = []
        for item in node.sequence ?? [] {
            guard let text = item.scalar?.string else { throw failure(name, "takes a list of words") }
            texts.append(text)
        }
        guard node.sequence != nil else { throw failure(name, "takes a word, or a list of words") }
        return texts
    }

    /// The mapping of a field; nil where it is absent.
    package func fields(_ name: String, known: [String]) throws(YAMLFailure) -> YAMLFields? {
        guard let node = values[name] else { return nil }
        return try YAMLFields(node, of: path, known: known)
    }

    /// The mappings of a field that takes a list of them; empty where it is absent.
    package func list(_ name: String, known: [String]) throws(YAMLFailure) -> [YAMLFields] {
        guard let node = values[name] else { return [] }
        guard let sequence = node.sequence else { throw failure(name, "takes a list, each item after a `-`") }
        var items: [YAMLFields] = []
        for item in sequence { items.append(try YAMLFields(item, of: path, known: known)) }
        return items
    }

    /// An error about a field, or about the mapping where the field is absent.
    package func failure(_ name: String, _ sentence: String) -> YAMLFailure {
        YAMLFailure(path, values[name]?.mark ?? mark, "\(name) \(sentence)")
    }
}
