// Writing a snapshot: the index's writer copies a chunk of memory now and then, a queue of its own does what
// may wait for the disk.
//
//     writer thread   step ── copy 256 KiB ──► queue: checksum, write, sync each MiB
//                     seal ──────────────────► queue: sums, sync, header, sync, rename, sync the folder
//
// The file is synced in small parts as it grows, so that a commit's sync never waits behind all of it.
//
// Invariant: under its final name there is never but a whole, synced snapshot. At most two chunks are in
// memory.

/// A snapshot that is being made. Belongs to the thread that writes the index.
public final class SnapshotCopy {
    /// What a step did.
    public enum Progress {
        /// A chunk was copied.
        case copied
        /// The file has to catch up first; `onProgress` will be called.
        case waiting
        /// All is copied: seal it.
        case whole
        /// It cannot be completed: drop it, and begin another one later.
        case spoiled
    }

    private let index: ConsentIndex
    private let file: SnapshotFile
    private let mark: SnapshotMark
    private let map: SlotMap
    /// Byte offset in the table of the next slot to look at.
    private var slotOffset = 0
    private var isPublished = false
    private var entryCount = 0
    private var profileBytes = 0
    /// Bytes of profiles there are to copy; nil: entries come first. No entry refers to a later one.
    private var profileEnd: Int?

    fileprivate init(
        of index: ConsentIndex, to path: String, mark: SnapshotMark,
        onProgress: @escaping @Sendable () -> Void
    ) throws(SnapshotError) {
        self.index = index
        self.mark = mark
        map = index.slots.map
        file = try SnapshotFile(path: path, onProgress: onProgress)
    }

    deinit {
        if !isPublished { file.abandon() }
    }

    /// Copies the next chunk.
    public func step() -> Progress {
        guard isWhole else { return .spoiled }
        if let profileEnd, profileBytes == profileEnd { return .whole }
        guard let chunk = file.freeChunk() else { return .waiting }
        if let profileEnd {
            let count = min(SnapshotHeader.chunkBytes, profileEnd - profileBytes)
            chunk.bytes.copyMemory(
                from: UnsafeRawBufferPointer(start: index.profiles.reader.base + profileBytes, count: count))
            file.append(chunk, byteCount: count, at: header.profilesOffset + profileBytes)
            profileBytes += count
        } else {
            let count = index.slots.copyEntries(from: &slotOffset, into: chunk.bytes)
            let offset = SnapshotHeader.byteCount + entryCount * SnapshotHeader.entryBytes
            file.append(chunk, byteCount: count * SnapshotHeader.entryBytes, at: offset)
            entryCount += count
            if count * SnapshotHeader.entryBytes < SnapshotHeader.chunkBytes {
                profileEnd = index.profiles.usedBytes
            }
        }
        return .copied
    }

    /// Hands over what completes the file, which is published soon after.
    /// - Parameters:
    ///   - lastSequence: of the last change that the index has now.
    ///   - leafHash: 32 bytes: hash of that event's leaf.
    public func seal(lastSequence: UInt64, leafHash: [UInt8]) {
        precondition(lastSequence >= mark.sequence && leafHash.count == 32)
        var header = header
        header.mark.lastSequence = lastSequence
        header.mark.leafHash = leafHash
        file.seal(header)
    }

    /// What became of the file: its bytes, or why there is none; nil as long as it is not known.
    public var outcome: Result<Int, SnapshotError>? { file.outcome }

    /// Gives a complete file its name, in place of the snapshot before.
    /// - Precondition: `outcome` is a success.
    public func publish() throws(SnapshotError) {
        try file.publish()
        isPublished = true
    }

    /// Waits for a chunk to be written, or for the outcome. For the time when the server stops.
    public func waitForFile() { file.waitForProgress() }

    /// Whether no slot has moved since the beginning, and all profiles are interned ones.
    private var isWhole: Bool {
        let now = index.slots.map
        return now.lines == map.lines && now.boundary == map.boundary && index.overflow.count == 0
    }

    private var header: SnapshotHeader {
        SnapshotHeader(mark: mark, entryCount: entryCount, profileBytes: profileBytes, sumsChecksum: 0)
    }
}

extension ConsentIndex {
    /// Begins a snapshot, between two changes of the index.
    /// - Parameters:
    ///   - path: name that the file will have; one of that name is replaced when the new one is whole.
    ///   - mark: of the register now; `seal` tells its end.
    ///   - onProgress: called on another thread each time that `step` may go on after it had to wait.
    /// - Returns: the copy; nil where none can be made now (the table grows, or profiles overflow).
    public func beginSnapshot(
        to path: String, mark: SnapshotMark, onProgress: @escaping @Sendable () -> Void
    ) throws(SnapshotError) -> SnapshotCopy? {
        guard !slots.isGrowing, overflow.count == 0 else { return nil }
        return try SnapshotCopy(of: self, to: path, mark: mark, onProgress: onProgress)
    }
}

extension SlotTable {
    /// Copies used slots, without their filter bits, until the chunk is full or the table ends.
    /// - Parameter offset: of the slot to begin at; moved behind the last one looked at.
    /// - Returns: number of entries copied; the chunk is not full only at the end of the table.
    fileprivate func copyEntries(from offset: inout Int, into chunk: UnsafeMutableRawBufferPointer) -> Int {
        let end = Int(lines + SlotReader.displacementLimit + 1) * Self.lineByteCount
        var written = 0
        while offset < end && written < chunk.count {
            let value = value(at: offset)
            if value & SlotWord.profileMask != 0 {
                chunk.storeBytes(of: key(at: offset), toByteOffset: written, as: UInt64.self)
                chunk.storeBytes(
                    of: value & ~SlotWord.filterMask, toByteOffset: written + 8, as: UInt64.self)
                written += SnapshotHeader.entryBytes
            }
            offset += SnapshotHeader.entryBytes
        }
        return written / SnapshotHeader.entryBytes
    }
}
