// The daemon's command line: parse, build, run.

import ArgumentParser
import ConsentServer
import Failpoint
import Foundation
import Logging

@main
enum Program {
    static func main() async {
        ConsentServer.prepareProcess()
        if let name = ProcessInfo.processInfo.environment["CONSENTD_FAILPOINT"] {
            do throws(Failpoint.Unknown) {
                try Failpoint.request(name)
            } catch {
                fail(ServerFailure(exitCode: 64, message: "\(error)"))
            }
        }
        await Consentd.main()
    }
}

struct Consentd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consentd",
        abstract: "Answers \"may I send this, to this person, now?\" and proves every answer later.",
        version: ConsentServer.version,
        subcommands: [
            Serve.self, Config.self, Restore.self, CheckRegister.self, RotateLogKey.self,
            RotateRecipientKey.self,
        ])
}

/// Ends the process with a message on stderr and an exit code of sysexits.h.
func fail(_ failure: ServerFailure) -> Never {
    FileHandle.standardError.write(Data("consentd: \(failure.message)\n".utf8))
    exit(failure.exitCode)
}
