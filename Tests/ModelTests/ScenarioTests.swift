// Goal: each rule and edge case of the domain page gives the answer that the page states.
// Method: stories as data; model, fold and index each have to give the expected reason. Questions about what
// was known earlier go to the model and to a fold over what was known.

import ConsentDomain
import Testing

struct ScenarioTests {
    static let scenarios = Result {
        try Scenario.read(
            goldenScopes + goldenOrder + goldenEnds + goldenDoubleOptIn + goldenErasure + goldenPast
                + goldenLate + goldenReadings)
    }

    @Test func storiesAreReadable() throws {
        let scenarios = try Self.scenarios.get()
        #expect(scenarios.count >= 60)
        #expect(Set(scenarios.map(\.name)).count == scenarios.count, "names are unique")
        for scenario in scenarios { #expect(!scenario.expectations.isEmpty, "\(scenario.name)") }
        let reasons = Set(scenarios.flatMap(\.expectations).map(\.reason))
        // The rest is about a whole server.
        let others: Set<Reason> = [
            .notFresh, .loading, .restored, .integrityFailure, .unavailable,
        ]
        for reason in Reason.allCases where !others.contains(reason) {
            #expect(reasons.contains(reason), "no story expects \(reason)")
        }
    }

    @Test func modelFoldAndIndexGiveTheExpectedAnswer() throws {
        for scenario in try Self.scenarios.get() { try Self.play(scenario) }
    }

    /// Records a story line by line and compares what it expects.
    static func play(_ scenario: Scenario) throws {
        var ledger = try Ledger()
        var next = 0
        for expectation in scenario.expectations {
            while next < expectation.entryCount {
                try ledger.append(scenario.entries[next])
                next += 1
            }
            let place: Comment = "\(scenario.name)\n  \(expectation.line)"
            if expectation.isPast {
                #expect(ledger.model(expectation.question) == expectation.reason, place)
                #expect(try ledger.pastAnswer(expectation.question) == expectation.reason, place)
            } else {
                let answers = ledger.answers(expectation.question)
                #expect(ledger.model(expectation.question) == expectation.reason, place)
                #expect(answers.fold == expectation.reason, place)
                // Checks see no neighbours: that a grant exists next door needs scope read.
                let isNextDoor = [.otherChannel, .otherPurpose].contains(expectation.reason)
                #expect(answers.index == (isNextDoor ? .noRecord : expectation.reason), place)
            }
        }
    }

    @Test(arguments: [
        "2026-01-10 A/email grant email news", "# a\nbrunch", "# a\n2026-13-10 A/email grant",
        "# a\ncheck 2026-01-10 A/email email news -> maybe", "# a\n2026-01-10 A/email grant email news soon",
    ])
    func unreadableStoriesAreErrors(_ text: String) {
        #expect(throws: ScenarioError.self) { try Scenario.read(text) }
    }
}
