// Which of the single checks that wait become one CheckBatch: a pure rule.
//
// Why: one frame of a thousand questions costs the server a fraction of a thousand frames, and the callers
// did not have to change to get it. Each still gets the answer that it would have got alone: an answer that
// is indeterminate only because another caller asked for a newer sequence is asked for again.

import ConsentDomain

/// Groups checks by what a batch has in common.
package enum Coalescing {
    /// Most checks of one coalesced batch; more become several, so that answers come back while others are
    /// sent.
    static let itemsMax = 1_024

    /// What all items of a batch share, in one word: controller, channel, purpose, class, and how contacts
    /// are named.
    package static func groupKey(_ question: CheckQuestion, _ contact: Contact) -> UInt64 {
        let mode: UInt64 = if case .address = contact { 1 } else { 0 }
        return UInt64(question.controller.rawValue) << 32 | UInt64(question.channel.rawValue) << 24
            | UInt64(question.purpose.rawValue) << 16 | UInt64(question.purposeClass?.rawValue ?? 0) << 8
            | mode
    }

    /// Splits positions into groups that are sent together, in the order of their first members.
    ///
    /// - Parameters:
    ///   - keys: the group key of each waiting check.
    ///   - min: groups smaller than this fall apart into single checks.
    ///   - max: no group is larger.
    /// - Returns: positions; a group of one is a single check.
    package static func groups(_ keys: [UInt64], min: Int, max: Int) -> [[Int]] {
        guard let first = keys.first else { return [] }
        let least = Swift.max(min, 2)
        if keys.count < least { return keys.indices.map { [$0] } }
        if !keys.contains(where: { $0 != first }) { return cut(Array(keys.indices), min: least, max: max) }
        var order: [UInt64] = []
        var members: [UInt64: [Int]] = [:]
        for (position, key) in keys.enumerated() {
            if members[key] == nil { order.append(key) }
            members[key, default: []].append(position)
        }
        return order.flatMap { cut(members[$0] ?? [], min: least, max: max) }
    }

    private static func cut(_ positions: [Int], min: Int, max: Int) -> [[Int]] {
        var groups: [[Int]] = []
        for start in stride(from: 0, to: positions.count, by: max) {
            let part = Array(positions[start..<Swift.min(start + max, positions.count)])
            if part.count >= min { groups.append(part) } else { groups.append(contentsOf: part.map { [$0] }) }
        }
        return groups
    }
}
