// What ends a connection: the peer's mistakes outside the body of one call.
//
// A wrong body harms one call and is a WireError. Anything here means that the two sides no longer agree on
// where frames start or on what is open, so the connection ends with a goaway that names the reason.

/// A peer's mistake after which the connection cannot go on. Each case carries the numbers that explain it.
public enum FrameError: Error, Hashable, Sendable {
    /// The first eight bytes are not `CONSENT1`.
    case badPreface
    /// The header's checksum is not that of its bytes.
    case headerChecksum(stated: UInt32, computed: UInt32)
    /// The body is longer than the kind of frame or the handshake allows.
    case bodyTooLong(length: Int, limit: Int)
    /// No kind of frame has this number.
    case unknownKind(UInt8)
    /// A flag is set that the kind does not have.
    case reservedFlags(kind: FrameKind, flags: UInt8)
    /// A header field that the kind does not use is not zero.
    case reservedField(kind: FrameKind, offset: Int)
    /// The stream is zero, too large, or still open.
    case badStream(UInt32)
    /// A kind of frame that is not allowed from this side, or not now.
    case unexpectedFrame(FrameKind)
    /// A hello, welcome or goaway whose body cannot be read.
    case badHandshake(WireError)
}

extension FrameError {
    /// The reason to give in the goaway.
    public var goawayReason: Wire.GoawayReason {
        switch self {
        case .badPreface: .badPreface
        case .headerChecksum: .headerChecksum
        case .bodyTooLong: .bodyTooLong
        case .unknownKind, .unexpectedFrame: .unexpectedFrame
        case .reservedFlags, .reservedField: .reservedBits
        case .badStream: .badStream
        case .badHandshake: .protocolError
        }
    }
}

extension FrameError: CustomStringConvertible {
    /// A sentence for people.
    public var description: String {
        switch self {
        case .badPreface: "the connection does not start with CONSENT1"
        case .headerChecksum(let stated, let computed):
            "header checksum is \(stated.hexadecimal), its bytes give \(computed.hexadecimal)"
        case .bodyTooLong(let length, let limit): "a body of \(length) bytes, the limit here is \(limit)"
        case .unknownKind(let kind): "no frame has kind \(kind)"
        case .reservedFlags(let kind, let flags):
            "flags 0b\(String(flags, radix: 2)) are not for \(kind) frames"
        case .reservedField(let kind, let offset):
            "header byte \(offset) is not for \(kind) frames and not zero"
        case .badStream(let stream): "stream \(stream) is reserved or still open"
        case .unexpectedFrame(let kind): "a \(kind) frame is not allowed here"
        case .badHandshake(let error): "a handshake frame cannot be read: \(error)"
        }
    }
}

extension UInt32 {
    fileprivate var hexadecimal: String {
        let digits = String(self, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
