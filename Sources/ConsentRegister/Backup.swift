// Backup and restore.
//
// A backup runs on the writer's own connection, in steps between commits: SQLite carries what is committed
// meanwhile over to it, so that it ends as a copy of the register at its last step. It is written beside
// its final name, synced, given the name, which must be free, and then read again: SQLite's own check,
// every leaf hashed, every personal part measured against its commitment, and the root compared with the
// register's.
//
// A restored register has a new incarnation, and is marked: refusals since the backup may be missing, so
// marketing is INDETERMINATE until they are replayed or the loss is accepted.
//
// Invariant: no file is overwritten, and none has the name of a backup or register before it is whole and
// synced.

import CSQLite
import ConsentDomain
import ConsentProof
import Failpoint

/// What a backup holds.
public struct BackupSummary: Hashable, Sendable {
    /// Sequence of its last event.
    public var sequence: UInt64
    /// Root of the tree of that many events.
    public var root: TreeHash
    /// Incarnation of the register that it was made of.
    public var incarnation: [UInt8]
}

/// A backup that is being made. Belongs to the thread of its register.
public final class RegisterBackup {
    private let register: SQLiteRegister
    private let path: String
    private let temporaryPath: String
    private var target: Database?
    private var copy: OpaquePointer?
    private var summary: BackupSummary?

    /// Begins a backup.
    /// - Parameter path: of a file that does not exist, in a folder that does.
    public init(of register: SQLiteRegister, to path: String) throws(RegisterError) {
        try register.requireRunning()
        guard !FileSystem.exists(path) else { throw .exists(path: path) }
        self.register = register
        self.path = path
        temporaryPath = path + ".partial"
        try FileSystem.create(temporaryPath, [], permissions: 0o600)
        do throws(RegisterError) {
            let target = try Database(path: temporaryPath, mode: .backupTarget)
            if register.database.isSealed { try target.seal() }
            guard let copy = sqlite3_backup_init(target.handle, "main", register.database.handle, "main")
            else {
                throw RegisterError(target.failure("beginning a backup"))
            }
            self.copy = copy
            self.target = consume target
        } catch {
            FileSystem.remove(temporaryPath)
            throw error
        }
    }

    deinit { abandon() }

    /// Copies some pages.
    /// - Returns: true when all are copied.
    public func step(pages: Int = 256) throws(RegisterError) -> Bool {
        guard let copy else { return true }
        defer { Failpoint.backupCopying.reached() }
        switch sqlite3_backup_step(copy, Int32(clamping: max(1, pages))) {
        case SQLITE_OK: return false
        case SQLITE_DONE:
            summary = BackupSummary(
                sequence: register.lastSequence, root: register.tree.root, incarnation: register.incarnation)
            self.copy = nil
            guard sqlite3_backup_finish(copy) == SQLITE_OK else { throw fail("ending a backup") }
            return true
        default: throw fail("copying pages to a backup")
        }
    }

    /// Syncs the copy and gives it its name.
    /// - Precondition: `step` has returned true.
    /// - Returns: what `verify` should find.
    public func publish() throws(RegisterError) -> BackupSummary {
        guard let summary, copy == nil else {
            preconditionFailure("a backup is published before it is whole")
        }
        target = nil
        do throws(RegisterError) {
            try FileSystem.sync(temporaryPath)
            Failpoint.backupBeforeName.reached()
            try FileSystem.publish(temporaryPath, as: path)
        } catch {
            FileSystem.remove(temporaryPath)
            throw error
        }
        Failpoint.backupNamed.reached()
        return summary
    }

    /// Reads a backup from its first to its last event and checks all of it. Takes time in proportion to
    /// the log; may run on any thread.
    /// - Returns: what it holds.
    public static func verify(_ path: String) throws(RegisterError) -> BackupSummary {
        guard FileSystem.exists(path) else { throw .missing(path: path) }
        let database = try Database(path: path, mode: .immutable)
        guard try Migrations.version(of: database) > 0 else { throw .notARegister(applicationID: 0) }
        let found = try database.text("PRAGMA integrity_check(1)", "checking a backup")
        guard found == "ok" else { throw .corrupt("SQLite says of the backup: \(found)") }
        let statement = try database.prepare(
            """
            SELECT e.seq, e.leaf, p.salt, p.body FROM event e
                LEFT JOIN personal p ON p.seq = e.seq ORDER BY e.seq
            """)
        var frontier = MerkleFrontier()
        while try statement.step("checking a backup") {
            let sequence = frontier.leafCount + 1
            guard statement.sequence(0) == sequence else {
                throw .corrupt("event \(sequence) of the backup is missing")
            }
            frontier.append(leafHash: TreeHash.leaf(statement.bytes(1)))
            guard !statement.isNull(3) else { continue }
            let commitment = try? ConsentEvent(leaf: statement.array(1)).commitment
            guard commitment == .sha256(statement.array(2), statement.array(3)) else {
                throw .corrupt(
                    "the personal part of event \(sequence) of the backup differs from its commitment")
            }
        }
        let incarnation = try Meta.readAll(database)[.incarnation] ?? []
        return BackupSummary(sequence: frontier.leafCount, root: frontier.root, incarnation: incarnation)
    }

    private func fail(_ action: String) -> RegisterError {
        let failure = target?.failure(action)
        abandon()
        return RegisterError(
            failure
                ?? SQLiteFailure(code: SQLITE_ERROR, extendedCode: SQLITE_ERROR, message: "", action: action))
    }

    private func abandon() {
        if let copy { sqlite3_backup_finish(copy) }
        copy = nil
        if target != nil { FileSystem.remove(temporaryPath) }
        target = nil
    }
}

extension SQLiteRegister {
    /// Makes a backup at once and checks it.
    /// - Parameter path: of a file that does not exist, in a folder that does.
    @discardableResult
    public func backup(to path: String) throws(RegisterError) -> BackupSummary {
        let backup = try RegisterBackup(of: self, to: path)
        while try !backup.step() {}
        let summary = try backup.publish()
        guard try RegisterBackup.verify(path) == summary else {
            throw .corrupt("the backup holds other events than the register")
        }
        return summary
    }

    /// Makes a register from a backup, under a new incarnation and marked as restored.
    /// - Parameters:
    ///   - backup: path of a backup, which stays as it is.
    ///   - path: of the register to be made, which does not exist.
    ///   - keyring: of the recipient key that the backed up register had.
    ///   - logKey: the log key that signs from now on.
    ///   - formerLogKeyIDs: ids of the keys that it replaced, one of which the backup may name.
    /// - Returns: what the backup holds.
    @discardableResult
    public static func restore(
        backup: String, to path: String, keyring: RecipientKeyring, logKey: LogSigningKey,
        formerLogKeyIDs: [[UInt8]] = []
    ) throws(RegisterError) -> BackupSummary {
        guard !FileSystem.exists(path) else { throw .exists(path: path) }
        let summary = try RegisterBackup.verify(backup)
        let temporary = path + ".partial"
        // What an earlier restore has left that was cut off.
        FileSystem.remove(temporary)
        FileSystem.remove(temporary + "-wal")
        try FileSystem.copy(backup, to: temporary, permissions: 0o600)
        do throws(RegisterError) {
            try markRestored(
                temporary, keyring: keyring, logKey: logKey, formerLogKeyIDs: formerLogKeyIDs)
            try FileSystem.sync(temporary)
            Failpoint.restoreMarked.reached()
            try FileSystem.publish(temporary, as: path)
        } catch {
            FileSystem.remove(temporary)
            FileSystem.remove(temporary + "-wal")
            throw error
        }
        Failpoint.restoreNamed.reached()
        return summary
    }

    /// Gives a register another incarnation, with a loss to be accepted.
    static func markRestored(
        _ database: borrowing Database, _ incarnation: [UInt8], logKeyID: [UInt8]? = nil
    ) throws(RegisterError) {
        let action = "marking the register as restored"
        try database.begin(action)
        try Meta.write(database, .incarnation, incarnation)
        if let logKeyID { try Meta.write(database, .logKeyID, logKeyID) }
        try Meta.write(database, .restorePending, [1])
        try database.commit(action)
    }

    private static func markRestored(
        _ path: String, keyring: RecipientKeyring, logKey: LogSigningKey, formerLogKeyIDs: [[UInt8]]
    ) throws(RegisterError) {
        let database = try Database(path: path, mode: .existing)
        try database.configure(cacheBytes: 1 << 20)
        let meta = try Meta.readAll(database)
        try SQLiteRegister.armFailpoint(meta)
        Failpoint.restoreCopied.reached()
        guard let check = meta[.recipientCheck], keyring.matches(checkValue: check) else {
            throw .otherRecipientKey
        }
        let keyID = logKey.publicKey.keyID
        guard let marked = meta[.logKeyID], marked == keyID || formerLogKeyIDs.contains(marked) else {
            throw .otherLogKey
        }
        try Migrations.apply(to: database)
        try markRestored(database, FileSystem.randomBytes(16), logKeyID: keyID)
        try WriteAheadLog(database).truncate(database)
    }
}
