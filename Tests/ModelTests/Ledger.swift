// What the model is held against: the fold with the decision that Explain makes of it, the flattened profile
// in the index, and CheckAt with its own two cuts.
//
// Invariant: the ledger adds no rule of its own. Unless a mistake is planted (Mistakes.swift), it hands
// events and questions on as the server does.

import ConsentDomain
import ConsentIndex

/// A log under test.
struct Ledger {
    private(set) var entries: [Entry] = []
    private var model = Model()
    private var catalogue = Catalogue()
    private var acts: [Subject: [ConsentEvent]] = [:]
    private var states: [Subject: ContactState] = [:]
    private var checkGuard = CheckGuard(Catalogue())
    private let history = CatalogueHistory()
    private let index: ConsentIndex
    let mistake: Mistake?

    init(mistake: Mistake? = nil) throws {
        self.mistake = mistake
        index = try ConsentIndex(
            configuration: IndexConfiguration(initialCapacity: 64, maxCapacity: 1_024, hugePages: false))
    }

    // MARK: Writing

    mutating func append(_ entry: Entry) throws {
        entries.append(entry)
        model.entries.append(entry)
        switch entry.content {
        case .act(let subject, let event):
            acts[subject, default: []].append(event)
            var state =
                states[subject] ?? ContactState(controller: subject.controller, kind: subject.kind)
            if mistake == nil {
                state.apply(event)
            } else {
                state = ContactState(controller: subject.controller, kind: subject.kind)
                for event in planted(acts[subject] ?? []) { state.apply(event) }
            }
            states[subject] = state
            try index.put(Self.slot(subject), profile: state.profile)
        case .change(let change):
            let event = event(change, entry)
            try catalogue.apply(event)
            history.append(CollectionOfOne(event))
            checkGuard = CheckGuard(catalogue)
            if case .invalidate(let ordinal, let from) = change {
                index.setNoticeInvalid(ordinal: ordinal, from: from.microseconds)
            }
        }
    }

    private static func slot(_ subject: Subject) -> SlotKey {
        SlotKey(low: UInt64(subject.controller.rawValue) << 8, high: UInt64(subject.kind.rawValue))
    }

    /// A change as the catalogue's own event.
    private func event(_ change: Entry.Change, _ entry: Entry) -> ConsentEvent {
        let kind: EventKind
        let payload: [UInt8]
        switch change {
        case .open(let id), .close(let id):
            var controller = Controller(id: id, code: "salon-\(id.rawValue)", name: "Salon \(id.rawValue)")
            if case .close = change { controller.closed = true }
            (kind, payload) = (.controllerPut, controller.encoded)
        case .add(let id, let purposeClass):
            (kind, payload) = (.purposePut, Self.purpose(id, purposeClass).encoded)
        case .retire(let id):
            var purpose = catalogue.purposes[id] ?? Self.purpose(id, .marketing)
            purpose.retired = true
            (kind, payload) = (.purposePut, purpose.encoded)
        case .publish(let number):
            (kind, payload) = (.noticePut, Self.notice(number).encoded)
        case .invalidate(let number, let from):
            let invalidation = NoticeInvalidation(
                id: Self.notice(number).id, reason: "test", effective: from)
            (kind, payload) = (.noticeInvalidated, invalidation.encoded)
        }
        var event = ConsentEvent(kind: kind, occurredAt: entry.recordedAt, recordedAt: entry.recordedAt)
        event.sequence = entry.sequence
        event.payload = payload
        return event
    }

    private static func purpose(_ id: PurposeID, _ purposeClass: PurposeClass) -> Purpose {
        Purpose(id: id, code: "purpose-\(id.rawValue)", title: "Purpose", purposeClass: purposeClass)
    }

    private static func notice(_ number: UInt16) -> Notice {
        Notice(locale: "en", text: "Notice \(number)", channels: .all, purposes: .all, controllers: [])
    }

    // MARK: Asking

    /// The model's answer.
    func model(_ asked: Question) -> Reason { model.answer(asked) }

    /// The fold's and the index's answers, with all entries known.
    func answers(_ asked: Question) -> (fold: Reason, index: Reason) {
        let subject = asked.subject
        let ground = DecisionGround(
            catalogue: catalogue, checkGuard: checkGuard, blocking: nil, now: asked.at)
        let state = states[subject] ?? ContactState(controller: subject.controller, kind: subject.kind)
        let fold = ground.answer(
            state, asked.channel, asked.purpose, statedClass: asked.purposeClass?.rawValue ?? 0)
        switch checkGuard.answer(
            controller: subject.controller.rawValue, channel: asked.channel.rawValue,
            purpose: asked.purpose.rawValue, claimedClass: asked.purposeClass?.rawValue ?? 0,
            contactKind: subject.kind.rawValue)
        {
        case .deny(let reason): return (fold.reason, reason)
        case .proceed(let isService): return (fold.reason, indexed(asked, isService))
        }
    }

    private func indexed(_ asked: Question, _ isService: Bool) -> Reason {
        let query = SlotQuery(
            key: Self.slot(asked.subject), channel: asked.channel.rawValue,
            purpose: asked.purpose.rawValue, isService: isService)
        var raw: UInt8 = 0
        var untilDay: UInt16 = 0
        withUnsafePointer(to: query) {
            index.check(
                queries: $0, count: 1, today: asked.at.day.rawValue, now: asked.at.microseconds,
                reasons: &raw, untilDays: &untilDay)
        }
        return Reason(rawValue: raw) ?? .unavailable
    }

    /// CheckAt's answer.
    func pastAnswer(_ asked: Question) throws -> Reason {
        let subject = asked.subject
        var point = PastPoint(time: asked.at, known: entries.last?.sequence ?? 0)
        switch asked.known {
        case .everything: break
        case .sequence(let sequence): point.known = sequence
        case .time(let time): point.known = entries.last { $0.recordedAt <= time }?.sequence ?? 0
        }
        if mistake == .knownCutForgotten { point.known = .max }
        var folded = point
        if mistake == .timeCutForgotten { folded.time = .distantFuture }
        let state = Hindsight.state(
            planted(acts[subject] ?? []), controller: subject.controller, kind: subject.kind, at: folded)
        if mistake == .invalidationWaitsForItsTime {
            let recorded = entries.last { $0.recordedAt <= point.time }?.sequence ?? 0
            point.known = min(point.known, recorded)
        }
        return try history.checkAt(
            point, state, asked.channel, asked.purpose, statedClass: asked.purposeClass?.rawValue ?? 0
        ).answer.reason
    }
}
