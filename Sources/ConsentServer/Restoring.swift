// Restoring a backup, and closing the gap that it leaves.
//
// What was recorded after the backup is lost. Lost grants only deny; lost refusals would allow. A journal
// brings the refusals and erasures back, up to its own end. What was acknowledged after that end nobody can
// tell from files, so marketing is INDETERMINATE until the operator says how far the lost register is known
// to have come, and the journal reaches that, or accepts the loss. Either is an event.

import CPlatform
import ConsentDomain
import ConsentRegister

/// What to restore.
public struct RestoreRequest: Hashable, Sendable {
    /// Path of the backup; nil: the folder holds a register that was restored before, or that lost events at
    /// its end, and the loss is accepted.
    public var backup: String?
    /// A folder with keys and no register.
    public var stateFolder: String
    /// Path of a journal of the same register, which begins no later than the backup ends.
    public var journal: String?
    /// Last sequence that the lost register is known to have acknowledged; the journal must reach it.
    public var lastSequence: UInt64?
    /// Whether refusals after the backup, or after the journal, may be missing.
    public var acceptLoss: Bool

    /// A restore.
    public init(
        backup: String?, stateFolder: String, journal: String? = nil, lastSequence: UInt64? = nil,
        acceptLoss: Bool = false
    ) {
        self.backup = backup
        self.stateFolder = stateFolder
        self.journal = journal
        self.lastSequence = lastSequence
        self.acceptLoss = acceptLoss
    }
}

/// What a restore made.
public struct RestoreSummary: Hashable, Sendable {
    /// Last sequence of the register.
    public var sequence: UInt64
    /// Refusals and erasures that a journal brought back.
    public var replayed: Int
    /// Last sequence of the lost register that the journal covers; nil without one.
    public var journalEnd: UInt64?
    /// Whether marketing is answered.
    public var isAccepted: Bool
}

extension ConsentServer {
    /// Makes the register of a state folder, which has keys and no register, from a backup; or accepts the
    /// loss of a register that was restored before or has lost its end.
    /// - Throws: `ServerFailure` where there is no loss to accept; `StateFolderError`, `RegisterError`,
    ///   `JournalError`. Nothing is made where the journal does not fit the backup, or ends too early.
    public static func restore(_ request: RestoreRequest) throws -> RestoreSummary {
        let folder = try StateFolder(path: request.stateFolder)
        let journal = try journal(of: request, folder)
        if let backup = request.backup { try folder.restore(backup: backup) }
        var options = RegisterOptions()
        options.acceptsLostEnd = request.backup == nil && request.acceptLoss
        let register = try SQLiteRegister(folder: folder, options: options)
        let replayed = try journal.map { try replay($0.events, into: register) } ?? 0
        if request.acceptLoss || request.lastSequence != nil {
            guard register.restorePending else {
                throw ServerFailure(
                    exitCode: 78,
                    message: "the register in \(request.stateFolder) has no loss to accept: leave "
                        + "--accept-loss out")
            }
            let client = request.acceptLoss ? "consentd restore" : "consentd restore --journal"
            try register.acceptLoss(now: now(register), client: client)
        }
        return RestoreSummary(
            sequence: register.lastSequence, replayed: replayed, journalEnd: journal?.end,
            isAccepted: !register.restorePending)
    }

    /// The events of a journal that a backup lacks, and the journal's end; nil where none is given.
    private static func journal(
        of request: RestoreRequest, _ folder: borrowing StateFolder
    ) throws -> (events: ArraySlice<ConsentEvent>, end: UInt64)? {
        guard let path = request.journal, let backup = request.backup else { return nil }
        let file = try JournalFile(path: path, key: folder.logKey.publicKey)
        let held = try RegisterBackup.verify(backup)
        guard file.incarnation == held.incarnation else { throw JournalError.otherIncarnation }
        guard file.after <= held.sequence else {
            throw JournalError.gap(backup: held.sequence, journalAfter: file.after)
        }
        if let last = request.lastSequence, file.sequence < last {
            throw JournalError.endsBefore(last: last, journalEnd: file.sequence)
        }
        return (file.events.drop { $0.sequence <= held.sequence }, file.sequence)
    }

    /// Appends refusals and erasures anew, as they were but for their sequence, and destroys what the
    /// erasures ask for.
    private static func replay(
        _ events: ArraySlice<ConsentEvent>, into register: SQLiteRegister
    ) throws(RegisterError) -> Int {
        var count = 0
        for event in events {
            // A notice that was recorded after the backup is lost with the grants under it.
            if event.kind == .noticeInvalidated,
                event.notice.flatMap({ register.catalogue.notices[$0] }) == nil
            {
                continue
            }
            if let personal = event.personal, try register.sequence(of: personal.eventID) != nil { continue }
            _ = try register.stage(event)
            count += 1
            if register.stagedCount >= 1_000 { try register.commit() }
        }
        try register.commit()
        try register.finishErasures(now: now(register))
        return count
    }

    private static func now(_ register: SQLiteRegister) -> Timestamp {
        max(
            Timestamp(microseconds: Int64(consent_wall_nanoseconds() / 1000)), register.lastKnownTime)
    }
}
