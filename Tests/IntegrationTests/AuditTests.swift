// Goal: every read of personal data, and every erasure, leaves one line that says who, what, when and about
// whom, and names nobody; a check leaves none.
// Method: a table of calls by a client of a known name against a real server, its log read after each.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct AuditTests {
    private static let reference = "audit-reference-1"
    private static let address = "audit@example.fr"

    /// One call, and what its line must say beside client and time.
    private struct Call: Sendable {
        let method: String
        /// `contact`, `reference`, `event` or `all`.
        let about: String
        var controller = "7"
        let run: @Sendable (ConsentClient, Salon) async throws -> Void

        init(
            _ method: String, _ about: String, controller: String = "7",
            _ run: @escaping @Sendable (ConsentClient, Salon) async throws -> Void
        ) {
            self.method = method
            self.about = about
            self.controller = controller
            self.run = run
        }
    }

    private static let contact = Subject.contacts([WriteContact(address)])
    private static let person = Subject.reference(reference)

    private static let calls: [Call] = [
        Call("History", "contact") {
            for try await _ in try $0.history(controller: $1.controller, of: contact) {}
        },
        Call("History", "reference") {
            for try await _ in try $0.history(controller: $1.controller, of: person) {}
        },
        Call("Proof", "event", controller: "any") { client, _ in _ = try await client.proof(of: .event(7)) },
        Call("Proof", "contact") {
            _ = try await $0.proof(of: .newestGrant($1.controller, contact, .email, $1.promotions))
        },
        Call("Preferences", "contact") {
            _ = try await $0.preferences(controller: $1.controller, of: contact)
        },
        Call("Preferences", "reference") {
            _ = try await $0.preferences(controller: $1.controller, of: person)
        },
        Call("Explain", "contact") { _ = try await $0.explain($1.question(.email), contact) },
        Call("CheckAt", "contact") {
            _ = try await $0.checkAt($1.question(.email), contact, at: Timestamp(microseconds: 1))
        },
        Call("Review", "all") {
            for try await _ in $0.review(controller: $1.controller, within: .seconds(1)) {}
        },
        Call("Export", "contact") {
            _ = try await $0.export(controller: $1.controller, of: contact).bytes()
        },
        Call("Export", "reference") {
            _ = try await $0.export(controller: $1.controller, of: person, format: .kantara).bytes()
        },
        Call("Dump", "all") { _ = try await $0.dump(controller: $1.controller).bytes() },
        Call("Journal", "all", controller: "any") { client, _ in
            _ = try await client.journal(after: 0).bytes()
        },
        Call("Backup", "all", controller: "any") { client, _ in for try await _ in client.backup() {} },
        Call("Watch", "all", controller: "any") { client, _ in
            for try await _ in client.watch(from: WatchPosition(after: 0)) { break }
        },
        Call("Erase", "contact") {
            _ = try await $0.erase(
                Erasure(controller: $1.controller, subject: .contacts([WriteContact("gone@example.fr")])))
        },
        Call("RetireLapsed", "all") {
            _ = try await $0.retireLapsed(controller: $1.controller, dryRun: true)
            _ = try await $0.retireLapsed(controller: $1.controller, dryRun: false)
        },
        Call("Erase", "reference") {
            _ = try await $0.erase(Erasure(controller: $1.controller, subject: person))
        },
    ]

    private static func lines(_ path: String, from count: Int) throws -> [String] {
        let all = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        return all.dropFirst(count).filter { $0.contains("\"audit\"") }.map(String.init)
    }

    private static func lineCount(_ path: String) throws -> Int {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count
    }

    /// The metadata of a line.
    private static func fields(_ line: String) -> [String: String] {
        var fields: [String: String] = [:]
        for match in line.matches(of: /"([a-z]+)": ("?)([^",\]]*)/) {
            fields[String(match.output.1)] = String(match.output.3)
        }
        return fields
    }

    @Test func eachReadAndErasureLeavesOneLine() async throws {
        let folder = try TemporaryFolder()
        let log = folder.file("log")
        try Data().write(to: URL(fileURLWithPath: log))
        let server = try await TestServer.start(logFile: log)
        let client = try await server.admin { $0.clientName = "auditor" }
        let salon = try await Salon(client)
        var grant = salon.grant([Self.address], channels: [.email])
        grant.reference = Self.reference
        _ = try await client.grant(grant)
        let hexadecimal = /[0-9a-f]{32}/
        var keys: [String: Set<String>] = [:]
        for call in Self.calls {
            let before = try Self.lineCount(log)
            try await call.run(client, salon)
            let lines = try Self.lines(log, from: before)
            try #require(lines.count == 1, "\(call.method): \(lines)")
            #expect(!lines[0].contains("@") && !lines[0].contains(Self.reference))
            let fields = Self.fields(lines[0])
            #expect(fields["audit"] == call.method && fields["client"] == "auditor")
            #expect(fields["controller"] == call.controller, "\(call.method)")
            #expect(Timestamp(rfc3339: fields["time"] ?? "") != nil, "\(call.method): \(lines[0])")
            switch call.about {
            case "all": #expect(fields["contact"] == "all")
            case "event": #expect(fields["event"] == "7")
            case let about:
                let key = fields[about] ?? ""
                #expect(key.wholeMatch(of: hexadecimal) != nil, "\(call.method): \(lines[0])")
                keys[about, default: []].insert(key)
            }
        }
        #expect(keys["reference"]?.count == 1, "one person has one hash")
        #expect(keys["contact"]?.count == 2, "the one who was read, and the one who was erased")
        await client.close()
        await server.server.drain()
    }

    @Test func checksAndOtherWritesLeaveNone() async throws {
        let folder = try TemporaryFolder()
        let log = folder.file("log")
        try Data().write(to: URL(fileURLWithPath: log))
        let server = try await TestServer.start(logFile: log)
        let client = try await server.admin()
        let salon = try await Salon(client)
        _ = try await client.grant(salon.grant([Self.address], channels: [.email]))
        _ = await client.check(salon.question(.email), .address(Self.address))
        _ = await client.checkBatch(salon.question(.email), addresses: [Self.address])
        _ = try await client.withdraw(salon.refusal(Self.address))
        _ = try await client.head(since: 0)
        _ = try await client.stats()
        #expect(try Self.lines(log, from: 0).isEmpty)
        await client.close()
        await server.server.drain()
    }
}
