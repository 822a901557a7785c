// The log's tree in memory: all subtrees of 256 leaves and more, and the leaves after the last complete
// block.
//
// 40,000 hashes for ten million events. Smaller subtrees of complete blocks are made anew from the events
// when a proof needs them, which also shows whether the events are still what was hashed.
//
// Invariant: levels[k] holds the complete subtrees of 2^(8 + k) leaves; tailLevels[k] those of 2^k leaves
// after them, which are less than 256 leaves.

import ConsentProof

/// The tree of RFC 6962 over all committed events.
struct LogTree {
    /// A block has 2^8 leaves.
    static let blockLevel = 8
    static let blockLeafCount = 256

    private(set) var levels: [[TreeHash]] = [[]]
    private var tailLevels = [[TreeHash]](repeating: [], count: blockLevel)

    /// The leaves after the last complete block.
    var tail: [TreeHash] { tailLevels[0] }
    /// Number of complete blocks.
    var blockCount: UInt64 { UInt64(levels[0].count) }
    /// Number of leaves.
    var leafCount: UInt64 { blockCount << UInt64(Self.blockLevel) + UInt64(tail.count) }

    /// Root of a complete block.
    func blockRoot(_ block: UInt64) -> TreeHash { levels[0][Int(block)] }

    /// Appends a leaf by its hash.
    mutating func append(leafHash: TreeHash) {
        var hash = leafHash
        for level in 0..<Self.blockLevel {
            tailLevels[level].append(hash)
            let count = tailLevels[level].count
            guard count % 2 == 0 else { return }
            hash = TreeHash.node(tailLevels[level][count - 2], hash)
        }
        for level in tailLevels.indices { tailLevels[level].removeAll(keepingCapacity: true) }
        append(blockRoot: hash)
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
        for level in tailLevels.indices.reversed() where tail.count >> level & 1 == 1 {
            peaks.append(tailLevels[level][(tail.count >> level) - 1])
        }
        guard let frontier = MerkleFrontier(leafCount: leafCount, peaks: peaks) else {
            preconditionFailure("a tree of \(leafCount) leaves has \(peaks.count) peaks")
        }
        return frontier.root
    }

    /// Hash of a perfect subtree.
    /// - Parameter blockTree: gives the subtrees of a complete block.
    func subtree(
        level: Int, index: UInt64, blockTree: (UInt64) throws(RegisterError) -> BlockTree
    ) throws(RegisterError) -> TreeHash {
        if level >= Self.blockLevel { return levels[level - Self.blockLevel][Int(index)] }
        let block = index >> UInt64(Self.blockLevel - level)
        let inBlock = Int(index - block << UInt64(Self.blockLevel - level))
        return block < blockCount
            ? try blockTree(block).levels[level][inBlock] : tailLevels[level][inBlock]
    }
}

/// All subtrees of one complete block.
struct BlockTree {
    /// levels[k] holds those of 2^k leaves.
    let levels: [[TreeHash]]

    /// - Parameter leaves: 256 leaf hashes.
    init(leaves: [TreeHash]) {
        var levels = [leaves]
        while let last = levels.last, last.count > 1 {
            levels.append(stride(from: 0, to: last.count - 1, by: 2).map { .node(last[$0], last[$0 + 1]) })
        }
        self.levels = levels
    }

    /// Root of the block.
    var root: TreeHash { levels[levels.count - 1][0] }
}
