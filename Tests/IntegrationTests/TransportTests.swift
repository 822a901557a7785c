// Goal: with TLS a stranger learns nothing and a client is who its certificate says; certificates are renewed
// under open connections.
// Method: real certificates, made by openssl as `make dev-certs` does, on real sockets.

import ConsentClient
import ConsentServer
import Foundation
import TestSupport
import Testing

@Suite struct TransportTests {
    private static func start(
        _ folder: TemporaryFolder, _ certificates: TestCertificates, verifiesClients: Bool = true,
        logFile: String? = nil, _ configure: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws -> TestServer {
        try await TestServer.start(logFile: logFile) {
            $0.tls = certificates.server(verifiesClients: verifiesClients)
            configure(&$0)
        }
    }

    private static func isUntrusted(_ error: ConsentClientError?, _ words: String) -> Bool {
        if case .untrusted(_, let why)? = error { return why.contains(words) }
        return false
    }

    private static func isNotKnown(_ error: ConsentClientError?) -> Bool {
        if case .handshake(let failure)? = error { return failure.isBadCredential }
        return false
    }

    /// What connecting fails with; nil: it does not.
    private static func failure(
        _ server: TestServer, _ configure: (inout ConsentClient.Configuration) -> Void
    ) async -> ConsentClientError? {
        do {
            let client = try await server.client(configure)
            // The server's verdict on a client certificate comes after the client's own handshake.
            _ = try await client.stats()
            await client.close()
            return nil
        } catch {
            return error as? ConsentClientError
        }
    }

    @Test func everythingWorksOverTLS() async throws {
        let folder = try TemporaryFolder()
        let certificates = try TestCertificates(in: folder.file("certs"))
        let server = try await Self.start(folder, certificates)
        let client = try await server.admin { $0.tls = certificates.client() }
        let salon = try await Salon(client)
        let granted = try await client.grant(salon.grant(["anna@example.fr"], channels: [.email]))
        let answer = await client.check(salon.question(.email), .address("anna@example.fr"))
        #expect(answer.isAllowed)
        var seen: UInt64 = 0
        for try await change in client.watch(from: WatchPosition(after: granted.sequence - 1)) {
            seen = change.sequence
            break
        }
        #expect(seen == granted.sequence)
        // A large answer crosses many TLS records.
        var byteCount = 0
        for try await chunk in client.backup() { byteCount += chunk.bytes.count }
        #expect(byteCount > 50_000)
        await client.close()
        await server.server.drain()
    }

    @Test func aStrangerGetsNothingButAnAlert() async throws {
        let folder = try TemporaryFolder()
        let certificates = try TestCertificates(in: folder.file("certs"))
        let others = try TestCertificates(in: folder.file("others"), clients: ["newsletter"])
        let server = try await Self.start(folder, certificates)
        // Without a certificate; with one of another authority; trusting another authority; by a wrong name.
        #expect(Self.isNotKnown(await Self.failure(server) { $0.tls = certificates.client(nil) }))
        var foreign = others.client()
        foreign.authority = certificates.file("ca.pem")
        #expect(Self.isNotKnown(await Self.failure(server) { $0.tls = foreign }))
        var deceived = certificates.client()
        deceived.authority = others.file("ca.pem")
        #expect(Self.isUntrusted(await Self.failure(server) { $0.tls = deceived }, "--ca"))
        var misled = certificates.client()
        misled.serverName = "elsewhere.example"
        #expect(Self.isUntrusted(await Self.failure(server) { $0.tls = misled }, "elsewhere.example"))

        // The protocol in plain, and garbage: a TLS alert (record type 21) and the end, or the end alone.
        for bytes in [
            Array("CONSENT1".utf8) + [UInt8](repeating: 7, count: 64), [UInt8](repeating: 0, count: 900),
        ] {
            let socket = try RawSocket(server.address)
            socket.send(bytes)
            let first = socket.receive(1)
            #expect(first == nil || first == [21])
            while socket.receive(1) != nil {}
        }
        // The good one still works.
        #expect(await Self.failure(server) { $0.tls = certificates.client() } == nil)
        await server.server.drain()
    }

    @Test func aPlainServerIsSaidToBePlain() async throws {
        let folder = try TemporaryFolder()
        let certificates = try TestCertificates(in: folder.file("certs"))
        let server = try await TestServer.start()
        #expect(Self.isUntrusted(await Self.failure(server) { $0.tls = certificates.client() }, "no TLS"))
        await server.server.drain()
    }

    @Test func certificatesAreRenewedUnderOpenConnections() async throws {
        let folder = try TemporaryFolder()
        let certificates = try TestCertificates(in: folder.file("certs"))
        let log = folder.file("log")
        let server = try await Self.start(folder, certificates, logFile: log)
        let open = try await server.admin { $0.tls = certificates.client() }
        var renamed = certificates.client()
        renamed.serverName = "renewed.example"
        #expect(Self.isUntrusted(await Self.failure(server) { $0.tls = renamed }, "renewed.example"))

        try certificates.make(names: ["renewed.example"])
        #expect(await server.server.reload())
        #expect(
            await Self.failure(server) { $0.tls = renamed } == nil, "new connections get the new certificate")
        _ = try await open.stats()

        // A key of another pair: what was there stays, and the log says why.
        let key = certificates.file("server.key")
        try FileManager.default.removeItem(atPath: key)
        try FileManager.default.copyItem(atPath: certificates.file("newsletter.key"), toPath: key)
        #expect(await server.server.reload() == false)
        #expect(await Self.failure(server) { $0.tls = renamed } == nil, "the old pair is kept")
        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(text.contains("certificate kept") && text.contains("is not the key of the certificate"))
        // The connection was open all the time.
        _ = try await open.stats()
        await open.close()
        await server.server.drain()
    }

    @Test func aClientIsWhoItsCertificateSays() async throws {
        let folder = try TemporaryFolder()
        let certificates = try TestCertificates(
            in: folder.file("certs"), clients: ["newsletter", "stranger"])
        let credentials = folder.file("credentials.yaml")
        try Credentials.write(
            """
            clients:
              - name: the-newsletter
                certificate: spiffe://consentd.example/newsletter
                controllers: [salon-lyon]
                scopes: [check, read]
            """, to: credentials)
        let server = try await Self.start(folder, certificates) { $0.credentials = credentials }
        let admin = try await server.admin { $0.tls = certificates.client("stranger") }
        let salon = try await Salon(admin)
        let client = try await server.client { $0.tls = certificates.client() }
        let answer = await client.check(salon.question(.email), .address("anna@example.fr"))
        #expect(answer.cause == nil && !answer.isAllowed)
        await #expect(throws: ConsentClientError.self) {
            _ = try await client.grant(salon.grant(["anna@example.fr"], channels: [.email]))
        }
        let stranger = await Self.failure(server) { $0.tls = certificates.client("stranger") }
        #expect(Self.isNotKnown(stranger), "\(String(describing: stranger))")
        await client.close()
        await admin.close()
        await server.server.drain()
    }

    @Test func aPairThatIsOfNoUseIsRefusedAtTheStart() async throws {
        let folder = try TemporaryFolder()
        let certificates = try TestCertificates(in: folder.file("certs"))
        func failure(_ files: TLSFiles) async -> TLSFailure? {
            do {
                let server = try await TestServer.start { $0.tls = files }
                await server.server.drain()
                return nil
            } catch {
                return error as? TLSFailure
            }
        }
        var files = certificates.server()
        files.key = certificates.file("newsletter.key")
        guard case .notAPair? = await failure(files) else {
            return _ = Issue.record("a foreign key was taken")
        }
        files = certificates.server()
        files.certificate = certificates.file("server.key")
        guard case .unusable? = await failure(files) else {
            return _ = Issue.record("a key was a certificate")
        }
        files = certificates.server()
        files.clientAuthority = certificates.file("missing.pem")
        guard case .unusable? = await failure(files) else {
            return _ = Issue.record("no authority was taken")
        }
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o640], ofItemAtPath: certificates.file("server.key"))
        guard case .readByOthers(_, 0o640)? = await failure(certificates.server()) else {
            return _ = Issue.record("a key that others can read was taken")
        }
    }
}
