// consentd restore: puts a backup into a new state folder, and closes the gap that it leaves.

import ArgumentParser
import ConsentServer
import Foundation

struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restore a backup into a state folder.",
        discussion: """
            The key files (recipient.key, log.key, log.pub, deployment.id, admin.token) must stand in the folder \
            already: a backup does not contain them, and without them every refusal in it would be unfindable. The \
            register gets a new incarnation.

            What happened after the backup is missing. --journal replays the refusals and erasures of a journal \
            (consentctl journal), which begins no later than the backup ends. It cannot tell of those that came \
            after its own end. So marketing is answered INDETERMINATE until one of two is given: --last-sequence, \
            the last sequence that the lost register is known to have acknowledged (a subscriber's position, a \
            published head), which the journal must reach; or --accept-loss. Either is recorded as an event. \
            Without a backup, --accept-loss is for a register that was restored before, or that a start refuses \
            because events at its end are lost; stop its daemon first.
            """)

    @Argument(help: "The backup; none to accept the loss of an earlier restore.", completion: .file())
    var file: String?

    @Option(help: "Folder with the key files and no register.", completion: .directory)
    var stateDir: String

    @Option(help: "Journal of the same register, begun no later than the backup.", completion: .file())
    var journal: String?

    @Option(help: ArgumentHelp("What the journal must reach for the gap to be closed.", valueName: "seq"))
    var lastSequence: UInt64?

    @Flag(help: "Accept that refusals after the backup, or after the journal, are lost.")
    var acceptLoss = false

    func validate() throws {
        guard file != nil || acceptLoss else {
            throw ValidationError(
                "name the backup to restore, or --accept-loss for a register restored before")
        }
        guard journal == nil || file != nil else {
            throw ValidationError("a journal is replayed onto a backup: name the backup too")
        }
        guard lastSequence == nil || journal != nil else {
            throw ValidationError("--last-sequence is what a journal must reach: give --journal too")
        }
        guard lastSequence == nil || !acceptLoss else {
            throw ValidationError("give --last-sequence or --accept-loss: the first leaves no loss to accept")
        }
    }

    func run() throws {
        do {
            let summary = try ConsentServer.restore(
                RestoreRequest(
                    backup: file, stateFolder: stateDir, journal: journal, lastSequence: lastSequence,
                    acceptLoss: acceptLoss))
            report(summary)
        } catch {
            fail(ServerFailure(error, configuration: ServerConfiguration(stateFolder: stateDir)))
        }
    }

    private func report(_ summary: RestoreSummary) {
        guard file != nil else { return print("loss accepted at sequence \(summary.sequence)") }
        print("restored to sequence \(summary.sequence)")
        if let end = summary.journalEnd {
            print(
                "replayed \(summary.replayed) refusals and erasures, up to sequence \(end) of the lost register"
            )
        }
        guard !summary.isAccepted else { return }
        let remedy =
            summary.journalEnd == nil
            ? "remove register.db and restore again with --journal, or accept the loss with --accept-loss"
            : "remove register.db and restore again with --last-sequence, or accept what came later as lost "
                + "with --accept-loss"
        FileHandle.standardError.write(
            Data("marketing is answered INDETERMINATE until the gap is closed: \(remedy)\n".utf8))
    }
}
