// What is written, and what became of it.
//
// Invariant: every write carries an event id before it is first sent (the caller's, or a fresh UUIDv7), so
// sending it again after a broken connection cannot record it twice.

import ConsentDomain

/// A contact point in a write: always the address, never a key, since the server normalises and hashes it
/// itself.
public struct WriteContact: Hashable, Sendable {
    /// Kind; nil: e-mail for an address with `@`, else phone.
    public var kind: ContactKind?
    /// The address as the person wrote it, UTF-8, at most 320 bytes.
    public var address: String

    /// A contact point.
    public init(_ address: String, kind: ContactKind? = nil) {
        self.address = address
        self.kind = kind
    }
}

/// Whom a read or a refusal is about.
public enum Subject: Hashable, Sendable {
    /// These contact points.
    case contacts([WriteContact])
    /// A recipient key from `ConsentClient.keys`. Reads only.
    case key(RecipientKey, ContactKind)
    /// Every contact point recorded under this customer reference.
    case reference(String)
}

/// A consent given by one person for up to 8 of their contact points, all or nothing.
public struct Grant: Hashable, Sendable {
    /// Name of the event; nil: the client makes one.
    public var eventID: EventID?
    /// Whose consent.
    public var controller: ControllerID
    /// Contact points of the person, 1…8.
    public var contacts: [WriteContact]
    /// Channels agreed to.
    public var channels: ChannelSet
    /// Purposes agreed to.
    public var purposes: PurposeSet
    /// The notice that the person was shown.
    public var notice: NoticeID
    /// Where it was collected.
    public var source = Source.unspecified
    /// The act by which the person agreed.
    public var act = Act.none
    /// When; nil: now, by the server's clock.
    public var occurredAt: Timestamp?
    /// The operator's own id of the person; empty: none.
    public var reference = ""
    /// Staff member who records it; empty: the person itself.
    public var staff = ""
    /// Memo that the staff member read.
    public var memo: Digest32?
    /// What the staff member attests.
    public var attestations = Attestations()
    /// Circumstances; erasable.
    public var evidence = Evidence()

    /// A grant; source, act and the rest are set afterwards.
    public init(
        controller: ControllerID, contacts: [WriteContact], channels: ChannelSet, purposes: PurposeSet,
        notice: NoticeID
    ) {
        self.controller = controller
        self.contacts = contacts
        self.channels = channels
        self.purposes = purposes
        self.notice = notice
    }
}

/// A withdrawal, refusal or objection, or what a `record` is about. Never turned away.
public struct RefusalNotice: Hashable, Sendable {
    /// Name of the event; nil: the client makes one.
    public var eventID: EventID?
    /// Whose consent.
    public var controller: ControllerID
    /// Whom it is about: contact points or a reference.
    public var subject: Subject
    /// Channels; empty: all, those added later included.
    public var channels = ChannelSet()
    /// Purposes; empty: all, those added later included.
    public var purposes = PurposeSet()
    /// Where it was collected.
    public var source = Source.unspecified
    /// When; nil: now, by the server's clock.
    public var occurredAt: Timestamp?
    /// Notice shown, where one was.
    public var notice: NoticeID?
    /// Staff member who records it; empty: none.
    public var staff = ""
    /// Circumstances; erasable.
    public var evidence = Evidence()

    /// A refusal of everything; channels and purposes narrow it.
    public init(controller: ControllerID, subject: Subject) {
        self.controller = controller
        self.subject = subject
    }
}

/// Why something was refused.
public struct RefusalNote: Hashable, Sendable {
    /// The refusal's number as it came.
    public var code: UInt16
    /// A sentence that names the remedy, in English, as the server wrote it.
    public var sentence: String
    /// What it is about, such as `purpose 3`; empty: the whole request.
    public var subject: String
    /// It is about one address of a question.
    var isItem = false

    /// The refusal; nil for a number that this library does not know.
    public var refusal: Refusal? { Refusal(rawValue: code) }

    /// A note; without a sentence it gets the English one of its number.
    public init(code: UInt16, sentence: String = "", subject: String = "") {
        self.code = code
        self.subject = subject
        self.sentence =
            sentence.isEmpty
            ? Refusal(rawValue: code)?.sentence(locale: "en") ?? Names.refusal(code) : sentence
    }

    /// The sentence in a locale; a number that this library does not know keeps the server's.
    /// - Parameter locale: BCP 47; French for `fr…`, else English.
    public func sentence(locale: String) -> String {
        guard let refusal else { return sentence }
        if isItem { return refusal.itemSentence(locale: locale) }
        return RefusalFinding(refusal, subject: subject).sentence(locale: locale)
    }
}

/// What became of a write. `.recorded` and `.repeated` are durable.
public struct WriteResult: Hashable, Sendable {
    /// What happened.
    public enum Status: String, Sendable {
        /// Nothing was appended; `refusals` says why.
        case refused
        /// Appended and durable.
        case recorded
        /// The same event was recorded before; this is its first result.
        case repeated
    }

    /// What happened. A number that this library does not know reads as refused.
    public var status: Status
    /// Sequence of the last event appended: a check with this `minimumSequence` sees it.
    public var sequence: UInt64
    /// Event ids, one a contact point.
    public var eventIDs: [EventID]
    /// Sequences, one a contact point.
    public var sequences: [UInt64]
    /// Why it was refused, all reasons; empty otherwise.
    public var refusals: [RefusalNote]
    /// Tokens for `confirm`, one a contact point; empty bytes where no double opt-in is asked.
    public var tokens: [[UInt8]]

    /// Whether it is in the register.
    public var isDurable: Bool { status != .refused }
}

/// One row of an import.
public struct ImportRow: Hashable, Sendable {
    /// grant, refuse, withdraw, object, complaint, bounce or contactSeen.
    public var kind: EventKind
    /// Whose consent.
    public var controller: ControllerID
    /// Contact points, 1…8.
    public var contacts: [WriteContact]
    /// Channels; empty in refusals: all.
    public var channels = ChannelSet()
    /// Purposes; empty in refusals: all.
    public var purposes = PurposeSet()
    /// Notice shown; nil: the row is unproven.
    public var notice: NoticeID?
    /// Where it was collected.
    public var source = Source.unspecified
    /// The act.
    public var act = Act.none
    /// When; nil: unknown.
    public var occurredAt: Timestamp?
    /// The operator's own id of the person.
    public var reference = ""
    /// Staff member.
    public var staff = ""
    /// Memo.
    public var memo: Digest32?
    /// Attestations.
    public var attestations = Attestations()
    /// Name of the event; nil: a MAC of the content, made by the server, so that the same row is the same
    /// event.
    public var eventID: EventID?

    /// A row; the rest is set afterwards.
    public init(kind: EventKind, controller: ControllerID, contacts: [WriteContact]) {
        self.kind = kind
        self.controller = controller
        self.contacts = contacts
    }
}

/// What became of imported rows.
public struct ImportResult: Hashable, Sendable {
    /// Sequence of the last event appended.
    public var sequence: UInt64 = 0
    /// Rows recorded.
    public var recorded = 0
    /// Rows recorded before.
    public var repeated = 0
    /// Rows kept without proof: they deny.
    public var unproven = 0
    /// Rows refused.
    public var refused = 0
    /// The refused and the unproven ones, by position in the request.
    public var issues: [Issue] = []

    /// One row that was not recorded as it stands.
    public struct Issue: Hashable, Sendable {
        /// Position in the request, from 0.
        public var index: Int
        /// Why.
        public var refusals: [RefusalNote]

        /// An issue.
        public init(index: Int, refusals: [RefusalNote]) {
            self.index = index
            self.refusals = refusals
        }
    }

    /// Nothing imported yet.
    public init() {}
}
