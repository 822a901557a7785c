// One connection to one SQLite file, with the settings that durable commits need.
//
// One connection and one thread: `locking_mode=EXCLUSIVE` is set before WAL, so that no other process can
// open the file and the WAL index lives in this process's memory. SQLite 3.7.0 to 3.51.2 can lose committed
// transactions when one connection writes while another checkpoints; here there is no other. Settings are
// read back and insisted on.
//
// Invariant: errors carry SQLite's message and what was being done, never a bound value.

import CSQLite
import CScrub

/// Owns a connection. Used from one thread at a time.
struct Database: ~Copyable {
    /// How a file is opened.
    enum Mode {
        /// An existing file, for one process alone.
        case existing
        /// A file that does not exist yet, or is empty.
        case new
        /// A file that nobody writes, without locks or journal.
        case immutable
        /// The target of a backup: a plain file without WAL.
        case backupTarget
    }

    let handle: OpaquePointer

    init(path: String, mode: Mode) throws(RegisterError) {
        var flags = SQLITE_OPEN_NOMUTEX
        var name = path
        switch mode {
        case .existing: flags |= SQLITE_OPEN_READWRITE
        case .new, .backupTarget: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        case .immutable:
            flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
            name = "file:\(Self.percentEncoded(path))?immutable=1"
        }
        // What is written is written without the bytes that its pages do not use.
        guard let layer = consent_scrub_vfs() else {
            throw .settingRefused(name: "vfs", found: "the default one", wanted: "consentd")
        }
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(name, &opened, flags, layer)
        guard code == SQLITE_OK, let opened else {
            let action = "opening \(path)"
            let failure =
                opened.map { Self.failure($0, action) }
                ?? SQLiteFailure(code: code, extendedCode: code, message: "out of memory", action: action)
            sqlite3_close_v2(opened)
            if failure.code == SQLITE_CANTOPEN, mode != .new { throw .missing(path: path) }
            throw RegisterError(failure)
        }
        handle = opened
        sqlite3_extended_result_codes(handle, 1)
    }

    deinit {
        // Statements that still live keep the connection until they go.
        sqlite3_close_v2(handle)
    }

    // MARK: Seals

    /// Whether each page ends with a checksum that is compared whenever it is read (CScrub.c). To be asked
    /// after something was read.
    var isSealed: Bool {
        var bytes: Int32 = -1
        let code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes)
        return code == SQLITE_OK && bytes == Int32(CONSENT_SEAL_BYTES)
    }

    /// Gives each page of an empty file such a checksum.
    func seal() throws(RegisterError) {
        var bytes = Int32(CONSENT_SEAL_BYTES)
        let operations = [SQLITE_FCNTL_RESERVE_BYTES, Int32(CONSENT_CONTROL_SEAL)]
        for operation in operations
        where sqlite3_file_control(handle, "main", operation, &bytes) != SQLITE_OK {
            throw RegisterError(failure("sealing the register"))
        }
    }

    // MARK: Settings

    /// Makes the connection exclusive and its commits durable. To be called before anything is read.
    /// - Parameters:
    ///   - cacheBytes: memory for pages.
    func configure(cacheBytes: Int) throws(RegisterError) {
        guard consent_sqlite_set_defensive(handle) == SQLITE_OK else {
            throw RegisterError(failure("setting defensive mode"))
        }
        try insist("locking_mode", "EXCLUSIVE", reads: "exclusive")
        // Both take a lock, so a second process is found out here.
        try insist("journal_mode", "WAL", reads: "wal")
        try insist("synchronous", "FULL", reads: "2")
        try insist("foreign_keys", "ON", reads: "1")
        try insist("trusted_schema", "OFF", reads: "0")
        try insist("cell_size_check", "ON", reads: "1")
        try insist("secure_delete", "ON", reads: "1")
        try insist("recursive_triggers", "ON", reads: "1")
        // Checkpoints are made by the register, which has to see their errors.
        try insist("wal_autocheckpoint", "0", reads: "0")
        try insist("temp_store", "MEMORY", reads: "2")
        try execute("PRAGMA mmap_size=0", "setting mmap_size")
        try execute("PRAGMA cache_size=-\(max(1, cacheBytes / 1024))", "setting cache_size")
        // Exclusive locking takes the lock for good with the first transaction.
        try execute("BEGIN IMMEDIATE", "locking the register")
        try commit("locking the register")
    }

    /// Whether a commit waits until the disk has it. Where it does not, the next one that does brings the
    /// earlier ones along: they stand before it in the one log. Never within a transaction.
    func setSynchronous(_ isFull: Bool) throws(RegisterError) {
        try insist("synchronous", isFull ? "FULL" : "NORMAL", reads: isFull ? "2" : "1")
    }

    /// Runs statements that give no rows anyone needs.
    func execute(_ sql: String, _ action: String) throws(RegisterError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
            throw RegisterError(failure(action))
        }
    }

    /// Begins a transaction.
    func begin(_ action: String) throws(RegisterError) {
        try execute("BEGIN IMMEDIATE", action)
    }

    /// Ends a transaction; after an error nothing of it is left.
    func commit(_ action: String) throws(RegisterError) {
        guard sqlite3_exec(handle, "COMMIT", nil, nil, nil) == SQLITE_OK else {
            let error = RegisterError(commit: failure(action))
            if !error.isFatal { try rollback(action) }
            throw error
        }
    }

    /// Drops a transaction, if SQLite has not already done so by itself.
    func rollback(_ action: String) throws(RegisterError) {
        guard sqlite3_get_autocommit(handle) == 0 else { return }
        guard sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) == SQLITE_OK else {
            throw .commitFailed(failure(action))
        }
    }

    /// A compiled statement, to be kept and used again.
    func prepare(_ sql: String) throws(RegisterError) -> Statement {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw RegisterError(failure("preparing a statement")) }
        return Statement(handle: prepared, connection: handle)
    }

    /// Drops all pages from memory, so that what is read next comes from the file.
    func dropCache(_ action: String) throws(RegisterError) {
        guard sqlite3_db_release_memory(handle) == SQLITE_OK else { throw RegisterError(failure(action)) }
    }

    /// The first column of the first row, as text.
    func text(_ sql: String, _ action: String) throws(RegisterError) -> String {
        let statement = try prepare(sql)
        return try statement.step(action) ? statement.text(0) : ""
    }

    /// The first column of the first row, as a number; 0 without rows.
    func number(_ sql: String, _ action: String) throws(RegisterError) -> Int64 {
        let statement = try prepare(sql)
        return try statement.step(action) ? statement.int64(0) : 0
    }

    /// Leaves the files as they are when the connection ends, whose closing would otherwise sync them.
    func leaveLog() { _ = consent_sqlite_leave_log(handle) }

    /// What SQLite says of the last call.
    func failure(_ action: String) -> SQLiteFailure { Self.failure(handle, action) }

    static func failure(_ handle: OpaquePointer, _ action: String) -> SQLiteFailure {
        let extended = sqlite3_extended_errcode(handle)
        return SQLiteFailure(
            code: extended & 0xFF, extendedCode: extended, message: String(cString: sqlite3_errmsg(handle)),
            action: action)
    }

    // MARK: Parts

    private func insist(_ name: String, _ value: String, reads wanted: String) throws(RegisterError) {
        let action = "setting \(name)"
        try execute("PRAGMA \(name)=\(value)", action)
        let found = try text("PRAGMA \(name)", action)
        guard found.lowercased() == wanted else {
            throw .settingRefused(name: name, found: found, wanted: wanted)
        }
    }

    private static func percentEncoded(_ path: String) -> String {
        var text = ""
        for byte in path.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."),
                UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text
    }
}
