// Destroying the personal parts of what came before an erase event.
//
// The erase event is committed first, together with a row of `pending_erasure`, so that from then on the
// answer is a denial and the destruction cannot be forgotten. Then, in this order:
//
//     1 one transaction: personal parts deleted, with the look-ups by reference, contact point and event
//       id; the state row written anew
//     2 the write-ahead log moved to the database and cut to nothing, and the page cache dropped: the bytes
//       are in no file now, nor in a page that may be written again (CScrub.c)
//     3 the row of `pending_erasure` deleted
//
// A crash between two steps leaves the row, and the steps are done again: each is the same the second time.
// An erasure that restricts first waits in `pending_erasure` for its day; until then `isRestricted` says
// which events only an administrator may read in full.
//
// What stays: leaves (so the tree, its heads and all proofs), erase events with their key (the tombstone),
// and a keyed hash of each destroyed event's id, so that a write that is sent again is not taken for a new
// one.

import ConsentDomain
import Failpoint

/// An erase event whose destruction is not done.
struct PendingErasure: Hashable, Sendable {
    /// Sequence of the erase event; what came before it is destroyed.
    let sequence: UInt64
    let slot: SlotKey
    /// Day at whose start it is due; `.none`: at once.
    let due: Day
}

/// The erasures that wait, in memory.
struct ErasureQueue {
    private(set) var pending: [UInt64: PendingErasure] = [:]
    /// Newest erase event that restricts a contact point.
    private(set) var restricted: [SlotKey: UInt64] = [:]
    /// Whether ids of destroyed events are on file.
    var hasErasedIDs = false
    /// Day of the earliest one; `.last` where none waits.
    private(set) var nextDue = Day.last

    mutating func add(_ erasure: PendingErasure) {
        pending[erasure.sequence] = erasure
        note(erasure)
    }

    mutating func remove(_ done: [PendingErasure]) {
        for erasure in done { pending[erasure.sequence] = nil }
        nextDue = .last
        restricted.removeAll()
        for erasure in pending.values { note(erasure) }
    }

    /// Those due on a day, oldest first.
    func due(on day: Day) -> [PendingErasure] {
        guard nextDue <= day else { return [] }
        return pending.values.filter { $0.due <= day }.sorted { $0.sequence < $1.sequence }
    }

    private mutating func note(_ erasure: PendingErasure) {
        nextDue = min(nextDue, erasure.due)
        restricted[erasure.slot] = max(restricted[erasure.slot] ?? 0, erasure.sequence)
    }
}

extension SQLiteRegister {
    // MARK: What waits

    /// Number of erase events whose destruction is not done.
    public var pendingErasureCount: Int { erasures.pending.count }

    /// Whether some destruction is due.
    public func hasErasuresDue(now: Timestamp) -> Bool {
        !erasures.pending.isEmpty && erasures.nextDue <= now.day
    }

    /// Whether an event's personal part waits for its destruction: then only an administrator may read it.
    public func isRestricted(_ event: ConsentEvent) -> Bool {
        guard !erasures.restricted.isEmpty, event.kind != .erase, let slot = slotKey(of: event),
            let erasure = erasures.restricted[slot]
        else { return false }
        return event.sequence < erasure
    }

    /// An event as somebody may read it: without its personal part where that is restricted.
    /// - Parameter isAdministrator: whether the reader may see restricted parts.
    public func shown(_ event: ConsentEvent, isAdministrator: Bool) -> ConsentEvent {
        guard !isAdministrator, isRestricted(event) else { return event }
        var blank = event
        blank.personal = nil
        blank.salt = []
        return blank
    }

    /// Whether an erasure of a contact point would destroy anything, or leave a denial where there is none.
    /// - Parameter isRestriction: whether it would only restrict.
    public func hasAnythingToErase(_ slot: SlotKey, isRestriction: Bool) throws(RegisterError) -> Bool {
        if let erasure = erasures.restricted[slot] {
            // What waits for a later day is destroyed by an erasure at once.
            if !isRestriction { return true }
            return try sequences(of: slot).contains { $0 > erasure }
        }
        var wasErased = false
        for sequence in try sequences(of: slot) {
            guard sequence <= lastSequence, let event = try event(sequence) else { return true }
            guard event.kind == .erase else { return true }
            wasErased = true
        }
        return !wasErased
    }

    /// Events of a contact point that an erasure would destroy the personal part of.
    public func personalPartCount(of slot: SlotKey) throws(RegisterError) -> Int {
        var count = 0
        for sequence in try sequences(of: slot) where sequence <= lastSequence {
            if let event = try event(sequence), event.kind != .erase, event.personal != nil { count += 1 }
        }
        return count
    }

    // MARK: Destroying

    /// Destroys what is due, and returns when its bytes are in no file any more. Nothing may be staged.
    /// - Returns: number of personal parts destroyed.
    @discardableResult
    public func finishErasures(now: Timestamp) throws(RegisterError) -> Int {
        precondition(staged.isEmpty, "personal parts are destroyed between commits")
        let due = erasures.due(on: now.day)
        guard !due.isEmpty else { return 0 }
        var destroyed = 0
        for erasure in due { destroyed += try destroyPersonalParts(before: erasure) }
        Failpoint.eraseDestroyed.reached()
        try checkpoint(truncating: true)
        Failpoint.eraseEmptied.reached()
        try database.dropCache("destroying personal parts")
        let clear = try database.prepare("DELETE FROM pending_erasure WHERE seq = ?1")
        try inTransaction("ending an erasure") { () throws(RegisterError) in
            for erasure in due {
                clear.bind(1, sequence: erasure.sequence)
                try clear.run("ending an erasure")
            }
        }
        Failpoint.eraseEnded.reached()
        erasures.remove(due)
        return destroyed
    }

    /// Step 1, for one erase event.
    private func destroyPersonalParts(before erasure: PendingErasure) throws(RegisterError) -> Int {
        var kept = Set<RecipientKey>()
        var gone: [(sequence: UInt64, personal: PersonalPart)] = []
        for sequence in try sequences(of: erasure.slot) {
            guard let event = try event(sequence), event.kind != .erase, let personal = event.personal
            else { continue }
            if sequence < erasure.sequence {
                gone.append((sequence, personal))
            } else if let reference = referenceKey(event) {
                kept.insert(reference)
            }
        }
        let row = try state(for: erasure.slot).map { StateRow.encode(erasure.slot, $0, $0.profile) }
        let controller = try event(erasure.sequence)?.controller ?? ControllerID(rawValue: 0)
        try inTransaction("destroying personal parts") { () throws(RegisterError) in
            try delete(gone, slot: erasure.slot, controller: controller, keeping: kept)
            if let row {
                statements.putState.bind(1, erasure.slot)
                statements.putState.bind(2, row)
                try statements.putState.run("writing an erased state")
            }
        }
        let references = Set(gone.compactMap { referenceKey($0.personal, controller) }).subtracting(kept)
        let sequences = Set(gone.map(\.sequence))
        for (_, personal) in gone {
            active.drop(personal.eventID)
            frozen?.generation.drop(personal.eventID)
        }
        active.forget(erasure.slot, sequences, references, newer: row)
        frozen?.generation.forget(erasure.slot, sequences, references, newer: row)
        if !gone.isEmpty { erasures.hasErasedIDs = true }
        return gone.count
    }

    private func delete(
        _ gone: [(sequence: UInt64, personal: PersonalPart)], slot: SlotKey, controller: ControllerID,
        keeping kept: Set<RecipientKey>
    ) throws(RegisterError) {
        let action = "destroying personal parts"
        let personalRow = try database.prepare("DELETE FROM personal WHERE seq = ?1")
        let contactRow = try database.prepare("DELETE FROM contact_event WHERE key = ?1 AND seq = ?2")
        let idRow = try database.prepare("DELETE FROM event_id WHERE id = ?1")
        let erasedRow = try database.prepare("INSERT OR IGNORE INTO erased_id (id, seq) VALUES (?1, ?2)")
        let referenceRow = try database.prepare("DELETE FROM reference WHERE ref = ?1 AND key = ?2")
        for (sequence, personal) in gone {
            personalRow.bind(1, sequence: sequence)
            try personalRow.run(action)
            contactRow.bind(1, slot)
            contactRow.bind(2, sequence: sequence)
            try contactRow.run(action)
            idRow.bind(1, personal.eventID.bytes)
            try idRow.run(action)
            erasedRow.bind(1, erasedID(personal.eventID))
            erasedRow.bind(2, sequence: sequence)
            try erasedRow.run(action)
            if let reference = referenceKey(personal, controller), !kept.contains(reference) {
                referenceRow.bind(1, reference.bytes)
                referenceRow.bind(2, slot)
                try referenceRow.run(action)
            }
        }
    }

    // MARK: Start and append

    /// Reads what waits.
    func loadErasures() throws(RegisterError) {
        let known = try database.number("SELECT EXISTS (SELECT 1 FROM erased_id)", "reading erasures")
        erasures.hasErasedIDs = known != 0
        var rows: [(UInt64, Day)] = []
        let statement = try database.prepare("SELECT seq, due FROM pending_erasure ORDER BY seq")
        while try statement.step("reading erasures") {
            rows.append((statement.sequence(0), Day(rawValue: UInt16(clamping: statement.int64(1)))))
        }
        for (sequence, due) in rows {
            guard let event = try event(sequence), event.kind == .erase, let slot = slotKey(of: event) else {
                throw .corrupt("the erasure of event \(sequence) waits, and the event is none")
            }
            erasures.add(PendingErasure(sequence: sequence, slot: slot, due: due))
        }
    }

    /// What an erase event leaves to be done; nil for other events.
    func pendingErasure(of event: ConsentEvent) -> PendingErasure? {
        guard event.kind == .erase, let slot = slotKey(of: event) else { return nil }
        return PendingErasure(sequence: event.sequence, slot: slot, due: event.retentionDay)
    }

    func insert(_ erasure: PendingErasure) throws(RegisterError) {
        let row = try database.prepare("INSERT INTO pending_erasure (seq, due) VALUES (?1, ?2)")
        row.bind(1, sequence: erasure.sequence)
        row.bind(2, Int64(erasure.due.rawValue))
        try row.run("appending events")
    }

    // MARK: Keys

    /// Sequence of the destroyed event that had an id; nil where there is none.
    func erasedSequence(of id: EventID) throws(RegisterError) -> UInt64? {
        guard erasures.hasErasedIDs else { return nil }
        let statement = try database.prepare("SELECT seq FROM erased_id WHERE id = ?1")
        statement.bind(1, erasedID(id))
        return try statement.step("looking up an event id") ? statement.sequence(0) : nil
    }

    private func erasedID(_ id: EventID) -> [UInt8] {
        keyring.contentMAC(Array("erased event id ".utf8) + id.bytes).bytes
    }

    private func referenceKey(_ event: ConsentEvent) -> RecipientKey? {
        event.personal.flatMap { referenceKey($0, event.controller) }
    }

    private func referenceKey(_ personal: PersonalPart, _ controller: ControllerID) -> RecipientKey? {
        guard !personal.reference.isEmpty else { return nil }
        return keyring.referenceKey(controller: controller, personal.reference)
    }
}
