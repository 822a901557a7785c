// consentd restore: puts a backup into a new state folder.

import ArgumentParser
import ConsentServer
import Foundation

struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restore a backup into a state folder.",
        discussion: """
            The key files (recipient.key, log.key, deployment.id) must stand in the folder already: a backup does not \
            contain them, and without them every refusal in it would be unfindable. The register gets a new \
            incarnation. What happened after the backup is missing, so marketing is answered INDETERMINATE until the \
            loss is accepted with --accept-loss, which is recorded as an event.
            """)

    @Argument(help: "The backup.", completion: .file())
    var file: String

    @Option(help: "Folder with the key files and no register.", completion: .directory)
    var stateDir: String

    @Flag(help: "Accept that refusals made after the backup are lost.")
    var acceptLoss = false

    func run() throws {
        do {
            let sequence = try ConsentServer.restore(
                backup: file, stateFolder: stateDir, acceptLoss: acceptLoss)
            print("restored to sequence \(sequence)")
            if !acceptLoss {
                FileHandle.standardError.write(
                    Data(
                        "marketing is answered INDETERMINATE until the loss is accepted: --accept-loss\n".utf8
                    ))
            }
        } catch {
            fail(ServerFailure(error, configuration: ServerConfiguration(stateFolder: stateDir)))
        }
    }
}
