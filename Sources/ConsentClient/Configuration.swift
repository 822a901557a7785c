// What a client is told once: where the server is, who it says it is, and how patient it is.

import NIOCore
import WireProtocol

/// A server's host and port.
public struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    /// Host name or IP address; IPv6 without brackets.
    public var host: String
    /// TCP port, 1…65535.
    public var port: Int

    /// An address of these parts.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT`; an IPv6 address stands in brackets (`[::1]:7447`). Nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("[") && host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port)
    }

    /// `HOST:PORT`.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension ConsentClient {
    /// How a client behaves. The defaults suit a service that asks before each message it sends.
    public struct Configuration: Sendable {
        /// Name for the server's logs, at most 64 bytes.
        public var clientName = "ConsentClient"
        /// Bearer token, as the bytes of the token file; empty: none.
        public var credential: [UInt8] = []
        /// Deployment that the server must belong to, 16 bytes; empty: any.
        public var deployment: [UInt8] = []

        /// How connections are protected; nil: they are plain, for servers on this machine.
        public var tls: TLS?

        /// Time for one attempt to connect, handshake included.
        public var connectTimeout = Duration.seconds(5)
        /// Time for a call that states none; nil: each method's own deadline from the schema.
        public var timeout: Duration?
        /// Silence after which the client asks whether the server is still there; it waits as long again.
        public var keepAlive = Duration.seconds(15)

        /// Whether concurrent single checks about the same controller, channel, purpose and class go out as
        /// one CheckBatch. Each gets the answer that it would have got alone.
        public var coalescesChecks = true
        /// Checks of one turn of the event loop from which they are coalesced.
        public var coalescingMin = 4
        /// Most calls in flight; the server may set fewer. More wait their turn.
        public var inFlightMax = Wire.Limits.inFlightDefault
        /// Most calls that wait; more fail at once as `.overloaded`.
        public var waitingMax = 65_536

        /// Time before the second attempt to connect; doubled for each further one, with full jitter.
        public var reconnectBase = Duration.milliseconds(50)
        /// Longest time between two attempts to connect.
        public var reconnectMax = Duration.seconds(5)
        /// Most times that one call is sent.
        public var attemptsMax = 3
        /// Calls that may be repeated in a row before repeats need fresh successes to pay for them (each
        /// success pays for a tenth). Keeps a failing server from being hit three times as hard.
        public var retryBudget = 100

        /// Whether bodies may be compressed, where the server agrees.
        public var compresses = true
        /// Whether another register behind the same address is taken as it comes. Only for callers that keep
        /// neither sequences nor keys between calls.
        public var acceptsAnyRegister = false
        /// Event loops to run on; nil: the process-wide ones.
        public var eventLoopGroup: (any EventLoopGroup)?

        /// The defaults.
        public init() {}
    }
}
