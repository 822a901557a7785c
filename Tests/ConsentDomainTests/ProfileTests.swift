// Goal: the flattened profile and the bytes say what the state says. (What the state has to say is for the
// model: Tests/ModelTests.)
// Method: random stories; profile against state, bytes both ways, and profiles that mean the same against
// each other.

import ConsentDomain
import TestRandomness
import Testing

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

struct ProfileTests {
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
