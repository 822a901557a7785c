// The index's flat snapshot: whatever a file says, an index that was filled from it is sound.
//
//     116 bytes   the header, as far as it says something (IndexSnapshot.swift)
//     u32         the header's checksum
//     the rest    entries, profiles, sums
//
// The zeros of the header are put in when the file is made, so that no input is spent on them.

import ConsentDomain
import ConsentIndex
import TestRandomness

/// Loading a snapshot, and using the index that comes of it.
package enum SnapshotTarget: FuzzTarget {
    package static let name = "snapshot"

    package static func run(_ input: RawSpan) throws(Finding) -> Outcome {
        let form = SnapshotForm(input.array)
        let index: ConsentIndex?
        do {
            index = try form.withFile { path throws(SnapshotError) in
                try ConsentIndex(
                    SnapshotSource(path: path),
                    configuration: IndexConfiguration(
                        initialCapacity: 10, maxCapacity: 4_096, profileLimit: 100, hugePages: false))
            }
        } catch {
            guard !error.description.isEmpty else { throw Finding("refused, and nothing is said of it") }
            index = nil
        }
        if let index { try use(index, form) }
        return Outcome(isPast: index != nil || form.isSealed)
    }

    /// Reads every cell of every contact point, and goes on to write.
    private static func use(_ index: ConsentIndex, _ form: SnapshotForm) throws(Finding) {
        guard index.recipientCount == form.entries.count else {
            throw Finding("\(index.recipientCount) contact points of \(form.entries.count) entries")
        }
        for key in form.entries {
            guard index.contains(key) else { throw Finding("an entry that is not found") }
            for channel in UInt8(1)...8 {
                for purpose in UInt8(1)...63 {
                    guard index.outcome(key, channel: channel, purpose: purpose) != nil else {
                        throw Finding("an entry without an outcome")
                    }
                }
            }
        }
        let keys = Array(Set(form.entries)) + [SlotKey(low: 1, high: 1)]
        for key in keys {
            do throws(IndexError) {
                try index.put(key, profile: known)
            } catch {
                continue
            }
            guard let outcome = index.outcome(key, channel: 3, purpose: 9), outcome.code == known.record[2]
            else {
                throw Finding("a contact point that was put does not answer")
            }
        }
        index.publish(sequence: 1)
    }

    /// A record without cells, whose other purposes have code 4.
    private static let known = ContactProfile(record: [0, 0, 4, 0, 8, 0, 0, 0], anchorDay: 0)

    // MARK: Input

    /// Changes all of it, or what follows the header alone; then mostly repairs what keeps damage out.
    package static func mutate(
        _ input: inout [UInt8], byteCountMax: Int, using random: inout SeededGenerator, _ mutation: Mutation
    ) {
        var form = SnapshotForm(input)
        if input.count > SnapshotForm.headBytes, random.below(4) != 0 {
            var rest = Array(input[SnapshotForm.headBytes...])
            mutation(&rest, max(0, byteCountMax - SnapshotForm.headBytes))
            form.bytes = Array(input.prefix(SnapshotForm.headBytes)) + rest
        } else {
            mutation(&form.bytes, byteCountMax)
        }
        if random.below(16) != 0 { form.repair(byteCountMax: byteCountMax, using: &random) }
        input = Array(form.bytes.prefix(byteCountMax))
    }

    package static func seeds(_ samples: Samples) -> [[UInt8]] {
        var random = SeededGenerator(seed: 1)
        return (0..<4).map { count in
            var form = SnapshotForm([])
            form.fill(profiles: Array(repeating: known.record, count: count), entriesOfEach: count)
            form.repair(byteCountMax: 1 << 16, using: &random, isSure: true)
            return form.bytes
        }
    }

    /// Two contact points that share a profile.
    package static func isPlanted(_ input: RawSpan, _ outcome: Outcome) -> Bool {
        guard outcome.isPast else { return false }
        let form = SnapshotForm(input.array)
        return form.entries.count == 2 && form.isSealed && Set(form.references).count == 1
    }
}
