// Random logs and random questions, from a seed: out of order, repeated, conflicting, at the same
// microsecond, with clocks apart, across days on which something ends, under several keys of a contact point.
//
// Invariant: the same seed gives the same log, and its times of recording never go back.

import ConsentDomain
import TestRandomness

extension SeededGenerator {
    mutating func oneIn(_ bound: Int) -> Bool { below(bound) == 0 }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
}

/// A log in the making.
struct RandomLog {
    private var numbers: SeededGenerator
    private let subjects: [Subject]
    private var clock: Timestamp
    private var occurred: [Timestamp] = []
    private var days: [Day] = []
    private var requests: [(subject: Subject, event: ConsentEvent)] = []
    private var past: [(subject: Subject, event: ConsentEvent)] = []
    private var added: Set<UInt8> = [1, 2, 3]
    private var retired: Set<UInt8> = []
    private var closed: Set<UInt32> = []
    private var invalidations: [UInt16: Timestamp] = [:]
    private var epoch: UInt16 = 1
    private(set) var entries = Scenario.opening

    private static let second: Int64 = 1_000_000
    private static let day: Int64 = 86_400 * second
    private static let steps: [Int64] = [
        0, 1, second, 10 * second, 240 * second, 300 * second, 3_600 * second, 3_600 * second, day, 3 * day,
        8 * day, 60 * day,
    ]
    private static let delays: [Int64] = [
        0, 0, 0, 0, 1, 10 * second, 300 * second - 1, 300 * second, 300 * second + 1, 3_600 * second, day,
        10 * day, 100 * day, -10 * second,
    ]
    private static let grantKinds: [EventKind] = [.grant, .grant, .grant, .grant, .confirm, .confirm, .renew]
    private static let denialKinds: [EventKind] = [
        .withdraw, .withdraw, .refuse, .object, .revoke, .complaint, .invalidate, .reassigned,
    ]
    private static let otherKinds: [EventKind] = [
        .contactSeen, .contactSeen, .contactSeen, .bounce, .deliverabilityCleared, .deliverabilityCleared,
        .unprovenImport, .unprovenImport, .rekeyed,
    ]

    init(seed: UInt64) {
        numbers = SeededGenerator(seed: seed)
        // Near a midnight more often than not, and past 2038 now and then.
        let start = numbers.oneIn(8) ? 25_000 : 20_500 + numbers.below(400)
        clock = Timestamp(
            microseconds: Int64(start) * Self.day - numbers.pick([0, 1, 5, 3_600]) * Self.second)
        let first = numbers.pick(ContactKind.allCases)
        var subjects = [Subject(controller: ControllerID(rawValue: 1), kind: first)]
        if numbers.oneIn(3) { subjects.append(Subject(controller: ControllerID(rawValue: 2), kind: first)) }
        if numbers.oneIn(3) {
            let other = Subject(
                controller: ControllerID(rawValue: 1), kind: numbers.pick(ContactKind.allCases))
            if !subjects.contains(other) { subjects.append(other) }
        }
        self.subjects = subjects
    }

    private mutating func time(_ delay: Int64) -> Timestamp {
        // The same microsecond as something before it.
        if let time = occurred.last, numbers.oneIn(5) {
            return numbers.oneIn(2) ? time : numbers.pick(occurred)
        }
        // A little before it, by a clock that is behind.
        if let time = occurred.last, numbers.oneIn(8) {
            let behind = numbers.pick([1, 10 * Self.second, 300 * Self.second, 300 * Self.second + 1])
            return time.adding(microseconds: -behind)
        }
        return clock.adding(microseconds: -delay)
    }

    /// Adds a line.
    mutating func step() -> Entry {
        clock = clock.adding(microseconds: numbers.pick(Self.steps))
        let entry: Entry
        let sequence = UInt64(entries.count + 1)
        if numbers.oneIn(12), let change = change() {
            entry = Entry(sequence: sequence, recordedAt: clock, content: .change(change))
        } else {
            let subject = numbers.pick(subjects)
            var event = event(subject)
            event.sequence = sequence
            event.recordedAt = clock
            occurred.append(min(event.occurredAt, clock))
            days += [event.validityDay, event.retentionDay, event.lapseDay].filter { $0 != .none }
            if event.lapseDay != .none { requests.append((subject, event)) }
            past.append((subject, event))
            entry = Entry(sequence: sequence, recordedAt: clock, content: .act(subject, event))
        }
        entries.append(entry)
        return entry
    }

    private mutating func change() -> Entry.Change? {
        switch numbers.below(8) {
        case 0, 1, 2:
            let raw = UInt8(4 + numbers.below(3))
            guard let id = PurposeID(rawValue: raw), added.insert(raw).inserted else { return nil }
            return .add(id, numbers.oneIn(6) ? .service : .marketing)
        case 3:
            let raw = numbers.pick(added.sorted())
            guard numbers.oneIn(3), let id = PurposeID(rawValue: raw), retired.insert(raw).inserted else {
                return nil
            }
            return .retire(id)
        case 4:
            let id = UInt32(1 + numbers.below(2))
            guard numbers.oneIn(3), closed.insert(id).inserted else { return nil }
            return .close(ControllerID(rawValue: id))
        default:
            let notice = UInt16(1 + numbers.below(3))
            let from =
                numbers.oneIn(3)
                ? Timestamp.epoch : clock.adding(microseconds: Int64(numbers.below(9) - 4) * Self.day)
            // A second invalidation may only reach further back.
            guard from < invalidations[notice] ?? .distantFuture else { return nil }
            invalidations[notice] = from
            return .invalidate(notice: notice, from: from)
        }
    }

    private mutating func event(_ subject: Subject) -> ConsentEvent {
        if numbers.oneIn(14), let old = past.last(where: { $0.subject == subject })?.event { return old }
        let draw = numbers.below(20)
        var kind = numbers.pick(Self.otherKinds)
        if draw < 11 { kind = numbers.pick(Self.grantKinds) }
        if draw >= 11 && draw < 15 { kind = numbers.pick(Self.denialKinds) }
        if numbers.oneIn(40) { kind = .erase }
        var at = time(numbers.pick(Self.delays))
        // A channel that messages do not reach hides what stands in its cells: it is cleared soon.
        let last = past.last { $0.subject == subject }?.event
        let isBlocked = last?.kind == .bounce || last?.kind == .reassigned
        if isBlocked, !numbers.oneIn(4) { (kind, at) = (.deliverabilityCleared, clock) }
        var event = ConsentEvent(kind: kind, occurredAt: at, recordedAt: clock)
        event.controller = subject.controller
        event.contactKind = subject.kind
        if numbers.oneIn(20) { epoch += 1 }
        event.keyEpoch = epoch
        event.via = numbers.oneIn(6) || kind == .unprovenImport ? .import : .live
        switch kind {
        case .grant, .renew, .unprovenImport: fillGrant(&event, subject)
        case .confirm: fillConfirmation(&event, subject)
        case .contactSeen: event.retentionDay = at.day.adding(days: numbers.pick([2, 30, 90, 300]))
        case .deliverabilityCleared:
            event.channels = numbers.pick([.all, subject.kind.channels, someChannels(subject), ChannelSet()])
        case .bounce, .reassigned:
            event.channels = numbers.oneIn(4) ? ChannelSet() : someChannels(subject)
        case .erase, .rekeyed: break
        default: fillDenial(&event, subject)
        }
        return event
    }

    private mutating func fillGrant(_ event: inout ConsentEvent, _ subject: Subject) {
        event.channels = someChannels(subject)
        event.purposes = somePurposes()
        if numbers.oneIn(25) { event.purposes.insert(.all) }
        if numbers.oneIn(25) { event.channels.insert(.all) }
        guard event.kind != .unprovenImport else { return }
        event.noticeOrdinal = UInt16(numbers.below(4))
        let day = event.occurredAt.day
        if !numbers.oneIn(3) { event.validityDay = day.adding(days: numbers.pick([1, 5, 30, 100, 400])) }
        if !numbers.oneIn(3) { event.retentionDay = day.adding(days: numbers.pick([2, 30, 90, 300])) }
        guard event.kind == .grant, numbers.oneIn(3) else { return }
        event.pendingChannels = numbers.oneIn(2) ? event.channels : someChannels(subject)
        event.pendingChannels.formIntersection(event.channels.subtracting(.all))
        if !event.pendingChannels.isEmpty { event.lapseDay = day.adding(days: numbers.pick([1, 7])) }
    }

    /// By a token of the contact point, in time or not, used up or not.
    private mutating func fillConfirmation(_ event: inout ConsentEvent, _ subject: Subject) {
        let own = requests.filter { $0.subject == subject }
        guard let request = (own.last { _ in !numbers.oneIn(3) } ?? own.first)?.event else {
            // Of a token for another contact point, which is none here.
            fillGrant(&event, subject)
            event.refersTo = UInt64(entries.count)
            return
        }
        // The door lets no click through that claims to be older than its request.
        event.occurredAt = max(event.occurredAt, request.clampedOccurredAt)
        event.channels = request.pendingChannels
        event.purposes = request.purposes
        event.refersTo = request.sequence
        event.noticeOrdinal = numbers.oneIn(2) ? 0 : request.noticeOrdinal
        let day = event.occurredAt.day
        if !numbers.oneIn(3) { event.validityDay = day.adding(days: numbers.pick([1, 30, 100])) }
        if !numbers.oneIn(3) { event.retentionDay = day.adding(days: numbers.pick([30, 90])) }
    }

    private mutating func fillDenial(_ event: inout ConsentEvent, _ subject: Subject) {
        event.channels = someChannels(subject)
        event.purposes = somePurposes()
        if numbers.oneIn(3) { event.channels = numbers.pick([.all, ChannelSet()]) }
        if numbers.oneIn(3) { event.purposes = numbers.pick([.all, PurposeSet()]) }
        switch event.kind {
        case .complaint:
            event.channels = numbers.oneIn(2) ? ChannelSet([.email]) : .all
        case .withdraw where subject.kind == .phone && numbers.oneIn(3):
            event.source = .smsKeyword
            event.channels = ChannelSet([.sms])
        default: break
        }
    }

    private mutating func someChannels(_ subject: Subject) -> ChannelSet {
        let list = subject.kind.channels.named
        var channels = ChannelSet([numbers.pick(list)])
        if numbers.oneIn(2) { channels.insert(ChannelSet([numbers.pick(list)])) }
        if numbers.oneIn(20) { channels.insert(ChannelSet([numbers.pick(Channel.allCases)])) }
        return channels
    }

    private mutating func somePurposes() -> PurposeSet {
        PurposeSet((0..<1 + numbers.below(3)).compactMap { _ in purpose() })
    }

    private mutating func purpose() -> PurposeID? {
        PurposeID(rawValue: UInt8(numbers.oneIn(8) ? 4 + numbers.below(3) : 2 + numbers.below(2)))
    }

    // MARK: Questions

    /// A question about a contact point, at a moment that matters.
    private mutating func question(at time: Timestamp) -> Question {
        let subject = numbers.pick(subjects)
        let channels = numbers.oneIn(12) ? Channel.allCases : subject.kind.channels.named
        let raw = UInt8(numbers.oneIn(8) ? 1 + numbers.below(7) : 2 + numbers.below(2))
        var question = Question(
            subject: subject, channel: numbers.pick(channels),
            purpose: PurposeID(rawValue: raw) ?? Self.firstPurpose, at: time)
        if numbers.oneIn(60) { question.subject.controller = ControllerID(rawValue: 9) }
        if numbers.oneIn(20) { question.purposeClass = numbers.pick(PurposeClass.allCases) }
        return question
    }

    private static let firstPurpose = Scenario.opening.compactMap { entry -> PurposeID? in
        if case .change(.add(let id, _)) = entry.content { id } else { nil }
    }[0]

    /// A moment near one at which something ends.
    private mutating func moment() -> Timestamp {
        var moments = invalidations.values.map { $0 }
        moments += days.suffix(8).map { Timestamp(microseconds: Int64($0.rawValue) * Self.day) }
        moments.sort()
        guard !moments.isEmpty, !numbers.oneIn(3) else {
            return clock.adding(microseconds: numbers.pick(Self.steps))
        }
        return numbers.pick(moments).adding(microseconds: numbers.pick([-1, 0, 0, 1, Self.day]))
    }

    /// A question of the present: not before anything that is on file.
    mutating func presentQuestion() -> Question { question(at: max(clock, moment())) }

    /// A question of what was known, and when.
    mutating func pastQuestion() -> Question {
        let start = occurred.first ?? clock
        let time = numbers.oneIn(2) ? moment() : numbers.pick(occurred + [start, clock])
        var asked = question(at: time.adding(microseconds: numbers.pick([-1, 0, 0, 1])))
        let entry = numbers.pick(numbers.oneIn(8) ? entries : entries.suffix(8))
        asked.known =
            numbers.oneIn(2) ? .sequence(entry.sequence) : .time(max(start, entry.recordedAt))
        return asked
    }
}
