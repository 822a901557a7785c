// The signed head of the log: what the whole register was at one time, in 160 bytes.
//
// Little-endian. The signature covers bytes 0…95.
//
//      0 label "consentd head v1", 8 zero bytes    72 incarnation of the register 16 B
//     24 u64 tree size                              88 key id 8 B
//     32 root 32 B                                  96 Ed25519 signature 64 B
//     64 i64 time, microseconds since the epoch
//
// The label's first zero byte ends it, so no other signed text of the project can be taken for a head.

/// A signed head.
public struct SignedHead: Hashable, Sendable {
    /// Number of leaves, which is the sequence of the last event.
    public var treeSize: UInt64
    /// Root of the tree.
    public var root: TreeHash
    /// When it was signed: microseconds since the Unix epoch.
    public var time: Int64
    /// 16 bytes: the register's incarnation.
    public var incarnation: [UInt8]
    /// 8 bytes: id of the key that signed.
    public var keyID: [UInt8]
    /// 64 bytes.
    public var signature: [UInt8]

    /// Number of bytes of the encoded form.
    public static let byteCount = 160
    /// Number of bytes that the signature covers.
    public static let signedByteCount = 96
    /// What the signed bytes begin with, the ending zero byte included.
    public static let label = [UInt8]("consentd head v1\0".utf8)

    /// Signs a head.
    /// - Parameter incarnation: 16 bytes.
    public init(
        treeSize: UInt64, root: TreeHash, time: Int64, incarnation: [UInt8], key: LogSigningKey
    ) throws(ProofError) {
        precondition(incarnation.count == 16, "an incarnation has 16 bytes")
        self.treeSize = treeSize
        self.root = root
        self.time = time
        self.incarnation = incarnation
        keyID = key.publicKey.keyID
        signature = []
        signature = try key.signature(for: signedBytes)
    }

    /// Reads the encoded form. It is not verified.
    public init(decoding bytes: [UInt8]) throws(ProofError) {
        guard bytes.count == Self.byteCount, bytes.starts(with: Self.label),
            bytes[Self.label.count..<24].allSatisfy({ $0 == 0 }), let root = TreeHash(bytes[32..<64])
        else { throw .notAHead(byteCount: bytes.count) }
        treeSize = Self.readLittleEndian(bytes[24..<32])
        self.root = root
        time = Int64(bitPattern: Self.readLittleEndian(bytes[64..<72]))
        incarnation = [UInt8](bytes[72..<88])
        keyID = [UInt8](bytes[88..<96])
        signature = [UInt8](bytes[96..<160])
    }

    /// The 96 bytes that the signature covers.
    public var signedBytes: [UInt8] {
        var bytes = Self.label
        bytes.reserveCapacity(Self.byteCount)
        while bytes.count < 24 { bytes.append(0) }
        withUnsafeBytes(of: treeSize.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: root.bytes)
        withUnsafeBytes(of: time.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: incarnation)
        bytes.append(contentsOf: keyID)
        return bytes
    }

    /// The encoded form: 160 bytes.
    public var encoded: [UInt8] { signedBytes + signature }

    /// Whether the head names this key and carries its signature.
    public func isSigned(by key: LogPublicKey) -> Bool {
        keyID == key.keyID && incarnation.count == 16 && key.isValid(signature: signature, for: signedBytes)
    }

    private static func readLittleEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
