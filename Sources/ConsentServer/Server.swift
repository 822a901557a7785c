// A running server: opens the register, builds the index, listens; drains and closes.

import CPlatform
import ConsentDomain
import ConsentIndex
import ConsentRegister
import Dispatch
import Logging
import NIOCore
import NIOPosix
import Synchronization
import WireProtocol

/// A consent server in this process.
public final class ConsentServer: Sendable {
    private let core: ServerCore
    private let group: MultiThreadedEventLoopGroup
    private let listener: Listener
    private let admin: AdminEndpoint?
    /// Path of the credentials file.
    private let credentials: String?
    /// The drain, once it has begun.
    private let ending = Mutex<Task<Bool, Never>?>(nil)

    /// Version of the server.
    public static let version = ServerCore.Identity.version

    /// Address and port that the server listens on.
    public var address: (host: String, port: Int) { listener.address }

    /// The register's sequence.
    public var sequence: UInt64 { core.index.publishedSequence }

    /// Address and port of probes and metrics; nil: they are not served.
    public var adminAddress: (host: String, port: Int)? { admin?.address }

    private init(
        core: ServerCore, group: MultiThreadedEventLoopGroup, listener: Listener, admin: AdminEndpoint?,
        credentials: String?
    ) {
        self.core = core
        self.group = group
        self.listener = listener
        self.admin = admin
        self.credentials = credentials
    }

    // MARK: Start

    /// Prepares this process for a server. To be called before there is a second thread.
    public static func prepareProcess() {
        consent_keep_freed_memory()
        consent_raise_descriptor_limit()
    }

    /// From now on a crash leaves nothing of this process's memory behind: addresses of requests are in it.
    /// - Returns: whether the system agreed.
    public static func forbidCrashDumps() -> Bool { consent_forbid_crash_dumps() == 0 }

    /// Starts a server. When this returns, it serves.
    /// - Parameters:
    ///   - onFatalError: called once, on another thread, when the register failed and the process has to end.
    /// - Throws: `StateFolderError`, `RegisterError`, `IndexError`, or what binding the address threw.
    public static func start(
        _ configuration: ServerConfiguration, logger: Logger, onFatalError: @escaping @Sendable () -> Void
    ) async throws -> ConsentServer {
        let began = consent_monotonic_nanoseconds()
        let now = Timestamp(microseconds: Int64(consent_wall_nanoseconds() / 1000))
        let security = try configuration.tls.map { try TransportSecurity($0, now: now) }
        let clients = try configuration.credentials.map { try CredentialsFile.read($0) }
        try configuration.refuseOpenDoors()
        if configuration.initialise {
            try StateFolder.initialise(
                path: configuration.stateFolder, isTestRegister: configuration.testRegister)
        }
        let folder = try await open(configuration)
        BackupSource.removeLeftOvers(in: configuration.stateFolder)
        let keyring = folder.keyring
        let logKey = folder.logKey
        var options = RegisterOptions()
        options.defersReplay = true
        let register = try SQLiteRegister(folder: folder, options: options)
        if configuration.acceptsClock {
            try register.forgetNotedTime()
        } else {
            try ServerClock.check(against: register.lastKnownTime)
        }
        let start = try IndexStart(
            register, stateFolder: configuration.stateFolder, keyring: keyring, logger: logger)
        let index = start.index

        let loops = configuration.loops ?? System.coreCount
        let pipeline = CommitPipeline(limits: configuration.limits)
        let core = ServerCore(
            limits: configuration.limits, index: index, pipeline: pipeline,
            board: CatalogueBoard(
                CatalogueSnapshot(version: 1, catalogue: register.catalogue, keyring: keyring)),
            clock: ServerClock(after: register.lastKnownTime), keyring: keyring,
            logKey: logKey,
            authorisation: Authorisation(
                adminToken: Hexadecimal.text(of: folder.adminToken), clients: clients),
            security: security,
            serving: Serving(blocking: register.restorePending ? .restored : nil), logger: logger,
            identity: ServerCore.Identity(
                deployment: Wire.Bytes16(folder.deploymentID) ?? Wire.Bytes16(),
                incarnation: Wire.Bytes16(register.incarnation) ?? Wire.Bytes16(),
                isTestRegister: register.isTestRegister, loops: loops, startedAt: began,
                startNanoseconds: consent_monotonic_nanoseconds() - began),
            stateFolder: configuration.stateFolder, onFatalError: onFatalError)
        let writer = RegisterWriter(
            folder: folder, register: register, core: core, snapshotSequence: start.snapshotSequence)
        writer.postCatalogue()
        writer.postFigures()
        // An erasure that was cut off is finished before anyone is served.
        if register.isReplayed || register.hasErasuresDue(now: core.clock.now) { writer.begin() }
        pipeline.start(writer)

        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        var admin: AdminEndpoint?
        do {
            if let address = configuration.admin {
                admin = try await AdminEndpoint.listen(
                    core: core, at: address,
                    security: ServerConfiguration.isLoopback(address.host) ? nil : security)
            }
            let listener = try await Listener.listen(
                core: core, group: group, host: configuration.host, port: configuration.port)
            warnOfFewDescriptors(core)
            let probes = admin.map { "\($0.address.host):\($0.address.port)" } ?? "-"
            logger.info(
                "serving",
                metadata: start.metadata.merging([
                    "admin": "\(probes)", "tls": "\(security != nil)",
                    "address": "\(listener.address.host):\(listener.address.port)",
                    "recipients": "\(index.recipientCount)", "sequence": "\(index.publishedSequence)",
                    "loops": "\(loops)",
                    "start_ms": "\((consent_monotonic_nanoseconds() - began) / 1_000_000)",
                ]) { first, _ in first })
            return ConsentServer(
                core: core, group: group, listener: listener, admin: admin,
                credentials: configuration.credentials)
        } catch {
            await admin?.close()
            pipeline.stop()
            try? await group.shutdownGracefully()
            throw error
        }
    }

    /// Says so where the system allows fewer descriptors than connections may be open. It serves all the
    /// same: what is too much waits to be accepted.
    private static func warnOfFewDescriptors(_ core: ServerCore) {
        let descriptors = Int(clamping: consent_descriptor_limit())
        guard descriptors < core.limits.connectionsMax else { return }
        core.logger.warning(
            "fewer descriptors than connections may be open: raise the limit (ulimit -n, LimitNOFILE)",
            metadata: [
                "descriptors": "\(descriptors)", "connections_max": "\(core.limits.connectionsMax)",
            ])
    }

    /// Opens the state folder; with `waitForLock` as soon as the daemon that has it ends.
    private static func open(_ configuration: ServerConfiguration) async throws -> StateFolder {
        while configuration.waitForLock {
            do throws(StateFolderError) {
                return try StateFolder(path: configuration.stateFolder)
            } catch {
                guard case .inUse = error else { throw error }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        return try StateFolder(path: configuration.stateFolder)
    }

    // MARK: Liveness

    /// Whether every event loop and the writer thread take up work within the time.
    public func isAlive(within time: Duration) async -> Bool {
        let answered = Mutex(0)
        let loops = Array(group.makeIterator())
        for loop in loops { loop.execute { answered.withLock { $0 += 1 } } }
        let isQueued = core.pipeline.enqueue(LivenessProbe { answered.withLock { $0 += 1 } }) == .queued
        // A full queue of reads is work, not a standstill.
        let wanted = loops.count + (isQueued ? 1 : 0)
        let deadline = ContinuousClock.now + time
        while ContinuousClock.now < deadline {
            if answered.withLock({ $0 }) == wanted { return true }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    // MARK: Reload

    /// Reads certificate and credentials anew. What is of no use is reported and leaves what was there in
    /// force; connections stay open, with the rights that their clients have now.
    /// - Returns: whether all files were of use.
    @discardableResult
    public func reload() async -> Bool {
        var isUseful = true
        if let security = core.security {
            do throws(TLSFailure) {
                try security.reload(now: core.clock.now)
                core.logger.notice(
                    "certificate reloaded", metadata: ["until": "\(security.validUntil.rfc3339)"])
            } catch {
                isUseful = false
                core.logger.error("certificate kept", metadata: ["reason": "\(error)"])
            }
        }
        if let path = credentials {
            do {
                core.authorisation.replace(try CredentialsFile.read(path))
                for connection in core.openConnections {
                    try? await connection.eventLoop.submit { connection.refreshAccess() }.get()
                }
                core.logger.notice(
                    "credentials reloaded", metadata: ["clients": "\(core.authorisation.clientCount ?? 0)"])
            } catch {
                isUseful = false
                let failure = (error as? ServerFailure)?.message ?? "\(error)"
                core.logger.error("credentials kept", metadata: ["reason": "\(failure)"])
            }
        }
        return isUseful
    }

    // MARK: Keys

    /// Begins a new epoch of recipient keys in a state folder that no daemon uses.
    /// - Returns: number of the epoch.
    public static func rotateRecipientKey(stateFolder: String) throws -> UInt16 {
        try StateFolder(path: stateFolder).rotateRecipientKey()
    }

    /// Replaces the log key of a state folder that no daemon uses.
    /// - Returns: id of the new key, in hexadecimal digits.
    public static func rotateLogKey(stateFolder: String) throws -> String {
        let folder = try StateFolder(path: stateFolder)
        let now = Timestamp(microseconds: Int64(consent_wall_nanoseconds() / 1000))
        return Hexadecimal.text(of: try folder.rotateLogKey(now: now).keyID)
    }

    // MARK: Stop

    /// Stops: no new connections and calls, finishes what is in flight, makes the register complete, closes.
    /// Whoever calls it again waits for the same end.
    /// - Returns: whether every connection ended by itself in time.
    @discardableResult
    public func drain() async -> Bool {
        let ending = ending.withLock { ending in
            if let ending { return ending }
            let new = Task { await stop() }
            ending = new
            return new
        }
        return await ending.value
    }

    private func stop() async -> Bool {
        core.serving.drain()
        await listener.close()
        let deadline = NIODeadline.now() + .seconds(Int64(core.limits.drainSeconds))
        // A connection that was accepted just before may come late, so each is told once.
        var told = Set<UInt64>()
        while case let open = core.openConnections, !open.isEmpty && NIODeadline.now() < deadline {
            for connection in open where told.insert(connection.id).inserted {
                connection.eventLoop.execute { connection.beginDrain() }
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
        let isClean = core.openConnections.isEmpty
        if !isClean {
            core.logger.warning(
                "connections cut at the end of the drain",
                metadata: ["count": "\(core.openConnections.count)"])
        }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { [core] in
                core.pipeline.stop()
                continuation.resume()
            }
        }
        try? await group.shutdownGracefully()
        await admin?.close()
        core.logger.info("stopped", metadata: ["sequence": "\(core.index.publishedSequence)"])
        return isClean
    }
}

/// Tells that the writer thread goes around.
private final class LivenessProbe: RegisterTask {
    private let answer: @Sendable () -> Void

    init(_ answer: @escaping @Sendable () -> Void) { self.answer = answer }

    func step(_ writer: RegisterWriter, until deadline: UInt64) -> Bool {
        answer()
        return false
    }
}
