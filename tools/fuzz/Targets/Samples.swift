// What the seeds are made of: files of the repository that hold right and wrong input already.

import Foundation

/// The repository's own samples.
package struct Samples {
    /// A body of the vectors: the message's name, and its bytes.
    package struct Body {
        /// Name of the message.
        package var message: String
        /// The encoding.
        package var bytes: [UInt8]
    }

    /// Bodies that are right.
    package let golden: [Body]
    /// Bodies that are wrong.
    package let hostile: [Body]
    /// Schemas: the project's own, and the reference one of the generator's tests.
    package let schemas: [String]

    /// Reads them.
    /// - Parameter root: the repository's folder.
    package init(root: String) throws {
        func text(_ path: String) throws -> String {
            try String(contentsOf: URL(fileURLWithPath: root).appending(path: path), encoding: .utf8)
        }
        golden = try Self.bodies(text("Protocol/vectors/golden.txt"))
        hostile = try Self.bodies(text("Protocol/vectors/hostile.txt"))
        let reference = "Tests/ProtogenTests/Reference"
        let names = try FileManager.default.contentsOfDirectory(
            atPath: URL(fileURLWithPath: root).appending(path: reference).path)
        schemas = try names.filter { $0.hasSuffix(".schema") }.sorted().map { try text("\(reference)/\($0)") }
    }

    /// The groups of lines of a vector file.
    private static func bodies(_ text: String) -> [Body] {
        var bodies: [Body] = []
        var message = ""
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first == "vector", words.count == 2 {
                message = String(words[1].prefix { $0 != "." })
            } else if words.first == "body", words.count == 2 {
                let digits = Array(words[1].utf8)
                let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
                    UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
                }
                bodies.append(Body(message: message, bytes: bytes))
            }
        }
        return bodies
    }
}
