// The acts that give in one cell: which of them are kept, and what they come to.
//
// What they come to is read off by going through them in order of occurrence, so that it does not matter in
// which order they were recorded. Invariant: an act that is let go would change nothing, whatever is recorded
// later.

extension Cell {
    /// Acts kept at most; past it the earliest is let go, which can only deny.
    static let grantCountMax = 16

    /// The consent that stands, whether or not its days have come: the last act that gave or extended it,
    /// with the day and the notice that count.
    func consent(_ contacts: ContactRun?) -> GrantMark? {
        var consent: GrantMark?
        for mark in grants {
            switch mark.kind {
            case .grant: consent = mark
            case .confirmation: consent = mark.extending(consent, contacts)
            case .renewal where consent != nil: consent = mark.extending(consent, contacts)
            case .renewal: break
            }
        }
        return consent
    }

    /// Takes in an act that no denial beats.
    mutating func install(_ mark: GrantMark) {
        if grants.isEmpty { return grants = [mark] }
        let place = grants.firstIndex { $0.isLater(than: mark) } ?? grants.endIndex
        grants.insert(mark, at: place)
        // A live grant makes void what came before it: whatever beats it beats that too. An import does the
        // same to imports.
        if let last = grants.lastIndex(where: { $0.kind == .grant && !$0.imported }) {
            grants.removeFirst(last)
        }
        if let last = grants.lastIndex(where: { $0.kind == .grant && $0.imported }) {
            let kept = grants[..<last].filter { !$0.imported }
            grants.replaceSubrange(..<last, with: kept)
        }
        if grants.count > Self.grantCountMax { grants.removeFirst() }
    }

    /// A second request joins the first, and lapses and falls with it, unless the first has lapsed by then.
    mutating func install(pending mark: GrantMark) {
        if let first = pending, mark.occurredAt.day < first.untilDay { return }
        pending = mark
    }

    mutating func install(denial mark: DenialMark) {
        if mark.isLater(than: denial) { denial = mark }
    }

    /// Drops what a new denial beats.
    mutating func drop(beatenBy denial: DenialMark) {
        grants.removeAll { denial.beats($0) }
        if let mark = pending, denial.beats(mark) { pending = nil }
    }
}

extension GrantMark {
    fileprivate func isLater(than other: GrantMark) -> Bool {
        (occurredAt, sequence) > (other.occurredAt, other.sequence)
    }

    /// This act after a consent: a confirmation or a renewal never moves the end to an earlier day. A consent
    /// that had ended by retention has no day to keep.
    fileprivate func extending(_ consent: GrantMark?, _ contacts: ContactRun?) -> GrantMark {
        guard let consent else { return self }
        var mark = self
        let hadEnded = contacts.map { consent.occurredAt < $0.since } ?? false
        if untilDay != .none, !hadEnded { mark.untilDay = max(untilDay, consent.untilDay) }
        if kind == .renewal, noticeOrdinal == 0 { mark.noticeOrdinal = consent.noticeOrdinal }
        return mark
    }
}

extension DenialMark {
    /// Whether this denial beats an act that gives: see the rule on top of Fold.swift.
    func beats(_ grant: GrantMark) -> Bool {
        if grant.imported { return true }
        guard sequence > grant.sequence else { return occurredAt >= grant.occurredAt }
        return occurredAt.adding(microseconds: ContactState.clockToleranceMicroseconds) >= grant.restsOn
    }

    func isLater(than other: DenialMark?) -> Bool {
        guard let other else { return true }
        return (occurredAt, sequence) > (other.occurredAt, other.sequence)
    }
}
