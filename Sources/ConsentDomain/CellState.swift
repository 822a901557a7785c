// The state of one contact point of one controller: what the fold makes of its events.
//
// Invariant of the fold, for each (channel, purpose): `grant` is the accepted grant with the latest
// `occurredAt` that no denial beats, or nil; `denial` is the denial with the latest `occurredAt` (on a tie
// the later sequence), kept even while a later grant lifts it, since grants that arrive late are measured
// against it. `shadowed` is the latest live grant, where an imported one that occurred later stands: a denial
// may end the import alone.

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

/// A grant that stands, or one that waits for its confirmation.
public struct GrantMark: Hashable, Sendable {
    /// When the act occurred.
    public var occurredAt: Timestamp
    /// Sequence of the grant (or of the confirm or renewal that made it what it is).
    public var sequence: UInt64
    /// Day at whose start it ends by policy (granted) or lapses (pending); `.none`: no end.
    public var untilDay: Day
    /// Ordinal of the notice; 0: none.
    public var noticeOrdinal: UInt16
    /// It came by import: any denial beats it.
    public var imported: Bool

    /// From its parts.
    public init(
        occurredAt: Timestamp, sequence: UInt64, untilDay: Day, noticeOrdinal: UInt16, imported: Bool
    ) {
        self.occurredAt = occurredAt
        self.sequence = sequence
        self.untilDay = untilDay
        self.noticeOrdinal = noticeOrdinal
        self.imported = imported
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
    /// The grant that stands.
    public var grant: GrantMark?
    /// The latest live grant, where `grant` is an imported one.
    public var shadowed: GrantMark?
    /// The grant that waits for its confirmation.
    public var pending: GrantMark?
    /// The latest denial.
    public var denial: DenialMark?
    /// An import without proof, where there was nothing else.
    public var unproven: DenialMark?

    /// An empty cell.
    public init(channel: Channel, purpose: PurposeID) {
        self.channel = channel
        self.purpose = purpose
    }

    /// Nothing is on file.
    public var isEmpty: Bool { grant == nil && pending == nil && denial == nil && unproven == nil }
}

/// A denial of all purposes, all channels, or both; nil means all.
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
    /// Day at whose start retention ends: the latest of the events that count as contact.
    public var retentionDay = Day.none
    /// The latest erasure.
    public var erasure: DenialMark?
    /// Sorted by channel; at most one each.
    public var undeliverable: [UndeliverableMark] = []
    /// Sorted by (channel or 0, purpose or 0); at most one each.
    public var scopedDenials: [ScopedDenial] = []
    /// Sorted by (channel, purpose); at most one each.
    public var cells: [Cell] = []

    /// Nothing on file.
    public init(controller: ControllerID, kind: ContactKind) {
        self.controller = controller
        self.kind = kind
    }
}
