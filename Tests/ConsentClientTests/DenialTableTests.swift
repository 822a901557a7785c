// Goal: the near cache's table holds denials only, drops what an event may lift, keeps no answer that the
// watch has overtaken, and stays within its capacity.
// Method: the table alone, fed by hand with answers and changes in every order that a race can bring.

import ConsentClient
import Testing

@Suite struct DenialTableTests {
    private let question: CheckQuestion
    private let key = RecipientKey(low: 1, high: 2)

    init() throws {
        question = CheckQuestion(
            controller: ControllerID(rawValue: 1), channel: .email,
            purpose: try #require(PurposeID(rawValue: 2)))
    }

    private func answer(_ decision: Decision, _ reason: Reason, _ sequence: UInt64) -> CheckAnswer {
        CheckAnswer(
            decision: decision.rawValue, reason: reason.rawValue, sequence: sequence, now: .epoch,
            validUntil: 0)
    }

    /// A live table that has seen everything up to a sequence.
    private func table(at sequence: UInt64, capacity: Int = 100) -> DenialTable {
        let table = DenialTable(capacity: capacity, staleAfter: .seconds(60))
        table.begin(at: sequence)
        table.note(WatchChange(sequence: sequence, event: nil, isHeartbeat: true))
        return table
    }

    @Test func onlyDenialsOfTheServerAreHeld() {
        for (given, isHeld) in [
            (answer(.deny, .withdrawn, 9), true), (answer(.deny, .noRecord, 9), true),
            (answer(.allow, .consent, 9), false), (answer(.indeterminate, .loading, 9), false),
        ] {
            let table = table(at: 5)
            table.keep(given, to: question, about: key)
            #expect((table.answer(to: question, about: key) != nil) == isHeld, "\(given)")
        }
    }

    @Test func anAnswerThatTheWatchHasOvertakenIsNotKept() {
        let table = table(at: 5)
        // The server answered at 7; the watch has passed 8, which may be about this very person.
        table.note(WatchChange(sequence: 8, event: nil, isHeartbeat: false))
        table.keep(answer(.deny, .withdrawn, 7), to: question, about: key)
        #expect(table.answer(to: question, about: key) == nil)
        table.keep(answer(.deny, .withdrawn, 8), to: question, about: key)
        #expect(table.answer(to: question, about: key)?.sequence == 8)
    }

    @Test func anEntryGrowsWithTheWatchAndObeysMinimumSequences() {
        let table = table(at: 5)
        table.keep(answer(.deny, .withdrawn, 6), to: question, about: key)
        var later = question
        later.minimumSequence = 9
        #expect(table.answer(to: later, about: key) == nil, "the watch has not reached 9")
        table.note(WatchChange(sequence: 9, event: nil, isHeartbeat: true))
        #expect(table.answer(to: later, about: key)?.sequence == 9)
    }

    @Test func beforeTheFirstNewsAndAfterTheEndNothingIsUsed() {
        let table = DenialTable(capacity: 10, staleAfter: .seconds(60))
        table.begin(at: 3)
        table.keep(answer(.deny, .withdrawn, 4), to: question, about: key)
        #expect(table.answer(to: question, about: key) == nil)
        table.note(WatchChange(sequence: 4, event: nil, isHeartbeat: true))
        table.keep(answer(.deny, .withdrawn, 4), to: question, about: key)
        #expect(table.answer(to: question, about: key) != nil)
        table.end()
        #expect(table.answer(to: question, about: key) == nil && table.statistics.entries == 0)
        let silent = DenialTable(capacity: 10, staleAfter: .zero)
        silent.begin(at: 0)
        silent.note(WatchChange(sequence: 0, event: nil, isHeartbeat: true))
        silent.keep(answer(.deny, .withdrawn, 1), to: question, about: key)
        #expect(silent.answer(to: question, about: key) == nil && !silent.statistics.isLive)
    }

    @Test func theLongestUnusedGoFirst() {
        let table = table(at: 0, capacity: 20)
        func key(_ number: UInt64) -> RecipientKey { RecipientKey(low: number, high: 0) }
        for number in 0..<1_000 as Range<UInt64> {
            table.keep(answer(.deny, .noRecord, 1), to: question, about: key(number))
            #expect(table.statistics.entries <= 20)
            // The first one is asked about all the time, and stays.
            if number > 0 { #expect(table.answer(to: question, about: key(0)) != nil, "\(number)") }
        }
        #expect(table.answer(to: question, about: key(999)) != nil)
        #expect(table.answer(to: question, about: key(500)) == nil)
    }
}
