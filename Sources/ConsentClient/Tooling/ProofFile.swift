// A proof as a file: JSON that anyone can keep, read and verify with nothing but the log's public key.
//
//   format "consentd proof 1"
//   leaf, personal, salt, opening, notice   hex; empty where there is none
//   path                                    list of 32-byte hashes in hex, lowest first
//   head                                    treeSize, root, time, incarnation, keyId, signature
//   event                                   what the leaf says, for people; verification never looks at it
//
// Invariant: `verify` trusts the key alone. Each step rests only on what the steps before it have shown.

import ConsentDomain
import ConsentProof

/// The parts of a proof.
package struct ProofFile: Hashable, Sendable {
    package static let format = "consentd proof 1"

    package var leaf: [UInt8]
    package var personal: [UInt8]
    package var salt: [UInt8]
    package var opening: [UInt8]
    package var notice: [UInt8]
    package var path: [[UInt8]]
    package var head: SignedHead

    /// The proof that a server returned.
    package init(_ proof: EventProof) {
        leaf = proof.leaf
        personal = proof.personal
        salt = proof.salt
        opening = proof.opening
        notice = proof.notice
        path = proof.path
        head = proof.head
    }

    // MARK: JSON

    /// The file's content.
    /// - Parameter event: what the leaf says, for people.
    package func json(event: JSON) -> JSON {
        .members([
            "format": .string(Self.format), "leaf": .string(leaf.hexadecimal),
            "personal": .string(personal.hexadecimal), "salt": .string(salt.hexadecimal),
            "opening": .string(opening.hexadecimal), "notice": .string(notice.hexadecimal),
            "path": .array(path.map { .string($0.hexadecimal) }), "head": Self.json(head), "event": event,
        ])
    }

    /// A signed head as JSON.
    package static func json(_ head: SignedHead) -> JSON {
        .members([
            "treeSize": .unsigned(head.treeSize), "root": .string(head.root.bytes.hexadecimal),
            "time": .string(Timestamp(microseconds: head.time).rfc3339),
            "timeMicroseconds": .integer(head.time), "incarnation": .string(head.incarnation.hexadecimal),
            "keyId": .string(head.keyID.hexadecimal), "signature": .string(head.signature.hexadecimal),
        ])
    }

    /// Reads a file's content.
    package init(parsing bytes: [UInt8]) throws(ProofFailure) {
        let document: JSON
        do throws(JSONError) { document = try JSON(parsing: bytes) } catch { throw .notAProof("\(error)") }
        guard document["format"]?.text == Self.format else {
            throw .notAProof("its format is not \"\(Self.format)\"")
        }
        leaf = try Self.bytes(document, "leaf")
        personal = try Self.bytes(document, "personal")
        salt = try Self.bytes(document, "salt")
        opening = try Self.bytes(document, "opening")
        notice = try Self.bytes(document, "notice")
        guard let elements = document["path"]?.elements, elements.count <= MerkleProof.hashCountMax else {
            throw .notAProof("path is not a list of at most \(MerkleProof.hashCountMax) hashes")
        }
        path = []
        for element in elements {
            guard let hash = element.text.flatMap([UInt8].init(hexadecimal:)), hash.count == 32 else {
                throw .notAProof("an element of path is not 64 hexadecimal digits")
            }
            path.append(hash)
        }
        head = try Self.head(document["head"] ?? .null)
    }

    /// Reads a signed head.
    package static func head(_ json: JSON) throws(ProofFailure) -> SignedHead {
        guard let treeSize = json["treeSize"]?.unsignedValue,
            let time = json["timeMicroseconds"]?.integerValue
        else {
            throw .notAProof("the head has no treeSize or no timeMicroseconds")
        }
        var bytes = SignedHead.label
        while bytes.count < 24 { bytes.append(0) }
        withUnsafeBytes(of: treeSize.littleEndian) { bytes.append(contentsOf: $0) }
        bytes += try Self.bytes(json, "root", count: 32)
        withUnsafeBytes(of: time.littleEndian) { bytes.append(contentsOf: $0) }
        bytes += try Self.bytes(json, "incarnation", count: 16)
        bytes += try Self.bytes(json, "keyId", count: 8)
        bytes += try Self.bytes(json, "signature", count: 64)
        do throws(ProofError) { return try SignedHead(decoding: bytes) } catch {
            throw .notAProof("\(error)")
        }
    }

    private static func bytes(_ json: JSON, _ key: String, count: Int? = nil) throws(ProofFailure) -> [UInt8]
    {
        guard let text = json[key]?.text, let bytes = [UInt8](hexadecimal: text),
            count == nil || bytes.count == count
        else {
            throw .notAProof("\(key) is not \(count.map { "\($0 * 2) " } ?? "")hexadecimal digits")
        }
        return bytes
    }
}

/// The first thing that is wrong with a proof.
package enum ProofFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file cannot be read as a proof.
    case notAProof(String)
    /// The head was signed by another key.
    case otherKey(found: String, expected: String)
    /// The head's signature is wrong.
    case signature
    /// The leaf cannot be read.
    case leaf(String)
    /// The path does not lead from the leaf to the head's root.
    case path
    /// The personal part is not the one that the leaf commits to.
    case personal(String)
    /// The notice is not the one that the leaf names.
    case notice(String)
    /// The event is about another address.
    case otherAddress
    /// The address cannot be compared.
    case address(String)

    package var description: String {
        switch self {
        case .notAProof(let why): "this is not a proof file: \(why)"
        case .otherKey(let found, let expected):
            "the head is signed by key \(found), not by the given key \(expected)"
        case .signature: "the head's signature is wrong: the head was altered"
        case .leaf(let why): "the leaf cannot be read: \(why)"
        case .path:
            "the path does not lead from the leaf to the head: the leaf, the path or the head was altered"
        case .personal(let why): "the personal part is not the one that the log commits to: \(why)"
        case .notice(let why): "the notice is not the one that the log names: \(why)"
        case .otherAddress: "the event is about another address"
        case .address(let why): "the address cannot be compared: \(why)"
        }
    }
}

/// What a proof has shown.
package struct ProvenEvent: Sendable {
    /// The event as the leaf states it, with its personal part where that is there.
    package var event: ConsentEvent
    /// The notice that the person was shown.
    package var notice: Notice?
    /// Whether the address was compared.
    package var isAddressProven: Bool
}

extension ProofFile {
    /// Verifies the proof offline.
    ///
    /// - Parameters:
    ///   - key: the log's public key.
    ///   - address: also show that the event is about this address; nil: don't.
    ///   - region: region whose national phone numbers are understood.
    /// - Throws: the first thing that is wrong.
    package func verify(
        key: LogPublicKey, address: String? = nil, region: PhoneRegion? = nil
    ) throws(ProofFailure) -> ProvenEvent {
        guard head.keyID == key.keyID else {
            throw .otherKey(found: head.keyID.hexadecimal, expected: key.keyID.hexadecimal)
        }
        guard head.isSigned(by: key) else { throw .signature }
        var event: ConsentEvent
        do throws(CanonicalFormError) {
            event = try ConsentEvent(leaf: leaf)
        } catch {
            throw .leaf("\(error)")
        }
        let hashes = path.compactMap { TreeHash($0) }
        guard event.sequence > 0, event.sequence <= head.treeSize,
            MerkleProof.verifyInclusion(
                leafHash: TreeHash.leaf(leaf), leafIndex: event.sequence - 1, treeSize: head.treeSize,
                root: head.root, proof: hashes)
        else { throw .path }
        try attachPersonalPart(to: &event)
        let notice = try noticeShown(event)
        if let address { try compare(address, with: event, region: region) }
        return ProvenEvent(event: event, notice: notice, isAddressProven: address != nil)
    }

    private func attachPersonalPart(to event: inout ConsentEvent) throws(ProofFailure) {
        guard !personal.isEmpty else { return }
        guard let commitment = event.commitment else { throw .personal("the leaf commits to none") }
        guard Digest32.sha256(salt, personal) == commitment else {
            throw .personal("its hash is another one")
        }
        do throws(CanonicalFormError) {
            event.personal = try PersonalPart(decoding: personal)
            event.salt = salt
        } catch {
            throw .personal("\(error)")
        }
    }

    private func noticeShown(_ event: ConsentEvent) throws(ProofFailure) -> Notice? {
        guard let id = event.notice else {
            guard notice.isEmpty else { throw .notice("the leaf names none") }
            return nil
        }
        guard !notice.isEmpty else { throw .notice("it is missing from the file") }
        guard Digest32.sha256(notice) == id else { throw .notice("its hash is another one") }
        do throws(CanonicalFormError) { return try Notice(decoding: notice) } catch {
            throw .notice("\(error)")
        }
    }

    private func compare(
        _ address: String, with event: ConsentEvent, region: PhoneRegion?
    ) throws(ProofFailure) {
        guard let personal = event.personal, let kind = event.contactKind else {
            throw .address("the personal part was erased")
        }
        guard !opening.isEmpty else { throw .address("the file carries no opening") }
        let contact: ContactAddress
        do throws(AddressError) {
            contact = try ContactAddress(kind: kind, text: address, region: region)
        } catch {
            throw .address("\(error)")
        }
        let commitment = RecipientKeyring.addressCommitment(
            opening: opening, kind: kind, normalised: contact.normalised)
        guard commitment == personal.addressCommitment else { throw .otherAddress }
    }
}
