// Goal: fold, flattened profile, index and CheckAt answer as the model does, whatever is recorded in whatever
// order. Method: random logs from a seed; after each line random questions of the present (model, fold,
// index) and of the past (model, CheckAt). What was met on the way is counted: each reason, each kind of
// event and each situation has to be. A difference is cut down to few lines and printed with its seed.
// CONSENTD_MODEL_COMPARISONS sets the number of comparisons, CONSENTD_MODEL_SEED the first seed.

import ConsentDomain
import Foundation
import Testing

struct DifferentialTests {
    /// 60,000 comparisons, unless the environment asks for more.
    static let comparisonCount =
        ProcessInfo.processInfo.environment["CONSENTD_MODEL_COMPARISONS"].flatMap { Int($0) } ?? 60_000
    static let firstSeed =
        ProcessInfo.processInfo.environment["CONSENTD_MODEL_SEED"].flatMap { UInt64($0) } ?? 1

    @Test func randomLogs() throws {
        var run = DifferentialRun()
        let difference = try run.search(comparisonCount: Self.comparisonCount, firstSeed: Self.firstSeed)
        #expect(difference == nil, "\(difference?.description ?? "")")
        guard difference == nil else { return }
        print("\(run.coverage)")
        print("model: \(run.comparisonCount) comparisons from seed \(Self.firstSeed), no difference")
        for (name, count) in run.coverage.counts {
            #expect(count >= 10, "the comparison is blind: \(name) was met \(count) times")
        }
    }

    // MARK: Tests of the test

    @Test(arguments: Mistake.allCases)
    func plantedMistakesAreFound(_ mistake: Mistake) throws {
        var run = DifferentialRun(mistake: mistake)
        let difference = try run.search(comparisonCount: 60_000, firstSeed: 1)
        let found = try #require(difference, "\(mistake) was not found")
        #expect(found.entries.count <= 6, "\(mistake) is not cut down: \(found)")
        #expect("\(found)".contains("SEED=\(found.seed)"))
        // What is left still shows it, and shows nothing without the mistake.
        #expect(try DifferentialRun.answers(found.entries, found.asked, found.isPast, mistake).differ)
        #expect(try !DifferentialRun.answers(found.entries, found.asked, found.isPast, nil).differ)
    }
}

/// A difference between model and the rest, cut down.
struct Difference: CustomStringConvertible {
    var seed: UInt64
    /// Beside what the catalogue starts with.
    var entries: [Entry]
    var asked: Question
    var isPast: Bool
    var answers: DifferentialRun.Answers

    var description: String {
        let lines = entries.map { entry -> String in
            let when = "#\(entry.sequence) recorded \(entry.recordedAt.rfc3339)"
            switch entry.content {
            case .change(let change): return "\(when) \(change)"
            case .act(let subject, let event):
                return "\(when) \(subject.controller.rawValue)/\(subject.kind) \(event.kind) "
                    + "\(event.via) occurred \(event.occurredAt.rfc3339) "
                    + "channels \(event.channels.rawValue) "
                    + "purposes \(event.purposes.rawValue) pending \(event.pendingChannels.rawValue) "
                    + "valid \(event.validityDay.rawValue) keep \(event.retentionDay.rawValue) "
                    + "lapse \(event.lapseDay.rawValue) notice \(event.noticeOrdinal) of \(event.refersTo) "
                    + "\(event.source)"
            }
        }
        let subject = "\(asked.subject.controller.rawValue)/\(asked.subject.kind)"
        return """
            difference, SEED=\(seed): model \(answers.model), others \(answers.others)
            \(lines.joined(separator: "\n"))
            asked \(isPast ? "of the past" : "now") \(subject) \(asked.channel) \
            \(asked.purpose.rawValue) at \(asked.at.rfc3339) \
            (day \(asked.at.day.rawValue)) known \(asked.known)
            """
    }
}

/// A search for a difference.
struct DifferentialRun {
    struct Answers {
        var model: Reason
        var others: [Reason]
        /// Whether one of them differs.
        var differ: Bool
    }

    var mistake: Mistake?
    private(set) var comparisonCount = 0
    private(set) var coverage = Coverage()

    init(mistake: Mistake? = nil) { self.mistake = mistake }

    /// Compares until the count is reached or a difference is found.
    mutating func search(comparisonCount limit: Int, firstSeed: UInt64) throws -> Difference? {
        var seed = firstSeed
        while comparisonCount < limit {
            var log = RandomLog(seed: seed)
            var ledger = try Ledger(mistake: mistake)
            for entry in log.entries { try ledger.append(entry) }
            let start = log.entries.count
            for _ in 0..<20 {
                let entry = log.step()
                coverage.count(entry, after: ledger.entries.dropFirst(start))
                try ledger.append(entry)
                for position in 0..<6 {
                    let isPast = position >= 4
                    let asked = isPast ? log.pastQuestion() : log.presentQuestion()
                    let answers = try Self.ask(ledger, asked, isPast)
                    comparisonCount += answers.others.count
                    coverage.count(answers.model, isPast: isPast)
                    guard answers.differ else { continue }
                    let found = Difference(
                        seed: seed, entries: Array(ledger.entries.dropFirst(start)), asked: asked,
                        isPast: isPast, answers: answers)
                    return try shrink(found)
                }
            }
            seed += 1
        }
        return nil
    }

    private static func ask(_ ledger: Ledger, _ asked: Question, _ isPast: Bool) throws -> Answers {
        let model = ledger.model(asked)
        if isPast {
            let fold = try ledger.pastAnswer(asked)
            return Answers(model: model, others: [fold], differ: fold != model)
        }
        let answers = ledger.answers(asked)
        // Checks see no neighbours: that a grant exists next door needs scope read.
        let isNextDoor = model == .otherChannel || model == .otherPurpose
        let expected = isNextDoor ? Reason.noRecord : model
        return Answers(
            model: model, others: [answers.fold, answers.index],
            differ: answers.fold != model || answers.index != expected)
    }

    /// The answers after a log that is given in full.
    static func answers(
        _ entries: [Entry], _ asked: Question, _ isPast: Bool, _ mistake: Mistake?
    ) throws -> Answers {
        var ledger = try Ledger(mistake: mistake)
        for entry in Scenario.opening + entries { try ledger.append(entry) }
        return try ask(ledger, asked, isPast)
    }

    /// Leaves lines out as long as a difference stays.
    private func shrink(_ found: Difference) throws -> Difference {
        var best = found
        var hasShrunk = true
        while hasShrunk {
            hasShrunk = false
            for position in best.entries.indices.reversed() where position < best.entries.count {
                var entries = best.entries
                entries.remove(at: position)
                let answers = try Self.answers(entries, best.asked, best.isPast, mistake)
                guard answers.differ else { continue }
                best.entries = entries
                best.answers = answers
                hasShrunk = true
            }
        }
        return best
    }
}
