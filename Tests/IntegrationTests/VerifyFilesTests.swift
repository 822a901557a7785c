// Goal: an export, a dump and a journal verify with the public key alone, and whatever is altered in one of
// them, left out or put in is found and its place named.
// Method: files of a real server with all that a register goes through; then one character at a seeded random
// place changed at a time, each change that JSON readers would notice; lines left out, swapped and put in;
// the command on files.

import ConsentClient
import ConsentDomain
import ConsentProof
import Foundation
import TestRandomness
import TestSupport
import Testing

@Suite struct VerifyFilesTests {
    /// Files that one server handed over.
    private struct HandedOver {
        var export: [UInt8]
        var dump: [UInt8]
        var otherDump: [UInt8]
        var journal: [UInt8]
        var keys: [LogPublicKey]
        var erasedSequence: UInt64
    }

    /// A register in which much has happened, among it what makes words differ from what they once were.
    private static func handOver(_ server: TestServer) async throws -> HandedOver {
        let client = try await server.admin()
        let salon = try await Salon(client)
        var grant = salon.grant(["first@example.fr", "+33612345678"], channels: [.email, .sms])
        grant.reference = "person \"1\"\t\u{1F600}"
        grant.evidence.userAgent = "Browser/1.0 (\\)"
        _ = try await client.grant(grant)
        for number in 0..<5 {
            _ = try await client.grant(salon.grant(["d\(number)@example.fr"], channels: [.email]))
            _ = try await client.withdraw(
                RefusalNotice(
                    controller: salon.other, subject: .contacts([WriteContact("o\(number)@example.fr")])))
        }
        _ = try await client.withdraw(salon.refusal("d1@example.fr"))
        _ = try await client.putPurpose(
            Purpose(id: salon.promotions, code: "promotions", title: "Offres", purposeClass: .marketing))
        let erased = try await client.erase(
            Erasure(controller: salon.controller, subject: .contacts([WriteContact("d2@example.fr")])))
        _ = try await client.invalidateNotice(salon.notice, reason: "à revoir", effective: nil)
        let key = try LogPublicKey(
            pem: String(contentsOfFile: server.stateFolder + "/log.pub", encoding: .utf8))
        let files = HandedOver(
            export: try await client.export(
                controller: salon.controller, of: .reference(grant.reference)
            ).bytes(),
            dump: try await client.dump(controller: salon.controller).bytes(),
            otherDump: try await client.dump(controller: salon.other).bytes(),
            journal: try await client.journal(after: 0).bytes(), keys: [key],
            erasedSequence: erased.sequence)
        await client.close()
        return files
    }

    private static func lines(_ bytes: [UInt8]) -> [[UInt8]] {
        bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map(Array.init)
    }

    private static func eventCount(_ bytes: [UInt8]) -> UInt64 {
        UInt64(lines(bytes).count { $0.starts(with: Array("{\"type\":\"event\"".utf8)) })
    }

    private static func verify(lines: [[UInt8]], _ keys: [LogPublicKey]) throws -> VerifiedEvents {
        var verifier = LineVerifier(keys: keys)
        for line in lines { try verifier.take(line) }
        return try verifier.finish()
    }

    private static func verify(export bytes: [UInt8], _ keys: [LogPublicKey]) throws -> VerifiedEvents {
        try ExportFile.verify(try JSON(parsing: bytes), keys: keys)
    }

    /// What is found wrong.
    private static func failure(_ body: () throws -> VerifiedEvents) -> String? {
        do { _ = try body() } catch { return "\(error)" }
        return nil
    }

    // MARK: Whole files

    @Test func wholeFilesVerify() async throws {
        let server = try await TestServer.start()
        let files = try await Self.handOver(server)
        let dump = try Self.verify(lines: Self.lines(files.dump), files.keys)
        #expect(dump.controller?.code == "salon-lyon" && dump.erasedCount == 1)
        #expect(dump.eventCount == 16 && Self.eventCount(files.dump) == 16)
        let export = try Self.verify(export: files.export, files.keys)
        #expect(export.head.treeSize == dump.head.treeSize && export.controller?.code == "salon-lyon")
        let journal = try Self.verify(lines: Self.lines(files.journal), files.keys)
        #expect(journal.controller == nil && journal.eventCount == Self.eventCount(files.journal))
        // White space and the order of members say nothing.
        let spaced = try JSON(parsing: files.export).pretty
        #expect(try Self.verify(export: Array(spaced.utf8), files.keys) == export)
        var loose = Self.lines(files.dump)
        loose[1] = Array(try JSON(parsing: loose[1]).pretty.replacing("\n", with: " \r\t").utf8)
        loose.insert([], at: 2)
        #expect(try Self.verify(lines: loose, files.keys) == dump)
        // Another key, and the right one among several.
        let other = LogSigningKey().publicKey
        #expect(Self.failure { try Self.verify(export: files.export, [other]) }?.contains("key") == true)
        #expect(
            try Self.verify(lines: Self.lines(files.dump), [other] + files.keys) == dump,
            "keys of before a rotation may be given too")
        await server.server.drain()
    }

    // MARK: One change at a time

    private static let replacements = Array("0123456789abcdefAxZ\"\\{}[]:,-é ".utf8)

    /// Flips characters and hands each altered file on, unless it means the same.
    private static func alterations(
        of bytes: [UInt8], count: Int, seed: UInt64, sameMeaning: ([UInt8]) -> Bool,
        _ body: (_ place: Int, _ altered: [UInt8]) throws -> Void
    ) rethrows -> Int {
        var random = SeededGenerator(seed: seed)
        var made = 0
        while made < count {
            let place = random.below(bytes.count)
            var altered = bytes
            altered[place] =
                random.next() & 1 == 0
                ? bytes[place] ^ (1 << UInt8(random.below(8)))
                : replacements[random.below(replacements.count)]
            guard altered[place] != bytes[place], !sameMeaning(altered) else { continue }
            made += 1
            try body(place, altered)
        }
        return made
    }

    /// Whether a place lies in the value of a member.
    private static func lies(_ place: Int, in bytes: [UInt8], within member: String) -> Bool {
        let start = Data(bytes[...place]).range(of: Data("\"\(member)\":\"".utf8), options: .backwards)
        guard let start, start.upperBound <= place else { return false }
        return !bytes[start.upperBound..<place].contains(UInt8(ascii: "\""))
    }

    @Test func anyAlteredCharacterOfALineFileIsFoundInItsLine() async throws {
        let server = try await TestServer.start()
        let files = try await Self.handOver(server)
        let seed = UInt64.random(in: 1...1_000_000)
        for (name, bytes) in [("dump", files.dump), ("journal", files.journal)] {
            let meaning = try Self.lines(bytes).map { try JSON(parsing: $0) }
            _ = try Self.alterations(of: bytes, count: 1_500, seed: seed) { altered in
                let lines = altered.split(separator: 0x0A)
                return lines.count == meaning.count
                    && zip(lines, meaning).allSatisfy { (try? JSON(parsing: Array($0))) == $1 }
            } _: { place, altered in
                let line = bytes[..<place].count { $0 == 0x0A } + 1
                let lines = altered.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
                let found = Self.failure { try Self.verify(lines: lines, files.keys) }
                let problem = try #require(found, "\(name), seed \(seed), byte \(place): nothing found")
                // What no leaf covers is found by the signature, in the last line: openings, and in a
                // journal, whose events have no path, all that is no personal part.
                let isUnbound = Self.lies(place, in: bytes, within: "opening")
                #expect(
                    problem.hasPrefix("line \(line):") || problem.hasPrefix("line \(line) (event")
                        || (isUnbound && problem.hasPrefix("line \(meaning.count): "))
                        || (name == "journal" && problem.hasPrefix("line ")),
                    "\(name), seed \(seed), byte \(place) of line \(line): \(problem)")
            }
        }
        await server.server.drain()
    }

    @Test func anyAlteredCharacterOfAnExportIsFoundInItsPart() async throws {
        let server = try await TestServer.start()
        let files = try await Self.handOver(server)
        let bytes = files.export
        let seed = UInt64.random(in: 1...1_000_000)
        let meaning = try JSON(parsing: bytes)
        /// Where the parts of the document begin.
        let parts = ["contacts", "events", "catalogue", "notices", "head", "signature"].map { name in
            (name, Data(bytes).range(of: Data("\"\(name)\":".utf8), options: .backwards)?.lowerBound ?? 0)
        }
        _ = try Self.alterations(of: bytes, count: 1_500, seed: seed) { altered in
            (try? JSON(parsing: altered)) == meaning
        } _: { place, altered in
            let found = Self.failure { try Self.verify(export: altered, files.keys) }
            let near = String(
                decoding: altered[max(0, place - 60)..<min(place + 20, altered.count)], as: UTF8.self)
            let problem = try #require(found, "seed \(seed), byte \(place): nothing found at \(near)")
            guard (try? JSON(parsing: altered)) != nil else { return }
            let part = parts.last { $0.1 <= place }?.0 ?? "begin"
            switch part {
            case "events", "catalogue":
                #expect(
                    problem.contains(part)
                        || (problem.hasPrefix("signature") && Self.lies(place, in: bytes, within: "opening")),
                    "seed \(seed), byte \(place): \(problem)")
            case "contacts":
                #expect(
                    problem.contains("contacts"), "seed \(seed), byte \(place): \(problem)")
            case "begin": #expect(!problem.contains("element"), "seed \(seed), byte \(place): \(problem)")
            default: #expect(problem.contains(part), "seed \(seed), byte \(place): \(problem)")
            }
        }
        await server.server.drain()
    }

    // MARK: Lines and elements

    @Test func linesLeftOutSwappedOrPutInAreFound() async throws {
        let server = try await TestServer.start()
        let files = try await Self.handOver(server)
        let lines = Self.lines(files.dump)
        func problem(_ change: (inout [[UInt8]]) -> Void) -> String {
            var changed = lines
            change(&changed)
            return Self.failure { try Self.verify(lines: changed, files.keys) } ?? "nothing found"
        }
        let last = lines.count - 1
        #expect(problem { $0.removeLast() }.contains("ends early"))
        #expect(problem { $0.append($0[last]) }.hasPrefix("line \(last + 2): the file goes on"))
        #expect(problem { $0.swapAt(last - 1, last - 2) }.contains("behind a later one"))
        #expect(problem { $0.insert($0[last - 1], at: last) }.contains("behind a later one"))
        // Left out, the count put right: only the signature shows it.
        let count = Self.eventCount(files.dump)
        let silent = problem {
            $0.remove(at: last - 2)
            let end = String(decoding: $0[last - 1], as: UTF8.self)
            $0[last - 1] = Array(
                end.replacing("\"events\":\(count)", with: "\"events\":\(count - 1)").utf8)
        }
        #expect(silent.hasPrefix("line \(last): the signature does not cover"), "\(silent)")
        #expect(problem { $0.remove(at: last - 2) }.hasPrefix("line \(last): events says"))
        // Another controller's event is in the log too, and has no place here.
        let foreign = try #require(
            Self.lines(files.otherDump).last { String(decoding: $0, as: UTF8.self).contains("withdraw") })
        #expect(problem { $0.insert(foreign, at: last) }.contains("it is about controller 8"))
        // Of the catalogue: without the notice's line, without the event that made a purpose.
        let notice = try #require(lines.firstIndex { $0.starts(with: Array("{\"type\":\"notice\"".utf8)) })
        #expect(problem { $0.remove(at: notice) }.contains("is missing"))
        let purpose = try #require(
            lines.firstIndex { String(decoding: $0, as: UTF8.self).contains("purpose_put") })
        #expect(problem { $0.remove(at: purpose) } != "nothing found")
        await server.server.drain()
    }

    // MARK: The command

    @Test func theCommandVerifiesFilesAndSaysWhatIsNotProven() async throws {
        let server = try await TestServer.start()
        let files = try await Self.handOver(server)
        let folder = try TemporaryFolder()
        func run(_ name: String, _ bytes: [UInt8], _ options: [String] = []) throws -> (
            code: Int32, output: String, errors: String
        ) {
            let path = folder.file(name)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            return try ProgramUnderTest.run(
                "consentctl", ["verify", path, "--key", server.stateFolder + "/log.pub"] + options)
        }
        let dump = try run("dump", files.dump)
        #expect(dump.code == 0 && dump.output.contains("Salon Lyon"), "\(dump.errors)")
        #expect(dump.output.contains("not proven by the log: that these are all events of the controller"))
        let export = try run("export", files.export)
        #expect(export.code == 0 && export.output.contains("all events about the person"))
        let journal = try run("journal", files.journal, ["--json"]).output
        #expect(try JSON(parsing: Array(journal.utf8))["file"]?.text == "journal")
        let json = try run("dump", files.dump, ["--json"]).output
        #expect(try JSON(parsing: Array(json.utf8))["completeness"]?.text == "attested")
        var altered = files.dump
        let place = try #require(
            Data(altered).range(of: Data("first@".utf8)) ?? Data(altered).range(of: Data("Browser".utf8)))
        altered[place.lowerBound] ^= 1
        let refused = try run("altered", altered)
        #expect(refused.code == 1 && refused.errors.contains("NOT proven: line "), "\(refused.errors)")
        #expect(try run("cut", Array(files.dump.dropLast(40))).code == 1)
        let receipts = try run("receipts", Array("[{\"version\":\"KI-CR-v1.1.0\"}]".utf8))
        #expect(receipts.code == 65 && receipts.errors.contains("--format json"))
        await server.server.drain()
    }
}
