// Goal: an import that is cut short, on either side, is finished by running the same command again: every row
// is in the register once. And the memory of consentctl does not grow with the file.
// Method: real programs; SIGKILL to consentctl, then to the daemon, after a random part of the file and with
// requests in flight; the same command over the whole file; an audit of every event by a watch from the
// beginning. Memory is read while the import waits for more rows. CONSENTD_IMPORT_ROWS and
// CONSENTD_IMPORT_SEED lengthen and repeat it.

import ConsentClient
import Foundation
import TestRandomness
import TestSupport
import Testing

@Suite struct ImportTests {
    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }
    private static let rowCount = number("CONSENTD_IMPORT_ROWS") ?? 40_000

    /// A daemon with a salon's catalogue, and what calls to it need.
    private struct Site {
        let folder: TemporaryFolder
        var daemon: DaemonUnderTest
        let salon: Salon
        /// Events before the first import.
        let start: UInt64

        var state: String { folder.file("state") }

        init() async throws {
            folder = try TemporaryFolder()
            daemon = try DaemonUnderTest(stateFolder: folder.file("state"), ["--init"])
            let client = try await Self.client(daemon, folder)
            salon = try await Salon(client)
            start = try await client.stats().sequence
            await client.close()
        }

        static func client(_ daemon: DaemonUnderTest, _ folder: TemporaryFolder) async throws -> ConsentClient
        {
            var configuration = ConsentClient.Configuration()
            let token = try String(contentsOfFile: folder.file("state") + "/admin.token", encoding: .utf8)
            configuration.credential = Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
            return try await ConsentClient.connect(to: daemon.address, configuration: configuration)
        }

        func client() async throws -> ConsentClient { try await Self.client(daemon, folder) }

        func arguments(_ file: String) -> [String] {
            [
                "import", file, "--server", daemon.address, "--token-file", state + "/admin.token", "--json",
                "--timeout", "20s",
            ]
        }

        /// Starts an import and kills one side of it while the file is still coming.
        /// - Parameter rows: rows that are given before.
        func interrupted(
            after rows: Int, killing victim: (ProgramUnderTest) -> ProgramUnderTest
        ) async throws -> (code: Int32, output: String, errors: String) {
            let client = try await client()
            let pipe = Pipe()
            let program = try ProgramUnderTest(
                "consentctl", arguments("-"), input: pipe.fileHandleForReading)
            try pipe.fileHandleForReading.close()
            let text = ImportFile.header + ImportFile(salon).rows(0..<rows)
            // Returns when all but what fits into the pipe has been read, with requests in flight.
            try pipe.fileHandleForWriting.write(contentsOf: Data(text.utf8))
            while try await client.stats().sequence == start { try await Task.sleep(for: .milliseconds(1)) }
            victim(program).signal(SIGKILL)
            await client.close()
            try pipe.fileHandleForWriting.close()
            return await program.finished()
        }

        /// Runs the import to its end and checks that every row is in the register once.
        func finishAndAudit(_ file: String, rows: Int, note: String) async throws {
            let run = try await ProgramUnderTest("consentctl", arguments(file)).finished()
            try #require(run.code == 0, "\(note): \(run.errors)")
            let answer = try JSON(parsing: Array(run.output.utf8))
            let repeated = try #require(answer["repeated"]?.integerValue.map(Int.init))
            #expect(answer["recorded"]?.integerValue.map(Int.init) == rows - repeated, "\(note)")
            #expect(repeated > 0 && repeated < rows, "\(note): \(repeated) rows were recorded before")

            let client = try await client()
            let last = try await client.stats().sequence
            #expect(last == start + UInt64(rows), "\(note): each row is one event")
            var ids = Set<EventID>()
            for try await change in client.watch(from: WatchPosition(after: start)) where !change.isHeartbeat
            {
                if let id = change.event?.eventID { ids.insert(id) }
                if change.sequence >= last { break }
            }
            #expect(ids.count == rows, "\(note): no row is doubled")
            await client.close()
        }

        func stop() {
            daemon.program.signal(SIGTERM)
            #expect(daemon.program.wait().code == 0)
        }
    }

    private static func seed() -> UInt64 {
        number("CONSENTD_IMPORT_SEED").map { UInt64($0) } ?? UInt64.random(in: 1...1_000_000)
    }

    /// Rows that are given before the kill: more than fit into a pipe, less than all.
    private static func rowsBefore(_ seed: UInt64) -> Int {
        var random = SeededGenerator(seed: seed)
        return rowCount / 10 + Int(random.next() % UInt64(rowCount * 8 / 10))
    }

    @Test func anImportThatIsKilledIsFinishedByTheSameCommand() async throws {
        let seed = Self.seed()
        let rows = Self.rowsBefore(seed)
        let site = try await Site()
        let file = site.folder.file("rows.csv")
        try ImportFile(site.salon).write(Self.rowCount, to: file)
        let ended = try await site.interrupted(after: rows) { $0 }
        #expect(ended.code == -SIGKILL, "seed \(seed): \(ended.errors)")
        try await site.finishAndAudit(file, rows: Self.rowCount, note: "seed \(seed)")
        site.stop()
        print("import: consentctl killed among \(Self.rowCount) rows, 0 lost, 0 doubled")
    }

    @Test func anImportWhoseServerIsKilledIsFinishedByTheSameCommand() async throws {
        let seed = Self.seed()
        let rows = Self.rowsBefore(seed)
        var site = try await Site()
        let file = site.folder.file("rows.csv")
        try ImportFile(site.salon).write(Self.rowCount, to: file)
        let daemon = site.daemon.program
        let ended = try await site.interrupted(after: rows) { _ in daemon }
        #expect(daemon.wait().code == -SIGKILL)
        #expect(ended.code == 69, "seed \(seed): \(ended.errors)")
        #expect(ended.errors.contains("run the same command again"), "\(ended.errors)")

        site.daemon = try DaemonUnderTest(stateFolder: site.state)
        try await site.finishAndAudit(file, rows: Self.rowCount, note: "seed \(seed)")
        site.stop()
        print("import: consentd killed among \(Self.rowCount) rows, 0 lost, 0 doubled")
    }

    /// One row in ten is bad, so that the list of bad rows is as long as it gets.
    @Test func memoryDoesNotGrowWithTheFile() async throws {
        let site = try await Site()
        let pipe = Pipe()
        let program = try ProgramUnderTest(
            "consentctl", site.arguments("-") + ["--errors", site.folder.file("bad.csv")],
            input: pipe.fileHandleForReading)
        try pipe.fileHandleForReading.close()
        let client = try await site.client()
        let file = ImportFile(site.salon)
        var written = 0
        var bad = 0
        func feed(_ count: Int) async throws -> Int {
            for first in stride(from: written, to: written + count, by: 9) {
                let text = file.rows(first..<first + 9) + "grant,salon-nowhere\n"
                try pipe.fileHandleForWriting.write(contentsOf: Data(text.utf8))
                bad += 1
            }
            written += (count + 8) / 9 * 9
            // What makes no whole request waits for the end of the file.
            while try await client.stats().sequence + 2_000 < site.start + UInt64(written) {
                try await Task.sleep(for: .milliseconds(5))
            }
            return try #require(program.residentBytesMax)
        }
        try pipe.fileHandleForWriting.write(contentsOf: Data(ImportFile.header.utf8))
        let early = try await feed(Self.rowCount)
        let late = try await feed(Self.rowCount * 4)
        #expect(late - early < 8 << 20, "from \(early) to \(late) bytes over \(Self.rowCount * 4) rows")
        try pipe.fileHandleForWriting.close()
        let ended = await program.finished()
        #expect(ended.code == 65, "\(ended.errors)")
        let answer = try JSON(parsing: Array(ended.output.utf8))
        #expect(answer["recorded"]?.integerValue.map(Int.init) == written)
        #expect(answer["unreadable"]?.integerValue.map(Int.init) == bad)
        let listed = try String(contentsOfFile: site.folder.file("bad.csv"), encoding: .utf8)
        #expect(listed.split(separator: "\n").count == bad + 1)
        await client.close()
        site.stop()
        print(
            "import: consentctl \(early >> 10) KiB after \(Self.rowCount) rows, \(late >> 10) after \(written)"
        )
    }
}
