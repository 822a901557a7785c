// Goal: an index filled from a snapshot answers, and goes on, as the one that was written; a file that is
// torn, changed or foreign is refused and never traps; changes made while it was copied are put right by
// whoever repeats them.
// Method: seeded random indexes against a dictionary; every byte of a small file flipped, every length cut;
// files with right checksums and wrong contents.

import CPlatform
import ConsentDomain
import ConsentIndex
import Foundation
import TestRandomness
import Testing

@Suite("Snapshot of an index")
struct SnapshotTests {
    /// An index, the dictionary beside it, and a place for its snapshot.
    final class Pair {
        var index: ConsentIndex
        var model: [SlotKey: ModelContact] = [:]
        var keys: [SlotKey] = []
        var numbers: SeededGenerator
        let contacts: [ModelContact]
        let folder: String
        var path: String { folder + "/index.snapshot" }

        init(seed: UInt64, contactCount: Int, capacity: Int = 60_000, profileLimit: Int = 1 << 20) throws {
            var numbers = SeededGenerator(seed: seed)
            contacts = (0..<contactCount).map { _ in ModelContact.random(&numbers) }
            self.numbers = numbers
            index = try ConsentIndex(
                configuration: .init(
                    initialCapacity: capacity, maxCapacity: 1 << 20, profileLimit: profileLimit,
                    hugePages: false))
            folder = NSTemporaryDirectory() + "consent-snapshot-" + UUID().uuidString
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        /// Writes at random, about two thirds of it new.
        /// - Returns: the keys that were written.
        @discardableResult
        func write(_ count: Int) throws -> [SlotKey] {
            try (0..<count).map { _ in
                let isNew = keys.isEmpty || numbers.below(3) < 2
                let key = isNew ? numbers.key() : keys[numbers.below(keys.count)]
                if isNew { keys.append(key) }
                let contact = contacts[numbers.below(contacts.count)]
                try index.put(key, profile: contact.profile)
                model[key] = contact
                return key
            }
        }

        func begin(sequence: UInt64 = 7) throws -> SnapshotCopy? {
            try index.beginSnapshot(to: path, mark: Self.mark(sequence), onProgress: {})
        }

        static func mark(_ sequence: UInt64) -> SnapshotMark {
            SnapshotMark(
                incarnation: [UInt8](1...16), keyCheck: [UInt8](17...32), sequence: sequence)
        }

        /// Writes a snapshot to its end; calls `meanwhile` after each step.
        func snapshot(meanwhile: () throws -> Void = {}) throws {
            let copy = try #require(try begin())
            steps: while true {
                switch copy.step() {
                case .copied: try meanwhile()
                case .waiting: copy.waitForFile()
                case .whole: break steps
                case .spoiled: throw Spoiled()
                }
            }
            copy.seal(lastSequence: 9, leafHash: [UInt8](repeating: 3, count: 32))
            while copy.outcome == nil { copy.waitForFile() }
            let bytes = try #require(try copy.outcome?.get())
            try copy.publish()
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == bytes)
        }

        func load(profileLimit: Int = 1 << 20) throws(SnapshotError) {
            let source = try SnapshotSource(path: path)
            index = try ConsentIndex(
                source,
                configuration: .init(
                    initialCapacity: 10, maxCapacity: 1 << 20, profileLimit: profileLimit, hugePages: false))
            var mark = Self.mark(7)
            mark.lastSequence = 9
            mark.leafHash = [UInt8](repeating: 3, count: 32)
            #expect(source.mark == mark)
        }

        /// Compares every contact point, in every cell that any of them has, and some that are unknown.
        func compare(_ comment: Comment) {
            #expect(index.recipientCount == model.count, comment)
            var wrong = 0
            for (key, contact) in model {
                let channel = UInt8(1 + numbers.below(8))
                let purpose = UInt8(1 + numbers.below(63))
                for place in [.init(channel: channel, purpose: purpose)] + contact.cells.keys {
                    let found = index.outcome(key, channel: place.channel, purpose: place.purpose)
                    if found != contact.outcome(channel: place.channel, purpose: place.purpose) { wrong += 1 }
                }
            }
            for _ in 0..<1_000 where index.contains(numbers.key()) { wrong += 1 }
            #expect(wrong == 0, comment)
        }
    }

    struct Spoiled: Error {}

    @Test("is loaded as it was written, and goes on", arguments: [1, 2, 3])
    func roundTrip(seed: UInt64) throws {
        let pair = try Pair(seed: seed, contactCount: seed == 1 ? 1 : 3_000)
        try pair.write(40_000)
        try pair.snapshot()
        let before = pair.index.statistics
        try pair.load()
        pair.compare("as loaded, seed \(seed)")
        #expect(pair.index.statistics.profiles == before.profiles)
        // Users were counted right: profiles that lose them are given back, and the table grows.
        try pair.write(60_000)
        pair.compare("after more writes, seed \(seed)")
        let distinct = Set(pair.model.values.map { $0.profile.record }).count
        #expect(pair.index.statistics.profiles == distinct)
    }

    @Test("an empty index has one too")
    func empty() throws {
        let pair = try Pair(seed: 4, contactCount: 3)
        try pair.snapshot()
        try pair.load()
        pair.compare("empty")
    }

    @Test("changes meanwhile are right once they are repeated", arguments: [5, 6, 7, 8])
    func cut(seed: UInt64) throws {
        let pair = try Pair(seed: seed, contactCount: 2_000, capacity: 200_000)
        try pair.write(60_000)
        var changed = Set<SlotKey>()
        try pair.snapshot { changed.formUnion(try pair.write(5_000)) }
        changed.formUnion(try pair.write(5_000))
        #expect(changed.count > 10_000)
        try pair.load()
        for key in changed { try pair.index.put(key, profile: try #require(pair.model[key]).profile) }
        pair.compare("after the cut, seed \(seed)")
        try pair.write(50_000)
        pair.compare("later, seed \(seed)")
        let distinct = Set(pair.model.values.map { $0.profile.record }).count
        #expect(pair.index.statistics.profiles == distinct)
    }

    @Test("growth and overflow end it, and nothing is left")
    func spoiled() throws {
        let growing = try Pair(seed: 9, contactCount: 10, capacity: 3_000)
        try growing.write(3_000)
        var copy = try growing.begin()
        try growing.write(20_000)
        #expect(copy?.step() == .spoiled)
        copy = nil
        let overflowing = try Pair(seed: 10, contactCount: 50, profileLimit: 10)
        copy = try overflowing.begin()
        try overflowing.write(300)
        #expect(copy?.step() == .spoiled)
        copy = nil
        #expect(try overflowing.begin() == nil)
        for folder in [growing.folder, overflowing.folder] {
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }

    @Test("a growth left halfway goes on without writes until one can be made", arguments: [11, 12, 13])
    func halfwayGrowth(seed: UInt64) throws {
        let pair = try Pair(seed: seed, contactCount: 10, capacity: 30_000)
        try pair.write(45_000)
        while try pair.begin() != nil { try pair.write(1) }
        while pair.index.continueGrowth() { pair.compare("halfway") }
        pair.compare("grown")
        try pair.snapshot()
        try pair.load()
        pair.compare("loaded")
    }

    @Test("one that is missing or too large is refused")
    func unfit() throws {
        let pair = try Pair(seed: 11, contactCount: 500)
        #expect(throws: SnapshotError.missing) { try pair.load() }
        try pair.write(2_000)
        try pair.snapshot()
        #expect(throws: SnapshotError.self) { try pair.load(profileLimit: 20) }
        try ConsentIndex.removeSnapshot(at: pair.path)
        try ConsentIndex.removeSnapshot(at: pair.path)
        #expect(throws: SnapshotError.missing) { try pair.load() }
    }

    @Test("every flipped byte and every cut is found")
    func damage() throws {
        let pair = try Pair(seed: 12, contactCount: 12)
        try pair.write(150)
        try pair.snapshot()
        let url = URL(fileURLWithPath: pair.path)
        let whole = try Data(contentsOf: url)
        func isRefused(_ bytes: Data) throws -> Bool {
            try bytes.write(to: url)
            do throws(SnapshotError) {
                _ = try Self.load(pair)
                return false
            } catch {
                if case .damaged = error { return true }
                Issue.record("\(error)")
                return true
            }
        }
        #expect(try !isRefused(whole))
        // The header's empty middle is one checksum like the rest of it, so some of it stands for all.
        let places = Array(0..<128) + stride(from: 128, to: 4_090, by: 97) + Array(4_090..<whole.count)
        for place in places {
            var bytes = whole
            bytes[place] ^= UInt8(1 << (place % 8))
            #expect(try isRefused(bytes), "byte \(place)")
        }
        for count in stride(from: 0, to: whole.count, by: 41) {
            #expect(try isRefused(whole.prefix(count)), "\(count) bytes")
        }
        #expect(try isRefused(whole + [0]))
    }

    @Test("right checksums over wrong contents are refused or harmless", arguments: 0..<300)
    func hostile(round: Int) throws {
        let pair = try Pair(seed: 13, contactCount: 12)
        try pair.write(150)
        try pair.snapshot()
        let url = URL(fileURLWithPath: pair.path)
        var bytes = [UInt8](try Data(contentsOf: url))
        var numbers = SeededGenerator(seed: UInt64(round))
        for _ in 0...numbers.below(3) {
            bytes[4_096 + numbers.below(bytes.count - 4_096 - 8)] = UInt8(numbers.below(256))
        }
        Self.repairSums(&bytes)
        try Data(bytes).write(to: url)
        // Whatever it says, to read and to go on is safe.
        guard let index = try? Self.load(pair) else { return }
        for key in pair.keys { _ = index.outcome(key, channel: 1, purpose: UInt8(1 + numbers.below(63))) }
        for key in pair.keys { try index.put(key, profile: pair.contacts[numbers.below(12)].profile) }
    }

    private static func load(_ pair: Pair) throws(SnapshotError) -> ConsentIndex {
        try ConsentIndex(
            SnapshotSource(path: pair.path),
            configuration: .init(initialCapacity: 10, maxCapacity: 1_000, hugePages: false))
    }

    /// Makes the checksums of a file of one chunk of entries and one of profiles fit its contents.
    private static func repairSums(_ bytes: inout [UInt8]) {
        func number(_ offset: Int) -> Int { (0..<8).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } }
        func sum(_ range: Range<Int>) -> UInt32 {
            Array(bytes[range]).withUnsafeBytes { consent_crc32c(0, $0.baseAddress, $0.count) }
        }
        func store(_ sum: UInt32, _ offset: Int) {
            for byte in 0..<4 { bytes[offset + byte] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * byte)) }
        }
        let profiles = 4_096 + number(96) * 16
        let sums = profiles + number(104)
        store(sum(4_096..<profiles), sums)
        store(sum(profiles..<sums), sums + 4)
        store(sum(sums..<sums + 8), 112)
        store(sum(0..<4_092), 4_092)
    }
}
