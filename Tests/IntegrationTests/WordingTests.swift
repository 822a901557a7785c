// Goal: each refusal's sentence is the same from the rules, the server, the client library and consentctl, in
// French and in English; a grant by staff on a terminal shows the memo, asks for the five conditions, and
// records who, when and which memo. Method: refusals brought about at a real server; consentctl on a
// pseudo-terminal.

import ConsentClient
import Foundation
import Glibc
import TestSupport
import Testing

@Suite struct WordingTests {
    @Test func everyRefusalHasTwoSentencesThatDiffer() {
        var seen = Set<String>()
        for refusal in Refusal.allCases {
            let note = RefusalNote(code: refusal.rawValue, subject: "purpose 9")
            for locale in ["fr", "fr-CH", "fr_FR.UTF-8", "en", "de"] {
                let sentence = note.sentence(locale: locale)
                #expect(sentence == RefusalFinding(refusal, subject: "purpose 9").sentence(locale: locale))
                #expect(sentence.count > 40 && sentence.hasSuffix("(purpose 9)"))
            }
            #expect(seen.insert(note.sentence(locale: "fr")).inserted)
            #expect(seen.insert(note.sentence(locale: "en")).inserted)
        }
        let unknown = RefusalNote(code: 999, sentence: "as the server said")
        #expect(unknown.sentence(locale: "fr") == "as the server said")
    }

    @Test func serverClientAndProgramSayTheSame() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var grant = salon.grant(["gate@example.fr"], channels: [.email], purposes: [salon.reminders])
        grant.act = .none
        grant.staff = "Camille"
        let result = try await client.grant(grant)
        #expect(result.refusals.count == 5)
        for note in result.refusals {
            let refusal = try #require(note.refusal)
            // The server's own words are those that the library makes of code and subject.
            #expect(note.sentence == note.sentence(locale: "en"))
            #expect(note.sentence.hasPrefix(refusal.sentence(locale: "en")))
            #expect(note.sentence(locale: "fr").hasPrefix(refusal.sentence(locale: "fr")))
        }
        for locale in ["fr", "en"] {
            let run = try ProgramUnderTest.run(
                "consentctl",
                [
                    "grant", "--server", server.address, "--controller", "salon-lyon", "--channels", "email",
                    "--purposes", "reminders", "--notice", salon.notice.bytes.map(Self.hex).joined(),
                    "--source", "salon", "--act", "none", "--email", "gate@example.fr", "--locale", locale,
                    "--staff", "Camille", "--attest", "free",
                ])
            #expect(run.code == 65)
            for note in result.refusals {
                #expect(run.errors.contains(note.sentence(locale: locale)), "\(locale): \(run.errors)")
            }
        }
        await client.close()
        await server.server.drain()
    }

    private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    @Test(arguments: [("fr", "o"), ("en", "y")])
    func staffOnATerminalReadTheMemoAndAttest(locale: String, yes: String) async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let memo = try await client.memo(locale: locale)
        func grant(_ address: String, answers: [String]) throws -> (code: Int32, shown: String) {
            try Self.onATerminal(
                [
                    "grant", "--server", server.address, "--controller", "salon-lyon", "--channels", "email",
                    "--purposes", "promotions", "--notice", salon.notice.bytes.map(Self.hex).joined(),
                    "--source", "salon", "--act", "spoken", "--email", address, "--locale", locale,
                    "--staff", "Camille",
                ], answers: answers)
        }
        let done = try grant("desk@example.fr", answers: Array(repeating: yes, count: 5))
        #expect(done.code == 0, "\(done.shown)")
        let firstLine = try #require(memo.text.split(separator: "\n").first)
        #expect(done.shown.contains(firstLine))
        #expect(done.shown.components(separatedBy: locale == "fr" ? "[o/n]" : "[y/n]").count == 6)

        var events: [RecordedEvent] = []
        for try await event in try client.history(
            controller: salon.controller, of: .contacts([WriteContact("desk@example.fr")]))
        {
            events.append(event)
        }
        let event = try #require(events.first)
        #expect(events.count == 1 && event.staff == "Camille" && event.memo == memo.id)
        #expect(event.attestations == .all && event.act == .spoken && event.client == "consentctl")
        #expect(event.recordedAt > .epoch && event.occurredAt <= event.recordedAt)
        #expect(
            await client.check(salon.question(.email), .address("desk@example.fr")).reason == .consent)

        // One no: nothing is recorded.
        let no = try grant("doubt@example.fr", answers: [yes, yes, "n"])
        #expect(no.code == 1 && no.shown.contains("informed"))
        #expect(
            await client.check(salon.question(.email), .address("doubt@example.fr")).reason == .noRecord)
        await client.close()
        await server.server.drain()
    }

    /// Runs consentctl with a pseudo-terminal for input, output and errors.
    /// - Returns: exit code and all that it showed.
    private static func onATerminal(
        _ arguments: [String], answers: [String]
    ) throws -> (code: Int32, shown: String) {
        // posix_openpt and its kin by hand: TIOCSPTLCK unlocks the other side, TIOCGPTN tells its number.
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        try #require(master >= 0)
        var lock: Int32 = 0
        var number: Int32 = 0
        try #require(ioctl(master, 0x4004_5431, &lock) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
        let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        try #require(slave >= 0)
        let terminal = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
        let process = Process()
        process.executableURL = ProgramUnderTest.folder.appendingPathComponent("consentctl")
        process.arguments = arguments
        process.standardInput = terminal
        process.standardOutput = terminal
        process.standardError = terminal
        try process.run()
        let typed = Array((answers.joined(separator: "\n") + "\n").utf8)
        let written = typed.withUnsafeBytes { write(master, $0.baseAddress, $0.count) }
        #expect(written == typed.count)
        // With the program's side closed by the program's end, reading ends.
        try terminal.close()
        var shown: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(master, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            shown += buffer[..<count]
        }
        close(master)
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: shown, as: UTF8.self))
    }
}
