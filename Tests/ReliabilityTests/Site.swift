// What the fault tests share: a daemon on a port that it keeps over restarts, the programs that load it, and
// the numbers that lengthen and repeat a test.

import ConsentClient
import Foundation
import TestSupport
import Testing

/// A number from the environment.
enum Setting {
    static func number(_ name: String, default usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
    }

    /// What random choices follow from: CONSENTD_FAULT_SEED, or a new one. To be printed with each failure.
    static func seed() -> UInt64 {
        UInt64(number("CONSENTD_FAULT_SEED", default: .random(in: 1...1_000_000)))
    }

    /// The address sanitizer is there, which keeps freed memory for a while.
    static let keepsFreedMemory = ProcessInfo.processInfo.environment["ASAN_OPTIONS"] != nil
}

/// A daemon under faults. `daemon` belongs to the test's own task.
final class Site: @unchecked Sendable {
    let folder: TemporaryFolder
    /// `HOST:PORT`, the same after each restart.
    let address: String
    var daemon: DaemonUnderTest

    var state: String { folder.file("state") }
    var tokenFile: String { state + "/admin.token" }

    /// Starts a daemon with a new test register.
    init(
        _ arguments: [String] = [], environment: [String: String] = [:], prelude: String? = nil
    ) throws {
        folder = try TemporaryFolder()
        var attempts = 0
        while true {
            // Below the ports that the system gives to clients: one of those could connect to itself while
            // nobody listens, and keep the port.
            let place = "127.0.0.1:\(Int.random(in: 10_000..<32_000))"
            let made = FileManager.default.fileExists(atPath: folder.file("state"))
            do {
                daemon = try DaemonUnderTest(
                    stateFolder: folder.file("state"),
                    (made ? [] : ["--init", "--test-register"]) + arguments, environment: environment,
                    listen: place, prelude: prelude)
                address = place
                return
            } catch DaemonUnderTest.DaemonError.didNotServe(let why) where why.contains("is in use") {
                attempts += 1
                guard attempts < 20 else { throw DaemonUnderTest.DaemonError.didNotServe(why) }
            }
        }
    }

    /// Starts another daemon on the same register and port.
    func start(
        _ arguments: [String] = [], environment: [String: String] = [:], prelude: String? = nil
    ) throws -> DaemonUnderTest {
        try DaemonUnderTest(
            stateFolder: state, arguments, environment: environment, listen: address, prelude: prelude)
    }

    /// Connects with the admin token.
    func client(
        _ configure: (inout ConsentClient.Configuration) -> Void = { _ in }
    ) async throws -> ConsentClient {
        try await daemon.admin(configure)
    }

    /// Fills the register with a population that `consent-load check --verify` knows.
    func seed(recipients: Int) async throws {
        let run = try await ProgramUnderTest(
            "consent-load", ["seed", "--bulk", "--recipients", "\(recipients)"] + server
        ).finished()
        try #require(run.code == 0, "seed: \(run.errors)")
    }

    /// Arguments of `consent-load` that name this server.
    var server: [String] { ["--server", address, "--token-file", tokenFile] }

    /// Starts `consent-load`.
    func load(_ arguments: [String]) throws -> LoadProgram {
        let report = folder.file("report-\(UUID().uuidString).json")
        let program = try ProgramUnderTest("consent-load", arguments + server + ["--json", report])
        return LoadProgram(program: program, report: report)
    }

    /// Stops the daemon and expects a clean end.
    func stop() async {
        daemon.program.signal(SIGTERM)
        let end = await daemon.program.finished()
        #expect(end.code == 0, "\(end.errors)")
    }
}

/// A run of `consent-load` and its report.
struct LoadProgram {
    let program: ProgramUnderTest
    let report: String

    /// Waits for the end. An exit for a rate that the generator could not keep is fine: this machine is
    /// shared.
    func finished() async throws -> LoadFigures {
        let end = await program.finished()
        guard let data = FileManager.default.contents(atPath: report) else {
            throw LoadFailure.noReport(code: end.code, errors: end.errors)
        }
        return LoadFigures(code: end.code, json: try JSON(parsing: Array(data)))
    }

    enum LoadFailure: Error {
        case noReport(code: Int32, errors: String)
    }
}

/// What `consent-load` reported.
struct LoadFigures {
    let code: Int32
    let json: JSON

    private func number(_ value: JSON?) -> Double {
        switch value {
        case .double(let number)?: number
        case .integer(let number)?: Double(number)
        case .unsigned(let number)?: Double(number)
        default: 0
        }
    }

    func number(_ name: String) -> Double { number(json[name]) }
    /// The same of the writes beside.
    func writes(_ name: String) -> Double { number(json["writes"]?[name]) }
    /// Microseconds, from the time when a request was due.
    func latency(_ percentile: String) -> Double {
        number(json["latencyMicroseconds"]?["intended"]?[percentile])
    }

    /// The median of each second, in microseconds, with the second's beginning.
    var mediansBySecond: [(start: Double, microseconds: Double)] {
        (json["seconds"]?.elements ?? []).map {
            (number($0["start"]), number($0["latencyMicroseconds"]?["p50"]))
        }
    }

    var requestsPerSecond: Double { number("requestsPerSecond") }
    var rejectedAsBusy: Double { number(json["errorsByStatus"]?["RESOURCE_EXHAUSTED"]) }

    /// Expects that every request was answered rightly.
    func expectNoError(_ note: String) {
        #expect(number("requests") > 0, "\(note): nothing was measured")
        for name in ["errors", "unanswered", "lostConnections", "wrongAnswers"] {
            #expect(number(name) == 0, "\(note): \(name)")
        }
        #expect(writes("errors") == 0, "\(note): errors of writes")
    }
}

/// Set once, from any task.
final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false

    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}

/// Runs what waits on a thread of its own: tests that count on their time share few threads.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result(catching: body)) }
    }
}
