// consentd restore: puts a backup into a new state folder.

import ArgumentParser
import ConsentServer
import Foundation

struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restore a backup into a state folder.",
        discussion: """
            The key files (recipient.key, log.key, log.pub, deployment.id, admin.token) must stand in the folder \
            already: a backup does not contain them, and without them every refusal in it would be unfindable. The \
            register gets a new incarnation. What happened after the backup is missing, so marketing is answered \
            INDETERMINATE until the loss is accepted with --accept-loss, which is recorded as an event. Without a \
            backup, --accept-loss is for a register that was restored before; stop its daemon first.
            """)

    @Argument(help: "The backup; none to accept the loss of an earlier restore.", completion: .file())
    var file: String?

    @Option(help: "Folder with the key files and no register.", completion: .directory)
    var stateDir: String

    @Flag(help: "Accept that refusals made after the backup are lost.")
    var acceptLoss = false

    func validate() throws {
        guard file != nil || acceptLoss else {
            throw ValidationError(
                "name the backup to restore, or --accept-loss for a register restored before")
        }
    }

    func run() throws {
        do {
            let sequence = try ConsentServer.restore(
                backup: file, stateFolder: stateDir, acceptLoss: acceptLoss)
            print(file == nil ? "loss accepted at sequence \(sequence)" : "restored to sequence \(sequence)")
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
