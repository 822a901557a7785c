// Goal: a byte that changed on the disk, or a file that lost its end, is found, or changes no answer: never
// is an answer wrong, and never does the process trap.
// Method: a small register with derived rows and events that are not in them yet, its backup, and the files
// of one that was cut off with a write-ahead log; seeded flips of single bits and bytes, and all lengths of
// the last 64 KiB in steps; each time every answer is compared with what it was before. A change in the log
// makes SQLite take it for ended there: that commits are missing is told by the mark beside the database.
// The index snapshot has its own test (SnapshotTests). CONSENTD_CORRUPT_FLIPS, CONSENTD_CORRUPT_STEP and
// CONSENTD_CORRUPT_SEED lengthen and repeat it.

import ConsentDomain
import ConsentRegister
import Foundation
import TestRandomness
import Testing

@Suite struct CorruptionTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test func noChangedByteGivesAWrongAnswer() throws {
        let seed = Self.number("CONSENTD_CORRUPT_SEED") ?? UInt64.random(in: 1...1_000_000)
        let flips = Int(Self.number("CONSENTD_CORRUPT_FLIPS") ?? 100)
        let step = Int(Self.number("CONSENTD_CORRUPT_STEP") ?? 1_499)
        var (changes, found, harmless) = (0, 0, 0)
        for target in CorruptionTrial.Target.allCases {
            var trial = try CorruptionTrial(target, seed: seed)
            var random = SeededGenerator(seed: seed)
            for _ in 0..<flips {
                let place = random.below(trial.byteCount)
                // One bit as often as any other byte.
                let change = random.below(2) == 0 ? UInt8(1 << random.below(8)) : UInt8(1 + random.below(255))
                try trial.open("byte \(place) with \(change)") { $0[place] ^= change }
            }
            let lengths = stride(
                from: 1, through: min(64 << 10, trial.byteCount), by: min(step, trial.byteCount / 9))
            for length in lengths {
                try trial.open("without the last \(length) bytes") { $0.removeLast(length) }
            }
            for finding in trial.findings { Issue.record("\(finding) (\(target), seed \(seed))") }
            #expect(trial.foundCount > 0, "nothing was found: the test shows nothing")
            changes += flips + Array(lengths).count
            found += trial.foundCount
            harmless += trial.harmlessCount
        }
        print("corrupt: \(changes) changes, \(found) found, \(harmless) without effect, 0 wrong")
    }

    @Test func aWrongAnswerIsFoundOut() throws {
        var trial = try CorruptionTrial(.database, seed: 5)
        // The client's name in events that nothing but their page covers.
        trial.sealsAgain = true
        let client = Array("test".utf8)
        var place = 0
        while trial.findings.isEmpty, let next = trial.place(of: client, after: place) {
            try trial.open("byte \(next)") { $0[next] ^= 1 }
            place = next
        }
        #expect(!trial.findings.isEmpty, "a changed event is not seen: the comparison is blind")
    }

    @Test func withoutTheMarkACutLogIsNotFound() throws {
        var trial = try CorruptionTrial(.log, seed: 5)
        try trial.open("without its second half") { $0.removeLast($0.count / 2) }
        #expect(trial.foundCount == 1 && trial.findings.isEmpty, "the mark tells")
        trial.leavesOutMark = true
        try trial.open("without its second half") { $0.removeLast($0.count / 2) }
        #expect(!trial.findings.isEmpty, "events that are missing are not seen: the comparison is blind")
    }
}
