// A start: what the tables hold, the events after them, and what of both the index is filled with.
//
//     load      catalogue, erasures that wait
//     states    every state row in the order of the keys; or, for an index that was filled from a snapshot,
//               only what has changed since, which may be asked before the replay
//     replay    the log's tree from the roots of complete blocks, and the events after `derivedSequence`,
//               folded in: what a write needs, and a check does not
//
// Invariant: when `replay` is done, tables and active generation together hold what all events derive.

import CPlatform
import ConsentDomain
import ConsentProof

extension SQLiteRegister {
    // MARK: Tables

    /// Reads what the tables hold.
    func load(derived mark: [UInt8]?) throws(RegisterError) {
        if let mark {
            guard mark.count == 40, let root = TreeHash(mark[8...]) else {
                throw .corrupt("the mark `derived`")
            }
            derivedSequence = mark[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
            derivedRoot = root
        }
        // Times of recording never descend.
        if let last = try event(lastSequence) { lastRecordedAt = last.recordedAt }
        guard derivedSequence <= lastSequence else {
            throw .corrupt("derived rows reach event \(derivedSequence), events end at \(lastSequence)")
        }
        try loadCatalogue()
    }

    private func loadCatalogue() throws(RegisterError) {
        let statement = try database.prepare("SELECT seq FROM payload ORDER BY seq")
        var sequences: [UInt64] = []
        while try statement.step("reading the catalogue") { sequences.append(statement.sequence(0)) }
        for sequence in sequences {
            guard let event = try event(sequence) else {
                throw .corrupt("the payload of no event (\(sequence))")
            }
            do {
                try committedCatalogue.apply(event)
            } catch {
                throw .corrupt("the payload of event \(sequence): \(error)")
            }
        }
        catalogue = committedCatalogue
    }

    /// The tree of the events up to `derivedSequence`: block roots, then the leaves after them.
    private func loadTree() throws(RegisterError) {
        let statement = try database.prepare("SELECT block, root FROM tree_block ORDER BY block")
        let complete = derivedSequence / UInt64(LogTree.blockLeafCount)
        while tree.blockCount < complete {
            guard try statement.step("reading the log's tree"), statement.sequence(0) == tree.blockCount,
                let root = TreeHash(statement.bytes(1))
            else { throw .corrupt("the root of block \(tree.blockCount) of the log is missing") }
            tree.append(blockRoot: root)
        }
        derivedBlockCount = tree.blockCount
        let first = tree.leafCount
        for leaf in try leafHashes(after: first, to: derivedSequence) { tree.append(leafHash: leaf) }
        if let derivedRoot, tree.root != derivedRoot {
            throw .corrupt("the log's tree of \(derivedSequence) events has another root than was recorded")
        }
    }

    // MARK: Events after the rows

    /// Reads and checks events that the replay needs, keeps them for it, and folds what `forEachProfile` will
    /// ask for. For the time in which another thread fills the index.
    /// - Parameter sequence: what the index will know by then.
    public func readAhead(after sequence: UInt64) throws(RegisterError) {
        guard ahead.isEmpty, !isReplayed else { return }
        let first = max(sequence, derivedSequence)
        ahead.reserveCapacity(Int(min(lastSequence - min(first, lastSequence), UInt64(Self.readAheadMax))))
        try scanEvents(after: first, limit: Self.readAheadMax) { event, leaf in
            ahead.append((event, .leaf(leaf)))
        }
        recent = (sequence, try foldRecent(after: sequence))
    }

    /// A hundred megabytes, about.
    private static let readAheadMax = 131_072

    /// Reads the log's tree and folds in the events after `derivedSequence`. Once, before anything else is
    /// done with a register that was opened with `defersReplay`; `mayExist` may be set already, and spares
    /// look-ups then.
    /// - Parameter body: lent what the index is to hold of each event's contact point.
    public func replay(_ body: (SlotKey, ContactProfile) -> Void = { _, _ in }) throws(RegisterError) {
        precondition(!isReplayed, "a register is replayed once")
        try loadTree()
        var position = derivedSequence
        func take(_ event: ConsentEvent, _ leafHash: TreeHash) throws(RegisterError) {
            tree.append(leafHash: leafHash)
            if let key = slotKey(of: event) { body(key, try fold(event, into: key)) }
            position = event.sequence
            stagedChanges.removeAll()
        }
        func scan(to end: UInt64) throws(RegisterError) {
            while position < end {
                let limit = Int(min(UInt64(options.replayStepEvents), end - position))
                try scanEvents(after: position, limit: limit) { event, leaf throws(RegisterError) in
                    try take(event, .leaf(leaf))
                }
                guard tree.leafCount == position else {
                    throw .corrupt("event \(tree.leafCount + 1) is missing")
                }
                if active.slots.count >= options.replayDirtyCountMax { try flushReplayed(to: position) }
            }
        }
        try scan(to: ahead.first.map { $0.event.sequence - 1 } ?? lastSequence)
        for (event, leafHash) in ahead { try take(event, leafHash) }
        ahead = []
        try scan(to: lastSequence)
        absent = []
        isReplayed = true
        // Pages that a start has read are not those that writes will want.
        try database.dropCache("freeing what the start has read")
        consent_return_freed_memory()
    }

    /// Writes what a long replay has folded so far.
    private func flushReplayed(to position: UInt64) throws(RegisterError) {
        // They are in the tables now.
        absent = []
        let end = lastSequence
        lastSequence = position
        while try !flushDerived(budget: .seconds(1)) { try checkpointIfDue() }
        lastSequence = end
    }

    // MARK: States for the index

    /// Lends every contact point's key, anchor day and profile record: the tables' rows, then what is in
    /// memory.
    public func forEachStateRow(
        _ body: (SlotKey, UInt16, UnsafeRawBufferPointer) -> Void
    ) throws(RegisterError) {
        defer { statements.scanStates.reset() }
        while try statements.scanStates.step("reading state rows") {
            guard let key = StateRow.key(statements.scanStates.bytes(0)),
                let profile = StateRow.profile(key, statements.scanStates.bytes(1))
            else { throw StateRow.damaged }
            body(key, profile.anchorDay, profile.record)
        }
        for generation in [frozen?.generation, active] {
            try generation?.slots.forEach { key, slot throws(RegisterError) in
                try slot.row.span.bytes.withUnsafeBytes { row throws(RegisterError) in
                    guard let profile = StateRow.profile(key, row) else { throw StateRow.damaged }
                    body(key, profile.anchorDay, profile.record)
                }
            }
        }
    }

    /// Lends what the index is to hold of every contact point that an event after `sequence` is about. For an
    /// index that knows the events up to `sequence`, and before the replay or after it.
    ///
    /// What is new since then is folded from its events; of whatever was known before, the state row is
    /// looked up first.
    /// - Parameters:
    ///   - rowCountMax: rows to look up at most, since each may be a page of the disk.
    ///   - isKnown: whether the index has a contact point.
    /// - Returns: false where it would take more, and reading all rows is faster; nothing was lent then.
    public func forEachProfile(
        changedAfter sequence: UInt64, rowCountMax: Int, isKnown: (SlotKey) -> Bool,
        _ body: (SlotKey, ContactProfile) -> Void
    ) throws(RegisterError) -> Bool {
        let folded = recent.take()
        let contacts =
            folded?.after == sequence ? folded?.contacts ?? [] : try foldRecent(after: sequence)
        var known: [SlotKey: ContactState] = [:]
        for contact in contacts where isKnown(contact.key) { known[contact.key] = contact.empty }
        guard known.count <= rowCountMax else { return false }
        if !known.isEmpty {
            for key in known.keys.sorted() {
                if let state = try stateInTable(key) { known[key] = state }
            }
            // The rows hold what came up to `derivedSequence`; a state skips what it has.
            try forEachEvent(after: min(sequence, derivedSequence)) { event throws(RegisterError) in
                guard let key = slotKey(of: event) else { return }
                known[key]?.apply(event)
            }
        }
        for contact in contacts {
            if let state = known[contact.key] {
                body(contact.key, state.profile)
            } else {
                // What came after the tables were written is not in them.
                if contact.firstSequence > derivedSequence { absent.insert(contact.key) }
                body(contact.key, contact.profile)
            }
        }
        return true
    }

    /// What the events after a sequence come to for each contact point, if it had none before.
    private func foldRecent(after sequence: UInt64) throws(RegisterError) -> [RecentContact] {
        var places: [SlotKey: Int] = [:]
        var states: [(key: SlotKey, firstSequence: UInt64, state: ContactState)] = []
        try forEachEvent(after: sequence) { event throws(RegisterError) in
            guard let key = slotKey(of: event) else { return }
            if let place = places[key] { return states[place].state.apply(event) }
            var state = ContactState(controller: event.controller, kind: event.contactKind ?? .opaque)
            state.apply(event)
            places[key] = states.count
            states.append((key, event.sequence, state))
        }
        return states.map {
            RecentContact(
                key: $0.key, firstSequence: $0.firstSequence, profile: $0.state.profile,
                empty: ContactState(controller: $0.state.controller, kind: $0.state.kind))
        }
    }

    /// Lends the events after a sequence, of those that were read ahead already from memory.
    private func forEachEvent(
        after sequence: UInt64, _ body: (ConsentEvent) throws(RegisterError) -> Void
    ) throws(RegisterError) {
        var position = sequence
        func scan(to end: UInt64) throws(RegisterError) {
            while position < end {
                let limit = min(4096, Int(end - position))
                try scanEvents(after: position, limit: limit) { event, _ throws(RegisterError) in
                    position = event.sequence
                    try body(event)
                }
            }
        }
        try scan(to: ahead.first.map { $0.event.sequence - 1 } ?? lastSequence)
        for (event, _) in ahead where event.sequence > position {
            position = event.sequence
            try body(event)
        }
        try scan(to: lastSequence)
    }

    /// Hash of a committed event's leaf, as it stands in the table; nil for a sequence not reached.
    public func leafHash(of sequence: UInt64) throws(RegisterError) -> TreeHash? {
        guard sequence >= 1, sequence <= lastSequence else { return nil }
        return try leafHashes(after: sequence - 1, to: sequence).first
    }
}

/// A contact point that events of late are about.
struct RecentContact {
    let key: SlotKey
    /// The first of those events.
    let firstSequence: UInt64
    /// What they come to, if there were none before.
    let profile: ContactProfile
    /// Its state before any event.
    let empty: ContactState
}
