// What events have derived and the derived tables do not hold yet.
//
// Three generations, the newest first: *staged* (folded, not committed), *active* (committed), *frozen*
// (being written to the tables). A look-up asks them in this order, then the tables. Keys are kept in
// buckets by their first bits, each sorted only when its turn to be written comes, so that no step sorts a
// whole generation.
//
// Invariant: the state of a contact point in a generation has all events of the older ones folded in.

import ConsentDomain

/// A contact point's state and the events that this generation saw of it.
struct OverlaySlot {
    var state: ContactState
    /// Ascending.
    var sequences: [UInt64]
}

/// Keys in buckets by their first bits.
struct KeyBuckets<Key: Sendable> {
    private(set) var buckets: [[Key]]

    init(count: Int) { buckets = Array(repeating: [], count: count) }

    mutating func append(_ key: Key, to bucket: Int) { buckets[bucket].append(key) }
}

/// The derived part of some events.
struct Generation {
    private(set) var slots: [SlotKey: OverlaySlot] = [:]
    private(set) var eventIDs: [EventID: UInt64] = [:]
    private(set) var references: [RecipientKey: [SlotKey]] = [:]
    /// Keys of the dictionaries; nil for a generation that is never written.
    private(set) var slotKeys: KeyBuckets<SlotKey>?
    private(set) var eventIDKeys: KeyBuckets<EventID>?
    private(set) var referenceKeys: KeyBuckets<RecipientKey>?

    /// - Parameter isWritten: whether the generation is going to be written to the tables.
    init(isWritten: Bool) {
        guard isWritten else { return }
        slotKeys = KeyBuckets(count: 1 << 10)
        eventIDKeys = KeyBuckets(count: 1 << 8)
        referenceKeys = KeyBuckets(count: 1 << 10)
    }

    mutating func removeAll() {
        slots.removeAll(keepingCapacity: true)
        eventIDs.removeAll(keepingCapacity: true)
        references.removeAll(keepingCapacity: true)
    }

    /// Sets the state of a contact point and adds events of it.
    mutating func set(_ key: SlotKey, _ state: ContactState, adding sequences: [UInt64]) {
        if let place = slots.index(forKey: key) {
            slots.values[place].state = state
            slots.values[place].sequences.append(contentsOf: sequences)
        } else {
            slots[key] = OverlaySlot(state: state, sequences: sequences)
            slotKeys?.append(key, to: Int(key.high >> 54))
        }
    }

    /// Takes a contact point out: to change it, or because the tables have it.
    @discardableResult
    mutating func take(_ key: SlotKey) -> OverlaySlot? { slots.removeValue(forKey: key) }

    /// Names an event; the first of that name stays.
    mutating func name(_ id: EventID, _ sequence: UInt64) {
        guard eventIDs[id] == nil else { return }
        eventIDs[id] = sequence
        eventIDKeys?.append(id, to: Int(id.low & 0xFF))
    }

    /// Drops a name that the tables have.
    mutating func drop(_ id: EventID) { eventIDs[id] = nil }

    /// Records that a customer reference reaches a contact point.
    mutating func refer(_ reference: RecipientKey, to key: SlotKey) {
        if references[reference] == nil { referenceKeys?.append(reference, to: Int(reference.low & 0x3FF)) }
        if references[reference]?.contains(key) != true { references[reference, default: []].append(key) }
    }

    /// Drops what an erasure destroys, and takes over the state that it leaves.
    mutating func forget(
        _ key: SlotKey, _ sequences: Set<UInt64>, _ references: Set<RecipientKey>, newer state: ContactState?
    ) {
        if let place = slots.index(forKey: key) {
            slots.values[place].sequences.removeAll { sequences.contains($0) }
            if let state { slots.values[place].state = state }
        }
        for reference in references { self.references[reference]?.removeAll { $0 == key } }
    }

    /// Drops a reference that the tables have.
    mutating func drop(_ reference: RecipientKey) { references[reference] = nil }

    /// Takes over what a newer generation holds.
    mutating func merge(_ newer: Generation) {
        for (key, slot) in newer.slots { set(key, slot.state, adding: slot.sequences) }
        for (id, sequence) in newer.eventIDs { name(id, sequence) }
        for (reference, keys) in newer.references { for key in keys { refer(reference, to: key) } }
    }
}

/// A generation on its way to the tables, and how far it is.
///
/// What a step has written leaves memory when the step is committed, so that neither the last step nor its
/// memory is that of the whole generation.
struct FrozenGeneration {
    enum Part { case slots, eventIDs, references, blocks, mark }

    struct Cursor {
        var part = Part.slots
        var bucket = 0
        /// Place in the sorted keys of the bucket.
        var place = 0
        /// Next block root to write.
        var block: UInt64
    }

    var generation: Generation
    /// Last event that the generation holds.
    let sequence: UInt64
    /// Root of the tree of that many leaves.
    let root: [UInt8]
    var cursor: Cursor

    // Keys of the bucket at the cursor, in the order of the table; nil: not sorted yet.
    var slots: [SlotKey]?
    var eventIDs: [EventID]?
    var references: [RecipientKey]?

    // What the running step has written.
    var writtenSlots: [SlotKey] = []
    var writtenEventIDs: [EventID] = []
    var writtenReferences: [RecipientKey] = []

    init(_ generation: Generation, sequence: UInt64, root: [UInt8], firstBlock: UInt64) {
        self.generation = generation
        self.sequence = sequence
        self.root = root
        cursor = Cursor(block: firstBlock)
    }

    /// The step is committed.
    mutating func keepStep() {
        for key in writtenSlots { generation.take(key) }
        for id in writtenEventIDs { generation.drop(id) }
        for reference in writtenReferences { generation.drop(reference) }
        forgetStep()
    }

    /// The step is rolled back.
    mutating func undoStep(to before: Cursor) {
        cursor = before
        slots = nil
        eventIDs = nil
        references = nil
        forgetStep()
    }

    private mutating func forgetStep() {
        writtenSlots.removeAll(keepingCapacity: true)
        writtenEventIDs.removeAll(keepingCapacity: true)
        writtenReferences.removeAll(keepingCapacity: true)
    }

    /// The key at the cursor, of a part's keys in buckets; nil when the bucket is done, and the cursor then
    /// stands at the next one.
    mutating func next<Key>(
        of buckets: KeyBuckets<Key>?, sorted: inout [Key]?, by areInOrder: (Key, Key) -> Bool
    ) -> Key? {
        guard let bucket = buckets?.buckets[cursor.bucket] else { return nil }
        let keys = sorted ?? bucket.sorted(by: areInOrder)
        guard cursor.place < keys.count else {
            sorted = nil
            cursor.place = 0
            cursor.bucket += 1
            return nil
        }
        sorted = keys
        cursor.place += 1
        return keys[cursor.place - 1]
    }

    /// Moves on to a part once the buckets of the one at the cursor are done.
    mutating func moves(to part: Part, after count: Int?) -> Bool {
        guard cursor.bucket >= count ?? 0 else { return false }
        cursor.part = part
        cursor.bucket = 0
        return true
    }
}
