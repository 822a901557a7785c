// Reading: states, look-ups, events. Each call ends its statement, so that a stream keeps a position and
// nothing else.

import ConsentDomain

extension SQLiteRegister {
    // MARK: Contact points

    /// State of a contact point; nil where nothing is on file.
    public func state(for key: SlotKey) throws(RegisterError) -> ContactState? {
        if let slot = active.slots[key] { return try slot.state(key) }
        return try stateBeforeActive(key)
    }

    /// Whether a contact point may be on file; false is certain. Costs no look-up in the tables.
    public func mayHold(_ key: SlotKey) -> Bool {
        active.slots[key] != nil || mayExist?(key) ?? true
    }

    /// State of a contact point that the active generation does not know.
    func stateBeforeActive(_ key: SlotKey) throws(RegisterError) -> ContactState? {
        if let slot = frozen?.generation.slots[key] { return try slot.state(key) }
        if absent.contains(key) { return nil }
        if let mayExist, !mayExist(key) { return nil }
        return try stateInTable(key)
    }

    /// State of a contact point as the tables have it.
    func stateInTable(_ key: SlotKey) throws(RegisterError) -> ContactState? {
        statements.getState.bind(1, key)
        defer { statements.getState.reset() }
        guard try statements.getState.step("reading a state row") else { return nil }
        return try StateRow.state(key, statements.getState.bytes(0))
    }

    /// Sequence of the event with an id, also where its personal part is destroyed; nil where there is none.
    public func sequence(of id: EventID) throws(RegisterError) -> UInt64? {
        let inMemory = frozen?.generation.eventIDs[id] ?? active.eventIDs[id]
        if let inMemory { return inMemory }
        statements.getEventID.bind(1, id.bytes)
        defer { statements.getEventID.reset() }
        guard try statements.getEventID.step("looking up an event id") else {
            return try erasedSequence(of: id)
        }
        return statements.getEventID.sequence(0)
    }

    /// Sequences of a contact point's events, ascending.
    public func sequences(of key: SlotKey) throws(RegisterError) -> [UInt64] {
        var found: [UInt64] = []
        statements.getContactEvents.bind(1, key)
        defer { statements.getContactEvents.reset() }
        while try statements.getContactEvents.step("looking up a contact point's events") {
            found.append(statements.getContactEvents.sequence(0))
        }
        // A generation that is being written may be in the table already, in part.
        for slot in [frozen?.generation.slots[key], active.slots[key]] {
            let last = found.last ?? 0
            found.append(contentsOf: (slot?.sequences.elements ?? []).filter { $0 > last })
        }
        return found
    }

    /// The contact points that a customer reference reaches, in the order of their keys.
    public func contacts(reference: RecipientKey) throws(RegisterError) -> [SlotKey] {
        var found = Set<SlotKey>()
        statements.getReference.bind(1, reference.bytes)
        defer { statements.getReference.reset() }
        while try statements.getReference.step("looking up a reference") {
            guard let key = StateRow.key(statements.getReference.bytes(0)) else {
                throw .corrupt("a row of the table of references")
            }
            found.insert(key)
        }
        for slots in [frozen?.generation.references[reference], active.references[reference]] {
            found.formUnion(slots?.elements ?? [])
        }
        return found.sorted()
    }

    /// The contact points that a customer reference of a controller reaches, in the order of their keys.
    public func contacts(controller: ControllerID, reference: String) throws(RegisterError) -> [SlotKey] {
        try contacts(reference: keyring.referenceKey(controller: controller, reference))
    }

    // MARK: Events

    /// A committed event; nil for a sequence not reached.
    public func event(_ sequence: UInt64) throws(RegisterError) -> ConsentEvent? {
        guard sequence >= 1, sequence <= lastSequence else { return nil }
        guard let event = try events(after: sequence - 1, limit: 1).first, event.sequence == sequence else {
            throw .corrupt("event \(sequence) is missing")
        }
        return event
    }

    /// Committed events after a sequence, at most `limit`. Personal parts, payloads and sequences are
    /// checked against the leaves; the leaves themselves against the tree by `checkLeaf`.
    public func events(after sequence: UInt64, limit: Int) throws(RegisterError) -> [ConsentEvent] {
        guard limit > 0, sequence < UInt64(Int64.max) else { return [] }
        var events: [ConsentEvent] = []
        events.reserveCapacity(min(limit, 1024))
        try scanEvents(after: sequence, limit: limit) { event, _ in events.append(event) }
        return events
    }

    /// Lends each event and its leaf, in order; a gap between sequences is damage.
    func scanEvents(
        after sequence: UInt64, limit: Int,
        _ body: (ConsentEvent, UnsafeRawBufferPointer) throws(RegisterError) -> Void
    ) throws(RegisterError) {
        statements.getEvents.bind(1, sequence: sequence)
        statements.getEvents.bind(2, Int64(limit))
        defer { statements.getEvents.reset() }
        var expected = sequence + 1
        while try statements.getEvents.step("reading events") {
            let event = try currentEvent()
            guard event.sequence == expected else { throw .corrupt("event \(expected) is missing") }
            try body(event, statements.getEvents.bytes(1))
            expected += 1
        }
    }

    /// The event of the current row of `getEvents`.
    private func currentEvent() throws(RegisterError) -> ConsentEvent {
        let row = statements.getEvents.sequence(0)
        do {
            var event = try ConsentEvent(leaf: statements.getEvents.array(1))
            guard event.sequence == row else {
                throw RegisterError.corrupt("event \(row) names another sequence")
            }
            if !statements.getEvents.isNull(3) {
                event.salt = statements.getEvents.array(2)
                let body = statements.getEvents.array(3)
                event.personal = try PersonalPart(decoding: body)
                // The one form that it has, so its bytes need not be made again.
                guard event.commitment == .sha256(event.salt, body) else {
                    throw RegisterError.corrupt(
                        "the personal part of event \(row) differs from its commitment")
                }
            }
            if !statements.getEvents.isNull(4) {
                let payload = try PayloadForm.unpack(statements.getEvents.array(4))
                guard event.payloadDigest == .sha256(payload) else {
                    throw RegisterError.corrupt("the payload of event \(row) differs from its digest")
                }
                event.payload = payload
            } else if event.payloadDigest != nil {
                throw RegisterError.corrupt("the payload of event \(row) is missing")
            }
            return event
        } catch let error as RegisterError {
            throw error
        } catch {
            throw .corrupt("event \(row): \(error)")
        }
    }
}
