// The first two frames of a connection, as pure functions: what each side says, and what they agree on.
//
// Preface and hello are frozen for ever, so that any two programs can at least tell each other why they do
// not fit. Negotiation has no side effect: the shell sends the welcome or the goaway that it returns.

/// Bits of `Hello.features_*` and `Welcome.features`.
public enum Feature {
    /// Frames may be compressed, in both directions.
    public static let compression: UInt64 = 1 << 0
    /// All bits that this version knows.
    public static let known: UInt64 = compression
    /// Bits that never get a meaning. A client sets one of them among its optional ones, at random, so that a
    /// server which does not ignore unknown bits is found early.
    public static let reservedOptional: ClosedRange<UInt64> = 32...63
}

/// What both sides of a connection agreed on.
public struct Agreement: Hashable, Sendable {
    /// Protocol version.
    public var version: UInt16
    /// Feature bits in use.
    public var features: UInt64
    /// Longest body in bytes, both ways.
    public var bodyBytesMax: Int
    /// Most calls in flight.
    public var inFlightMax: Int

    /// What holds until the handshake is done: a small body, no call.
    public static let beforeHandshake = Agreement(
        version: 0, features: 0, bodyBytesMax: Wire.Limits.helloBytesMax, inFlightMax: 0)

    /// An agreement of these parts.
    public init(version: UInt16, features: UInt64, bodyBytesMax: Int, inFlightMax: Int) {
        self.version = version
        self.features = features
        self.bodyBytesMax = bodyBytesMax
        self.inFlightMax = inFlightMax
    }

    /// What a welcome says.
    public init(_ welcome: Wire.Welcome) {
        self.init(
            version: welcome.version, features: welcome.features, bodyBytesMax: Int(welcome.bodyBytesMax),
            inFlightMax: Int(welcome.inFlightMax))
    }

    /// Whether frames may be compressed.
    public var allowsCompression: Bool { features & Feature.compression != 0 }
}

/// Why a client cannot go on after a welcome.
public enum HandshakeError: Error, Hashable, Sendable {
    /// The version is outside what the hello offered.
    case version(chosen: UInt16, offered: ClosedRange<UInt16>)
    /// Features are in use that were not offered, or required ones are not in use.
    case features(chosen: UInt64, required: UInt64, optional: UInt64)
    /// A limit is zero or above what the hello asked for.
    case limit(name: String, chosen: Int, allowed: ClosedRange<Int>)
    /// The server belongs to another deployment.
    case deployment
}

extension HandshakeError: CustomStringConvertible {
    /// A sentence for people.
    public var description: String {
        switch self {
        case .version(let chosen, let offered):
            "the server chose protocol version \(chosen); this client speaks "
                + "\(offered.lowerBound) to \(offered.upperBound)"
        case .features(let chosen, let required, let optional):
            "the server chose features \(chosen) where \(required) are required and \(optional) optional"
        case .limit(let name, let chosen, let allowed):
            "the server set \(name) to \(chosen), outside \(allowed.lowerBound) to \(allowed.upperBound)"
        case .deployment: "the server belongs to another deployment"
        }
    }
}

/// The pure rules of the handshake.
public enum Handshake {
    /// The first bytes that a client sends: `CONSENT1`.
    public static let preface: [UInt8] = Array("CONSENT1".utf8)

    /// What a server has to offer, and what it says about itself.
    public struct ServerOffer: Hashable, Sendable {
        /// Protocol versions that the server speaks.
        public var versions: ClosedRange<UInt16>
        /// Feature bits that the server knows.
        public var features: UInt64
        /// Longest body that the server accepts, in bytes.
        public var bodyBytesMax: Int
        /// Most calls in flight on one connection.
        public var inFlightMax: Int
        /// The server's deployment.
        public var deployment: Wire.Bytes16
        /// Epoch of new recipient keys.
        public var keyEpoch: UInt16
        /// The register's incarnation.
        public var incarnation: Wire.Bytes16
        /// The register's sequence.
        public var sequence: UInt64
        /// The server's name and version.
        public var serverName: String

        /// An offer; limits are cut to those of the protocol.
        public init(
            versions: ClosedRange<UInt16> = Wire.protocolVersion...Wire.protocolVersion,
            features: UInt64 = Feature.known, bodyBytesMax: Int = Wire.Limits.bodyBytesDefault,
            inFlightMax: Int = Wire.Limits.inFlightDefault, deployment: Wire.Bytes16 = Wire.Bytes16(),
            keyEpoch: UInt16 = 0, incarnation: Wire.Bytes16 = Wire.Bytes16(), sequence: UInt64 = 0,
            serverName: String = ""
        ) {
            self.versions = versions
            self.features = features
            self.bodyBytesMax = min(max(bodyBytesMax, Wire.Limits.helloBytesMax), Wire.Limits.bodyBytesMax)
            self.inFlightMax = min(max(inFlightMax, 1), Wire.Limits.inFlightMax)
            self.deployment = deployment
            self.keyEpoch = keyEpoch
            self.incarnation = incarnation
            self.sequence = sequence
            self.serverName = serverName
        }
    }

    /// A server's answer to a hello.
    public enum Answer: Hashable, Sendable {
        /// Send this and go on.
        case accept(Wire.Welcome)
        /// Send this and close.
        case reject(Wire.Goaway)
    }

    // MARK: Server

    /// Answers a hello. The rules, in order: a range of versions that is one; a common version; no unknown
    /// required feature; the same deployment, unless the client names none; room for the frames of a
    /// handshake. The credential is not looked at here.
    public static func negotiate(_ hello: Wire.Hello, server: ServerOffer) -> Answer {
        func reject(_ reason: Wire.GoawayReason, _ message: String) -> Answer {
            .reject(
                Wire.Goaway(
                    reason: reason, lastStream: 0, message: message, versionMin: server.versions.lowerBound,
                    versionMax: server.versions.upperBound))
        }
        guard hello.versionMin <= hello.versionMax else {
            return reject(
                .protocolError, "version_min \(hello.versionMin) is above version_max \(hello.versionMax)")
        }
        let versions = max(hello.versionMin, server.versions.lowerBound)
        let version = min(hello.versionMax, server.versions.upperBound)
        guard versions <= version else {
            return reject(
                .noCommonVersion,
                "this server speaks protocol versions \(server.versions.lowerBound) to "
                    + "\(server.versions.upperBound), the client \(hello.versionMin) to \(hello.versionMax)")
        }
        let unknown = hello.featuresRequired & ~server.features
        guard unknown == 0 else {
            return reject(.unknownFeature, "feature bit \(unknown.trailingZeroBitCount) is not known here")
        }
        guard hello.deployment == Wire.Bytes16() || hello.deployment == server.deployment else {
            return reject(.wrongDeployment, "this server belongs to another deployment: check its address")
        }
        let bodyBytes = askedLimit(hello.bodyBytesMax, default: Wire.Limits.bodyBytesDefault)
        guard bodyBytes >= Wire.Limits.helloBytesMax else {
            return reject(
                .protocolError, "body_bytes_max \(bodyBytes) is under \(Wire.Limits.helloBytesMax)")
        }
        let inFlight = askedLimit(hello.inFlightMax, default: Wire.Limits.inFlightDefault)
        return .accept(
            Wire.Welcome(
                version: version,
                features: (hello.featuresRequired | hello.featuresOptional) & server.features,
                bodyBytesMax: UInt32(clamping: min(bodyBytes, server.bodyBytesMax)),
                inFlightMax: UInt32(clamping: min(inFlight, server.inFlightMax)),
                schemaFingerprint: Wire.schemaFingerprint, deployment: server.deployment,
                keyEpoch: server.keyEpoch, incarnation: server.incarnation, sequence: server.sequence,
                serverName: server.serverName))
    }

    /// The goaway that tells a peer why the connection ends.
    public static func goaway(_ error: FrameError, lastStream: UInt32) -> Wire.Goaway {
        Wire.Goaway(
            reason: error.goawayReason, lastStream: lastStream, message: error.description, versionMin: 0,
            versionMax: 0)
    }

    // MARK: Client

    /// A client's hello, with one random reserved bit among the optional features.
    public static func hello(
        versions: ClosedRange<UInt16> = Wire.protocolVersion...Wire.protocolVersion,
        featuresRequired: UInt64 = 0, featuresOptional: UInt64 = Feature.known,
        bodyBytesMax: Int = Wire.Limits.bodyBytesDefault, inFlightMax: Int = Wire.Limits.inFlightDefault,
        deployment: Wire.Bytes16 = Wire.Bytes16(), clientName: String = "", credential: [UInt8] = [],
        using generator: inout some RandomNumberGenerator
    ) -> Wire.Hello {
        let reserved = UInt64(1) << UInt64.random(in: Feature.reservedOptional, using: &generator)
        return Wire.Hello(
            versionMin: versions.lowerBound, versionMax: versions.upperBound,
            featuresRequired: featuresRequired, featuresOptional: featuresOptional | reserved,
            bodyBytesMax: UInt32(clamping: bodyBytesMax), inFlightMax: UInt32(clamping: inFlightMax),
            schemaFingerprint: Wire.schemaFingerprint, deployment: deployment, clientName: clientName,
            credential: credential)
    }

    /// Checks that a welcome stays within what the hello offered.
    public static func accept(
        _ welcome: Wire.Welcome, hello: Wire.Hello
    ) throws(HandshakeError) -> Agreement {
        guard hello.versionMin <= welcome.version, welcome.version <= hello.versionMax else {
            throw .version(
                chosen: welcome.version, offered: hello.versionMin...max(hello.versionMin, hello.versionMax))
        }
        let offered = (hello.featuresRequired | hello.featuresOptional) & Feature.known
        guard welcome.features & ~offered == 0, hello.featuresRequired & ~welcome.features == 0 else {
            throw .features(
                chosen: welcome.features, required: hello.featuresRequired, optional: hello.featuresOptional)
        }
        let agreement = Agreement(welcome)
        let bodyMax = askedLimit(hello.bodyBytesMax, default: Wire.Limits.bodyBytesDefault)
        try check(
            "body_bytes_max", agreement.bodyBytesMax, from: Wire.Limits.helloBytesMax,
            to: min(bodyMax, Wire.Limits.bodyBytesMax))
        let inFlightMax = askedLimit(hello.inFlightMax, default: Wire.Limits.inFlightDefault)
        try check(
            "in_flight_max", agreement.inFlightMax, from: 1, to: min(inFlightMax, Wire.Limits.inFlightMax))
        guard hello.deployment == Wire.Bytes16() || hello.deployment == welcome.deployment else {
            throw .deployment
        }
        return agreement
    }

    private static func check(
        _ name: String, _ chosen: Int, from low: Int, to high: Int
    ) throws(HandshakeError) {
        guard chosen >= low && chosen <= high else {
            throw .limit(name: name, chosen: chosen, allowed: low...max(low, high))
        }
    }

    private static func askedLimit(_ asked: UInt32, default usual: Int) -> Int {
        asked == 0 ? usual : Int(asked)
    }
}

extension FrameWriter {
    /// Appends the preface and the hello: all that a client sends before it reads.
    public mutating func appendPrefaceAndHello(_ hello: Wire.Hello) {
        for byte in Handshake.preface { append(byte) }
        let frame = beginFrame(.hello)
        hello.encode(into: &self)
        endFrame(frame)
    }

    /// Appends a welcome.
    public mutating func appendWelcome(_ welcome: Wire.Welcome) {
        let frame = beginFrame(.welcome)
        welcome.encode(into: &self)
        endFrame(frame)
    }

    /// Appends a goaway.
    public mutating func appendGoaway(_ goaway: Wire.Goaway) {
        let frame = beginFrame(.goaway)
        goaway.encode(into: &self)
        endFrame(frame)
    }
}
