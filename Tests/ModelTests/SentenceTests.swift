// Goal: each rule that most systems get wrong, and each edge case that is about a state or a decision, can be
// found by its name and has a story of its own.
// Method: a table from the rule to the names of its stories; each story has to exist and to come out as it
// says. What is about addresses, proofs or the wire has its tests in their own targets.

import ConsentDomain
import Testing

struct SentenceTests {
    struct Sentence: Sendable, CustomTestStringConvertible {
        var text: String
        var stories: [String]
        var testDescription: String { text }
        init(_ text: String, _ stories: String...) {
            self.text = text
            self.stories = stories
        }
    }

    static let rules: [Sentence] = [
        Sentence("No record means no", "no record means no", "contact seen makes no consent"),
        Sentence(
            "Consent belongs to a controller",
            "consent belongs to a controller: a yes to A says nothing about B",
            "a bounce belongs to its controller", "an erasure is per controller"),
        Sentence(
            "Transactional and marketing are different classes",
            "transactional and marketing are different classes: a service message needs no consent",
            "legal refusals never stop a service message", "an undeliverable address stops both classes",
            "a check that states another class is denied", "an erasure does not stop a service message",
            "an invalidated notice does not touch a service message"),
        Sentence(
            "Grants never inherit", "grants never inherit: a grant of all purposes gives none",
            "grants never inherit: a grant of all channels gives none",
            "grants never inherit: a renewal of ALL renews nothing that it does not name",
            "grants never inherit: a confirmation of ALL confirms nothing that it does not name"),
        Sentence(
            "Refusals always inherit", "refusals always inherit: of all purposes",
            "a refusal of ALL, then a new purpose", "a refusal of ALL channels for one purpose",
            "a refusal that names nothing means ALL", "an objection covers ALL unless narrowed"),
        Sentence(
            "Late or imported grants never beat a refusal",
            "out of order: an older grant recorded after a withdrawal",
            "import of an older grant after a withdrawal",
            "an import lifts no refusal, however late it claims to be",
            "a refusal that is recorded later beats an import, even one that occurred long after it"),
        Sentence(
            "Order is by occurrence; on a tie the refusal wins",
            "same-microsecond grant and withdrawal: the refusal wins",
            "same-microsecond withdrawal and grant, recorded the other way round: the refusal wins",
            "a grant one microsecond after a withdrawal lifts it",
            "out of order: an older withdrawal recorded after a grant"),
        Sentence(
            "A refusal recorded after a grant beats it unless it occurred more than five minutes before",
            "a device ten seconds behind withdraws",
            "clocks differ by five minutes exactly: the refusal wins",
            "clocks differ by five minutes and a microsecond: the grant is later"),
        Sentence(
            "Only a new act of the person lifts a refusal", "the person granted anew after a withdrawal",
            "an imported renewal lifts no refusal of the past",
            "an import that is confirmed stays an import against a refusal"),
        Sentence(
            "A refusal is never turned away: a future time is clamped to now",
            "a refusal is never turned away: a future time is clamped to now",
            "a refusal of the future counts from now"),
        Sentence(
            "Denials survive deletion",
            "denials survive deletion: a retired purpose says no, whatever was granted",
            "denials survive deletion: a closed controller says no", "erased: the denial is kept",
            "erased, re-imported: a keyed tombstone still says no"),
        Sentence(
            "Expiry is evaluated when asked, and so is the invalidation of a notice",
            "expiry at exactly T: allowed until the last microsecond of the day before",
            "notice invalidated from the beginning: every grant under it, and no other",
            "notice invalidated with an effective time to come",
            "allowed until the earlier of validity and retention: validity",
            "allowed until the earlier of validity and retention: retention"),
    ]

    static let edgeCases: [Sentence] = [
        Sentence("grant email, check SMS", "grant email, check SMS: another contact point"),
        Sentence("both, with a phone and an e-mail", "both, with a phone and an e-mail"),
        Sentence("grant A, check B", "grant news, check offers"),
        Sentence(
            "out-of-order and repeated events", "repeated events change nothing",
            "out of order: an older grant recorded after a withdrawal"),
        Sentence(
            "29 February plus 36 months", "29 February plus 36 months ends on 28 February"),
        Sentence("dates past 2038", "dates past 2038"),
        Sentence(
            "import that claims source=widget", "an import that claims source=widget is an import"),
        Sentence(
            "purpose retired", "denials survive deletion: a retired purpose says no, whatever was granted",
            "a purpose that was retired later"),
        Sentence(
            "erased, re-imported, granted anew", "erased, re-imported, granted anew",
            "erased, then asked anew by double opt-in", "later refusals leave it erased"),
        Sentence("double opt-in lapsed", "double opt-in lapsed", "a click after the lapse does nothing"),
        Sentence("double opt-in for another address", "a token for another address does nothing"),
        Sentence(
            "double opt-in after a withdrawal", "double opt-in confirmed after a withdrawal",
            "double opt-in confirmed after a refusal of ALL"),
        Sentence(
            "double opt-in while granted", "double opt-in while granted stays granted",
            "double opt-in while granted: the confirmation extends it",
            "double opt-in while granted: the confirmation only extends it"),
        Sentence(
            "number reassigned, then cleared",
            "number reassigned: every grant ends and the channel is undeliverable",
            "number reassigned, then cleared: only the delivery comes back"),
        Sentence(
            "notice invalidated (CheckAt both ways)",
            "notice invalidated: known before says yes, known after no"),
        Sentence("a refusal of ALL, then a new purpose", "a refusal of ALL, then a new purpose"),
    ]

    @Test(arguments: rules + edgeCases)
    func holds(_ sentence: Sentence) throws {
        let scenarios = try ScenarioTests.scenarios.get()
        for name in sentence.stories {
            let scenario = try #require(scenarios.first { $0.name == name }, "no story '\(name)'")
            try ScenarioTests.play(scenario)
        }
    }

    /// Beside the stories: nothing on file denies in every cell, of every kind of contact point.
    @Test func noRecordMeansNoInEveryCell() throws {
        var ledger = try Ledger()
        for entry in Scenario.opening { try ledger.append(entry) }
        for channel in Channel.allCases {
            for purpose in [2, 3].compactMap({ PurposeID(rawValue: $0) }) {
                let subject = Subject(controller: ControllerID(rawValue: 1), kind: channel.contactKind)
                let asked = Question(
                    subject: subject, channel: channel, purpose: purpose,
                    at: Timestamp(microseconds: 1_800_000_000_000_000))
                let answers = ledger.answers(asked)
                #expect(ledger.model(asked) == .noRecord && answers.fold == .noRecord, "\(channel)")
                #expect(answers.index == .noRecord, "\(channel)")
            }
        }
    }

    /// Beside the stories: each refusal of a person, of ALL by naming nothing, covers every cell of its
    /// contact point, whatever purpose is added later; and a grant covers its own cell alone.
    @Test(arguments: [EventKind.refuse, .withdraw, .object, .revoke])
    func refusalsInheritAndGrantsDoNot(_ kind: EventKind) throws {
        let refusal = try Self.reasons("2026-01-10 A/phone \(kind)")
        #expect(!refusal.contains(.consent) && !refusal.contains(.noRecord))
        #expect(Set(refusal).count == 1)
        let grant = try Self.reasons("2026-01-10 A/phone grant sms parties")
        #expect(grant.filter { $0 == .consent }.count == 1)
    }

    /// The fold's and the index's answers in every cell of a phone, with `parties` added after the event.
    private static func reasons(_ line: String) throws -> [Reason] {
        let text = "# one\n\(line)\n2026-01-11 catalogue add parties\n"
        let scenario = try #require(try Scenario.read(text).first)
        var ledger = try Ledger()
        for entry in scenario.entries { try ledger.append(entry) }
        let subject = Subject(controller: ControllerID(rawValue: 1), kind: .phone)
        var reasons: [Reason] = []
        for channel in ContactKind.phone.channels.named {
            for purpose in [2, 3, 4].compactMap({ PurposeID(rawValue: $0) }) {
                let asked = Question(
                    subject: subject, channel: channel, purpose: purpose,
                    at: Timestamp(microseconds: 1_800_000_000_000_000))
                let answers = ledger.answers(asked)
                #expect(ledger.model(asked) == answers.fold)
                #expect(answers.fold.coarse == answers.index.coarse)
                reasons.append(answers.index)
            }
        }
        return reasons
    }
}
