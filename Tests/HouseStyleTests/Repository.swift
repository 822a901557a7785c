// The repository's files as the house rules see them: path, text, lines.
//
// Found from this file's own place, so that the rules hold for the tree that is being built. Folders whose
// name begins with a dot (build folders, version control) are left out, but for .ci.

import Foundation

/// One text file of the repository.
struct SourceFile: Sendable {
    /// Path from the repository's root, with forward slashes.
    let path: String
    let text: String
    let lines: [Substring]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    var isSwift: Bool { path.hasSuffix(".swift") }
    var isMarkdown: Bool { path.hasSuffix(".md") }
    var isGenerated: Bool { path.contains("/Generated/") }
    var isTest: Bool { path.hasPrefix("Tests/") }
}

/// What a rule found: where, and what to do about it.
struct Finding: Equatable, CustomStringConvertible, Sendable {
    let path: String
    /// From 1; 0: the file as a whole.
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

enum Repository {
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every text file, sorted by path.
    static let files: [SourceFile] = load()

    static let swiftFiles = files.filter(\.isSwift)
    static let documents = files.filter(\.isMarkdown)

    /// The file at a path, or nil.
    static func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }

    private static let textSuffixes = [
        "swift", "md", "sh", "awk", "schema", "h", "c", "modulemap", "txt", "yaml", "yml", "service",
        "Makefile", "run",
        "swift-format", "gitignore", "editorconfig",
    ]

    private static func load() -> [SourceFile] {
        var found: [SourceFile] = []
        guard let walker = FileManager.default.enumerator(atPath: root.path) else { return [] }
        while let path = walker.nextObject() as? String {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            if name.hasPrefix("."), name != ".ci", !textSuffixes.contains(String(name.dropFirst())) {
                walker.skipDescendants()
                continue
            }
            guard textSuffixes.contains(where: { name == $0 || name.hasSuffix(".\($0)") }),
                let text = try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
            else { continue }
            found.append(SourceFile(path: path, text: text))
        }
        return found.sorted { $0.path < $1.path }
    }
}
