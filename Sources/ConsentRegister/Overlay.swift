// What events have derived and the derived tables do not hold yet.
//
// Two generations: *active* (of events staged or committed) and *frozen* (being written to the tables). A
// look-up asks the active one, the frozen one, then the tables. What staged events change in the active one
// is noted (`StagedChanges`), so that a rollback restores it. For writing, keys are put into
// buckets by their first bits, and each is sorted only when its turn comes, so that no step sorts a whole
// generation.
//
// Invariant: the row of a contact point in a generation has all events of the older ones folded in.

import ConsentDomain

/// A contact point's state row as it will be written, and the events that this generation saw of it.
struct OverlaySlot {
    var row: [UInt8]
    /// Ascending.
    var sequences: ShortList<UInt64>
}

/// A list that nearly always has one element, which is held in place.
struct ShortList<Element: Equatable & Sendable>: Sendable {
    private var first: Element?
    private var rest: [Element] = []

    init() {}
    init(_ element: Element) { first = element }

    /// All elements, in order.
    var elements: [Element] { first.map { [$0] + rest } ?? [] }

    mutating func append(_ element: Element) {
        if first == nil { first = element } else { rest.append(element) }
    }

    func contains(_ element: Element) -> Bool { first == element || rest.contains(element) }

    mutating func removeAll(where isUnwanted: (Element) -> Bool) {
        let kept = elements.filter { !isUnwanted($0) }
        first = kept.first
        rest = Array(kept.dropFirst())
    }
}

/// What staged events have changed in a generation, oldest first: what each entry was before.
struct StagedChanges {
    var slots: [(key: SlotKey, before: OverlaySlot?)] = []
    var eventIDs: [EventID] = []
    var references: [(reference: RecipientKey, before: ShortList<SlotKey>?)] = []

    mutating func removeAll() {
        slots.removeAll(keepingCapacity: true)
        eventIDs.removeAll(keepingCapacity: true)
        references.removeAll(keepingCapacity: true)
    }
}

/// Keys in buckets by their first bits.
struct KeyBuckets<Key: Sendable> {
    private(set) var buckets: [[Key]]

    init(_ keys: [Key], count: Int, bucketOf: (Key) -> Int) {
        buckets = Array(repeating: [], count: count)
        for key in keys { buckets[bucketOf(key)].append(key) }
    }
}

/// The derived part of some events.
struct Generation {
    private(set) var slots = KeyTable<SlotKey, OverlaySlot>()
    private(set) var eventIDs = KeyTable<EventID, UInt64>()
    private(set) var references = KeyTable<RecipientKey, ShortList<SlotKey>>()

    // MARK: Adding

    /// Sets what is known of a contact point.
    /// - Parameter changes: notes what was there before.
    mutating func set(_ key: SlotKey, _ slot: OverlaySlot, noting changes: inout StagedChanges) {
        changes.slots.append((key, slots.updateValue(slot, forKey: key)))
    }

    /// Names an event; the first of that name stays.
    mutating func name(_ id: EventID, _ sequence: UInt64, noting changes: inout StagedChanges) {
        if let first = eventIDs.updateValue(sequence, forKey: id) {
            eventIDs.updateValue(first, forKey: id)
        } else {
            changes.eventIDs.append(id)
        }
    }

    /// Records that a customer reference reaches a contact point.
    mutating func refer(_ reference: RecipientKey, to key: SlotKey, noting changes: inout StagedChanges) {
        let before = references.updateValue(ShortList(key), forKey: reference)
        guard var list = before else { return changes.references.append((reference, nil)) }
        if !list.contains(key) {
            list.append(key)
            changes.references.append((reference, before))
        }
        references.updateValue(list, forKey: reference)
    }

    /// Restores what was before the changes.
    mutating func undo(_ changes: StagedChanges) {
        for (key, before) in changes.slots.reversed() { slots.restore(key, to: before) }
        for id in changes.eventIDs.reversed() { eventIDs.restore(id, to: nil) }
        for (reference, before) in changes.references.reversed() { references.restore(reference, to: before) }
    }

    /// Drops what an erasure destroys, and takes over the row that it leaves.
    mutating func forget(
        _ key: SlotKey, _ sequences: Set<UInt64>, _ references: Set<RecipientKey>, newer row: [UInt8]?
    ) {
        if var slot = slots[key] {
            slot.sequences.removeAll { sequences.contains($0) }
            if let row { slot.row = row }
            slots.updateValue(slot, forKey: key)
        }
        for reference in references {
            guard var list = self.references[reference] else { continue }
            list.removeAll { $0 == key }
            self.references.updateValue(list, forKey: reference)
        }
    }

    // MARK: Dropping what the tables have

    mutating func drop(_ key: SlotKey) { slots.drop(key) }
    mutating func drop(_ id: EventID) { eventIDs.drop(id) }
    mutating func drop(_ reference: RecipientKey) { references.drop(reference) }
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

    // Keys of each part in buckets; nil: its turn has not come.
    var slotBuckets: KeyBuckets<SlotKey>?
    var eventIDBuckets: KeyBuckets<EventID>?
    var referenceBuckets: KeyBuckets<RecipientKey>?

    // Keys of the bucket at the cursor, in the order of the table; nil: not sorted yet.
    var slots: [SlotKey]?
    var eventIDs: [EventID]?
    var references: [RecipientKey]?

    // What the running step has written.
    var stepRowCount = 0
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
        for key in writtenSlots { generation.drop(key) }
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
        stepRowCount = 0
        writtenSlots.removeAll(keepingCapacity: true)
        writtenEventIDs.removeAll(keepingCapacity: true)
        writtenReferences.removeAll(keepingCapacity: true)
    }

    /// The key at the cursor, of a part's keys in buckets; nil when the bucket is done, and the cursor then
    /// stands at the next one.
    mutating func next<Key>(
        of buckets: KeyBuckets<Key>, sorted: inout [Key]?, by areInOrder: (Key, Key) -> Bool
    ) -> Key? {
        let keys = sorted ?? buckets.buckets[cursor.bucket].sorted(by: areInOrder)
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
    mutating func moves(to part: Part, after count: Int) -> Bool {
        guard cursor.bucket >= count else { return false }
        cursor.part = part
        cursor.bucket = 0
        return true
    }
}
