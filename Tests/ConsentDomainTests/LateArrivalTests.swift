// Goal: acts that become known late leave the state that they would have left in time, or one that denies.
// Method: short stories, one a rule; times are minutes, and all is recorded in the order in which it is told.

import ConsentDomain
import Testing

struct LateArrivalTests {
    /// A refusal that becomes known late takes along what rests on the act that it beats, and no more.
    @Test func lateDenialAndWhatRestsOnWhatItBeats() {
        func until(_ story: Story) -> UInt16 {
            story.state.outcome(channel: .sms, purpose: purpose(2)).untilDay
        }
        var renewed = Story()
        renewed.tell(.grant, 0)
        renewed.tell(.renew, 100) { $0.validityDay = day(2027, 1, 1) }
        var both = renewed
        renewed.tell(.withdraw, 50)
        #expect(renewed.code() == .withdrawn)
        both.tell(.grant, 90) { $0.validityDay = day(2026, 9, 1) }
        #expect(until(both) == day(2027, 1, 1).rawValue, "a grant between grant and renewal, recorded late")
        both.tell(.withdraw, 50)
        #expect(until(both) == day(2027, 1, 1).rawValue)

        var clicked = Story()
        clicked.tell(.grant, 0) { $0.validityDay = day(2030, 1, 1) }
        let request = clicked.tellPending(100)
        clicked.tell(.confirm, 200) {
            $0.refersTo = request; $0.validityDay = day(2027, 1, 1)
        }
        #expect(until(clicked) == day(2030, 1, 1).rawValue)
        clicked.tell(.withdraw, 50)
        #expect(until(clicked) == day(2027, 1, 1).rawValue, "the request is later than the refusal")
        clicked.tell(.withdraw, 150)
        #expect(clicked.code() == .withdrawn, "the click rests on the request")
    }

    @Test func lateGrantUnderAnInvalidation() {
        var story = Story()
        story.tell(.invalidate, 100, purposes: .all)
        story.tell(.grant, 50)
        #expect(story.code() == .invalid)
        story.tell(.grant, 101)
        #expect(story.code() == .granted)
    }

    /// However many acts extend a consent, a bounded number is kept, and the last says until when.
    @Test func extensionsAreBounded() {
        var story = Story()
        story.tell(.grant, 0)
        for minute in 1...100 {
            story.tell(.renew, minute) { $0.validityDay = day(2027, 1, 1).adding(days: -minute) }
        }
        #expect(story.state.cells[0].grants.count == 16)
        story.tell(.grant, 200)
        #expect(story.state.cells[0].grants.count == 1)
        #expect(story.code() == .granted)
    }
}
