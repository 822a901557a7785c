// Tables of addresses with what other implementations make of them, and the differences that are accepted.
//
// The tables stand in tools/vectors/addresses, written by tools/vectors/addresses.py. Invariant: a
// difference that is not listed is a failure, and so is a listed one that is no longer there.

import Foundation
import Testing

/// A table of tab-separated columns.
struct AddressTable {
    /// What a column holds where another implementation refuses the address.
    static let refused = "!"

    let name: String
    let rows: [[String]]

    /// Folder of the tables that belong to the project.
    static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("tools/vectors/addresses")

    /// Folder of tables made of published sets that may not be copied here; nil: none given.
    static let publishedFolder = ProcessInfo.processInfo.environment["CONSENTD_ADDRESS_VECTORS"]
        .map(URL.init(fileURLWithPath:))

    init(_ name: String, folder: URL = folder, columns: ClosedRange<Int>) throws {
        self.name = name
        let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
        rows = try text.split(separator: "\n").filter { !$0.hasPrefix("# ") }.map { line in
            let row = try line.split(separator: "\t", omittingEmptySubsequences: false).map(Self.unescaped)
            try #require(columns.contains(row.count), "\(name): \(line)")
            return row
        }
    }

    /// Replaces `\u{…}` by the scalar with that number.
    private static func unescaped(_ text: Substring) throws -> String {
        let parts = text.components(separatedBy: "\\u{")
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: parts[0].unicodeScalars)
        for part in parts.dropFirst() {
            let end = try #require(part.firstIndex(of: "}"))
            scalars.append(try #require(UInt32(part[..<end], radix: 16).flatMap(Unicode.Scalar.init)))
            scalars.append(contentsOf: part[part.index(after: end)...].unicodeScalars)
        }
        return String(scalars)
    }
}

/// The accepted differences of one table, ticked off as they are met.
struct AddressDifferences {
    /// By the bytes of the input: texts that are canonically equivalent are different inputs.
    private var pending: [[UInt8]: String] = [:]
    private let name: String

    init(of name: String, in file: String = "differences.tsv") throws {
        self.name = name
        for row in try AddressTable(file, columns: 4...4).rows where row[0] == name {
            #expect(row[3].count > 20, "\(name), \(row[1]): a difference needs its explanation")
            #expect(
                pending.updateValue(row[2], forKey: Array(row[1].utf8)) == nil,
                "\(name) lists \(row[1]) twice")
        }
    }

    /// Compares what an address gives here with what it gives elsewhere.
    mutating func compare(_ input: String, ours: String, theirs: String) {
        let listed = pending.removeValue(forKey: Array(input.utf8))
        guard !Self.same(ours, theirs) else {
            #expect(listed == nil, "\(name): \(input.debugDescription) is no longer a difference")
            return
        }
        #expect(
            listed.map { Self.same($0, ours) } == true,
            "\(name): \(input.debugDescription) gives \(ours.debugDescription), elsewhere \(theirs)")
    }

    /// Byte for byte: texts that are canonically equivalent are not the same address.
    private static func same(_ one: String, _ other: String) -> Bool { one.utf8.elementsEqual(other.utf8) }

    /// Call at the end: what is listed and was not met is no difference.
    func finish() {
        let inputs = pending.keys.map { String(decoding: $0, as: UTF8.self) }.sorted()
        #expect(inputs.isEmpty, "\(name): listed, but not in the table: \(inputs)")
    }
}
