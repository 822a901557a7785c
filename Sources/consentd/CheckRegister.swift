// consentd check-register: says whether a register is what it was written as.

import ArgumentParser
import ConsentRegister
import ConsentServer
import Foundation

struct CheckRegister: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-register", abstract: "Examine a register from its first to its last byte.",
        discussion: """
            The daemon must be stopped. Compares every page with its checksum, every event with the log, every \
            personal part with its commitment, every look-up with its event, every contact point's row with what \
            its events fold to, the index as a start would fill it with the same, and every kept head with the log. \
            Reads all of the register, and takes as long as that.

            Prints what it found, with sequences and never with an address. Exit codes: 0 nothing is wrong; 1 \
            something is: restore a backup, and keep the files for whoever looks into it; 78 there is no register \
            that could be examined (the message says why, and what to do).
            """)

    @Option(help: "Folder with the register and its keys.", completion: .directory)
    var stateDir: String

    @Flag(help: "Print JSON.")
    var json = false

    private struct Report: Encodable {
        struct Finding: Encodable {
            var part: String
            var what: String
        }

        var status: String
        var sequence: UInt64
        var contacts: UInt64
        var heads: UInt64
        var findingCount: Int
        var findings: [Finding]
    }

    func run() throws {
        let found: RegisterExamination
        do {
            found = try ConsentServer.checkRegister(stateFolder: stateDir, onProgress: progress())
        } catch {
            fail(ServerFailure(error, configuration: ServerConfiguration(stateFolder: stateDir)))
        }
        if json { try printJSON(found) } else { printText(found) }
        if found.findingCount > 0 { throw ExitCode(1) }
    }

    /// A line on a terminal, once a second.
    private func progress() -> (RegisterExamination.Part, UInt64, UInt64) -> Void {
        guard isatty(STDERR_FILENO) == 1 else { return { _, _, _ in } }
        var next = ContinuousClock.now + .seconds(1)
        return { part, done, all in
            guard ContinuousClock.now >= next else { return }
            next = ContinuousClock.now + .seconds(1)
            let share = all > 0 ? ", \(min(100, done * 100 / all)) %" : ""
            FileHandle.standardError.write(Data("\(part.rawValue): \(done)\(share)\n".utf8))
        }
    }

    private func printText(_ found: RegisterExamination) {
        for finding in found.findings { print("\(finding.part.rawValue): \(finding.what)") }
        let left = found.findingCount - found.findings.count
        if left > 0 { print("and \(left) more") }
        let counts =
            "\(found.eventCount) events, \(found.contactCount) contact points, \(found.headCount) heads"
        print(
            found.findingCount == 0 ? "ok: \(counts)" : "damaged: \(found.findingCount) findings in \(counts)"
        )
    }

    private func printJSON(_ found: RegisterExamination) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let report = Report(
            status: found.findingCount == 0 ? "ok" : "damaged", sequence: found.eventCount,
            contacts: found.contactCount, heads: found.headCount, findingCount: found.findingCount,
            findings: found.findings.map { Report.Finding(part: $0.part.rawValue, what: $0.what) })
        print(String(decoding: try encoder.encode(report), as: UTF8.self))
    }
}
