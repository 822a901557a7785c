// Which of the single checks that wait become one CheckBatch: a pure rule.
//
// Why: one frame of a thousand questions costs the server a fraction of a thousand frames, and the callers
// did not have to change to get it. Each still gets the answer that it would have got alone: an answer that
// is indeterminate only because another caller asked for a newer sequence is asked for again.
//
//   positions   0 2 5 | 1 4 | 3        those of one key side by side, each in order
//   groups      0..<3  3..<5  5..<6    of `positions`: what is sent together
//
// One value serves a client for its whole life: it keeps its memory, so that dividing allocates nothing.
//
// Invariant: after `divide`, `positions` holds each position once and `groups` covers it without a gap.

import ConsentDomain

/// Groups checks by what a batch has in common.
package struct Coalescing {
    /// Most checks of one coalesced batch; more become several, so that answers come back while others are
    /// sent.
    static let itemsMax = 1_024

    /// Positions, those of one group side by side.
    package private(set) var positions: [Int32] = []
    /// What is sent together, as ranges of `positions`; a group of one is a single check.
    package private(set) var groups: [Range<Int>] = []

    /// For each position the number of its key, in order of appearance.
    private var numbers: [Int32] = []
    /// For each number its key, and where the next position of it goes.
    private var keyOf: [UInt64] = []
    private var next: [Int] = []
    /// Numbers by hash of their key, linear probing; -1: free.
    private var table: [Int32] = []

    /// Nothing divided yet.
    package init() {}

    /// What all items of a batch share, in one word: controller, channel, purpose, class, and how contacts
    /// are named.
    package static func groupKey(_ question: CheckQuestion, _ contact: Contact) -> UInt64 {
        let mode: UInt64 = if case .address = contact { 1 } else { 0 }
        return UInt64(question.controller.rawValue) << 32 | UInt64(question.channel.rawValue) << 24
            | UInt64(question.purpose.rawValue) << 16 | UInt64(question.purposeClass?.rawValue ?? 0) << 8
            | mode
    }

    /// Divides positions into groups that are sent together, in the order of their first members.
    ///
    /// - Parameters:
    ///   - keys: the group key of each waiting check.
    ///   - min: groups smaller than this fall apart into single checks.
    ///   - max: no group is larger.
    package mutating func divide(_ keys: [UInt64], min: Int, max: Int) {
        groups.removeAll(keepingCapacity: true)
        number(keys)
        place(keys.count)
        let least = Swift.max(min, 2)
        var start = 0
        for end in next {
            while start < end {
                let stop = Swift.min(start + max, end)
                if stop - start >= least {
                    groups.append(start..<stop)
                } else {
                    for position in start..<stop { groups.append(position..<position + 1) }
                }
                start = stop
            }
        }
    }

    /// Numbers the keys, and counts each in `next`.
    private mutating func number(_ keys: [UInt64]) {
        numbers.removeAll(keepingCapacity: true)
        keyOf.removeAll(keepingCapacity: true)
        next.removeAll(keepingCapacity: true)
        var size = 16
        while size < 2 * keys.count { size *= 2 }
        if table.count < size {
            table = Array(repeating: -1, count: size)
        } else {
            for slot in 0..<size { table[slot] = -1 }
        }
        for key in keys {
            // Fibonacci hashing: callers choose the keys, but can only slow themselves down.
            var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & (size - 1)
            while table[slot] >= 0 && keyOf[Int(table[slot])] != key { slot = (slot + 1) & (size - 1) }
            if table[slot] < 0 {
                table[slot] = Int32(keyOf.count)
                keyOf.append(key)
                next.append(0)
            }
            numbers.append(table[slot])
            next[Int(table[slot])] += 1
        }
    }

    /// Puts each position behind those of its number. `next` goes from counts to ends.
    private mutating func place(_ count: Int) {
        var start = 0
        for number in next.indices {
            let members = next[number]
            next[number] = start
            start += members
        }
        while positions.count < count { positions.append(0) }
        positions.removeLast(positions.count - count)
        for position in 0..<count {
            let number = Int(numbers[position])
            positions[next[number]] = Int32(truncatingIfNeeded: position)
            next[number] += 1
        }
    }
}
