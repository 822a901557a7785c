// A write as the event loop hands it to the writer thread: decoded, normalised, keyed and hashed, so that the
// one writer thread does only what needs the register.

import ConsentDomain

/// One contact point of a write, with the personal part of the event that may come of it.
struct WriteSubject: Sendable {
    let kind: ContactKind
    /// Epoch of its key.
    let keyEpoch: UInt16
    let slot: SlotKey
    let personal: PersonalPart
    /// Made of `personal`; nil: the register makes one.
    var seal: PersonalSeal?

    /// With the key and nothing else that names the person.
    var withoutTexts: WriteSubject {
        var bare = personal
        bare.removeTexts()
        return WriteSubject(kind: kind, keyEpoch: keyEpoch, slot: slot, personal: bare)
    }
}

/// A write about contact points.
struct WriteCommand: Sendable {
    var kind: EventKind
    var controller: ControllerID
    var eventID: EventID
    /// Whether `eventID` is `contentMAC`, so that the addresses are a part of it.
    var isNamedByContent: Bool { eventID == contentMAC }
    /// Tells a repeated event from another with the same id.
    var contentMAC: EventID
    /// Contact points; empty when `reference` names them.
    var contacts: [WriteSubject]
    /// Contact points whose address cannot be normalised.
    var badContacts: [DraftContact] = []
    var reference = ""
    var channels = ChannelSet()
    var purposes = PurposeSet()
    /// A channel without a domain value was named (grants only: in refusals it means all).
    var hasUnknownChannel = false
    /// The same for a purpose.
    var hasUnknownPurpose = false
    var source = Source.unspecified
    var act = Act.none
    var via = Via.live
    /// nil: now.
    var occurredAt: Timestamp?
    /// When the request was read. Refusals overtake other writes, so a grant without a time of its own counts
    /// from here: one that was sent before a refusal does not come after it.
    var arrivedAt = Timestamp.epoch
    var notice: NoticeID?
    var staff = ""
    var memo: Digest32?
    var attestations = Attestations()
    var evidence = Evidence()
    /// Token of a confirm.
    var token: [UInt8] = []
    var client = ""
    /// The controllers that the client may act for: a confirmation learns from its token which one it is
    /// about.
    var claim = ControllerClaim.all
    /// Of an erasure: the personal parts are only restricted until then; nil: destroyed at once.
    var restrictUntil: Timestamp?
}

/// One step of destroying what neither a consent nor a proof needs any more.
struct RetireLapsed: Sendable {
    let controller: ControllerID
    /// Months for which proof is kept once nothing is in force.
    let proofMonths: Int
    let isDryRun: Bool
    /// The contact point to go on after; nil: from the beginning.
    let after: SlotKey?
    let client: String
    /// Contact points erased in one step at most; ends the step early.
    static let contactsMax = 256
    /// Rows of the table of states looked at in one step.
    static let rowsMax = 4_096
    /// Position of the first step, and of the next one where that could not begin yet.
    static let beginning: UInt64 = 0
    /// What a request that names no proof period gets.
    static let defaultProofMonths = 36
}

/// One row of an import.
struct ImportRowCommand: Sendable {
    /// Position in the request.
    let index: UInt32
    let command: Result<WriteCommand, RowError>

    /// A row that is no write at all.
    struct RowError: Error, Sendable {
        let refusals: [RefusalFinding]
    }
}
