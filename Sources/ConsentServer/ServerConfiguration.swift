// What a server is started with. Every limit of the server has its name, its default and its unit here.

import ConsentRegister

/// Settings of one server. Defaults are those of `consentd serve --help`.
public struct ServerConfiguration: Sendable {
    /// Folder with `register.db` and the key files.
    public var stateFolder: String
    /// Make the state folder first; it must be missing or empty.
    public var initialise = false
    /// With `initialise`: mark the register, for ever, as one that load tests may write to.
    public var testRegister = false
    /// Wait for another daemon on the same folder to end, instead of refusing to start.
    public var waitForLock = false
    /// Address to listen on.
    public var host = "127.0.0.1"
    /// Port to listen on; 0 picks a free one.
    public var port = 7447
    /// Start although the clock is more than a day behind the last event; time stands still until then.
    public var acceptsClock = false
    /// Event loops; nil: one a core.
    public var loops: Int?
    /// Certificate and key; nil: connections are plain.
    public var tls: TLSFiles?
    /// File that says who may call, and what each may do; nil: whoever is let in may check, read, record and
    /// watch.
    public var credentials: String?
    /// Address of the HTTP endpoint for probes and metrics; nil: there is none.
    public var admin: AdminAddress?
    /// Limits.
    public var limits = Limits()

    /// The defaults, over a state folder.
    public init(stateFolder: String) {
        self.stateFolder = stateFolder
    }

    /// Where probes and metrics are served.
    public struct AdminAddress: Hashable, Sendable {
        /// Address to listen on.
        public var host: String
        /// Port to listen on; 0 picks a free one.
        public var port: Int

        /// An address of these parts.
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// Limits of the server. Sizes are in bytes, times in the unit of their name.
    public struct Limits: Sendable {
        /// Connections open at once; further ones get a goaway.
        public var connectionsMax = 4_096
        /// Connections that the system holds until they are accepted. The kernel drops what comes above, and
        /// such a client tries again after 1, 3, 7 and 15 s. It caps this number by `net.core.somaxconn`,
        /// 4096 as it comes.
        public var acceptQueueMax = 4_096
        /// Time from accept to the end of the handshake.
        public var handshakeSeconds = 5
        /// A connection that is silent for this long is pinged, and closed when silent for as long again.
        public var idleSeconds = 60
        /// Output waiting on one connection above which its requests are no longer read.
        public var outputHighWatermarkBytes = 256 << 10
        /// Output waiting on one connection below which its requests are read again.
        public var outputLowWatermarkBytes = 64 << 10
        /// Output that the system holds for one connection before the peer's window has room for it.
        public var unsentBytesMax = 128 << 10
        /// Output of one connection in one turn of its loop; the rest of what it asked waits for the next, so
        /// that one that asks much does not hold up the others.
        public var burstOutputBytes = 64 << 10
        /// A peer that does not take waiting output for this long is told, and cut a second later.
        public var slowReaderSeconds = 4
        /// Time that a frame may take from its first byte to its last; longer where it comes fast enough.
        public var frameSeconds = 5
        /// What is fast enough, both for a frame that comes and for output that is taken.
        public var peerBytesPerSecondMin = 16 << 10
        /// Writes waiting for the register; further grants and imports are turned away (refusals never are).
        public var queuedWritesMax = 16_384
        /// Events of those writes; an import counts its rows.
        public var queuedEventsMax = 262_144
        /// Register reads (History, Proof, …) waiting; further ones are turned away.
        public var queuedReadsMax = 1_024
        /// Streams (History, Watch, Backup) open on one connection; further ones are turned away.
        public var streamsMax = 32
        /// Events of one commit.
        public var commitEventsMax = 4_096
        /// Time that register reads may take between two commits.
        public var readStepMicroseconds = 2_000
        /// Contact points with state not yet on disk that make the writer flush while it is busy.
        public var dirtyContactsMax = 250_000
        /// The same as a percentage of all contact points, where that is more: the more of them there are in
        /// a page of the table, the less each costs.
        public var dirtyContactsPercentMax = 10
        /// Contact points with state not yet on disk from which on each group of writes is followed by as
        /// much flushing as it has made necessary; twice the percentage above, where that is more. Bounds the
        /// writer's memory and what a start after a crash replays.
        public var dirtyContactsLimit = 500_000
        /// Idle time after which the writer flushes derived rows.
        public var flushIdleMilliseconds = 2_000
        /// Time that one step of that flush may take while nothing else waits.
        public var flushStepMicroseconds = 10_000
        /// Time that a stop may spend on flushing; the rest is replayed from the events by the next start.
        public var stopFlushSeconds = 3
        /// Contact points from which on the index is written to a snapshot; fewer are read from their rows as
        /// fast.
        public var snapshotContactsMin = 100_000
        /// Events after which a snapshot is written while writes go on; more where there are many contact
        /// points.
        public var snapshotEvents = 1_000_000
        /// Time that a stop may spend on a snapshot.
        public var stopSnapshotSeconds = 5
        /// Time without a change after which a Watch gets a heartbeat.
        public var heartbeatSeconds = 10
        /// Time after which a signed head is kept, where events were appended.
        public var headSeconds = 3_600
        /// Time that a drain may take before connections are cut.
        public var drainSeconds = 5
        /// Days until an unconfirmed double opt-in lapses.
        public var doubleOptInDays = 7

        /// The defaults.
        public init() {}

        /// A limit that the operator may set.
        public struct Settable: Sendable {
            /// Its name on the command line and in files.
            public let name: String
            /// Where its value is.
            public let path: WritableKeyPath<Limits, Int> & Sendable
            /// Values that it may have.
            public let range: ClosedRange<Int>
        }

        /// The limits that the operator may set.
        public static let settable = [
            Settable(name: "connections-max", path: \.connectionsMax, range: 1...1_000_000),
            Settable(name: "accept-queue-max", path: \.acceptQueueMax, range: 1...65_535),
            Settable(name: "handshake-seconds", path: \.handshakeSeconds, range: 1...300),
            Settable(name: "idle-seconds", path: \.idleSeconds, range: 1...86_400),
            Settable(name: "frame-seconds", path: \.frameSeconds, range: 1...3_600),
            Settable(name: "peer-bytes-per-second-min", path: \.peerBytesPerSecondMin, range: 1...1_000_000),
            Settable(name: "slow-reader-seconds", path: \.slowReaderSeconds, range: 1...3_600),
            Settable(name: "queued-writes-max", path: \.queuedWritesMax, range: 1...10_000_000),
            Settable(name: "queued-events-max", path: \.queuedEventsMax, range: 1...10_000_000),
            Settable(name: "queued-reads-max", path: \.queuedReadsMax, range: 1...1_000_000),
            Settable(name: "streams-max", path: \.streamsMax, range: 1...10_000),
            Settable(name: "commit-events-max", path: \.commitEventsMax, range: 1...1_000_000),
            Settable(name: "heartbeat-seconds", path: \.heartbeatSeconds, range: 1...3_600),
            Settable(name: "drain-seconds", path: \.drainSeconds, range: 1...3_600),
            Settable(name: "double-opt-in-days", path: \.doubleOptInDays, range: 1...365),
        ]

        /// One sentence that names them all, for `--help`.
        public static var summary: String {
            let limits = Limits()
            return """
                \(limits.connectionsMax) connections, and \(limits.acceptQueueMax) that wait to be accepted; \
                \(limits.handshakeSeconds) s for a handshake; a silent connection is pinged after \
                \(limits.idleSeconds) s and closed after twice that; a peer that does \
                not take \(limits.outputHighWatermarkBytes >> 10) KiB of answers for \
                \(limits.slowReaderSeconds) s is closed, and so is one that takes more than \
                \(limits.frameSeconds) s for a frame; \(limits.queuedWritesMax) writes and \
                \(limits.queuedReadsMax) register reads may wait (refusals always may), writes of \
                \(limits.queuedEventsMax) events in all; \(limits.streamsMax) streams a connection; \
                \(limits.commitEventsMax) events a commit; a drain takes \
                \(limits.drainSeconds) s at most; a double opt-in lapses after \(limits.doubleOptInDays) days.
                """
        }
    }
}
