// The gate: what a grant, a confirmation or a renewal has to meet before it is recorded.
//
// Invariant: every condition is looked at, so that all refusals are listed and not only the first; nothing
// that is missing or unknown counts in favour of the grant.

/// One contact point of a draft.
public struct DraftContact: Hashable, Sendable {
    /// Kind.
    public var kind: ContactKind
    /// Why the address cannot be normalised; nil where it can.
    public var problem: AddressError?

    /// A contact point with its problem, if any.
    public init(kind: ContactKind, problem: AddressError? = nil) {
        self.kind = kind
        self.problem = problem
    }
}

/// A grant that asks to be recorded.
public struct GrantDraft: Hashable, Sendable {
    /// Controller.
    public var controller: ControllerID
    /// Contact points of one person, 1…8.
    public var contacts: [DraftContact] = []
    /// Channels named.
    public var channels = ChannelSet()
    /// A channel was named that has no number here.
    public var hasUnknownChannel = false
    /// Purposes named.
    public var purposes = PurposeSet()
    /// A purpose was named outside of 1…63.
    public var hasUnknownPurpose = false
    /// nil: none was stated.
    public var notice: NoticeID?
    /// Where it was collected.
    public var source = Source.unspecified
    /// The act of the person.
    public var act = Act.none
    /// nil: now for a live grant, unknown for an imported one.
    public var occurredAt: Timestamp?
    /// Customer reference; empty: none.
    public var reference = ""
    /// Name of the staff member who records it; empty: the person itself.
    public var staff = ""
    /// Memo that staff read; nil: none.
    public var memo: Digest32?
    /// What staff attest.
    public var attestations = Attestations()
    /// How it came in.
    public var via = Via.live
    /// Circumstances of the act.
    public var evidence = Evidence()
    /// A contact point was erased, and no live grant came after.
    public var isErased = false

    /// A draft with nothing else stated.
    public init(controller: ControllerID) { self.controller = controller }
}

/// A refusal with what it is about.
public struct RefusalFinding: Hashable, Sendable {
    /// The refusal.
    public var refusal: Refusal
    /// Names the thing where the caller can't tell: `purpose 9`, `contact 2: …`; may be empty. Holds no
    /// address.
    public var subject: String

    /// A refusal and its subject.
    public init(_ refusal: Refusal, subject: String = "") {
        self.refusal = refusal
        self.subject = subject
    }

    /// The refusal's sentence with its subject.
    public func sentence(locale: String) -> String {
        let sentence = refusal.sentence(locale: locale)
        return subject.isEmpty ? sentence : "\(sentence) (\(subject))"
    }
}

/// What becomes of a draft.
public enum GateVerdict: Hashable, Sendable {
    /// Recorded as a grant.
    case accepted
    /// An import without proof: recorded as such, and denies.
    case unproven
    /// Not recorded.
    case refused([RefusalFinding])
}

/// Conditions of a consent.
public enum GrantGate {
    /// Contact points of one grant at most.
    public static let contactCountMax = 8
    /// Bytes of a text at most.
    public static let textByteCountMax = 1_024

    /// Every refusal of a draft, in the order of their numbers, each once.
    /// - Parameters:
    ///   - memos: ids of the memos that are accepted.
    ///   - now: the server's time.
    public static func refusals(
        _ draft: GrantDraft, catalogue: Catalogue, memos: Set<Digest32> = Memo.ids, now: Timestamp
    ) -> [Refusal] {
        findings(draft, catalogue: catalogue, memos: memos, now: now).map(\.refusal)
    }

    /// What becomes of a draft.
    public static func verdict(
        _ draft: GrantDraft, catalogue: Catalogue, memos: Set<Digest32> = Memo.ids, now: Timestamp
    ) -> GateVerdict {
        let findings = findings(draft, catalogue: catalogue, memos: memos, now: now)
        if findings.isEmpty { return .accepted }
        return findings.allSatisfy { $0.refusal == .unprovenImport } ? .unproven : .refused(findings)
    }

    /// Every refusal of a draft with its subject, in the order of their numbers, each once.
    public static func findings(
        _ draft: GrantDraft, catalogue: Catalogue, memos: Set<Digest32> = Memo.ids, now: Timestamp
    ) -> [RefusalFinding] {
        var findings = Findings()
        let notice = draft.notice.flatMap { catalogue.notices[$0] }
        let isImport = draft.via == .import
        if let notice {
            checkNotice(notice, draft, at: draft.occurredAt ?? now, now: now, &findings)
        } else if !isImport || draft.notice != nil {
            findings.add(.notInformed, draft.notice.map { "notice \($0.hex)" } ?? "no notice")
        }
        checkScope(draft, notice, catalogue, &findings)
        checkAct(draft, memos: memos, isImport: isImport, &findings)
        checkContacts(draft, &findings)
        if let occurredAt = draft.occurredAt,
            occurredAt > now.adding(microseconds: ContactState.clockToleranceMicroseconds)
        {
            findings.add(.inTheFuture, occurredAt.rfc3339)
        }
        if isImport {
            checkProof(draft, memos: memos, &findings)
            if draft.isErased { findings.add(.erased) }
        }
        checkTexts(draft, catalogue.controllers[draft.controller], &findings)
        return findings.sorted
    }

    // MARK: Conditions

    private static func checkNotice(
        _ notice: Notice, _ draft: GrantDraft, at time: Timestamp, now: Timestamp, _ findings: inout Findings
    ) {
        var id: String { draft.notice?.hex ?? "" }
        if notice.conditional { findings.add(.notFree) }
        if notice.invalidatedFrom <= max(time, now) {
            findings.add(.notInformed, "notice \(id) is invalidated")
        }
        if time < notice.validFrom {
            findings.add(.notInformed, "notice \(id) is valid from \(notice.validFrom.rfc3339)")
        }
        if !notice.withdrawalExplained {
            findings.add(.notInformed, "the notice does not explain withdrawal")
        }
        if !notice.dataUseExplained {
            findings.add(.notInformed, "the notice does not explain the use of data")
        }
        if !notice.termsSeparate { findings.add(.ambiguous, "the notice is part of the terms") }
        if notice.box == .preticked { findings.add(.notAffirmative, "the box is ticked beforehand") }
        // A notice that names all channels or purposes is not specific: the bit for all covers none here.
        if draft.channels.rawValue & ~1 & ~notice.channels.rawValue != 0 {
            findings.add(.notSpecific, "the notice does not name the channel")
        }
        if draft.purposes.rawValue & ~1 & ~notice.purposes.rawValue != 0 {
            findings.add(.notSpecific, "the notice does not name the purpose")
        }
        if !notice.controllers.contains(draft.controller) {
            findings.add(.notSpecific, "the notice does not name controller \(draft.controller.rawValue)")
        }
    }

    private static func checkScope(
        _ draft: GrantDraft, _ notice: Notice?, _ catalogue: Catalogue, _ findings: inout Findings
    ) {
        if draft.channels.namesNone || draft.channels.isAll || draft.hasUnknownChannel {
            findings.add(.notSpecific, draft.hasUnknownChannel ? "unknown channel" : "no channel named")
        }
        if draft.channels.rawValue & ~1 & ~ChannelSet.known.rawValue != 0 {
            findings.add(.notSpecific, "unknown channel")
        }
        if draft.purposes.isAll || (draft.purposes.namesNone && !draft.hasUnknownPurpose) {
            findings.add(.notSpecific, "no purpose named")
        }
        let controller = catalogue.controllers[draft.controller]
        if controller == nil { findings.add(.unknownController, "controller \(draft.controller.rawValue)") }
        if controller?.closed == true {
            findings.add(.unknownController, "controller \(draft.controller.rawValue) is closed")
        }
        if draft.hasUnknownPurpose { findings.add(.unknownPurpose, "a number outside of 1…63") }
        draft.purposes.forEachNamed { id in
            switch catalogue.purposes[id] {
            case nil: findings.add(.unknownPurpose, "purpose \(id.rawValue)")
            case let purpose?:
                if purpose.retired { findings.add(.unknownPurpose, "purpose \(purpose.code) is retired") }
                if purpose.purposeClass == .service { findings.add(.wrongClass, "purpose \(purpose.code)") }
            }
        }
    }

    private static func checkAct(
        _ draft: GrantDraft, memos: Set<Digest32>, isImport: Bool, _ findings: inout Findings
    ) {
        // An import that lacks these is unproven rather than refused.
        guard !isImport else { return }
        if draft.act == .none {
            findings.add(.ambiguous, "no act")
            findings.add(.notAffirmative, "no act")
        }
        if isAttestationMissing(draft, memos: memos) { findings.add(.attestationMissing) }
    }

    /// What an import lacks to be proof is named, all of it.
    private static func checkProof(_ draft: GrantDraft, memos: Set<Digest32>, _ findings: inout Findings) {
        let lacksAttestations = isAttestationMissing(draft, memos: memos)
        guard draft.notice == nil || draft.act == .none || draft.occurredAt == nil || lacksAttestations else {
            return
        }
        let missing = [
            draft.notice == nil ? "notice" : nil, draft.act == .none ? "act" : nil,
            draft.occurredAt == nil ? "time" : nil, lacksAttestations ? "attestations" : nil,
        ].compactMap { $0 }
        findings.add(.unprovenImport, "without \(missing.joined(separator: ", "))")
    }

    private static func isAttestationMissing(_ draft: GrantDraft, memos: Set<Digest32>) -> Bool {
        guard !draft.staff.isEmpty || draft.act == .spoken || draft.act == .signature else { return false }
        guard let memo = draft.memo, memos.contains(memo) else { return true }
        return !draft.attestations.isSuperset(of: .all)
    }

    private static func checkContacts(_ draft: GrantDraft, _ findings: inout Findings) {
        if draft.contacts.isEmpty { findings.add(.badAddress, "no address") }
        if draft.contacts.count > contactCountMax {
            findings.add(.badAddress, "\(draft.contacts.count) addresses, \(contactCountMax) at most")
        }
        for (index, contact) in draft.contacts.enumerated() {
            if let problem = contact.problem {
                findings.add(.badAddress, "address \(index + 1): \(problem.description)")
            } else if !draft.channels.namesNone,
                draft.channels.isDisjoint(with: contact.kind.channels)
            {
                findings.add(.badAddress, "address \(index + 1) fits no channel named")
            }
        }
        let reached = draft.contacts.reduce(ChannelSet()) { $0.union($1.kind.channels) }
        draft.channels.subtracting(reached).forEachNamed { channel in
            findings.add(.badAddress, "no address for channel \(channel)")
        }
    }

    private static func checkTexts(
        _ draft: GrantDraft, _ controller: Controller?, _ findings: inout Findings
    ) {
        if controller?.referenceRequired == true, draft.reference.isEmpty { findings.add(.referenceRequired) }
        if let problem = TextRules.problem(
            evidence: draft.evidence, reference: draft.reference, staff: draft.staff)
        {
            findings.add(.badText, problem)
        }
    }
}

/// Collects refusals, each with its first subject.
private struct Findings {
    private var list: [RefusalFinding] = []

    mutating func add(_ refusal: Refusal, _ subject: @autoclosure () -> String = "") {
        guard !list.contains(where: { $0.refusal == refusal }) else { return }
        list.append(RefusalFinding(refusal, subject: subject()))
    }

    var sorted: [RefusalFinding] {
        list.count < 2 ? list : list.sorted { $0.refusal.rawValue < $1.refusal.rawValue }
    }
}
