// The register's small face: append, read, scan, prove. SQLite implements it; another database may.
//
// One thread uses a register at a time. Nothing here answers a check: the index does that, filled from the
// state rows.
//
// The order of a write: `stage` each event, `commit` once for all of them, then publish to the index, then
// acknowledge. What is staged is seen by `state(for:)` and `sequence(of:)`, so that the events of one
// commit may follow each other.

import ConsentDomain
import ConsentProof

/// An event that waits for the commit.
public struct Staged: Sendable {
    /// The event as it will be appended: with its sequence and, where it has a personal part, salt and
    /// commitment.
    public var event: ConsentEvent
    /// Where its contact point stands; nil for events about none.
    public var slot: SlotKey?
    /// What the index is to hold of the contact point after the event; nil for events about none.
    public var profile: ContactProfile?
}

/// The truth on disk.
public protocol RegisterStore: AnyObject {
    /// 16 random bytes, new after each restore.
    var incarnation: [UInt8] { get }
    /// Sequence of the last committed event; 0: none.
    var lastSequence: UInt64 { get }
    /// Events up to this one are in the derived tables.
    var derivedSequence: UInt64 { get }
    /// When the last committed event was recorded; `.epoch` where there is none.
    var lastRecordedAt: Timestamp { get }
    /// Controllers, purposes and notices, staged changes included.
    var catalogue: Catalogue { get }
    /// Whether the register was made for load tests.
    var isTestRegister: Bool { get }
    /// Whether a backup was restored and its gap is not accepted yet: marketing must answer INDETERMINATE.
    var restorePending: Bool { get }
    /// Number of contact points whose state the derived tables do not hold yet.
    var dirtyCount: Int { get }

    /// Gives an event the next sequence and folds it in, in memory.
    /// - Parameter event: without sequence; a personal part without salt gets one. `recordedAt` is moved
    ///   forward to that of the event before, should it lie earlier.
    /// - Parameter seal: of the event's personal part, where the caller has made one.
    func stage(_ event: ConsentEvent, seal: PersonalSeal?) throws(RegisterError) -> Staged

    /// Appends all staged events in one durable transaction.
    ///
    /// A retryable error has rolled everything back. A fatal one means that the process must end.
    func commit() throws(RegisterError)

    /// Drops all staged events.
    func rollback()

    /// State of a contact point; nil where nothing is on file.
    func state(for key: SlotKey) throws(RegisterError) -> ContactState?

    /// Sequence of the event with an id; nil where there is none.
    func sequence(of id: EventID) throws(RegisterError) -> UInt64?

    /// Sequences of a contact point's events, ascending.
    func sequences(of key: SlotKey) throws(RegisterError) -> [UInt64]

    /// The contact points that a customer reference reaches, in the order of their keys.
    func contacts(reference: RecipientKey) throws(RegisterError) -> [SlotKey]

    /// A committed event with its personal part, where that is not destroyed; nil for a sequence not reached.
    func event(_ sequence: UInt64) throws(RegisterError) -> ConsentEvent?

    /// Committed events after a sequence, at most `limit`.
    func events(after sequence: UInt64, limit: Int) throws(RegisterError) -> [ConsentEvent]

    /// Lends every contact point's key, anchor day and profile record, for the index. A key may come twice,
    /// the newer state last.
    func forEachStateRow(
        _ body: (SlotKey, UInt16, UnsafeRawBufferPointer) -> Void
    ) throws(RegisterError)

    /// Writes derived rows for about as long as the budget says.
    /// - Returns: true when no generation is on its way any more.
    func flushDerived(budget: Duration) throws(RegisterError) -> Bool

    /// The head of the log, signed at a time.
    func signedHead(now: Timestamp) throws(RegisterError) -> SignedHead

    /// The proof that an event is in the tree of that many events, the hash nearest to the leaf first.
    func inclusionProof(sequence: UInt64, treeSize: UInt64) throws(RegisterError) -> [TreeHash]

    /// The proof that the tree of `newSize` events extends the one of `oldSize`.
    func consistencyProof(from oldSize: UInt64, to newSize: UInt64) throws(RegisterError) -> [TreeHash]
}
