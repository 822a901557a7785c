// A contact point's events in short, folded as they are told.

import ConsentDomain

/// One contact point of controller 1 and what happens to it. Times are minutes from 2026-03-01T00:00Z.
struct Story {
    var state: ContactState
    var events: [ConsentEvent] = []

    static let start = time("2026-03-01T00:00:00Z")

    init(_ kind: ContactKind = .phone) {
        state = ContactState(controller: ControllerID(rawValue: 1), kind: kind)
    }

    static func at(_ minute: Int) -> Timestamp { start.adding(microseconds: Int64(minute) * 60_000_000) }

    /// Appends an event and folds it in.
    /// - Parameters:
    ///   - minute: when it occurred.
    ///   - recorded: when it was recorded; by default long after all of them.
    ///   - change: sets whatever else it has.
    /// - Returns: its sequence.
    @discardableResult
    mutating func tell(
        _ kind: EventKind, _ minute: Int, channels: ChannelSet = ChannelSet([.sms]),
        purposes told: PurposeSet = purposes(2), recorded: Int = 1_000_000,
        _ change: (inout ConsentEvent) -> Void = { _ in }
    ) -> UInt64 {
        var event = ConsentEvent(kind: kind, occurredAt: Self.at(minute), recordedAt: Self.at(recorded))
        event.sequence = UInt64(events.count + 1)
        event.controller = state.controller
        event.contactKind = state.kind
        event.channels = channels
        event.purposes = told
        change(&event)
        events.append(event)
        state.apply(event)
        return event.sequence
    }

    /// A grant that waits for its confirmation for seven days.
    @discardableResult
    mutating func tellPending(_ minute: Int, channels: ChannelSet = ChannelSet([.sms])) -> UInt64 {
        tell(.grant, minute, channels: channels) {
            $0.pendingChannels = channels
            $0.lapseDay = $0.occurredAt.day.adding(days: 7)
        }
    }

    /// The events in short, for a failed test.
    var told: String {
        events.map { event in
            let minute = (event.occurredAt.rawValue - Self.start.rawValue) / 60_000_000
            let scope =
                "\(event.channels.rawValue)/\(event.purposes.rawValue)/\(event.pendingChannels.rawValue)"
            return "\(event.sequence) \(event.kind) \(minute) \(scope) \(event.via) \(event.refersTo)"
        }.joined(separator: "; ")
    }

    func code(_ channel: Channel = .sms, _ number: UInt8 = 2) -> CellState? {
        CellState(rawValue: state.outcome(channel: channel, purpose: purpose(number)).code)
    }

    /// The reason of a check, by the profile as the index reads it.
    func reason(
        _ channel: Channel = .sms, _ number: UInt8 = 2, atMinute minute: Int, isService: Bool = false,
        noticeInvalidFrom: Int64 = .max
    ) -> Reason? {
        let now = Self.at(minute)
        let query = CheckQuery(
            channel: channel.rawValue, purpose: number, isService: isService, today: now.day.rawValue,
            now: now.rawValue)
        let outcome = state.profile.outcome(channel: channel, purpose: purpose(number))
        return Reason(rawValue: query.reason(for: outcome, noticeInvalidFrom: noticeInvalidFrom))
    }
}
