// How a command ends when it does not end well: a status that scripts can act on, and a sentence for people.

import ConsentClient

/// Exit statuses, as interface documents list them (the numbers from 64 on are those of sysexits.h).
enum ExitStatus: Int32 {
    case denied = 1
    case indeterminate = 2
    case usage = 64
    case badData = 65
    case unavailable = 69
    case internalError = 70
    case tryAgain = 75
    case notAuthorised = 77
    case configuration = 78
}

/// A command that failed.
struct CommandFailure: Error {
    var status: ExitStatus
    /// A sentence that names the remedy; empty where the output says it already.
    var message: String

    init(_ status: ExitStatus, _ message: String = "") {
        self.status = status
        self.message = message
    }

    init(_ error: ConsentClientError) { self.init(Self.status(error), "\(error)") }

    /// Prints the sentence.
    func report() {
        if !message.isEmpty { Terminal.error("consentctl: \(message)\n") }
    }

    private static func status(_ error: ConsentClientError) -> ExitStatus {
        switch error {
        case .unreachable, .connectionLost, .closed, .timedOut, .cancelled: .unavailable
        case .handshake(let failure): failure.isBadCredential ? .notAuthorised : .configuration
        case .overloaded: .tryAgain
        case .registerChanged, .untrusted: .configuration
        case .malformedAnswer, .watchGap: .internalError
        case .invalidRequest: .badData
        case .rejected(let rejection): status(rejection.status)
        }
    }

    private static func status(_ status: CallStatus) -> ExitStatus {
        switch status {
        case .invalidArgument, .notFound, .alreadyExists, .outOfRange: .badData
        case .permissionDenied, .unauthenticated: .notAuthorised
        case .resourceExhausted, .aborted: .tryAgain
        case .failedPrecondition: .configuration
        case .unavailable, .deadlineExceeded, .cancelled: .unavailable
        default: .internalError
        }
    }
}
