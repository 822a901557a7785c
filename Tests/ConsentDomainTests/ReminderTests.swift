// Goal: what is due is listed, each cell once, and nothing else. Method: a catalogue of three purposes, one
// story a row, the reminders of now and of a horizon.

import ConsentDomain
import Testing

struct ReminderTests {
    private static let now = Story.at(0).adding(microseconds: 10 * Timestamp.microsecondsPerDay)
    private static let today = now.day

    private func catalogue(invalidFrom: Timestamp? = nil, retired: Bool = false) throws -> Catalogue {
        var catalogue = Catalogue()
        var sequence: UInt64 = 0
        func tell(_ kind: EventKind, _ payload: [UInt8]) throws {
            sequence += 1
            var event = ConsentEvent(kind: kind, occurredAt: Story.start, recordedAt: Story.start)
            event.sequence = sequence
            event.payload = payload
            try catalogue.apply(event)
        }
        var offers = Purpose(id: purpose(2), code: "offers", title: "Offers", purposeClass: .marketing)
        offers.retired = retired
        try tell(.purposePut, offers.encoded)
        try tell(
            .purposePut,
            Purpose(id: purpose(3), code: "reminders", title: "Reminders", purposeClass: .service).encoded)
        let notice = Notice(
            locale: "en", text: "I agree.", channels: ChannelSet([.sms]), purposes: purposes(2),
            controllers: [ControllerID(rawValue: 1)])
        try tell(.noticePut, notice.encoded)
        if let invalidFrom {
            try tell(
                .noticeInvalidated,
                NoticeInvalidation(id: notice.id, reason: "unclear", effective: invalidFrom).encoded)
        }
        return catalogue
    }

    private func due(_ story: Story, _ catalogue: Catalogue, days: Int) -> [Reminder.Kind] {
        story.state.reminders(
            now: Self.now, within: Int64(days) * Timestamp.microsecondsPerDay, catalogue: catalogue
        ).map(\.kind)
    }

    /// A grant under notice 1 that ends some days from now.
    private func grant(endsIn days: Int?, purposes told: PurposeSet = purposes(2)) -> Story {
        var story = Story()
        story.tell(.grant, 0, purposes: told) {
            $0.noticeOrdinal = 1
            if let days { $0.validityDay = Self.today.adding(days: days) }
        }
        return story
    }

    @Test func aConsentIsDueFromTheDayThatTheHorizonReachesItsEnd() throws {
        let catalogue = try catalogue()
        let story = grant(endsIn: 30)
        #expect(due(story, catalogue, days: 29) == [])
        #expect(due(story, catalogue, days: 30) == [.expiring])
        #expect(due(story, catalogue, days: 300) == [.expiring])
        let reminder = try #require(
            story.state.reminders(
                now: Self.now, within: 30 * Timestamp.microsecondsPerDay, catalogue: catalogue
            ).first)
        #expect(reminder.due == Self.today.adding(days: 30).start && reminder.sequence == 1)
        #expect(reminder.channel == .sms && reminder.purpose == purpose(2))
    }

    @Test func whatHasEndedOrNeverEndsIsNotDue() throws {
        let catalogue = try catalogue()
        #expect(due(grant(endsIn: 0), catalogue, days: 30) == [])
        #expect(due(grant(endsIn: nil), catalogue, days: 30_000) == [])
    }

    @Test func retentionEndsAConsentToo() throws {
        var story = grant(endsIn: nil)
        story.tell(.contactSeen, 1) { $0.retentionDay = Self.today.adding(days: 5) }
        #expect(due(story, try catalogue(), days: 4) == [])
        #expect(due(story, try catalogue(), days: 5) == [.expiring])
    }

    @Test func aPendingOneIsDueBeforeItLapsesAndNotAfter() throws {
        var story = Story()
        story.tell(.grant, 0) {
            $0.pendingChannels = ChannelSet([.sms])
            $0.lapseDay = Self.today.adding(days: 2)
        }
        #expect(due(story, try catalogue(), days: 1) == [])
        #expect(due(story, try catalogue(), days: 2) == [.lapsing])
        var lapsed = Story()
        lapsed.tell(.grant, 0) {
            $0.pendingChannels = ChannelSet([.sms])
            $0.lapseDay = Self.today
        }
        #expect(due(lapsed, try catalogue(), days: 30) == [])
    }

    @Test func anUnprovenImportIsDueUntilThePersonSaysSomething() throws {
        var story = Story()
        story.tell(.unprovenImport, 0)
        #expect(due(story, try catalogue(), days: 0) == [.unproven])
        story.tell(.withdraw, 1, channels: .all, purposes: .all)
        #expect(due(story, try catalogue(), days: 0) == [])
    }

    @Test func aGrantUnderAnInvalidatedNoticeIsDue() throws {
        let story = grant(endsIn: 300)
        #expect(due(story, try catalogue(invalidFrom: .epoch), days: 0) == [.noticeInvalidated])
        let later = Self.now.adding(microseconds: 1)
        #expect(due(story, try catalogue(invalidFrom: later), days: 0) == [])
    }

    @Test func refusalsRetiredPurposesServiceAndDeadChannelsAreNotDue() throws {
        var refused = grant(endsIn: 5)
        refused.tell(.object, 1, channels: .all, purposes: .all)
        #expect(due(refused, try catalogue(), days: 30) == [])
        #expect(due(grant(endsIn: 5), try catalogue(retired: true), days: 30) == [])
        #expect(due(grant(endsIn: 5, purposes: purposes(3)), try catalogue(), days: 30) == [])
        var bounced = grant(endsIn: 5)
        bounced.tell(.bounce, 1)
        #expect(due(bounced, try catalogue(), days: 30) == [])
    }
}
