// Goal: the parts without a socket follow their rules. Method: tables for rules, naive oracles with seeded
// random input for structures; each failure names its seed.

import ConsentClient
import TestRandomness
import Testing

@Suite struct PureTests {
    @Test(arguments: 0..<40) func callTableAgainstADictionary(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        var table = CallTable<Int>(callsMax: 24)
        var oracle: [UInt32: Int] = [:]
        var latest: UInt32 = seed % 2 == 0 ? 0 : .max - 50
        for step in 0..<2_000 {
            if oracle.count < 24 && Bool.random(using: &generator) {
                repeat { latest = latest >= .max - 1 ? 1 : latest + 1 } while table.isTaken(latest)
                table.insert(step, at: latest)
                oracle[latest] = step
            } else if let stream = oracle.keys.sorted().randomElement(using: &generator) {
                #expect(table[stream] == oracle[stream], "seed \(seed), step \(step)")
                let removed = table.remove(stream)
                #expect(removed == oracle.removeValue(forKey: stream), "seed \(seed), step \(step)")
                let again = table.remove(stream)
                #expect(table[stream] == nil && again == nil, "seed \(seed), step \(step)")
            }
            #expect(table.count == oracle.count, "seed \(seed), step \(step)")
        }
        let left = table.removeAll()
        #expect(Dictionary(uniqueKeysWithValues: left) == oracle, "seed \(seed)")
        #expect(
            left.map(\.call) == left.map(\.call).sorted(), "in the order in which they began, seed \(seed)")
    }

    @Test(arguments: 0..<40) func groupsAgainstAnOracle(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        var coalescing = Coalescing()
        // One value serves many turns: nothing of an earlier one may be left.
        for _ in 0..<8 { groupsAgainstAnOracle(&coalescing, seed, &generator) }
    }

    private func groupsAgainstAnOracle(
        _ coalescing: inout Coalescing, _ seed: Int, _ generator: inout SeededGenerator
    ) {
        let kinds = UInt64.random(in: 1...5, using: &generator)
        let keys = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
            UInt64.random(in: 0..<kinds, using: &generator)
        }
        let least = Int.random(in: 0...6, using: &generator)
        let most = Int.random(in: 6...40, using: &generator)
        coalescing.divide(keys, min: least, max: most)
        let groups = coalescing.groups.map { $0.map { Int(coalescing.positions[$0]) } }
        #expect(groups.flatMap { $0 }.sorted() == Array(keys.indices), "each position once, seed \(seed)")
        for group in groups {
            #expect(Set(group.map { keys[$0] }).count == 1, "one key a group, seed \(seed)")
            #expect(group == group.sorted(), "in order, seed \(seed)")
            #expect(
                group.count == 1 || (group.count >= max(least, 2) && group.count <= most),
                "size, seed \(seed)")
        }
        // Only what is left over of a key after full groups may stand alone.
        for key in 0..<kinds {
            let alone = groups.filter { $0.count == 1 && keys[$0[0]] == key }.count
            #expect(alone < max(least, 2), "seed \(seed)")
        }
    }

    @Test func groupKeysDiffer() {
        let purpose = PurposeSet(rawValue: 2).named[0]
        let other = PurposeSet(rawValue: 4).named[0]
        let base = CheckQuestion(controller: ControllerID(rawValue: 1), channel: .email, purpose: purpose)
        var questions = [base]
        for change: (inout CheckQuestion) -> Void in [
            { $0.controller = ControllerID(rawValue: 2) }, { $0.channel = .sms }, { $0.purpose = other },
            { $0.purposeClass = .marketing }, { $0.purposeClass = .service },
        ] {
            var question = base
            change(&question)
            questions.append(question)
        }
        let contacts: [Contact] = [.address("a"), .key(RecipientKey(low: 1, high: 2))]
        let keys = questions.flatMap { question in contacts.map { Coalescing.groupKey(question, $0) } }
        #expect(Set(keys).count == keys.count)
        var later = base
        later.minimumSequence = 9
        #expect(Coalescing.groupKey(later, contacts[0]) == Coalescing.groupKey(base, contacts[0]))
    }

    @Test func retryBudget() {
        var budget = RetryBudget(capacity: 2)
        /// Repeats until there are none left.
        func left() -> Int {
            var count = 0
            while budget.takeRepeat() { count += 1 }
            return count
        }
        #expect(left() == 2)
        for _ in 0..<9 { budget.succeeded() }
        #expect(left() == 0)
        budget.succeeded()
        #expect(left() == 1)
        for _ in 0..<1_000 { budget.succeeded() }
        #expect(left() == 2)
    }

    @Test func backoffStaysWithinItsBounds() {
        var generator = SeededGenerator(seed: 7)
        var longest = Array(repeating: Duration.zero, count: 12)
        for _ in 0..<500 {
            var backoff = Backoff(base: .milliseconds(50), limit: .seconds(5))
            for attempt in longest.indices {
                longest[attempt] = max(longest[attempt], backoff.next(using: &generator))
            }
            backoff.reset()
            #expect(backoff.next(using: &generator) <= .milliseconds(50))
        }
        for (attempt, wait) in longest.enumerated() {
            let most = min(Duration.milliseconds(50) * (1 << attempt), .seconds(5))
            #expect(wait <= most)
            #expect(wait >= most * 0.9, "the jitter uses its whole range")
        }
    }

    @Test func whatMayBeSentAgain() {
        func rejected(_ status: CallStatus, _ notExecuted: Bool) -> ConsentClientError {
            .rejected(Rejection(status: status, notExecuted: notExecuted))
        }
        let table: [(ConsentClientError, idempotent: Bool, other: Bool)] = [
            (.connectionLost(why: ""), true, false), (.timedOut(after: .zero), false, false),
            (.cancelled, false, false), (.closed, false, false), (.malformedAnswer(""), false, false),
            (rejected(.unavailable, false), true, false), (rejected(.unavailable, true), true, true),
            (rejected(.resourceExhausted, true), true, true), (rejected(.aborted, false), true, false),
            (rejected(.internal, true), true, true), (rejected(.internal, false), false, false),
            (rejected(.invalidArgument, false), false, false), (rejected(.unimplemented, true), false, false),
            (rejected(.deadlineExceeded, false), false, false),
        ]
        for (error, idempotent, other) in table {
            #expect(
                RetryRule.maySendAgain(after: error, isIdempotent: true, attempts: 1, attemptsMax: 3)
                    == idempotent,
                "\(error)")
            #expect(
                RetryRule.maySendAgain(after: error, isIdempotent: false, attempts: 1, attemptsMax: 3)
                    == other,
                "\(error)")
            #expect(!RetryRule.maySendAgain(after: error, isIdempotent: true, attempts: 3, attemptsMax: 3))
        }
    }

    @Test func eventIDsAreVersion7AndAscend() {
        var generator = SeededGenerator(seed: 3)
        var last: [UInt8] = []
        for millisecond in 0..<200 {
            let milliseconds = 1_700_000_000_000 + UInt64(millisecond)
            let bytes = EventID.makeVersion7(milliseconds: milliseconds, using: &generator).bytes
            #expect(bytes[6] >> 4 == 7)
            #expect(bytes[8] >> 6 == 2)
            #expect(bytes[0..<6].reduce(0) { $0 << 8 | UInt64($1) } == milliseconds)
            #expect(last.lexicographicallyPrecedes(bytes))
            last = bytes
        }
    }

    @Test func serverAddresses() {
        let good = [
            ("127.0.0.1:7447", "127.0.0.1", 7447), ("example.org:1", "example.org", 1),
            ("[::1]:65535", "::1", 65_535),
        ]
        for (text, host, port) in good {
            #expect(ServerAddress(text) == ServerAddress(host: host, port: port))
            #expect(ServerAddress(text)?.description == text)
        }
        for text in ["", "host", "host:", ":7447", "host:0", "host:65536", "::1:7447", "host:x", "[]:1"] {
            #expect(ServerAddress(text) == nil, "\(text)")
        }
    }
}
