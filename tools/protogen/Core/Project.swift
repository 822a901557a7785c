// The schema and its outputs in a project's folder: what `protogen` reads, writes and compares.
//
// Why here and not in the command: tests run it on folders of their own.
// Invariant: `generate` then `check` finds no difference.

import Foundation

/// A fault in the project's files, or in how the generator was called.
package struct ProjectError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What, where, and the remedy.
    package var description: String
}

/// A project's folder with `Protocol/consent.schema` in it.
package struct Project {
    /// The project's root.
    package let root: URL

    /// Path of the schema from the root.
    package static let schemaPath = "Protocol/consent.schema"
    /// Folder of the frozen schemas from the root.
    package static let releasedFolder = "Protocol/released"
    /// Folders that hold generated files and nothing else.
    static let generatedFolders = [SwiftRenderer.folder, "Protocol/vectors"]

    /// - Parameter root: the project's root.
    package init(root: URL) {
        self.root = root
    }

    /// The checked schema.
    package func schema() throws -> Schema {
        try Schema(source(Self.schemaPath))
    }

    /// All outputs, in memory.
    package func outputs() throws -> [OutputFile] {
        let schema = try schema()
        return [
            ReferenceRenderer(schema).file(), GoldenVectors(schema).file(), HostileVectors(schema).file(),
        ] + SwiftRenderer(schema).files()
    }

    /// Writes all outputs that differ and removes files that the generator no longer writes.
    ///
    /// - Returns: paths written or removed.
    package func generate() throws -> [String] {
        let outputs = try outputs()
        var changed: [String] = []
        for output in outputs where read(output.path) != output.text {
            let url = root.appending(path: output.path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(output.text.utf8).write(to: url)
            changed.append(output.path)
        }
        for path in extraFiles(outputs) {
            try FileManager.default.removeItem(at: root.appending(path: path))
            changed.append(path)
        }
        return changed
    }

    // MARK: Check

    /// Compares the files with what would be generated, and the schema with each released one.
    ///
    /// - Returns: all that is wrong, each with its place and its remedy; empty: nothing.
    package func check() throws -> [String] {
        let schema = try schema()
        let outputs = try outputs()
        var faults: [String] = []
        for output in outputs {
            guard let text = read(output.path) else {
                faults.append(
                    "\(output.path): error: [generated-missing] the file is not there\n    \(Self.remedy)")
                continue
            }
            guard text != output.text else { continue }
            let line = 1 + zip(Self.lines(text), Self.lines(output.text)).prefix { $0 == $1 }.count
            faults.append(
                "\(output.path):\(line): error: [generated-differs] the file is not what the schema gives\n"
                    + "    \(Self.remedy)")
        }
        for path in extraFiles(outputs) {
            faults.append(
                "\(path): error: [generated-extra] the generator does not write this file\n    \(Self.remedy)"
            )
        }
        for name in names(in: Self.releasedFolder) where name.hasSuffix(".schema") {
            let released = try Schema(source("\(Self.releasedFolder)/\(name)"))
            faults += Evolution.breakages(from: released, to: schema).map(\.description)
        }
        return faults
    }

    private static let remedy = "remedy: edit Protocol/consent.schema and run `protogen generate`"

    private static func lines(_ text: String) -> [Substring] {
        text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    // MARK: Freeze

    /// Copies the schema to the released ones under its version. Version 0 is a draft: it may be frozen again
    /// until another version is.
    ///
    /// - Returns: path written.
    package func freeze() throws -> String {
        let schema = try schema()
        let path = "\(Self.releasedFolder)/v\(schema.version).schema"
        let others = names(in: Self.releasedFolder).filter { $0.hasSuffix(".schema") && $0 != "v0.schema" }
        let isDraft = schema.version == 0 && others.isEmpty
        if let frozen = read(path), frozen != schema.file.text, !isDraft {
            throw ProjectError(
                description: "\(path): is released and never changes; raise the version in the schema")
        }
        let url = root.appending(path: path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(schema.file.text.utf8).write(to: url)
        return path
    }

    // MARK: Files

    func source(_ path: String) throws -> SourceFile {
        guard let text = read(path) else {
            throw ProjectError(
                description: "\(path): cannot be read as UTF-8; run from the project's root or give --root")
        }
        return SourceFile(path: path, text: text)
    }

    func read(_ path: String) -> String? {
        guard let data = try? Data(contentsOf: root.appending(path: path)) else { return nil }
        return String(validating: data, as: UTF8.self)
    }

    func names(in folder: String) -> [String] {
        let path = root.appending(path: folder).path
        return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    /// Files in folders that belong to the generator alone, which it does not write.
    func extraFiles(_ outputs: [OutputFile]) -> [String] {
        let paths = Set(outputs.map(\.path))
        return Self.generatedFolders
            .flatMap { folder in names(in: folder).map { "\(folder)/\($0)" } }
            .filter { !paths.contains($0) }
    }
}
