// Goal: no page reaches the database file with bytes that it does not use, and no page loses one that it
// does. Method: the same random inserts, updates and deletes through the default file layer and through the
// scrubbing one, with pages that split, merge and overflow; then every page of both files read by a parser of
// its own. The default layer must leave such bytes, or the search would prove nothing.

import CSQLite
import CScrub
import Foundation
import TestRandomness
import Testing

@Suite struct ScrubTests {
    /// The unused bytes of a B-tree page: its gap and its free blocks, the four bytes of each header aside.
    private static func unused(_ page: ArraySlice<UInt8>, isFirst: Bool) -> [UInt8]? {
        let bytes = Array(page)
        let header = isFirst ? 100 : 0
        func number(_ offset: Int) -> Int { Int(bytes[offset]) << 8 | Int(bytes[offset + 1]) }
        guard [0x02, 0x05, 0x0A, 0x0D].contains(bytes[header]) else { return nil }
        let isLeaf = bytes[header] >= 0x0A
        let gap = header + (isLeaf ? 8 : 12) + 2 * number(header + 3)
        var found = Array(bytes[gap..<max(gap, number(header + 5))])
        var block = number(header + 1)
        while block != 0 {
            found += bytes[(block + 4)..<(block + number(block + 2))]
            block = number(block)
        }
        return found
    }

    /// Makes a database by a seeded series of changes.
    /// - Returns: its bytes, a digest of its rows, and what `integrity_check` says.
    private static func workload(
        seed: UInt64, layer: UnsafePointer<CChar>?, secureDelete: Bool, path: String
    ) throws -> (file: [UInt8], rows: String, integrity: String) {
        var handle: OpaquePointer?
        try #require(
            sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, layer) == SQLITE_OK)
        defer { sqlite3_close_v2(handle) }
        func run(_ sql: String) throws {
            try #require(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK, "\(sql)")
        }
        func text(_ sql: String) throws -> String {
            var statement: OpaquePointer?
            try #require(sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK)
            defer { sqlite3_finalize(statement) }
            try #require(sqlite3_step(statement) == SQLITE_ROW)
            return String(cString: sqlite3_column_text(statement, 0))
        }
        try run("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=20")
        try run("PRAGMA secure_delete=\(secureDelete ? "ON" : "OFF")")
        try run("CREATE TABLE tree (id BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        try run("CREATE TABLE list (number INTEGER PRIMARY KEY, body BLOB)")
        var random = SeededGenerator(seed: seed)
        var held: [(key: String, number: Int)] = []
        for number in 1...6_000 {
            if number % 200 == 1 { try run("BEGIN") }
            let key = String(random.next(), radix: 16) + String(random.next(), radix: 16)
            // Some bodies are longer than a page, so there are overflow pages too.
            let length = number % 97 == 0 ? 9_000 : 20 + Int(random.next() % 150)
            try run("INSERT INTO tree VALUES ('\(key)', \(number))")
            try run("INSERT INTO list VALUES (\(number), hex(zeroblob(\(length / 2))) || '\(key)')")
            held.append((key, number))
            if number % 3 == 0 {
                let gone = held.remove(at: Int(random.next() % UInt64(held.count)))
                try run("DELETE FROM tree WHERE id = '\(gone.key)'")
                try run("DELETE FROM list WHERE number = \(gone.number)")
            }
            if number % 200 == 0 {
                try run("COMMIT")
                if number % 1_000 == 0 { try run("PRAGMA wal_checkpoint(TRUNCATE)") }
            }
        }
        try run("PRAGMA wal_checkpoint(TRUNCATE)")
        let rows = try text(
            "SELECT (SELECT group_concat(id || number) FROM tree) || (SELECT group_concat(body) FROM list)")
        return (
            Array(try Data(contentsOf: URL(fileURLWithPath: path))), rows, try text("PRAGMA integrity_check")
        )
    }

    /// Bytes other than zero that B-tree pages do not use, and B-tree pages.
    private static func leftovers(_ file: [UInt8]) -> (bytes: Int, pages: Int) {
        var found = (bytes: 0, pages: 0)
        for start in stride(from: 0, to: file.count, by: 4096) {
            guard let bytes = unused(file[start..<(start + 4096)], isFirst: start == 0) else { continue }
            found.pages += 1
            found.bytes += bytes.count { $0 != 0 }
        }
        return found
    }

    @Test(arguments: [UInt64(5), 6, 7]) func noPageReachesTheFileWithBytesThatItDoesNotUse(seed: UInt64)
        throws
    {
        let layer = try #require(consent_scrub_vfs())
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "scrub-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
        let plain = try Self.workload(seed: seed, layer: nil, secureDelete: true, path: path("plain"))
        let bare = try Self.workload(seed: seed, layer: layer, secureDelete: false, path: path("bare"))
        let clean = try Self.workload(seed: seed, layer: layer, secureDelete: true, path: path("clean"))
        #expect(Self.leftovers(plain.file).bytes > 0, "secure_delete alone would do")
        for result in [bare, clean] {
            #expect(result.integrity == "ok", "seed \(seed)")
            #expect(result.rows == plain.rows, "seed \(seed)")
            let found = Self.leftovers(result.file)
            #expect(found.bytes == 0 && found.pages > 200, "seed \(seed): \(found)")
        }
    }

    @Test func pagesOfAnotherFormStayAsTheyAre() {
        var random = SeededGenerator(seed: 11)
        for round in 0..<200_000 {
            var page = (0..<512).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            // Three in four begin like a B-tree page, and some have a plausible header.
            if round % 4 != 0 { page[0] = [0x02, 0x05, 0x0A, 0x0D][round % 4] }
            if round % 2 == 0 { page.replaceSubrange(1..<5, with: [0, 0, 0, 3]) }
            let before = page
            let isTree = consent_scrub_page(&page, 512, 0) == 1
            if !isTree { #expect(page == before) }
            guard isTree else { continue }
            // Only what the header says is unused may have changed.
            let cells = Int(before[3]) << 8 | Int(before[4])
            let gap = (before[0] >= 0x0A ? 8 : 12) + 2 * cells
            #expect(page[..<gap] == before[..<gap])
        }
    }
}
