// The exact overflow table: contact points whose profile found no place among the interned ones.
//
// Slower than a slot, with the same answers; found by all 128 bits of the key. Open addressing, at most half
// full:
//
//     table   0 u64 mask   from 64 on entries of 32 bytes:
//                              0 u64 low   8 u64 high   16 u64 block   24 u64 1: entry used
//     block   0 u64 anchor day                 8 the record (ContactProfile)
//
// Readers load the table's address from one shared word. An entry's key is written before it is marked used,
// and never changes; its block is replaced by one store, 0 when the contact point has moved back to a
// profile. Replaced blocks and tables are freed a grace period later (IndexPublication.swift).

import CPlatform
import ConsentDomain

/// What readers see: the word with the table's address; 0 as long as there is none.
struct OverflowReader: @unchecked Sendable {
    let tableWord: UnsafeMutableRawPointer

    /// The cell of a contact point, or nil if it is not in this table (any more).
    func outcome(low: UInt64, high: UInt64, channel: UInt8, purpose: UInt8) -> CellOutcome? {
        guard let table = Self.pointer(consent_atomic_load_acquire_u64(tableWord)),
            let entry = Self.entry(in: table, low: low, high: high, isForWriting: false),
            let block = Self.pointer(consent_atomic_load_acquire_u64(entry + 16))
        else { return nil }
        return ContactProfile.outcome(
            record: block + 8, anchorDay: UInt16(truncatingIfNeeded: block.load(as: UInt64.self)),
            channel: channel, purpose: purpose)
    }

    fileprivate static func pointer(_ word: UInt64) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: UInt(word))
    }

    /// The entry of a key; for writing, the free entry where it would go if it has none.
    fileprivate static func entry(
        in table: UnsafeMutableRawPointer, low: UInt64, high: UInt64, isForWriting: Bool
    ) -> UnsafeMutableRawPointer? {
        let mask = table.load(as: UInt64.self)
        var index = (low ^ high &* 0x9E37_79B9_7F4A_7C15) & mask
        while true {
            let entry = table + 64 + Int(index) * 32
            if consent_atomic_load_acquire_u64(entry + 24) == 0 { return isForWriting ? entry : nil }
            if consent_atomic_load_relaxed_u64(entry) == low
                && consent_atomic_load_relaxed_u64(entry + 8) == high
            {
                return entry
            }
            index = (index + 1) & mask
        }
    }
}

/// The writer's side. Memory that readers may still read is returned as addresses, to be freed after a grace
/// period.
struct OverflowTable: ~Copyable {
    let reader: OverflowReader
    /// Contact points whose profile is here now.
    private(set) var count = 0
    private(set) var byteCount = 0
    private var used = 0
    private var capacity = 0

    init() {
        let word = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 128)
        word.initializeMemory(as: UInt8.self, repeating: 0, count: 128)
        reader = OverflowReader(tableWord: word)
    }

    deinit {
        if let table = OverflowReader.pointer(consent_atomic_load_relaxed_u64(reader.tableWord)) {
            for index in 0..<capacity {
                let entry = table + 64 + index * 32
                OverflowReader.pointer(consent_atomic_load_relaxed_u64(entry + 16))?.deallocate()
            }
            table.deallocate()
        }
        reader.tableWord.deallocate()
    }

    /// Inserts or replaces. Appends to `retired` what has to be freed after a grace period.
    mutating func put(
        low: UInt64, high: UInt64, anchorDay: UInt16, record: UnsafeRawBufferPointer,
        retired: inout [UnsafeMutableRawPointer]
    ) {
        if (used + 1) * 2 > capacity { rebuild(&retired) }
        guard let table = OverflowReader.pointer(consent_atomic_load_relaxed_u64(reader.tableWord)),
            let entry = OverflowReader.entry(in: table, low: low, high: high, isForWriting: true)
        else { preconditionFailure("a table that is half empty has a place for every key") }
        let block = UnsafeMutableRawPointer.allocate(byteCount: 8 + record.count, alignment: 8)
        block.storeBytes(of: UInt64(anchorDay), as: UInt64.self)
        if let source = record.baseAddress { (block + 8).copyMemory(from: source, byteCount: record.count) }
        byteCount += 8 + record.count
        if consent_atomic_load_relaxed_u64(entry + 24) == 0 {
            consent_atomic_store_relaxed_u64(entry, low)
            consent_atomic_store_relaxed_u64(entry + 8, high)
            consent_atomic_store_release_u64(entry + 16, UInt64(UInt(bitPattern: block)))
            consent_atomic_store_release_u64(entry + 24, 1)
            used += 1
            count += 1
        } else {
            if let old = swapBlock(entry, UInt64(UInt(bitPattern: block))) {
                retired.append(old)
            } else {
                count += 1
            }
        }
    }

    /// Takes a contact point out that has moved to a profile; its slot must say so already.
    mutating func remove(low: UInt64, high: UInt64, retired: inout [UnsafeMutableRawPointer]) {
        guard let table = OverflowReader.pointer(consent_atomic_load_relaxed_u64(reader.tableWord)),
            let entry = OverflowReader.entry(in: table, low: low, high: high, isForWriting: false),
            let old = swapBlock(entry, 0)
        else { return }
        retired.append(old)
        count -= 1
    }

    /// Stores an entry's block and returns the one before.
    private mutating func swapBlock(_ entry: UnsafeMutableRawPointer, _ word: UInt64)
        -> UnsafeMutableRawPointer?
    {
        let old = OverflowReader.pointer(consent_atomic_load_relaxed_u64(entry + 16))
        consent_atomic_store_release_u64(entry + 16, word)
        if let old {
            byteCount -= 8 + Int(UInt16(littleEndian: old.load(fromByteOffset: 12, as: UInt16.self)))
        }
        return old
    }

    /// Copies the entries that have a block into a table with room for as many again.
    private mutating func rebuild(_ retired: inout [UnsafeMutableRawPointer]) {
        let old = OverflowReader.pointer(consent_atomic_load_relaxed_u64(reader.tableWord))
        let oldCapacity = capacity
        capacity = 64
        while capacity < (count + 1) * 4 { capacity *= 2 }
        let table = UnsafeMutableRawPointer.allocate(byteCount: 64 + capacity * 32, alignment: 64)
        table.initializeMemory(as: UInt8.self, repeating: 0, count: 64 + capacity * 32)
        table.storeBytes(of: UInt64(capacity - 1), as: UInt64.self)
        used = 0
        if let old {
            for index in 0..<oldCapacity {
                let source = old + 64 + index * 32
                let low = source.load(as: UInt64.self)
                let high = source.load(fromByteOffset: 8, as: UInt64.self)
                let block = source.load(fromByteOffset: 16, as: UInt64.self)
                guard block != 0,
                    let entry = OverflowReader.entry(in: table, low: low, high: high, isForWriting: true)
                else { continue }
                entry.storeBytes(of: low, as: UInt64.self)
                entry.storeBytes(of: high, toByteOffset: 8, as: UInt64.self)
                entry.storeBytes(of: block, toByteOffset: 16, as: UInt64.self)
                consent_atomic_store_relaxed_u64(entry + 24, 1)
                used += 1
            }
            retired.append(old)
        }
        byteCount += (capacity - oldCapacity) * 32
        consent_atomic_store_release_u64(reader.tableWord, UInt64(UInt(bitPattern: table)))
    }
}
