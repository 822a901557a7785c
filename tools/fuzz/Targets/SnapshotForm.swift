// A snapshot's file as an input writes it, and how to make its sums fit: see SnapshotTarget.swift.

import CPlatform
import ConsentDomain
import ConsentIndex
import Glibc
import TestRandomness

/// An input, read as a snapshot of one chunk of entries and one of profiles at most.
struct SnapshotForm {
    /// The input.
    var bytes: [UInt8]

    /// Bytes of the file's header that say something, then its checksum.
    static let headBytes = saidBytes + 4
    private static let saidBytes = 116
    private static let headerBytes = 4_096
    private static let chunkBytes = 1 << 18
    private static let unitBytes = 16
    private static let entryBytes = 16
    private static let entriesMax = 64

    private enum Offset {
        static let format = 8, chunk = 12, entries = 96, profiles = 104, sums = 112
    }

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    // MARK: Reading

    private var entryCount: Int {
        Int(truncatingIfNeeded: bytes.number(UInt64.self, at: Offset.entries) & 0xFFFF)
    }
    private var profileBytes: Int {
        Int(truncatingIfNeeded: bytes.number(UInt64.self, at: Offset.profiles) & 0xFF_FFFF)
    }
    private var entryRange: Range<Int> {
        Self.headBytes..<max(Self.headBytes, min(bytes.count, Self.headBytes + entryCount * Self.entryBytes))
    }
    private var profileRange: Range<Int> {
        entryRange
            .upperBound..<max(entryRange.upperBound, min(bytes.count, entryRange.upperBound + profileBytes))
    }

    /// The keys of the entries, with the sixteen bits of their high half that a snapshot knows.
    var entries: [SlotKey] {
        places.map {
            SlotKey(low: bytes.number(at: $0), high: bytes.number(UInt64.self, at: $0 + 8) >> 40 & 0xFFFF)
        }
    }

    /// The profile of each entry.
    var references: [UInt32] { places.map { bytes.number(UInt32.self, at: $0 + 8) & 0xFF_FFFF } }

    private var places: [Int] {
        stride(
            from: entryRange.lowerBound, to: entryRange.upperBound - Self.entryBytes + 1, by: Self.entryBytes
        )
        .map { $0 }
    }

    /// The file's bytes.
    private var file: [UInt8] {
        guard bytes.count >= Self.headBytes else { return bytes }
        return bytes[..<Self.saidBytes] + [UInt8](repeating: 0, count: Self.headerBytes - Self.headBytes)
            + bytes[Self.saidBytes...]
    }

    /// Whether every checksum of the file is right.
    var isSealed: Bool {
        let file = file
        guard file.count >= Self.headerBytes,
            checksum(file[..<(Self.headerBytes - 4)]) == file.number(at: Self.headerBytes - 4)
        else { return false }
        let sums = sums
        return bytes.suffix(sums.count).elementsEqual(sums)
            && bytes.count == profileRange.upperBound + sums.count
            && checksum(sums) == bytes.number(at: Offset.sums)
    }

    /// The list of checksums that the parts ask for.
    private var sums: [UInt8] {
        var sums: [UInt8] = []
        for part in [entryRange, profileRange] where !part.isEmpty {
            var sum: [UInt8] = [0, 0, 0, 0]
            sum.store(checksum(bytes[part]), at: 0)
            sums += sum
        }
        return sums
    }

    /// Lends the path of a file in memory that has these bytes.
    func withFile<Result>(_ body: (String) throws(SnapshotError) -> Result) throws(SnapshotError) -> Result {
        let name = "/consentd-fuzz-\(UInt64.random(in: 0 ... .max))"
        let descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0, "no file in memory")
        shm_unlink(name)
        defer { close(descriptor) }
        let file = file
        let written = file.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        precondition(written == file.count, "the file in memory is cut")
        return try body("/proc/self/fd/\(descriptor)")
    }

    // MARK: Writing

    /// Profiles, and so many entries that refer to each.
    mutating func fill(profiles: [[UInt8]], entriesOfEach count: Int) {
        var arena = Self.firstUnits
        var entries: [UInt8] = []
        for record in profiles {
            for entry in 0..<count {
                var words = [UInt8](repeating: 0, count: Self.entryBytes)
                words.store(UInt64(entries.count + entry + 1) << 32 | 7, at: 0)
                words.store(UInt64(arena.count / Self.unitBytes) | 20_000 << 24, at: 8)
                entries += words
            }
            arena += [UInt8](repeating: 0, count: 8) + record
            arena += [UInt8](
                repeating: 0, count: (Self.unitBytes - arena.count % Self.unitBytes) % Self.unitBytes)
        }
        bytes = [UInt8](repeating: 0, count: Self.headBytes) + entries + arena + [0, 0, 0, 0, 0, 0, 0, 0]
        bytes.store(UInt64(entries.count / Self.entryBytes), at: Offset.entries)
        bytes.store(UInt64(arena.count), at: Offset.profiles)
    }

    /// Unit 0 and 1 of an arena: the empty record, and zeros.
    private static let firstUnits: [UInt8] =
        [UInt8](repeating: 0, count: 12) + [8, 0, 0, 0] + [UInt8](repeating: 0, count: 16)

    /// Makes magic, sizes, the hashes of the profiles and all checksums fit, each of them mostly.
    mutating func repair(byteCountMax: Int, using random: inout SeededGenerator, isSure: Bool = false) {
        func does() -> Bool { isSure || random.below(16) != 0 }
        while bytes.count < Self.headBytes + Self.firstUnits.count + 8 { bytes.append(0) }
        if does() {
            bytes.replaceSubrange(0..<8, with: Array("CNSDINDX".utf8))
            bytes.store(UInt32(1), at: Offset.format)
            bytes.store(UInt32(Self.chunkBytes), at: Offset.chunk)
        }
        if !isSure, random.below(8) == 0 { bytes.store(UInt64(random.below(6)), at: Offset.entries) }
        if does() { resize(byteCountMax) }
        if does() { repairProfiles() }
        if does() { repairEntries(using: &random) }
        let sums = sums
        if does(), bytes.count >= Self.headBytes + sums.count {
            bytes.replaceSubrange((bytes.count - sums.count)..., with: sums)
        }
        if does() { bytes.store(checksum(sums), at: Offset.sums) }
        if does() {
            let header = file.prefix(Self.headerBytes - 4)
            bytes.store(checksum(header), at: Self.saidBytes)
        }
    }

    /// Sizes that fill the file: as many entries as it says, the rest profiles.
    private mutating func resize(_ byteCountMax: Int) {
        if bytes.count > byteCountMax { bytes.removeLast(bytes.count - byteCountMax) }
        let room = bytes.count - Self.headBytes - 8
        let entries = min(entryCount, Self.entriesMax, max(0, room - Self.firstUnits.count) / Self.entryBytes)
        let profiles = (room - entries * Self.entryBytes) / Self.unitBytes * Self.unitBytes
        bytes.store(UInt64(entries), at: Offset.entries)
        bytes.store(UInt64(profiles), at: Offset.profiles)
        let end = Self.headBytes + entries * Self.entryBytes + profiles + (entries > 0 ? 8 : 4)
        while bytes.count > end { bytes.removeLast() }
        while bytes.count < end { bytes.append(0) }
    }

    /// Gives each record a length that is there, and its hash.
    private mutating func repairProfiles() {
        let arena = profileRange
        guard arena.count >= Self.firstUnits.count else { return }
        bytes.replaceSubrange(
            arena.lowerBound..<arena.lowerBound + Self.firstUnits.count, with: Self.firstUnits)
        var unit = arena.lowerBound + Self.firstUnits.count
        while unit + Self.unitBytes <= arena.upperBound {
            let room = arena.upperBound - unit - 8
            var count = Int(bytes.number(UInt16.self, at: unit + 12)) & ~7
            if count < 8 || count > room || count > ContactProfile.byteCountMax {
                count = min(8 + count % max(8, room - 7) & ~7, room & ~7)
            }
            bytes.store(UInt16(count), at: unit + 12)
            bytes.store(Self.hash(bytes[(unit + 8)..<(unit + 8 + count)]), at: unit + 4)
            unit += (8 + count + Self.unitBytes - 1) / Self.unitBytes * Self.unitBytes
        }
    }

    /// Gives each entry a profile, and most of them one that is there.
    private mutating func repairEntries(using random: inout SeededGenerator) {
        var starts: [UInt64] = []
        var unit = profileRange.lowerBound + Self.firstUnits.count
        while unit + Self.unitBytes <= profileRange.upperBound {
            starts.append(UInt64((unit - profileRange.lowerBound) / Self.unitBytes))
            let count = max(8, Int(bytes.number(UInt16.self, at: unit + 12)))
            unit += (8 + count + Self.unitBytes - 1) / Self.unitBytes * Self.unitBytes
        }
        guard !starts.isEmpty else { return }
        for place in places {
            let value: UInt64 = bytes.number(at: place + 8)
            if starts.contains(value & 0xFF_FFFF) || random.below(16) == 0 { continue }
            let start = starts[Int(value % UInt64(starts.count))]
            bytes.store(value & ~0xFF_FFFF | start, at: place + 8)
        }
    }

    /// The hash that a profile stands under (ProfileTable.swift).
    private static func hash(_ record: ArraySlice<UInt8>) -> UInt32 {
        let record = Array(record)
        var state: UInt64 = 0x2545_F491_4F6C_DD1D
        for offset in stride(from: 0, to: record.count & ~7, by: 8) {
            let word: UInt64 = record.number(at: offset)
            let product = (state ^ word).multipliedFullWidth(by: 0x9FB2_1C65_1E98_DF25)
            state = product.high ^ product.low &+ 0x9E37_79B9_7F4A_7C15
        }
        return UInt32(truncatingIfNeeded: state ^ state >> 32)
    }
}
