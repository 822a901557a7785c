// 128- and 256-bit names, between their wire bytes and their domain types.

import ConsentDomain
import WireProtocol

extension Wire.Bytes16 {
    @inlinable
    public init(_ key: RecipientKey) { self.init(word0: key.low, word1: key.high) }
    @inlinable
    public init(_ id: EventID) { self.init(word0: id.low, word1: id.high) }
}

extension RecipientKey {
    @inlinable
    public init(_ bytes: Wire.Bytes16) { self.init(low: bytes.word0, high: bytes.word1) }
}

extension EventID {
    @inlinable
    public init(_ bytes: Wire.Bytes16) { self.init(low: bytes.word0, high: bytes.word1) }
}

extension Digest32 {
    public init(_ bytes: Wire.Bytes32) { self = Digest32(bytes.bytes) ?? .zero }
}

extension Wire.Bytes32 {
    public init(_ digest: Digest32) { self = Wire.Bytes32(digest.bytes) ?? Wire.Bytes32() }
}

extension Timestamp {
    /// nil stays nil.
    public init?(wire: Int64?) {
        guard let wire else { return nil }
        self.init(microseconds: wire)
    }
}
