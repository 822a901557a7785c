// Why a call gave no answer: one case a cause, each with what a caller needs to act on it.
//
// Indirect, so that an answer without an error carries one word for it and not the largest case.
//
// Invariant: no case ever holds an address, a key or a credential, so that an error may be logged as it is.

import ConsentDomain
import WireProtocol

/// How the server ended a call: gRPC's seventeen codes. Numbers without a name survive and mean an error.
public typealias CallStatus = WireProtocol.Status

/// Why a call gave no answer.
public indirect enum ConsentClientError: Error, Hashable, Sendable {
    /// No connection could be made to the address within the timeout.
    case unreachable(address: String, why: String)
    /// TLS failed: the server's certificate is not one that the client was told to trust, or there is no TLS.
    case untrusted(address: String, why: String)
    /// The server refused the handshake, or answered it outside the protocol.
    case handshake(HandshakeFailure)
    /// The connection broke while the call was in flight. The call may have been executed.
    case connectionLost(why: String)
    /// `close()` was called.
    case closed
    /// The deadline passed. The call may have been executed.
    case timedOut(after: Duration)
    /// The calling task was cancelled. The call may have been executed.
    case cancelled
    /// More calls wait than `Configuration.waitingMax`; this one was not sent.
    case overloaded(waiting: Int)
    /// The register behind the address is another one than before, or has gone back in time. Sequences and
    /// keys that the caller holds mean nothing there. See `ConsentClient.acceptRegister()`.
    case registerChanged(RegisterChange)
    /// The server answered with an error.
    case rejected(Rejection)
    /// The answer does not follow the protocol.
    case malformedAnswer(String)
    /// The request cannot be sent as it is; nothing was sent.
    case invalidRequest(String)
    /// A watch lost changes: the server sent one whose predecessor never came.
    case watchGap(expectedAfter: UInt64, previous: UInt64)

    /// The status of the server's answer, nil where there was none.
    public var status: CallStatus? {
        guard case .rejected(let rejection) = self else { return nil }
        return rejection.status
    }
}

/// Why a handshake failed.
public struct HandshakeFailure: Hashable, Sendable {
    /// The reason's number in the schema's `GoawayReason`; nil where the client itself refused.
    public var reason: UInt16?
    /// A sentence for people.
    public var message: String

    /// Whether the server did not accept the credential.
    public var isBadCredential: Bool { reason == Wire.GoawayReason.badCredential.rawValue }
}

/// A register that is not the one the client knew.
public struct RegisterChange: Hashable, Sendable {
    /// Incarnation that the client knew, 16 bytes.
    public var knownIncarnation: [UInt8]
    /// Incarnation that the server states now, 16 bytes.
    public var incarnation: [UInt8]
    /// Highest sequence that the client saw.
    public var knownSequence: UInt64
    /// Sequence that the server states now.
    public var sequence: UInt64
}

/// An error that the server answered with.
public struct Rejection: Hashable, Sendable {
    /// Status code.
    public var status: CallStatus
    /// A sentence from the server that names the remedy; may be empty.
    public var message: String
    /// Trying again may help after this long; nil: not stated.
    public var retryAfter: Duration?
    /// The call was not executed.
    public var notExecuted: Bool
    /// What a write was refused for.
    public var refusals: [RefusalNote]

    /// A rejection of these parts.
    public init(
        status: CallStatus, message: String = "", retryAfter: Duration? = nil, notExecuted: Bool = false,
        refusals: [RefusalNote] = []
    ) {
        self.status = status
        self.message = message
        self.retryAfter = retryAfter
        self.notExecuted = notExecuted
        self.refusals = refusals
    }
}

extension ConsentClientError {
    /// Whether the server says that nothing was done.
    var isNotExecuted: Bool {
        guard case .rejected(let rejection) = self else { return false }
        return rejection.notExecuted
    }

    /// The same about a call that was sent before this answer came, and may have been executed then.
    var inDoubt: ConsentClientError {
        guard case .rejected(var rejection) = self else { return self }
        rejection.notExecuted = false
        return .rejected(rejection)
    }
}

extension ConsentClientError: CustomStringConvertible {
    /// A sentence for people that names the remedy.
    public var description: String {
        switch self {
        case .unreachable(let address, let why):
            "no server answers at \(address) (\(why)): start `consentd serve` there, or name another address"
        case .untrusted(let address, let why): "no secure connection to \(address): \(why)"
        case .handshake(let failure) where failure.isBadCredential:
            "the server does not know this credential: \(failure.message)"
        case .handshake(let failure): "the server refused the connection: \(failure.message)"
        case .connectionLost(let why):
            "the connection broke (\(why)): the call may or may not have been executed"
        case .closed: "the client was closed"
        case .timedOut(let limit):
            "no answer within \(limit): raise the timeout, or look at the server's load"
        case .cancelled: "the call was cancelled"
        case .overloaded(let waiting): "\(waiting) calls wait already: send fewer at a time"
        case .registerChanged(let change):
            "the register is not the one known before (incarnation "
                + "\(change.knownIncarnation.hexadecimal), sequence \(change.knownSequence); now "
                + "\(change.incarnation.hexadecimal), \(change.sequence)): if it was restored on purpose, "
                + "forget stored keys and sequences and call acceptRegister()"
        case .rejected(let rejection):
            rejection.message.isEmpty ? "the server answered \(rejection.status)" : rejection.message
        case .malformedAnswer(let what): "the server's answer cannot be read: \(what)"
        case .invalidRequest(let what): what
        case .watchGap(let expected, let previous):
            "changes between sequences \(expected) and \(previous) were lost: read the current state anew"
        }
    }
}

extension Sequence<UInt8> {
    /// Two lower-case hexadecimal digits a byte.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension [UInt8] {
    /// Reads hexadecimal digits of either case; nil for an odd number of digits or any other character.
    package init?(hexadecimal text: some StringProtocol) {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for start in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Self.nibble(digits[start]), let low = Self.nibble(digits[start + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        self = bytes
    }

    private static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
