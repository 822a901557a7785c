// consentctl credential new: a bearer token, and the entry of the credentials file that knows it.
//
// Works without a server. The token is shown once, or written to a file of its own; the entry holds its hash
// alone.

import ArgumentParser
import ConsentClient
import ConsentDomain

struct CredentialCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credential", abstract: "Make credentials for clients.", subcommands: [New.self])

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a token, and its entry for credentials.yaml.",
            discussion: """
                Prints the token and the entry. Put the token into a file of the client's (0600) that --token-file \
                names, append the entry to the server's credentials file under `clients:`, and send SIGHUP to \
                consentd. The token is shown this once: only its SHA-256 stands in the entry.
                """)

        @Argument(help: "Name of the client, in logs and as actor in events.")
        var name: String

        @Option(help: ArgumentHelp("Codes of the controllers it may act for, or all.", valueName: "codes"))
        var controllers = "all"

        @Option(
            help: ArgumentHelp(
                "check, read, record, erase, catalogue, watch, admin, separated by commas.",
                valueName: "scopes"))
        var scopes = "check"

        @Option(
            help: ArgumentHelp(
                "Sources that it may claim for what it records, or all.", valueName: "sources"))
        var sources: String?

        @Option(help: ArgumentHelp("Staff in whose name it may record, or all.", valueName: "names"))
        var actors: String?

        @Option(
            help: ArgumentHelp(
                "Write the token to this new file (0600) instead of showing it.", valueName: "file"))
        var tokenOut: String?

        @Flag(help: "Print JSON.")
        var json = false

        private static let known = ["check", "read", "record", "erase", "catalogue", "watch", "admin"]

        func validate() throws {
            let isName =
                (1...64).contains(name.utf8.count)
                && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-_".contains($0)) }
            guard isName else {
                throw ValidationError("a name is 1 to 64 letters, digits, dots, hyphens, underscores")
            }
            for scope in words(scopes) where !Self.known.contains(scope) {
                throw ValidationError("there is no scope \(scope): use \(Self.known.joined(separator: ", "))")
            }
            guard !words(scopes).contains("record") || sources != nil else {
                throw ValidationError(
                    "who may record says where from: --sources widget,salon, or --sources all")
            }
            guard !words(scopes).contains("admin") || controllers == "all" else {
                throw ValidationError("scope admin reaches every controller: leave --controllers out")
            }
        }

        func run() throws {
            var generator = SystemRandomNumberGenerator()
            let token = Hexadecimal.text(
                of: (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) })
            let hash = Hexadecimal.text(of: Digest32.sha256(Array(token.utf8)).bytes)
            if let tokenOut { try OutputFile.write(token + "\n", to: tokenOut) }
            var lines = ["  - name: \(name)", "    token-sha256: \(hash)"]
            lines.append("    controllers: \(list(controllers))")
            lines.append("    scopes: [\(words(scopes).joined(separator: ", "))]")
            if let sources { lines.append("    sources: \(list(sources))") }
            if let actors { lines.append("    actors: \(list(actors))") }
            let entry = lines.joined(separator: "\n")
            if json {
                return printDocument(
                    .members([
                        "name": .string(name), "entry": .string(entry),
                        "token": tokenOut == nil ? .string(token) : .null,
                        "tokenFile": tokenOut.map(JSON.string) ?? .null,
                    ]))
            }
            if tokenOut == nil { Terminal.output("token: \(token)\n\n") }
            Terminal.output(entry + "\n")
        }

        private func words(_ text: String) -> [String] {
            text.split(separator: ",").map { $0.trimmingPrefix { $0 == " " } }.map(String.init)
        }

        private func list(_ text: String) -> String {
            text == "all" ? "all" : "[\(words(text).map { "\"\($0)\"" }.joined(separator: ", "))]"
        }
    }
}
