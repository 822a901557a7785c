// Decisions and their reasons. Numbers are those of the wire.

/// The decision about one message.
public enum Decision: UInt8, CaseIterable, Sendable {
    case deny = 0
    case allow = 1
    case indeterminate = 2
}

/// Why a decision is what it is. Ranges: 1…15 allow, 16…31 indeterminate, 32…255 deny.
public enum Reason: UInt8, CaseIterable, Sendable {
    case consent = 1
    case service = 2

    case notFresh = 16
    case loading = 17
    case restored = 18
    case integrityFailure = 19
    case unavailable = 20

    case unknownPurpose = 32
    case retiredPurpose = 33
    case unknownController = 34
    case closedController = 35
    case classMismatch = 36
    case badChannel = 37

    case undeliverable = 48

    case refused = 64
    case withdrawn = 65
    case objected = 66
    case complaint = 67
    case stop = 68
    case erased = 69

    case pending = 80
    case lapsed = 81
    case expired = 82
    case noticeInvalidated = 83
    case revoked = 84
    case invalid = 85
    case reassigned = 86
    case unproven = 87

    case noRecord = 96
    case otherChannel = 97
    case otherPurpose = 98

    /// The decision that belongs to the reason.
    @inlinable
    public var decision: Decision {
        switch rawValue {
        case 1...15: .allow
        case 16...31: .indeterminate
        default: .deny
        }
    }

    /// What callers with scope *check* see: the finer reasons need scope *read*.
    public var coarse: Reason {
        switch self {
        case .erased: .refused
        case .complaint: .objected
        case .stop: .withdrawn
        case .otherChannel, .otherPurpose: .noRecord
        default: self
        }
    }
}

/// Why a write was refused. Numbers are those of the wire.
public enum Refusal: UInt16, CaseIterable, Sendable {
    case notFree = 1
    case notSpecific = 2
    case notInformed = 3
    case ambiguous = 4
    case notAffirmative = 5
    case attestationMissing = 6
    case inTheFuture = 7
    case badAddress = 8
    case unknownController = 9
    case unknownPurpose = 10
    case wrongClass = 11
    case unprovenImport = 12
    case badToken = 13
    case eventIDReused = 14
    case referenceRequired = 15
    case badText = 16
    case unknownReference = 17
    case erased = 18
}
