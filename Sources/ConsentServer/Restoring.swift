// Restoring a backup, and closing the gap that it leaves.
//
// What was recorded after the backup is lost. Lost grants only deny; lost refusals would allow. So marketing
// is INDETERMINATE until a journal has brought the refusals and erasures back, or the operator accepts that
// they are lost. Either is an event.

import CPlatform
import ConsentDomain
import ConsentRegister

/// What a restore made.
public struct RestoreSummary: Hashable, Sendable {
    /// Last sequence of the register.
    public var sequence: UInt64
    /// Refusals and erasures that a journal brought back.
    public var replayed: Int
    /// Whether marketing is answered.
    public var isAccepted: Bool
}

extension ConsentServer {
    /// Makes the register of a state folder, which has keys and no register, from a backup.
    /// - Parameters:
    ///   - backup: its path; empty: the folder holds a restored register whose gap is not accepted yet.
    ///   - journal: path of a journal of the same register that begins no later than the backup ends.
    ///   - acceptLoss: whether refusals made after the backup may be missing. Otherwise, without a journal,
    ///     marketing is answered INDETERMINATE.
    /// - Throws: `StateFolderError`, `RegisterError`, `JournalError`; nothing is made where the journal does
    ///   not fit the backup.
    public static func restore(
        backup: String, stateFolder: String, acceptLoss: Bool, journal: String? = nil
    ) throws -> RestoreSummary {
        let folder = try StateFolder(path: stateFolder)
        var events: ArraySlice<ConsentEvent> = []
        if let journal {
            let file = try JournalFile(path: journal, key: folder.logKey.publicKey)
            let held = try RegisterBackup.verify(backup)
            guard file.incarnation == held.incarnation else { throw JournalError.otherIncarnation }
            guard file.after <= held.sequence else {
                throw JournalError.gap(backup: held.sequence, journalAfter: file.after)
            }
            events = file.events.drop { $0.sequence <= held.sequence }
        }
        if !backup.isEmpty { try folder.restore(backup: backup) }
        let register = try SQLiteRegister(folder: folder)
        let replayed = try replay(events, into: register)
        if acceptLoss || journal != nil {
            let client = journal == nil ? "consentd restore" : "consentd restore --journal"
            try register.acceptLoss(now: now(register), client: client)
        }
        return RestoreSummary(
            sequence: register.lastSequence, replayed: replayed, isAccepted: !register.restorePending)
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
            Timestamp(microseconds: Int64(consent_wall_nanoseconds() / 1000)), register.lastRecordedAt)
    }
}
