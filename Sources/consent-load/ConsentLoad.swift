// The command line of the load tester: parse, run, report, exit.
//
// Invariant: data goes to standard output, everything else to standard error; the exit code says how it went.

import ArgumentParser
import LoadGenerator

@main
struct ConsentLoad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consent-load",
        abstract: "Measures a consentd server, and checks that it answers right under load.",
        discussion: """
            A test register comes first:
              consentd serve --state-dir DIR --init --test-register
              consent-load seed --token-file DIR/admin.token --recipients 1000000 --bulk
              consent-load check --token-file DIR/admin.token --batch 100 --verify

            Exit codes: 0 done; 1 wrong answers, or a comparison failed; 64 usage; 65 bad data; 69 server not reachable or lost; \
            70 internal; 75 try again (server overloaded, or the generator could not keep its schedule); \
            77 not authorised; 78 server not set up for it.
            """,
        subcommands: [
            Seed.self, Check.self, Callers.self, Write.self, Mixed.self, Churn.self, Watch.self, Knee.self,
            Compare.self,
        ])
}

extension ConsentLoad {
    /// Runs a command's work; a failure is a sentence on standard error and an exit code.
    static func perform<Report>(_ work: () async throws(LoadError) -> Report) async throws -> Report {
        do throws(LoadError) {
            return try await work()
        } catch {
            ProgressPrinter.write("consent-load: \(error)\n")
            throw ArgumentParser.ExitCode(error.exitCode.rawValue)
        }
    }
}
