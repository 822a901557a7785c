// A real server in this process, on a free port of loopback, with a register of its own in a temporary
// folder.

import ConsentClient
import ConsentServer
import Foundation
import Logging

/// A server and what tests need to talk to it.
public final class TestServer: Sendable {
    /// Where everything of this server lies; it outlives a restart.
    public let folder: TemporaryFolder
    /// The server itself, for tests that drain it or look inside.
    public let server: ConsentServer

    /// `HOST:PORT`.
    public var address: String { "\(server.address.host):\(server.address.port)" }
    /// Folder of the register.
    public var stateFolder: String { folder.file("state") }

    private init(folder: TemporaryFolder, server: ConsentServer) {
        self.folder = folder
        self.server = server
    }

    /// Starts a server.
    /// - Parameters:
    ///   - folder: where an earlier server left its state; nil: a new one is made.
    ///   - logFile: a file that takes all that the server logs, from level trace on; nil: only what is
    ///     critical, to standard error.
    ///   - configure: changes to the configuration.
    public static func start(
        in folder: TemporaryFolder? = nil, logFile: String? = nil,
        _ configure: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws -> TestServer {
        let home = try folder ?? TemporaryFolder()
        var configuration = ServerConfiguration(stateFolder: home.file("state"))
        configuration.initialise = folder == nil
        configuration.testRegister = folder == nil
        configuration.port = 0
        configuration.loops = 2
        configure(&configuration)
        var logger = Logger(label: "test", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .critical
        if let logFile {
            logger = Logger(label: "test", factory: { _ in FileLog(path: logFile) })
            logger.logLevel = .trace
        }
        let server = try await ConsentServer.start(configuration, logger: logger) {}
        return TestServer(folder: home, server: server)
    }

    /// Connects with the admin token.
    public func admin(
        _ configure: (inout ConsentClient.Configuration) -> Void = { _ in }
    ) async throws -> ConsentClient {
        let token = try String(contentsOfFile: stateFolder + "/admin.token", encoding: .utf8)
        return try await client {
            $0.credential = Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
            configure(&$0)
        }
    }

    /// Connects without a credential.
    public func client(
        _ configure: (inout ConsentClient.Configuration) -> Void = { _ in }
    ) async throws -> ConsentClient {
        var configuration = ConsentClient.Configuration()
        configuration.clientName = "test"
        configure(&configuration)
        return try await ConsentClient.connect(to: address, configuration: configuration)
    }

    /// Drains the server and starts another one on the same register.
    public func restarted(
        _ configure: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws -> TestServer {
        await server.drain()
        return try await TestServer.start(in: folder, configure)
    }
}

/// Appends what is logged to a file.
private struct FileLog: LogHandler {
    let path: String
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(path: String) {
        self.path = path
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard let file = FileHandle(forWritingAtPath: path) else { return }
        defer { try? file.close() }
        _ = try? file.seekToEnd()
        try? file.write(contentsOf: Data("\(event.level) \(event.message) \(event.metadata ?? [:])\n".utf8))
    }
}
