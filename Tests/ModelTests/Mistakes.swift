// The mistakes that the comparison has to find, planted by bending what the fold is told. Each is one that a
// fold or an answer about the past may well have; some of them this one had.

import ConsentDomain

/// Mistakes that a fold or an answer about the past may well have; none in earnest.
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
    case lateRefusalOfARequestForgotten
    case invalidationForgetsLateGrants
    case lateGrantSharesLaterRetention
    case knownCutForgotten
    case timeCutForgotten
    case invalidationWaitsForItsTime
}

extension Ledger {
    /// The events, bent so that the fold makes the mistake.
    func planted(_ events: [ConsentEvent]) -> [ConsentEvent] {
        switch mistake {
        case nil, .knownCutForgotten, .timeCutForgotten, .invalidationWaitsForItsTime: events
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
        case .lateRefusalOfARequestForgotten:
            events.filter { denial in
                !denial.kind.isRefusal || denial.kind == .erase
                    || !Self.isBetweenAskingAndClick(denial, events)
            }
        case .invalidationForgetsLateGrants:
            events.filter { event in
                event.kind != .invalidate
                    || events.contains { $0.kind == .grant && $0.sequence < event.sequence }
            }
        case .lateGrantSharesLaterRetention:
            events.map { event in
                var event = event
                let isLate = events.contains { other in
                    other.sequence < event.sequence && other.clampedOccurredAt > event.clampedOccurredAt
                }
                if event.kind == .grant, isLate { event.retentionDay = .none }
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

    /// Occurred between a request and its click, and became known after both.
    private static func isBetweenAskingAndClick(_ denial: ConsentEvent, _ events: [ConsentEvent]) -> Bool {
        let limit = denial.clampedOccurredAt.adding(microseconds: 300_000_000)
        return events.contains { click in
            click.kind == .confirm && click.sequence < denial.sequence && limit < click.clampedOccurredAt
                && events.contains {
                    $0.sequence == click.refersTo && $0.clampedOccurredAt <= denial.clampedOccurredAt
                }
        }
    }
}
