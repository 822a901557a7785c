// Goal: what the fuzzers found stays mended, and what they reached stays reached, without their build.
// Method: each file of tools/fuzz/corpus and tools/fuzz/failures goes through the same function as under
// libFuzzer; so do the seeds, and mutations of them that follow from a printed seed. The mutators must get
// past the checksums, and a planted fault must be found. `make fuzz` is the long form.

import Foundation
import FuzzTargets
import TestRandomness
import Testing
import WireProtocol

/// A target by its name.
struct Subject: CustomTestStringConvertible, Sendable {
    let target: any FuzzTarget.Type
    var testDescription: String { target.name }

    static let all = FuzzTargets.all.map(Subject.init)
}

@Suite("Fuzzing without the fuzzer")
struct ReplayTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The inputs that the repository keeps.
    private static func kept(_ folder: String, _ name: String) throws -> [(name: String, bytes: [UInt8])] {
        let place = root.appending(path: "tools/fuzz/\(folder)/\(name)")
        guard FileManager.default.fileExists(atPath: place.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: place.path).sorted().map {
            ($0, [UInt8](try Data(contentsOf: place.appending(path: $0))))
        }
    }

    @Test("the corpus and the past failures break nothing", arguments: Subject.all)
    func replay(_ subject: Subject) throws {
        let corpus = try Self.kept("corpus", subject.target.name)
        var past = 0
        for input in try corpus + Self.kept("failures", subject.target.name) {
            do {
                if try subject.target.run(input.bytes.span.bytes).isPast { past += 1 }
            } catch {
                Issue.record("\(input.name): \(error)")
            }
        }
        #expect(corpus.count >= 10 && past >= 5, "\(corpus.count) inputs, \(past) of them past all checks")
    }

    @Test("every seed is read, and some of it is right", arguments: Subject.all)
    func seeds(_ subject: Subject) throws {
        let seeds = try subject.target.seeds(Samples(root: Self.root.path))
        let past = try seeds.count { try subject.target.run($0.span.bytes).isPast }
        #expect(past >= 1 && past <= seeds.count, "\(past) of \(seeds.count)")
    }

    @Test(
        "mutations get past the checksums, and break nothing",
        arguments: [FrameTarget.name, SnapshotTarget.name])
    func repair(_ name: String) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let target = try #require(FuzzTargets.named(name))
        var inputs = try target.seeds(Samples(root: Self.root.path))
        var past = 0
        let rounds = 2_000
        for _ in 0..<rounds {
            let place = random.below(inputs.count)
            var input = inputs[place]
            var changes = SeededGenerator(seed: random.next())
            target.mutate(&input, byteCountMax: 4_096, using: &random) { $0.change(within: $1, &changes) }
            if try target.run(input.span.bytes).isPast {
                past += 1
                inputs[place] = input
            }
        }
        #expect(past * 2 >= rounds, "\(past) of \(rounds) got past the checksums, seed \(seed)")
    }

    @Test("without repair hardly any mutation gets past the checksums")
    func withoutRepair() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let seeds = try FrameTarget.seeds(Samples(root: Self.root.path))
        var past = 0
        for _ in 0..<2_000 {
            // Options and cuts stay: they are the harness's own.
            let chosen = seeds[1 + random.below(seeds.count - 1)]
            let frame = chosen.dropFirst(2)
            var input = Array(frame.prefix(40))
            input.change(within: 40, &random)
            if input == Array(frame.prefix(40)) { continue }
            input = chosen.prefix(2) + input + frame.dropFirst(40)
            if try FrameTarget.run(input.span.bytes).isPast { past += 1 }
        }
        #expect(past < 200, "\(past) of 2000, seed \(seed)")
    }

    @Test("a planted fault is found by mutation alone", arguments: [FrameTarget.name, SnapshotTarget.name])
    func plantedFault(_ name: String) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let target = try #require(FuzzTargets.named(name))
        let seeds = try target.seeds(Samples(root: Self.root.path))
        var finding: Finding?
        for _ in 0..<20_000 where finding == nil {
            var input = seeds[random.below(seeds.count)]
            var changes = SeededGenerator(seed: random.next())
            target.mutate(&input, byteCountMax: 4_096, using: &random) { $0.change(within: $1, &changes) }
            do throws(Finding) {
                _ = try PlantedFault.run(target, input.span.bytes)
            } catch {
                finding = error
            }
        }
        #expect(finding?.description == "the planted fault of \(name)", "seed \(seed)")
    }

    @Test("each message has two bytes of its own, and each method its request")
    func tables() {
        #expect(Set(MessageTarget.tags).count == Wire.messages.count)
        #expect(Wire.Method.known.allSatisfy { FrameTarget.knows($0) })
    }
}

extension [UInt8] {
    /// What libFuzzer does, in small: a byte, a bit, a cut, a repetition.
    fileprivate mutating func change(within byteCountMax: Int, _ random: inout SeededGenerator) {
        for _ in 0...random.below(3) {
            let place = random.below(count + 1)
            switch random.below(5) {
            case 0 where place < count: self[place] = UInt8(random.below(256))
            case 1 where place < count: self[place] ^= 1 << UInt8(random.below(8))
            case 2: removeSubrange(place..<Swift.min(count, place + random.below(5)))
            case 3: insert(contentsOf: self[place..<Swift.min(count, place + random.below(30))], at: place)
            default: insert(UInt8(random.below(256)), at: place)
            }
        }
        if count > byteCountMax { removeLast(count - byteCountMax) }
    }
}
