// Why a server did not start, as a sentence and an exit code of sysexits.h.

import ConsentIndex
import ConsentRegister
import Foundation
import NIOCore

/// A failure to start or to restore.
public struct ServerFailure: Error, Sendable {
    /// 78 configuration, 69 address not available, 70 internal.
    public var exitCode: Int32
    /// A sentence that names the remedy.
    public var message: String

    /// A failure of which the caller knows code and sentence.
    public init(exitCode: Int32, message: String) {
        self.exitCode = exitCode
        self.message = message
    }

    /// Maps what `ConsentServer.start` and `restore` throw.
    public init(_ error: any Error, configuration: ServerConfiguration) {
        switch error {
        case let failure as ServerFailure: self = failure
        case let error as TLSFailure: self.init(exitCode: 78, message: "\(error)")
        case let error as YAMLFailure: self.init(exitCode: 78, message: "\(error)")
        case let error as StateFolderError: self.init(exitCode: 78, message: "\(error)")
        case let error as RegisterError: self.init(exitCode: Self.exitCode(of: error), message: "\(error)")
        case let error as JournalError: self.init(exitCode: 65, message: "\(error)")
        case let error as IndexError: self.init(exitCode: 70, message: "\(error)")
        case let error as IOError where error.errnoCode == EADDRINUSE:
            self.init(
                exitCode: 69,
                message:
                    "port \(configuration.port) of \(configuration.host) is in use: stop the other server, or "
                    + "listen elsewhere (--listen)")
        default:
            self.init(
                exitCode: 69,
                message: "cannot listen on \(configuration.host):\(configuration.port): \(error)")
        }
    }

    /// 78 where the operator has to change something, 70 where the disk or the program failed.
    private static func exitCode(of error: RegisterError) -> Int32 {
        switch error {
        case .commitFailed, .stopped, .inputOutput, .full, .sqlite, .outOfRange: 70
        case .inUse, .missing, .notARegister, .newerThanProgram, .settingRefused, .corrupt, .lostEnd,
            .otherRecipientKey,
            .otherLogKey, .exists, .system, .notForTests:
            78
        }
    }
}
