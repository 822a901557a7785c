// An index in a file, from which a start fills its memory without reading every state row.
//
//     header     4,096 bytes, the last to be written
//     entries    16 bytes each: a slot's two words (SlotTable.swift) without filter bits, in the order of
//                the lines
//     profiles   the arena's units (ProfileTable.swift) from unit 0 on
//     sums       u32 CRC32C of each chunk of 256 KiB of the entries, then of the profiles; a chunk does not
//                reach from one part into the next
//
//     header     0  8 B "CNSDINDX"              48 u64 sequence          112 u32 CRC32C of the sums
//                8 u32 format                   56 u64 last sequence     116 zero bytes up to
//               12 u32 bytes of a chunk         64 32 B leaf hash       4092 u32 CRC32C of the bytes before
//               16 16 B incarnation             96 u64 entries
//               32 16 B check of the keys      104 u64 bytes of profiles
//
// Numbers stand as in memory: a machine of the other byte order finds another format number.
//
// The cut. The copy is made in pieces between the writer's changes, so it is of no one moment. Every change
// up to `sequence` is in it; later ones, up to `lastSequence`, may be, in whole or in part. Whoever loads it
// therefore puts every contact point anew that an event after `sequence` is about, before anything is
// answered; what is left is as it was at `sequence`. Two things must hold while it is made, and end it
// otherwise: no slot moves (no growth), and no contact point is in the overflow table.
//
// Invariant: a snapshot is never the truth. One that is torn, changed, of another register or of other events
// is refused, and the index is filled from the state rows.

import CPlatform
import Glibc

/// What a snapshot says of itself, to be compared with the register.
public struct SnapshotMark: Hashable, Sendable {
    /// 16 bytes: of the register that the index was of.
    public var incarnation: [UInt8]
    /// 16 bytes: check value of the secret that the keys depend on.
    public var keyCheck: [UInt8]
    /// Every change up to this event is in it.
    public var sequence: UInt64
    /// Changes up to this event may be in it.
    public var lastSequence: UInt64
    /// 32 bytes: hash of the leaf of event `lastSequence`. Sequences are dense and leaves hold random bytes,
    /// so a register with this leaf has all the events that the snapshot knows.
    public var leafHash = [UInt8](repeating: 0, count: 32)

    /// The mark of a snapshot that begins; each value is described at its property.
    public init(incarnation: [UInt8], keyCheck: [UInt8], sequence: UInt64) {
        precondition(incarnation.count == 16 && keyCheck.count == 16)
        self.incarnation = incarnation
        self.keyCheck = keyCheck
        self.sequence = sequence
        lastSequence = sequence
    }
}

/// Why a snapshot was not written, or is not used.
public enum SnapshotError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no file.
    case missing
    /// The system refused something.
    case system(action: String, code: Int32)
    /// The file is no snapshot of this form, or was cut or changed.
    case damaged(String)
    /// The index cannot take it.
    case index(IndexError)

    /// Says what is the matter.
    public var description: String {
        switch self {
        case .missing: "there is none"
        case .system(let action, let code): "cannot \(action) it: \(String(cString: strerror(code)))"
        case .damaged(let what): "it is torn or damaged: \(what)"
        case .index(let error): "\(error)"
        }
    }
}

/// The header, as bytes and as values.
struct SnapshotHeader {
    var mark: SnapshotMark
    var entryCount: Int
    var profileBytes: Int
    var sumsChecksum: UInt32

    static let byteCount = 4_096
    static let chunkBytes = 1 << 18
    static let entryBytes = 16
    private static let magic: [UInt8] = Array("CNSDINDX".utf8)
    private static let format: UInt32 = 1

    // MARK: Places in the file

    var entryBytes: Int { entryCount * Self.entryBytes }
    var profilesOffset: Int { Self.byteCount + entryBytes }
    var sumsOffset: Int { profilesOffset + profileBytes }
    var entryChunks: Int { Self.chunks(entryBytes) }
    var profileChunks: Int { Self.chunks(profileBytes) }
    var fileBytes: Int { sumsOffset + (entryChunks + profileChunks) * 4 }

    static func chunks(_ byteCount: Int) -> Int { (byteCount + chunkBytes - 1) / chunkBytes }

    // MARK: Bytes

    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        bytes.withUnsafeMutableBytes { bytes in
            func copy(_ part: [UInt8], to offset: Int) {
                UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + part.count]).copyBytes(
                    from: part)
            }
            copy(Self.magic, to: 0)
            bytes.storeBytes(of: Self.format, toByteOffset: 8, as: UInt32.self)
            bytes.storeBytes(of: UInt32(Self.chunkBytes), toByteOffset: 12, as: UInt32.self)
            copy(mark.incarnation, to: 16)
            copy(mark.keyCheck, to: 32)
            bytes.storeBytes(of: mark.sequence, toByteOffset: 48, as: UInt64.self)
            bytes.storeBytes(of: mark.lastSequence, toByteOffset: 56, as: UInt64.self)
            copy(mark.leafHash, to: 64)
            bytes.storeBytes(of: UInt64(entryCount), toByteOffset: 96, as: UInt64.self)
            bytes.storeBytes(of: UInt64(profileBytes), toByteOffset: 104, as: UInt64.self)
            bytes.storeBytes(of: sumsChecksum, toByteOffset: 112, as: UInt32.self)
            let sum = consent_crc32c(0, bytes.baseAddress, Self.byteCount - 4)
            bytes.storeBytes(of: sum, toByteOffset: Self.byteCount - 4, as: UInt32.self)
        }
        return bytes
    }

    /// Reads a header of a file of so many bytes.
    init(_ bytes: UnsafeRawBufferPointer, fileBytes: Int) throws(SnapshotError) {
        guard bytes.count == Self.byteCount, fileBytes >= Self.byteCount else {
            throw .damaged("it ends in its header")
        }
        guard bytes.prefix(8).elementsEqual(Self.magic) else { throw .damaged("it is no snapshot") }
        guard bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self) == Self.format,
            bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self) == UInt32(Self.chunkBytes)
        else { throw .damaged("another version of the program wrote it") }
        let sum = bytes.loadUnaligned(fromByteOffset: Self.byteCount - 4, as: UInt32.self)
        guard sum == consent_crc32c(0, bytes.baseAddress, Self.byteCount - 4) else {
            throw .damaged("its header differs from its checksum")
        }
        mark = SnapshotMark(
            incarnation: Array(bytes[16..<32]), keyCheck: Array(bytes[32..<48]),
            sequence: bytes.loadUnaligned(fromByteOffset: 48, as: UInt64.self))
        mark.lastSequence = bytes.loadUnaligned(fromByteOffset: 56, as: UInt64.self)
        mark.leafHash = Array(bytes[64..<96])
        let entries = bytes.loadUnaligned(fromByteOffset: 96, as: UInt64.self)
        let profiles = bytes.loadUnaligned(fromByteOffset: 104, as: UInt64.self)
        // Small enough that no sum below can overflow.
        guard entries <= 1 << 40, profiles <= 1 << 40 else { throw .damaged("its sizes are impossible") }
        entryCount = Int(entries)
        profileBytes = Int(profiles)
        sumsChecksum = bytes.loadUnaligned(fromByteOffset: 112, as: UInt32.self)
        guard self.fileBytes == fileBytes else {
            throw .damaged("it has \(fileBytes) bytes instead of \(self.fileBytes)")
        }
    }

    init(mark: SnapshotMark, entryCount: Int, profileBytes: Int, sumsChecksum: UInt32) {
        self.mark = mark
        self.entryCount = entryCount
        self.profileBytes = profileBytes
        self.sumsChecksum = sumsChecksum
    }
}
