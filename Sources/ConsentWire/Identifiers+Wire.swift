// 128- and 256-bit names, between their wire bytes and their domain types.

import ConsentDomain
import WireProtocol

extension Wire.Bytes16 {
    /// A recipient key's 16 bytes: `low` is bytes 0…7, `high` bytes 8…15, both little-endian.
    @inlinable
    public init(_ key: RecipientKey) { self.init(word0: key.low, word1: key.high) }
    /// An event id's 16 bytes, in the order of a recipient key's.
    @inlinable
    public init(_ id: EventID) { self.init(word0: id.low, word1: id.high) }
}

extension RecipientKey {
    /// All 16 bytes, whatever they are: a key cannot be malformed.
    @inlinable
    public init(_ bytes: Wire.Bytes16) { self.init(low: bytes.word0, high: bytes.word1) }
}

extension EventID {
    /// All 16 bytes, zeros included; what zeros mean is for the caller to say.
    @inlinable
    public init(_ bytes: Wire.Bytes16) { self.init(low: bytes.word0, high: bytes.word1) }
}

extension Digest32 {
    /// The 32 bytes, in wire order.
    @inlinable
    public init(_ bytes: Wire.Bytes32) {
        self.init(word0: bytes.word0, word1: bytes.word1, word2: bytes.word2, word3: bytes.word3)
    }
}

extension Wire.Bytes32 {
    /// The 32 bytes, in wire order.
    @inlinable
    public init(_ digest: Digest32) {
        self.init(word0: digest.word0, word1: digest.word1, word2: digest.word2, word3: digest.word3)
    }
}

extension Timestamp {
    /// nil stays nil.
    public init?(wire: Int64?) {
        guard let wire else { return nil }
        self.init(microseconds: wire)
    }
}
