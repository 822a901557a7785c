// What the model is held against: the fold with the decision that Explain makes of it, the flattened profile
// in the index, and CheckAt with its own two cuts; and the planted mistakes that the comparison has to find.
//
// Invariant: the ledger adds no rule of its own. Unless a mistake is planted, it hands events and questions
// on as the server does.

import ConsentDomain
import ConsentIndex

/// Mistakes that a fold may well have; none in earnest.
enum Mistake: CaseIterable {
    case foldOrderReversed
    case expiryOffByADay
    case grantWinsTheTie
    case allForgottenForANewPurpose
    case importCountsAsAnAct
    case confirmationIgnoresTheLapse
    case clockDoubtForgotten
    case retentionForgotten
    case erasureForgotten
}

/// Mistakes that an answer about the past may well have.
enum PastMistake: CaseIterable {
    case knownCutForgotten
    case timeCutForgotten
    case invalidationWaitsForItsRecording
}

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
    let pastMistake: PastMistake?

    init(mistake: Mistake? = nil, pastMistake: PastMistake? = nil) throws {
        self.mistake = mistake
        self.pastMistake = pastMistake
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
        if pastMistake == .knownCutForgotten { point.known = .max }
        var folded = point
        if pastMistake == .timeCutForgotten { folded.time = .distantFuture }
        let state = Hindsight.state(
            planted(acts[subject] ?? []), controller: subject.controller, kind: subject.kind, at: folded)
        if pastMistake == .invalidationWaitsForItsRecording {
            let recorded = entries.last { $0.recordedAt <= point.time }?.sequence ?? 0
            point.known = min(point.known, recorded)
        }
        return try history.checkAt(
            point, state, asked.channel, asked.purpose, statedClass: asked.purposeClass?.rawValue ?? 0
        ).answer.reason
    }

    // MARK: Planted mistakes

    /// The events, bent by the planted mistake.
    private func planted(_ events: [ConsentEvent]) -> [ConsentEvent] {
        switch mistake {
        case nil: events
        case .foldOrderReversed:
            events.reversed().enumerated().map { position, event in
                var event = event
                event.sequence = UInt64(position + 1)
                return event
            }
        case .expiryOffByADay:
            events.map { event in
                var event = event
                for path in [\ConsentEvent.validityDay, \.retentionDay, \.lapseDay]
                where event[keyPath: path] != .none {
                    event[keyPath: path] = event[keyPath: path].adding(days: 1)
                }
                return event
            }
        case .retentionForgotten:
            events.map { event in
                var event = event
                event.retentionDay = .none
                return event
            }
        case .erasureForgotten: events.filter { $0.kind != .erase }
        case .grantWinsTheTie:
            events.map { event in
                var event = event
                guard event.kind == .grant || event.kind == .confirm else { return event }
                event.recordedAt = event.recordedAt.adding(microseconds: 1)
                event.occurredAt = event.occurredAt.adding(microseconds: 1)
                return event
            }
        case .allForgottenForANewPurpose:
            events.map { event in
                var event = event
                let first = [1, 2, 3].compactMap { PurposeID(rawValue: $0) }
                if event.kind.isRefusal, event.purposes.isAll { event.purposes = PurposeSet(first) }
                return event
            }
        case .importCountsAsAnAct:
            events.map { event in
                var event = event
                event.via = .live
                return event
            }
        case .confirmationIgnoresTheLapse:
            events.map { event in
                var event = event
                if event.lapseDay != .none { event.lapseDay = Day(rawValue: .max) }
                return event
            }
        case .clockDoubtForgotten:
            events.map { event in
                var event = event
                guard event.kind.isRefusal else { return event }
                event.occurredAt = event.clampedOccurredAt.adding(
                    microseconds: -ContactState.clockToleranceMicroseconds)
                return event
            }
        }
    }
}
