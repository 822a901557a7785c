// Places in the daemon at which a test may end the process, as a loss of power would: between two steps that
// must not be taken for one.
//
// CONSENTD_FAILPOINT=NAME:COUNT ends it by SIGKILL when the place is reached for that time (NAME alone: for
// the first time). Only a register that was made with --test-register arms it.
//
// Invariant: nothing here is reached by a check; unarmed, a place costs the load of one flag.

import Glibc
import Synchronization

/// A place, by its name.
package enum Failpoint: String, CaseIterable, Sendable {
    /// All rows of a transaction are written.
    case commitBefore = "commit.before"
    /// The transaction is on disk, and nobody knows.
    case commitAfter = "commit.after"
    /// Checks see the events, and their writers have no answer yet.
    case commitBeforeAck = "commit.before-ack"
    /// Derived rows are written, and their transaction is not ended.
    case flushBefore = "flush.before"
    case flushAfter = "flush.after"
    case checkpointBefore = "checkpoint.before"
    case checkpointAfter = "checkpoint.after"
    /// Keys stand in two lines of the index.
    case growthStep = "growth.step"
    /// The index snapshot is whole under its temporary name.
    case snapshotBeforeRename = "snapshot.before-rename"
    case snapshotAfterRename = "snapshot.after-rename"
    /// The erase event is on disk, and the index snapshot is gone.
    case eraseSnapshotRemoved = "erase.snapshot-removed"
    /// Personal parts are deleted, and their bytes are in the write-ahead log.
    case eraseDestroyed = "erase.destroyed"
    /// The write-ahead log is empty.
    case eraseEmptied = "erase.emptied"
    case eraseEnded = "erase.ended"
    /// Some pages are copied.
    case backupCopying = "backup.copying"
    /// The copy is synced under its temporary name.
    case backupBeforeName = "backup.before-name"
    case backupNamed = "backup.named"
    case restoreCopied = "restore.copied"
    case restoreMarked = "restore.marked"
    case restoreNamed = "restore.named"
    /// A step of an upgrade is made, and its transaction not ended.
    case migrationBefore = "migration.before"
    case migrationAfter = "migration.after"

    // MARK: At the place

    /// Ends the process here, where that was asked for.
    @inline(__always)
    package func reached() {
        if Self.isArmed.load(ordering: .relaxed) { count() }
    }

    @inline(never)
    private func count() {
        let isDue = Self.wanted.withLock { wanted in
            guard wanted?.place == self else { return false }
            wanted?.count -= 1
            return wanted?.count == 0
        }
        guard isDue else { return }
        kill(getpid(), SIGKILL)
        while true { pause() }
    }

    // MARK: At the start

    /// What `request` could not make sense of; says what there is.
    package struct Unknown: Error, CustomStringConvertible {
        package let text: String
        package var description: String {
            "CONSENTD_FAILPOINT=\(text): it takes NAME or NAME:COUNT with a count of 1 or more, and one of the "
                + "names " + Failpoint.allCases.map(\.rawValue).joined(separator: ", ")
        }
    }

    package static let isArmed = Atomic<Bool>(false)
    private static let wanted = Mutex<(place: Failpoint, count: Int)?>(nil)

    /// Notes what an environment variable asks for.
    package static func request(_ text: String) throws(Unknown) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let place = Failpoint(rawValue: String(parts[0])),
            let count = parts.count == 2 ? Int(parts[1]) : 1, count > 0
        else { throw Unknown(text: text) }
        wanted.withLock { $0 = (place, count) }
    }

    /// Arms what was asked for, on a register that may be broken.
    /// - Returns: false where something was asked for and the register is none for tests.
    package static func arm(isTestRegister: Bool) -> Bool {
        guard wanted.withLock({ $0 != nil }) else { return true }
        if isTestRegister { isArmed.store(true, ordering: .relaxed) }
        return isTestRegister
    }
}
