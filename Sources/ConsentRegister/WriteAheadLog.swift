// How long the write-ahead log is, told by SQLite after each commit, and its checkpoints.
//
// A checkpoint copies pages from the log to the database and syncs both. It runs on the one connection,
// between commits, and is kept small, since whoever waits for the next commit waits for it too.

import CSQLite
import Failpoint

/// Counts the pages of the write-ahead log.
final class WriteAheadLog {
    /// Pages in the log since it was last begun anew.
    private(set) var pages = 0

    init(_ database: borrowing Database) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_wal_hook(
            database.handle,
            { context, _, _, pages in
                guard let context else { return SQLITE_OK }
                Unmanaged<WriteAheadLog>.fromOpaque(context).takeUnretainedValue().pages = Int(pages)
                return SQLITE_OK
            }, context)
    }

    /// Makes sure at a start that what a process has left in the log is on disk, before anyone is told of it:
    /// one that was killed between writing a commit and syncing it leaves events that a start reads, and that
    /// a loss of power would still take away.
    func settle(_ database: borrowing Database) throws(RegisterError) {
        do {
            try checkpoint(database)
        } catch {
            // The log is synced before a page of it is moved. Without room it stays where it is.
            guard case .full = error else { throw error }
        }
    }

    /// Moves all pages to the database, so that the next commit begins the log anew.
    func checkpoint(_ database: borrowing Database) throws(RegisterError) {
        let code = sqlite3_wal_checkpoint_v2(database.handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
        guard code == SQLITE_OK else {
            throw RegisterError(commit: database.failure("moving the write-ahead log to the database"))
        }
        pages = 0
    }

    /// The same, and cuts the log file to nothing: what was deleted is then in no file any more.
    func truncate(_ database: borrowing Database) throws(RegisterError) {
        let code = sqlite3_wal_checkpoint_v2(database.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        guard code == SQLITE_OK else {
            throw RegisterError(commit: database.failure("emptying the write-ahead log"))
        }
        pages = 0
    }
}

extension SQLiteRegister {
    /// Bytes in the write-ahead log that the database does not hold yet, to within a page.
    public var walBytes: Int { writeAheadLog.pages * (24 + 4096) }

    /// Moves the write-ahead log to the database once it has `checkpointPages`. To be called between
    /// commits, after what was committed is acknowledged; an error other than `full` means that the process
    /// must end.
    /// - Returns: whether a checkpoint was made.
    @discardableResult
    public func checkpointIfDue() throws(RegisterError) -> Bool {
        guard writeAheadLog.pages >= options.checkpointPages else { return false }
        try checkpoint(truncating: false)
        return true
    }

    /// Moves the write-ahead log to the database now.
    /// - Parameter truncating: whether the log file is cut to nothing too.
    public func checkpoint(truncating: Bool) throws(RegisterError) {
        try requireRunning()
        Failpoint.checkpointBefore.reached()
        do {
            if truncating {
                try writeAheadLog.truncate(database)
            } else {
                try writeAheadLog.checkpoint(database)
            }
            Failpoint.checkpointAfter.reached()
        } catch {
            if error.isFatal { isStopped = true }
            throw error
        }
    }
}
