// Writing: stage, commit, roll back.
//
// The transaction appends to the sequential tables only; what the events derive stays in memory and is
// written later (SQLiteRegister+Derived.swift). Random B-trees in the transaction would cost a page or two
// of log for each event.

import ConsentDomain
import ConsentProof

extension SQLiteRegister {
    /// Gives an event the next sequence and folds it in, in memory.
    public func stage(_ event: ConsentEvent) throws(RegisterError) -> Staged {
        try requireRunning()
        var event = event
        event.sequence = lastSequence + UInt64(staged.count) + 1
        event.recordedAt = max(event.recordedAt, staged.last?.recordedAt ?? lastRecordedAt)
        if let personal = event.personal, event.salt.isEmpty { event.attach(personal, salt: salts.next()) }
        var result = Staged(event: event, slot: nil, state: nil)
        if let key = slotKey(of: event) {
            let state = try fold(event, into: key)
            result.slot = key
            result.state = state
        }
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
                personal: event.personal?.encoded ?? [],
                payload: event.payload.isEmpty ? [] : PayloadForm.pack(event.payload),
                erasure: pendingErasure(of: event)))
        return result
    }

    /// Appends all staged events in one durable transaction.
    public func commit() throws(RegisterError) {
        try commit(clearingRestore: false)
    }

    /// Drops all staged events.
    public func rollback() {
        staged.removeAll(keepingCapacity: true)
        stagedGeneration.removeAll()
        catalogue = committedCatalogue
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
                for (offset, append) in staged.enumerated() {
                    try insert(append, sequence: lastSequence + 1 + UInt64(offset))
                }
                if clearingRestore { try Meta.restorePending.write([0], by: statements.putMeta) }
            }
        } catch {
            rollback()
            throw error
        }
        for append in staged {
            tree.append(leafHash: append.leafHash)
            if let erasure = append.erasure { erasures.add(erasure) }
        }
        lastSequence += UInt64(staged.count)
        lastRecordedAt = staged[staged.count - 1].recordedAt
        committedCatalogue = catalogue
        active.merge(stagedGeneration)
        rollback()
        // A caller that never checkpoints must not fill the disk with the log.
        if writeAheadLog.pages >= 8 * options.checkpointPages { try checkpoint(truncating: false) }
    }

    private func insert(_ append: StagedAppend, sequence: UInt64) throws(RegisterError) {
        let action = "appending events"
        statements.insertEvent.bind(1, sequence: sequence)
        statements.insertEvent.bind(2, append.leaf)
        try statements.insertEvent.run(action)
        if !append.personal.isEmpty {
            statements.insertPersonal.bind(1, sequence: sequence)
            statements.insertPersonal.bind(2, append.salt)
            statements.insertPersonal.bind(3, append.personal)
            try statements.insertPersonal.run(action)
        }
        if !append.payload.isEmpty {
            statements.insertPayload.bind(1, sequence: sequence)
            statements.insertPayload.bind(2, append.payload)
            try statements.insertPayload.run(action)
        }
        if let erasure = append.erasure { try insert(erasure) }
    }

    /// Where an event's contact point stands; nil for events about none, and those whose personal part is
    /// destroyed.
    func slotKey(of event: ConsentEvent) -> SlotKey? {
        guard let personal = event.personal, event.contactKind != nil else { return nil }
        return keyring.slotKey(personal.key, controller: event.controller)
    }

    /// Folds a staged event into the staged generation.
    private func fold(_ event: ConsentEvent, into key: SlotKey) throws(RegisterError) -> ContactState {
        var slot: OverlaySlot
        if let taken = stagedGeneration.take(key) {
            slot = taken
        } else {
            slot = OverlaySlot(state: try state(for: key) ?? Self.newState(event), sequences: [])
        }
        slot.state.apply(event)
        slot.sequences.append(event.sequence)
        stagedGeneration.set(key, slot.state, adding: slot.sequences)
        noteLookups(of: event, key, in: &stagedGeneration)
        return slot.state
    }

    func noteLookups(of event: ConsentEvent, _ key: SlotKey, in generation: inout Generation) {
        guard let personal = event.personal else { return }
        generation.name(personal.eventID, event.sequence)
        guard !personal.reference.isEmpty else { return }
        generation.refer(keyring.referenceKey(controller: event.controller, personal.reference), to: key)
    }

    static func newState(_ event: ConsentEvent) -> ContactState {
        ContactState(controller: event.controller, kind: event.contactKind ?? .opaque)
    }
}

/// Salts of commitments, drawn from the system many at a time.
struct SaltPool {
    static let byteCount = 16
    private var bytes: [UInt8] = []

    /// 16 random bytes.
    mutating func next() -> [UInt8] {
        if bytes.isEmpty { bytes = FileSystem.randomBytes(128 * Self.byteCount) }
        let salt = [UInt8](bytes.suffix(Self.byteCount))
        bytes.removeLast(Self.byteCount)
        return salt
    }
}
