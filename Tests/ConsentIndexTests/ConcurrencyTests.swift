// Goal: while one thread writes, inserts by the hundred thousand and grows the table, no reader on another
// thread ever sees a wrong answer, misses a contact point that is there, or finds one that is not. Method:
// each key has answers that tell which key they belong to, so a wrong record, a torn one or one used again
// too early shows:
//     stable keys    one answer for ever
//     flipping keys  two answers; where few profiles are allowed, in and out of overflow
//     churning keys  a new record with each write, so that memory is used again; day and notice belong
//                    together
//     absent keys    never there
//     the clock key  its day is the sequence: a check after `publishedSequence` was S says S or later

import ConsentDomain
import ConsentIndex
import Foundation
import Synchronization
import TestRandomness
import Testing

@Suite("Index with readers and a writer", .serialized)
struct ConcurrencyTests {
    /// What readers and writer of one run share.
    final class Run: Sendable {
        let index: ConsentIndex
        let stable: [SlotKey]
        let flipping: [SlotKey]
        let churning: [SlotKey]
        let absent: [SlotKey]
        let clock: SlotKey
        let isOver = Atomic<Bool>(false)
        let checks = Atomic<Int>(0)
        let failures = Mutex<[String]>([])

        /// `unit` keys that flip, as many that churn, twice as many absent ones, seven times as many stable
        /// ones.
        init(seed: UInt64, profileLimit: Int, unit: Int) throws {
            var numbers = SeededGenerator(seed: seed)
            index = try ConsentIndex(
                configuration: .init(initialCapacity: 10, profileLimit: profileLimit, hugePages: false))
            stable = (0..<7 * unit).map { _ in numbers.key() }
            flipping = (0..<unit).map { _ in numbers.key() }
            churning = (0..<unit).map { _ in numbers.key() }
            absent = (0..<2 * unit).map { _ in numbers.key() }
            clock = numbers.key()
        }

        func fail(_ text: String) {
            failures.withLock { if $0.count < 10 { $0.append(text) } }
        }

        func writeStart() throws {
            for (position, key) in stable.enumerated() {
                try index.put(key, profile: stableContact(position).profile)
            }
            for (position, key) in flipping.enumerated() {
                try index.put(key, profile: flippingContact(position, isFirst: true).profile)
            }
            for (position, key) in churning.enumerated() {
                try index.put(key, profile: churningContact(position, version: 0).profile)
            }
            try index.put(clock, profile: ModelContact.single(untilDay: 1).profile)
        }

        func stableContact(_ position: Int) -> ModelContact {
            .single(untilDay: UInt16(30_000 + position), notice: UInt16(1 + position % 20))
        }

        func flippingContact(_ position: Int, isFirst: Bool) -> ModelContact {
            isFirst
                ? .single(untilDay: UInt16(40_000 + position), notice: 3)
                : .single(untilDay: UInt16(50_000 + position), notice: UInt16(1_000 + position))
        }

        /// Day = 10,000 + version; the notice is made of the position and the version, and so tells both.
        func churningContact(_ position: Int, version: Int) -> ModelContact {
            let turn = version % 500
            var contact = ModelContact.single(
                untilDay: UInt16(10_000 + turn), notice: UInt16(2_000 + position * 500 + turn))
            // An earlier end, so that days are relative, and records of several lengths.
            contact.cells[.init(channel: 1, purpose: 1)] = .init(code: 2, untilDay: 9_000)
            for extra in 0..<UInt8(turn % 5) {
                contact.cells[.init(channel: 2, purpose: 1 + extra)] = .init(code: 2, notice: UInt16(turn))
            }
            if turn % 5 > 0 { contact.channelCodes[2] = 0 }
            return contact
        }
    }

    /// Checks everything again and again until the run is over.
    static func read(_ run: Run, seed: UInt64) {
        var numbers = SeededGenerator(seed: seed)
        let query = CheckQuery(channel: 1, purpose: 2, isService: false, today: 1, now: 0)
        let stableCount = run.stable.count
        var order = Array((run.stable + run.flipping + run.absent).enumerated())
        while !run.isOver.load(ordering: .acquiring) {
            order.shuffle(using: &numbers)
            let sequence = run.index.publishedSequence
            let answer = run.index.check(order.map(\.element) + [run.clock], query)
            for (place, item) in order.enumerated() {
                let position = item.offset
                let (reason, day) = (answer.reasons[place], Int(answer.untilDays[place]))
                let isRight =
                    if position < stableCount {
                        reason == 1 && day == 30_000 + position
                    } else if position < stableCount + run.flipping.count {
                        reason == 1
                            && (day == 40_000 + position - stableCount
                                || day == 50_000 + position - stableCount)
                    } else {
                        reason == 96
                    }
                if !isRight { run.fail("batch: key \(position) got reason \(reason), day \(day)") }
            }
            if UInt64(answer.untilDays[order.count]) < sequence {
                run.fail("older than sequence \(sequence)")
            }
            for (position, key) in run.churning.enumerated() {
                guard let outcome = run.index.outcome(key, channel: 1, purpose: 2) else {
                    run.fail("churning key \(position) is missing")
                    continue
                }
                let turn = Int(outcome.untilDay) - 10_000
                if outcome.code != 2 || turn < 0
                    || Int(outcome.noticeOrdinal) != 2_000 + position * 500 + turn
                {
                    run.fail("churning key \(position) got \(outcome)")
                }
                if !run.index.contains(run.stable[position]) { run.fail("stable key \(position) is missing") }
                if run.index.contains(run.absent[position]) { run.fail("absent key \(position) is there") }
            }
            run.checks.add(order.count + 1 + 3 * run.churning.count, ordering: .relaxed)
        }
    }

    /// Writes until a number of inserts or, after a least number of them and of the readers' checks, a time
    /// is reached. Returns the inserts.
    static func write(
        _ run: Run, seed: UInt64, insertsMin: Int, insertsMax: Int, checksMin: Int = 0, within: Duration
    ) throws -> Int {
        var numbers = SeededGenerator(seed: seed)
        let filler = (0..<50).map { ModelContact.single(code: 3, notice: UInt16($0)).profile }
        let step = min(200, insertsMax / 50)
        let start = ContinuousClock.now
        var inserted = 0
        var turn = 0
        var isShort: Bool {
            ContinuousClock.now - start < within || run.checks.load(ordering: .relaxed) <= checksMin
        }
        while inserted < insertsMin || (inserted < insertsMax && isShort) {
            for _ in 0..<step { try run.index.put(numbers.key(), profile: filler[turn % filler.count]) }
            inserted += step
            turn += 1
            let position = numbers.below(run.flipping.count)
            try run.index.put(
                run.flipping[position],
                profile: run.flippingContact(position, isFirst: numbers.below(2) == 0).profile)
            for _ in 0..<4 {
                let position = numbers.below(run.churning.count)
                try run.index.put(
                    run.churning[position],
                    profile: run.churningContact(position, version: numbers.below(500)).profile)
            }
            let sequence = min(turn, 60_000)
            try run.index.put(run.clock, profile: ModelContact.single(untilDay: UInt16(1 + sequence)).profile)
            run.index.publish(sequence: UInt64(sequence))
        }
        return inserted
    }

    /// Runs readers beside `body`, then waits for them.
    static func withReaders(_ count: Int, _ run: Run, seed: UInt64, _ body: () throws -> Void) rethrows {
        let readers = (0..<count).map { number in
            let done = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                read(run, seed: seed &* 31 &+ UInt64(number))
                done.signal()
            }
            return done
        }
        defer {
            run.isOver.store(true, ordering: .releasing)
            for reader in readers { reader.wait() }
        }
        try body()
    }

    @Test(
        "no wrong answer and no miss while the writer inserts, replaces and grows",
        arguments: [
            (seed: UInt64(21), profileLimit: 1 << 20), (seed: 22, profileLimit: 150),
            (seed: 23, profileLimit: 0),
        ])
    func readersAndWriter(_ setting: (seed: UInt64, profileLimit: Int)) throws {
        let run = try Run(seed: setting.seed, profileLimit: setting.profileLimit, unit: 100)
        try run.writeStart()
        var inserted = 0
        try Self.withReaders(3, run, seed: setting.seed) {
            inserted = try Self.write(
                run, seed: setting.seed &+ 1_000, insertsMin: 6_000, insertsMax: 3_000_000,
                checksMin: 10_000, within: .milliseconds(1_200))
        }
        let failures = run.failures.withLock { $0 }
        #expect(failures.isEmpty, "seed \(setting.seed): \(failures)")
        #expect(run.checks.load(ordering: .relaxed) > 10_000, "readers must have run")
        #expect(inserted >= 6_000, "the writer must have run")
        #expect(run.index.statistics.recipients == inserted + 901)
    }

    @Test(
        "the same from the smallest tables, where old and new lines overlap most",
        arguments: [UInt64(31), 32])
    func smallTables(seed: UInt64) throws {
        var checks = 0
        for round in 0..<UInt64(40) {
            let run = try Run(seed: seed &+ round << 8, profileLimit: round & 1 == 0 ? 1 << 20 : 12, unit: 3)
            try run.writeStart()
            var inserted = 0
            try Self.withReaders(2, run, seed: seed) {
                inserted = try Self.write(
                    run, seed: seed &+ round << 9 &+ 1, insertsMin: 1_000, insertsMax: 6_000,
                    within: .seconds(1))
                // On a busy machine the readers may not have had a turn yet.
                let start = ContinuousClock.now
                while run.checks.load(ordering: .relaxed) == 0 && ContinuousClock.now - start < .seconds(5) {
                    Thread.sleep(forTimeInterval: 0.001)
                }
            }
            let failures = run.failures.withLock { $0 }
            #expect(failures.isEmpty, "seed \(seed), round \(round): \(failures)")
            #expect(inserted >= 1_000)
            checks += run.checks.load(ordering: .relaxed)
        }
        #expect(checks > 10_000, "readers must have run")
    }
}
