// Goal: the tree, its frontier and both proofs are RFC 6962's. Method: the eight leaves that Certificate
// Transparency's own tests use, with their published roots and paths; then the RFC's recursive definitions,
// written down naively, for every size to 130 and every pair; then each proof broken in every way that a
// liar would try.

import ConsentProof
import Crypto
import Testing

private func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.utf8.map { UInt8($0 < 58 ? $0 - 48 : $0 - 87) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

private func hex(_ hash: TreeHash) -> String {
    hash.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

private let knownLeaves = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
].map(bytes)

private let knownRoots = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

/// The definitions of RFC 6962 section 2.1, as they stand there, over SHA-256 of byte arrays.
private enum Oracle {
    static func hash(_ input: [UInt8]) -> TreeHash { TreeHash([UInt8](SHA256.hash(data: input)))! }

    static func split(_ count: Int) -> Int {
        var k = 1
        while k * 2 < count { k *= 2 }
        return k
    }

    static func root(_ leaves: ArraySlice<[UInt8]>) -> TreeHash {
        guard let first = leaves.first else { return hash([]) }
        if leaves.count == 1 { return hash([0] + first) }
        let middle = leaves.startIndex + split(leaves.count)
        return hash([1] + root(leaves[..<middle]).bytes + root(leaves[middle...]).bytes)
    }

    static func path(_ m: Int, _ leaves: ArraySlice<[UInt8]>) -> [TreeHash] {
        if leaves.count == 1 { return [] }
        let k = split(leaves.count)
        let left = leaves[..<(leaves.startIndex + k)]
        let right = leaves[(leaves.startIndex + k)...]
        return m < k ? path(m, left) + [root(right)] : path(m - k, right) + [root(left)]
    }

    static func subproof(_ m: Int, _ leaves: ArraySlice<[UInt8]>, _ known: Bool) -> [TreeHash] {
        if m == leaves.count { return known ? [] : [root(leaves)] }
        let k = split(leaves.count)
        let left = leaves[..<(leaves.startIndex + k)]
        let right = leaves[(leaves.startIndex + k)...]
        return m <= k
            ? subproof(m, left, known) + [root(right)] : subproof(m - k, right, false) + [root(left)]
    }
}

/// All perfect subtrees of some leaves, by level.
private struct Tree {
    let levels: [[TreeHash]]

    init(_ leaves: [[UInt8]]) {
        var levels = [leaves.map { TreeHash.leaf($0) }]
        while levels[levels.count - 1].count > 1 {
            let below = levels[levels.count - 1]
            levels.append((0..<below.count / 2).map { TreeHash.node(below[2 * $0], below[2 * $0 + 1]) })
        }
        self.levels = levels
    }

    func subtree(level: Int, index: UInt64) -> TreeHash { levels[level][Int(index)] }
}

private let manyLeaves: [[UInt8]] = (0..<130).map { [UInt8(truncatingIfNeeded: $0), 7, UInt8($0 / 3)] }

@Suite struct MerkleTests {
    @Test func rootsOfTheKnownLeaves() {
        var frontier = MerkleFrontier()
        #expect(hex(frontier.root) == knownRoots[0])
        for (index, leaf) in knownLeaves.enumerated() {
            frontier.append(leafHash: TreeHash.leaf(leaf))
            #expect(hex(frontier.root) == knownRoots[index + 1])
            #expect(frontier.leafCount == UInt64(index + 1))
        }
    }

    @Test func pathsOfTheKnownLeaves() {
        let tree = Tree(knownLeaves)
        let first = MerkleProof.inclusion(leafIndex: 0, treeSize: 8, subtree: tree.subtree)
        #expect(
            first.map(hex) == [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ])
        let sixth = MerkleProof.inclusion(leafIndex: 5, treeSize: 8, subtree: tree.subtree)
        #expect(
            sixth.map(hex) == [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ])
        let extended = MerkleProof.consistency(from: 6, to: 8, subtree: tree.subtree)
        #expect(
            extended.map(hex) == [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ])
        let odd = MerkleProof.consistency(from: 2, to: 5, subtree: tree.subtree)
        #expect(
            odd.map(hex) == [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ])
    }

    @Test func everySizeAndLeafAgainstTheDefinition() {
        let tree = Tree(manyLeaves)
        var frontier = MerkleFrontier()
        for size in 1...manyLeaves.count {
            frontier.append(leafHash: TreeHash.leaf(manyLeaves[size - 1]))
            let leaves = manyLeaves[..<size]
            let root = Oracle.root(leaves)
            #expect(frontier.root == root, "size \(size)")
            for index in 0..<size {
                let proof = MerkleProof.inclusion(
                    leafIndex: UInt64(index), treeSize: UInt64(size), subtree: tree.subtree)
                // The naive path costs a whole tree; every third size is enough to meet each shape.
                if size % 3 == 0 || size < 20 { #expect(proof == Oracle.path(index, leaves)) }
                let leafHash = TreeHash.leaf(manyLeaves[index])
                #expect(
                    MerkleProof.verifyInclusion(
                        leafHash: leafHash, leafIndex: UInt64(index), treeSize: UInt64(size), root: root,
                        proof: proof))
            }
        }
    }

    @Test func everyPairOfSizesAgainstTheDefinition() {
        let tree = Tree(manyLeaves)
        let roots = (0...manyLeaves.count).map { Oracle.root(manyLeaves[..<$0]) }
        for new in 0...manyLeaves.count {
            for old in 0...new {
                let proof = MerkleProof.consistency(
                    from: UInt64(old), to: UInt64(new), subtree: tree.subtree)
                if old > 0, old < new, new % 5 == 0 || new < 24 {
                    #expect(proof == Oracle.subproof(old, manyLeaves[..<new], true), "\(old) to \(new)")
                }
                #expect(
                    MerkleProof.verifyConsistency(
                        oldSize: UInt64(old), oldRoot: roots[old], newSize: UInt64(new), newRoot: roots[new],
                        proof: proof),
                    "\(old) to \(new)")
            }
        }
    }

    @Test func aProofThatWasTouchedIsRefused() {
        let tree = Tree(manyLeaves)
        for size in [1, 2, 3, 7, 8, 65, 100, 130] {
            let root = Oracle.root(manyLeaves[..<size])
            for index in 0..<size {
                let proof = MerkleProof.inclusion(
                    leafIndex: UInt64(index), treeSize: UInt64(size), subtree: tree.subtree)
                func holds(_ leaf: Int, _ at: Int, _ of: Int, _ root: TreeHash, _ proof: [TreeHash]) -> Bool {
                    MerkleProof.verifyInclusion(
                        leafHash: TreeHash.leaf(manyLeaves[leaf]), leafIndex: UInt64(at),
                        treeSize: UInt64(of),
                        root: root, proof: proof)
                }
                #expect(!holds((index + 1) % 130, index, size, root, proof))
                #expect(!holds(index, size, size, root, proof), "an index outside the tree")
                #expect(!holds(index, index, 0, root, proof), "an empty tree")
                #expect(!holds(index, index, size, TreeHash.emptyTree, proof))
                #expect(!holds(index, index, size, root, proof + [root]), "too long")
                if !proof.isEmpty {
                    #expect(!holds(index, index, size, root, [TreeHash](proof.dropLast())), "too short")
                    #expect(!holds(index, index ^ 1, size, root, proof), "the sibling's place")
                }
                for place in proof.indices {
                    var touched = proof
                    touched[place] = TreeHash.leaf([9])
                    #expect(!holds(index, index, size, root, touched))
                }
            }
        }
    }

    @Test func aConsistencyProofThatWasTouchedIsRefused() {
        let tree = Tree(manyLeaves)
        for (old, new) in [(1, 2), (3, 7), (4, 7), (6, 8), (64, 130), (65, 130), (129, 130)] {
            let proof = MerkleProof.consistency(from: UInt64(old), to: UInt64(new), subtree: tree.subtree)
            let oldRoot = Oracle.root(manyLeaves[..<old])
            let newRoot = Oracle.root(manyLeaves[..<new])
            func holds(_ old: Int, _ oldRoot: TreeHash, _ newRoot: TreeHash, _ proof: [TreeHash]) -> Bool {
                MerkleProof.verifyConsistency(
                    oldSize: UInt64(old), oldRoot: oldRoot, newSize: UInt64(new), newRoot: newRoot,
                    proof: proof)
            }
            #expect(holds(old, oldRoot, newRoot, proof))
            #expect(!holds(old, newRoot, newRoot, proof))
            #expect(!holds(old, oldRoot, oldRoot, proof))
            #expect(!holds(old, oldRoot, newRoot, proof + [newRoot]))
            #expect(!holds(old, oldRoot, newRoot, [TreeHash](proof.dropLast())))
            #expect(!holds(old, oldRoot, newRoot, []))
            #expect(!holds(new + 1, oldRoot, newRoot, proof), "a tree that shrank")
            #expect(!holds(0, oldRoot, newRoot, []), "an old root that no empty tree has")
            for place in proof.indices {
                var touched = proof
                touched[place] = TreeHash.leaf([9])
                #expect(!holds(old, oldRoot, newRoot, touched))
            }
        }
    }

    @Test func aFrontierGrowsBySubtreesAndSurvivesBeingSaved() throws {
        let tree = Tree(manyLeaves)
        var bySubtree = MerkleFrontier()
        for index in 0..<4 {
            bySubtree.append(subtree: tree.subtree(level: 5, index: UInt64(index)), level: 5)
        }
        bySubtree.append(leafHash: tree.subtree(level: 0, index: 128))
        #expect(bySubtree.root == Oracle.root(manyLeaves[..<129]))
        let saved = try #require(MerkleFrontier(leafCount: bySubtree.leafCount, peaks: bySubtree.peaks))
        #expect(saved == bySubtree)
        #expect(MerkleFrontier(leafCount: 3, peaks: bySubtree.peaks + [saved.root]) == nil)
    }

    @Test func theLargestPositionsDoNotOverflow() {
        // The hashes are not of real leaves: only that lengths and shifts hold at the end of the range.
        let size = UInt64.max
        let some = TreeHash.leaf([1])
        let proof = MerkleProof.inclusion(leafIndex: size - 1, treeSize: size) { _, _ in some }
        let root = MerkleProof.root(leafHash: some, leafIndex: size - 1, treeSize: size, proof: proof)
        #expect(root != nil)
        let middle = MerkleProof.inclusion(leafIndex: size / 2, treeSize: size) { _, _ in some }
        #expect(middle.count == 64)
        let consistency = MerkleProof.consistency(from: size - 2, to: size) { _, _ in some }
        #expect(consistency.count <= MerkleProof.hashCountMax)
    }
}
