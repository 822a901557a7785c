// Inclusion and consistency proofs: made as RFC 6962 section 2.1 defines them, verified as RFC 9162 section
// 2.1 spells it out.
//
// A proof is made from the hashes of perfect subtrees alone, which the caller provides by (level, index):
// the subtree of 2^level leaves that begins at leaf index × 2^level. A caller may keep what levels it
// likes.

/// Proofs about a tree.
public enum MerkleProof {
    /// No proof is longer than this: one hash a level, and one more for consistency.
    public static let hashCountMax = 65

    /// Makes the proof that a leaf is in the tree, the hash nearest to the leaf first.
    /// - Parameters:
    ///   - leafIndex: from 0, less than `treeSize`.
    ///   - subtree: hash of the perfect subtree at (level, index); asked only for subtrees inside the tree.
    /// - Precondition: `leafIndex < treeSize`.
    public static func inclusion<Failure: Error>(
        leafIndex: UInt64, treeSize: UInt64, subtree: (Int, UInt64) throws(Failure) -> TreeHash
    ) throws(Failure) -> [TreeHash] {
        precondition(leafIndex < treeSize)
        var fromRoot: [TreeHash] = []
        var low: UInt64 = 0
        var high = treeSize
        while high - low > 1 {
            let middle = low + split(high - low)
            if leafIndex < middle {
                fromRoot.append(try rangeHash(middle, high, subtree))
                high = middle
            } else {
                fromRoot.append(try rangeHash(low, middle, subtree))
                low = middle
            }
        }
        return fromRoot.reversed()
    }

    /// Makes the proof that the tree of `newSize` leaves extends the one of `oldSize`.
    ///
    /// Empty where the sizes are equal or the old tree has no leaves.
    /// - Precondition: `oldSize <= newSize`.
    public static func consistency<Failure: Error>(
        from oldSize: UInt64, to newSize: UInt64, subtree: (Int, UInt64) throws(Failure) -> TreeHash
    ) throws(Failure) -> [TreeHash] {
        precondition(oldSize <= newSize)
        if oldSize == 0 || oldSize == newSize { return [] }
        var fromRoot: [TreeHash] = []
        var low: UInt64 = 0
        var high = newSize
        // Until the old tree ends where the range ends; while `low` is 0 there, the verifier knows that hash.
        while high != oldSize {
            let middle = low + split(high - low)
            if oldSize <= middle {
                fromRoot.append(try rangeHash(middle, high, subtree))
                high = middle
            } else {
                fromRoot.append(try rangeHash(low, middle, subtree))
                low = middle
            }
        }
        if low != 0 { fromRoot.append(try rangeHash(low, high, subtree)) }
        return fromRoot.reversed()
    }

    /// The root that a leaf and its proof lead to.
    /// - Returns: nil where the proof has not the length that the position asks for.
    public static func root(
        leafHash: TreeHash, leafIndex: UInt64, treeSize: UInt64, proof: [TreeHash]
    ) -> TreeHash? {
        guard leafIndex < treeSize, proof.count <= hashCountMax else { return nil }
        var index = leafIndex
        var last = treeSize - 1
        var hash = leafHash
        for sibling in proof {
            guard last != 0 else { return nil }
            if index & 1 == 1 || index == last {
                hash = TreeHash.node(sibling, hash)
                while index & 1 == 0 && index != 0 {
                    index >>= 1
                    last >>= 1
                }
            } else {
                hash = TreeHash.node(hash, sibling)
            }
            index >>= 1
            last >>= 1
        }
        return last == 0 ? hash : nil
    }

    /// Whether the proof shows that the leaf is in the tree with this root.
    public static func verifyInclusion(
        leafHash: TreeHash, leafIndex: UInt64, treeSize: UInt64, root: TreeHash, proof: [TreeHash]
    ) -> Bool {
        self.root(leafHash: leafHash, leafIndex: leafIndex, treeSize: treeSize, proof: proof) == root
    }

    /// Whether the proof shows that the new tree extends the old one.
    public static func verifyConsistency(
        oldSize: UInt64, oldRoot: TreeHash, newSize: UInt64, newRoot: TreeHash, proof: [TreeHash]
    ) -> Bool {
        guard oldSize <= newSize, proof.count <= hashCountMax else { return false }
        if oldSize == newSize { return proof.isEmpty && oldRoot == newRoot }
        if oldSize == 0 { return proof.isEmpty && oldRoot == TreeHash.emptyTree }
        var rest = proof[...]
        if oldSize.nonzeroBitCount == 1 { rest = [oldRoot] + rest }
        guard let first = rest.popFirst() else { return false }
        var old = oldSize - 1
        var new = newSize - 1
        while old & 1 == 1 {
            old >>= 1
            new >>= 1
        }
        var oldHash = first
        var newHash = first
        for sibling in rest {
            guard new != 0 else { return false }
            if old & 1 == 1 || old == new {
                oldHash = TreeHash.node(sibling, oldHash)
                newHash = TreeHash.node(sibling, newHash)
                while old & 1 == 0 && old != 0 {
                    old >>= 1
                    new >>= 1
                }
            } else {
                newHash = TreeHash.node(newHash, sibling)
            }
            old >>= 1
            new >>= 1
        }
        return new == 0 && oldHash == oldRoot && newHash == newRoot
    }

    // MARK: Parts

    /// The largest power of two less than `count`, for `count` of 2 or more.
    private static func split(_ count: UInt64) -> UInt64 {
        1 << UInt64(63 - (count - 1).leadingZeroBitCount)
    }

    /// Hash of leaves low..<high, where `low` is a multiple of the largest power of two within their count.
    private static func rangeHash<Failure: Error>(
        _ low: UInt64, _ high: UInt64, _ subtree: (Int, UInt64) throws(Failure) -> TreeHash
    ) throws(Failure) -> TreeHash {
        let count = high - low
        if count.nonzeroBitCount == 1 {
            let level = count.trailingZeroBitCount
            return try subtree(level, low >> UInt64(level))
        }
        let middle = low + split(count)
        let left = try rangeHash(low, middle, subtree)
        return TreeHash.node(left, try rangeHash(middle, high, subtree))
    }
}
