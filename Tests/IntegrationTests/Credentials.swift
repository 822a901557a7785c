// Credentials files of tests, and the tokens that they know.

import ConsentDomain
import Foundation

enum Credentials {
    /// Writes a file that its owner alone can read.
    static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    }

    /// The token of a test's client.
    static func token(_ client: String) -> [UInt8] { Array("token-of-\(client)".utf8) }

    /// What the file has for it.
    static func hash(_ client: String) -> String {
        Hexadecimal.text(of: Digest32.sha256(token(client)).bytes)
    }

    /// An entry known by its token.
    static func entry(_ name: String, _ fields: String...) -> String {
        (["  - name: \(name)", "    token-sha256: \(hash(name))"] + fields.map { "    \($0)" })
            .joined(separator: "\n")
    }

    /// A file of entries.
    static func file(_ entries: [String]) -> String {
        (["clients:"] + entries).joined(separator: "\n") + "\n"
    }
}
