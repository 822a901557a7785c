// The 24 bytes in front of every frame.
//
// Why fixed and sealed: a reader knows after 24 bytes how long the frame is, and a checksum over those bytes
// makes sure that a damaged length is noticed at once instead of shifting every frame after it.
//
// Invariant: a FrameHeader that `decode` returned has a right checksum, a body within the limit, a known
// kind, and zeros in every field that its kind does not use.

import CPlatform

/// What a frame is for.
public enum FrameKind: UInt8, Sendable, CaseIterable {
    /// Client's first frame.
    case hello = 1
    /// Server's answer to it.
    case welcome = 2
    /// A call.
    case request = 3
    /// The answer to a unary call.
    case response = 4
    /// One message of a streaming call.
    case item = 5
    /// The end of a streaming call.
    case end = 6
    /// The client no longer wants the answer.
    case cancel = 7
    /// The client takes more items of a stream.
    case credit = 8
    /// Answered by a pong with the same value.
    case ping = 9
    /// Answer to a ping.
    case pong = 10
    /// The sender will close the connection.
    case goaway = 11
}

/// The flag bits of a frame. Bits without a name are zero.
public struct FrameFlags: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt8

    /// - Parameter rawValue: the bits.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The payload is deflated (see `BodyCompression`).
    public static let compressed = FrameFlags(rawValue: 1 << 0)
    /// The header's body checksum is filled in.
    public static let bodyChecksum = FrameFlags(rawValue: 1 << 1)
    /// The call was not executed: trying it again is safe, whatever it is.
    public static let notExecuted = FrameFlags(rawValue: 1 << 2)
    /// The body starts with an extension block (see `FrameHeader.payloadRange`).
    public static let extensionBlock = FrameFlags(rawValue: 1 << 3)
}

/// The first 24 bytes of a frame, little-endian.
///
/// ```
///  0        4     5     6        8        12       16             20
///  ┌────────┬─────┬─────┬────────┬────────┬────────┬──────────────┬────────────────┐
///  │ body   │kind │flags│ code   │ stream │ value  │ body crc32c  │ header crc32c  │ body …
///  │ length │ u8  │ u8  │ u16    │ u32    │ u32    │ u32          │ u32 over 0…19  │
///  └────────┴─────┴─────┴────────┴────────┴────────┴──────────────┴────────────────┘
/// ```
///
/// | field | why it is here |
/// | --- | --- |
/// | body length | first, so that a reader can size what follows |
/// | kind, flags | one switch decides what the rest means |
/// | code | a request's method, an answer's status: no trailer, no text |
/// | stream | answers may come in any order |
/// | value | deadline, server time, credit or ping value: the one number that each kind needs |
/// | body crc32c | damage inside a body is the error of that call alone |
/// | header crc32c | seals the length: damage here ends the connection |
public struct FrameHeader: Hashable, Sendable {
    /// Bytes of a header.
    public static let byteCount = 24
    /// Bytes that the header's checksum covers.
    public static let sealedByteCount = 20
    /// The largest stream number; the one above it means "no limit yet" in a goaway.
    public static let streamMax = UInt32.max - 1

    /// Bytes after the header.
    public var bodyLength: UInt32
    /// What the frame is for.
    public var kind: FrameKind
    /// Flag bits.
    public var flags: FrameFlags
    /// request: method number; response, end: status; others: 0.
    public var code: UInt16
    /// The call, chosen by the client; 0: the connection.
    public var stream: UInt32
    /// request: deadline in µs from now, 0 none; response, end: µs in the server; credit: items granted;
    /// ping, pong: echoed; others: 0.
    public var value: UInt32
    /// CRC32C of the body's bytes as they are on the wire; 0 without the flag.
    public var bodyChecksum: UInt32

    /// A header; lengths and checksums are filled in when the frame ends.
    @inlinable
    public init(
        kind: FrameKind, flags: FrameFlags = [], code: UInt16 = 0, stream: UInt32 = 0, value: UInt32 = 0,
        bodyLength: UInt32 = 0, bodyChecksum: UInt32 = 0
    ) {
        self.bodyLength = bodyLength
        self.kind = kind
        self.flags = flags
        self.code = code
        self.stream = stream
        self.value = value
        self.bodyChecksum = bodyChecksum
    }

    /// Bytes of header and body.
    @inlinable
    public var frameByteCount: Int { FrameHeader.byteCount + Int(bodyLength) }

    /// The status of a response or end.
    @inlinable
    public var status: Status { Status(rawValue: code) }

    // MARK: Bytes

    /// Reads and checks a header. The rules, in the order in which they are tried:
    /// checksum, body length, kind, flags and fields of the kind, stream.
    ///
    /// - Parameters:
    ///   - bytes: at least 24 bytes; only the first 24 are read.
    ///   - bodyBytesMax: longest body that is accepted.
    @inlinable
    public static func decode(_ bytes: RawSpan, bodyBytesMax: Int) throws(FrameError) -> FrameHeader {
        precondition(bytes.byteCount >= byteCount, "a header needs 24 bytes")
        let computed = bytes.withUnsafeBytes { consent_crc32c(0, $0.baseAddress, sealedByteCount) }
        let stated = bytes.load(UInt32.self, at: 20)
        guard computed == stated else { throw .headerChecksum(stated: stated, computed: computed) }

        let bodyLength = bytes.load(UInt32.self, at: 0)
        guard Int(bodyLength) <= bodyBytesMax else {
            throw .bodyTooLong(length: Int(bodyLength), limit: bodyBytesMax)
        }
        let word = bytes.load(UInt32.self, at: 4)
        guard let kind = FrameKind(rawValue: UInt8(truncatingIfNeeded: word)) else {
            throw .unknownKind(UInt8(truncatingIfNeeded: word))
        }
        let header = FrameHeader(
            kind: kind, flags: FrameFlags(rawValue: UInt8(truncatingIfNeeded: word >> 8)),
            code: UInt16(truncatingIfNeeded: word >> 16), stream: bytes.load(UInt32.self, at: 8),
            value: bytes.load(UInt32.self, at: 12), bodyLength: bodyLength,
            bodyChecksum: bytes.load(UInt32.self, at: 16))
        try header.checkFields()
        return header
    }

    /// Writes the header with its checksum over 24 bytes.
    ///
    /// - Parameter bytes: at least 24 bytes.
    @inlinable
    public func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= FrameHeader.byteCount, "a header needs 24 bytes")
        let kindFlagsCode = UInt32(kind.rawValue) | UInt32(flags.rawValue) << 8 | UInt32(code) << 16
        bytes.storeBytes(of: bodyLength.littleEndian, toByteOffset: 0, as: UInt32.self)
        bytes.storeBytes(of: kindFlagsCode.littleEndian, toByteOffset: 4, as: UInt32.self)
        bytes.storeBytes(of: stream.littleEndian, toByteOffset: 8, as: UInt32.self)
        bytes.storeBytes(of: value.littleEndian, toByteOffset: 12, as: UInt32.self)
        bytes.storeBytes(of: bodyChecksum.littleEndian, toByteOffset: 16, as: UInt32.self)
        let checksum = consent_crc32c(0, bytes.baseAddress, FrameHeader.sealedByteCount)
        bytes.storeBytes(of: checksum.littleEndian, toByteOffset: 20, as: UInt32.self)
    }

    // MARK: Rules

    /// Checks every rule that needs the header's fields alone.
    @inlinable
    func checkFields() throws(FrameError) {
        let rules = kind.rules
        guard flags.isSubset(of: rules.flags) else { throw .reservedFlags(kind: kind, flags: flags.rawValue) }
        guard rules.hasCode || code == 0 else { throw .reservedField(kind: kind, offset: 6) }
        guard rules.hasValue || value == 0 else { throw .reservedField(kind: kind, offset: 12) }
        guard flags.contains(.bodyChecksum) || bodyChecksum == 0 else {
            throw .reservedField(kind: kind, offset: 16)
        }
        guard rules.hasBody || bodyLength == 0 else { throw .bodyTooLong(length: Int(bodyLength), limit: 0) }
        if rules.hasStream {
            guard stream != 0 && stream <= FrameHeader.streamMax else { throw .badStream(stream) }
        } else {
            guard stream == 0 else { throw .reservedField(kind: kind, offset: 8) }
        }
    }
}

/// Which fields a kind of frame uses; the others are zero.
@usableFromInline
struct FrameRules {
    /// Flags that may be set.
    @usableFromInline let flags: FrameFlags
    /// Whether `code` has a meaning.
    @usableFromInline let hasCode: Bool
    /// Whether the frame belongs to a call.
    @usableFromInline let hasStream: Bool
    /// Whether `value` has a meaning.
    @usableFromInline let hasValue: Bool
    /// Whether a body may follow.
    @usableFromInline let hasBody: Bool

    @inlinable
    init(flags: FrameFlags, code: Bool, stream: Bool, value: Bool, body: Bool) {
        self.flags = flags
        self.hasCode = code
        self.hasStream = stream
        self.hasValue = value
        self.hasBody = body
    }
}

extension FrameKind {
    @inlinable
    var rules: FrameRules {
        let message: FrameFlags = [.compressed, .bodyChecksum, .extensionBlock]
        return switch self {
        case .request: FrameRules(flags: message, code: true, stream: true, value: true, body: true)
        case .response, .end:
            FrameRules(flags: message.union(.notExecuted), code: true, stream: true, value: true, body: true)
        case .item: FrameRules(flags: message, code: false, stream: true, value: false, body: true)
        case .hello, .welcome, .goaway:
            FrameRules(flags: .bodyChecksum, code: false, stream: false, value: false, body: true)
        case .cancel: FrameRules(flags: .bodyChecksum, code: false, stream: true, value: false, body: false)
        case .credit: FrameRules(flags: .bodyChecksum, code: false, stream: true, value: true, body: false)
        case .ping, .pong:
            FrameRules(flags: .bodyChecksum, code: false, stream: false, value: true, body: false)
        }
    }
}
