// Goal: callers ask what the pool holds, and each answer is compared with its own question's. Method: a small
// pool whose keys are the subjects' numbers, decoded in both orders.

import ConsentClient
import LoadGenerator
import Testing

@Suite struct CallerQuestionTests {
    @Test(arguments: QuestionKeys.allCases, [false, true])
    func eachQuestionKeepsItsAnswer(_ keys: QuestionKeys, sorted: Bool) throws {
        let (pool, _) = try QuestionTests.pool { $0.keys = keys }
        let questions = try CallerQuestions(pool, sorted: sorted)
        #expect(questions.items.map(\.number).sorted() == Array(0..<pool.count))
        for item in questions.items {
            let expected = pool.expectedReason(question: item.number, item: 0, today: pool.today)
            #expect(item.expectedReason == expected)
            #expect(item.isAllowed == ExpectedReason.isAllow(expected))
            let description = pool.describe(question: item.number, item: 0)
            #expect(description.contains("controller \(item.question.controller.rawValue),"))
            #expect(description.hasSuffix("purpose \(item.question.purpose.rawValue)"))
            switch item.contact {
            case .key(let key):
                #expect(keys == .digest)
                let number = key.low >> 1
                #expect(
                    description.hasPrefix(
                        key.low & 1 == 1 ? "an address never seeded (\(number))" : "recipient \(number) "))
            case .address(let address):
                #expect(keys == .raw)
                #expect(address.contains("@") == (item.question.channel == .email))
            }
        }
        // A campaign asks one thing at a time; else neighbours differ almost always.
        let changes = zip(questions.items, questions.items.dropFirst()).filter { $0.question != $1.question }
            .count
        let kinds = Set(questions.items.map(\.question)).count
        #expect(sorted ? changes == kinds - 1 : changes > pool.count / 2)
    }

    @Test func eachQuestionIsTakenInTurn() throws {
        let (pool, _) = try QuestionTests.pool { _ in }
        let questions = try CallerQuestions(pool, sorted: false)
        let taken = (0..<2 * pool.count).map { _ in questions.take() }
        #expect(taken == Array(0..<pool.count) + Array(0..<pool.count))
    }
}
