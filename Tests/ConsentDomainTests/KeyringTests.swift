// Goal: keys differ by controller, kind and secret; nothing that one controller's client can compute lands on
// another controller's slot; tokens hold for their grant alone.
// Method: independent formulas, and every single change of an input.

import ConsentDomain
import Crypto
import Testing

struct KeyringTests {
    static let secret = (0..<32).map { UInt8($0) }

    static func keyring(_ secret: [UInt8] = secret) throws -> RecipientKeyring {
        try RecipientKeyring(secret: secret, epoch: 1)
    }

    static func key(_ keyring: RecipientKeyring, _ controller: UInt32, _ kind: ContactKind, _ text: String)
        -> RecipientKey
    {
        Array(text.utf8).withUnsafeBytes {
            keyring.recipientKey(controller: ControllerID(rawValue: controller), kind: kind, normalised: $0)
        }
    }

    /// The formula, written out with arrays: subkey, then SipHash of controller ‖ kind ‖ bytes.
    @Test func recipientKeyIsTheFormula() throws {
        let subkey = HMAC<SHA256>.authenticationCode(
            for: Array("consentd 1 recipient key".utf8), using: SymmetricKey(data: Self.secret)
        ).withUnsafeBytes { Array($0) }
        let words = EventID(bytes: Array(subkey.prefix(16)))
        let sip = SipHashKey(k0: words?.low ?? 0, k1: words?.high ?? 0)
        for text in ["", "a", "ab", "abc", "jean.dupont@example.com", "+33612345678"] {
            let message = [0x04, 0x03, 0x02, 0x01, 2] + Array(text.utf8)
            let expected = message.withUnsafeBytes { sip.hash($0) }
            let key = Self.key(try Self.keyring(), 0x0102_0304, .phone, text)
            #expect(key == RecipientKey(low: expected.low, high: expected.high))
        }
    }

    @Test func keysDifferByEverything() throws {
        let keyring = try Self.keyring()
        let other = try Self.keyring([UInt8](repeating: 7, count: 32))
        let keys = [
            Self.key(keyring, 1, .email, "a@b.fr"), Self.key(keyring, 2, .email, "a@b.fr"),
            Self.key(keyring, 1, .opaque, "a@b.fr"), Self.key(keyring, 1, .email, "a@c.fr"),
            Self.key(other, 1, .email, "a@b.fr"),
            keyring.referenceKey(controller: ControllerID(rawValue: 1), "a@b.fr"),
            keyring.referenceKey(controller: ControllerID(rawValue: 2), "a@b.fr"),
        ]
        #expect(Set(keys).count == keys.count)
    }

    @Test func anotherControllersKeyMissesTheSlot() throws {
        let keyring = try Self.keyring()
        let salons = (1...50).map { ControllerID(rawValue: $0) }
        var slots: Set<SlotKey> = []
        for salon in salons {
            let key = Self.key(keyring, salon.rawValue, .email, "a@b.fr")
            // The key of one salon asked about under each: the slot of the owner is reached by the owner
            // alone.
            for asked in salons { #expect(slots.insert(keyring.slotKey(key, controller: asked)).inserted) }
        }
        let key = Self.key(keyring, 3, .email, "a@b.fr")
        let constant = keyring.slotConstant(salons[2])
        #expect(keyring.slotKey(key, controller: salons[2]) == SlotKey(key, constant: constant))
        // Neither the constant of a slot nor that of another secret is a recipient key that Keys would give
        // out.
        #expect(constant != (try Self.keyring([UInt8](repeating: 7, count: 32))).slotConstant(salons[2]))
    }

    @Test func tokens() throws {
        let keyring = try Self.keyring()
        let grant = EventID(low: 5, high: 6)
        let token = keyring.confirmationToken(grant: grant, sequence: 77)
        #expect(token.count == RecipientKeyring.tokenByteCount)
        #expect(RecipientKeyring.sequence(ofToken: token) == 77)
        #expect(keyring.verify(token: token, grant: grant, sequence: 77))
        #expect(!keyring.verify(token: token, grant: grant, sequence: 78))
        #expect(!keyring.verify(token: token, grant: EventID(low: 5, high: 7), sequence: 77))
        #expect(
            !(try Self.keyring([UInt8](repeating: 7, count: 16))).verify(
                token: token, grant: grant, sequence: 77))
        for bit in 0..<token.count * 8 {
            var changed = token
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!keyring.verify(token: changed, grant: grant, sequence: 77), "bit \(bit)")
        }
        #expect(RecipientKeyring.sequence(ofToken: Array(token.dropLast())) == nil)
        #expect(!keyring.verify(token: [], grant: grant, sequence: 77))
    }

    @Test func commitmentsAndChecks() throws {
        let keyring = try Self.keyring()
        let event = EventID(low: 1, high: 2)
        #expect(keyring.opening(event).count == 32)
        #expect(keyring.opening(event) != keyring.opening(EventID(low: 1, high: 3)))
        let commitment = RecipientKeyring.addressCommitment(
            opening: [1, 2], kind: .email, normalised: Array("a@b.fr".utf8))
        #expect(commitment == .sha256([1, 2, 1] + Array("a@b.fr".utf8)))
        #expect(keyring.checkValue.count == 16)
        #expect(try keyring.checkValue == Self.keyring().checkValue)
        #expect(try keyring.checkValue != Self.keyring([UInt8](repeating: 7, count: 32)).checkValue)
        #expect(keyring.contentMAC([1]) != keyring.contentMAC([1, 0]))
    }

    @Test(arguments: [0, 15, 17, 31, 33, 64])
    func secretsOfAnotherLengthAreRefused(count: Int) {
        #expect(throws: KeyringError.badSecretLength(count)) {
            try RecipientKeyring(secret: [UInt8](repeating: 1, count: count), epoch: 0)
        }
    }
}
