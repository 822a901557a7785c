// Goal: a proof file verifies with the public key alone, survives the way through JSON, and any altered part
// is named as the first thing wrong. Method: a small log made here, one part of its proof altered at a time.

import ConsentClient
import ConsentDomain
import ConsentProof
import Testing

@Suite struct ProofFileTests {
    static let address = "anne@example.org"
    static let key = LogSigningKey(seed: Array(repeating: 7, count: 32)) ?? LogSigningKey()

    /// A log of five events whose third is a grant of `address`, and the proof of that grant.
    static func proof() throws -> ProofFile {
        let notice = Notice(
            locale: "fr-FR", text: "J'accepte.", channels: ChannelSet([.email]),
            purposes: PurposeSet(rawValue: 2),
            controllers: [ControllerID(rawValue: 7)])
        let opening = Array(repeating: UInt8(5), count: 32)
        let contact = try ContactAddress(kind: .email, text: address, region: nil)
        let commitment = RecipientKeyring.addressCommitment(
            opening: opening, kind: .email, normalised: contact.normalised)
        var leaves: [[UInt8]] = []
        var personal: [UInt8] = []
        for sequence in 1...5 as ClosedRange<UInt64> {
            var event = ConsentEvent(
                kind: .grant, occurredAt: Timestamp(microseconds: 1_000),
                recordedAt: Timestamp(microseconds: 2_000))
            event.sequence = sequence
            event.controller = ControllerID(rawValue: 7)
            event.contactKind = .email
            event.channels = ChannelSet([.email])
            event.purposes = PurposeSet(rawValue: 2)
            event.notice = notice.id
            event.noticeOrdinal = 1
            let part = PersonalPart(
                key: RecipientKey(low: sequence, high: 2), eventID: EventID(low: sequence, high: 4),
                contentMAC: EventID(low: 5, high: 6), addressCommitment: commitment)
            event.attach(part, salt: Array(repeating: UInt8(sequence), count: 16))
            if sequence == 3 { personal = part.encoded }
            leaves.append(event.leaf)
        }
        func subtree(_ level: Int, _ index: UInt64) -> TreeHash {
            if level == 0 { return TreeHash.leaf(leaves[Int(index)]) }
            return TreeHash.node(subtree(level - 1, index * 2), subtree(level - 1, index * 2 + 1))
        }
        let path = MerkleProof.inclusion(leafIndex: 2, treeSize: 5, subtree: subtree)
        let root = TreeHash.node(subtree(2, 0), subtree(0, 4))
        let head = try SignedHead(
            treeSize: 5, root: root, time: 3_000, incarnation: Array(repeating: 1, count: 16), key: key)
        let document = JSON.members([
            "format": .string(ProofFile.format), "leaf": .string(leaves[2].hexadecimal),
            "personal": .string(personal.hexadecimal),
            "salt": .string(Array(repeating: UInt8(3), count: 16).hexadecimal),
            "opening": .string(opening.hexadecimal), "notice": .string(notice.encoded.hexadecimal),
            "path": .array(path.map { .string($0.bytes.hexadecimal) }), "head": ProofFile.json(head),
        ])
        return try ProofFile(parsing: Array(document.pretty.utf8))
    }

    @Test func aGoodProof() throws {
        let proof = try Self.proof()
        let proven = try proof.verify(key: Self.key.publicKey, address: " Anne@EXAMPLE.org ")
        #expect(proven.event.sequence == 3)
        #expect(proven.notice?.text == "J'accepte.")
        #expect(proven.isAddressProven)
        let again = try ProofFile(parsing: Array(proof.json(event: .null).line.utf8))
        #expect(again == proof)
    }

    @Test func anErasedPersonalPart() throws {
        var proof = try Self.proof()
        proof.personal = []
        proof.salt = []
        #expect(try proof.verify(key: Self.key.publicKey).event.personal == nil)
        #expect(throws: ProofFailure.address("the personal part was erased")) {
            try proof.verify(key: Self.key.publicKey, address: Self.address)
        }
    }

    @Test func everyAlteredPartIsNamed() throws {
        let other = LogSigningKey(seed: Array(repeating: 8, count: 32)) ?? LogSigningKey()
        let good = try Self.proof()
        #expect(
            throws: ProofFailure.otherKey(
                found: Self.key.publicKey.keyID.hexadecimal, expected: other.publicKey.keyID.hexadecimal)
        ) { try good.verify(key: other.publicKey) }
        let table: [(String, (inout ProofFile) -> Void, (ProofFailure) -> Bool)] = [
            ("signature", { $0.head.signature[9] ^= 1 }, { $0 == .signature }),
            ("tree size", { $0.head.treeSize += 1 }, { $0 == .signature }),
            ("time", { $0.head.time += 1 }, { $0 == .signature }),
            ("root", { $0.head.root = .emptyTree }, { $0 == .signature }),
            ("leaf time", { $0.leaf[16] ^= 1 }, { $0 == .path }),
            ("leaf cut", { $0.leaf.removeLast(40) }, { if case .leaf = $0 { true } else { false } }),
            ("path", { $0.path[0][0] ^= 1 }, { $0 == .path }),
            ("path short", { $0.path.removeLast() }, { $0 == .path }),
            ("path long", { $0.path.append($0.path[0]) }, { $0 == .path }),
            ("personal", { $0.personal[20] ^= 1 }, { if case .personal = $0 { true } else { false } }),
            ("salt", { $0.salt[0] ^= 1 }, { if case .personal = $0 { true } else { false } }),
            (
                "notice", { $0.notice[$0.notice.count - 1] ^= 1 },
                { if case .notice = $0 { true } else { false } }
            ),
            ("no notice", { $0.notice = [] }, { if case .notice = $0 { true } else { false } }),
            ("opening", { $0.opening[0] ^= 1 }, { $0 == .otherAddress }),
        ]
        for (name, alter, isRight) in table {
            var proof = good
            alter(&proof)
            do {
                _ = try proof.verify(key: Self.key.publicKey, address: Self.address)
                Issue.record("\(name): verified")
            } catch {
                #expect(isRight(error), "\(name): \(error)")
            }
        }
        #expect(throws: ProofFailure.otherAddress) {
            try good.verify(key: Self.key.publicKey, address: "anna@example.org")
        }
    }

    @Test func filesThatAreNoProofs() throws {
        let text = try Self.proof().json(event: .null).line
        for (old, new) in [
            ("consentd proof 1", "consentd proof 2"), ("\"leaf\":\"", "\"leaf\":\"g"),
            ("\"path\":[\"", "\"path\":[\"00"),
            ("\"treeSize\":5", "\"treeSize\":-5"), ("\"root\":\"", "\"root\":\"00"), ("}", ""),
        ] {
            #expect(throws: ProofFailure.self, "\(new)") {
                try ProofFile(parsing: Array(text.replacing(old, with: new).utf8))
            }
        }
    }
}
