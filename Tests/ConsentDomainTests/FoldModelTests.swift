// Goal: the state with its few marks answers as the whole history would.
// Method: random stories against an oracle that keeps every grant and denial of one cell in lists and looks
// through all of them; on the way, profile against state, bytes both ways, and profiles that mean the same
// against each other.

import ConsentDomain
import Testing

/// What one cell is, from all events in order.
private struct CellOracle {
    struct Grant {
        var at: Timestamp
        var sequence: UInt64
        var until: Day
        var notice: UInt16
        var imported: Bool
    }
    struct Denial {
        var state: CellState
        var at: Timestamp
        var sequence: UInt64
        var isScoped: Bool
    }

    let kind: ContactKind
    let channel: Channel
    let purpose: PurposeID
    var grants: [Grant] = []
    var pendings: [Grant] = []
    var denials: [Denial] = []
    var erasure: Denial?
    var unproven: Denial?
    var retention = Day.none

    func stands(_ grant: Grant) -> Bool {
        (denials + [erasure].compactMap { $0 }).allSatisfy { denial in
            if grant.imported { return false }
            if denial.sequence > grant.sequence {
                return denial.at.rawValue + 300_000_000 < grant.at.rawValue
            }
            return denial.at < grant.at
        }
    }

    func latest<Element>(_ list: [Element], _ order: (Element) -> (Timestamp, UInt64)) -> Element? {
        list.max { order($0) < order($1) }
    }

    /// The standing grant: the one that occurred last; on a tie a live one.
    var grant: Grant? {
        grants.filter(stands).max {
            ($0.at, $0.imported ? 0 : 1, $0.sequence) < ($1.at, $1.imported ? 0 : 1, $1.sequence)
        }
    }
    var liveGrant: Grant? { latest(grants.filter { stands($0) && !$0.imported }) { ($0.at, $0.sequence) } }
    var pending: Grant? { pendings.last(where: stands) }

    mutating func add(_ event: ConsentEvent) {
        let at = min(event.occurredAt, event.recordedAt)
        let names = event.channels.named.contains(channel) && event.purposes.named.contains(purpose)
        let namesAsGrant = names && channel.contactKind == kind
        var grant = Grant(
            at: at, sequence: event.sequence, until: event.validityDay, notice: event.noticeOrdinal,
            imported: event.via == .import)
        if [.grant, .confirm, .renew, .contactSeen].contains(event.kind), retention != .none,
            at.day >= retention
        {
            for index in grants.indices where grants[index].until == .none || grants[index].until > retention
            {
                grants[index].until = retention
            }
        }
        switch event.kind {
        case .grant where namesAsGrant && event.pendingChannels.named.contains(channel):
            grant.until = event.lapseDay
            if stands(grant) {
                unproven = nil
                if let first = pending, at.day < first.until { break }
                pendings = [grant]
            }
        case .grant where namesAsGrant:
            if stands(grant) { unproven = nil }
            grants.append(grant)
        case .confirm where names:
            guard let first = pending, first.sequence <= event.refersTo, event.refersTo < event.sequence,
                at.day < first.until
            else { break }
            if grant.notice == 0 { grant.notice = first.notice }
            grant.imported = grant.imported || first.imported
            if grant.until != .none { grant.until = max(grant.until, self.grant?.until ?? .none) }
            if stands(grant) {
                pendings = []
                grants.append(grant)
            }
        case .renew where names:
            guard let standing = self.grant else { break }
            if grant.until != .none { grant.until = max(grant.until, standing.until) }
            if grant.notice == 0 { grant.notice = standing.notice }
            grants.append(grant)
        case .unprovenImport where namesAsGrant:
            if self.grant == nil, pending == nil, denials.isEmpty, erasure == nil, unproven == nil {
                unproven = Denial(state: .unproven, at: at, sequence: event.sequence, isScoped: false)
            }
        case .refuse, .withdraw, .object, .revoke, .complaint, .reassigned, .invalidate: deny(event, at)
        case .erase:
            self = CellOracle(kind: kind, channel: channel, purpose: purpose)
            erasure = Denial(
                state: .erased, at: max(at, event.recordedAt), sequence: event.sequence, isScoped: true)
        default: break
        }
        switch event.kind {
        case .grant, .confirm, .renew, .contactSeen: retention = max(retention, event.retentionDay)
        default: break
        }
    }

    private mutating func deny(_ event: ConsentEvent, _ at: Timestamp) {
        let states: [EventKind: CellState] = [
            .refuse: .refused, .withdraw: .withdrawn, .object: .objected, .revoke: .revoked,
            .complaint: .complaint,
            .reassigned: .reassigned, .invalidate: .invalid,
        ]
        var state = states[event.kind] ?? .none
        if event.kind == .withdraw, event.source == .smsKeyword { state = .stop }
        let allChannels = event.channels.isAll || event.channels.named.isEmpty
        let allPurposes =
            event.purposes.isAll || event.purposes.named.isEmpty
            || [.stop, .complaint, .reassigned].contains(state)
        guard allChannels || event.channels.named.contains(channel),
            allPurposes || event.purposes.named.contains(purpose)
        else { return }
        let denial = Denial(
            state: state, at: at, sequence: event.sequence, isScoped: allChannels || allPurposes)
        if event.kind == .invalidate {
            var after = self
            after.denials.append(denial)
            // It hits the latest grant, the latest live one and the pending one; what they replaced is
            // history.
            let ended = [grant, liveGrant, pending].contains { $0.map { !after.stands($0) } ?? false }
            guard ended else { return }
            denials.append(denial)
            denials[denials.count - 1].isScoped = false
        } else {
            denials.append(denial)
        }
        if !denial.isScoped || event.kind == .invalidate { unproven = nil }
    }

    var finding: CellFinding {
        if let grant {
            let days = [grant.until, retention].filter { $0 != .none }
            let outcome = CellOutcome(
                code: 2, untilDay: days.min()?.rawValue ?? 0, noticeOrdinal: grant.notice)
            return CellFinding(outcome: outcome, sequence: grant.sequence, since: grant.at)
        }
        if let pending {
            return CellFinding(
                outcome: CellOutcome(code: 1, untilDay: pending.until.rawValue), sequence: pending.sequence,
                since: pending.at)
        }
        let order: (Denial) -> (Timestamp, UInt64) = { ($0.at, $0.sequence) }
        let denial =
            erasure ?? latest(denials.filter(\.isScoped), order) ?? latest(
                denials.filter { !$0.isScoped }, order)
            ?? unproven
        guard let denial else { return CellFinding(outcome: CellOutcome(code: 0), sequence: 0, since: nil) }
        return CellFinding(
            outcome: CellOutcome(code: denial.state.rawValue), sequence: denial.sequence, since: denial.at)
    }
}

extension SeededGenerator {
    /// Appends a random event to a story: few channels, purposes and times, so that they meet.
    mutating func tellSomething(_ story: inout Story) {
        let kinds: [EventKind] = [
            .grant, .grant, .grant, .grant, .confirm, .confirm, .refuse, .withdraw, .object, .renew,
            .invalidate,
            .revoke, .contactSeen, .bounce, .complaint, .deliverabilityCleared, .reassigned, .unprovenImport,
            .grant,
        ]
        let kind = pick(kinds)
        let isRefusal = kind.isRefusal
        let some: [ChannelSet] = [
            ChannelSet([.sms]), ChannelSet([.sms]), ChannelSet([.whatsapp]), ChannelSet([.sms, .whatsapp]),
            ChannelSet([.email, .sms]),
        ]
        let channels = isRefusal && chance(30) ? pick([.all, ChannelSet()]) : pick(some)
        let few = [purposes(2), purposes(2), purposes(3), purposes(2, 3), purposes(2, 63)]
        let told = isRefusal && chance(30) ? pick([.all, PurposeSet()]) : pick(few)
        let lastGrant = story.events.last { !$0.pendingChannels.isEmpty }?.sequence ?? 0
        let minute = pick([0, 1, 4, 5, 6, 10, 11, 60, 1_440, 1_444, 1_445, 1_446, 12_000, 12_001])
        let recorded = chance(90) ? 1_000_000 : minute - 2
        let values = (next(), next(), next())
        var generator = self
        story.tell(kind, minute, channels: channels, purposes: told, recorded: recorded) { event in
            if generator.chance(15) { event.via = .import }
            if generator.chance(20) { event.source = .smsKeyword }
            if kind == .grant, generator.chance(35) {
                event.pendingChannels = generator.chance(70) ? channels : ChannelSet([.sms])
                event.lapseDay = event.clampedOccurredAt.day.adding(days: 1 + Int(values.0 % 7))
            }
            if kind == .confirm { event.refersTo = generator.chance(80) ? lastGrant : values.0 % 12 }
            if values.1 & 1 == 0 { event.validityDay = day(2026, 4, UInt8(values.1 % 25)) }
            if values.2 & 1 == 0 { event.retentionDay = day(2026, 4, UInt8(values.2 % 25)) }
            event.noticeOrdinal = UInt16(values.0 % 4)
        }
        self = generator
    }
}

private func day(_ year: Int, _ month: Int, _ number: UInt8) -> Day {
    Day(CivilDate(year: year, month: month, day: Int(number) + 1))
}

struct FoldModelTests {
    @Test(arguments: 0..<8 as Range<UInt64>)
    func stateAnswersAsTheHistory(seed: UInt64) {
        var random = SeededGenerator(seed: 1_000 + seed)
        let channels: [Channel] = [.sms, .whatsapp, .phone, .email]
        let numbers: [UInt8] = [2, 3, 63, 40]
        var grantedCount = 0
        for round in 0..<600 {
            var story = Story()
            var oracles = channels.flatMap { channel in
                numbers.map { CellOracle(kind: .phone, channel: channel, purpose: purpose($0)) }
            }
            for step in 0..<14 {
                if random.chance(3) {
                    story.tell(
                        .erase, random.pick([5, 60, 1_445]), recorded: random.pick([60, 1_445, 12_000]))
                } else {
                    random.tellSomething(&story)
                }
                for index in oracles.indices {
                    story.events.last.map { oracles[index].add($0) }
                    let oracle = oracles[index]
                    let finding = story.state.finding(channel: oracle.channel, purpose: oracle.purpose)
                    var expected = oracle.finding
                    if expected.outcome.code == CellState.granted.rawValue { grantedCount += 1 }
                    if finding.outcome.isUndeliverable {
                        expected.outcome.isUndeliverable = true
                        #expect(
                            finding.outcome == expected.outcome, "seed \(seed), round \(round), step \(step)")
                    } else {
                        #expect(
                            finding == expected,
                            """
                            seed \(seed), round \(round), step \(step), \(oracle.channel) \(oracle.purpose): \
                            \(story.told)
                            """)
                    }
                }
            }
        }
        #expect(grantedCount > 2_000)
    }

    /// The profile says of every cell what the state says; bytes bring back the state; folding again changes
    /// nothing.
    @Test func profileIsTheState() throws {
        var random = SeededGenerator(seed: 2_000)
        var profiles: [[CellOutcome]: ContactProfile] = [:]
        var meetings = 0
        for round in 0..<1_500 {
            var story = Story()
            for _ in 0..<Int.random(in: 0...10, using: &random) { random.tellSomething(&story) }
            if random.chance(10) { story.tell(.erase, 5, recorded: 10) }
            let state = story.state
            let profile = state.profile
            #expect(profile.record.count % 8 == 0)
            #expect(profile.record.count <= ContactProfile.byteCountMax)
            var outcomes: [CellOutcome] = []
            for channel in Channel.allCases {
                for number in 1...63 as ClosedRange<UInt8> {
                    let outcome = state.outcome(channel: channel, purpose: purpose(number))
                    outcomes.append(outcome)
                    #expect(
                        profile.outcome(channel: channel, purpose: purpose(number)) == outcome,
                        "round \(round)")
                }
            }
            if let other = profiles[outcomes] {
                meetings += 1
                #expect(other == profile, "round \(round): the same meaning in other bytes")
            }
            profiles[outcomes] = profile
            let decoded = try ContactState(decoding: state.encoded)
            #expect(decoded == state, "round \(round)")
            #expect(decoded.profile == profile)
            for event in story.events { story.state.apply(event) }
            #expect(story.state == state)
        }
        #expect(meetings > 100)
    }

    @Test func largestProfile() {
        var state = ContactState(controller: ControllerID(rawValue: 1), kind: .phone)
        var story = Story()
        story.tell(.grant, 0, channels: ContactKind.phone.channels, purposes: PurposeSet(rawValue: ~1))
        story.tell(
            .refuse, 1, channels: ChannelSet([.email, .push, .post]), purposes: PurposeSet(rawValue: ~1))
        state = story.state
        #expect(state.cells.count == 6 * 63)
        #expect(state.profile.record.count == 8 + 6 * 16 + 6 * 63 * 8)
        #expect(state.profile.record.count <= ContactProfile.byteCountMax)
        #expect(
            ContactState(controller: state.controller, kind: .email).profile.record == [
                0, 0, 0, 0, 8, 0, 0, 0,
            ])
    }
}
