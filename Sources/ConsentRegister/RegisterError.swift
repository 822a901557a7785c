// What can go wrong with the register, each cause with what it takes to act on it.
//
// The distinction that matters most: an error before COMMIT leaves nothing behind and may be tried again;
// an error from COMMIT or from a sync leaves it unknown what is on disk, so nobody may go on with this
// process.

/// What SQLite said.
public struct SQLiteFailure: Hashable, Sendable {
    /// Primary result code.
    public var code: Int32
    /// Extended result code.
    public var extendedCode: Int32
    /// SQLite's own words; they hold no bound value.
    public var message: String
    /// What was being done.
    public var action: String

    /// Whether a sync failed: what it was about may be on disk or not, and never is for certain.
    var isFailedSync: Bool {
        [10 | 4 << 8, 10 | 5 << 8].contains(extendedCode)
    }
}

/// Why the register could not do something.
public enum RegisterError: Error, Hashable, Sendable {
    /// No space is left. What was staged is rolled back, nothing is lost; works again when space is back.
    case full(SQLiteFailure)
    /// Reading or writing failed before COMMIT. What was staged is rolled back.
    case inputOutput(SQLiteFailure)
    /// COMMIT, a sync or a rollback failed. It is unknown what is on disk: the process must end.
    case commitFailed(SQLiteFailure)
    /// The process saw `commitFailed` before and may not go on.
    case stopped
    /// Another process has the register open.
    case inUse
    /// There is no register at the path.
    case missing(path: String)
    /// The file is a SQLite database, but no register.
    case notARegister(applicationID: UInt32)
    /// A newer program wrote the register.
    case newerThanProgram(found: Int, known: Int)
    /// SQLite did not grant a setting without which commits are not durable.
    case settingRefused(name: String, found: String, wanted: String)
    /// Stored bytes are not what was written.
    case corrupt(String)
    /// The register has fewer events than its mark (`EndMark`) says, or the mark is damaged (nil).
    case lostEnd(marked: UInt64?, last: UInt64)
    /// The recipient key, or the rules of normalisation, are not those that the register was made with.
    case otherRecipientKey
    /// The log key is not the one that the register was made with.
    case otherLogKey
    /// A sequence or tree size that the register has not reached.
    case outOfRange(requested: UInt64, last: UInt64)
    /// A file that would be overwritten.
    case exists(path: String)
    /// A call to the operating system failed.
    case system(action: String, path: String, code: Int32)
    /// A failpoint was asked for on a register that is not for tests.
    case notForTests
    /// Any other failure of SQLite: a bug, or a build of it that lacks something.
    case sqlite(SQLiteFailure)

    /// Whether the same call may succeed later in this process.
    public var isRetryable: Bool {
        switch self {
        case .full, .inputOutput: true
        default: false
        }
    }

    /// Whether the process must end without writing again.
    public var isFatal: Bool {
        switch self {
        case .commitFailed, .stopped: true
        default: false
        }
    }

    /// The error for a result code that came before COMMIT.
    init(_ failure: SQLiteFailure) {
        switch failure.code {
        case Self.codeFull: self = .full(failure)
        case Self.codeInputOutput where failure.extendedCode == Self.codeSeal:
            self = .corrupt("\(failure.action): a page differs from its checksum")
        case Self.codeInputOutput: self = .inputOutput(failure)
        case Self.codeBusy, Self.codeLocked: self = .inUse
        case Self.codeCorrupt, Self.codeNotADatabase:
            self = .corrupt("\(failure.action): \(failure.message) (SQLite \(failure.extendedCode))")
        default: self = .sqlite(failure)
        }
    }

    /// The error for a result code that COMMIT gave.
    ///
    /// A full disk is found out while frames are written, before the sync that makes them count, and SQLite
    /// has then rolled the transaction back; anything else may have come from the sync.
    init(commit failure: SQLiteFailure) {
        self = failure.code == Self.codeFull ? .full(failure) : .commitFailed(failure)
    }

    private static let codeBusy: Int32 = 5
    private static let codeLocked: Int32 = 6
    private static let codeNoMemory: Int32 = 7
    private static let codeInputOutput: Int32 = 10
    private static let codeCorrupt: Int32 = 11
    private static let codeFull: Int32 = 13
    /// What the file layer says of a page without its seal.
    private static let codeSeal: Int32 = 10 | 32 << 8
    private static let codeNotADatabase: Int32 = 26
}

extension RegisterError: CustomStringConvertible {
    /// What happened, where, and the remedy.
    public var description: String {
        switch self {
        case .full(let failure):
            "no space left while \(failure.action): free space on the disk of the state folder; nothing "
                + "that was acknowledged is lost and writes resume by themselves"
        case .inputOutput(let failure):
            "input or output failed while \(failure.action) (SQLite \(failure.extendedCode): "
                + "\(failure.message)): check the disk of the state folder"
        case .commitFailed(let failure):
            "a commit failed while \(failure.action) (SQLite \(failure.extendedCode): \(failure.message)): "
                + "the process ends because it cannot know what is on disk; check the disk, then start again"
        case .stopped: "the register stopped after a failed commit: start again"
        case .inUse: "another process has this register open: stop it, or use another state folder"
        case .missing(let path):
            "there is no register at \(path): name another state folder, or restore a backup"
        case .notARegister(let id):
            "the database is no register of consents (application id \(id)): name another state folder"
        case .newerThanProgram(let found, let known):
            "the register has format \(found) and this program knows up to \(known): start a newer program"
        case .settingRefused(let name, let found, let wanted):
            "SQLite gives \(name)=\(found) where \(wanted) is needed for durable commits: use a local file "
                + "system and an unmodified libsqlite3"
        case .corrupt(let what): "the register fails its checks: \(what): restore a backup"
        case .lostEnd(let marked, let last):
            (marked.map {
                "event \($0) was committed, and the register ends with event \(last): its "
                    + "write-ahead log was cut or changed, or register.db is an older copy"
            }
                ?? "register.db-mark is damaged, so nobody can tell whether event \(last) is the last one")
                + ": restore the last backup, with a journal if there is one; or go on with what is there: "
                + "consentd restore --state-dir DIR --accept-loss"
        case .otherRecipientKey:
            "the recipient key (or the normalisation of addresses) is not the one that this register was "
                + "made with, or that of a later epoch is missing, so that refusals in it would not be found: put "
                + "back its recipient.key and recipient.key.N"
        case .otherLogKey: "the log key is not the one that this register was made with: put back its log.key"
        case .outOfRange(let requested, let last):
            "\(requested) is out of range: the register has events 1 to \(last)"
        case .exists(let path): "\(path) exists and is not overwritten: name another path, or move it away"
        case .system(let action, let path, let code):
            "could not \(action) \(path): \(FileSystem.message(code)): check the path and its permissions"
        case .notForTests:
            "CONSENTD_FAILPOINT breaks a register on purpose, and this one was not made with --test-register: "
                + "unset it"
        case .sqlite(let failure) where failure.code == Self.codeNoMemory:
            "there was no memory left while \(failure.action): give the process more, then start again"
        case .sqlite(let failure):
            "SQLite failed while \(failure.action) (\(failure.extendedCode): \(failure.message)): use "
                + "libsqlite3 3.37 or later"
        }
    }
}
