// Goal: what a credentials file says holds, at once after a reload and for open connections too; what it may
// claim, use up and try out is bounded; a mistake in the file is named by its line, and nothing changes.
// Method: a server in this process, files written by the test, clients by token.

import ConsentClient
import ConsentDomain
import ConsentServer
import Foundation
import TestSupport
import Testing

@Suite struct CredentialTests {
    private static func start(
        _ path: String, logFile: String? = nil, _ entries: String...
    ) async throws -> (TestServer, Salon) {
        try Credentials.write(Credentials.file(entries), to: path)
        let server = try await TestServer.start(logFile: logFile) { $0.credentials = path }
        let admin = try await server.admin()
        let salon = try await Salon(admin)
        await admin.close()
        return (server, salon)
    }

    private static func connect(_ server: TestServer, _ name: String) async throws -> ConsentClient {
        try await server.client { $0.credential = Credentials.token(name) }
    }

    private static func status(_ body: () async throws -> Void) async -> CallStatus? {
        do {
            try await body()
            return .ok
        } catch {
            return (error as? ConsentClientError)?.status
        }
    }

    @Test func withAFileNobodyComesInWithoutACredential() async throws {
        let folder = try TemporaryFolder()
        let (server, _) = try await Self.start(
            folder.file("c.yaml"),
            Credentials.entry("shop", "controllers: [salon-lyon]", "scopes: [check]"))
        await #expect(throws: ConsentClientError.self) { _ = try await server.client() }
        await #expect(throws: ConsentClientError.self) { _ = try await Self.connect(server, "other") }
        await (try Self.connect(server, "shop")).close()
        await server.server.drain()
    }

    @Test func aReloadHoldsAtOnceForOpenConnectionsToo() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("c.yaml")
        let (server, salon) = try await Self.start(
            path, Credentials.entry("shop", "controllers: [salon-lyon]", "scopes: [check, read, watch]"),
            Credentials.entry("gone", "controllers: [salon-lyon]", "scopes: [check]"))
        let shop = try await Self.connect(server, "shop")
        let gone = try await Self.connect(server, "gone")
        let question = salon.question(.email)
        #expect(await shop.check(question, .address("a@example.fr")).cause == nil)
        #expect(await gone.check(question, .address("a@example.fr")).cause == nil)

        // One loses its controller, the other its entry.
        try Credentials.write(
            Credentials.file([
                Credentials.entry("shop", "controllers: [salon-paris]", "scopes: [check, read, watch]")
            ]), to: path)
        #expect(await server.server.reload())
        #expect(await shop.check(question, .address("a@example.fr")).cause?.status == .permissionDenied)
        var other = question
        other.controller = salon.other
        #expect(await shop.check(other, .address("a@example.fr")).cause == nil)
        #expect(await gone.check(question, .address("a@example.fr")).cause != nil)

        // A file with a mistake changes nothing.
        try Credentials.write("clients:\n  - name: shop\n    scope: [check]\n", to: path)
        #expect(await server.server.reload() == false)
        #expect(await shop.check(other, .address("a@example.fr")).cause == nil)
        await shop.close()
        await gone.close()
        await server.server.drain()
    }

    @Test func aWatchEndsWhenItsRightsChange() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("c.yaml")
        let entry = { (controllers: String) in
            Credentials.file([
                Credentials.entry(
                    "shop", "controllers: \(controllers)", "scopes: [record, watch]", "sources: all")
            ])
        }
        let (server, salon) = try await Self.start(
            path, Credentials.entry("shop", "controllers: all", "scopes: [record, watch]", "sources: all"))
        let shop = try await Self.connect(server, "shop")
        var refusal = salon.refusal("other@example.fr")
        refusal.controller = salon.other
        let first = try await shop.refuse(refusal)
        var changes = shop.watch(from: WatchPosition(after: first.sequence - 1)).makeAsyncIterator()
        #expect(try await changes.next()?.sequence == first.sequence)

        try Credentials.write(entry("[salon-lyon]"), to: path)
        #expect(await server.server.reload())
        let admin = try await server.admin()
        _ = try await admin.withdraw(refusal)
        let own = try await admin.refuse(salon.refusal("own@example.fr"))
        // The watch goes on where it was, with the new rights: what is another's is not in it.
        var seen: [UInt64] = []
        while let change = try? await changes.next(), !change.isHeartbeat {
            seen.append(change.sequence)
            if change.sequence >= own.sequence { break }
        }
        #expect(seen == [own.sequence])
        await shop.close()
        await admin.close()
        await server.server.drain()
    }

    @Test func sourcesAndActorsAreThoseOfTheFile() async throws {
        let folder = try TemporaryFolder()
        let (server, salon) = try await Self.start(
            folder.file("c.yaml"),
            Credentials.entry(
                "widget", "controllers: [salon-lyon]", "scopes: [record, read]", "sources: [widget]",
                "actors: [Marie]"))
        let client = try await Self.connect(server, "widget")
        var grant = salon.grant(["a@example.fr"], channels: [.email])
        #expect(try await client.grant(grant).status == .recorded)
        grant.source = .salon
        #expect(await Self.status { _ = try await client.grant(grant) } == .permissionDenied)
        grant.source = .widget
        grant.staff = "Paul"
        #expect(await Self.status { _ = try await client.grant(grant) } == .permissionDenied)
        // A withdrawal is taken whatever it claims, without the claim.
        var refusal = salon.refusal("a@example.fr")
        refusal.source = .salon
        refusal.staff = "Paul"
        let withdrawn = try await client.withdraw(refusal)
        #expect(withdrawn.status == .recorded)
        let history = try client.history(
            controller: salon.controller, of: .contacts([WriteContact("a@example.fr")]))
        var last: RecordedEvent?
        for try await event in history { last = event }
        #expect(last?.sequence == withdrawn.sequence && last?.source == .unspecified && last?.staff == "")
        await client.close()
        await server.server.drain()
    }

    @Test func whoeverTriesOutAddressesIsSlowedDown() async throws {
        let folder = try TemporaryFolder()
        let (server, salon) = try await Self.start(
            folder.file("c.yaml"),
            Credentials.entry(
                "curious", "controllers: [salon-lyon]", "scopes: [check, read]", "quotas: {misses: 20}"),
            Credentials.entry("busy", "controllers: [salon-lyon]", "scopes: [check]", "quotas: {checks: 50}"))
        let admin = try await server.admin()
        _ = try await admin.grant(salon.grant(["known@example.fr"], channels: [.email]))
        let curious = try await server.client {
            $0.credential = Credentials.token("curious")
            $0.attemptsMax = 1
        }
        // Known addresses cost nothing.
        for _ in 1...100 {
            #expect(await curious.check(salon.question(.email), .address("known@example.fr")).cause == nil)
        }
        var refused: ConsentClientError?
        var answered = 0
        for number in 1...200 where refused == nil {
            let address = "guess\(number)@example.fr"
            refused = await curious.check(salon.question(.email), .address(address)).cause
            if refused == nil { answered += 1 }
        }
        #expect(refused?.status == .resourceExhausted)
        #expect(answered < 100, "\(answered) guesses were answered")
        guard case .rejected(let rejection)? = refused else { return }
        #expect(rejection.notExecuted && (rejection.retryAfter ?? .zero) > .zero)

        let busy = try await server.client {
            $0.credential = Credentials.token("busy")
            $0.attemptsMax = 1
        }
        var shed = false
        for _ in 1...2_000 where !shed {
            shed = await busy.check(salon.question(.email), .address("known@example.fr")).cause != nil
        }
        #expect(shed, "the quota of checks held nobody back")
        await curious.close()
        await busy.close()
        await admin.close()
        await server.server.drain()
    }

    @Test func refusalsAreAuditedWithoutAddresses() async throws {
        let folder = try TemporaryFolder()
        let log = folder.file("log")
        let (server, salon) = try await Self.start(
            folder.file("c.yaml"), logFile: log,
            Credentials.entry("shop", "controllers: [salon-lyon]", "scopes: [check]"))
        let shop = try await Self.connect(server, "shop")
        _ = await Self.status { _ = try await shop.withdraw(salon.refusal("canary@example.fr")) }
        var other = salon.question(.email)
        other.controller = salon.other
        _ = await shop.check(other, .address("canary@example.fr"))
        await shop.close()
        await server.server.drain()
        let text = try String(contentsOfFile: log, encoding: .utf8)
        let lines = text.split(separator: "\n").filter { $0.contains("call refused") }
        #expect(lines.count == 2, "\(lines)")
        #expect(lines.allSatisfy { $0.contains("\"client\": shop") && $0.contains("\"time\": ") })
        #expect(lines.contains { $0.contains("\"audit\": Withdraw") && $0.contains("\"reason\": scope") })
        #expect(lines.contains { $0.contains("\"controller\": 8") && $0.contains("\"reason\": controller") })
        #expect(!text.contains("canary"))
    }

    @Test(arguments: [
        ("clients:\n  - name: a\n    scope: [check]\n", "3:5", "is not known here"),
        ("clients:\n  - name: a b\n", "", "1 to 64 letters"),
        ("clients:\n  - name: a\n    scopes: [fly]\n", "3:", "has no fly"),
        ("clients:\n  - name: a\n    scopes: [check]\n", "", "neither token-sha256 nor certificate"),
        ("clients:\n  - name: a\n    scopes: [check]\n    token-sha256: 12\n", "4:", "64 hexadecimal digits"),
        ("clients:\n  - name: a\n    scopes: [check]\n    certificate: x\n", "", "controllers is missing"),
        (
            "clients:\n  - name: a\n    scopes: [admin]\n    certificate: x\n    controllers: [b]\n", "5:",
            "must be all"
        ),
        (
            "clients:\n  - name: a\n    scopes: [record]\n    certificate: x\n    controllers: all\n", "",
            "sources is missing"
        ),
        (
            "clients:\n  - name: a\n    scopes: [check]\n    certificate: x\n    controllers: all\n"
                + "    quotas: {checks: -1}\n", "6:", "above 0"
        ),
        ("clients: 7\n", "1:", "takes a list"),
        ("clients: [\n", "", "no YAML"),
        ("client: []\n", "1:1", "is not known here"),
    ])
    func aMistakeIsNamedByItsLine(text: String, place: String, words: String) async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("c.yaml")
        try Credentials.write(text, to: path)
        do {
            let server = try await TestServer.start { $0.credentials = path }
            await server.server.drain()
            Issue.record("taken: \(text)")
        } catch let failure as YAMLFailure {
            #expect(failure.description.contains(words), "\(failure)")
            #expect(failure.description.contains("c.yaml:\(place)") || place.isEmpty, "\(failure)")
        }
    }

    @Test func aFileThatOthersCanReadIsRefused() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("c.yaml")
        try Credentials.write("clients: []\n", to: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        await #expect(throws: ServerFailure.self) {
            let server = try await TestServer.start { $0.credentials = path }
            await server.server.drain()
        }
    }
}
