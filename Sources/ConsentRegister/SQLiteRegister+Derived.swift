// The derived tables: read and completed at a start, written later and in the order of their keys.
//
// `flushDerived` freezes what is committed and writes it in steps, each its own transaction, between
// commits of events. `derivedSequence` moves with the last step. A crash in between leaves rows that are
// ahead; a replay skips what they hold, since a state knows its last event and the look-ups say the same
// again.

import ConsentDomain
import ConsentProof

extension SQLiteRegister {
    // MARK: Start

    /// Reads what the tables hold, and folds in the events after it.
    func load(derived mark: [UInt8]?) throws(RegisterError) {
        lastSequence = UInt64(
            bitPattern: try database.number("SELECT max(seq) FROM event", "reading the last event"))
        var derivedRoot: TreeHash?
        if let mark {
            guard mark.count == 40, let root = TreeHash(mark[8...]) else {
                throw .corrupt("the mark `derived`")
            }
            derivedSequence = mark[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
            derivedRoot = root
        }
        guard derivedSequence <= lastSequence else {
            throw .corrupt("derived rows reach event \(derivedSequence), events end at \(lastSequence)")
        }
        try loadCatalogue()
        try loadTree()
        if let derivedRoot, tree.root != derivedRoot {
            throw .corrupt("the log's tree of \(derivedSequence) events has another root than was recorded")
        }
        try replay()
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
    }

    private func replay() throws(RegisterError) {
        var position = derivedSequence
        if derivedSequence > 0, let last = try event(derivedSequence) { lastRecordedAt = last.recordedAt }
        while position < lastSequence {
            try scanEvents(after: position, limit: 4096) { event, leaf throws(RegisterError) in
                tree.append(leafHash: TreeHash.leaf(leaf))
                if let key = slotKey(of: event) { _ = try fold(event, into: key) }
                lastRecordedAt = max(lastRecordedAt, event.recordedAt)
                position = event.sequence
            }
            stagedChanges.removeAll()
            guard tree.leafCount == position else { throw .corrupt("event \(tree.leafCount + 1) is missing") }
            if active.slots.count >= options.replayDirtyCountMax {
                let end = lastSequence
                lastSequence = position
                while try !flushDerived(budget: .seconds(1)) { try checkpointIfDue() }
                lastSequence = end
            }
        }
    }

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

    // MARK: Flush

    /// Writes derived rows for about as long as the budget says, in one transaction.
    /// - Returns: true when no generation is on its way any more.
    public func flushDerived(budget: Duration) throws(RegisterError) -> Bool {
        try requireRunning()
        precondition(staged.isEmpty, "derived rows are written between commits")
        if frozen == nil {
            guard derivedSequence < lastSequence else { return true }
            frozen = FrozenGeneration(
                active, sequence: lastSequence, root: tree.root.bytes, firstBlock: derivedBlockCount)
            active = Generation()
        }
        guard var writing = frozen.take() else { return true }
        let before = writing.cursor
        let deadline = ContinuousClock.now + budget
        var isComplete = false
        do throws(RegisterError) {
            try inTransaction("writing derived rows") { () throws(RegisterError) in
                isComplete = try write(&writing, until: deadline)
            }
        } catch {
            writing.undoStep(to: before)
            frozen = writing
            throw error
        }
        derivedRowCount += UInt64(writing.stepRowCount)
        writing.keepStep()
        guard isComplete else {
            frozen = writing
            return false
        }
        derivedSequence = writing.sequence
        derivedBlockCount = writing.cursor.block
        return true
    }

    /// Writes rows until the deadline has passed or all are written.
    private func write(
        _ writing: inout FrozenGeneration, until deadline: ContinuousClock.Instant
    ) throws(RegisterError) -> Bool {
        while true {
            let isDone = try writeRow(&writing)
            if isDone { return true }
            writing.stepRowCount += 1
            if writing.stepRowCount % 16 == 0, ContinuousClock.now >= deadline { return false }
        }
    }

    /// Writes what stands at the cursor and moves it.
    /// - Returns: true after the mark, which comes last.
    private func writeRow(_ writing: inout FrozenGeneration) throws(RegisterError) -> Bool {
        switch writing.cursor.part {
        case .slots: try writeSlot(&writing)
        case .eventIDs: try writeEventID(&writing)
        case .references: try writeReference(&writing)
        case .blocks: try writeBlock(&writing)
        case .mark:
            var value = withUnsafeBytes(of: writing.sequence.littleEndian) { [UInt8]($0) }
            value.append(contentsOf: writing.root)
            try Meta.derived.write(value, by: statements.putMeta)
            return true
        }
        return false
    }

    private func writeSlot(_ writing: inout FrozenGeneration) throws(RegisterError) {
        let keys =
            writing.slotBuckets
            ?? KeyBuckets(writing.generation.slots.keys, count: 1 << 10) { Int($0.high >> 54) }
        writing.slotBuckets = keys
        if writing.moves(to: .eventIDs, after: keys.buckets.count) { return }
        var sorted = writing.slots.take()
        let next = writing.next(of: keys, sorted: &sorted, by: <)
        writing.slots = sorted
        guard let next, let slot = writing.generation.slots[next] else { return }
        statements.putState.bind(1, next)
        statements.putState.bind(2, slot.row)
        try statements.putState.run("writing derived rows")
        for sequence in slot.sequences.elements {
            statements.putContactEvent.bind(1, next)
            statements.putContactEvent.bind(2, sequence: sequence)
            try statements.putContactEvent.run("writing derived rows")
        }
        writing.writtenSlots.append(next)
    }

    private func writeEventID(_ writing: inout FrozenGeneration) throws(RegisterError) {
        let keys =
            writing.eventIDBuckets
            ?? KeyBuckets(writing.generation.eventIDs.keys, count: 1 << 8) { Int($0.low & 0xFF) }
        writing.eventIDBuckets = keys
        if writing.moves(to: .references, after: keys.buckets.count) { return }
        var sorted = writing.eventIDs.take()
        let next = writing.next(of: keys, sorted: &sorted) {
            ($0.low.byteSwapped, $0.high.byteSwapped) < ($1.low.byteSwapped, $1.high.byteSwapped)
        }
        writing.eventIDs = sorted
        guard let next, let sequence = writing.generation.eventIDs[next] else { return }
        statements.putEventID.bind(1, next.bytes)
        statements.putEventID.bind(2, sequence: sequence)
        try statements.putEventID.run("writing derived rows")
        writing.writtenEventIDs.append(next)
    }

    private func writeReference(_ writing: inout FrozenGeneration) throws(RegisterError) {
        let keys =
            writing.referenceBuckets
            ?? KeyBuckets(writing.generation.references.keys, count: 1 << 8) { Int($0.low & 0xFF) }
        writing.referenceBuckets = keys
        if writing.moves(to: .blocks, after: keys.buckets.count) { return }
        var sorted = writing.references.take()
        let next = writing.next(of: keys, sorted: &sorted) {
            ($0.low.byteSwapped, $0.high.byteSwapped) < ($1.low.byteSwapped, $1.high.byteSwapped)
        }
        writing.references = sorted
        guard let next, let slots = writing.generation.references[next] else { return }
        for slot in slots.elements {
            statements.putReference.bind(1, next.bytes)
            statements.putReference.bind(2, slot)
            try statements.putReference.run("writing derived rows")
        }
        writing.writtenReferences.append(next)
    }

    private func writeBlock(_ writing: inout FrozenGeneration) throws(RegisterError) {
        guard writing.cursor.block < writing.sequence / UInt64(LogTree.blockLeafCount) else {
            writing.cursor.part = .mark
            return
        }
        statements.putBlock.bind(1, sequence: writing.cursor.block)
        statements.putBlock.bind(2, tree.blockRoot(writing.cursor.block).bytes)
        try statements.putBlock.run("writing derived rows")
        writing.cursor.block += 1
    }
}
