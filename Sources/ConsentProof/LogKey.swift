// The key that signs heads and receipts: Ed25519, in the two PEM forms that openssl reads and writes.
//
//     private: PKCS #8 (RFC 8410), "-----BEGIN PRIVATE KEY-----"       DER: 16 fixed bytes ‖ 32 bytes of seed
//     public:  SubjectPublicKeyInfo, "-----BEGIN PUBLIC KEY-----"      DER: 12 fixed bytes ‖ 32 bytes of key
//
// The key id is the first 8 bytes of SHA-256 of the public DER form:
// `openssl pkey -pubin -in log.pub -outform DER | sha256sum`.

import Crypto

/// Why a key, a head or a signature could not be used.
public enum ProofError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text is not the PEM form of an Ed25519 key; `label` is the label that its first line should carry.
    case notAKey(label: String)
    /// The bytes are not a signed head: another length, or another label.
    case notAHead(byteCount: Int)
    /// The bytes are not a receipt: another length, another label, or bytes that must be zero are not.
    case notAReceipt(byteCount: Int)
    /// The library would not sign.
    case signing

    /// What is wrong and what would be right.
    public var description: String {
        switch self {
        case .notAKey(let label):
            "not an Ed25519 key: expected a PEM text that begins with -----BEGIN \(label)-----"
        case .notAHead(let byteCount):
            "not a signed head of version 1: expected \(SignedHead.byteCount) bytes that begin with its "
                + "label, found \(byteCount) bytes"
        case .notAReceipt(let byteCount):
            "not a receipt of version 1: expected \(CheckReceipt.byteCount) bytes that begin with its label, "
                + "found \(byteCount) bytes"
        case .signing:
            "the log key could not sign: check that log.key is intact"
        }
    }
}

/// The private half of the log key.
public struct LogSigningKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey
    /// The public half.
    public let publicKey: LogPublicKey

    /// A new random key.
    public init() {
        self.init(Curve25519.Signing.PrivateKey())
    }

    /// A key from its 32 bytes of seed; nil for another length.
    public init?(seed: [UInt8]) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else { return nil }
        self.init(key)
    }

    /// Reads the PKCS #8 PEM form.
    public init(pem: String) throws(ProofError) {
        let seed = try PEM.body(of: pem, label: "PRIVATE KEY", prefix: Self.derPrefix)
        guard let key = LogSigningKey(seed: seed) else { throw .notAKey(label: "PRIVATE KEY") }
        self = key
    }

    private init(_ key: Curve25519.Signing.PrivateKey) {
        self.key = key
        publicKey = LogPublicKey(key.publicKey)
    }

    /// The PKCS #8 PEM form, with a final newline.
    public var pem: String {
        PEM.text(label: "PRIVATE KEY", der: Self.derPrefix + [UInt8](key.rawRepresentation))
    }

    /// Signs bytes that begin with a label of their own.
    /// - Returns: 64 bytes.
    public func signature(for bytes: [UInt8]) throws(ProofError) -> [UInt8] {
        guard let signature = try? key.signature(for: bytes) else { throw .signing }
        return [UInt8](signature)
    }

    // PrivateKeyInfo: SEQUENCE { INTEGER 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING (32)
    // } }
    private static let derPrefix: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]
}

/// The public half of the log key: all that `verify` needs.
public struct LogPublicKey: Hashable, Sendable {
    /// 32 bytes.
    public let rawBytes: [UInt8]

    /// A key from its 32 bytes; nil for another length.
    public init?(rawBytes: [UInt8]) {
        guard rawBytes.count == 32 else { return nil }
        self.rawBytes = rawBytes
    }

    /// Reads the SubjectPublicKeyInfo PEM form.
    public init(pem: String) throws(ProofError) {
        rawBytes = try PEM.body(of: pem, label: "PUBLIC KEY", prefix: Self.derPrefix)
    }

    fileprivate init(_ key: Curve25519.Signing.PublicKey) {
        rawBytes = [UInt8](key.rawRepresentation)
    }

    /// The SubjectPublicKeyInfo PEM form, with a final newline.
    public var pem: String { PEM.text(label: "PUBLIC KEY", der: Self.derPrefix + rawBytes) }

    /// 8 bytes: the beginning of SHA-256 of the DER form.
    public var keyID: [UInt8] { [UInt8](SHA256.hash(data: Self.derPrefix + rawBytes).prefix(8)) }

    /// Whether the 64 bytes are this key's signature of the bytes.
    public func isValid(signature: [UInt8], for bytes: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: rawBytes) else { return false }
        return key.isValidSignature(signature, for: bytes)
    }

    // SubjectPublicKeyInfo: SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING (32, no unused bits) }
    private static let derPrefix: [UInt8] = [
        0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]
}

/// The PEM armour around a fixed DER prefix and 32 bytes.
private enum PEM {
    static func text(label: String, der: [UInt8]) -> String {
        "-----BEGIN \(label)-----\n\(base64(der))\n-----END \(label)-----\n"
    }

    static func body(of text: String, label: String, prefix: [UInt8]) throws(ProofError) -> [UInt8] {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingSpaces }.filter { !$0.isEmpty }
        guard lines.count >= 3, lines[0] == "-----BEGIN \(label)-----",
            lines[lines.count - 1] == "-----END \(label)-----",
            let der = bytes(base64: lines[1..<lines.count - 1].joined()),
            der.count == prefix.count + 32, der.starts(with: prefix)
        else { throw .notAKey(label: label) }
        return [UInt8](der[prefix.count...])
    }

    private static let alphabet = [UInt8](
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func base64(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                text.append(
                    place <= group.count
                        ? alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    static func bytes(base64 text: String) -> [UInt8]? {
        let characters = [UInt8](text.utf8)
        guard characters.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: characters.count, by: 4) {
            var bits: UInt32 = 0
            var padding = 0
            for place in 0..<4 {
                let character = characters[start + place]
                if character == UInt8(ascii: "="), start + 4 == characters.count, place >= 2 {
                    padding += 1
                    bits <<= 6
                } else if padding == 0, let value = alphabet.firstIndex(of: character) {
                    bits = bits << 6 | UInt32(value)
                } else {
                    return nil
                }
            }
            for place in 0..<3 - padding {
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(16 - 8 * place)))
            }
        }
        return bytes
    }
}

extension Substring {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
