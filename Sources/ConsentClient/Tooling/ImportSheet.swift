// The header of an import file, the codes that its rows may name, and how mistakes in it are told.
// ImportRowReader reads the rows.

import ConsentDomain

/// A mistake in one field.
package struct FieldIssue: Hashable, Sendable {
    /// Number of the column, from 1.
    package var column: Int
    /// Name of the column; empty where the file has none.
    package var name: String
    /// What is wrong and what would be right.
    package var reason: String
}

/// A mistake in one place of the file.
package struct SheetIssue: Error, Hashable, Sendable, CustomStringConvertible {
    /// Line, from 1.
    package var line: Int
    /// The field; column 0: the whole row.
    package var field: FieldIssue

    /// An issue of these parts.
    package init(line: Int, field: FieldIssue) {
        self.line = line
        self.field = field
    }

    package var description: String {
        let name = field.name.isEmpty ? "" : " (\(field.name))"
        let column = field.column == 0 ? "" : ", column \(field.column)\(name)"
        return "line \(line)\(column): \(field.reason)"
    }
}

/// Codes of the catalogue, to numbers. Digits are taken as the number itself.
package struct CatalogueCodes: Sendable {
    private var controllers: [String: ControllerID] = [:]
    private var purposes: [String: PurposeID] = [:]

    /// The codes of a catalogue.
    package init(controllers: [Controller], purposes: [Purpose]) {
        for controller in controllers { self.controllers[controller.code] = controller.id }
        for purpose in purposes { self.purposes[purpose.code] = purpose.id }
    }

    /// The controller with this code or number; nil: none.
    package func controller(_ text: String) -> ControllerID? {
        controllers[text] ?? UInt32(text).map(ControllerID.init(rawValue:))
    }

    /// The purpose with this code or number; nil: none.
    package func purpose(_ text: String) -> PurposeID? {
        purposes[text] ?? UInt8(text).flatMap(PurposeID.init(rawValue:))
    }
}

/// The header of an import file.
package struct ImportSheet: Sendable {
    package static let required = [
        "event", "controller", "channels", "purposes", "email", "phone", "reference", "occurred_at", "source",
        "act",
        "notice",
    ]
    package static let optional = ["opaque", "staff", "memo", "attestations", "event_id"]

    /// Name of each column, in the file's order.
    package let columns: [String]
    private let places: [String: Int]

    /// Reads the header.
    package init(header: CSVRecord) throws(SheetIssue) {
        func issue(_ column: Int, _ reason: String) -> SheetIssue {
            SheetIssue(line: header.line, field: FieldIssue(column: column, name: "", reason: reason))
        }
        let names = header.fields.indices.map { header.text($0).trimmingASCIISpaces.lowercased() }
        guard names.count(where: Self.required.contains) * 2 >= Self.required.count else {
            throw issue(
                1, "no header: the first line must name the columns \(Self.required.joined(separator: ","))")
        }
        var places: [String: Int] = [:]
        for (position, name) in names.enumerated() {
            guard Self.required.contains(name) || Self.optional.contains(name) else {
                throw issue(
                    position + 1,
                    "no column is called \(Tooling.shown(name)); columns are "
                        + (Self.required + Self.optional).joined(separator: ","))
            }
            guard places.updateValue(position, forKey: name) == nil else {
                throw issue(position + 1, "the column \(name) is there twice")
            }
        }
        if let missing = Self.required.first(where: { places[$0] == nil }) {
            throw issue(names.count + 1, "the column \(missing) is missing")
        }
        columns = names
        self.places = places
    }

    /// Place of a column in each record, from 0; nil: the file has no such column.
    func place(_ name: String) -> Int? { places[name] }
}

/// All mistakes in one row.
package struct SheetIssues: Error, Hashable, Sendable {
    package var issues: [SheetIssue]
    init(_ issues: [SheetIssue]) { self.issues = issues }
}

/// Sentences that several commands share.
package enum Tooling {
    /// A word in quotes, for a sentence about it. Not one that could be an address in the wrong place, such
    /// as the columns of a file without a header: names and codes have no at sign, and few digits.
    static func shown(_ word: some StringProtocol) -> String {
        let isName = word.utf8.allSatisfy { byte in
            byte &- 48 < 10 || (byte | 0x20) &- 97 < 26 || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_")
        }
        guard isName, word.utf8.count(where: { $0 &- 48 < 10 }) < 6 else {
            return "(not shown: it could be an address)"
        }
        return "\"\(word.prefix(64))\""
    }

    package static func noController(_ code: String) -> String {
        "no controller \(shown(code)): see consentctl controller list"
    }
    package static func noPurpose(_ code: String) -> String {
        "no purpose \(shown(code)): see consentctl purpose list"
    }
    package static let attestationNames = Names.attestations.map(\.name).joined(separator: ", ")
}

extension String {
    /// Without spaces and tabs at either end.
    package var trimmingASCIISpaces: String {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        let bytes = utf8.drop(while: isSpace)
        guard let last = bytes.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(Substring(bytes[...last]))
    }
}
