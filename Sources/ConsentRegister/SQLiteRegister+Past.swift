// Reading the past and reading it all: what was known at a time, the catalogue's own events, and every
// contact point of a controller in small steps.
//
// Invariant: nothing here keeps a statement open, so that a reader never holds up a commit or an erasure.

import ConsentDomain

extension SQLiteRegister {
    /// Sequence of the last event that was recorded at a time or before it; 0: none.
    public func sequence(recordedBy time: Timestamp) throws(RegisterError) -> UInt64 {
        if lastRecordedAt <= time { return lastSequence }
        // Times of recording never descend, so the log can be halved: `known` was recorded by then,
        // `later` was not.
        var known: UInt64 = 0
        var later = lastSequence
        while later - known > 1 {
            let middle = known + (later - known) / 2
            guard let event = try event(middle) else { throw .corrupt("event \(middle) is missing") }
            if event.recordedAt <= time { known = middle } else { later = middle }
        }
        return known
    }

    /// Catalogue events after a sequence, with their payloads, at most `limit`.
    public func catalogueEvents(after sequence: UInt64, limit: Int) throws(RegisterError) -> [ConsentEvent] {
        let statement = try database.prepare("SELECT seq FROM payload WHERE seq > ?1 ORDER BY seq LIMIT ?2")
        statement.bind(1, sequence: sequence)
        statement.bind(2, Int64(limit))
        var sequences: [UInt64] = []
        while try statement.step("reading the catalogue") { sequences.append(statement.sequence(0)) }
        var events: [ConsentEvent] = []
        for sequence in sequences where sequence <= lastSequence {
            if let event = try event(sequence), event.kind.isCatalogue { events.append(event) }
        }
        return events
    }

    /// The contact points of a controller that the derived tables do not hold yet, or not as they are.
    public func unwrittenContacts(of controller: ControllerID) throws(RegisterError) -> [SlotKey] {
        var keys = Set<SlotKey>()
        for generation in [frozen?.generation, active] {
            try generation?.slots.forEach { key, slot throws(RegisterError) in
                if try slot.controller(key) == controller { keys.insert(key) }
            }
        }
        return keys.sorted()
    }

    /// A page of the derived tables.
    public struct ContactPage: Sendable {
        /// Contact points of the controller, in the order of their keys.
        public var keys: [SlotKey]
        /// Last key that was looked at; nil: there are no more.
        public var end: SlotKey?
    }

    /// Looks at some rows of the derived tables for those of a controller.
    /// - Parameters:
    ///   - after: last key of the page before; nil: from the beginning.
    ///   - rowCount: rows to look at.
    public func contacts(
        of controller: ControllerID, after: SlotKey?, rowCount: Int
    ) throws(RegisterError) -> ContactPage {
        let statement = try database.prepare(
            after == nil
                ? "SELECT key, row FROM state ORDER BY key LIMIT ?2"
                : "SELECT key, row FROM state WHERE key > ?1 ORDER BY key LIMIT ?2")
        if let after { statement.bind(1, after) }
        statement.bind(2, Int64(rowCount))
        var page = ContactPage(keys: [], end: nil)
        var rows = 0
        while try statement.step("reading state rows") {
            guard let key = StateRow.key(statement.bytes(0)) else { throw StateRow.damaged }
            if try StateRow.controller(key, statement.bytes(1)) == controller { page.keys.append(key) }
            page.end = key
            rows += 1
        }
        if rows < rowCount { page.end = nil }
        return page
    }
}

extension StateRow {
    /// The controller of a row's contact point.
    static func controller(
        _ key: SlotKey, _ row: UnsafeRawBufferPointer
    ) throws(RegisterError) -> ControllerID {
        guard let profile = profile(key, row) else { throw damaged }
        // Byte 4 of the state's canonical form (ContactState+Bytes.swift).
        let offset = headerByteCount + profile.record.count + 4
        guard row.count - offset >= 4 else { throw damaged }
        return ControllerID(
            rawValue: UInt32(littleEndian: row.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
}
