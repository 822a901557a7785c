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

/// A SHA-256 digest: 32 bytes.
public struct Digest32: Hashable, Sendable {
    /// Exactly 32 bytes.
    public let bytes: [UInt8]
    /// Returns nil unless there are 32 bytes.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }
    /// 32 zero bytes.
    public static let zero = Digest32(unchecked: [UInt8](repeating: 0, count: 32))
    init(unchecked bytes: [UInt8]) { self.bytes = bytes }
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
