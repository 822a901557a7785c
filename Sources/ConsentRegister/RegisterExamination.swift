// Reading a register from its first to its last byte, to say whether it is what it was written as.
//
//     database   SQLite's own check of its pages, each compared with its seal
//     log        every leaf hashed again: the roots of complete blocks, and the leaves after them
//     events     every event decoded, its personal part and payload measured against the leaf; its id and its
//                reference lead back to it
//     contacts   every contact point's events folded again, and compared with its state and its row
//     heads      every kept head signed by a key of this register, and part of the log
//
// Takes time in proportion to the register. Invariant: it writes nothing, and what it finds is said without
// an address: by sequences and counts.

import ConsentDomain
import ConsentProof

/// What an examination found.
public struct RegisterExamination: Sendable {
    /// A part of it.
    public enum Part: String, Sendable, CaseIterable {
        case database, log, events, contacts, heads
    }

    /// Something that is not as it was written.
    public struct Finding: Sendable, Hashable {
        /// Where it was found.
        public var part: Part
        /// Says what, without an address.
        public var what: String
    }

    /// Events that were read.
    public internal(set) var eventCount: UInt64 = 0
    /// Contact points whose state was compared with their events.
    public internal(set) var contactCount: UInt64 = 0
    /// Signed heads that were verified.
    public internal(set) var headCount: UInt64 = 0
    /// The first findings, `findingsMax` at most.
    public internal(set) var findings: [Finding] = []
    /// All findings.
    public internal(set) var findingCount = 0

    static let findingsMax = 100

    /// Adds one.
    public mutating func note(_ part: Part, _ what: String) {
        findingCount += 1
        if findings.count < Self.findingsMax { findings.append(Finding(part: part, what: what)) }
    }

    /// Runs a step whose error is a finding.
    mutating func expect(_ part: Part, _ body: (inout Self) throws(RegisterError) -> Void) {
        do throws(RegisterError) {
            try body(&self)
        } catch {
            note(part, "\(error)")
        }
    }
}

extension SQLiteRegister {
    /// Examines the register. It has been replayed, and nothing is staged.
    /// - Parameters:
    ///   - keys: public halves of the log keys that it had.
    ///   - onProgress: how much of a part is done; of the number that it has in all, where that is known.
    ///   - body: lent each contact point and what an index must hold of it; says what is wrong there.
    public func examine(
        keys: [LogPublicKey],
        onProgress: (RegisterExamination.Part, UInt64, UInt64) -> Void = { _, _, _ in },
        _ body: (SlotKey, ContactProfile) -> String? = { _, _ in nil }
    ) -> RegisterExamination {
        precondition(isReplayed && staged.isEmpty, "a register is examined while it rests")
        var found = RegisterExamination()
        found.eventCount = lastSequence
        onProgress(.database, 0, 1)
        found.expect(.database) { found throws(RegisterError) in try examineDatabase(&found) }
        examineLog(&found, onProgress)
        var contactEvents: UInt64 = 0
        examineEvents(&found, &contactEvents, onProgress)
        found.expect(.contacts) { found throws(RegisterError) in
            try examineContacts(&found, contactEvents, onProgress, body)
        }
        found.expect(.heads) { found throws(RegisterError) in try examineHeads(&found, keys) }
        return found
    }

    private func examineDatabase(_ found: inout RegisterExamination) throws(RegisterError) {
        let statement = try database.prepare("PRAGMA integrity_check(20)")
        while try statement.step("checking the database") {
            let line = statement.text(0)
            // The layer's error for a page without its seal, as a number.
            if line.contains("error code=\(10 | 32 << 8)") {
                found.note(.database, "a page differs from its checksum: \(line)")
            } else if line != "ok" {
                found.note(.database, "SQLite says: \(line)")
            }
        }
    }

    private func examineLog(
        _ found: inout RegisterExamination, _ onProgress: (RegisterExamination.Part, UInt64, UInt64) -> Void
    ) {
        let size = UInt64(LogTree.blockLeafCount)
        for block in 0..<tree.blockCount {
            if block % 64 == 0 { onProgress(.log, block * size, lastSequence) }
            found.expect(.log) { found throws(RegisterError) in
                let leaves = try leafHashes(after: block * size, to: (block + 1) * size)
                if BlockTree(leaves: leaves).root != tree.blockRoot(block) {
                    found.note(
                        .log, "one of the events \(block * size + 1) to \((block + 1) * size) was changed")
                }
            }
        }
        found.expect(.log) { found throws(RegisterError) in
            if try leafHashes(after: tree.blockCount * size, to: lastSequence) != tree.tail {
                found.note(.log, "one of the events from \(tree.blockCount * size + 1) on was changed")
            }
        }
    }

    private func examineEvents(
        _ found: inout RegisterExamination, _ contactEvents: inout UInt64,
        _ onProgress: (RegisterExamination.Part, UInt64, UInt64) -> Void
    ) {
        var position: UInt64 = 0
        while position < lastSequence {
            if position % 4096 == 0 { onProgress(.events, position, lastSequence) }
            position += 1
            found.expect(.events) { found throws(RegisterError) in
                guard let event = try event(position), let personal = event.personal else { return }
                guard let slot = slotKey(of: event) else { return }
                contactEvents += 1
                if let first = try sequence(of: personal.eventID), first <= event.sequence {
                    if first < event.sequence, try self.event(first)?.personal?.eventID != personal.eventID {
                        found.note(.events, "the id of event \(event.sequence) leads to event \(first)")
                    }
                } else {
                    found.note(.events, "the id of event \(event.sequence) does not lead to it")
                }
                // An erase event leads nowhere: the reference goes with the rest.
                guard !personal.reference.isEmpty, event.kind != .erase else { return }
                if try !contacts(controller: event.controller, reference: personal.reference).contains(slot) {
                    found.note(.events, "the reference of event \(event.sequence) does not lead to it")
                }
            }
        }
    }

    // MARK: Contact points

    private func examineContacts(
        _ found: inout RegisterExamination, _ contactEvents: UInt64,
        _ onProgress: (RegisterExamination.Part, UInt64, UInt64) -> Void,
        _ body: (SlotKey, ContactProfile) -> String?
    ) throws(RegisterError) {
        var keys = Set<SlotKey>()
        for generation in [frozen?.generation, active] {
            generation?.slots.forEach { key, _ in keys.insert(key) }
        }
        var seen: UInt64 = 0
        func examine(_ key: SlotKey) {
            found.contactCount += 1
            if found.contactCount % 4096 == 1 {
                onProgress(.contacts, found.contactCount, UInt64(contactCountHint))
            }
            found.expect(.contacts) { found throws(RegisterError) in
                seen += try examineContact(key, &found, body)
            }
        }
        var after: SlotKey?
        while let page = try stateKeys(after: after, limit: 1_024) {
            for key in page {
                keys.remove(key)
                examine(key)
            }
            after = page.last
        }
        for key in keys.sorted() { examine(key) }
        if seen != contactEvents {
            found.note(.contacts, "contact points name \(seen) events, and \(contactEvents) are about one")
        }
    }

    /// Keys of some state rows, each compared with its checksum; nil after the last one.
    private func stateKeys(after: SlotKey?, limit: Int) throws(RegisterError) -> [SlotKey]? {
        let statement = try database.prepare(
            after == nil
                ? "SELECT key, row FROM state ORDER BY key LIMIT ?2"
                : "SELECT key, row FROM state WHERE key > ?1 ORDER BY key LIMIT ?2")
        if let after { statement.bind(1, after) }
        statement.bind(2, Int64(limit))
        var keys: [SlotKey] = []
        while try statement.step("reading state rows") {
            guard let key = StateRow.key(statement.bytes(0)),
                let profile = StateRow.profile(key, statement.bytes(1))
            else { throw StateRow.damaged }
            let state = try StateRow.state(key, statement.bytes(1))
            guard state.profile.anchorDay == profile.anchorDay,
                profile.record.elementsEqual(state.profile.record)
            else { throw .corrupt("a state row holds another profile than its state has") }
            keys.append(key)
        }
        return keys.isEmpty ? nil : keys
    }

    /// - Returns: number of its events.
    private func examineContact(
        _ key: SlotKey, _ found: inout RegisterExamination, _ body: (SlotKey, ContactProfile) -> String?
    ) throws(RegisterError) -> UInt64 {
        let sequences = try sequences(of: key)
        guard let state = try state(for: key) else {
            found.note(.contacts, "a contact point of event \(sequences.first ?? 0) has no state")
            return UInt64(sequences.count)
        }
        if let wrong = body(key, state.profile) {
            found.note(.contacts, "\(wrong) (last event \(state.lastSequence))")
        }
        var folded = ContactState(controller: state.controller, kind: state.kind)
        for sequence in sequences {
            guard let event = try event(sequence), slotKey(of: event) == key else {
                found.note(.contacts, "event \(sequence) is not about the contact point that names it")
                continue
            }
            folded.apply(event)
        }
        if folded != state {
            found.note(
                .contacts,
                "the state of the contact point of event \(state.lastSequence) is not what its events fold to"
            )
        }
        return UInt64(sequences.count)
    }

    // MARK: Heads

    private func examineHeads(
        _ found: inout RegisterExamination, _ keys: [LogPublicKey]
    ) throws(RegisterError) {
        let statement = try database.prepare("SELECT body FROM head ORDER BY time")
        while try statement.step("reading kept heads") {
            found.headCount += 1
            guard let head = try? SignedHead(decoding: statement.array(0)) else {
                found.note(.heads, "kept head \(found.headCount) cannot be read")
                continue
            }
            if !keys.contains(where: { head.isSigned(by: $0) }) {
                found.note(
                    .heads, "the kept head of \(head.treeSize) events is signed by no key of this folder")
            }
            if head.treeSize > lastSequence {
                found.note(.heads, "a kept head has \(head.treeSize) events, the log \(lastSequence)")
            } else if try root(treeSize: head.treeSize) != head.root {
                found.note(.heads, "the kept head of \(head.treeSize) events is no part of the log")
            }
        }
    }
}
