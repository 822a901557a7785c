// What the log key signs under a file that a register hands over: all of its text, and the head beside it.
//
//     label, a zero byte ‖ SHA-256 of the text ‖ the encoded head
//
// The text is JSON without white space between its parts: of JSON lines each line with a newline behind it;
// of a document all of it but the member that holds the signature. The tree proves each event for itself;
// the seal is the register's word for the rest, first of all that nothing was left out.

import Crypto

/// A running digest of a file, to be signed or verified at its end.
public struct FileSeal: Sendable {
    /// The kinds of file, each with a label of its own.
    public enum Kind: String, Sendable {
        case journal = "consentd journal v1"
        case dump = "consentd dump v1"
        case export = "consentd export v1"
    }

    private let kind: Kind
    private var digest = SHA256()

    /// A file without any text yet.
    public init(_ kind: Kind) { self.kind = kind }

    /// Adds text.
    public mutating func update(_ text: [UInt8]) { digest.update(data: text) }

    /// Adds text of a document, without the line breaks that stand between its parts.
    public mutating func update(compact text: [UInt8]) { digest.update(data: text.filter { $0 != 0x0A }) }

    /// The bytes that are signed.
    private func signedBytes(_ head: SignedHead) -> [UInt8] {
        Array(kind.rawValue.utf8) + [0] + digest.finalize() + head.encoded
    }

    /// Signs the text so far together with a head.
    /// - Returns: 64 bytes.
    public func signature(with head: SignedHead, by key: LogSigningKey) throws(ProofError) -> [UInt8] {
        try key.signature(for: signedBytes(head))
    }

    /// Whether a signature is that of a key over the text so far and a head.
    public func isSigned(_ signature: [UInt8], with head: SignedHead, by key: LogPublicKey) -> Bool {
        key.isValid(signature: signature, for: signedBytes(head))
    }
}
