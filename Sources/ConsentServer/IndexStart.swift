// How a start fills the index: from the snapshot and what has changed since, or from every state row.
//
//     snapshot   the file, then the contact points that events after it are about. The register is left for
//                the writer thread to replay, since checks do not need it.
//     rows       every state row, in the order of the keys, then the events that the rows do not hold yet,
//                as the register replays them
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

    /// Fills an index, from rows with a replay of the register.
    /// - Parameter register: opened, and not replayed.
    init(_ register: SQLiteRegister, stateFolder: String, keyring: RecipientKeyring, logger: Logger) throws {
        let began = consent_monotonic_nanoseconds()
        let path = "\(stateFolder)/\(Self.snapshotName)"
        ConsentIndex.removeUnfinishedSnapshot(at: path)
        let found = try Self.snapshot(path, of: register, keyring, logger)
        let index = try found?.index ?? Self.rows(of: register)
        self.index = index
        snapshotSequence = found?.sequence
        replayedCount = register.lastSequence - register.derivedSequence
        register.mayExist = { index.contains($0) }
        register.contactCount = { index.recipientCount }
        if found == nil {
            var failure: IndexError?
            try register.replay { slot, profile in
                do throws(IndexError) {
                    try index.put(slot, profile: profile)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
        }
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
        var batch = filling.emptyBatch()
        try register.forEachStateRow { slot, anchorDay, record in
            batch.append(slot, record: record, anchorDay: anchorDay)
            guard batch.count == ProfileBatch.fullCount else { return }
            filling.put(batch)
            batch = filling.emptyBatch()
        }
        filling.put(batch)
        try filling.finish()
        return index
    }

    // MARK: Snapshot

    private static func snapshot(
        _ path: String, of register: SQLiteRegister, _ keyring: RecipientKeyring, _ logger: Logger
    ) throws(RegisterError) -> (index: ConsentIndex, sequence: UInt64)? {
        func refuse(_ reason: String) {
            logger.warning(
                "the index snapshot is not used; state rows are read instead",
                metadata: ["path": "\(path)", "reason": "\(reason)"])
        }
        let source: SnapshotSource
        let index: ConsentIndex
        do throws(SnapshotError) {
            source = try SnapshotSource(path: path)
        } catch {
            if error != .missing { refuse("\(error)") }
            return nil
        }
        if let why = try misfit(source.mark, register, keyring) {
            refuse("it is not of this register: \(why)")
            return nil
        }
        // While another thread fills the index, this one reads what will have to be replayed.
        let loading = SnapshotLoading(source)
        do throws(RegisterError) {
            try register.readAhead()
        } catch {
            _ = loading.result
            throw error
        }
        do throws(SnapshotError) {
            index = try loading.result.get()
        } catch {
            refuse("\(error)")
            return nil
        }
        let sequence = source.mark.sequence
        var full: IndexError?
        let isComplete = try register.forEachProfile(
            changedAfter: sequence, rowCountMax: rowLookupsMax, isKnown: { index.contains($0) },
            { slot, profile in
                do throws(IndexError) {
                    try index.put(slot, profile: profile)
                } catch {
                    full = error
                }
            })
        guard isComplete, full == nil else {
            refuse("too much has changed since event \(sequence)")
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
    private let state = Mutex((free: (0..<batchesMax).map { _ in ProfileBatch() }, failure: IndexError?.none))
    private let room = DispatchSemaphore(value: 0)
    private static let batchesMax = 4

    init(_ index: ConsentIndex) {
        self.index = index
        for _ in 0..<Self.batchesMax { room.signal() }
    }

    /// A batch to fill; waits for one.
    func emptyBatch() -> ProfileBatch {
        room.wait()
        return state.withLock { $0.free.removeLast() }
    }

    /// Takes a batch that `emptyBatch` gave.
    func put(_ batch: ProfileBatch) {
        queue.async { [self] in
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

/// Fills an index from a snapshot on another thread.
private final class SnapshotLoading: Sendable {
    private let loaded = Mutex<Result<ConsentIndex, SnapshotError>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ source: SnapshotSource) {
        DispatchQueue.global(qos: .userInitiated).async { [self] in
            let result: Result<ConsentIndex, SnapshotError>
            do throws(SnapshotError) {
                result = .success(try ConsentIndex(source))
            } catch {
                result = .failure(error)
            }
            loaded.withLock { $0 = result }
            done.signal()
        }
    }

    /// Waits for it. To be asked once.
    var result: Result<ConsentIndex, SnapshotError> {
        done.wait()
        return loaded.withLock { $0 } ?? .failure(.missing)
    }
}
