// Goal: the software bill of materials is one by the letter of CycloneDX, and leaves nothing out that was
// built in. Method: the script on this very build; what the format asks for, and what consumers of it look
// at, is checked field by field; the parts are compared with Package.resolved. Planted: a document with each
// field taken away in turn.

import Foundation
import Testing

@Suite("Bill of materials")
struct BillOfMaterialsTests {
    private static var hasPackages: Bool {
        FileManager.default.isExecutableFile(atPath: "/usr/bin/dpkg-query")
    }

    /// What the script writes.
    private static func document() throws -> [String: Any] {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: file) }
        let script = Process()
        script.executableURL = Repository.root.appendingPathComponent("tools/scripts/sbom.sh")
        script.arguments = [file.path]
        let output = Pipe()
        (script.standardOutput, script.standardError) = (output, output)
        try script.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        script.waitUntilExit()
        try #require(script.terminationStatus == 0, "\(String(decoding: said, as: UTF8.self))")
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        return try #require(json as? [String: Any])
    }

    private static func parts(_ document: [String: Any]) -> [[String: Any]] {
        document["components"] as? [[String: Any]] ?? []
    }

    /// What is wrong with a document, by the rules of CycloneDX 1.6 and those of this project.
    static func problems(_ document: [String: Any]) -> [String] {
        var found: [String] = []
        func check(_ holds: Bool, _ what: String) { if !holds { found.append(what) } }
        check(document["bomFormat"] as? String == "CycloneDX", "bomFormat")
        check(document["specVersion"] as? String == "1.6", "specVersion")
        check((document["version"] as? Int ?? 0) >= 1, "version")
        let metadata = document["metadata"] as? [String: Any]
        let root = metadata?["component"] as? [String: Any]
        check(root?["name"] as? String == "consentd" && root?["type"] as? String == "application", "metadata")
        let parts = parts(document)
        var references = [root?["bom-ref"] as? String ?? ""]
        for part in parts {
            let name = part["name"] as? String ?? ""
            check(part["type"] as? String == "library" && !name.isEmpty, "type, name")
            check(!(part["version"] as? String ?? "").isEmpty, "\(name): version")
            check((part["purl"] as? String ?? "").hasPrefix("pkg:"), "\(name): purl")
            let licences = part["licenses"] as? [[String: Any]] ?? []
            check(licences.count == 1 && licences.allSatisfy(isLicence), "\(name): licenses")
            let hashes = part["hashes"] as? [[String: Any]] ?? []
            check(hashes.count == 1 && hashes.allSatisfy(isHash), "\(name): hashes")
            references.append(part["bom-ref"] as? String ?? "")
        }
        check(Set(references).count == references.count && !references.contains(""), "bom-ref")
        let edges = document["dependencies"] as? [[String: Any]] ?? []
        let targets = edges.flatMap { $0["dependsOn"] as? [String] ?? [] }
        check(Set(targets).isSubset(of: references), "dependencies")
        check(Set(targets + [references[0]]) == Set(references), "a part that nothing depends on")
        check(edges.allSatisfy { references.contains($0["ref"] as? String ?? "") }, "dependencies")
        return found
    }

    /// An id alone, or an expression of several words.
    private static func isLicence(_ choice: [String: Any]) -> Bool {
        if let expression = choice["expression"] as? String { return expression.contains(" ") }
        let id = (choice["license"] as? [String: Any])?["id"] as? String ?? ""
        return ["Apache-2.0", "MIT", "Zlib", "blessing", "LGPL-2.1-or-later"].contains(id)
    }

    private static func isHash(_ hash: [String: Any]) -> Bool {
        let lengths = ["SHA-1": 40, "SHA-256": 64]
        let content = hash["content"] as? String ?? ""
        return lengths[hash["alg"] as? String ?? ""] == content.count && content.allSatisfy(\.isHexDigit)
    }

    @Test("the document of this build is whole", .enabled(if: hasPackages, "the script asks dpkg"))
    func thisBuild() throws {
        let document = try Self.document()
        #expect(Self.problems(document) == [])

        // Everything that was resolved is in it at its commit, and so is what packages and the system bring.
        let parts = Self.parts(document)
        let resolved = try JSONSerialization.jsonObject(
            with: Data(contentsOf: Repository.root.appendingPathComponent("Package.resolved")))
        let pins = (resolved as? [String: Any])?["pins"] as? [[String: Any]] ?? []
        #expect(pins.count > 10)
        for pin in pins {
            let revision = (pin["state"] as? [String: Any])?["revision"] as? String ?? "none"
            let found = parts.contains { part in
                (part["hashes"] as? [[String: Any]])?.first?["content"] as? String == revision
            }
            #expect(found, "\(pin["identity"] ?? "?") is missing")
        }
        let names = Set(parts.compactMap { $0["name"] as? String })
        #expect(
            names.isSuperset(of: [
                "boringssl", "llhttp", "libyaml", "libsqlite3-0", "zlib1g", "libidn2-0", "libc6", "swift",
            ]))
        // The same build, the same document.
        let again = try Self.document()
        #expect(NSDictionary(dictionary: document).isEqual(to: again))

        // Planted: each field taken away.
        for field in document.keys {
            var planted = document
            planted[field] = nil
            #expect(Self.problems(planted) != [], "without \(field)")
        }
        for field in try #require(parts.first).keys where field != "externalReferences" {
            var planted = document
            var less = parts
            less[less.count / 2][field] = nil
            planted["components"] = less
            #expect(Self.problems(planted) != [], "without \(field) of a part")
        }
    }
}
