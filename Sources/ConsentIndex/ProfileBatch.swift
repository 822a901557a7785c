// Many contact points at once, for a start: gathered by the thread that reads them, put by the one that owns
// the index, which asks for the memory of later ones ahead.
//
//     entries   24 bytes each: SlotKey, u32 place of the record in `records`, u16 byte count, u16 anchor day
//     records   one after the other
//
// Invariant: a batch belongs to one thread at a time, and is emptied before it is filled again.

import CPlatform
import ConsentDomain

/// Contact points with their records, for `ConsentIndex.put`.
public final class ProfileBatch: @unchecked Sendable {
    struct Entry {
        let key: SlotKey
        let offset: UInt32
        let byteCount: UInt16
        let anchorDay: UInt16
    }

    @exclusivity(unchecked) private(set) var entries: [Entry] = []
    @exclusivity(unchecked) private(set) var records: [UInt8] = []

    /// Contact points after which a batch is worth handing over.
    public static let fullCount = 4_096

    /// An empty batch.
    public init() {
        entries.reserveCapacity(Self.fullCount)
    }

    /// Number of contact points.
    public var count: Int { entries.count }

    /// Adds a contact point; the record is copied.
    /// - Parameter record: at most `ContactProfile.byteCountMax` bytes, or none is added.
    public func append(_ key: SlotKey, record: UnsafeRawBufferPointer, anchorDay: UInt16) {
        guard record.count <= ContactProfile.byteCountMax else { return }
        entries.append(
            Entry(
                key: key, offset: UInt32(records.count), byteCount: UInt16(record.count), anchorDay: anchorDay
            ))
        records.append(contentsOf: record)
    }

    /// Empties it, and keeps its memory.
    public func removeAll() {
        entries.removeAll(keepingCapacity: true)
        records.removeAll(keepingCapacity: true)
    }
}

extension ConsentIndex {
    /// Puts contact points in their order.
    /// - Throws: as the `put` of one; those before it are in the index.
    public func put(_ batch: ProfileBatch) throws(IndexError) {
        let ahead = 16
        let records = batch.records
        try records.span.bytes.withUnsafeBytes { records throws(IndexError) in
            let entries = batch.entries
            for place in entries.indices {
                if place + ahead < entries.count { prefetch(entries[place + ahead].key) }
                let entry = entries[place]
                let start = Int(entry.offset)
                let record = UnsafeRawBufferPointer(rebasing: records[start..<start + Int(entry.byteCount)])
                try put(entry.key, record: record, anchorDay: entry.anchorDay)
            }
        }
    }
}
