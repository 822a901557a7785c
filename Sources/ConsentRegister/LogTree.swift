// The log's tree in memory: all subtrees of 256 leaves and more, and the leaves after the last complete
// block.
//
// 40,000 hashes for ten million events. Smaller subtrees of complete blocks are made anew from the events
// when a proof needs them, which also shows whether the events are still what was hashed.
//
// Invariant: levels[k] holds the complete subtrees of 2^(8 + k) leaves; `tail` the leaves after them, less
// than 256.

import ConsentProof

/// The tree of RFC 6962 over all committed events.
struct LogTree {
    /// A block has 2^8 leaves.
    static let blockLevel = 8
    static let blockLeafCount = 256

    private(set) var levels: [[TreeHash]] = [[]]
    private(set) var tail: [TreeHash] = []
    private var tailFrontier = MerkleFrontier()

    /// Number of complete blocks.
    var blockCount: UInt64 { UInt64(levels[0].count) }
    /// Number of leaves.
    var leafCount: UInt64 { blockCount << UInt64(Self.blockLevel) + UInt64(tail.count) }

    /// Root of a complete block.
    func blockRoot(_ block: UInt64) -> TreeHash { levels[0][Int(block)] }

    /// Appends a leaf by its hash.
    mutating func append(leafHash: TreeHash) {
        tail.append(leafHash)
        tailFrontier.append(leafHash: leafHash)
        if tail.count == Self.blockLeafCount {
            let root = tailFrontier.root
            tail.removeAll(keepingCapacity: true)
            tailFrontier = MerkleFrontier()
            append(blockRoot: root)
        }
    }

    /// Appends a complete block by its root.
    /// - Precondition: there are no leaves after the last complete block.
    mutating func append(blockRoot: TreeHash) {
        precondition(tail.isEmpty)
        var hash = blockRoot
        var level = 0
        while true {
            if level == levels.count { levels.append([]) }
            levels[level].append(hash)
            guard levels[level].count % 2 == 0 else { return }
            hash = TreeHash.node(levels[level][levels[level].count - 2], hash)
            level += 1
        }
    }

    /// Root of the tree.
    var root: TreeHash {
        var peaks: [TreeHash] = []
        for level in levels.indices.reversed() where blockCount >> UInt64(level) & 1 == 1 {
            peaks.append(levels[level][Int(blockCount >> UInt64(level)) - 1])
        }
        peaks.append(contentsOf: tailFrontier.peaks)
        guard let frontier = MerkleFrontier(leafCount: leafCount, peaks: peaks) else {
            preconditionFailure("a tree of \(leafCount) leaves has \(peaks.count) peaks")
        }
        return frontier.root
    }

    /// Hash of a perfect subtree.
    /// - Parameter leaves: gives the leaf hashes of a complete block.
    func subtree(
        level: Int, index: UInt64, leaves: (UInt64) throws(RegisterError) -> [TreeHash]
    ) throws(RegisterError) -> TreeHash {
        if level >= Self.blockLevel { return levels[level - Self.blockLevel][Int(index)] }
        let block = index >> UInt64(Self.blockLevel - level)
        let inBlock = Int(index << UInt64(level) - block << UInt64(Self.blockLevel))
        let hashes = block < blockCount ? try leaves(block) : tail
        return Self.root(of: hashes[inBlock..<inBlock + 1 << level])
    }

    /// Root of leaves by their hashes.
    static func root(of leaves: ArraySlice<TreeHash>) -> TreeHash {
        var frontier = MerkleFrontier()
        for leaf in leaves { frontier.append(leafHash: leaf) }
        return frontier.root
    }
}
