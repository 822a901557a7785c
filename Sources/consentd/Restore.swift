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
            refusals and erasures since then are replayed from a journal (consentctl journal), or the loss is \
            accepted with --accept-loss; either is recorded as an event.
            """)

    @Argument(help: "The backup.", completion: .file())
    var file: String

    @Option(help: "Folder with the key files and no register.", completion: .directory)
    var stateDir: String

    @Option(help: "Journal of the same register, begun no later than the backup.", completion: .file())
    var journal: String?

    @Flag(help: "Accept that refusals made after the backup are lost.")
    var acceptLoss = false

    func validate() throws {
        if journal != nil && acceptLoss {
            throw ValidationError("give --journal or --accept-loss: a journal closes the gap by itself")
        }
    }

    func run() throws {
        do {
            let summary = try ConsentServer.restore(
                backup: file, stateFolder: stateDir, acceptLoss: acceptLoss, journal: journal)
            print("restored to sequence \(summary.sequence)")
            if journal != nil { print("replayed \(summary.replayed) refusals and erasures") }
            if !summary.isAccepted {
                FileHandle.standardError.write(
                    Data(
                        "marketing is answered INDETERMINATE until the gap is closed: --journal or --accept-loss\n"
                            .utf8
                    ))
            }
        } catch {
            fail(ServerFailure(error, configuration: ServerConfiguration(stateFolder: stateDir)))
        }
    }
}
