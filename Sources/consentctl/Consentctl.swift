// consentctl: every method of the server as a command, for people and scripts.
//
// Data goes to stdout, everything else to stderr; the exit status says what became of the command
// (CommandFailure). Invariant: an address never appears in an error, and every command that takes one can
// read it from stdin, since a command line shows in the list of processes.

import ArgumentParser
import ConsentClient

@main
struct Consentctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consentctl",
        abstract: "Asks and tells a consentd server about consents.",
        discussion: """
            The server is --server HOST:PORT, else $CONSENTD_SERVER, else 127.0.0.1:7447. An address on a \
            command line shows in process lists: every command that takes one also takes --stdin.

            Exit status: 0 done or allowed, 1 denied or a comparison failed, 2 indeterminate, 64 usage, \
            65 bad data, 69 unavailable, 70 internal, 75 try again, 77 not authorised, 78 configuration.
            """,
        groupedSubcommands: [
            CommandGroup(
                name: "Asking",
                subcommands: [
                    CheckCommand.self, CheckAtCommand.self, ExplainCommand.self, KeysCommand.self,
                    PreferencesCommand.self, HistoryCommand.self, ReviewCommand.self,
                ]),
            CommandGroup(
                name: "Recording",
                subcommands: [
                    GrantCommand.self, ConfirmCommand.self, WithdrawCommand.self, RefuseCommand.self,
                    ObjectCommand.self, BounceCommand.self, ComplaintCommand.self, ImportCommand.self,
                    MemoCommand.self,
                ]),
            CommandGroup(
                name: "A person's rights",
                subcommands: [
                    EraseCommand.self, RetireLapsedCommand.self, ExportCommand.self, DumpCommand.self,
                    JournalCommand.self,
                ]),
            CommandGroup(
                name: "Catalogue",
                subcommands: [ControllerCommand.self, PurposeCommand.self, NoticeCommand.self]),
            CommandGroup(
                name: "Proof", subcommands: [ProofCommand.self, VerifyCommand.self, HeadCommand.self]),
            CommandGroup(
                name: "Server",
                subcommands: [
                    WatchCommand.self, StatsCommand.self, WaitCommand.self, BackupCommand.self,
                    CredentialCommand.self,
                ]),
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            failure.report()
            exit(withError: ExitCode(failure.status.rawValue))
        } catch let error as ConsentClientError {
            let failure = CommandFailure(error)
            failure.report()
            exit(withError: ExitCode(failure.status.rawValue))
        } catch {
            exit(withError: error)
        }
    }
}

/// A command that talks to a server.
protocol ClientCommand: AsyncParsableCommand {
    var connection: ConnectionOptions { get }
    /// What the command does with its client; the client is closed afterwards.
    func run(_ client: ConsentClient) async throws
}

extension ClientCommand {
    func run() async throws {
        let client = try await connection.connect()
        do {
            try await run(client)
        } catch {
            await client.close()
            throw error
        }
        await client.close()
    }
}
