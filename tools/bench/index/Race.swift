// Readers race the writer: every answer that they get must have been right at some moment of the call. Meant
// for the thread sanitizer (`make reliability ONLY=race`), and of use without it.
//
// Of four contact points one never changes after it was put, so its answer is known to the day; the others
// change between consent and withdrawal, each time with another end and notice, so that nearly every one has
// a profile of its own, which goes with the next change and makes room for another. An end says whose it is,
// so a profile that was used again too early shows. Few profiles are allowed by default, so that many contact
// points are in the overflow table. The table begins small and grows.

import ArgumentParser
import CPlatform
import ConsentDomain
import ConsentIndex
import Foundation
import Synchronization

struct Race: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Readers race a writer; every answer is verified. Exit status 1 when one was wrong.")

    @Option(help: "Writes, less those that would change a known answer.") var writes = 400_000
    @Option(help: "Threads that read.") var readers = 2
    @Option(help: "Most distinct profiles; contact points with others go to the overflow table.")
    var profiles = 300
    @Option(help: "What all follows from.") var seed: UInt64 = 1

    func validate() throws {
        guard writes > 0, (1...64).contains(readers), profiles > 0 else {
            throw ValidationError("--writes and --profiles must be more than 0, --readers 1 to 64")
        }
    }

    func run() throws {
        let index = try ConsentIndex(
            configuration: IndexConfiguration(initialCapacity: 100, profileLimit: profiles, hugePages: false))
        let track = try Track(index: index, writes: writes, seed: seed)
        let group = DispatchGroup()
        for number in 0..<readers {
            Thread.detachNewThread(in: group) { track.read(seed: seed &+ UInt64(number) &+ 1) }
        }
        let outcome = Result { try track.write() }
        track.end()
        group.wait()
        let written = try outcome.get()
        let statistics = index.statistics
        print(
            "race: \(written) writes, \(track.answers) answers, \(track.wrong) wrong; "
                + "\(statistics.recipients) contact points, \(statistics.profiles) profiles, "
                + "\(statistics.overflowEntries) in the overflow table; seed \(seed)")
        if track.wrong > 0 { throw ExitCode(1) }
    }
}

extension Thread {
    fileprivate static func detachNewThread(in group: DispatchGroup, _ body: @escaping @Sendable () -> Void) {
        group.enter()
        detachNewThread {
            body()
            group.leave()
        }
    }
}

/// The index, its keys in the order in which they came, and what the readers found.
private final class Track: @unchecked Sendable {
    // Sendable: a key is written before `published` counts it, and never again.
    private let index: ConsentIndex
    private let writes: Int
    private let keys: UnsafeMutablePointer<RecipientKey>
    private let published = Atomic<Int>(0)
    private let isOver = Atomic<Bool>(false)
    private let answerCount = Atomic<Int>(0)
    private let wrongCount = Atomic<Int>(0)
    private let withdrawn: UInt8
    private let seed: UInt64
    private static let firstEnd: UInt16 = 20_400
    /// Ends are so many days apart, and begin with a day that follows from the key.
    private static let endStep: UInt64 = 31
    private static let turnCount: UInt64 = 18

    init(index: ConsentIndex, writes: Int, seed: UInt64) throws {
        self.index = index
        self.writes = writes
        self.seed = seed
        keys = .allocate(capacity: writes)
        var population = Population(seed: seed)
        keys.initialize(to: population.key())
        try index.put(Self.slot(keys[0]), profile: Self.profile(end: nil))
        var reason: UInt8 = 0
        var day: UInt16 = 0
        index.check(
            keys: keys, count: 1, constant: Population.constant, query: Population.query, reasons: &reason,
            untilDays: &day)
        withdrawn = reason
        try index.put(Self.slot(keys[0]), profile: Self.profile(end: Self.end(of: keys[0])))
        published.store(1, ordering: .releasing)
    }

    deinit { keys.deallocate() }

    var answers: Int { answerCount.load(ordering: .relaxed) }
    var wrong: Int { wrongCount.load(ordering: .relaxed) }

    func end() { isOver.store(true, ordering: .relaxed) }

    /// - Returns: the number of writes.
    func write() throws -> Int {
        var population = Population(seed: seed ^ 0xABCD)
        var count = 1
        var written = 0
        for step in 1..<writes {
            if population.next() & 1 == 0 {
                let key = population.key()
                (keys + count).initialize(to: key)
                try index.put(Self.slot(key), profile: Self.profile(end: Self.end(of: key)))
                count += 1
                published.store(count, ordering: .releasing)
            } else {
                let place = Int(population.next() % UInt64(count))
                guard place & 3 != 0 else { continue }
                let word = population.next()
                let end = word & 1 == 0 ? nil : Self.end(of: keys[place], turn: word >> 1)
                try index.put(
                    Self.slot(keys[place]),
                    profile: Self.profile(end: end, notice: UInt16(truncatingIfNeeded: word >> 32) | 1))
            }
            written += 1
            if step & 63 == 0 { index.publish(sequence: UInt64(step)) }
        }
        return written
    }

    func read(seed: UInt64) {
        var numbers = Population(seed: seed)
        var asked = [RecipientKey](repeating: RecipientKey(low: 0, high: 0), count: 40)
        var places = [Int](repeating: 0, count: asked.count)
        var reasons = [UInt8](repeating: 0, count: asked.count)
        var days = [UInt16](repeating: 0, count: asked.count)
        repeat {
            let count = published.load(ordering: .acquiring)
            for item in asked.indices {
                places[item] = Int(numbers.next() % UInt64(count))
                asked[item] = keys[places[item]]
            }
            asked.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                index.check(
                    keys: base, count: asked.count, constant: Population.constant, query: Population.query,
                    reasons: &reasons, untilDays: &days)
            }
            let wrong = asked.indices.count {
                !isPossible(place: places[$0], asked[$0], reason: reasons[$0], day: days[$0])
            }
            answerCount.add(asked.count, ordering: .relaxed)
            if wrong > 0 { wrongCount.add(wrong, ordering: .relaxed) }
        } while !isOver.load(ordering: .relaxed)
    }

    private func isPossible(place: Int, _ key: RecipientKey, reason: UInt8, day: UInt16) -> Bool {
        if place & 3 == 0 { return reason == 1 && day == Self.end(of: key) }
        if reason == withdrawn { return day == 0 }
        return reason == 1 && day >= Self.firstEnd
            && UInt64(day - Self.firstEnd) % Self.endStep == key.low % Self.endStep
    }

    private static func slot(_ key: RecipientKey) -> SlotKey { SlotKey(key, constant: Population.constant) }

    private static func end(of key: RecipientKey, turn: UInt64 = 0) -> UInt16 {
        firstEnd + UInt16(key.low % endStep + turn % turnCount * endStep)
    }

    /// One channel, one purpose: consent until a day, or nil: withdrawn.
    private static func profile(end: UInt16?, notice: UInt16 = 1) -> ContactProfile {
        var bytes = [UInt8](repeating: 0, count: 8 + 16 + 8)
        bytes[1] = 1
        bytes[4] = UInt8(bytes.count)
        bytes[8] = 1 << 4
        bytes[18] = 24
        bytes[24] = end == nil ? 4 : 2
        bytes[25] = end == nil ? 0 : 1
        // The end as days after an anchor that differs from contact point to contact point makes many
        // profiles.
        let days = end.map { ($0 - firstEnd) % 500 } ?? 0
        bytes[26] = UInt8(days & 0xFF)
        bytes[27] = UInt8(days >> 8)
        bytes[28] = UInt8(notice & 0xFF)
        bytes[29] = UInt8(notice >> 8)
        return ContactProfile(record: bytes, anchorDay: end.map { $0 - days } ?? 0)
    }
}
