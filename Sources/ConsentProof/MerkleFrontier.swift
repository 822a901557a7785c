// The right edge of a growing tree: what must be kept to append leaves and to know the root.
//
// Invariant: `peaks` holds the hashes of the perfect subtrees that the leaves fall into, the largest first:
// one for each bit set in `leafCount`, so at most 64.

/// A tree of which only the right edge is kept.
public struct MerkleFrontier: Hashable, Sendable {
    /// Number of leaves appended.
    public private(set) var leafCount: UInt64 = 0
    /// Hashes of the perfect subtrees, the largest first.
    public private(set) var peaks: [TreeHash] = []

    /// A tree of no leaves.
    public init() {}

    /// A tree of which the right edge is known.
    /// - Returns: nil unless there is one peak for each bit set in `leafCount`.
    public init?(leafCount: UInt64, peaks: [TreeHash]) {
        guard peaks.count == leafCount.nonzeroBitCount else { return nil }
        self.leafCount = leafCount
        self.peaks = peaks
    }

    /// Appends a leaf by its hash: one node hash on average, at most one a level.
    public mutating func append(leafHash: TreeHash) {
        append(subtree: leafHash, level: 0)
    }

    /// Appends a perfect subtree of 2^level leaves.
    /// - Precondition: the leaves so far fill subtrees of that size.
    public mutating func append(subtree hash: TreeHash, level: Int) {
        precondition((0..<64).contains(level) && leafCount & ((1 << UInt64(level)) - 1) == 0)
        var hash = hash
        var carry = leafCount >> UInt64(level)
        while carry & 1 != 0, let left = peaks.popLast() {
            hash = TreeHash.node(left, hash)
            carry >>= 1
        }
        peaks.append(hash)
        leafCount += 1 << UInt64(level)
    }

    /// Root of the tree: the peaks joined from the right.
    public var root: TreeHash {
        guard var root = peaks.last else { return TreeHash.emptyTree }
        for peak in peaks.dropLast().reversed() { root = TreeHash.node(peak, root) }
        return root
    }
}
