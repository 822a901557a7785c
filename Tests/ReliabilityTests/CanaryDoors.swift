// Every way into the register that takes an address, and mistakes of every kind with addresses in them.

import ConsentClient
import Foundation
import TestSupport
import Testing
import WireProtocol

/// Carries the canaries in, and notes all that is said in return. Belongs to the test's own task.
final class CanaryDoors {
    let folder: TemporaryFolder
    let certificates: TestCertificates
    /// `HOST:PORT` of what clients connect to, which may be a relay.
    let address: String
    /// The server's own.
    let server: String
    let tokenFile: String
    let client: ConsentClient
    let salon: Salon
    var places = CanaryPlaces()

    /// Connects as the administrator.
    init(
        _ home: CanaryTests.Home, through address: String? = nil
    ) async throws {
        folder = home.folder
        certificates = home.certificates
        server = home.address
        self.address = address ?? home.address
        tokenFile = home.state + "/admin.token"
        var configuration = ConsentClient.Configuration()
        configuration.tls = certificates.client()
        configuration.clientName = Canary.emails[0]
        let token = try String(contentsOfFile: tokenFile, encoding: .utf8)
        configuration.credential = Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        client = try await ConsentClient.connect(to: self.address, configuration: configuration)
        salon = try await Salon(client)
    }

    private func attempt(_ body: () async throws -> String) async {
        var text: String
        do { text = try await body() } catch { text = "\(error)" }
        places.note("answers and errors", (text + "\n").utf8)
    }

    private static func words(_ result: WriteResult) -> String {
        "\(result.status) " + result.refusals.map { "\($0.sentence) \($0.subject)" }.joined(separator: " ")
    }

    // MARK: Through the library

    /// Every call that takes an address, with good ones and bad ones.
    func knock() async {
        for address in Canary.emails + Canary.phones + Canary.malformed {
            await write(address)
            await ask(address)
        }
        let all = Canary.emails + Canary.phones + Canary.malformed
        for channel in [Channel.email, .sms] {
            let question = salon.question(channel)
            await attempt { "\(await client.checkBatch(question, addresses: all).count)" }
        }
        for kind in ContactKind.allCases {
            await attempt {
                let keys = try await client.keys(of: all, controller: salon.controller, kind: kind)
                return keys.errors.values.map(\.sentence).joined(separator: " ")
            }
        }
    }

    private func ask(_ address: String) async {
        let question = salon.question(address.contains("@") ? .email : .sms)
        let contact = Subject.contacts([WriteContact(address)])
        await attempt { "\(await client.check(question, .address(address)))" }
        await attempt { "\(try await client.explain(question, contact).answer)" }
        let now = Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1e6))
        await attempt { "\(try await client.checkAt(question, contact, at: now).answer)" }
        await attempt { "\(try await client.preferences(controller: salon.controller, of: contact))" }
        await attempt {
            let proof = try await client.proof(of: .newestGrant(salon.controller, contact, nil, nil))
            return String(decoding: proof.leaf + proof.personal, as: UTF8.self)
        }
        await attempt {
            var text = ""
            for try await event in try client.history(controller: salon.controller, of: contact) {
                text += "\(event)"
            }
            return text
        }
        for format in ExportFormat.allCases {
            await attempt {
                let bytes = try await client.export(
                    controller: salon.controller, of: contact, format: format
                ).bytes()
                return String(decoding: bytes, as: UTF8.self)
            }
        }
    }

    private func write(_ address: String) async {
        let channel = address.contains("@") ? Channel.email : .sms
        var refusal = salon.refusal(address)
        await attempt {
            Self.words(try await client.grant(salon.grant([address], channels: [channel])))
        }
        await attempt {
            Self.words(try await client.grant(salon.grant([address], channels: [.email, .sms])))
        }
        // Evidence that holds an address is left out or refused.
        var grant = salon.grant([address], channels: [channel])
        grant.evidence.userAgent = "agent of \(address)"
        grant.evidence.url = "https://shop.example/\(address)"
        grant.evidence.templateValues = address
        grant.evidence.ip = address
        await attempt { Self.words(try await client.grant(grant)) }
        refusal.evidence = grant.evidence
        await attempt { Self.words(try await client.withdraw(refusal)) }
        await attempt { Self.words(try await client.record(.bounce, refusal)) }
        await attempt { Self.words(try await client.record(.complaint, refusal)) }
        await attempt { Self.words(try await client.confirm(token: Array(address.utf8))) }
        await attempt { Self.words(try await client.grant(salon.grant([address], channels: [channel]))) }
        var row = ImportRow(
            kind: .grant, controller: salon.controller, contacts: [WriteContact(address)])
        row.channels = ChannelSet([channel])
        await attempt {
            let result = try await client.importRows([row])
            return result.issues.flatMap(\.refusals).map(\.sentence).joined(separator: " ")
        }
    }

    /// References and names of staff are kept as they are given, until the person is erased.
    func leaveTexts() async {
        for address in [Canary.emails[0], Canary.phones[0]] {
            var grant = salon.grant(
                [address], channels: [address.contains("@") ? .email : .sms])
            grant.reference = address
            await attempt { Self.words(try await client.grant(grant)) }
            let subject = Subject.reference(address)
            await attempt { "\(try await client.preferences(controller: salon.controller, of: subject))" }
            var refusal = salon.refusal(address)
            refusal.staff = Canary.emails[1]
            await attempt { Self.words(try await client.withdraw(refusal)) }
        }
    }

    func erase() async {
        for address in Canary.emails + Canary.phones + Canary.malformed {
            let erasure = Erasure(
                controller: salon.controller, subject: .contacts([WriteContact(address)]))
            await attempt { Self.words(try await client.erase(erasure)) }
        }
    }

    /// Writes a backup.
    func backup(to path: String) async throws {
        var bytes: [UInt8] = []
        for try await chunk in client.backup() { bytes += chunk.bytes }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    // MARK: Through consentctl

    /// A command over TLS; what it prints is noted.
    func command(_ arguments: [String], input: String = "") async throws {
        let file = folder.file("input")
        try Data(input.utf8).write(to: URL(fileURLWithPath: file))
        let connection = [
            "--server", address, "--token-file", tokenFile, "--ca", certificates.file("ca.pem"), "--cert",
            certificates.file("newsletter.pem"), "--key", certificates.file("newsletter.key"),
        ]
        let program = try ProgramUnderTest(
            "consentctl", arguments + connection,
            input: try #require(FileHandle(forReadingAtPath: file)))
        let end = await program.finished()
        places.note("consentctl \(arguments[0])", (end.output + end.errors).utf8)
    }

    /// Commands with addresses on standard input, and an import.
    func type() async throws {
        let cell = ["--controller", "salon-lyon", "--purpose", "promotions", "--stdin"]
        for address in [Canary.emails[1], Canary.phones[1], Canary.malformed[0]] {
            let channel = ["--channel", address.contains("@") ? "email" : "sms"]
            for name in ["check", "explain", "proof"] {
                try await command([name] + cell + channel, input: address + "\n")
            }
            for name in ["history", "preferences", "export", "keys", "withdraw"] {
                try await command(
                    [name, "--controller", "salon-lyon", "--stdin"], input: address + "\n")
            }
        }
        var rows = ImportFile.header
        for address in Canary.emails + Canary.phones + Canary.malformed.filter({ !$0.contains("\n") }) {
            let place = address.contains("@") ? "\(address)," : ",\(address)"
            for kind in ["grant", "refuse", "zq7xkanarienvogel@zq7xundicht.example"] {
                rows += "\(kind),salon-lyon,email|sms,promotions,\(place),,2026-01-10T10:10:00+01:00,"
                rows += "salon,ticked-box,\(salon.notice.hex)\n"
            }
        }
        // Addresses in wrong columns, and a row that is cut short.
        rows += "grant,zq7xkanarienvogel@zq7xundicht.example,+33698135724,0698135724,,,,,,,\n"
        rows += "grant,salon-lyon,email,promotions,zq7xkanarienvogel@zq7xundicht.example\n"
        let sheet = folder.file("rows.csv")
        try Data(rows.utf8).write(to: URL(fileURLWithPath: sheet))
        for more in [["--dry-run"], ["--errors", folder.file("errors.csv")], ["--json"]] {
            try await command(["import", sheet] + more)
        }
        places.paths.append(folder.file("errors.csv"))
        // A file without a header.
        try Data(rows.dropFirst(ImportFile.header.count).utf8).write(to: URL(fileURLWithPath: sheet))
        try await command(["import", sheet])
        try FileManager.default.removeItem(atPath: sheet)
    }

    // MARK: In bytes

    /// Frames that no library would send, and callers who are not let in.
    func shout() async throws {
        let body = Wire.ContactPoint(address: Canary.emails[0])
        var calls: [UInt8] = []
        for code: UInt16 in 1...60 {
            calls += FrameClient.request(Wire.Method(rawValue: code), UInt32(code), body)
        }
        let long = Wire.ContactPoint(
            address: String(repeating: Canary.emails[0], count: 2 * Self.bodyBytesMax / 36))
        // As a caller with a certificate and no more; with a long body; with a wrong token; without a hello.
        for bytes in [
            hello() + calls, hello() + FrameClient.request(.check, 1, long),
            hello(credential: Array(Canary.emails[0].utf8)), Array(Canary.emails[0].utf8),
            hello() + Array((Canary.emails[0] + Canary.emails[0]).utf8),
        ] {
            places.note("frames", try await overTLS(bytes))
        }
        // In plain to a port that has TLS, and past the relay: this peer shows the address itself.
        let socket = try RawSocket(server)
        socket.send(Array(Canary.emails[0].utf8) + [UInt8](repeating: 0, count: 600))
        while let byte = socket.receive(1) { places.note("frames", byte) }
    }

    private static let bodyBytesMax = 1 << 20

    private func hello(credential: [UInt8] = []) -> [UInt8] {
        var writer = FrameWriter(minimumCapacity: 512)
        writer.appendPrefaceAndHello(
            Wire.Hello(
                versionMin: Wire.protocolVersion, versionMax: Wire.protocolVersion, featuresOptional: 0,
                bodyBytesMax: UInt32(Self.bodyBytesMax), inFlightMax: 100,
                clientName: Canary.phones[1],
                credential: credential))
        return writer.withBytes { Array($0) }
    }

    /// Sends bytes through openssl's own client, and returns what the server answers within half a second.
    private func overTLS(_ bytes: [UInt8]) async throws -> Data {
        let file = folder.file("frames")
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        let script = Process()
        script.executableURL = URL(fileURLWithPath: "/bin/sh")
        script.arguments = [
            "-c",
            """
            { cat "$1"; sleep 0.5; } 2>/dev/null | openssl s_client -quiet -no_ign_eof -connect "$2" \
                -CAfile "$3/ca.pem" -cert "$3/newsletter.pem" -key "$3/newsletter.key" 2>/dev/null
            """, "sh", file, address, certificates.folder,
        ]
        let output = Pipe()
        script.standardOutput = output
        try script.run()
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                let answer = output.fileHandleForReading.readDataToEndOfFile()
                script.waitUntilExit()
                continuation.resume(returning: answer)
            }
        }
    }
}
