// Goal: what the index adds to the domain's rule for one cell is right: days, notices, defaults, keys,
// limits. Method: tables of single contact points with the answer spelled out; crafted keys that collide as
// far as possible.

import CPlatform
import ConsentDomain
import ConsentIndex
import TestRandomness
import Testing

@Suite("Index rules")
struct RuleTests {
    private static func makeIndex(profileLimit: Int = 1_000) throws -> ConsentIndex {
        try ConsentIndex(
            configuration: .init(initialCapacity: 10, profileLimit: profileLimit, hugePages: false))
    }

    private static func query(
        channel: UInt8 = 1, purpose: UInt8 = 2, isService: Bool = false, today: UInt16 = 20_000,
        now: Int64 = 0
    ) -> CheckQuery {
        CheckQuery(channel: channel, purpose: purpose, isService: isService, today: today, now: now)
    }

    @Test("the day of the end denies, the day before allows", arguments: [0, 1_000])
    func endOfValidity(profileLimit: Int) throws {
        struct Row {
            var code: UInt8
            var until: UInt16
            var today: UInt16
            var reason: UInt8
        }
        let rows = [
            Row(code: 2, until: 20_000, today: 19_999, reason: 1),
            Row(code: 2, until: 20_000, today: 20_000, reason: 82),
            Row(code: 2, until: 20_000, today: 20_001, reason: 82),
            Row(code: 2, until: 0, today: 65_535, reason: 1),
            Row(code: 2, until: 65_535, today: 65_534, reason: 1),
            Row(code: 2, until: 65_535, today: 65_535, reason: 82),
            Row(code: 2, until: 1, today: 0, reason: 1),
            Row(code: 2, until: 1, today: 1, reason: 82),
            Row(code: 1, until: 20_007, today: 20_006, reason: 80),
            Row(code: 1, until: 20_007, today: 20_007, reason: 81),
            Row(code: 4, until: 0, today: 20_000, reason: 65),
        ]
        let index = try Self.makeIndex(profileLimit: profileLimit)
        for (position, row) in rows.enumerated() {
            let key = SlotKey(low: UInt64(position) << 40 | 77, high: 1)
            // A second cell that ends on another day, so that days relative to the anchor matter.
            var contact = ModelContact.single(code: row.code, untilDay: row.until)
            contact.cells[.init(channel: 1, purpose: 60)] = .init(code: 2, untilDay: 65_535)
            contact.cells[.init(channel: 1, purpose: 1)] = .init(code: 2, untilDay: 1)
            try index.put(key, profile: contact.profile)
            let answer = index.check([key], Self.query(today: row.today))
            #expect(answer.reasons == [row.reason], "\(row)")
            #expect(answer.untilDays == [row.reason == 1 ? row.until : 0], "\(row)")
        }
        #expect(index.statistics.overflowEntries == (profileLimit == 0 ? rows.count : 0))
    }

    @Test("what is not named takes the nearest default; undeliverable comes first", arguments: [0, 1_000])
    func defaults(profileLimit: Int) throws {
        var contact = ModelContact.single(channel: 2, purpose: 5, code: 2)
        contact.channelCodes = [2: 5, 4: 3]
        contact.otherCode = 10
        contact.undeliverable = [8, 4]
        let index = try Self.makeIndex(profileLimit: profileLimit)
        let key = SlotKey(low: 9 << 50, high: 3)
        try index.put(key, profile: contact.profile)
        let rows: [(channel: UInt8, purpose: UInt8, isService: Bool, reason: UInt8)] = [
            (2, 5, false, 1), (2, 5, true, 2), (2, 6, false, 66), (2, 63, false, 66), (2, 6, true, 2),
            (4, 5, false, 48), (4, 5, true, 48), (1, 5, false, 69), (7, 63, false, 69), (8, 1, false, 48),
        ]
        for row in rows {
            let query = Self.query(channel: row.channel, purpose: row.purpose, isService: row.isService)
            #expect(index.check([key], query).reasons == [row.reason], "\(row)")
        }
        let absent = SlotKey(low: 9 << 50, high: 4)
        #expect(index.check([absent], Self.query()).reasons == [96])
        #expect(index.check([absent], Self.query(isService: true)).reasons == [2])
        #expect(index.outcome(absent, channel: 1, purpose: 1) == nil)
    }

    @Test("a notice is invalid from its time on, for every grant under it and nothing else")
    func notices() throws {
        let index = try Self.makeIndex()
        let ordinals: [UInt16] = [0, 1, 2, 65_535]
        let keys = ordinals.map { SlotKey(low: UInt64($0) << 32, high: 8) }
        for (key, ordinal) in zip(keys, ordinals) {
            try index.put(key, profile: ModelContact.single(notice: ordinal).profile)
        }
        func reasons(_ now: Int64, isService: Bool = false) -> [UInt8] {
            index.check(keys, Self.query(isService: isService, now: now)).reasons
        }
        #expect(reasons(.max - 1) == [1, 1, 1, 1])
        index.setNoticeInvalid(ordinal: 65_535, from: 1_000)
        #expect(reasons(999) == [1, 1, 1, 1])
        #expect(reasons(1_000) == [1, 1, 1, 83])
        index.setNoticeInvalid(ordinal: 1, from: .min)
        #expect(reasons(.min) == [1, 83, 1, 1])
        #expect(reasons(2_000, isService: true) == [2, 2, 2, 2])
        #expect(index.noticeInvalidFrom(ordinal: 65_535) == 1_000)
        index.setNoticeInvalid(ordinal: 65_535, from: .max)
        #expect(reasons(2_000) == [1, 83, 1, 1])
        #expect(index.noticeInvalidFrom(ordinal: 65_535) == .max)
    }

    @Test("a controller's constant is mixed into both halves")
    func constant() throws {
        var numbers = SeededGenerator(seed: 11)
        let index = try Self.makeIndex()
        let (ours, theirs) = (numbers.key(), numbers.key())
        let recipients = (0..<50).map { _ in numbers.key() }
        for key in recipients {
            let slot = SlotKey(low: key.low ^ ours.low, high: key.high ^ ours.high)
            try index.put(slot, profile: ModelContact.single().profile)
        }
        let none = [UInt8](repeating: 96, count: 50)
        #expect(index.check(recipients, constant: ours, Self.query()).reasons == none.map { _ in 1 })
        #expect(index.check(recipients, constant: theirs, Self.query()).reasons == none)
        #expect(index.check(recipients, Self.query()).reasons == none)
        let half = SlotKey(low: ours.low, high: theirs.high)
        #expect(index.check(recipients, constant: half, Self.query()).reasons == none)
    }

    @Test(
        "keys that share a line, a key word or all but one bit never answer for each other",
        arguments: [3, 1_000])
    func collisions(profileLimit: Int) throws {
        let index = try Self.makeIndex(profileLimit: profileLimit)
        // One home, one low word: only the sixteen bits of the high half that a slot keeps tell these apart.
        var keys = (0..<16).map { SlotKey(low: 0x1234_5678_0000_0042, high: 1 << UInt64($0)) }
        keys.append(SlotKey(low: 0x1234_5678_0000_0042, high: 0))
        // One home and one high half, low words one bit apart.
        keys += (0..<32).map { SlotKey(low: 0x1234_5678_0000_0042 ^ 1 << UInt64($0), high: 1) }
        // A low word of zero looks like an empty slot's.
        keys += [SlotKey(low: 0, high: 0), SlotKey(low: 0, high: 7), SlotKey(low: 1, high: 0)]
        // The top of the range: the last line and beyond.
        keys += (0..<40).map { SlotKey(low: .max - UInt64($0), high: UInt64($0 % 3)) }
        #expect(Set(keys).count == keys.count)
        let query = Self.query(today: 1)
        for (position, key) in keys.enumerated() {
            #expect(
                index.check(Array(keys[position...]), query).reasons.allSatisfy { $0 == 96 }, "\(position)")
            try index.put(key, profile: ModelContact.single(untilDay: UInt16(100 + position)).profile)
            let answer = index.check(Array(keys[...position]), query)
            #expect(answer.untilDays == (0...position).map { UInt16(100 + $0) })
        }
        // Then grow by a few sizes around them.
        var numbers = SeededGenerator(seed: 12)
        for _ in 0..<5_000 { try index.put(numbers.key(), profile: ModelContact.single(code: 3).profile) }
        #expect(index.check(keys, query).untilDays == keys.indices.map { UInt16(100 + $0) })
        for key in keys {
            for bit in 0..<UInt64(64) {
                let near = SlotKey(low: key.low ^ 1 << bit, high: key.high)
                if !keys.contains(near) { #expect(!index.contains(near)) }
            }
            for bit in 0..<UInt64(16) {
                let near = SlotKey(low: key.low, high: key.high ^ 1 << bit)
                if !keys.contains(near) { #expect(!index.contains(near)) }
            }
        }
    }

    @Test("a full index says so, keeps every answer and still takes replacements")
    func full() throws {
        let index = try ConsentIndex(
            configuration: .init(initialCapacity: 10, maxCapacity: 3_000, profileLimit: 50, hugePages: false))
        var numbers = SeededGenerator(seed: 13)
        var keys: [SlotKey] = []
        var failure: IndexError?
        while failure == nil && keys.count < 10_000 {
            let key = numbers.key()
            do throws(IndexError) {
                try index.put(key, profile: ModelContact.single(code: 3).profile)
                keys.append(key)
            } catch {
                failure = error
            }
        }
        #expect(failure == .full(recipients: keys.count, maxCapacity: 3_000))
        #expect(keys.count >= 3_000)
        #expect(index.statistics.recipients == keys.count)
        #expect(index.check(keys, Self.query()).reasons.allSatisfy { $0 == 64 })
        for key in keys { try index.put(key, profile: ModelContact.single(code: 4).profile) }
        #expect(index.check(keys, Self.query()).reasons.allSatisfy { $0 == 65 })
    }

    @Test("reserving ahead or in the middle keeps every answer")
    func reserve() throws {
        let index = try Self.makeIndex()
        var numbers = SeededGenerator(seed: 14)
        var keys: [SlotKey] = []
        for size in [0, 1, 1_000, 50_000] {
            try index.reserve(size)
            #expect(index.statistics.slots >= size)
            for _ in 0..<size {
                let key = numbers.key()
                keys.append(key)
                index.prefetch(key)
                let contact = ModelContact.single(untilDay: UInt16(1 + keys.count % 900))
                try index.put(key, profile: contact.profile)
            }
            #expect(
                index.check(keys, Self.query(today: 0)).untilDays
                    == keys.indices.map { UInt16(1 + ($0 + 1) % 900) })
        }
        try index.reserve(200_000)
        #expect(index.statistics.slots >= 200_000)
        #expect(
            index.check(keys, Self.query(today: 0)).untilDays
                == keys.indices.map { UInt16(1 + ($0 + 1) % 900) })
    }

    @Test("profiles and overflow memory are used again; a contact point comes back from overflow")
    func reuse() throws {
        for limit in [0, 1, 2, 1_000] {
            let index = try Self.makeIndex(profileLimit: limit)
            let keys = (0..<4).map { SlotKey(low: UInt64($0) << 62, high: 1) }
            var wrong = 0
            for round in 0..<40_000 {
                let contact = ModelContact.single(notice: UInt16(1 + round))
                try index.put(keys[round % 4], profile: contact.profile)
                let found = index.outcome(keys[round % 4], channel: 1, purpose: 2)
                if found != CellOutcome(code: 2, noticeOrdinal: UInt16(1 + round)) { wrong += 1 }
            }
            #expect(wrong == 0)
            let statistics = index.statistics
            #expect(statistics.profiles == min(limit, 4))
            #expect(statistics.overflowEntries == 4 - min(limit, 4))
            // 40,000 records of 32 bytes would take 1.9 MB of the arena.
            #expect(statistics.mappedBytes < 1_500_000)
            // All four the same record: one profile, so no overflow where one fits.
            for key in keys { try index.put(key, profile: ModelContact.single().profile) }
            for key in keys { try index.put(key, profile: ModelContact.single().profile) }
            #expect(index.statistics.profiles == min(limit, 1))
            #expect(index.statistics.overflowEntries == (limit == 0 ? 4 : 0))
        }
    }

    @Test("at most 40 bytes a recipient, small pages or huge", arguments: [false, true])
    func memory(hugePages: Bool) throws {
        var numbers = SeededGenerator(seed: 15)
        let index = try ConsentIndex(configuration: .init(initialCapacity: 1_000, hugePages: hugePages))
        let profiles = (0..<3_000).map { _ in ModelContact.random(&numbers).profile }
        let count = 400_000
        for position in 0..<count {
            try index.put(numbers.key(), profile: profiles[position % profiles.count])
        }
        let statistics = index.statistics
        #expect(statistics.recipients == count)
        #expect(statistics.mappedBytes <= 40 * count)
        #expect(statistics.touchedBytes <= statistics.mappedBytes)
        #expect(statistics.touchedBytes >= 16 * count)
        #expect(statistics.hugePageBytes <= statistics.touchedBytes)
        if !hugePages { #expect(statistics.hugePageBytes == 0) }
    }

    @Test("the published sequence starts at 0 and is the last one given")
    func publication() throws {
        let index = try Self.makeIndex()
        #expect(index.publishedSequence == 0)
        for sequence in [1, 2, 900, UInt64.max] {
            index.publish(sequence: sequence)
            #expect(index.publishedSequence == sequence)
        }
    }

    @Test("a record that is accepted is never read beyond its end")
    func recordShapes() throws {
        // Seeded mutations of good records. An accepted one is put right before a page that cannot be read,
        // and every cell of it is asked for.
        var numbers = SeededGenerator(seed: 16)
        let page = 1 << 16
        let pages = try #require(consent_reserve(2 * page, page))
        defer { consent_release(pages, 2 * page) }
        #expect(consent_commit(pages, page))
        var accepted = 0
        var rejected = 0
        var wrong = 0
        for _ in 0..<4_000 {
            var record = ModelContact.random(&numbers).profile.record
            #expect(record.withUnsafeBytes { ProfileRecord.isWellFormed($0) })
            for _ in 0..<numbers.below(3) {
                record[numbers.below(min(record.count, 40))] = UInt8(
                    numbers.below(2) == 0 ? numbers.below(256) : 8)
            }
            if numbers.below(6) == 0 { record.removeLast(min(numbers.below(17), record.count)) }
            guard record.withUnsafeBytes({ ProfileRecord.isWellFormed($0) }) else {
                rejected += 1
                continue
            }
            accepted += 1
            let start = pages + page - record.count
            record.withUnsafeBytes {
                start.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(start), byteCount: $0.count)
            }
            for channel in UInt8(1)...8 {
                for purpose in UInt8(0)...63 {
                    let outcome = ContactProfile.outcome(
                        record: start, anchorDay: 0, channel: channel, purpose: purpose)
                    if outcome.isUndeliverable != (record[0] & 1 << (channel - 1) != 0) { wrong += 1 }
                    // The way of checks, against the plain words.
                    let found = withUnsafeBytes(of: (UInt64(0), UInt64(0))) { zeros in
                        zeros.baseAddress.map {
                            CellPlace(channel: channel, purpose: purpose)
                                .find(record: start, anchorDay: 0, nothing: $0).outcome
                        }
                    }
                    if found != outcome { wrong += 1 }
                }
            }
        }
        #expect(wrong == 0)
        #expect(accepted > 1_000 && rejected > 500)
    }

    @Test("the table of answers says what the law's function says")
    func answers() {
        let days: [UInt16] = [0, 1, 19_999, 20_000, 20_001, .max]
        let times: [Int64] = [.min, 0, 1_000_000, .max]
        var wrong = 0
        for code in UInt8.min...UInt8.max {
            for isUndeliverable in [false, true] {
                for isService in [false, true] {
                    for untilDay in days {
                        for today in days {
                            for (now, invalidFrom) in times.flatMap({ now in times.map { (now, $0) } }) {
                                let query = CheckQuery(
                                    channel: 1, purpose: 1, isService: isService, today: today, now: now)
                                let outcome = CellOutcome(
                                    code: code, isUndeliverable: isUndeliverable, untilDay: untilDay)
                                let reason = query.reason(for: outcome, noticeInvalidFrom: invalidFrom)
                                let answer = AnswerTable.shared.answer(
                                    FoundCell(outcome), isService: isService, today: today, now: now,
                                    noticeInvalidFrom: invalidFrom)
                                if answer != (reason, reason == 1 ? untilDay : 0) { wrong += 1 }
                            }
                        }
                    }
                }
            }
        }
        #expect(wrong == 0)
    }
}
