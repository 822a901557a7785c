// Writing: stage, commit, roll back.
//
// The transaction appends to the sequential tables only; what the events derive stays in memory and is
// written later (SQLiteRegister+Derived.swift). Random B-trees in the transaction would cost a page or two
// of log for each event.

import ConsentDomain
import ConsentProof
import Failpoint

extension SQLiteRegister {
    /// Gives an event the next sequence and folds it in, in memory.
    /// - Parameter seal: of the event's personal part, where the caller has made one.
    public func stage(
        _ event: consuming ConsentEvent, seal: PersonalSeal? = nil
    ) throws(RegisterError) -> Staged {
        try requireRunning()
        precondition(isReplayed, "events are staged before the replay")
        event.sequence = lastSequence + UInt64(staged.count) + 1
        event.recordedAt = max(event.recordedAt, staged.last?.recordedAt ?? lastRecordedAt)
        var seal = seal
        if let personal = event.personal {
            let made =
                seal ?? PersonalSeal(personal, salt: event.salt.isEmpty ? salts.next() : event.salt)
            assert(made.encoded == personal.encoded, "a seal of another personal part")
            event.attach(personal, made)
            seal = made
        }
        let slot = slotKey(of: event)
        let profile: ContactProfile? = if let slot { try fold(event, into: slot) } else { nil }
        if !event.payload.isEmpty {
            precondition(
                event.payload.count <= PayloadForm.byteCountMax, "a payload is longer than its limit")
            do {
                try catalogue.apply(event)
            } catch {
                throw .corrupt("the payload of event \(event.sequence): \(error)")
            }
        }
        let leaf = event.leaf
        staged.append(
            StagedAppend(
                leaf: leaf, leafHash: TreeHash.leaf(leaf), recordedAt: event.recordedAt, salt: event.salt,
                personal: seal?.encoded ?? [],
                payload: event.payload.isEmpty ? [] : PayloadForm.pack(event.payload),
                erasure: pendingErasure(of: event)))
        return Staged(event: event, slot: slot, profile: profile)
    }

    /// Appends all staged events in one durable transaction.
    public func commit() throws(RegisterError) {
        try commit(clearingRestore: false)
    }

    /// Drops all staged events.
    public func rollback() {
        active.undo(stagedChanges)
        catalogue = committedCatalogue
        forgetStaged()
    }

    private func forgetStaged() {
        staged.removeAll(keepingCapacity: true)
        stagedChanges.removeAll()
    }

    /// Accepts that refusals since the backup that was restored may be missing: appends an event that says
    /// so, and lets marketing be answered again.
    /// - Parameters:
    ///   - now: when it was accepted.
    ///   - client: who accepted it.
    /// - Returns: the event.
    @discardableResult
    public func acceptLoss(now: Timestamp, client: String) throws(RegisterError) -> ConsentEvent {
        rollback()
        var event = ConsentEvent(kind: .restored, occurredAt: now, recordedAt: now)
        event.client = client
        let accepted = try stage(event)
        do {
            try commit(clearingRestore: true)
        } catch {
            rollback()
            throw error
        }
        restorePending = false
        return accepted.event
    }

    // MARK: Parts

    private func commit(clearingRestore: Bool) throws(RegisterError) {
        guard !staged.isEmpty else { return }
        do {
            try inTransaction("appending events") { () throws(RegisterError) in
                // Of a local array nothing is retained.
                let staged = staged
                for place in staged.indices {
                    try insert(staged[place], sequence: lastSequence + 1 + UInt64(place))
                }
                if clearingRestore { try Meta.restorePending.write([0], by: statements.putMeta) }
                Failpoint.commitBefore.reached()
            }
            Failpoint.commitAfter.reached()
            let last = staged[staged.count - 1]
            try endMark.commit(sequence: lastSequence + UInt64(staged.count), recordedAt: last.recordedAt)
        } catch {
            if error.isFatal { isStopped = true }
            rollback()
            throw error
        }
        for place in staged.indices {
            tree.append(leafHash: staged[place].leafHash)
            if let erasure = staged[place].erasure { erasures.add(erasure) }
        }
        lastSequence += UInt64(staged.count)
        lastRecordedAt = staged[staged.count - 1].recordedAt
        committedCatalogue = catalogue
        forgetStaged()
        // A caller that never checkpoints must not fill the disk with the log.
        if writeAheadLog.pages >= 8 * options.checkpointPages { try checkpoint(truncating: false) }
    }

    private func insert(_ append: StagedAppend, sequence: UInt64) throws(RegisterError) {
        let action = "appending events"
        try statements.insertEvent.run(action, sequence, append.leaf)
        if !append.personal.isEmpty {
            try statements.insertPersonal.run(action, sequence, append.salt, append.personal)
        }
        if !append.payload.isEmpty { try statements.insertPayload.run(action, sequence, append.payload) }
        if let erasure = append.erasure { try insert(erasure) }
    }

    /// Where an event's contact point stands; nil for events about none, and those whose personal part is
    /// destroyed.
    func slotKey(of event: ConsentEvent) -> SlotKey? {
        guard let personal = event.personal, event.contactKind != nil else { return nil }
        return keyring.slotKey(personal.key, controller: event.controller)
    }

    /// Folds an event into the active generation.
    /// - Returns: what the index is to hold of the contact point.
    func fold(_ event: ConsentEvent, into key: SlotKey) throws(RegisterError) -> ContactProfile {
        let known = active.slots[key]
        var state: ContactState
        if let known {
            state = try known.state(key)
        } else if let older = try stateBeforeActive(key) {
            state = older
        } else {
            state = ContactState(controller: event.controller, kind: event.contactKind ?? .opaque)
        }
        state.apply(event)
        let profile = state.profile
        var sequences = known?.sequences ?? ShortList()
        sequences.append(event.sequence)
        active.set(
            key, OverlaySlot(row: StateRow.encode(key, state, profile), sequences: sequences),
            noting: &stagedChanges)
        guard let personal = event.personal else { return profile }
        active.name(personal.eventID, event.sequence, noting: &stagedChanges)
        if !personal.reference.isEmpty {
            let reference = keyring.referenceKey(controller: event.controller, personal.reference)
            active.refer(reference, to: key, noting: &stagedChanges)
        }
        return profile
    }
}

/// Salts of commitments, drawn from the system many at a time.
public struct SaltPool: Sendable {
    static let byteCount = 16
    private var bytes: [UInt8] = []

    /// A pool that draws when it is first asked.
    public init() {}

    /// 16 random bytes.
    public mutating func next() -> [UInt8] {
        if bytes.isEmpty { bytes = FileSystem.randomBytes(128 * Self.byteCount) }
        let salt = [UInt8](bytes.suffix(Self.byteCount))
        bytes.removeLast(Self.byteCount)
        return salt
    }
}
