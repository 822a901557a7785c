// What the reading methods return, in domain values. Where a number may be one that this library does not
// know, the number itself is kept beside the value.

import ConsentDomain
import ConsentProof

/// State of one cell (channel and purpose) of a contact point.
public struct Preference: Hashable, Sendable {
    /// Channel; nil for a number that this library does not know.
    public var channel: Channel?
    /// Purpose.
    public var purpose: PurposeID?
    /// State; nil for a number that this library does not know.
    public var state: CellState?
    /// Decision now, fail closed.
    public var decision: Decision
    /// Reason now.
    public var reason: Reason?
    /// The reason's number as it came.
    public var reasonCode: UInt8
    /// When the deciding act occurred; nil: none.
    public var since: Timestamp?
    /// When the consent ends; nil: no end, or not allowed.
    public var validUntil: Timestamp?
    /// Sequence of the deciding event; 0: none.
    public var event: UInt64
}

/// Preferences of one contact point.
public struct ContactPreferences: Hashable, Sendable {
    /// Recipient key.
    public var key: RecipientKey
    /// Kind.
    public var kind: ContactKind?
    /// One entry a channel that takes this kind and a purpose.
    public var preferences: [Preference]
}

/// Preferences of a contact point, or of each that is recorded under a reference.
public struct Preferences: Hashable, Sendable {
    /// Every event up to this sequence is reflected.
    public var sequence: UInt64
    /// The server's time of the answer.
    public var now: Timestamp
    /// One entry a contact point.
    public var contacts: [ContactPreferences]
}

/// A check's answer with the events that decide it.
public struct Explanation: Hashable, Sendable {
    /// The answer, its reason in the finer form.
    public var answer: CheckAnswer
    /// Deciding events, newest first, with their wording.
    public var events: [RecordedEvent]
}

/// One event of the register, as readers see it.
public struct RecordedEvent: Hashable, Sendable {
    /// Dense, from 1.
    public var sequence: UInt64
    /// Kind; nil for a number that this library does not know.
    public var kind: EventKind?
    /// The kind's number as it came.
    public var kindCode: UInt8
    /// Whose; 0: none.
    public var controller: ControllerID
    /// Recipient key; nil when erased or none.
    public var key: RecipientKey?
    /// Kind of the contact point.
    public var contactKind: ContactKind?
    /// Channels; bit 0 means all.
    public var channels: ChannelSet
    /// Purposes; bit 0 means all.
    public var purposes: PurposeSet
    /// Channels that wait for a confirmation.
    public var pendingChannels: ChannelSet
    /// When the act occurred.
    public var occurredAt: Timestamp
    /// When it was recorded.
    public var recordedAt: Timestamp
    /// How it came in.
    public var via: Via?
    /// Where it was collected.
    public var source: Source?
    /// Act.
    public var act: Act?
    /// Notice shown.
    public var notice: NoticeID?
    /// Memo read by staff.
    public var memo: Digest32?
    /// What staff attested.
    public var attestations: Attestations
    /// Name of the authenticated client.
    public var client: String
    /// Name of the staff member.
    public var staff: String
    /// Event id; nil when erased.
    public var eventID: EventID?
    /// Customer reference.
    public var reference: String
    /// Circumstances.
    public var evidence: Evidence
    /// Day at whose start the consent ends by policy; `.none`: none.
    public var validityDay: Day
    /// Day at whose start retention ends; `.none`: none.
    public var retentionDay: Day
    /// Day at whose start a double opt-in lapses; `.none`: none.
    public var lapseDay: Day
    /// Sequence of the event that this one is about; 0: none.
    public var refersTo: UInt64
    /// The exact text that the person was shown; empty where not asked for.
    public var wording: String
    /// Locale of the text.
    public var locale: String
    /// The personal part was erased.
    public var isErased: Bool
}

/// Recipient keys, in the order of the addresses.
public struct RecipientKeys: Hashable, Sendable {
    /// Epoch of the keys.
    public var epoch: UInt16
    /// One a position; nil where the address cannot be normalised.
    public var keys: [RecipientKey?]
    /// Why, by position.
    public var errors: [Int: RefusalNote]
}

/// What became of a change to the catalogue.
public struct CatalogueChange: Hashable, Sendable {
    /// Sequence of the event.
    public var sequence: UInt64
    /// Nothing changed: the same was on file.
    public var isUnchanged: Bool
    /// Id of the notice (`putNotice`).
    public var notice: NoticeID?
}

/// A notice of the catalogue with its id. Its text is empty unless it was asked for.
public struct CataloguedNotice: Hashable, Sendable {
    /// SHA-256 of the canonical form.
    public var id: NoticeID
    /// The notice, with ordinal and invalidation.
    public var notice: Notice
}

/// Controllers, purposes and notices as of a sequence.
public struct CatalogueListing: Hashable, Sendable {
    /// Sequence that it reflects.
    public var sequence: UInt64
    /// By id.
    public var controllers: [Controller]
    /// By id.
    public var purposes: [Purpose]
    /// By ordinal.
    public var notices: [CataloguedNotice]
}

/// What staff read before they confirm a consent.
public struct StaffMemo: Hashable, Sendable {
    /// SHA-256 of the text.
    public var id: Digest32
    /// Locale.
    public var locale: String
    /// Text.
    public var text: String
}

/// All that is needed to verify one event offline. See `ProofFile` for the file and the verification.
public struct EventProof: Hashable, Sendable {
    /// The leaf's bytes.
    public var leaf: [UInt8]
    /// Personal part; empty when erased.
    public var personal: [UInt8]
    /// Salt of the commitment; empty when erased.
    public var salt: [UInt8]
    /// Opening of the address commitment; empty when erased.
    public var opening: [UInt8]
    /// Canonical form of the notice; empty: none.
    public var notice: [UInt8]
    /// Audit path, lowest first; 32 bytes each.
    public var path: [[UInt8]]
    /// Head that the path leads to.
    public var head: SignedHead
    /// The event, as readers see it. For display only: what is proven is `leaf`.
    public var event: RecordedEvent
}

/// A signed head of the log.
public struct LogHead: Hashable, Sendable {
    /// The head.
    public var head: SignedHead
    /// Consistency proof from the size asked about; empty where not asked for.
    public var consistency: [[UInt8]]
}

/// One piece of a backup.
public struct BackupChunk: Hashable, Sendable {
    /// Position of the first byte.
    public var offset: UInt64
    /// Bytes; empty in the last piece.
    public var bytes: [UInt8]
    /// Size of the whole; nil except in the last piece.
    public var totalBytes: UInt64?
    /// Head that the copy ends with; nil except in the last piece.
    public var head: SignedHead?
}

/// Whether the server answers marketing checks.
public enum ServingState: UInt8, Sendable {
    /// The index is being built.
    case loading = 0
    /// Serving.
    case serving = 1
    /// Draining: no new calls.
    case draining = 2
    /// Restored and not accepted, or failed: marketing is indeterminate.
    case notServing = 3
}

/// How the server is.
public struct ServerHealth: Hashable, Sendable {
    /// State; a number that this library does not know reads as not serving.
    public var state: ServingState
    /// Sequence.
    public var sequence: UInt64
    /// A sentence for people.
    public var message: String
}

/// Counts of a server. Byte counts are bytes, times are durations.
public struct ServerStats: Hashable, Sendable {
    /// State; a number that this library does not know reads as not serving.
    public var state: ServingState
    /// Sequence.
    public var sequence: UInt64
    /// Incarnation of the register, 16 bytes.
    public var incarnation: [UInt8]
    /// (controller, contact point) pairs in the index.
    public var recipients: UInt64
    /// Events in the register.
    public var events: UInt64
    /// Distinct profiles.
    public var profiles: UInt64
    /// Bytes of the index in memory.
    public var indexBytes: UInt64
    /// Of them on huge pages.
    public var hugePageBytes: UInt64
    /// Bytes of the write-ahead log.
    public var walBytes: UInt64
    /// Time since the start.
    public var uptime: Duration
    /// Time from the start to serving.
    public var startTime: Duration
    /// Connections open.
    public var connections: UInt64
    /// Checks answered since the start.
    public var checks: UInt64
    /// Of them allowed.
    public var allows: UInt64
    /// Writes recorded since the start.
    public var writes: UInt64
    /// Writes refused since the start.
    public var refusals: UInt64
    /// Commits since the start.
    public var commits: UInt64
    /// Frames rejected since the start.
    public var rejectedFrames: UInt64
    /// Event up to which derived rows are on disk.
    public var derivedSequence: UInt64
    /// CPU time that the server used.
    public var cpuTime: Duration
    /// Resident memory in bytes.
    public var residentBytes: UInt64
    /// The register may be written to by load tests.
    public var isTestRegister: Bool
    /// Event loops.
    public var loops: UInt32
    /// Version of the server.
    public var version: String
    /// Time that the writer thread took to judge, fold and stage the writes of commits.
    public var stageTime: Duration
    /// Time that it took to append them, syncs included.
    public var commitTime: Duration
    /// Time that it took to publish them to the index and to hand over the answers.
    public var publishTime: Duration
    /// Time that it took to write derived rows and to move the write-ahead log to the database.
    public var flushTime: Duration
    /// Event up to which the index snapshot on file holds every change; 0: there is none.
    public var snapshotSequence: UInt64
}
