// The derived tables: written later, and in the order of their keys. A start completes them
// (SQLiteRegister+Start.swift).
//
// `flushDerived` freezes what is committed and writes it in steps, each its own transaction, between
// commits of events. `derivedSequence` moves with the last step. A crash in between leaves rows that are
// ahead; a replay skips what they hold, since a state knows its last event and the look-ups say the same
// again.

import ConsentDomain
import ConsentProof
import Failpoint

extension SQLiteRegister {
    // MARK: Flush

    /// Writes derived rows for about as long as the budget says, in one transaction.
    /// - Returns: true when no generation is on its way any more.
    public func flushDerived(budget: Duration) throws(RegisterError) -> Bool {
        try flushDerived(budget: budget, until: { false })
    }

    /// The same, and ends early.
    /// - Parameter isCalled: whether somebody waits; asked after every few rows, and ends the step early.
    /// - Returns: true when no generation is on its way any more.
    public func flushDerived(
        budget: Duration, until isCalled: () -> Bool
    ) throws(RegisterError) -> Bool {
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
            try inDerivedTransaction("writing derived rows") { () throws(RegisterError) in
                isComplete = try write(&writing) { isCalled() || ContinuousClock.now >= deadline }
                Failpoint.flushBefore.reached()
            }
            Failpoint.flushAfter.reached()
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

    /// Writes rows until it is time to stop, or all are written.
    private func write(
        _ writing: inout FrozenGeneration, until isTime: () -> Bool
    ) throws(RegisterError) -> Bool {
        while true {
            let isDone = try writeRow(&writing)
            if isDone { return true }
            writing.stepRowCount += 1
            if writing.stepRowCount % 16 == 0, isTime() { return false }
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
            if let count = contactCount?() {
                let bytes = withUnsafeBytes(of: UInt64(count).littleEndian) { [UInt8]($0) }
                try Meta.contacts.write(bytes, by: statements.putMeta)
            }
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
