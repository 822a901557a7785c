// The keyed functions of a register's secrets: recipient keys, slot keys, references, commitments and tokens.
//
// Keys cannot be computed anew, since addresses are not kept. So a secret is never replaced: a later one
// begins a new epoch, under which contact points that are new get their keys. A contact point keeps the key
// of the epoch in which it was first seen; an address is looked up under each epoch. All else depends on the
// first secret alone.
//
// Each purpose has a subkey of its own, HMAC-SHA-256(secret, label), so that no output of one can stand for
// another. Invariant: without the secret nobody can compute a key, match two controllers' customers, or make
// a token.

import Crypto

/// Why a secret cannot be used.
public enum KeyringError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A secret has 16 or 32 bytes.
    case badSecretLength(Int)

    /// Says what is wrong and the remedy.
    public var description: String {
        switch self {
        case .badSecretLength(let count):
            "a recipient key secret has 32 bytes (or 16), not \(count): restore the key file of this register"
        }
    }
}

/// Makes and checks everything that depends on the secrets.
public struct RecipientKeyring: Sendable {
    /// Number of the newest epoch, under which new contact points get their keys.
    public var epoch: UInt16 { firstEpoch + UInt16(laterRecipients.count) }
    @usableFromInline let firstEpoch: UInt16
    @usableFromInline let recipient: SipHashKey
    /// Those of the epochs after the first, in order.
    @usableFromInline var laterRecipients: [SipHashKey] = []
    private let slot: SipHashKey
    private let reference: SipHashKey
    private let content: SipHashKey
    /// HMAC under the opening key, before any data: its key schedule costs as much as the rest.
    private let openingMAC: HMAC<SHA256>
    private let tokenKey: SymmetricKey
    /// 16 bytes an epoch by which a register notices another secret or another normalisation, under which
    /// every old refusal would become unfindable.
    public private(set) var checkValue: [UInt8]

    /// Bytes of a confirmation token: a sequence and 16 bytes of MAC.
    public static let tokenByteCount = 24

    /// - Parameters:
    ///   - secret: 32 random bytes (16 are accepted).
    ///   - epoch: number of the first epoch.
    public init(secret: [UInt8], epoch: UInt16) throws(KeyringError) {
        let master = try Master(secret)
        firstEpoch = epoch
        recipient = master.recipient
        slot = master.sipKey("consentd 1 slot constant")
        reference = master.sipKey("consentd 1 reference key")
        content = master.sipKey("consentd 1 content mac")
        openingMAC = HMAC(key: master.symmetricKey("consentd 1 opening"))
        tokenKey = master.symmetricKey("consentd 1 confirmation token")
        checkValue = master.checkValue
    }

    /// Begins the next epoch.
    /// - Parameter secret: 32 random bytes (16 are accepted).
    public mutating func beginEpoch(secret: [UInt8]) throws(KeyringError) {
        let master = try Master(secret)
        laterRecipients.append(master.recipient)
        checkValue += master.checkValue
    }

    /// What is derived of one secret.
    private struct Master {
        private let key: SymmetricKey

        init(_ secret: [UInt8]) throws(KeyringError) {
            guard secret.count == 32 || secret.count == 16 else { throw .badSecretLength(secret.count) }
            key = secret.withUnsafeBytes { SymmetricKey(data: $0) }
        }

        var recipient: SipHashKey { sipKey("consentd 1 recipient key") }

        var checkValue: [UInt8] {
            let key = symmetricKey("consentd 1 check value")
            return Array(RecipientKeyring.hmac(key: key, [Normalisation.selfTestDigest.bytes]).prefix(16))
        }

        func sipKey(_ label: String) -> SipHashKey {
            subkey(label).withUnsafeBytes {
                SipHashKey(
                    k0: UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
                    k1: UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
            }
        }

        func symmetricKey(_ label: String) -> SymmetricKey {
            subkey(label).withUnsafeBytes { SymmetricKey(data: $0) }
        }

        private func subkey(_ label: String) -> [UInt8] {
            RecipientKeyring.hmac(key: key, [Array(label.utf8)])
        }
    }

    // MARK: Keys; no allocation

    /// The key of a contact point under the newest epoch: SipHash-2-4-128 of controller (u32 little-endian) ‖
    /// kind (u8) ‖ bytes.
    /// - Parameter normalised: the normalised address.
    public func recipientKey(
        controller: ControllerID, kind: ContactKind, normalised: UnsafeRawBufferPointer
    ) -> RecipientKey {
        key(under: laterRecipients.last ?? recipient, controller, kind, normalised)
    }

    /// The key under which a contact point is found, or will be: that of the epoch in which it was first
    /// seen, which for one that is new is the newest.
    /// - Parameters:
    ///   - normalised: the normalised address.
    ///   - isKnown: whether something is on file at a slot. Not asked while there is one epoch.
    @inline(__always)
    public func home(
        controller: ControllerID, kind: ContactKind, normalised: UnsafeRawBufferPointer,
        isKnown: (SlotKey) -> Bool
    ) -> (key: RecipientKey, epoch: UInt16) {
        guard !laterRecipients.isEmpty else {
            return (key(under: recipient, controller, kind, normalised), firstEpoch)
        }
        return search(controller, kind, normalised, isKnown)
    }

    /// The same of an address that was normalised where there is room around it.
    /// - Parameters:
    ///   - normalised: the 8 bytes in front are overwritten, the 8 behind may be read.
    ///   - count: bytes of the normalised address.
    @inlinable @inline(__always)
    public func home(
        controller: ControllerID, kind: ContactKind, inRoom normalised: UnsafeMutableRawPointer, count: Int,
        isKnown: (SlotKey) -> Bool
    ) -> (key: RecipientKey, epoch: UInt16) {
        guard laterRecipients.isEmpty else {
            return search(
                controller, kind, UnsafeRawBufferPointer(start: normalised, count: count), isKnown)
        }
        let prefix = UInt64(controller.rawValue) | UInt64(kind.rawValue) &<< 32
        let (low, high) = recipient.hash(prefix: prefix, prefixCount: 5, inRoom: normalised, count: count)
        return (RecipientKey(low: low, high: high), firstEpoch)
    }

    @usableFromInline @inline(never)
    func search(
        _ controller: ControllerID, _ kind: ContactKind, _ normalised: UnsafeRawBufferPointer,
        _ isKnown: (SlotKey) -> Bool
    ) -> (key: RecipientKey, epoch: UInt16) {
        let constant = slotConstant(controller)
        var newest = key(under: recipient, controller, kind, normalised)
        if isKnown(SlotKey(newest, constant: constant)) { return (newest, firstEpoch) }
        for (place, later) in laterRecipients.enumerated() {
            newest = key(under: later, controller, kind, normalised)
            if isKnown(SlotKey(newest, constant: constant)) {
                return (newest, firstEpoch + UInt16(place) + 1)
            }
        }
        return (newest, epoch)
    }

    @inline(__always)
    private func key(
        under secret: SipHashKey, _ controller: ControllerID, _ kind: ContactKind,
        _ normalised: UnsafeRawBufferPointer
    ) -> RecipientKey {
        let prefix = UInt64(controller.rawValue) | UInt64(kind.rawValue) << 32
        let (low, high) = secret.hash(prefix: prefix, prefixCount: 5, normalised)
        return RecipientKey(low: low, high: high)
    }

    /// The constant that turns a controller's recipient keys into slot keys. Compute it once a batch.
    public func slotConstant(_ controller: ControllerID) -> SlotKey {
        let (low, high) = slot.hash(
            prefix: UInt64(controller.rawValue), prefixCount: 4, UnsafeRawBufferPointer(start: nil, count: 0))
        return SlotKey(low: low, high: high)
    }

    /// The slot key of a recipient key.
    public func slotKey(_ key: RecipientKey, controller: ControllerID) -> SlotKey {
        SlotKey(key, constant: slotConstant(controller))
    }

    /// The key under which the contact points of a customer reference are found.
    public func referenceKey(controller: ControllerID, _ text: String) -> RecipientKey {
        var text = text
        let (low, high) = text.withUTF8 {
            reference.hash(
                prefix: UInt64(controller.rawValue), prefixCount: 4, UnsafeRawBufferPointer($0))
        }
        return RecipientKey(low: low, high: high)
    }

    /// The MAC of a request's content: its event id where the caller gives none, and what tells a repeated
    /// event from another with the same id.
    public func contentMAC(_ bytes: UnsafeRawBufferPointer) -> EventID {
        let (low, high) = content.hash(bytes)
        return EventID(low: low, high: high)
    }

    /// The same of an array.
    public func contentMAC(_ bytes: [UInt8]) -> EventID { bytes.withUnsafeBytes { contentMAC($0) } }

    // MARK: Commitments

    /// The opening of an event's address commitment, 32 bytes; never stored, carried by proof files only.
    public func opening(_ event: EventID) -> [UInt8] {
        var mac = openingMAC
        mac.update(data: event.bytes)
        return mac.finalize().withUnsafeBytes { [UInt8]($0) }
    }

    /// SHA-256(opening ‖ kind ‖ normalised address).
    public static func addressCommitment(
        opening: [UInt8], kind: ContactKind, normalised: [UInt8]
    ) -> Digest32 {
        var input: [UInt8] = []
        input.reserveCapacity(opening.count + 1 + normalised.count)
        input += opening
        input.append(kind.rawValue)
        input += normalised
        return .sha256(input)
    }

    // MARK: Confirmation tokens

    /// The token that confirms a double opt-in: sequence (u64 little-endian) ‖ 16 bytes of
    /// HMAC-SHA-256(event id ‖ sequence).
    /// - Parameters:
    ///   - grant: id of the grant's event.
    ///   - sequence: sequence of the grant's event.
    public func confirmationToken(grant: EventID, sequence: UInt64) -> [UInt8] {
        let number = Self.bytes(of: sequence)
        return number + Self.hmac(key: tokenKey, [grant.bytes, number]).prefix(16)
    }

    /// The sequence that a token names, before it is verified; nil where it has not the size of a token.
    public static func sequence(ofToken token: [UInt8]) -> UInt64? {
        guard token.count == tokenByteCount else { return nil }
        return token.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    /// Whether a token is the one of a grant. Takes the same time wherever the first difference lies.
    public func verify(token: [UInt8], grant: EventID, sequence: UInt64) -> Bool {
        Self.equalInConstantTime(token, confirmationToken(grant: grant, sequence: sequence))
    }

    // MARK: Check value

    /// Whether a register that keeps this value was made with these secrets. It may lack the last ones: an
    /// epoch that began since.
    public func matches(checkValue other: [UInt8]) -> Bool {
        !other.isEmpty && other.count % 16 == 0 && checkValue.starts(with: other)
    }

    /// Compares bytes in a time that depends on their count alone.
    public static func equalInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    private static func bytes(of number: UInt64) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    private static func hmac(key: SymmetricKey, _ parts: [[UInt8]]) -> [UInt8] {
        var hmac = HMAC<SHA256>(key: key)
        for part in parts { hmac.update(data: part) }
        return hmac.finalize().withUnsafeBytes { Array($0) }
    }
}

extension SlotKey {
    /// A recipient key XOR its controller's constant.
    @inlinable @inline(__always)
    public init(_ key: RecipientKey, constant: SlotKey) {
        self.init(low: key.low ^ constant.low, high: key.high ^ constant.high)
    }
}

extension RecipientKeyring {
    /// The recipient key that stands at a slot of a controller.
    public func recipientKey(of slot: SlotKey, controller: ControllerID) -> RecipientKey {
        let constant = slotConstant(controller)
        return RecipientKey(low: slot.low ^ constant.low, high: slot.high ^ constant.high)
    }
}
