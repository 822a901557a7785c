// A compiled SQL statement: bind, step, read columns, reset.
//
// Invariant: a statement is reset before the call that used it returns, so no read transaction outlives a
// call (an open one would hold back checkpoints).

import CSQLite
import ConsentDomain

/// Owns a compiled statement.
struct Statement: ~Copyable {
    private let handle: OpaquePointer
    private let connection: OpaquePointer

    init(handle: OpaquePointer, connection: OpaquePointer) {
        self.handle = handle
        self.connection = connection
    }

    deinit { sqlite3_finalize(handle) }

    // MARK: Parameters, from 1

    func bind(_ place: Int32, _ number: Int64) {
        let code = sqlite3_bind_int64(handle, place, number)
        precondition(code == SQLITE_OK, "binding parameter \(place) gives \(code)")
    }

    func bind(_ place: Int32, sequence: UInt64) { bind(place, Int64(bitPattern: sequence)) }

    func bind(_ place: Int32, _ text: String) {
        let code = sqlite3_bind_text(handle, place, text, -1, Self.transient)
        precondition(code == SQLITE_OK, "binding parameter \(place) gives \(code)")
    }

    func bind(_ place: Int32, _ bytes: [UInt8]) { bytes.withUnsafeBytes { bind(place, $0) } }

    func bind(_ place: Int32, _ bytes: UnsafeRawBufferPointer) {
        let code =
            bytes.isEmpty
            ? sqlite3_bind_zeroblob(handle, place, 0)
            : sqlite3_bind_blob64(handle, place, bytes.baseAddress, UInt64(bytes.count), Self.transient)
        precondition(code == SQLITE_OK, "binding parameter \(place) gives \(code)")
    }

    /// A slot key as 16 bytes in the order of the keys.
    func bind(_ place: Int32, _ key: SlotKey) { StateRow.withBytes(of: key) { bind(place, $0) } }

    /// The same without a copy: the bytes have to stay until the statement is reset.
    private func bindInPlace(_ place: Int32, _ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return bind(place, bytes) }
        let code = sqlite3_bind_blob64(handle, place, start, UInt64(bytes.count), nil)
        precondition(code == SQLITE_OK, "binding parameter \(place) gives \(code)")
    }

    // MARK: Steps

    /// Moves to the next row.
    /// - Returns: false after the last one, when the statement is also reset.
    func step(_ action: String) throws(RegisterError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            reset()
            return false
        default:
            let failure = Database.failure(connection, action)
            reset()
            throw RegisterError(failure)
        }
    }

    /// Runs a statement that gives no rows.
    func run(_ action: String) throws(RegisterError) {
        while try step(action) {}
    }

    /// Runs a statement that takes a sequence and a blob and gives no rows.
    func run(_ action: String, _ sequence: UInt64, _ blob: [UInt8]) throws(RegisterError) {
        try blob.span.bytes.withUnsafeBytes { bytes throws(RegisterError) in
            bind(1, sequence: sequence)
            bindInPlace(2, bytes)
            try run(action)
        }
    }

    /// Runs a statement that takes a sequence and two blobs and gives no rows.
    func run(
        _ action: String, _ sequence: UInt64, _ first: [UInt8], _ second: [UInt8]
    ) throws(RegisterError) {
        try second.span.bytes.withUnsafeBytes { bytes throws(RegisterError) in
            bindInPlace(3, bytes)
            try run(action, sequence, first)
        }
    }

    /// Ends the run; bound values go too, so that nothing personal stays in memory longer than needed.
    func reset() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    // MARK: Columns, from 0

    func int64(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func sequence(_ column: Int32) -> UInt64 { UInt64(bitPattern: int64(column)) }

    func text(_ column: Int32) -> String {
        guard let bytes = sqlite3_column_text(handle, column) else { return "" }
        return String(cString: bytes)
    }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    /// Bytes of a column, which stay until the next step.
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(
            start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
    }

    func array(_ column: Int32) -> [UInt8] { [UInt8](bytes(column)) }

    /// Tells SQLite to copy what is bound: SQLITE_TRANSIENT, which is -1 in place of a function.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
}
