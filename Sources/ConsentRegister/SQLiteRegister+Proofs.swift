// Heads and proofs. What a proof rests on is read from the events again and must lead to the roots in
// memory, so that a changed event is found out and never proven.

import ConsentDomain
import ConsentProof

extension SQLiteRegister {
    /// The head of the log, signed at a time.
    public func signedHead(now: Timestamp) throws(RegisterError) -> SignedHead {
        do {
            return try SignedHead(
                treeSize: lastSequence, root: tree.root, time: now.microseconds, incarnation: incarnation,
                key: logKey)
        } catch {
            throw .corrupt("\(error)")
        }
    }

    /// Root of the tree of the first events.
    public func root(treeSize: UInt64) throws(RegisterError) -> TreeHash {
        guard treeSize <= lastSequence else { throw .outOfRange(requested: treeSize, last: lastSequence) }
        var peaks: [TreeHash] = []
        for level in (0..<64).reversed() where treeSize >> UInt64(level) & 1 == 1 {
            peaks.append(try subtree(level, (treeSize >> UInt64(level)) - 1))
        }
        guard let frontier = MerkleFrontier(leafCount: treeSize, peaks: peaks) else {
            throw .corrupt("the log's tree of \(treeSize) events")
        }
        return frontier.root
    }

    /// The proof that an event is in the tree of that many events.
    public func inclusionProof(sequence: UInt64, treeSize: UInt64) throws(RegisterError) -> [TreeHash] {
        guard treeSize <= lastSequence else { throw .outOfRange(requested: treeSize, last: lastSequence) }
        guard sequence >= 1, sequence <= treeSize else {
            throw .outOfRange(requested: sequence, last: treeSize)
        }
        try checkLeaf(sequence)
        return try MerkleProof.inclusion(leafIndex: sequence - 1, treeSize: treeSize, subtree: subtree)
    }

    /// The proof that an event that was just read is in the tree of a head: the path must lead from the
    /// event's own leaf to the head's root. Proofs of neighbours cost little more than one.
    public func inclusionProof(of event: ConsentEvent, head: SignedHead) throws(RegisterError) -> [TreeHash] {
        guard head.treeSize <= lastSequence, event.sequence >= 1, event.sequence <= head.treeSize else {
            throw .outOfRange(requested: event.sequence, last: min(head.treeSize, lastSequence))
        }
        let index = event.sequence - 1
        let path = try MerkleProof.inclusion(leafIndex: index, treeSize: head.treeSize, subtree: subtree)
        guard
            MerkleProof.verifyInclusion(
                leafHash: .leaf(event.leaf), leafIndex: index, treeSize: head.treeSize, root: head.root,
                proof: path)
        else { throw .corrupt("event \(event.sequence) was changed") }
        return path
    }

    /// The proof that the tree of `newSize` events extends the one of `oldSize`.
    public func consistencyProof(from oldSize: UInt64, to newSize: UInt64) throws(RegisterError) -> [TreeHash]
    {
        guard newSize <= lastSequence else { throw .outOfRange(requested: newSize, last: lastSequence) }
        guard oldSize <= newSize else { throw .outOfRange(requested: oldSize, last: newSize) }
        return try MerkleProof.consistency(from: oldSize, to: newSize, subtree: subtree)
    }

    /// Makes sure that an event's leaf is the one that the tree has.
    public func checkLeaf(_ sequence: UInt64) throws(RegisterError) {
        guard sequence >= 1, sequence <= lastSequence else {
            throw .outOfRange(requested: sequence, last: lastSequence)
        }
        let block = (sequence - 1) / UInt64(LogTree.blockLeafCount)
        if block < tree.blockCount {
            // What was read before may have changed since.
            recentBlocks = []
            _ = try blockTree(block)
        } else {
            let stored = try leafHashes(after: sequence - 1, to: sequence)
            let place = Int(sequence - 1 - block * UInt64(LogTree.blockLeafCount))
            guard stored == [tree.tail[place]] else { throw .corrupt("event \(sequence) was changed") }
        }
    }

    /// The canonical form of a notice, whose SHA-256 is its id; nil where it is unknown.
    public func noticeBytes(_ id: NoticeID) -> [UInt8]? { committedCatalogue.notices[id]?.encoded }

    // MARK: Parts

    private func subtree(_ level: Int, _ index: UInt64) throws(RegisterError) -> TreeHash {
        try tree.subtree(level: level, index: index) { block throws(RegisterError) in
            try blockTree(block)
        }
    }

    /// The subtrees of a complete block, made from its events.
    private func blockTree(_ block: UInt64) throws(RegisterError) -> BlockTree {
        if let place = recentBlocks.firstIndex(where: { $0.block == block }) {
            let recent = recentBlocks.remove(at: place)
            recentBlocks.append(recent)
            return recent.tree
        }
        let first = block * UInt64(LogTree.blockLeafCount)
        let made = BlockTree(
            leaves: try leafHashes(after: first, to: first + UInt64(LogTree.blockLeafCount)))
        guard made.root == tree.blockRoot(block) else {
            throw .corrupt(
                "one of the events \(first + 1) to \(first + UInt64(LogTree.blockLeafCount)) was changed")
        }
        // A stream of proofs under one head needs the block of its event and that of the head's end in turn.
        if recentBlocks.count == Self.recentBlocksMax { recentBlocks.removeFirst() }
        recentBlocks.append((block, made))
        return made
    }

    /// Leaf hashes of the events after one and up to another, made from what is stored.
    func leafHashes(after first: UInt64, to last: UInt64) throws(RegisterError) -> [TreeHash] {
        statements.getLeaves.bind(1, sequence: first)
        statements.getLeaves.bind(2, sequence: last)
        defer { statements.getLeaves.reset() }
        var hashes: [TreeHash] = []
        while try statements.getLeaves.step("reading events") {
            guard statements.getLeaves.sequence(0) == first + UInt64(hashes.count) + 1 else { break }
            hashes.append(TreeHash.leaf(statements.getLeaves.bytes(1)))
        }
        guard UInt64(hashes.count) == last - first else {
            throw .corrupt("event \(first + UInt64(hashes.count) + 1) is missing")
        }
        return hashes
    }
}
