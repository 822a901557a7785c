// Why a run could not be done, each with its exit code and its remedy.

import WireProtocol

/// Exit codes that the load tester uses (the project's table of exit codes).
package enum RunExit: Int32, Sendable {
    /// Done.
    case done = 0
    /// Answers were wrong.
    case wrongAnswers = 1
    /// The command line is wrong.
    case usage = 64
    /// The request is wrong, or names what does not exist.
    case badData = 65
    /// The server cannot be reached, or went away.
    case unavailable = 69
    /// A bug, here or in the server.
    case `internal` = 70
    /// Try again: the server was overloaded, or the generator could not keep its schedule.
    case tryAgain = 75
    /// The credential does not allow it.
    case notAuthorised = 77
    /// The server is not set up for it.
    case configuration = 78

    /// The code for a status that is not OK.
    package init(_ status: Status) {
        self =
            switch status {
            case .invalidArgument, .notFound, .outOfRange, .alreadyExists: .badData
            case .unavailable, .deadlineExceeded, .cancelled: .unavailable
            case .resourceExhausted, .aborted: .tryAgain
            case .permissionDenied, .unauthenticated: .notAuthorised
            case .failedPrecondition: .configuration
            default: .internal
            }
    }
}

/// Why a run could not be done. Texts never hold an address.
package enum LoadError: Error, Hashable, Sendable {
    /// An option's value makes no sense.
    case usage(String)
    /// No connection to the server.
    case unreachable(address: String, why: String)
    /// No connection to a peer.
    case peerUnreachable(address: String, why: String)
    /// The server ended the connection and said why.
    case turnedAway(String)
    /// The connection broke, or what came through it was not the protocol.
    case lost(String)
    /// The register is not marked as one that load tests may write to.
    case notATestRegister
    /// The server lacks something that the run needs.
    case configuration(String)
    /// The server answered a request that the run cannot do without with an error.
    case rejected(Status, String)
    /// A file could not be read or written.
    case file(path: String, why: String)

    /// The exit code.
    package var exitCode: RunExit {
        switch self {
        case .usage: .usage
        case .unreachable, .peerUnreachable, .lost: .unavailable
        case .turnedAway: .notAuthorised
        case .notATestRegister, .configuration: .configuration
        case .rejected(let status, _): RunExit(status)
        case .file: .badData
        }
    }
}

extension LoadError: CustomStringConvertible {
    /// A sentence that names the remedy.
    package var description: String {
        switch self {
        case .usage(let what), .configuration(let what): what
        case .unreachable(let address, let why):
            "no server answers at \(address) (\(why)): start one with "
                + "`consentd serve --state-dir DIR --init --test-register`, or name another with --server"
        case .peerUnreachable(let address, let why):
            "no peer answers at \(address) (\(why)): start it, or name another with --peer-address"
        case .turnedAway(let why): "the server refused the connection: \(why)"
        case .lost(let why): "the connection was lost: \(why)"
        case .notATestRegister:
            "this register is no test register, and load tests would fill it with invented people: use one "
                + "that was created with `consentd serve --state-dir DIR --init --test-register`"
        case .rejected(let status, let message): message.isEmpty ? "the server answered \(status)" : message
        case .file(let path, let why): "\(path): \(why)"
        }
    }
}
