// Numbers and digests that name things, each with a type of its own so that they cannot be mixed up.

/// Number of a controller; 0 means none.
public struct ControllerID: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number.
    public var rawValue: UInt32
    /// Wraps the number or bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// By number.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Number of a purpose, 1…63.
public struct PurposeID: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number or bits.
    public let rawValue: UInt8
    /// Returns nil outside 1…63.
    public init?(rawValue: UInt8) {
        guard (1...63).contains(rawValue) else { return nil }
        self.rawValue = rawValue
    }
    /// By number.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A point in time: microseconds since the Unix epoch, UTC.
public struct Timestamp: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number.
    public var rawValue: Int64
    /// Wraps the number or bits.
    public init(rawValue: Int64) { self.rawValue = rawValue }
    /// Microseconds since the Unix epoch.
    public init(microseconds: Int64) { rawValue = microseconds }
    /// Microseconds since the Unix epoch.
    public var microseconds: Int64 { rawValue }
    /// By number.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// 1970-01-01T00:00:00Z.
    public static let epoch = Timestamp(rawValue: 0)
    /// Later than any other.
    public static let distantFuture = Timestamp(rawValue: .max)
}

/// 128 bits that name a contact point of one controller: SipHash-2-4-128 of controller, kind and normalised
/// address. On the wire and on disk: `low`, then `high`, little-endian.
public struct RecipientKey: Hashable, Sendable, BitwiseCopyable {
    /// The low eight bytes, as a little-endian word.
    public var low: UInt64
    /// The high eight bytes, as a little-endian word.
    public var high: UInt64
    /// From its two words.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
    /// Feeds one word: both are of a keyed function, so either tells keys apart.
    public func hash(into hasher: inout Hasher) { hasher.combine(low) }
}

/// Where a contact point stands in the index and in the register's state rows: the recipient key XOR a
/// constant of its controller, so that no client can compute a key that lands on another controller's slot.
public struct SlotKey: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The low eight bytes, as a little-endian word.
    public var low: UInt64
    /// The high eight bytes, as a little-endian word.
    public var high: UInt64
    /// From its two words.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
    /// Feeds one word: both are of a keyed function, so either tells keys apart.
    public func hash(into hasher: inout Hasher) { hasher.combine(low) }
    /// Order of the state rows: by `high`, then `low`.
    public static func < (left: Self, right: Self) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }
}

/// 128 bits that name an event, chosen by the caller (UUIDv7 recommended) for idempotency.
public struct EventID: Hashable, Sendable, BitwiseCopyable {
    /// The low eight bytes, as a little-endian word.
    public var low: UInt64
    /// The high eight bytes, as a little-endian word.
    public var high: UInt64
    /// From its two words.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

/// A SHA-256 digest: 32 bytes, held in place so that events and notices carry them without allocating.
public struct Digest32: Hashable, Sendable, BitwiseCopyable {
    /// Bytes 0…7, as a little-endian word.
    public let word0: UInt64
    /// Bytes 8…15.
    public let word1: UInt64
    /// Bytes 16…23.
    public let word2: UInt64
    /// Bytes 24…31.
    public let word3: UInt64

    /// From its words.
    @inlinable
    public init(word0: UInt64, word1: UInt64, word2: UInt64, word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// Returns nil unless there are 32 bytes.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self = bytes.withUnsafeBytes { Digest32(loading: $0) }
    }

    /// - Precondition: there are 32 bytes.
    init(loading bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == 32)
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        self.init(word0: word(0), word1: word(8), word2: word(16), word3: word(24))
    }

    /// The 32 bytes.
    public var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }

    /// Lends the 32 bytes for the length of a call.
    @inlinable
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Swift.withUnsafeBytes(
            of: (word0.littleEndian, word1.littleEndian, word2.littleEndian, word3.littleEndian), body)
    }

    /// 32 zero bytes.
    public static let zero = Digest32(word0: 0, word1: 0, word2: 0, word3: 0)
}

/// SHA-256 of a notice's canonical form.
public typealias NoticeID = Digest32

/// A UTC day, counted from 1970-01-01; 0 means no day. Reaches to the year 2149.
public struct Day: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number.
    public var rawValue: UInt16
    /// Wraps the number or bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// By number.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// No day.
    public static let none = Day(rawValue: 0)
}
