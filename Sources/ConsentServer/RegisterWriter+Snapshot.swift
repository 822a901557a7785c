// When the index is written to a file, a chunk at a time between commits.
//
//     while writes come    once a quarter of the contact points, a million at least, may have changed
//     while idle           once anything has changed, a minute after the last one at the earliest
//     at a stop            once anything has changed, for as long as `stopSnapshotSeconds` says
//     after an erasure     the file is removed before the erasure is acknowledged: it holds what an erased
//                          contact point had consented to. The next one is made a minute later
//
// A snapshot only saves time at the next start: whatever goes wrong with one is logged and nothing else.

import CPlatform
import ConsentDomain
import ConsentIndex
import ConsentRegister
import Logging

/// The snapshot on file and the one that is being made. Belongs to the writer thread.
struct SnapshotTurn {
    let path: String
    /// Of the snapshot on file; nil: there is none.
    var sequence: UInt64?
    var copy: SnapshotCopy?
    /// Sequence that the copy was begun at.
    var copySequence: UInt64 = 0
    var isSealed = false
    /// One is due, and slots of the index are being put in place first.
    var isSettling = false
    /// The file has to catch up; the pipeline is woken when it has.
    var isWaiting = false
    var began: UInt64 = 0
    /// No other is begun before, in monotonic nanoseconds.
    var notBefore: UInt64 = 0

    init(path: String, sequence: UInt64?) {
        self.path = path
        self.sequence = sequence
    }

    /// Whether a step can do something now.
    var wantsToRun: Bool { isSettling || copy != nil && !isWaiting }

    /// Events that have come since the snapshot on file.
    func events(before last: UInt64) -> UInt64 { sequence.map { last - $0 } ?? last }

    mutating func end() {
        copy = nil
        isSealed = false
        isWaiting = false
    }
}

extension RegisterWriter {
    private static let idlePauseNanoseconds: UInt64 = 60_000_000_000
    private static let retryNanoseconds: UInt64 = 5_000_000_000

    /// Begins a snapshot when one is due, or goes on with it.
    /// - Parameter isIdle: whether nothing else is to be done.
    func snapshotStep(isIdle: Bool) {
        guard !hasFailed else { return }
        if snapshot.copy == nil {
            guard isSnapshotDue(isIdle: isIdle) else { return snapshot.isSettling = false }
            snapshot.isSettling = core.index.continueGrowth()
            if snapshot.isSettling { return }
            beginSnapshot()
        }
        continueSnapshot()
    }

    private func isSnapshotDue(isIdle: Bool) -> Bool {
        let recipients = UInt64(core.index.recipientCount)
        guard recipients >= UInt64(core.limits.snapshotContactsMin) else { return false }
        let events = snapshot.events(before: register.lastSequence)
        let isDue =
            isIdle
            ? events > 0 && register.dirtyCount == 0
            : events >= max(UInt64(core.limits.snapshotEvents), recipients / 4)
        return isDue && consent_monotonic_nanoseconds() >= snapshot.notBefore
    }

    private func beginSnapshot() {
        let last = register.lastSequence
        snapshot.began = consent_monotonic_nanoseconds()
        // Should none be made now, another is tried soon.
        snapshot.notBefore = snapshot.began + Self.retryNanoseconds
        do throws(SnapshotError) {
            snapshot.copy = try core.index.beginSnapshot(
                to: snapshot.path,
                mark: SnapshotMark(
                    incarnation: register.incarnation, keyCheck: Array(core.keyring.checkValue.prefix(16)),
                    sequence: last),
                onProgress: { [pipeline = core.pipeline] in pipeline.wake() })
            snapshot.copySequence = last
        } catch {
            snapshotFailed(error)
        }
    }

    private func continueSnapshot() {
        guard let copy = snapshot.copy else { return }
        if snapshot.isSealed {
            guard let outcome = copy.outcome else { return snapshot.isWaiting = true }
            return complete(copy, outcome)
        }
        switch copy.step() {
        case .copied: snapshot.isWaiting = false
        case .waiting: snapshot.isWaiting = true
        case .spoiled: snapshot.end()
        case .whole: seal(copy)
        }
    }

    private func seal(_ copy: SnapshotCopy) {
        do throws(RegisterError) {
            guard let leaf = try register.leafHash(of: register.lastSequence) else { return snapshot.end() }
            copy.seal(lastSequence: register.lastSequence, leafHash: leaf.bytes)
            snapshot.isSealed = true
            snapshot.isWaiting = true
        } catch {
            snapshot.end()
            if error.isFatal { stop("the register failed: \(error)", []) }
        }
    }

    private func complete(_ copy: SnapshotCopy, _ outcome: Result<Int, SnapshotError>) {
        do throws(SnapshotError) {
            let byteCount = try outcome.get()
            try copy.publish()
            snapshot.sequence = snapshot.copySequence
            postFigures()
            let now = consent_monotonic_nanoseconds()
            snapshot.notBefore = now + Self.idlePauseNanoseconds
            core.logger.info(
                "index snapshot written",
                metadata: [
                    "bytes": "\(byteCount)", "sequence": "\(snapshot.copySequence)",
                    "ms": "\((now - snapshot.began) / 1_000_000)",
                ])
        } catch {
            snapshotFailed(error)
        }
        snapshot.end()
    }

    private func snapshotFailed(_ error: SnapshotError) {
        snapshot.notBefore = consent_monotonic_nanoseconds() + Self.idlePauseNanoseconds
        core.logger.warning(
            "the index snapshot was not written: the next start may take longer",
            metadata: ["path": "\(snapshot.path)", "reason": "\(error)"])
    }

    /// Removes the snapshot, and the one that is being made, before what they hold of a contact point is
    /// destroyed.
    /// - Throws: where the file cannot be removed; the erasure is not done then.
    func dropSnapshot() throws(SnapshotError) {
        snapshot.end()
        // One that was not used at the start may be there too.
        try ConsentIndex.removeSnapshot(at: snapshot.path)
        snapshot.sequence = nil
        postFigures()
        snapshot.notBefore = consent_monotonic_nanoseconds() + Self.idlePauseNanoseconds
    }

    /// Writes a snapshot at a stop, if there is time.
    func writeLastSnapshot() {
        guard !hasFailed, core.index.recipientCount >= core.limits.snapshotContactsMin else { return }
        guard snapshot.sequence != register.lastSequence else { return }
        let deadline =
            consent_monotonic_nanoseconds() + UInt64(core.limits.stopSnapshotSeconds) * 1_000_000_000
        // One that was begun earlier would leave more to be replayed.
        snapshot.end()
        while consent_monotonic_nanoseconds() < deadline, core.index.continueGrowth() {}
        beginSnapshot()
        while let copy = snapshot.copy, consent_monotonic_nanoseconds() < deadline {
            continueSnapshot()
            if snapshot.isWaiting { copy.waitForFile() }
        }
        snapshot.end()
    }
}
