// One entry of the register of consents, and its two canonical byte forms.
//
// Leaf (version 1), little-endian; what the log's tree commits to:
//
//     0 u8  version = 1      8 u64 sequence        48 u32 controller        60 u16 validity day
//     1 u8  kind            16 i64 occurred at     52 u16 channels          62 u16 retention day
//     2 u8  contact kind    24 i64 recorded at     54 u16 pending channels  64 u16 lapse day
//     3 u8  via             32 u64 purposes        56 u16 key epoch         66 u16 client bytes
//     4 u8  source          40 u64 refers to       58 u16 notice ordinal    68 u8  digests present
//     5 u8  act                                                             69 3 zero bytes
//     6 u8  attestations
//     7 u8  zero
//    72 present digests of 32 bytes in this order: bit 0 notice, bit 1 memo, bit 2 commitment,
//       bit 3 payload hash; then the client's name, UTF-8
//
// The commitment is SHA-256(salt ‖ personal part). The personal part is kept apart and may be destroyed; the
// leaf, the tree and every proof of other events stay valid.
//
// Personal part (version 1):
//
//     0 u8 version = 1, 7 zero bytes    8 recipient key 16 B    24 event id 16 B    40 content MAC 16 B
//    56 address commitment 32 B         88 six texts, each u16 byte length then UTF-8:
//                                          reference, staff, ip, user agent, url, template values
//
// The address commitment is SHA-256(opening ‖ kind ‖ normalised address).

/// What an event records. Numbers are those of the wire and of the leaf.
public enum EventKind: UInt8, CaseIterable, Sendable {
    case grant = 1
    case confirm = 2
    case refuse = 3
    case withdraw = 4
    case object = 5
    case renew = 6
    case invalidate = 7
    case revoke = 8
    case contactSeen = 9
    case bounce = 10
    case complaint = 11
    case deliverabilityCleared = 12
    case reassigned = 13
    case erase = 14
    case rekeyed = 15
    case noticeInvalidated = 16
    case controllerPut = 17
    case purposePut = 18
    case noticePut = 19
    case restored = 20
    case unprovenImport = 21

    /// Whether the event takes something away from the sender: never turned away, shed or expired.
    public var isRefusal: Bool {
        switch self {
        case .refuse, .withdraw, .object, .complaint, .revoke, .invalidate, .bounce, .reassigned, .erase,
            .noticeInvalidated:
            true
        default: false
        }
    }

    /// Whether the event changes the catalogue rather than a contact point.
    public var isCatalogue: Bool {
        switch self {
        case .controllerPut, .purposePut, .noticePut, .noticeInvalidated: true
        default: false
        }
    }
}

/// How an event came in.
public enum Via: UInt8, CaseIterable, Sendable {
    case live = 0
    case `import` = 1
}

/// Where a consent was collected.
public enum Source: UInt8, CaseIterable, Sendable {
    case unspecified = 0
    case marketplace = 1
    case widget = 2
    case salon = 3
    case smsKeyword = 4
    case oneClick = 5
    case preferencePage = 6
    case api = 7
}

/// The act by which a person agreed.
public enum Act: UInt8, CaseIterable, Sendable {
    case none = 0
    case tickedBox = 1
    case button = 2
    case confirmationClick = 3
    case keyword = 4
    case signature = 5
    case spoken = 6
}

/// What staff attest when they record a consent.
public struct Attestations: OptionSet, Hashable, Sendable {
    /// The number or bits.
    public let rawValue: UInt8
    /// Wraps the number or bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The person could say no.
    public static let free = Attestations(rawValue: 1)
    /// A channel and a purpose were named.
    public static let specific = Attestations(rawValue: 2)
    /// The person knew what will be sent and how data is used.
    public static let informed = Attestations(rawValue: 4)
    /// It was asked apart from the terms of sale.
    public static let unambiguous = Attestations(rawValue: 8)
    /// The person acted.
    public static let affirmative = Attestations(rawValue: 16)
    /// All five conditions.
    public static let all: Attestations = [.free, .specific, .informed, .unambiguous, .affirmative]
}

/// Circumstances of an act; erasable.
public struct Evidence: Hashable, Sendable {
    /// Truncated IP address.
    public var ip = ""
    /// User agent.
    public var userAgent = ""
    /// Without query and fragment.
    public var url = ""
    /// Values that the notice's template was rendered with.
    public var templateValues = ""
    /// Nothing stated.
    public init() {}
    /// Whether nothing is stated.
    public var isEmpty: Bool { ip.isEmpty && userAgent.isEmpty && url.isEmpty && templateValues.isEmpty }
}

/// The part of an event that names a person, kept apart so that it can be destroyed.
public struct PersonalPart: Hashable, Sendable {
    /// Recipient key.
    public var key: RecipientKey
    /// Event id.
    public var eventID: EventID
    /// 16 bytes: MAC of the request's content, to tell a repeated event from another with the same id.
    public var contentMAC: EventID
    /// SHA-256(opening ‖ kind ‖ normalised address).
    public var addressCommitment: Digest32
    /// Customer reference; empty: none.
    public var reference = ""
    /// Name of the staff member; empty: the person itself.
    public var staff = ""
    /// Circumstances of the act.
    public var evidence = Evidence()

    /// A personal part without texts.
    public init(key: RecipientKey, eventID: EventID, contentMAC: EventID, addressCommitment: Digest32) {
        self.key = key
        self.eventID = eventID
        self.contentMAC = contentMAC
        self.addressCommitment = addressCommitment
    }
}

/// One entry of the register.
public struct ConsentEvent: Hashable, Sendable {
    /// Dense, from 1; 0: not yet appended.
    public var sequence: UInt64 = 0
    /// What it records.
    public var kind: EventKind
    /// Controller; 0: none.
    public var controller = ControllerID(rawValue: 0)
    /// nil for events that are about no contact point.
    public var contactKind: ContactKind?
    /// Epoch of the recipient key.
    public var keyEpoch: UInt16 = 0
    /// Channels; bit 0 means all.
    public var channels = ChannelSet()
    /// Purposes; bit 0 means all.
    public var purposes = PurposeSet()
    /// Those of `channels` that wait for a confirmation.
    public var pendingChannels = ChannelSet()
    /// When the act occurred.
    public var occurredAt: Timestamp
    /// When it was recorded.
    public var recordedAt: Timestamp
    /// How it came in.
    public var via = Via.live
    /// Where it was collected.
    public var source = Source.unspecified
    /// The act of the person.
    public var act = Act.none
    /// What staff attest.
    public var attestations = Attestations()
    /// Notice shown; nil: none.
    public var notice: NoticeID?
    /// Ordinal of the notice; 0: none.
    public var noticeOrdinal: UInt16 = 0
    /// Memo that staff read; nil: none.
    public var memo: Digest32?
    /// Day at whose start the consent ends by the controller's policy; `.none`: no such policy.
    public var validityDay = Day.none
    /// Day at whose start retention ends.
    public var retentionDay = Day.none
    /// Day at whose start a double opt-in lapses.
    public var lapseDay = Day.none
    /// Sequence of the event that this one is about (the grant of a confirm); 0: none.
    public var refersTo: UInt64 = 0
    /// Name of the authenticated client, at most 64 bytes.
    public var client = ""
    /// Canonical form of what a catalogue event writes; empty for others.
    public var payload: [UInt8] = []
    /// SHA-256 of the payload, where an event was read from its leaf and the payload is not at hand.
    public var payloadDigest: Digest32?
    /// nil where there was none, or it was destroyed.
    public var personal: PersonalPart?
    /// Salt of the commitment, 16 bytes; empty where `personal` is nil.
    public var salt: [UInt8] = []
    /// SHA-256(salt ‖ personal part); nil where there never was a personal part.
    public var commitment: Digest32?

    /// An event with nothing else stated.
    public init(kind: EventKind, occurredAt: Timestamp, recordedAt: Timestamp) {
        self.kind = kind
        self.occurredAt = occurredAt
        self.recordedAt = recordedAt
    }
}
