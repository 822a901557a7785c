// Goal: `check` passes right after `generate` and fails on whatever is not as generated or breaks a release.
// Method: each test makes a project in a folder of its own, changes one thing, and reads what `check` names.

import Foundation
import ProtogenCore
import Testing

/// A project in a temporary folder, removed with the object.
final class TemporaryProject {
    let root: URL
    let project: Project

    /// - Parameter schema: text of the schema.
    init(_ schema: String) throws {
        root = FileManager.default.temporaryDirectory.appending(path: "protogen-\(UUID().uuidString)")
        project = Project(root: root)
        try write(schema, to: Project.schemaPath)
    }

    deinit {
        try? FileManager.default.removeItem(at: root)
    }

    func write(_ text: String, to path: String) throws {
        let url = root.appending(path: path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    func read(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    func edit(_ path: String, _ old: String, _ new: String) throws {
        let text = try read(path)
        try #require(text.contains(old), "\(path) does not hold `\(old)`")
        try write(text.replacingOccurrences(of: old, with: new), to: path)
    }
}

struct ProjectTests {
    /// A project as it stands after `generate` and `freeze`.
    private func frozenProject() throws -> TemporaryProject {
        let folder = try TemporaryProject(EvolutionTests.releasedText)
        _ = try folder.project.generate()
        #expect(try folder.project.freeze() == "Protocol/released/v1.schema")
        #expect(try folder.project.check() == [])
        return folder
    }

    @Test func generateWritesOnlyWhatDiffers() throws {
        let folder = try TemporaryProject(EvolutionTests.releasedText)
        #expect(try folder.project.generate().count == 11)
        #expect(try folder.project.generate() == [])
        try folder.edit("Protocol/REFERENCE.md", "Methods", "Verbs")
        #expect(try folder.project.generate() == ["Protocol/REFERENCE.md"])
    }

    @Test func handEditedFileIsNamedWithItsLine() throws {
        let folder = try frozenProject()
        let path = "Sources/WireProtocol/Generated/Limits.swift"
        try folder.edit(path, "rowsMax = 100", "rowsMax = 200")
        let faults = try folder.project.check()
        let line = try folder.read(path).prefix(while: { $0 != "=" }).count { $0 == "\n" }
        #expect(faults.count == 1 && faults[0].contains("[generated-differs]"), "\(faults)")
        let named = try #require(faults.first?.split(separator: ":").dropFirst().first.flatMap { Int($0) })
        let lines = try folder.read(path).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(faults[0].hasPrefix(path) && named > line && lines[named - 1].contains("rowsMax = 200"))
        #expect(faults[0].contains("remedy: "))
    }

    @Test(arguments: [
        "Sources/WireProtocol/Generated/Tables.swift", "Protocol/REFERENCE.md", "Protocol/vectors/golden.txt",
        "Protocol/vectors/hostile.txt",
    ])
    func missingFileIsNamed(_ path: String) throws {
        let folder = try frozenProject()
        try FileManager.default.removeItem(at: folder.root.appending(path: path))
        let faults = try folder.project.check()
        #expect(faults.count == 1 && faults[0].hasPrefix("\(path): error: [generated-missing]"), "\(faults)")
    }

    @Test func extraFileIsNamedAndRemovedByGenerate() throws {
        let folder = try frozenProject()
        let path = "Sources/WireProtocol/Generated/Old.swift"
        try folder.write("let old = 1\n", to: path)
        let faults = try folder.project.check()
        #expect(faults.count == 1 && faults[0].hasPrefix("\(path): error: [generated-extra]"), "\(faults)")
        #expect(try folder.project.generate() == [path])
        #expect(try folder.project.check() == [])
    }

    @Test(arguments: [
        (
            "x: u32 @0\n  /// Down.\n  y: u16 @4",
            "y: u16 @0\n  /// Down.\n  z: u16 @2\n  /// X.\n  x: u16 @4", "offset-moved"
        ),
        ("  age: u8 = 2", "  weight: u8 = 2", "number-reused"),
        ("rows_max = 100", "rows_max = 10", "limit-lowered"),
    ])
    func brokenReleaseIsNamedAfterGenerate(_ old: String, _ new: String, _ rule: String) throws {
        let folder = try frozenProject()
        try folder.edit(Project.schemaPath, old, new)
        _ = try folder.project.generate()
        let faults = try folder.project.check()
        #expect(
            faults.contains { $0.hasPrefix("Protocol/consent.schema:") && $0.contains("[\(rule)]") },
            "\(faults)")
        #expect(!faults.contains { $0.contains("[generated-") }, "\(faults)")
    }

    @Test func changedSchemaNeedsGenerate() throws {
        let folder = try frozenProject()
        try folder.edit(Project.schemaPath, "rows_max = 100", "rows_max = 1_000")
        #expect(
            try folder.project.check().contains {
                $0.contains("Limits.swift") && $0.contains("[generated-differs]")
            })
        _ = try folder.project.generate()
        #expect(try folder.project.check() == [])
    }

    @Test func releasedVersionIsNeverFrozenAgain() throws {
        let folder = try frozenProject()
        #expect(try folder.project.freeze() == "Protocol/released/v1.schema")
        try folder.edit(Project.schemaPath, "rows_max = 100", "rows_max = 1_000")
        #expect(throws: ProjectError.self) { try folder.project.freeze() }
        try folder.edit(Project.schemaPath, "version 1", "version 2")
        #expect(try folder.project.freeze() == "Protocol/released/v2.schema")
    }

    @Test func draftIsFrozenAgainUntilAVersionIs() throws {
        let draft = "protocol small version 0\n/// A.\ntable A {\n}\n"
        let folder = try TemporaryProject(draft)
        #expect(try folder.project.freeze() == "Protocol/released/v0.schema")
        try folder.edit(Project.schemaPath, "/// A.", "/// B.")
        #expect(try folder.project.freeze() == "Protocol/released/v0.schema")
        #expect(try folder.read("Protocol/released/v0.schema").contains("/// B."))
        try folder.write(EvolutionTests.releasedText, to: "Protocol/released/v1.schema")
        try folder.edit(Project.schemaPath, "/// B.", "/// C.")
        #expect(throws: ProjectError.self) { try folder.project.freeze() }
    }

    @Test func schemaThatIsNotThereIsNamed() throws {
        let project = Project(
            root: FileManager.default.temporaryDirectory.appending(path: "protogen-nowhere"))
        let error = #expect(throws: ProjectError.self) { try project.generate() }
        #expect(error?.description.hasPrefix("Protocol/consent.schema: cannot be read") == true)
    }
}
