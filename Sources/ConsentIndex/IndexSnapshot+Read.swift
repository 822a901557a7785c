// Filling an index from a snapshot: profiles first, then the entries, each checked before it is used.
//
// Homes and filters are made anew, so the table may have another size than the one that was written; users of
// profiles are counted anew, since the copy is of no one moment.
//
// Invariant: whatever bytes a file has, an index that was filled from it is sound for its readers: every slot
// refers to a profile that is well formed. That it is also right is for the checksums and the mark to tell.

import CPlatform
import ConsentDomain

extension ConsentIndex {
    /// Makes an index from a snapshot whose mark fits the register.
    ///
    /// The caller puts what events after the mark's `sequence` have changed, then publishes.
    public convenience init(
        _ snapshot: SnapshotSource, configuration: IndexConfiguration = .init()
    ) throws(SnapshotError) {
        do throws(IndexError) {
            try self.init(configuration: configuration)
            try reserve(snapshot.header.entryCount)
        } catch {
            throw .index(error)
        }
        try fill(from: snapshot)
    }

    private func fill(from source: SnapshotSource) throws(SnapshotError) {
        let room: UnsafeMutableRawBufferPointer
        do throws(IndexError) {
            room = try profiles.room(forLoading: source.header.profileBytes)
        } catch {
            throw .index(error)
        }
        try source.readProfiles(into: room)
        guard let starts = profiles.startsOfLoaded(byteCount: room.count) else {
            throw .damaged("its profiles are malformed")
        }
        try source.forEachEntryChunk { entries throws(SnapshotError) in
            try slots.place(entries, starts, &profiles)
        }
        guard profiles.adoptLoaded(starts) else {
            throw .index(.full(recipients: slots.recipients, maxCapacity: maxCapacity))
        }
        count()
    }
}

/// Which units of an arena are the first of a record, as bits.
struct RecordStarts {
    private var words: [UInt64]

    init(unitCount: Int) { words = Array(repeating: 0, count: unitCount / 64 + 1) }

    mutating func insert(_ unit: Int) { words[unit >> 6] |= 1 << UInt64(unit & 63) }

    @inline(__always)
    func contains(_ unit: Int) -> Bool {
        let word = unit >> 6
        return word < words.count && words[word] & 1 << UInt64(unit & 63) != 0
    }

    /// The units, ascending.
    func forEach(_ body: (Int) -> Void) {
        for (place, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                body(place << 6 + rest.trailingZeroBitCount)
                rest &= rest &- 1
            }
        }
    }
}

extension SlotTable {
    /// Puts a snapshot's entries into an empty part of the table, and counts them as users of their profiles.
    fileprivate mutating func place(
        _ entries: UnsafeRawBufferPointer, _ starts: RecordStarts, _ profiles: inout ProfileTable
    ) throws(SnapshotError) {
        let map = map
        for offset in stride(from: 0, to: entries.count, by: SnapshotHeader.entryBytes) {
            let key = entries.load(fromByteOffset: offset, as: UInt64.self)
            let value = entries.load(fromByteOffset: offset + 8, as: UInt64.self)
            let reference = value & SlotWord.profileMask
            guard starts.contains(Int(reference)) else { throw .damaged("an entry refers to no profile") }
            let home = map.home(key)
            guard let slot = freeSlot(home: home) else { throw .damaged("too many entries have one home") }
            profiles.addUser(UInt32(reference))
            fill(offset: slot, home: home, key: key, value: value)
            countRecipient()
        }
    }
}

extension ProfileTable {
    /// Bytes of the arena up to the last record that was ever made.
    var usedBytes: Int { nextUnit * Self.unitByteCount }

    /// Room to read an arena into.
    fileprivate mutating func room(
        forLoading byteCount: Int
    ) throws(IndexError) -> UnsafeMutableRawBufferPointer {
        try region.commit(byteCount)
        return UnsafeMutableRawBufferPointer(start: region.base, count: byteCount)
    }

    /// Checks the records that were read, and sets their users to none; nil where one is malformed.
    fileprivate mutating func startsOfLoaded(byteCount: Int) -> RecordStarts? {
        let end = byteCount / Self.unitByteCount
        guard byteCount % Self.unitByteCount == 0, end >= Self.firstUnit, isEmptyRecord else {
            return nil
        }
        var starts = RecordStarts(unitCount: end)
        var unit = Self.firstUnit
        while unit < end {
            let place = region.base + unit * Self.unitByteCount
            let count = self.byteCount(UInt32(unit))
            let units = Self.units(for: count)
            guard units <= end - unit else { return nil }
            let record = UnsafeRawBufferPointer(start: place + 8, count: count)
            guard ProfileRecord.isWellFormed(record),
                place.load(fromByteOffset: 4, as: UInt32.self) == Self.hash(record)
            else { return nil }
            place.storeBytes(of: 0, as: UInt32.self)
            starts.insert(unit)
            unit += units
        }
        nextUnit = end
        return starts
    }

    /// Makes the records that have users findable, and the others free.
    /// - Returns: whether they are within the limit.
    fileprivate mutating func adoptLoaded(_ starts: RecordStarts) -> Bool {
        var used = 0
        starts.forEach { if userCount(UInt32($0)) > 0 { used += 1 } }
        guard used <= limit else { return false }
        makeTable(forCount: used)
        count = used
        starts.forEach { unit in
            let reference = UInt32(unit)
            if userCount(reference) > 0 { insert(reference) } else { reclaim(reference) }
        }
        return true
    }

    /// Whether the first units are what a missed search has to read.
    private var isEmptyRecord: Bool {
        func word(_ offset: Int) -> UInt64 { region.base.load(fromByteOffset: offset, as: UInt64.self) }
        return word(8) == (8 << 32 as UInt64).littleEndian && word(16) == 0 && word(24) == 0
    }
}
