// How a call ended: gRPC's seventeen codes with gRPC's numbers.

/// A status code. A number without a name survives and means an error.
public struct Status: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// - Parameter rawValue: the number on the wire.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// Done.
    public static let ok = Status(rawValue: 0)
    /// The caller cancelled it.
    public static let cancelled = Status(rawValue: 1)
    /// An error without a code of its own.
    public static let unknown = Status(rawValue: 2)
    /// The request is wrong whatever the state of the server.
    public static let invalidArgument = Status(rawValue: 3)
    /// The deadline passed.
    public static let deadlineExceeded = Status(rawValue: 4)
    /// What was asked about does not exist.
    public static let notFound = Status(rawValue: 5)
    /// What was to be made is there already.
    public static let alreadyExists = Status(rawValue: 6)
    /// The caller may not do this.
    public static let permissionDenied = Status(rawValue: 7)
    /// A limit is reached.
    public static let resourceExhausted = Status(rawValue: 8)
    /// The server's state does not allow it.
    public static let failedPrecondition = Status(rawValue: 9)
    /// Overtaken by another call.
    public static let aborted = Status(rawValue: 10)
    /// Past the end of what there is.
    public static let outOfRange = Status(rawValue: 11)
    /// The server does not have this method.
    public static let unimplemented = Status(rawValue: 12)
    /// A bug in the server.
    public static let `internal` = Status(rawValue: 13)
    /// Not now; trying again may help.
    public static let unavailable = Status(rawValue: 14)
    /// Data was lost or damaged.
    public static let dataLoss = Status(rawValue: 15)
    /// The caller is not known.
    public static let unauthenticated = Status(rawValue: 16)

    /// All codes with a name, in the order of their numbers.
    public static let known: [Status] = (0...16).map { Status(rawValue: $0) }

    /// gRPC's name, nil for a number without one.
    public var name: String? {
        switch rawValue {
        case 0: "OK"
        case 1: "CANCELLED"
        case 2: "UNKNOWN"
        case 3: "INVALID_ARGUMENT"
        case 4: "DEADLINE_EXCEEDED"
        case 5: "NOT_FOUND"
        case 6: "ALREADY_EXISTS"
        case 7: "PERMISSION_DENIED"
        case 8: "RESOURCE_EXHAUSTED"
        case 9: "FAILED_PRECONDITION"
        case 10: "ABORTED"
        case 11: "OUT_OF_RANGE"
        case 12: "UNIMPLEMENTED"
        case 13: "INTERNAL"
        case 14: "UNAVAILABLE"
        case 15: "DATA_LOSS"
        case 16: "UNAUTHENTICATED"
        default: nil
        }
    }
}

extension Status: CustomStringConvertible {
    /// gRPC's name, or the number.
    public var description: String { name ?? "STATUS_\(rawValue)" }
}
