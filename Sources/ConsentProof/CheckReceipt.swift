// A receipt of a batch of checks: what the register answered to which question, and when, in 248 bytes.
//
// Little-endian. The signature covers bytes 0…183.
//
//      0 label "consentd receipt v1", 5 zero bytes     76 whole: 2 where nothing could be answered, else 0
//     24 u64 sequence that the answer reflects         77 3 zero bytes
//     32 i64 time, microseconds since the epoch        80 u64 minimum sequence asked for; 0: any
//     40 incarnation of the register 16 B              88 SHA-256 of the keys 32 B
//     56 key id 8 B                                   120 SHA-256 of the allow bitmap 32 B
//     64 u32 controller                               152 SHA-256 of the reasons 32 B
//     68 u8 channel                                   184 Ed25519 signature 64 B
//     69 u8 purpose
//     70 u8 class that the caller claimed; 0: none
//     71 zero byte
//     72 u32 count of contact points
//
// Keys: 16 bytes each, in the order of the question; zeros for an address that has none. Bitmap and reasons:
// as in the answer (bit i of byte i / 8; one byte each), whether or not reasons were asked for.
//
// The receipt holds no address and no key. Whoever keeps question and answer beside it can prove them.

import Crypto

/// A signed receipt.
public struct CheckReceipt: Hashable, Sendable {
    /// Every event up to this sequence was reflected.
    public var sequence: UInt64 = 0
    /// The server's time of the answer: microseconds since the Unix epoch.
    public var time: Int64 = 0
    /// 16 bytes: the register's incarnation.
    public var incarnation: [UInt8]
    /// 8 bytes: id of the key that signed.
    public private(set) var keyID: [UInt8]
    /// Number of the controller.
    public var controller: UInt32 = 0
    /// Number of the channel.
    public var channel: UInt8 = 0
    /// Number of the purpose.
    public var purpose: UInt8 = 0
    /// Class that the caller believed to send; 0: as catalogued.
    public var purposeClass: UInt8 = 0
    /// Contact points.
    public var count: UInt32 = 0
    /// 2 where nothing could be answered, else 0.
    public var whole: UInt8 = 0
    /// Minimum sequence that the caller asked for; 0: any.
    public var minimumSequence: UInt64 = 0
    /// SHA-256 of the keys, 32 bytes.
    public var keysDigest: [UInt8]
    /// SHA-256 of the allow bitmap, 32 bytes.
    public var allowDigest: [UInt8]
    /// SHA-256 of the reasons, 32 bytes.
    public var reasonsDigest: [UInt8]
    /// 64 bytes; empty before `sign`.
    public private(set) var signature: [UInt8] = []

    /// Number of bytes of the encoded form.
    public static let byteCount = 248
    /// Number of bytes that the signature covers.
    public static let signedByteCount = 184
    /// What the signed bytes begin with, the ending zero byte included.
    public static let label = [UInt8]("consentd receipt v1\0".utf8)

    /// A receipt that is not signed yet; the rest is set afterwards.
    /// - Parameters:
    ///   - incarnation: 16 bytes.
    ///   - keys: digest of the keys; 32 bytes, as the other two.
    public init(incarnation: [UInt8], keys: [UInt8], allow: [UInt8], reasons: [UInt8]) {
        precondition(incarnation.count == 16, "an incarnation has 16 bytes")
        precondition(keys.count == 32 && allow.count == 32 && reasons.count == 32, "a digest has 32 bytes")
        self.incarnation = incarnation
        keyID = [UInt8](repeating: 0, count: 8)
        keysDigest = keys
        allowDigest = allow
        reasonsDigest = reasons
    }

    /// Signs the receipt.
    public mutating func sign(by key: LogSigningKey) throws(ProofError) {
        keyID = key.publicKey.keyID
        signature = try key.signature(for: signedBytes)
    }

    /// Reads the encoded form. It is not verified.
    public init(decoding bytes: [UInt8]) throws(ProofError) {
        func isZero(_ range: Range<Int>) -> Bool { bytes[range].allSatisfy { $0 == 0 } }
        guard bytes.count == Self.byteCount, bytes.starts(with: Self.label),
            isZero(Self.label.count..<24), isZero(71..<72), isZero(77..<80)
        else { throw .notAReceipt(byteCount: bytes.count) }
        self.init(
            incarnation: [UInt8](bytes[40..<56]), keys: [UInt8](bytes[88..<120]),
            allow: [UInt8](bytes[120..<152]), reasons: [UInt8](bytes[152..<184]))
        sequence = Self.readLittleEndian(bytes[24..<32])
        time = Int64(bitPattern: Self.readLittleEndian(bytes[32..<40]))
        keyID = [UInt8](bytes[56..<64])
        controller = UInt32(truncatingIfNeeded: Self.readLittleEndian(bytes[64..<68]))
        channel = bytes[68]
        purpose = bytes[69]
        purposeClass = bytes[70]
        count = UInt32(truncatingIfNeeded: Self.readLittleEndian(bytes[72..<76]))
        whole = bytes[76]
        minimumSequence = Self.readLittleEndian(bytes[80..<88])
        signature = [UInt8](bytes[184..<248])
    }

    /// The 184 bytes that the signature covers.
    public var signedBytes: [UInt8] {
        var bytes = Self.label
        bytes.reserveCapacity(Self.byteCount)
        while bytes.count < 24 { bytes.append(0) }
        withUnsafeBytes(of: sequence.littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: time.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: incarnation)
        bytes.append(contentsOf: keyID)
        withUnsafeBytes(of: controller.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: [channel, purpose, purposeClass, 0])
        withUnsafeBytes(of: count.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: [whole, 0, 0, 0])
        withUnsafeBytes(of: minimumSequence.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: keysDigest)
        bytes.append(contentsOf: allowDigest)
        bytes.append(contentsOf: reasonsDigest)
        return bytes
    }

    /// The encoded form: 248 bytes.
    public var encoded: [UInt8] { signedBytes + signature }

    /// Whether the receipt names this key and carries its signature.
    public func isSigned(by key: LogPublicKey) -> Bool {
        keyID == key.keyID && key.isValid(signature: signature, for: signedBytes)
    }

    /// SHA-256 of bytes, as in the receipt: 32 bytes.
    public static func digest(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var hash = SHA256()
        hash.update(bufferPointer: bytes)
        return [UInt8](hash.finalize())
    }

    private static func readLittleEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
