// What every part of a running server shares: immutable references to things that are each safe to share.

import ConsentDomain
import ConsentIndex
import ConsentProof
import Logging
import NIOCore
import Synchronization
import WireProtocol

/// Whether marketing checks may be answered, and why not.
final class Serving: Sendable {
    private let blocking: Atomic<UInt8>
    private let drains = Atomic<Bool>(false)

    /// - Parameter blocking: the reason for which checks are indeterminate; nil: they are answered.
    init(blocking: Reason?) {
        self.blocking = Atomic(blocking?.rawValue ?? 0)
    }

    /// The reason for which checks are indeterminate now, as a raw value; 0: they are answered.
    @inline(__always)
    var blockingReason: UInt8 { blocking.load(ordering: .acquiring) }

    /// The register failed: nothing is allowed any more.
    func fail() { blocking.store(Reason.integrityFailure.rawValue, ordering: .releasing) }

    /// The server is stopping.
    func drain() { drains.store(true, ordering: .releasing) }

    /// The state that Health shows.
    var state: Wire.ServingState {
        if drains.load(ordering: .acquiring) { return .draining }
        return blockingReason == 0 ? .serving : .notServing
    }

    /// The same in words.
    var sentence: String {
        switch state {
        case .serving: "serving"
        case .draining: "stopping: no new calls"
        default: "not serving marketing: \(Wire.Reason(rawValue: blockingReason))"
        }
    }
}

/// The shared parts.
final class ServerCore: Sendable {
    let limits: ServerConfiguration.Limits
    let index: ConsentIndex
    let pipeline: CommitPipeline
    let board: CatalogueBoard
    let clock: ServerClock
    let keyring: RecipientKeyring
    /// Signs receipts; the register has it too, for heads.
    let logKey: LogSigningKey
    let authorisation: Authorisation
    /// nil: connections are plain.
    let security: TransportSecurity?
    let metrics = Metrics()
    let serving: Serving
    let logger: Logger
    let identity: Identity
    let stateFolder: String
    let registerFigures = Mutex(RegisterFigures())
    private let parts = Mutex<[ObjectIdentifier: (CheckScratch, LoopTurns)]>([:])
    let connections = Mutex<[UInt64: Connection]>([:])
    let onFatalError: @Sendable () -> Void

    /// What a welcome and Stats say about the server.
    struct Identity: Sendable {
        var deployment: Wire.Bytes16
        var incarnation: Wire.Bytes16
        var isTestRegister: Bool
        var loops: Int
        var startedAt: UInt64
        var startNanoseconds: UInt64
        static let version = "0.1.0"
    }

    init(
        limits: ServerConfiguration.Limits, index: ConsentIndex, pipeline: CommitPipeline,
        board: CatalogueBoard,
        clock: ServerClock, keyring: RecipientKeyring, logKey: LogSigningKey,
        authorisation: Authorisation, security: TransportSecurity?, serving: Serving,
        logger: Logger, identity: Identity, stateFolder: String, onFatalError: @escaping @Sendable () -> Void
    ) {
        self.limits = limits
        self.index = index
        self.pipeline = pipeline
        self.board = board
        self.clock = clock
        self.keyring = keyring
        self.logKey = logKey
        self.authorisation = authorisation
        self.security = security
        self.serving = serving
        self.logger = logger
        self.identity = identity
        self.stateFolder = stateFolder
        self.onFatalError = onFatalError
    }

    /// What the handshake offers.
    func offer() -> Handshake.ServerOffer {
        Handshake.ServerOffer(
            deployment: identity.deployment, keyEpoch: keyring.epoch, incarnation: identity.incarnation,
            sequence: index.publishedSequence, serverName: "consentd/\(Identity.version)")
    }

    /// What the connections of a loop share: its working memory, and whose turn it is.
    func parts(of loop: any EventLoop) -> (scratch: CheckScratch, turns: LoopTurns) {
        parts.withLock { parts in
            if let known = parts[ObjectIdentifier(loop)] { return known }
            let new = (CheckScratch(), LoopTurns(of: loop))
            parts[ObjectIdentifier(loop)] = new
            return new
        }
    }

    /// Counts a connection; returns whether it is within the limit.
    func connectionOpened(_ connection: Connection) -> Bool {
        connections.withLock { $0[connection.id] = connection }
        return metrics.connections.add(1, ordering: .relaxed).newValue <= limits.connectionsMax
    }

    /// The connections that are open now.
    var openConnections: [Connection] { connections.withLock { Array($0.values) } }

    func connectionClosed(_ connection: Connection) {
        connections.withLock { _ = $0.removeValue(forKey: connection.id) }
        metrics.connections.subtract(1, ordering: .relaxed)
    }
}
