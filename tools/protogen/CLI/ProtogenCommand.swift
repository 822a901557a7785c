// The command `protogen`: arguments, messages and exit codes; all work is ProtogenCore's.
//
// Exit codes: 0 done, 1 a check failed, 64 wrong usage, 65 the schema has errors.

import ArgumentParser
import Foundation
import ProtogenCore

@main
struct ProtogenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "protogen",
        abstract: "Turns Protocol/consent.schema into Swift, a reference and test vectors.",
        subcommands: [Generate.self, Check.self, Freeze.self])
}

struct RootOption: ParsableArguments {
    @Option(name: .long, help: "The project's root.")
    var root = "."

    var project: Project { Project(root: URL(fileURLWithPath: root, isDirectory: true)) }
}

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Writes all generated files.")

    @OptionGroup var options: RootOption

    func run() throws {
        try withExitCodes {
            let changed = try options.project.generate()
            for path in changed { print("wrote \(path)") }
            print(changed.isEmpty ? "Nothing changed." : "\(changed.count) files changed.")
        }
    }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fails where a generated file differs from the schema, or the schema breaks a released one."
    )

    @OptionGroup var options: RootOption

    func run() throws {
        try withExitCodes {
            let faults = try options.project.check()
            for fault in faults { complain(fault) }
            guard faults.isEmpty else { throw ExitCode(1) }
            print("Generated files and released schemas agree with the schema.")
        }
    }
}

struct Freeze: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Copies the schema to Protocol/released under its version; later ones must be evolutions of it.")

    @OptionGroup var options: RootOption

    func run() throws {
        try withExitCodes {
            print("wrote \(try options.project.freeze())")
        }
    }
}

/// Prints a fault on standard error and turns it into its exit code.
func withExitCodes(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let error as SchemaErrors {
        complain(error.description)
        throw ExitCode(65)
    } catch let error as ProjectError {
        complain("protogen: error: \(error.description)")
        throw ExitCode(64)
    }
}

func complain(_ message: String) {
    FileHandle.standardError.write(Data((message + "\n").utf8))
}
