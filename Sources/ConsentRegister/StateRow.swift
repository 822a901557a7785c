// One state row: what a contact point's events fold to, laid out so that a start can fill the index without
// decoding the fold.
//
// Key, 16 bytes: `high`, then `low` of the slot key, big-endian, so that SQLite's byte order is the order
// of the keys.
//
// Row, little-endian:
//
//     0 u32 CRC32C of the key's 16 bytes and of bytes 4… of the row
//     4 u16 anchor day of the profile
//     6 u16 byte count of the profile record
//     8 profile record
//       then the canonical form of the ContactState, to the end
//
// Invariant: a row that was not written by `encode` for its own key is found out by its checksum.

import CPlatform
import ConsentDomain

/// Reads and writes state rows.
enum StateRow {
    /// What a row holds for the index. The record points into the row.
    struct Profile {
        let anchorDay: UInt16
        let record: UnsafeRawBufferPointer
    }

    static let headerByteCount = 8

    /// The row of a state.
    /// - Parameter profile: the state's.
    static func encode(_ key: SlotKey, _ state: ContactState, _ profile: ContactProfile) -> [UInt8] {
        let encoded = state.encoded
        var row = [UInt8]()
        row.reserveCapacity(headerByteCount + profile.record.count + encoded.count)
        row.append(contentsOf: [0, 0, 0, 0])
        withUnsafeBytes(of: profile.anchorDay.littleEndian) { row.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt16(profile.record.count).littleEndian) { row.append(contentsOf: $0) }
        row.append(contentsOf: profile.record)
        row.append(contentsOf: encoded)
        row.withUnsafeMutableBytes {
            let sum = checksum(key, UnsafeRawBufferPointer($0))
            $0.storeBytes(of: sum.littleEndian, as: UInt32.self)
        }
        return row
    }

    /// The profile of a row; nil where the row is damaged.
    @inline(__always)
    static func profile(_ key: SlotKey, _ row: UnsafeRawBufferPointer) -> Profile? {
        guard row.count >= headerByteCount else { return nil }
        let recordCount = Int(UInt16(littleEndian: row.loadUnaligned(fromByteOffset: 6, as: UInt16.self)))
        guard row.count - headerByteCount >= recordCount,
            UInt32(littleEndian: row.loadUnaligned(as: UInt32.self)) == checksum(key, row)
        else { return nil }
        return Profile(
            anchorDay: UInt16(littleEndian: row.loadUnaligned(fromByteOffset: 4, as: UInt16.self)),
            record: UnsafeRawBufferPointer(rebasing: row[headerByteCount..<headerByteCount + recordCount]))
    }

    /// The state of a row.
    static func state(_ key: SlotKey, _ row: UnsafeRawBufferPointer) throws(RegisterError) -> ContactState {
        guard let profile = profile(key, row) else { throw damaged }
        do {
            return try ContactState(decoding: [UInt8](row[(headerByteCount + profile.record.count)...]))
        } catch {
            throw .corrupt("a state row: \(error)")
        }
    }

    static let damaged = RegisterError.corrupt("a state row differs from its checksum")

    // MARK: Keys

    static func withBytes<Result>(of key: SlotKey, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: (key.high.bigEndian, key.low.bigEndian), body)
    }

    /// The key of 16 bytes; nil for another count.
    @inline(__always)
    static func key(_ bytes: UnsafeRawBufferPointer) -> SlotKey? {
        guard bytes.count == 16 else { return nil }
        return SlotKey(
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)))
    }

    /// - Precondition: the row has 4 bytes or more.
    @inline(__always)
    private static func checksum(_ key: SlotKey, _ row: UnsafeRawBufferPointer) -> UInt32 {
        let start = withBytes(of: key) { consent_crc32c(0, $0.baseAddress, 16) }
        let rest = UnsafeRawBufferPointer(rebasing: row[4...])
        return consent_crc32c(start, rest.baseAddress, rest.count)
    }
}

extension OverlaySlot {
    /// The state that the row holds.
    func state(_ key: SlotKey) throws(RegisterError) -> ContactState {
        try row.span.bytes.withUnsafeBytes { bytes throws(RegisterError) in try StateRow.state(key, bytes) }
    }

    /// The controller of the contact point.
    func controller(_ key: SlotKey) throws(RegisterError) -> ControllerID {
        try row.span.bytes.withUnsafeBytes { bytes throws(RegisterError) in
            try StateRow.controller(key, bytes)
        }
    }
}
