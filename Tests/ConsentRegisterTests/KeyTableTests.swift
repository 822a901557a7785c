// Goal: a KeyTable answers as a Dictionary does, in the order of the keys' coming, and taking changes back
// leaves what was before. Method: seeded random changes to both, with keys few enough to meet again, grouped
// as a commit groups them; a group is kept or taken back as a whole.

import ConsentDomain
import ConsentRegister
import TestRandomness
import Testing

@Suite struct KeyTableTests {
    private static func compare(
        _ table: KeyTable<EventID, Int>, _ model: [EventID: Int], _ keys: [EventID], _ note: String
    ) {
        #expect(table.count == model.count, "\(note)")
        for key in keys { #expect(table[key] == model[key], "\(note): \(key)") }
        var seen: [EventID: Int] = [:]
        table.forEach { key, value in #expect(seen.updateValue(value, forKey: key) == nil, "\(note)") }
        #expect(seen == model, "\(note)")
    }

    @Test(arguments: 0..<40) func answersAsADictionary(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        // Words with few bits set, so that a weak hash would put many keys in one place.
        let keys = (0..<(seed % 4 == 0 ? 8 : 600)).map { number in
            EventID(low: UInt64(number & 7) << 61, high: UInt64(number >> 3) << 40)
        }
        var table = KeyTable<EventID, Int>()
        var model: [EventID: Int] = [:]
        for group in 0..<60 {
            let before = model
            let keysBefore = table.keys.filter { model[$0] != nil }
            var changes: [(EventID, Int?)] = []
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let key = keys[Int.random(in: 0..<keys.count, using: &random)]
                let value = Int.random(in: 0...1_000_000, using: &random)
                let old = table.updateValue(value, forKey: key)
                #expect(old == model.updateValue(value, forKey: key), "seed \(seed), group \(group)")
                changes.append((key, old))
            }
            if Bool.random(using: &random) {
                for (key, old) in changes.reversed() { table.restore(key, to: old) }
                model = before
                let keysNow = table.keys.filter { model[$0] != nil }
                #expect(keysNow == keysBefore, "seed \(seed), group \(group): the order of the keys")
            } else if Int.random(in: 0..<3, using: &random) == 0 {
                let key = keys[Int.random(in: 0..<keys.count, using: &random)]
                table.drop(key)
                model[key] = nil
            }
            Self.compare(table, model, keys, "seed \(seed), group \(group)")
        }
    }
}
