// The profiles: each distinct record once, counted, and addressed by the 24 bits that a slot has for it.
//
// Records stand in one arena of 16-byte units; a reference is the number of a record's first unit, so a
// reader goes from slot to record without a table between:
//
//     unit n   0 u32 contact points that use it   4 u32 hash
//              8 the record (ContactProfile), a multiple of 8 bytes
//
//     unit 0          the empty record: no channel, code 0. A missed search reads it like any other.
//     unit 1          zeros: read in the place of what a record lacks
//     unit 2²⁴ - 1    is never used: this reference means "see the overflow table"
//
// Invariant: a record's bytes change only while no slot refers to it and no reader can: it is written before
// the reference is stored in a slot (release), and its units are used again only a grace period after the
// last slot let it go (IndexPublication.swift). Count and hash belong to the writer.
//
// The writer finds equal records through an open-addressing table of words (hash << 32 | reference, 0: free)
// with linear probing, at most half full. It doubles in one go: a pause of the writer, not of readers.

import CPlatform
import ConsentDomain

/// What readers see: where records are.
struct ProfileReader: @unchecked Sendable {
    let base: UnsafeMutableRawPointer

    /// The reference that means "see the overflow table".
    static let overflowReference: UInt64 = 0xFF_FFFF

    /// The record that a value word refers to; meaningless for the overflow reference.
    @inline(__always)
    func record(_ value: UInt64) -> UnsafeRawPointer {
        UnsafeRawPointer(base) + (Int(truncatingIfNeeded: value & SlotWord.profileMask) &* 16 &+ 8)
    }

    @inline(__always)
    func find(_ place: CellPlace, _ value: UInt64) -> FoundCell {
        place.find(
            record: record(value), anchorDay: UInt16(truncatingIfNeeded: value >> SlotWord.dayShift),
            nothing: UnsafeRawPointer(base) + 16)
    }
}

/// The writer's side.
struct ProfileTable: ~Copyable {
    let reader: ProfileReader
    var region: MemoryRegion
    let limit: Int
    /// Profiles in use.
    var count = 0
    var nextUnit = Self.firstUnit
    /// Free runs of units, by their length in units.
    private var freeRuns: [[UInt32]]
    private var table: UnsafeMutablePointer<UInt64>
    private var tableMask: Int

    static let unitByteCount = 16
    /// Where records begin.
    static let firstUnit = 2
    private static let unitCountMax = Int(ProfileReader.overflowReference)
    private static let commitByteCount = 1 << 18

    init(limit: Int, hugePages: Bool) throws(IndexError) {
        self.limit = limit
        var region = try MemoryRegion(
            reserving: (Self.unitCountMax + 1) * Self.unitByteCount, hugePages: hugePages)
        try region.commit(Self.commitByteCount)
        reader = ProfileReader(base: region.base)
        // Unit 0: a record of its 8-byte head, all zero but its own length.
        region.base.storeBytes(of: UInt16(8).littleEndian, toByteOffset: 12, as: UInt16.self)
        freeRuns = [[UInt32]](repeating: [], count: Self.units(for: ContactProfile.byteCountMax) + 1)
        tableMask = 1023
        table = Self.makeTable(1024)
        self.region = region
    }

    deinit {
        table.deallocate()
    }

    /// Bytes of the writer's own table.
    var tableByteCount: Int { (tableMask + 1) * 8 }

    /// The reference of a record equal to these bytes, with one more contact point counted; nil when there is
    /// no room for another distinct record. A contact point that is about to release `replaced` may take its
    /// place.
    mutating func intern(_ bytes: UnsafeRawBufferPointer, replacing replaced: UInt32?) -> UInt32? {
        let hash = Self.hash(bytes)
        var index = Int(hash) & tableMask
        while table[index] != 0 {
            let reference = UInt32(truncatingIfNeeded: table[index])
            if table[index] >> 32 == UInt64(hash) && isEqual(reference, bytes) {
                addUser(reference)
                return reference
            }
            index = (index + 1) & tableMask
        }
        precondition(ProfileRecord.isWellFormed(bytes), "a malformed profile record must not reach the index")
        let isPlaceFreed = replaced.map { userCount($0) == 1 } ?? false
        guard count < limit || isPlaceFreed && count == limit,
            let reference = allocate(Self.units(for: bytes.count))
        else { return nil }
        let place = region.base + Int(reference) * Self.unitByteCount
        place.storeBytes(of: 1, as: UInt32.self)
        place.storeBytes(of: hash, toByteOffset: 4, as: UInt32.self)
        if let source = bytes.baseAddress { (place + 8).copyMemory(from: source, byteCount: bytes.count) }
        table[index] = UInt64(hash) << 32 | UInt64(reference)
        count += 1
        if count * 2 > tableMask { doubleTable() }
        return reference
    }

    /// Whether a reference's record has exactly these bytes.
    func isEqual(_ reference: UInt32, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let record = UnsafeRawPointer(region.base) + Int(reference) * Self.unitByteCount + 8
        let words = bytes.count / 8
        // The length is part of the record, so reading word by word stops inside it at the latest.
        guard byteCount(reference) == bytes.count else { return false }
        for word in 0..<words
        where record.load(fromByteOffset: word * 8, as: UInt64.self)
            != bytes.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)
        {
            return false
        }
        return true
    }

    /// Counts one contact point less. Returns whether nobody uses the record any more: then it is no longer
    /// found by `intern`, and the caller has to call `reclaim` when a grace period has passed.
    mutating func release(_ reference: UInt32) -> Bool {
        let place = region.base + Int(reference) * Self.unitByteCount
        let users = place.load(as: UInt32.self)
        precondition(users > 0, "a profile is released once for each contact point")
        place.storeBytes(of: users - 1, as: UInt32.self)
        guard users == 1 else { return false }
        remove(reference, hash: place.load(fromByteOffset: 4, as: UInt32.self))
        count -= 1
        return true
    }

    /// Gives the units of a released record back.
    mutating func reclaim(_ reference: UInt32) {
        freeRuns[Self.units(for: byteCount(reference))].append(reference)
    }

    // MARK: Parts

    func userCount(_ reference: UInt32) -> UInt32 {
        UnsafeRawPointer(region.base + Int(reference) * Self.unitByteCount).load(as: UInt32.self)
    }

    @inline(__always)
    func addUser(_ reference: UInt32) {
        let place = region.base + Int(reference) * Self.unitByteCount
        place.storeBytes(of: place.load(as: UInt32.self) + 1, as: UInt32.self)
    }

    func byteCount(_ reference: UInt32) -> Int {
        let place = UnsafeRawPointer(region.base) + Int(reference) * Self.unitByteCount
        return Int(UInt16(littleEndian: place.load(fromByteOffset: 12, as: UInt16.self)))
    }

    static func units(for byteCount: Int) -> Int {
        (8 + byteCount + unitByteCount - 1) / unitByteCount
    }

    private mutating func allocate(_ units: Int) -> UInt32? {
        if let reference = freeRuns[units].popLast() { return reference }
        guard nextUnit + units <= Self.unitCountMax else { return nil }
        let end = (nextUnit + units) * Self.unitByteCount
        if end > region.committed {
            // Without memory for it, the contact point goes to the overflow table like any past the limit.
            guard (try? region.commit(min(end + Self.commitByteCount, region.reserved))) != nil else {
                return nil
            }
        }
        defer { nextUnit += units }
        return UInt32(nextUnit)
    }

    private mutating func remove(_ reference: UInt32, hash: UInt32) {
        var hole = Int(hash) & tableMask
        while table[hole] != UInt64(hash) << 32 | UInt64(reference) { hole = (hole + 1) & tableMask }
        var index = hole
        while true {
            index = (index + 1) & tableMask
            let entry = table[index]
            if entry == 0 { break }
            // An entry may fill the hole if its own place is not between the hole and where it stands.
            let home = Int(entry >> 32) & tableMask
            if (index &- home) & tableMask >= (index &- hole) & tableMask {
                table[hole] = entry
                hole = index
            }
        }
        table[hole] = 0
    }

    private mutating func doubleTable() {
        let old = table
        let oldCount = tableMask + 1
        table = Self.makeTable(oldCount * 2)
        tableMask = oldCount * 2 - 1
        for position in 0..<oldCount where old[position] != 0 { insert(word: old[position]) }
        old.deallocate()
    }

    /// Replaces an empty table by one that is large enough for a number of records.
    mutating func makeTable(forCount count: Int) {
        precondition(self.count == 0)
        var places = 1024
        while places <= 2 * count { places *= 2 }
        table.deallocate()
        table = Self.makeTable(places)
        tableMask = places - 1
    }

    /// Makes a record findable that the table lacks.
    mutating func insert(_ reference: UInt32) {
        let place = region.base + Int(reference) * Self.unitByteCount
        insert(word: UInt64(place.load(fromByteOffset: 4, as: UInt32.self)) << 32 | UInt64(reference))
    }

    private mutating func insert(word: UInt64) {
        var index = Int(word >> 32) & tableMask
        while table[index] != 0 { index = (index + 1) & tableMask }
        table[index] = word
    }

    private static func makeTable(_ count: Int) -> UnsafeMutablePointer<UInt64> {
        let table = UnsafeMutablePointer<UInt64>.allocate(capacity: count)
        table.initialize(repeating: 0, count: count)
        return table
    }

    /// Folded multiplications over the record's words.
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var state: UInt64 = 0x2545_F491_4F6C_DD1D
        for offset in stride(from: 0, to: bytes.count & ~7, by: 8) {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let product = (state ^ word).multipliedFullWidth(by: 0x9FB2_1C65_1E98_DF25)
            state = product.high ^ product.low &+ 0x9E37_79B9_7F4A_7C15
        }
        return UInt32(truncatingIfNeeded: state ^ state >> 32)
    }
}

/// The shape of a record, as far as the safety of readers depends on it.
package enum ProfileRecord {
    /// Whether every byte that `ContactProfile.outcome` may read of a record lies inside it.
    package static func isWellFormed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= 8, bytes.count % 8 == 0, bytes.count <= ContactProfile.byteCountMax else {
            return false
        }
        func u16(_ offset: Int) -> Int {
            Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
        }
        guard u16(4) == bytes.count else { return false }
        let channels = bytes[1].nonzeroBitCount
        guard bytes.count >= 8 + channels * 16 else { return false }
        for channel in 0..<channels {
            let directory = 8 + channel * 16
            let purposes = UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: directory, as: UInt64.self))
            let first = u16(directory + 10)
            // An empty list of cells has no first cell to point at.
            if purposes == 0 { continue }
            guard first % 8 == 0, first >= 8 + channels * 16 else { return false }
            guard first + purposes.nonzeroBitCount * 8 <= bytes.count else { return false }
        }
        return true
    }
}
