// Goal: heads and proofs of a register hold for anyone who has the public key, before and after flush and
// restart. Method: 1,100 events (four complete blocks and a rest); proofs between sizes around the block
// edges are verified with the functions of ConsentProof alone.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Testing

@Suite struct RegisterProofTests {
    private static let sizes: [UInt64] = [1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1023, 1024, 1025, 1100]

    @Test(arguments: [false, true])
    func proofsAroundTheEdgesOfBlocks(flushedAndReopened: Bool) throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 1)
        var roots: [TreeHash] = [TreeHash.emptyTree]
        var frontier = MerkleFrontier()
        var leaves: [TreeHash] = []
        for index in 0..<1_100 {
            let leaf = TreeHash.leaf(try test.register.stage(maker.random(people: 30)).event.leaf)
            leaves.append(leaf)
            frontier.append(leafHash: leaf)
            roots.append(frontier.root)
            if index % 64 == 63 { try test.register.commit() }
        }
        try test.register.commit()
        if flushedAndReopened {
            while try !test.register.flushDerived(budget: .seconds(1)) {}
            try test.reopen()
        }
        let register = try test.register
        let head = try register.signedHead(now: Timestamp(microseconds: 123))
        #expect(head.isSigned(by: test.keys.logKey.publicKey))
        #expect(head.treeSize == 1_100 && head.root == roots[1_100] && head.time == 123)
        #expect(head.incarnation == register.incarnation)
        for size in Self.sizes {
            #expect(try register.root(treeSize: size) == roots[Int(size)])
            for sequence in Self.sizes where sequence <= size {
                let proof = try register.inclusionProof(sequence: sequence, treeSize: size)
                #expect(
                    MerkleProof.verifyInclusion(
                        leafHash: leaves[Int(sequence) - 1], leafIndex: sequence - 1, treeSize: size,
                        root: roots[Int(size)], proof: proof), "\(sequence) in \(size)")
                let extends = try register.consistencyProof(from: sequence, to: size)
                #expect(
                    MerkleProof.verifyConsistency(
                        oldSize: sequence, oldRoot: roots[Int(sequence)], newSize: size,
                        newRoot: roots[Int(size)], proof: extends), "\(sequence) to \(size)")
            }
        }
        #expect(throws: RegisterError.outOfRange(requested: 1_101, last: 1_100)) {
            try register.inclusionProof(sequence: 1, treeSize: 1_101)
        }
        #expect(throws: RegisterError.outOfRange(requested: 0, last: 10)) {
            try register.inclusionProof(sequence: 0, treeSize: 10)
        }
        #expect(throws: RegisterError.outOfRange(requested: 11, last: 10)) {
            try register.consistencyProof(from: 11, to: 10)
        }
    }

    @Test func anEmptyRegisterHasAHead() throws {
        let test = try TestRegister()
        let head = try test.register.signedHead(now: .epoch)
        #expect(head.treeSize == 0 && head.root == TreeHash.emptyTree)
        #expect(head.isSigned(by: test.keys.logKey.publicKey))
        #expect(try test.register.flushDerived(budget: .zero))
        #expect(try test.register.events(after: 0, limit: 10).isEmpty)
    }
}
