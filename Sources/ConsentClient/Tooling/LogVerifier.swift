// What exports, dumps and journals have in common when they are verified: a head, events as canonical bytes
// with their paths, and the words beside them.
//
// Invariant: the given public keys are all that is trusted. The words of an event are written anew from its
// bytes, and from the catalogue that proven events make, and must be those of the file.

import ConsentDomain
import ConsentProof
import ConsentWire

/// Verifies events against one head.
struct LogVerifier {
    let head: SignedHead
    /// The key that signed the head, and that seals the file.
    let key: LogPublicKey
    /// What the proven events of the catalogue made so far.
    private(set) var catalogue = Catalogue()

    /// An event whose bytes hold together, with what its words are checked against.
    struct Found {
        var event: ConsentEvent
        var opening: [UInt8]
        var path: [[UInt8]]
    }

    /// Reads a head, checks its words and its signature.
    init(head json: JSON?, keys: [LogPublicKey]) throws(VerificationFailure) {
        guard let encoded = json?["encoded"]?.text.flatMap([UInt8].init(hexadecimal:)),
            let head = try? SignedHead(decoding: encoded)
        else { throw .wrong("the head cannot be read: encoded is not a signed head in hexadecimal digits") }
        let words = JSONValue.members([
            "treeSize": .unsigned(head.treeSize), "root": .hex(head.root.bytes),
            "time": .integer(head.time), "incarnation": .hex(head.incarnation), "keyId": .hex(head.keyID),
            "signature": .hex(head.signature), "encoded": .hex(head.encoded),
        ])
        try Self.compare(json ?? .null, words, "head")
        try HeadFile(head: head, since: 0, consistency: []).verify(keys: keys)
        guard let key = keys.first(where: { $0.keyID == head.keyID }) else { throw .wrong("no key fits") }
        self.head = head
        self.key = key
    }

    /// Reads the event of a line or element: its bytes must be those of the log.
    func event(_ json: JSON) throws(VerificationFailure) -> Found {
        let proof = json["proof"] ?? .null
        let event = try Self.event(bytes: proof)
        guard let elements = proof["path"]?.elements, elements.count <= MerkleProof.hashCountMax else {
            throw .wrong("proof.path is not a list of at most \(MerkleProof.hashCountMax) hashes")
        }
        var path: [TreeHash] = []
        for element in elements {
            guard let hash = element.text.flatMap([UInt8].init(hexadecimal:)).flatMap({ TreeHash($0) }) else {
                throw .wrong("proof.path holds something else than hashes of 64 hexadecimal digits")
            }
            path.append(hash)
        }
        guard event.sequence > 0, event.sequence <= head.treeSize,
            MerkleProof.verifyInclusion(
                leafHash: .leaf(event.leaf), leafIndex: event.sequence - 1, treeSize: head.treeSize,
                root: head.root, proof: path)
        else { throw .wrong("the path does not lead from the leaf to the head: one of them was altered") }
        return Found(event: event, opening: try Self.bytes(proof, "opening"), path: path.map(\.bytes))
    }

    /// Takes in a proven event of the catalogue.
    mutating func apply(_ event: ConsentEvent) throws(VerificationFailure) {
        do throws(CanonicalFormError) { try catalogue.apply(event) } catch { throw .wrong("\(error)") }
    }

    /// Compares the words of an event with its bytes.
    /// - Parameter first: members that stand before those of the event.
    func checkWords(
        _ json: JSON, _ found: Found, first: [JSONValue.Member] = []
    ) throws(VerificationFailure) {
        let proof = EventText.proof(found.event, opening: found.opening, path: found.path)
        let words = first + EventText.event(found.event, catalogue) + [.init("proof", proof)]
        try Self.compare(json, .object(words))
    }

    // MARK: Parts

    /// An event from its canonical bytes: the personal part and the payload must be those that its leaf
    /// commits to.
    static func event(bytes json: JSON) throws(VerificationFailure) -> ConsentEvent {
        let leaf = try bytes(json, "leaf")
        var event: ConsentEvent
        do throws(CanonicalFormError) { event = try ConsentEvent(leaf: leaf) } catch {
            throw .wrong("\(error)")
        }
        let personal = try bytes(json, "personal")
        if !personal.isEmpty {
            do throws(CanonicalFormError) {
                event.personal = try PersonalPart(decoding: personal)
            } catch {
                throw .wrong("\(error)")
            }
            event.salt = try bytes(json, "salt")
            guard event.isCommitted else {
                throw .wrong("the personal part is not the one that the leaf commits to")
            }
        }
        let payload = try bytes(json, "payload")
        if let digest = event.payloadDigest, digest != .sha256(payload) {
            throw .wrong("the payload is not the one that the leaf names")
        }
        event.payload = payload
        return event
    }

    static func bytes(_ json: JSON, _ name: String) throws(VerificationFailure) -> [UInt8] {
        guard let bytes = json[name]?.text.flatMap([UInt8].init(hexadecimal:)) else {
            throw .wrong("\(name) is not hexadecimal digits")
        }
        return bytes
    }

    /// Compares what a file says with what it should say.
    static func compare(
        _ found: JSON, _ expected: JSONValue, _ path: String = ""
    ) throws(VerificationFailure) {
        guard let value = JSONValue(found) else { throw .wrong("\(path) holds a fraction") }
        guard let difference = JSONDifference.between(found: value, expected: expected, path: path) else {
            return
        }
        throw .wrong("\(difference)")
    }
}
