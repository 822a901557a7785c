// Goal: what was in force at a time, as known at another, is what the acts say and no more. Method: one story
// asked at a table of (time, last event known); a catalogue whose controller closes and whose notice is
// invalidated; with everything known and the time of asking now, the fold itself as the oracle.

import ConsentDomain
import TestRandomness
import Testing

struct HindsightTests {
    /// What is on file for SMS and purpose 2 at a minute, with the first events known.
    private func code(_ story: Story, at minute: Int, known: Int) -> CellState? {
        let state = Hindsight.state(
            story.events, controller: story.state.controller, kind: story.state.kind,
            at: PastPoint(time: Story.at(minute), known: UInt64(known)))
        return CellState(rawValue: state.outcome(channel: .sms, purpose: purpose(2)).code)
    }

    @Test func aLateRecordedWithdrawalDeniesFromItsActOnceItIsKnown() {
        var story = Story()
        story.tell(.grant, 0, recorded: 1)
        story.tell(.withdraw, 100, recorded: 500)
        for (minute, known, expected): (Int, Int, CellState) in [
            (-1, 2, .none), (0, 0, .none), (0, 1, .granted), (99, 2, .granted), (100, 1, .granted),
            (100, 2, .withdrawn), (400, 1, .granted), (400, 2, .withdrawn), (600, 2, .withdrawn),
        ] {
            #expect(
                code(story, at: minute, known: known) == expected, "minute \(minute), \(known) known")
        }
    }

    @Test func aGrantThatARefusalBeatsLaterHeldUntilTheRefusalOccurred() {
        var story = Story()
        story.tell(.refuse, 100, recorded: 101)
        story.tell(.grant, 50, recorded: 200)
        #expect(story.code() == .refused)
        #expect(code(story, at: 60, known: 1) == CellState.none)
        #expect(code(story, at: 60, known: 2) == .granted)
        #expect(code(story, at: 100, known: 2) == .refused)
    }

    @Test func anErasureAnswersForAllTimeBeforeItToo() {
        var story = Story()
        story.tell(.grant, 0, recorded: 1)
        story.tell(.erase, 100, recorded: 100)
        story.tell(.grant, 200, recorded: 201)
        #expect(code(story, at: 50, known: 1) == .granted)
        #expect(code(story, at: 50, known: 2) == .erased)
        #expect(code(story, at: 150, known: 3) == .erased)
        #expect(code(story, at: 200, known: 3) == .granted)
    }

    @Test func anActOfTheFutureCountsFromItsRecording() {
        var story = Story()
        story.tell(.grant, 0, recorded: 1)
        story.tell(.withdraw, 900, recorded: 100)
        #expect(code(story, at: 99, known: 2) == .granted)
        #expect(code(story, at: 100, known: 2) == .withdrawn)
    }

    @Test func withAllKnownAndNowItIsTheFold() {
        for seed in 0..<200 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var story = Story()
            for _ in 0..<12 {
                let kind = generator.pick([
                    EventKind.grant, .grant, .withdraw, .refuse, .object, .bounce, .contactSeen, .erase,
                    .reassigned, .deliverabilityCleared, .unprovenImport,
                ])
                story.tell(kind, Int.random(in: 0..<60, using: &generator), recorded: 60)
            }
            let state = Hindsight.state(
                story.events, controller: story.state.controller, kind: story.state.kind,
                at: PastPoint(time: Story.at(60), known: .max))
            #expect(state == story.state, "seed \(seed): \(story.told)")
        }
    }

    // MARK: The catalogue

    private func events() -> [ConsentEvent] {
        var controller = Controller(id: ControllerID(rawValue: 1), code: "salon", name: "Salon")
        var offers = Purpose(id: purpose(2), code: "offers", title: "Offers", purposeClass: .marketing)
        let notice = Notice(
            locale: "en", text: "I agree.", channels: ChannelSet([.sms]), purposes: purposes(2),
            controllers: [controller.id])
        var all: [ConsentEvent] = []
        func tell(_ kind: EventKind, _ minute: Int, _ payload: [UInt8]) {
            var event = ConsentEvent(kind: kind, occurredAt: Story.at(minute), recordedAt: Story.at(minute))
            event.sequence = UInt64(all.count + 1)
            event.payload = payload
            all.append(event)
        }
        tell(.controllerPut, 0, controller.encoded)
        tell(.purposePut, 1, offers.encoded)
        tell(.noticePut, 2, notice.encoded)
        offers.retired = true
        tell(.purposePut, 100, offers.encoded)
        controller.closed = true
        controller.name = "Salon (closed)"
        tell(.controllerPut, 200, controller.encoded)
        tell(
            .noticeInvalidated, 300,
            NoticeInvalidation(id: notice.id, reason: "unclear", effective: Story.at(50)).encoded)
        return all
    }

    @Test func closingAndRetiringCountFromTheirTimeOnceKnown() throws {
        let events = events()
        for (minute, known, isRetired, isClosed): (Int, Int, Bool, Bool) in [
            (99, 6, false, false), (100, 6, true, false), (100, 3, false, false), (200, 6, true, true),
            (200, 4, true, false), (1_000, 3, false, false),
        ] {
            let catalogue = try Hindsight.catalogue(events.prefix(known), at: Story.at(minute))
            let comment: Comment = "minute \(minute), \(known) known"
            #expect(catalogue.purposes[purpose(2)]?.retired == isRetired, comment)
            #expect(catalogue.controllers[ControllerID(rawValue: 1)]?.closed == isClosed, comment)
        }
    }

    @Test func whatWasWrittenLaterIsThereForAllTime() throws {
        let catalogue = try Hindsight.catalogue(events(), at: Story.at(-1_000))
        #expect(catalogue.purposes[purpose(2)]?.retired == false)
        #expect(catalogue.controllers[ControllerID(rawValue: 1)]?.closed == false)
    }

    @Test func anInvalidationCountsFromTheTimeThatItStatesOnceKnown() throws {
        let events = events()
        let known = try Hindsight.catalogue(events, at: Story.at(60))
        #expect(known.notice(ordinal: 1)?.invalidatedFrom == Story.at(50))
        let before = try Hindsight.catalogue(events.prefix(5), at: Story.at(60))
        #expect(before.notice(ordinal: 1)?.invalidatedFrom == .distantFuture)
    }
}
