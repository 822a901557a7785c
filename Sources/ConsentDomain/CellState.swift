// The state of one contact point of one controller: what the fold makes of its events.
//
// Invariant of the fold, for each (channel, purpose): `grants` are the acts that give, in order of
// occurrence, that no denial beats and no later act makes void; `denial` is the denial with the latest
// `occurredAt` (on a tie the later sequence), kept even while a later grant lifts it, since grants that
// arrive late are measured against it.

/// The state of one cell. Numbers are those of the wire and of the index.
public enum CellState: UInt8, CaseIterable, Sendable {
    case none = 0
    case pending = 1
    case granted = 2
    case refused = 3
    case withdrawn = 4
    case objected = 5
    case revoked = 6
    case invalid = 7
    case reassigned = 8
    case unproven = 9
    case erased = 10
    case complaint = 11
    case stop = 12
}

/// An act that gives a consent, or asks for one.
public struct GrantMark: Hashable, Sendable {
    /// What the act does to a consent that stands before it.
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// Takes its place. Also the kind of a request that waits.
        case grant = 0
        /// A click on a token: extends it, or gives one where there is none.
        case confirmation = 1
        /// Extends it, and gives none.
        case renewal = 2
    }

    /// What the act does.
    public var kind = Kind.grant
    /// When the act occurred.
    public var occurredAt: Timestamp
    /// Sequence of the event.
    public var sequence: UInt64
    /// Day at whose start it ends by policy (granted) or lapses (pending); `.none`: no end.
    public var untilDay: Day
    /// Ordinal of the notice; 0: none.
    public var noticeOrdinal: UInt16
    /// It came by import: any denial beats it.
    public var imported: Bool
    /// When the act that it rests on occurred: of a confirmation the request, of others the act itself. A
    /// denial that becomes known later is measured against this time.
    public var restsOn: Timestamp

    /// A grant or a request, from its parts.
    public init(
        occurredAt: Timestamp, sequence: UInt64, untilDay: Day, noticeOrdinal: UInt16, imported: Bool
    ) {
        self.occurredAt = occurredAt
        self.sequence = sequence
        self.untilDay = untilDay
        self.noticeOrdinal = noticeOrdinal
        self.imported = imported
        restsOn = occurredAt
    }
}

/// A denial: refused, withdrawn, objected, revoked, invalid, reassigned, complaint, stop, erased or unproven.
public struct DenialMark: Hashable, Sendable {
    /// The state that it leaves behind.
    public var state: CellState
    /// When the act occurred.
    public var occurredAt: Timestamp
    /// Sequence of the event.
    public var sequence: UInt64

    /// From its parts.
    public init(state: CellState, occurredAt: Timestamp, sequence: UInt64) {
        self.state = state
        self.occurredAt = occurredAt
        self.sequence = sequence
    }
}

/// What is on file for one (channel, purpose).
public struct Cell: Hashable, Sendable {
    /// Channel.
    public var channel: Channel
    /// Purpose.
    public var purpose: PurposeID
    /// The acts that give and stand, in order of occurrence.
    public var grants: [GrantMark] = []
    /// The grant that waits for its confirmation.
    public var pending: GrantMark?
    /// The latest denial.
    public var denial: DenialMark?
    /// The first import without proof; says nothing where anything else is on file.
    public var unproven: DenialMark?
    /// A grant named the cell, so that there is something to declare invalid.
    public var wasGiven = false

    /// An empty cell.
    public init(channel: Channel, purpose: PurposeID) {
        self.channel = channel
        self.purpose = purpose
    }

    /// Nothing is on file.
    public var isEmpty: Bool {
        grants.isEmpty && pending == nil && denial == nil && unproven == nil && !wasGiven
    }
}

/// A denial by its scope; nil means all channels or all purposes.
public struct ScopedDenial: Hashable, Sendable {
    /// Channel; nil: all.
    public var channel: Channel?
    /// Purpose; nil: all.
    public var purpose: PurposeID?
    /// The denial.
    public var mark: DenialMark

    /// From its parts.
    public init(channel: Channel?, purpose: PurposeID?, mark: DenialMark) {
        self.channel = channel
        self.purpose = purpose
        self.mark = mark
    }
}

/// Contacts without a gap in which retention ended.
public struct ContactRun: Hashable, Sendable {
    /// When they began. What was given earlier has ended.
    public var since: Timestamp
    /// When the last of them occurred.
    public var last: Timestamp
    /// Day at whose start retention ends, counted from the last contact; `.none`: no end.
    public var retentionDay: Day

    /// From its parts.
    public init(since: Timestamp, last: Timestamp, retentionDay: Day) {
        self.since = since
        self.last = last
        self.retentionDay = retentionDay
    }
}

/// A channel on which messages do not arrive.
public struct UndeliverableMark: Hashable, Sendable {
    /// Channel.
    public var channel: Channel
    /// When the act occurred.
    public var occurredAt: Timestamp
    /// Sequence of the event.
    public var sequence: UInt64

    /// From its parts.
    public init(channel: Channel, occurredAt: Timestamp, sequence: UInt64) {
        self.channel = channel
        self.occurredAt = occurredAt
        self.sequence = sequence
    }
}

/// The state of one contact point of one controller.
public struct ContactState: Hashable, Sendable {
    /// Last event that was folded in; events up to it are skipped when they are folded again.
    public var lastSequence: UInt64 = 0
    /// Controller.
    public var controller: ControllerID
    /// Kind.
    public var kind: ContactKind
    /// Epoch of the key under which the contact point is found.
    public var keyEpoch: UInt16 = 0
    /// The person's contacts up to the last one; nil: none.
    public var contacts: ContactRun?
    /// The latest erasure.
    public var erasure: DenialMark?
    /// Sorted by channel; at most one each.
    public var undeliverable: [UndeliverableMark] = []
    /// Denials of all channels, all purposes or both. Sorted by (channel or 0, purpose or 0); at most one
    /// each.
    public var scopedDenials: [ScopedDenial] = []
    /// Consents that were declared invalid, whether or not one stood there: grants that occurred before and
    /// arrive late are measured against them. Sorted by (channel or 0, purpose or 0); at most one each.
    public var invalidations: [ScopedDenial] = []
    /// Sorted by (channel, purpose); at most one each.
    public var cells: [Cell] = []

    /// Nothing on file.
    public init(controller: ControllerID, kind: ContactKind) {
        self.controller = controller
        self.kind = kind
    }
}
