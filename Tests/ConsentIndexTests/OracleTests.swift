// Goal: the index answers as a dictionary of plain contacts would, whatever its sizes.
// Method: seeded random writes and checks against that dictionary, through growth, with room for all
// profiles, few of them, or none; keys that are absent are asked for as well.

import ConsentDomain
import ConsentIndex
import TestRandomness
import Testing

@Suite("Index against a dictionary")
struct OracleTests {
    /// Ends a test at its first wrong answer, which was recorded.
    struct Mismatch: Error {}

    struct Setting: CustomTestStringConvertible {
        var seed: UInt64
        var writes: Int
        var profileLimit: Int
        /// Contacts to draw from; more make more distinct profiles.
        var contactCount: Int
        var hugePages = false
        var testDescription: String {
            "seed \(seed), \(writes) writes, limit \(profileLimit), \(contactCount) contacts"
        }
    }

    /// A tenth of it without optimisation, where a write takes twenty times as long.
    #if DEBUG
        static let million = 100_000
    #else
        static let million = 1_000_000
    #endif

    @Test(
        "random writes, growth and checks",
        arguments: [
            Setting(seed: 1, writes: million, profileLimit: 1 << 20, contactCount: 2_000, hugePages: true),
            Setting(seed: 2, writes: 200_000, profileLimit: 100, contactCount: 300),
            Setting(seed: 3, writes: 60_000, profileLimit: 0, contactCount: 500),
            Setting(seed: 4, writes: 100_000, profileLimit: 20_000, contactCount: 40_000),
        ])
    func randomWrites(_ setting: Setting) throws {
        var numbers = SeededGenerator(seed: setting.seed)
        let index = try ConsentIndex(
            configuration: .init(
                initialCapacity: 10, maxCapacity: 1 << 22, profileLimit: setting.profileLimit,
                hugePages: setting.hugePages))
        let contacts = (0..<setting.contactCount).map { _ in ModelContact.random(&numbers) }
        let profiles = contacts.map(\.profile)
        var model: [SlotKey: Int] = [:]
        var keys: [SlotKey] = []
        var invalidFrom: [UInt16: Int64] = [:]
        for write in 0..<setting.writes {
            let isNew = keys.isEmpty || numbers.below(10) < 7
            let key = isNew ? numbers.key() : keys[numbers.below(keys.count)]
            if isNew { keys.append(key) }
            let choice = numbers.below(contacts.count)
            try index.put(key, profile: profiles[choice])
            model[key] = choice
            if write % 5_000 == 17 {
                let ordinal = UInt16(1 + numbers.below(49))
                let from = Int64(numbers.below(1_000))
                index.setNoticeInvalid(ordinal: ordinal, from: from)
                invalidFrom[ordinal] = from
            }
            guard write % 1_000 == 999 || write < 300 else { continue }
            var asked = (0..<200).map { _ in keys[numbers.below(keys.count)] }
            asked += (0..<30).map { _ in numbers.key() }
            asked.shuffle(using: &numbers)
            let query = CheckQuery(
                channel: UInt8(1 + numbers.below(8)), purpose: UInt8(1 + numbers.below(63)),
                isService: numbers.below(5) == 0, today: UInt16(20_000 + numbers.below(900)),
                now: Int64(numbers.below(1_000)))
            try compare(index, asked, query, invalidFrom, write) { model[$0].map { contacts[$0] } }
        }
        // Every contact point once, at the end.
        let query = CheckQuery(channel: 2, purpose: 3, isService: false, today: 20_400, now: 500)
        try compare(index, keys, query, invalidFrom, setting.writes) { model[$0].map { contacts[$0] } }
        let statistics = index.statistics
        #expect(statistics.recipients == model.count)
        #expect(statistics.load <= 0.86)
        // Which distinct contacts are in use: their records are interned up to the limit, the rest overflows.
        let distinct = Set(model.values.map { profiles[$0].record }).count
        #expect(statistics.profiles <= min(setting.profileLimit, distinct))
        if setting.profileLimit >= setting.contactCount {
            #expect(statistics.profiles == distinct)
            #expect(statistics.overflowEntries == 0)
        } else {
            #expect(statistics.overflowEntries > 0)
        }
    }

    /// Compares a batch, the same as singles, and single outcomes with the model.
    private func compare(
        _ index: ConsentIndex, _ keys: [SlotKey], _ query: CheckQuery, _ invalidFrom: [UInt16: Int64],
        _ write: Int,
        _ contact: (SlotKey) -> ModelContact?
    ) throws {
        let answer = index.check(keys, query)
        let queries = keys.map {
            SlotQuery(key: $0, channel: query.channel, purpose: query.purpose, isService: query.isService)
        }
        #expect(index.check(queries, today: query.today, now: query.now) == answer, "write \(write)")
        for (position, key) in keys.enumerated() {
            let expected = contact(key)?.outcome(channel: query.channel, purpose: query.purpose)
            let outcome = expected ?? CellOutcome(code: 0)
            let reason = query.reason(
                for: outcome, noticeInvalidFrom: invalidFrom[outcome.noticeOrdinal] ?? .max)
            let until = reason == 1 ? outcome.untilDay : 0
            let found = index.outcome(key, channel: query.channel, purpose: query.purpose)
            let isRight =
                answer.reasons[position] == reason && answer.untilDays[position] == until && found == expected
                && index.contains(key) == (expected != nil)
            if !isRight {
                Issue.record(
                    """
                    write \(write), position \(position), \(key), \(query): reason \(answer.reasons[position]), \
                    day \(answer.untilDays[position]), outcome \(String(describing: found)); expected \(reason), \
                    \(until), \(String(describing: expected))
                    """)
                throw Mismatch()
            }
        }
    }

    @Test("every batch size around the group size")
    func batchSizes() throws {
        let index = try ConsentIndex(configuration: .init(initialCapacity: 10, hugePages: false))
        var numbers = SeededGenerator(seed: 5)
        let keys = (0..<100).map { _ in numbers.key() }
        for (position, key) in keys.enumerated() where position % 3 != 0 {
            try index.put(key, profile: ModelContact.single(untilDay: UInt16(20_000 + position)).profile)
        }
        let query = CheckQuery(channel: 1, purpose: 2, isService: false, today: 20_050, now: 0)
        for count in 0...100 {
            let answer = index.check(Array(keys.prefix(count)), query)
            for position in 0..<count {
                let reason: UInt8 = position % 3 == 0 ? 96 : position > 50 ? 1 : 82
                #expect(answer.reasons[position] == reason)
                #expect(answer.untilDays[position] == (reason == 1 ? UInt16(20_000 + position) : 0))
            }
        }
    }

    @Test("singles keep their own channel, purpose and class")
    func mixedSingles() throws {
        let index = try ConsentIndex(configuration: .init(initialCapacity: 10, hugePages: false))
        var numbers = SeededGenerator(seed: 6)
        var contacts: [SlotKey: ModelContact] = [:]
        for _ in 0..<500 {
            let contact = ModelContact.random(&numbers)
            let key = numbers.key()
            contacts[key] = contact
            try index.put(key, profile: contact.profile)
        }
        let queries = contacts.keys.flatMap { key in
            (0..<7).map { _ in
                SlotQuery(
                    key: key, channel: UInt8(1 + numbers.below(8)), purpose: UInt8(1 + numbers.below(63)),
                    isService: numbers.below(3) == 0)
            }
        }
        let answer = index.check(queries, today: 20_300, now: 0)
        for (position, item) in queries.enumerated() {
            let outcome = contacts[item.key]?.outcome(channel: item.channel, purpose: item.purpose)
            let query = CheckQuery(
                channel: item.channel, purpose: item.purpose, isService: item.isService, today: 20_300, now: 0
            )
            let reason = query.reason(for: outcome ?? CellOutcome(code: 0), noticeInvalidFrom: .max)
            #expect(answer.reasons[position] == reason, "\(item)")
        }
    }
}
