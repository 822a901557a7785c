// Goal: `consentctl import` says of every row what became of it, in the order of the file, with its place and
// its remedy; brings nobody back who refused or was erased; and shows how far it is where somebody watches.
// Method: a real server, the real program, files small enough to count by hand; a pseudo-terminal for the
// bar.

import ConsentClient
import ConsentServer
import Foundation
import Glibc
import TestSupport
import Testing

@Suite struct ImportTests {
    private struct Site {
        let server: TestServer
        let client: ConsentClient
        let salon: Salon

        init(_ configure: @escaping (inout ServerConfiguration) -> Void = { _ in }) async throws {
            server = try await TestServer.start(configure)
            client = try await server.admin()
            salon = try await Salon(client)
        }

        func path(_ name: String) -> String { server.folder.file(name) }

        /// Writes a file of these lines and imports it.
        func importing(
            _ lines: [String], _ options: [String] = []
        ) async throws -> (code: Int32, output: String, errors: String) {
            let file = path("rows.csv")
            let text = ImportFile.header + lines.map { $0 + "\n" }.joined()
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            return try await ProgramUnderTest("consentctl", arguments(file) + options).finished()
        }

        func arguments(_ file: String) -> [String] {
            [
                "import", file, "--server", server.address, "--token-file",
                server.stateFolder + "/admin.token", "--locale", "en",
            ]
        }

        func grant(_ address: String, at time: String, notice: String? = nil) -> String {
            "grant,salon-lyon,email,promotions,\(address),,,\(time),widget,ticked-box,"
                + (notice ?? salon.notice.hex)
        }

        func end() async {
            await client.close()
            await server.server.drain()
        }
    }

    private static let time = "2026-03-01T10:00:00+01:00"

    @Test func everyRowIsAccountedFor() async throws {
        let site = try await Site()
        let lines = [
            site.grant("first@example.fr", at: Self.time),
            site.grant("not an address", at: Self.time),
            site.grant("second@example.fr", at: Self.time, notice: ""),
            site.grant("third@example.fr", at: "yesterday"),
            site.grant("fourth@example.fr", at: "2096-01-01T00:00:00Z"),
            site.grant("neither@", at: "2096-01-01T00:00:00Z"),
            "refuse,salon-lyon,all,all,fifth@example.fr,,,\(Self.time),salon,,",
            "grant,salon-lyon,email",
        ]
        let before = try await site.client.stats().sequence

        let dry = try await site.importing(lines, ["--dry-run", "--json"])
        #expect(dry.code == 65)
        #expect(try await site.client.stats().sequence == before, "a dry run records nothing")

        let errors = site.path("bad.csv")
        let run = try await site.importing(lines, ["--errors", errors])
        #expect(run.code == 65 && run.errors.isEmpty, "\(run.errors)")
        #expect(try await site.client.stats().sequence == before + 3)
        let facts = Dictionary(
            run.output.split(separator: "\n").map { line in
                let cut = line.firstRange(of: "  ")?.lowerBound ?? line.endIndex
                return (String(line[..<cut]), line[cut...].trimmingCharacters(in: .whitespaces))
            }, uniquingKeysWith: { first, _ in first })
        #expect(facts["rows"] == "8" && facts["recorded"] == "3" && facts["recorded before"] == "0")
        #expect(facts["of them without proof"] == "1 (they deny)")
        #expect(facts["refused"] == "3" && facts["unreadable"] == "2")
        #expect(facts["BAD_ADDRESS"]?.contains("An address cannot be used") == true, "\(run.output)")
        #expect(facts["BAD_ADDRESS"]?.hasPrefix("2  ") == true, "\(run.output)")
        #expect(facts["IN_THE_FUTURE"]?.hasPrefix("2  ") == true, "\(run.output)")
        #expect(
            facts["UNREADABLE"]?.hasPrefix("2  ") == true
                && facts["UNPROVEN_IMPORT"]?.hasPrefix("1  ") == true)

        let listed = try String(contentsOfFile: errors, encoding: .utf8).split(separator: "\n").dropFirst()
        #expect(
            listed.map {
                $0.split(separator: ",", omittingEmptySubsequences: false).prefix(4).joined(separator: ",")
            }
                == [
                    "3,0,,bad_address", "4,0,,unproven_import", "5,8,occurred_at,unreadable",
                    "6,0,,in_the_future", "7,0,,in_the_future", "7,0,,bad_address", "9,4,,unreadable",
                ])

        let again = try await site.importing(lines, ["--json"])
        #expect(again.code == 65)
        let document = try JSON(parsing: Array(again.output.utf8))
        #expect(document["recorded"]?.integerValue == 0 && document["repeated"]?.integerValue == 3)
        #expect(document["reasons"]?["in_the_future"]?.integerValue == 2)
        #expect(document["issues"]?.elements?.count == 6 && document["issuesOmitted"]?.integerValue == 0)
        #expect(try await site.client.stats().sequence == before + 3)
        await site.end()
    }

    /// Older or newer, alone or among the refusals of the same file: an imported grant lifts nothing.
    @Test func importedGrantsNeverLiftARefusal() async throws {
        let site = try await Site()
        var refusal = site.salon.refusal("gone@example.fr")
        refusal.occurredAt = Timestamp(rfc3339: "2026-02-01T00:00:00Z")
        _ = try await site.client.withdraw(refusal)
        let run = try await site.importing([
            site.grant("gone@example.fr", at: "2026-01-01T00:00:00Z"),
            site.grant("gone@example.fr", at: Self.time),
            site.grant("here@example.fr", at: Self.time),
            "refuse,salon-lyon,email,promotions,later@example.fr,,,2026-02-01T00:00:00Z,salon,,",
            site.grant("later@example.fr", at: Self.time),
        ])
        #expect(run.code == 0, "\(run.errors)")
        let question = site.salon.question(.email)
        for (address, decision) in [
            ("gone@example.fr", Decision.deny), ("later@example.fr", .deny), ("here@example.fr", .allow),
        ] {
            #expect(await site.client.check(question, .address(address)).decision == decision, "\(address)")
        }
        await site.end()
    }

    /// Rows of an erased person are refused and not stored; refusals among them are heard.
    @Test func anErasedPersonStaysErased() async throws {
        let site = try await Site()
        let address = "erased@example.fr"
        let line = site.grant(address, at: Self.time)
        #expect(try await site.importing([line, site.grant("kept@example.fr", at: Self.time)]).code == 0)
        let subject = Subject.contacts([WriteContact(address)])
        _ = try await site.client.erase(Erasure(controller: site.salon.controller, subject: subject))
        let before = try await site.client.stats().sequence

        let seen = "contact-seen,salon-lyon,email,promotions,\(address),,,\(Self.time),salon,,"
        let rows = [line, site.grant(address, at: "2026-04-01T00:00:00Z"), seen]
        let refused = try await site.importing(rows, ["--json"])
        #expect(refused.code == 65)
        let document = try JSON(parsing: Array(refused.output.utf8))
        #expect(document["refused"]?.integerValue == 3 && document["reasons"]?["erased"]?.integerValue == 3)
        #expect(try await site.client.stats().sequence == before, "nothing of the rows is stored")

        let heard = ["refuse", "withdraw", "object", "complaint", "bounce"].map {
            "\($0),salon-lyon,email,all,\(address),,,\(Self.time),salon,,"
        }
        #expect(try await site.importing(heard).code == 0)
        #expect(try await site.client.stats().sequence == before + 5)
        #expect(try await site.importing(heard + rows).code == 65)
        #expect(try await site.client.stats().sequence == before + 5)
        let explained = try await site.client.explain(site.salon.question(.email), subject)
        #expect(explained.answer.decision == .deny)
        #expect(
            await site.client.check(site.salon.question(.email), .address("kept@example.fr")).decision
                == .allow)
        await site.end()
    }

    /// What is not flushed stays within its bound however long the import: the writer flushes as it goes.
    @Test func theWriterKeepsPaceWithTheImport() async throws {
        let site = try await Site {
            $0.limits.dirtyContactsMax = 500
            $0.limits.dirtyContactsLimit = 1_000
            $0.limits.dirtyContactsPercentMax = 0
            $0.limits.commitEventsMax = 1_000
        }
        let file = site.path("rows.csv")
        try ImportFile(site.salon).write(30_000, to: file)
        let program = try ProgramUnderTest("consentctl", site.arguments(file) + ["--quiet"])
        var lagMax: UInt64 = 0
        while true {
            let stats = try await site.client.stats()
            lagMax = max(lagMax, stats.sequence - stats.derivedSequence)
            if stats.sequence >= 30_000 { break }
            try await Task.sleep(for: .milliseconds(1))
        }
        let run = await program.finished()
        #expect(run.code == 0 && run.errors.isEmpty, "\(run.errors)")
        // What is being written, what came meanwhile, and a group on top of either.
        #expect(lagMax < 8_000, "\(lagMax) events were not in the derived tables")
        await site.end()
    }

    @Test func aTerminalShowsABarWithRateAndTimeLeft() async throws {
        let site = try await Site()
        let file = site.path("rows.csv")
        try ImportFile(site.salon).write(20_000, to: file)
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (unlock, number) = (Int32(0), Int32(0))
        // TIOCSPTLCK and TIOCGPTN: unlock the other end and name it.
        try #require(ioctl(master, 0x4004_5431, &unlock) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
        let terminal = try #require(FileHandle(forUpdatingAtPath: "/dev/pts/\(number)"))
        let program = try ProgramUnderTest("consentctl", site.arguments(file), errorTerminal: terminal)
        try terminal.close()
        let shown = await Self.readAll(master)
        #expect(await program.finished().code == 0)
        let bars = shown.split(separator: "\r").filter { $0.contains("[#") || $0.contains("[-") }
        let last = try #require(bars.last, "\(shown.debugDescription)")
        #expect(last.contains(" rows, ") && last.contains(" a second, ") && last.contains(" left"), "\(last)")
        #expect(shown.hasSuffix("\r\u{1B}[K"), "the bar is taken away")
        await site.end()
    }

    /// What is written to a terminal until the program closes it, which reads as an error here.
    private static func readAll(_ descriptor: Int32) async -> String {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var bytes: [UInt8] = []
                var piece = [UInt8](repeating: 0, count: 4_096)
                while case let count = read(descriptor, &piece, piece.count), count > 0 {
                    bytes += piece[..<count]
                }
                close(descriptor)
                continuation.resume(returning: String(decoding: bytes, as: UTF8.self))
            }
        }
    }
}
