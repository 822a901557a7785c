// How a start fills the index: from the snapshot and what has changed since, or from every state row.
//
//     snapshot   the file, then the contact points that events after it are about
//     rows       every state row, in the order of the keys
//     both       then the events that the rows do not hold yet, as the register replays them
//
// To start from the rows alone, for instance to compare the two, remove `index.snapshot` from the state
// folder first: it is never the truth, and is written again.
//
// Invariant: a snapshot that does not fit the register in every way is not used, and the log says why.

import CPlatform
import ConsentDomain
import ConsentIndex
import ConsentRegister
import Dispatch
import Logging
import Synchronization

/// A filled index, and where it came from.
struct IndexStart {
    let index: ConsentIndex
    /// Every change up to this event is in the snapshot on file; nil: there is none that could be used.
    let snapshotSequence: UInt64?
    /// Events after the state rows.
    let replayedCount: UInt64
    let nanoseconds: UInt64

    /// Name of the snapshot in the state folder.
    static let snapshotName = "index.snapshot"
    /// Contact points known before whose rows a start looks up one by one. From here on it takes less time to
    /// read all rows.
    private static let rowLookupsMax = 20_000

    /// Fills an index and replays the register.
    /// - Parameter register: opened, and not replayed.
    init(_ register: SQLiteRegister, stateFolder: String, keyring: RecipientKeyring, logger: Logger) throws {
        let began = consent_monotonic_nanoseconds()
        let path = "\(stateFolder)/\(Self.snapshotName)"
        ConsentIndex.removeUnfinishedSnapshot(at: path)
        let found = try Self.snapshot(path, of: register, keyring, logger)
        let index = try found?.index ?? Self.rows(of: register)
        snapshotSequence = found?.sequence
        self.index = index
        replayedCount = register.lastSequence - register.derivedSequence
        register.mayExist = { index.contains($0) }
        register.contactCount = { index.recipientCount }
        var failure: IndexError?
        try register.replay { slot, profile in
            do throws(IndexError) {
                try index.put(slot, profile: profile)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        index.publish(sequence: register.lastSequence)
        nanoseconds = consent_monotonic_nanoseconds() - began
    }

    /// What the log says of it.
    var metadata: Logger.Metadata {
        [
            "index_from": "\(snapshotSequence.map { "snapshot of event \($0)" } ?? "state rows")",
            "index_ms": "\(nanoseconds / 1_000_000)", "replayed": "\(replayedCount)",
        ]
    }

    // MARK: Rows

    /// Reads on this thread, fills on another.
    private static func rows(of register: SQLiteRegister) throws -> ConsentIndex {
        let index = try ConsentIndex()
        try index.reserve(register.contactCountHint)
        let filling = IndexFilling(index)
        var batch = ProfileBatch()
        try register.forEachStateRow { slot, anchorDay, record in
            batch.append(slot, record: record, anchorDay: anchorDay)
            if batch.count == ProfileBatch.fullCount { filling.put(&batch) }
        }
        filling.put(&batch)
        try filling.finish()
        return index
    }

    private static func put(
        _ slot: SlotKey, _ anchorDay: UInt16, _ record: UnsafeRawBufferPointer, into index: ConsentIndex
    ) -> IndexError? {
        do throws(IndexError) {
            try index.put(slot, record: record, anchorDay: anchorDay)
            return nil
        } catch {
            return error
        }
    }

    // MARK: Snapshot

    private static func snapshot(
        _ path: String, of register: SQLiteRegister, _ keyring: RecipientKeyring, _ logger: Logger
    ) throws(RegisterError) -> (index: ConsentIndex, sequence: UInt64)? {
        let loaded: (index: ConsentIndex, mark: SnapshotMark)
        var failure: RegisterError?
        do throws(SnapshotError) {
            loaded = try ConsentIndex.load(snapshot: path) { mark in
                do throws(RegisterError) {
                    return try misfit(mark, register, keyring)
                } catch {
                    failure = error
                    return "\(error)"
                }
            }
        } catch {
            if let failure { throw failure }
            if error != .missing {
                logger.warning(
                    "the index snapshot is not used; state rows are read instead",
                    metadata: ["path": "\(path)", "reason": "\(error)"])
            }
            return nil
        }
        let (index, sequence) = (loaded.index, loaded.mark.sequence)
        var full: IndexError?
        let isComplete = try register.forEachProfile(
            changedAfter: sequence, rowCountMax: rowLookupsMax, isKnown: { index.contains($0) },
            { slot, anchorDay, record in full = full ?? put(slot, anchorDay, record, into: index) })
        guard isComplete, full == nil else {
            logger.info(
                "the index snapshot is too old to be of use; state rows are read instead",
                metadata: ["snapshot_sequence": "\(sequence)", "sequence": "\(register.lastSequence)"])
            return nil
        }
        return (index, sequence)
    }

    /// What is not of this register in a snapshot's mark; nil: it fits.
    private static func misfit(
        _ mark: SnapshotMark, _ register: SQLiteRegister, _ keyring: RecipientKeyring
    ) throws(RegisterError) -> String? {
        guard mark.incarnation == register.incarnation else { return "its incarnation is another" }
        guard keyring.checkValue.starts(with: mark.keyCheck) else { return "its recipient key is another" }
        guard mark.sequence <= mark.lastSequence, mark.lastSequence <= register.lastSequence else {
            return "it ends with event \(mark.lastSequence), the register with \(register.lastSequence)"
        }
        guard try register.leafHash(of: mark.lastSequence)?.bytes == mark.leafHash else {
            return "event \(mark.lastSequence) is another"
        }
        return nil
    }
}

/// Fills an index on a queue of its own, a few batches behind whoever reads them.
private final class IndexFilling: @unchecked Sendable {
    private let index: ConsentIndex
    private let queue = DispatchQueue(label: "consentd.index-start", qos: .userInitiated)
    private let state: Mutex<(free: [ProfileBatch], failure: IndexError?)>
    private let room = DispatchSemaphore(value: 0)
    private static let batchesMax = 4

    init(_ index: ConsentIndex) {
        self.index = index
        state = Mutex((Array(repeating: ProfileBatch(), count: Self.batchesMax), nil))
        for _ in 0..<Self.batchesMax { room.signal() }
    }

    /// Hands over a batch; an empty one stands in its place afterwards.
    func put(_ batch: inout ProfileBatch) {
        room.wait()
        var full = state.withLock { $0.free.removeLast() }
        swap(&full, &batch)
        queue.async { [self, full] in
            var batch = full
            let hasFailed = state.withLock { $0.failure != nil }
            do throws(IndexError) {
                if !hasFailed { try index.put(batch) }
            } catch {
                state.withLock { $0.failure = error }
            }
            batch.removeAll()
            state.withLock { $0.free.append(batch) }
            room.signal()
        }
    }

    /// Waits until all is in the index.
    func finish() throws(IndexError) {
        queue.sync {}
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}
