// consentd serve: one server until a signal ends it.

import ArgumentParser
import ConsentServer
import Foundation
import Logging
import UnixSignals

/// HOST:PORT.
struct ListenAddress {
    var host: String
    var port: Int

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        host = String(text[..<colon]).trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        self.port = Int(port)
        guard !host.isEmpty else { return nil }
    }
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve one register.",
        discussion: """
            Prints "listening on HOST:PORT" to stdout when it serves; logs go to stderr. SIGTERM and SIGINT drain: \
            calls in flight are finished, the register is completed, and the exit code is 0. SIGHUP reads \
            certificate and credentials again; connections stay open.

            Every setting is also taken from the environment (CONSENTD_LISTEN for --listen) and from a file \
            (--config); see `consentd config show --origin`. An address that other machines can reach needs TLS, \
            and clients that say who they are.

            Limits: \(ServerConfiguration.Limits.summary)

            Names for --limit: \(ServerConfiguration.Limits.settable.map(\.name).joined(separator: ", ")).
            """)

    @OptionGroup var flags: SettingFlags

    @Flag(name: .customLong("init"), help: "Make the state folder first; it must be missing or empty.")
    var initialise = false

    @Flag(help: "With --init: mark the register, for ever, as one that load tests may write to.")
    var testRegister = false

    @Flag(
        help: "Start although the clock is more than a day behind the last event; time stands still.")
    var acceptClock = false

    func validate() throws {
        guard !testRegister || initialise else {
            throw ValidationError(
                "--test-register only goes with --init: a register is marked when it is made")
        }
    }

    func run() async throws {
        let configuration: ServerConfiguration
        let logger: Logger
        do {
            (configuration, logger) = try read()
        } catch {
            fail(ServerFailure(error, configuration: ServerConfiguration(stateFolder: "")))
        }

        // Before anyone is told that it serves: a signal that comes at once drains too.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
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
        let supervisor = Supervisor.fromEnvironment
        supervisor?.tell("READY=1")
        let watchdog = supervisor.map { supervisor in
            Task { await supervisor.watch { await server.isAlive(within: $0) } }
        }

        for await signal in signals {
            if signal == .sighup {
                await server.reload()
                continue
            }
            logger.info("stopping", metadata: ["signal": "\(signal)"])
            break
        }
        supervisor?.tell("STOPPING=1")
        watchdog?.cancel()
        await server.drain()
    }

    /// What the settings say.
    private func read() throws -> (ServerConfiguration, Logger) {
        let settings = try flags.settings()
        guard let stateFolder = settings.text("state-dir") else {
            throw ServerFailure(
                exitCode: 64, message: "which state folder? --state-dir DIR; with --init to make a new one")
        }
        var configuration = ServerConfiguration(stateFolder: stateFolder)
        configuration.initialise = initialise
        configuration.testRegister = testRegister
        configuration.acceptsClock = acceptClock
        configuration.waitForLock = try settings.isOn("wait-lock")
        if let listen = try settings.value("listen", "HOST:PORT", { ListenAddress($0) }) {
            (configuration.host, configuration.port) = (listen.host, listen.port)
        }
        configuration.loops = try settings.value("loops", "a number from 1 to 1024") { text in
            Int(text).flatMap { (1...1024).contains($0) ? $0 : nil }
        }
        configuration.admin = try settings.value("admin", "HOST:PORT") { text in
            ListenAddress(text).map { ServerConfiguration.AdminAddress(host: $0.host, port: $0.port) }
        }
        configuration.tls = try tls(settings)
        configuration.credentials = settings.text("credentials")
        guard try settings.isOn("crash-dumps") || ConsentServer.forbidCrashDumps() else {
            throw ServerFailure(
                exitCode: 71,
                message:
                    "the system does not let a process forbid its core dumps: --crash-dumps starts anyway")
        }
        for limit in ServerConfiguration.Limits.settable {
            guard let value = settings.limits[limit.name] else { continue }
            configuration.limits[keyPath: limit.path] = value.value
        }
        var logger = Logger(label: "consentd", factory: { StreamLogHandler.standardError(label: $0) })
        let level = try settings.value(
            "log-level", "trace, debug, info, notice, warning, error or critical"
        ) { Logger.Level(rawValue: $0) }
        logger.logLevel = try settings.isOn("quiet") ? .error : level ?? .info
        return (configuration, logger)
    }

    private func tls(_ settings: Settings) throws -> TLSFiles? {
        switch (settings.text("tls-cert"), settings.text("tls-key")) {
        case (let certificate?, let key?):
            return TLSFiles(certificate: certificate, key: key, clientAuthority: settings.text("client-ca"))
        case (nil, nil):
            guard settings.text("client-ca") == nil else {
                throw ServerFailure(
                    exitCode: 78, message: "client-ca is of use with TLS only: give tls-cert and tls-key too")
            }
            return nil
        default:
            throw ServerFailure(
                exitCode: 78, message: "tls-cert and tls-key go together: give both, or neither")
        }
    }
}
