// Goal: an index that knows the events up to some point, before or after what the tables hold, is brought up
// to date without a replay, and a replay that comes later, told by that index what is new, gives the same
// register. Method: random events (seeded), flushed up to somewhere; the index of each point is a dictionary
// worked out by the model.

import ConsentDomain
import ConsentRegister
import Testing

@Suite struct DeferredReplayTests {
    /// A register that was flushed at 150 of 260 events, half written from there to 200, and its model.
    private static func filled(_ seed: UInt64) throws -> (TestRegister, RegisterModel) {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: seed)
        var model = RegisterModel(test.keys)
        let register = try test.register
        for number in 1...260 {
            model.append(try register.stage(maker.random(people: 60)).event)
            if number % 10 == 0 { try register.commit() }
            if number == 150 { while try !register.flushDerived(budget: .seconds(1)) {} }
            // Some rows of the next events, as a crash in the middle leaves them.
            if number == 200 { _ = try register.flushDerived(budget: .zero) }
        }
        #expect(register.derivedSequence == 150)
        return (test, model)
    }

    /// What the index holds after some of the model's events.
    private static func index(_ model: RegisterModel, _ count: Int, _ keys: TestKeys) -> [SlotKey:
        ContactProfile]
    {
        var part = RegisterModel(keys)
        for event in model.events.prefix(count) { part.append(event) }
        return part.states.mapValues(\.profile)
    }

    @Test(arguments: [0, 1, 90, 149, 150, 151, 185, 230, 260], [false, true])
    func anIndexIsBroughtUpToDate(sequence: Int, readsAhead: Bool) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let (test, model) = try Self.filled(seed)
            test.options.defersReplay = true
            let register = try test.reopen()
            #expect(!register.isReplayed && register.lastRecordedAt == model.events.last?.recordedAt)
            if readsAhead { try register.readAhead() }
            var index = Self.index(model, sequence, test.keys)
            let before = index
            func bringUpToDate(rowCountMax: Int) throws -> Bool {
                try register.forEachProfile(
                    changedAfter: UInt64(sequence), rowCountMax: rowCountMax, isKnown: { before[$0] != nil },
                    { index[$0] = $1 })
            }
            if sequence >= 90, sequence < 230 {
                #expect(
                    try !bringUpToDate(rowCountMax: 0) && index == before, "known ones have to be looked up")
            }
            #expect(try bringUpToDate(rowCountMax: 1_000))
            #expect(index == model.states.mapValues(\.profile), "seed \(seed), event \(sequence)")
            register.mayExist = { index[$0] != nil }
            try register.replay()
            try RegisterContractTests.compare(register, model, "seed \(seed), event \(sequence)")
            // It goes on as any other.
            while try !register.flushDerived(budget: .zero) {}
            #expect(register.derivedSequence == 260)
            try RegisterContractTests.compare(register, model, "flushed, seed \(seed), event \(sequence)")
        }
    }
}
