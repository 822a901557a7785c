// consentd serve: one server until a signal ends it.

import ArgumentParser
import ConsentServer
import Foundation
import Logging
import UnixSignals

/// HOST:PORT.
struct ListenAddress: ExpressibleByArgument {
    var host: String
    var port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    var defaultValueDescription: String { "\(host):\(port)" }

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"),
            let port = UInt16(argument[argument.index(after: colon)...])
        else { return nil }
        host = String(argument[..<colon]).trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        self.port = Int(port)
        guard !host.isEmpty else { return nil }
    }

    /// Whether only this machine can reach it.
    var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve one register.",
        discussion: """
            Prints "listening on HOST:PORT" to stdout when it serves; logs go to stderr. SIGTERM and SIGINT drain: \
            calls in flight are finished, the register is completed, and the exit code is 0.

            Limits: \(ServerConfiguration.Limits.summary)
            """)

    @Option(help: "Folder with the register and its key files.", completion: .directory)
    var stateDir: String

    @Flag(name: .customLong("init"), help: "Make the state folder first; it must be missing or empty.")
    var initialise = false

    @Flag(help: "With --init: mark the register, for ever, as one that load tests may write to.")
    var testRegister = false

    @Option(help: "Address to listen on; port 0 picks a free one.")
    var listen = ListenAddress(host: "127.0.0.1", port: 7447)

    @Option(help: "Event loops; default: one a core.")
    var loops: Int?

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    @Flag(help: "Wait for another daemon on the same folder to end instead of refusing to start.")
    var waitLock = false

    @Option(help: "Connections open at once; further ones are turned away.")
    var connectionsMax = ServerConfiguration.Limits().connectionsMax

    @Flag(
        help: "Start although the clock is more than a day behind the last event; time stands still.")
    var acceptClock = false

    @Flag(help: "Log errors only.")
    var quiet = false

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError(
                "--log-level \(logLevel): use trace, debug, info, notice, warning, error or critical")
        }
        guard loops.map({ (1...1024).contains($0) }) ?? true else {
            throw ValidationError("--loops takes 1 to 1024")
        }
        guard (1...1_000_000).contains(connectionsMax) else {
            throw ValidationError("--connections-max takes 1 to 1000000")
        }
        guard !testRegister || initialise else {
            throw ValidationError(
                "--test-register only goes with --init: a register is marked when it is made")
        }
    }

    func run() async throws {
        guard listen.isLoopback else {
            fail(
                ServerFailure(
                    exitCode: 78,
                    message:
                        "\(listen.host) is not a loopback address, and this version has no TLS: listen on "
                        + "127.0.0.1 and put a TLS proxy in front"))
        }
        var logger = Logger(label: "consentd", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = quiet ? .error : Logger.Level(rawValue: logLevel) ?? .info

        var configuration = ServerConfiguration(stateFolder: stateDir)
        configuration.initialise = initialise
        configuration.testRegister = testRegister
        configuration.waitForLock = waitLock
        configuration.host = listen.host
        configuration.port = listen.port
        configuration.loops = loops
        configuration.limits.connectionsMax = connectionsMax
        configuration.acceptsClock = acceptClock

        // Before anyone is told that it serves: a signal that comes at once drains too.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let server: ConsentServer
        do {
            server = try await ConsentServer.start(configuration, logger: logger) {
                // The writer thread calls this: answers under way get a moment to leave.
                usleep(100_000)
                Foundation.exit(70)
            }
        } catch {
            fail(ServerFailure(error, configuration: configuration))
        }
        print("listening on \(server.address.host):\(server.address.port)")
        fflush(nil)

        for await signal in signals {
            logger.info("stopping", metadata: ["signal": "\(signal)"])
            break
        }
        await server.drain()
    }
}
