// What the model is held against: the fold, the flattened profile in the index, and the fold over what was
// known at an earlier time; and the planted mistakes that the comparison has to find.
//
// Invariant: the ledger adds no rule of its own. Unless a mistake is planted, it hands events and questions
// on as the server does.

import ConsentDomain
import ConsentIndex

/// A contact point of a controller.
struct Subject: Hashable {
    var controller: ControllerID
    var kind: ContactKind
}

/// One line of a log.
struct Entry: Hashable {
    enum Content: Hashable {
        case act(Subject, ConsentEvent)
        case change(ModelCatalogueEntry.Change)

        /// Closes or retires something.
        var isEnding: Bool {
            switch self {
            case .change(.close), .change(.retire): true
            default: false
            }
        }
    }
    var sequence: UInt64
    var recordedAt: Timestamp
    var content: Content
}

/// Mistakes that a fold may well have; none in earnest.
enum Mistake: CaseIterable {
    case foldOrderReversed
    case expiryOffByADay
    case grantWinsTheTie
    case allForgottenForANewPurpose
    case importCountsAsAnAct
    case confirmationIgnoresTheLapse
    case clockDoubtForgotten
}

/// A question about a contact point, and whether it is asked of the present.
struct Question: Hashable {
    var subject: Subject
    var question: ModelQuestion
}

/// A log under test.
struct Ledger {
    private(set) var entries: [Entry] = []
    private(set) var catalogue = Catalogue()
    private var catalogueEvents: [(entry: Entry, events: [ConsentEvent])] = []
    private var states: [Subject: ContactState] = [:]
    private let index: ConsentIndex
    private var checkGuard = CheckGuard(Catalogue())
    let mistake: Mistake?

    init(mistake: Mistake? = nil) throws {
        self.mistake = mistake
        index = try ConsentIndex(
            configuration: IndexConfiguration(initialCapacity: 64, maxCapacity: 1_024, hugePages: false))
    }

    // MARK: Writing

    mutating func append(_ entry: Entry) throws {
        entries.append(entry)
        switch entry.content {
        case .act(let subject, let event):
            var state =
                states[subject] ?? ContactState(controller: subject.controller, kind: subject.kind)
            if mistake == nil {
                state.apply(event)
            } else {
                state = fold(subject, events(of: subject))
            }
            states[subject] = state
            try index.put(Self.slot(subject), profile: state.profile)
        case .change(let change):
            let events = Self.events(change, entry, in: catalogue)
            for event in events { try catalogue.apply(event) }
            catalogueEvents.append((entry, events))
            checkGuard = CheckGuard(catalogue)
            if case .invalidate(let ordinal, let from) = change {
                index.setNoticeInvalid(ordinal: ordinal, from: from.microseconds)
            }
        }
    }

    private static func slot(_ subject: Subject) -> SlotKey {
        SlotKey(low: UInt64(subject.controller.rawValue) << 8, high: UInt64(subject.kind.rawValue))
    }

    private func events(
        of subject: Subject, where isKnown: (Entry) -> Bool = { _ in true }
    ) -> [ConsentEvent] {
        entries.compactMap { entry in
            guard isKnown(entry), case .act(subject, let event) = entry.content else { return nil }
            return event
        }
    }

    private func changes() -> [ModelCatalogueEntry] {
        entries.compactMap { entry in
            guard case .change(let change) = entry.content else { return nil }
            return ModelCatalogueEntry(
                sequence: entry.sequence, recordedAt: entry.recordedAt, change: change)
        }
    }

    /// A change as the catalogue's own events, with dense numbers of their own.
    private static func events(
        _ change: ModelCatalogueEntry.Change, _ entry: Entry, in catalogue: Catalogue
    ) -> [ConsentEvent] {
        var writes: [(kind: EventKind, payload: [UInt8])] = []
        switch change {
        case .open(let id), .close(let id):
            var controller = Controller(id: id, code: "salon-\(id.rawValue)", name: "Salon \(id.rawValue)")
            if case .close = change { controller.closed = true }
            writes.append((.controllerPut, controller.encoded))
        case .add(let id, let purposeClass):
            let purpose = Purpose(
                id: id, code: "purpose-\(id.rawValue)", title: "Purpose", purposeClass: purposeClass)
            writes.append((.purposePut, purpose.encoded))
        case .retire(let id):
            guard var purpose = catalogue.purposes[id] else { return [] }
            purpose.retired = true
            writes.append((.purposePut, purpose.encoded))
        case .invalidate(let ordinal, let from):
            // Notices have no rule of their own here; they enter the catalogue when one is invalidated.
            let count = catalogue.noticeOrdinals.count
            for number in 1...max(Int(ordinal), 1) where number > count {
                writes.append((.noticePut, notice(number).encoded))
            }
            let invalidation = NoticeInvalidation(
                id: notice(Int(ordinal)).id, reason: "test", effective: from)
            writes.append((.noticeInvalidated, invalidation.encoded))
        }
        return writes.enumerated().map { position, write in
            var event = ConsentEvent(
                kind: write.kind, occurredAt: entry.recordedAt, recordedAt: entry.recordedAt)
            event.sequence = catalogue.sequence + UInt64(position + 1)
            event.payload = write.payload
            return event
        }
    }

    private static func notice(_ number: Int) -> Notice {
        Notice(locale: "en", text: "Notice \(number)", channels: .all, purposes: .all, controllers: [])
    }

    // MARK: Asking the present

    /// The model's, the fold's and the index's answers, with all entries known.
    func answers(_ asked: Question) -> (model: Reason, fold: Reason, index: Reason) {
        let state = states[asked.subject]
        let model = model(asked)
        guard let query = query(asked, checkGuard) else {
            let reason = denial(asked, checkGuard)
            return (model, reason, reason)
        }
        let fold = reason(state, asked.question, query, catalogue)
        var raw: UInt8 = 0
        var untilDay: UInt16 = 0
        let slotQuery = SlotQuery(
            key: Self.slot(asked.subject), channel: query.channel, purpose: query.purpose,
            isService: query.isService)
        withUnsafePointer(to: slotQuery) {
            index.check(
                queries: $0, count: 1, today: query.today, now: query.now, reasons: &raw,
                untilDays: &untilDay)
        }
        return (model, fold, Reason(rawValue: raw) ?? .unavailable)
    }

    /// The model's answer.
    func model(_ asked: Question) -> Reason {
        Model(kind: asked.subject.kind, events: events(of: asked.subject), catalogue: changes())
            .answer(asked.question)
    }

    // MARK: Asking the past

    /// The fold's answer from what was known, about the time asked.
    func pastAnswer(_ asked: Question) throws -> Reason {
        let question = asked.question
        func isKnown(_ entry: Entry) -> Bool {
            question.known.covers(entry.sequence, recordedAt: entry.recordedAt)
        }
        // An erasure destroyed what was before it, so it answers for all time before it too.
        let events = events(of: asked.subject, where: isKnown).filter {
            $0.kind == .erase || $0.clampedOccurredAt <= question.at
        }
        var catalogue = Catalogue()
        for (entry, events) in catalogueEvents where isKnown(entry) {
            // Closing and retiring count from their own time on.
            let isInForce = entry.recordedAt <= question.at || !entry.content.isEnding
            for event in events where isInForce { try catalogue.apply(event) }
        }
        let checkGuard = CheckGuard(catalogue)
        guard let query = query(asked, checkGuard) else { return denial(asked, checkGuard) }
        return reason(fold(asked.subject, events), question, query, catalogue)
    }

    // MARK: Helpers

    private func query(_ asked: Question, _ checkGuard: CheckGuard) -> CheckQuery? {
        guard case .proceed(let isService) = answer(asked, checkGuard) else { return nil }
        let question = asked.question
        var today = question.at.day.rawValue
        if mistake == .expiryOffByADay { today -= 1 }
        return CheckQuery(
            channel: question.channel.rawValue, purpose: question.purpose.rawValue, isService: isService,
            today: today, now: question.at.microseconds)
    }

    private func denial(_ asked: Question, _ checkGuard: CheckGuard) -> Reason {
        guard case .deny(let reason) = answer(asked, checkGuard) else { return .unavailable }
        return reason
    }

    private func answer(_ asked: Question, _ checkGuard: CheckGuard) -> CheckGuardAnswer {
        let question = asked.question
        return checkGuard.answer(
            controller: question.controller.rawValue, channel: question.channel.rawValue,
            purpose: question.purpose.rawValue, claimedClass: question.purposeClass?.rawValue ?? 0,
            contactKind: asked.subject.kind.rawValue)
    }

    /// The reason that a caller with scope *read* sees.
    private func reason(
        _ state: ContactState?, _ question: ModelQuestion, _ query: CheckQuery, _ catalogue: Catalogue
    ) -> Reason {
        let outcome =
            state?.finding(channel: question.channel, purpose: question.purpose).outcome
            ?? CellOutcome(code: 0)
        let notice = catalogue.notice(ordinal: outcome.noticeOrdinal)
        let raw = query.reason(
            for: outcome, noticeInvalidFrom: (notice?.invalidatedFrom ?? .distantFuture).microseconds)
        guard let reason = Reason(rawValue: raw) else { return .unavailable }
        guard reason == .noRecord, let state else { return reason }
        return state.noRecordReason(
            channel: question.channel, purpose: question.purpose, today: Day(rawValue: query.today))
    }

    private func fold(_ subject: Subject, _ events: [ConsentEvent]) -> ContactState {
        var state = ContactState(controller: subject.controller, kind: subject.kind)
        for event in planted(events) { state.apply(event) }
        return state
    }

    /// The events, bent by the planted mistake.
    private func planted(_ events: [ConsentEvent]) -> [ConsentEvent] {
        switch mistake {
        case nil, .expiryOffByADay: events
        case .foldOrderReversed:
            events.reversed().enumerated().map { position, event in
                var event = event
                event.sequence = UInt64(position + 1)
                return event
            }
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
