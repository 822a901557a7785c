// The project's own programs, run as processes, from the folder that this test was built into.

import ConsentClient
import Foundation

/// A running program.
public final class ProgramUnderTest: @unchecked Sendable {
    private let process = Process()
    private let output = Pipe()
    private let errors = Pipe()
    private var pending = Data()

    /// Folder of the test's own executable, where SwiftPM puts the programs too.
    public static let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()

    /// Process id.
    public var id: Int32 { process.processIdentifier }

    /// Whether it has not ended yet.
    public var isRunning: Bool { process.isRunning }

    /// Starts a program.
    /// - Parameters:
    ///   - input: what it reads as standard input.
    ///   - errorTerminal: a terminal that it writes errors to; nil: `wait` returns them.
    ///   - environment: variables beside those of this process.
    ///   - prelude: shell commands that set the program's limits, such as `ulimit -n 64`.
    public init(
        _ name: String, _ arguments: [String], input: FileHandle = .nullDevice,
        errorTerminal: FileHandle? = nil, environment: [String: String] = [:], prelude: String? = nil
    ) throws {
        process.executableURL = Self.folder.appendingPathComponent(name)
        process.arguments = arguments
        if let prelude, let program = process.executableURL?.path {
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", prelude + " && exec \"$0\" \"$@\"", program] + arguments
        }
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = input
        process.standardOutput = output
        if let errorTerminal {
            process.standardError = errorTerminal
            try errors.fileHandleForWriting.close()
        } else {
            process.standardError = errors
        }
        try process.run()
    }

    deinit {
        if process.isRunning { kill(id, SIGKILL) }
    }

    /// The next line of standard output; nil at its end.
    public func readLine() -> String? {
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeSubrange(...end)
                return line
            }
            let chunk = output.fileHandleForReading.availableData
            if chunk.isEmpty { return nil }
            pending.append(chunk)
        }
    }

    /// The most memory that the program has had, in bytes, as Linux tells while it runs; nil elsewhere.
    public var residentBytesMax: Int? { bytes(of: "VmHWM:") }

    /// The memory that the program has now, in bytes, as Linux tells while it runs; nil elsewhere.
    public var residentBytes: Int? { bytes(of: "VmRSS:") }

    /// The addresses that the program has taken, in bytes, as Linux tells while it runs; nil elsewhere.
    public var virtualBytes: Int? { bytes(of: "VmSize:") }

    private func bytes(of field: String) -> Int? {
        guard let status = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix(field) }),
            let kilobytes = Int(line.filter(\.isNumber))
        else { return nil }
        return kilobytes * 1024
    }

    /// Processor time that the program has used, in seconds, as Linux tells while it runs; nil elsewhere.
    public var processorSeconds: Double? {
        guard let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return nil }
        // The fields after the name; user and system time are the 12th and 13th of them.
        let fields = stat[end...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else {
            return nil
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Descriptors that it has open, as Linux tells while it runs; nil elsewhere.
    public var descriptorCount: Int? {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/fd"))?.count
    }

    /// Stops the program, and returns when it stands still: until then it may go on for a moment.
    public func standStill() {
        signal(SIGSTOP)
        for _ in 0..<1_000 {
            let status = (try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)) ?? ""
            if status.contains("State:\tT") { break }
            usleep(5_000)
        }
        // Its other threads follow.
        usleep(50_000)
    }

    /// Sends a signal.
    public func signal(_ number: Int32) {
        kill(id, number)
    }

    /// Waits for the end; returns exit code (negative: the signal that ended it), output and errors.
    public func wait() -> (code: Int32, output: String, errors: String) {
        let text = String(
            decoding: pending + output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let code = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return (code, text, errorText)
    }

    /// The same on a thread of its own: tests that count on their time share few threads.
    public func finished() async -> (code: Int32, output: String, errors: String) {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: self.wait()) }
        }
    }

    /// Runs a program to its end.
    public static func run(_ name: String, _ arguments: [String]) throws -> (
        code: Int32, output: String, errors: String
    ) {
        try ProgramUnderTest(name, arguments).wait()
    }
}

/// A `consentd` process on a free port.
public final class DaemonUnderTest: Sendable {
    /// The process, to signal and to wait for; killed with this value.
    public let program: ProgramUnderTest
    /// `HOST:PORT`.
    public let address: String
    private let stateFolder: String

    /// Starts it and waits until it serves.
    /// - Parameters:
    ///   - listen: where; port 0 picks a free one.
    ///   - prelude: shell commands that set its limits.
    public init(
        stateFolder: String, _ arguments: [String] = [], environment: [String: String] = [:],
        listen: String = "127.0.0.1:0", prelude: String? = nil
    ) throws {
        self.stateFolder = stateFolder
        program = try ProgramUnderTest(
            "consentd", ["serve", "--state-dir", stateFolder, "--listen", listen, "--quiet"] + arguments,
            environment: environment, prelude: prelude)
        guard let line = program.readLine(), line.hasPrefix("listening on ") else {
            let end = program.wait()
            throw DaemonError.didNotServe("exit \(end.code): \(end.errors)")
        }
        address = String(line.dropFirst("listening on ".count))
    }

    /// Connects with the admin token.
    public func admin(
        _ configure: (inout ConsentClient.Configuration) -> Void = { _ in }
    ) async throws -> ConsentClient {
        let token = try String(contentsOfFile: stateFolder + "/admin.token", encoding: .utf8)
        var configuration = ConsentClient.Configuration()
        configuration.credential = Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        configure(&configuration)
        return try await ConsentClient.connect(to: address, configuration: configuration)
    }

    /// Why a daemon did not serve.
    public enum DaemonError: Error {
        case didNotServe(String)
    }
}
