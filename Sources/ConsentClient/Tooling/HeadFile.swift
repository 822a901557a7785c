// A head file: a signed head of the log and, where it was asked for, the proof that it extends an older one.
//
//   format "consentd head 1"
//   head          treeSize, root, time, incarnation, keyId, signature
//   since         size of the older log; 0: no proof
//   consistency   list of 32-byte hashes in hex
//
// Invariant: two heads are called consistent only if both are signed by given keys and the proof leads from
// the older root to the newer one, or both have one size and one root.

import ConsentDomain
import ConsentProof

/// A head with its consistency proof.
package struct HeadFile: Hashable, Sendable {
    package static let format = "consentd head 1"

    package var head: SignedHead
    package var since: UInt64
    package var consistency: [[UInt8]]

    package init(head: SignedHead, since: UInt64, consistency: [[UInt8]]) {
        self.head = head
        self.since = since
        self.consistency = consistency
    }

    /// A head that a server returned.
    /// - Parameter since: the size that its proof was asked from; 0: none.
    package init(_ head: LogHead, since: UInt64) {
        self.init(head: head.head, since: since, consistency: head.consistency)
    }

    /// The file's content.
    package var json: JSON {
        .members([
            "format": .string(Self.format), "head": ProofFile.json(head), "since": .unsigned(since),
            "consistency": .array(consistency.map { .string($0.hexadecimal) }),
        ])
    }

    /// Reads a file's content.
    package init(parsing document: JSON) throws(VerificationFailure) {
        guard document["format"]?.text == Self.format else {
            throw .unreadable("this is not a head file: its format is not \"\(Self.format)\"")
        }
        do throws(ProofFailure) { head = try ProofFile.head(document["head"] ?? .null) } catch {
            throw .unreadable("\(error)")
        }
        guard let since = document["since"]?.unsignedValue,
            let elements = document["consistency"]?.elements,
            elements.count <= 2 * MerkleProof.hashCountMax
        else { throw .unreadable("the head file has no since or no consistency") }
        self.since = since
        consistency = []
        for element in elements {
            guard let hash = element.text.flatMap([UInt8].init(hexadecimal:)), hash.count == 32 else {
                throw .unreadable("an element of consistency is not 64 hexadecimal digits")
            }
            consistency.append(hash)
        }
    }

    /// Verifies the head's signature offline.
    /// - Parameter keys: public keys of the log, those before a rotation included.
    package func verify(keys: [LogPublicKey]) throws(VerificationFailure) {
        guard let key = keys.first(where: { $0.keyID == head.keyID }) else {
            throw .wrong(
                "the head of \(head.treeSize) events is signed by key \(head.keyID.hexadecimal), not by a "
                    + "given key (" + keys.map(\.keyID.hexadecimal).joined(separator: ", ") + ")")
        }
        guard head.isSigned(by: key) else {
            throw .wrong("the signature of the head of \(head.treeSize) events is wrong: it was altered")
        }
    }

    /// Verifies that a newer head extends this one, both signatures first.
    package func verify(
        extendedBy newer: HeadFile, keys: [LogPublicKey]
    ) throws(VerificationFailure) {
        try verify(keys: keys)
        try newer.verify(keys: keys)
        let (oldSize, newSize) = (head.treeSize, newer.head.treeSize)
        guard oldSize <= newSize else {
            throw .unreadable("name the older head first: \(oldSize) events are more than \(newSize)")
        }
        guard head.time <= newer.head.time else {
            throw .wrong("the head of \(newSize) events is older than that of \(oldSize)")
        }
        if oldSize == newSize {
            guard head.root == newer.head.root else {
                throw .wrong("two heads of \(oldSize) events have other roots: there are two logs")
            }
            return
        }
        guard newer.since == oldSize else {
            throw .unreadable(
                "the newer head was not made with --since \(oldSize): its proof is from \(newer.since)")
        }
        guard
            MerkleProof.verifyConsistency(
                oldSize: oldSize, oldRoot: head.root, newSize: newSize, newRoot: newer.head.root,
                proof: newer.consistency.compactMap { TreeHash($0) })
        else {
            throw .wrong(
                "the log of \(newSize) events does not extend that of \(oldSize): events were changed, left "
                    + "out or put in")
        }
    }
}
