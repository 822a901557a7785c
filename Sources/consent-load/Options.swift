// Options that several commands share.

import ArgumentParser
import ConsentClient
import LoadGenerator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A duration on the command line.
struct DurationArgument: ExpressibleByArgument {
    let nanoseconds: UInt64

    init?(argument: String) {
        guard let nanoseconds = DurationText.nanoseconds(argument) else { return nil }
        self.nanoseconds = nanoseconds
    }
}

extension ArrivalPattern: ExpressibleByArgument {}
extension QuestionKeys: ExpressibleByArgument {}
extension PeerKind: ExpressibleByArgument {}
extension PeerCommand: ExpressibleByArgument {}

/// Which server, and as whom.
struct ServerArguments: ParsableArguments {
    @Option(help: "The server, HOST:PORT. (default: $CONSENTD_SERVER, or 127.0.0.1:7447)")
    var server: String?

    @Option(help: ArgumentHelp("File with the bearer token.", valueName: "file"))
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "Certificates of the authority that the server's is signed by: TLS.", valueName: "file"))
    var ca: String?

    @Option(help: ArgumentHelp("Certificate that says who this client is.", valueName: "file"))
    var cert: String?

    @Option(help: ArgumentHelp("Private key of the certificate.", valueName: "file"))
    var key: String?

    func options() throws(LoadError) -> ServerOptions {
        let text = server ?? getenv("CONSENTD_SERVER").map { String(cString: $0) } ?? "127.0.0.1:7447"
        guard let address = ServerAddress(text) else {
            throw .usage("'\(text)' is not HOST:PORT, for example 127.0.0.1:7447")
        }
        var options = ServerOptions(address: address)
        if let tokenFile { options.credential = try readToken(tokenFile) }
        guard (cert == nil) == (key == nil), ca != nil || cert == nil else {
            throw .usage("--cert and --key go together, and need --ca")
        }
        if let ca {
            var tls = ConsentClient.TLS()
            (tls.authority, tls.certificate, tls.key) = (ca, cert, key)
            options.tls = tls
        }
        return options
    }

    /// The file's bytes without the white space around them.
    private func readToken(_ path: String) throws(LoadError) -> [UInt8] {
        var bytes = try FileText.read(path)
        func isSpace(_ byte: UInt8?) -> Bool { byte.map { $0 == 32 || (9...13).contains($0) } ?? false }
        while isSpace(bytes.last) { bytes.removeLast() }
        while isSpace(bytes.first) { bytes.removeFirst() }
        guard !bytes.isEmpty else { throw .file(path: path, why: "holds no token") }
        return bytes
    }
}

/// Which other server to load instead of consentd.
struct PeerArguments: ParsableArguments {
    @Option(help: "Ask another server instead of consentd, to compare: redis or memcached.")
    var peer: PeerKind?

    @Option(help: "The peer, HOST:PORT. (default: 127.0.0.1:6379; 127.0.0.1:11211 for memcached)")
    var peerAddress: String?

    @Option(help: "get: values by key (GET, MGET). smismember: Redis sets of the keys that are allowed.")
    var peerCommand = PeerCommand.get

    @Option(help: "Process of the peer: its CPU time is reported.")
    var serverPid: Int32?

    /// Nil: consentd.
    func options() throws(LoadError) -> PeerOptions? {
        guard let peer else {
            guard peerAddress == nil && serverPid == nil else {
                throw .usage("--peer-address and --server-pid are for --peer")
            }
            return nil
        }
        let text = peerAddress ?? (peer == .redis ? "127.0.0.1:6379" : "127.0.0.1:11211")
        guard let address = ServerAddress(text) else { throw .usage("'\(text)' is not HOST:PORT") }
        var options = PeerOptions(
            format: try PeerFormat(kind: peer, command: peerCommand), host: address.host, port: address.port)
        options.processID = serverPid
        return options
    }
}

/// What questions are like.
struct QuestionArguments: ParsableArguments {
    @Option(help: "Contact points in a request; 1 asks single checks.")
    var batch = 1

    @Option(help: "digest: 16-byte keys, fetched before the clock starts; raw: addresses.")
    var keys = QuestionKeys.digest

    @Option(help: "Share of questions that are about seeded recipients.")
    var hitRatio = 0.9

    @Option(help: "Exponent of a Zipf distribution over recipients, for instance 0.99. (default: uniform)")
    var zipf: Double?

    @Option(help: "Ask about the first so many recipients only. (default: all that were seeded)")
    var recipients: Int?

    @Option(
        help: "Contact points in all the questions prepared; they repeat after that. (default: by population)"
    )
    var questions: Int?

    @Flag(help: "Compare every answer, reason included, with what the population implies.")
    var verify = false

    func options(
        _ server: ServerArguments, _ plan: RunPlan, _ output: OutputArguments
    ) throws(LoadError) -> CheckOptions {
        var options = CheckOptions(server: try server.options())
        options.plan = plan
        options.plan.keepsHistograms = output.hlog != nil
        options.shape.itemsPerQuestion = batch
        options.shape.keys = keys
        options.shape.hitRatio = hitRatio
        options.shape.zipf = zipf
        options.shape.verifies = verify
        options.recipients = recipients
        options.poolItems = questions
        options.forcesProgress = output.progress
        return options
    }
}

/// How much, how long, how regular.
struct LoadArguments: ParsableArguments {
    /// Requests in flight on each connection of an open loop, unless given.
    static let openLoopInFlight = 64

    @Option(help: "Connections.")
    var connections = 50

    @Option(help: "Requests in flight on each connection. (default: 1; 64 with --rate)")
    var inFlight: Int?

    @Option(help: "Event loop threads of the generator.")
    var threads = 1

    @Option(
        help: ArgumentHelp("Length of the measurement: 500ms, 10s, 2m. (default: 10s)", valueName: "time"))
    var duration: DurationArgument?

    @Option(help: ArgumentHelp("Time before the measurement starts. (default: 2s)", valueName: "time"))
    var warmUp: DurationArgument?

    @Flag(help: "Closed loop: an answer is followed by the next request. The default without --rate.")
    var closed = false

    @Option(
        help: "Open loop: requests a second, whatever the answers do. Latency counts from the intended time.")
    var rate: Double?

    @Option(help: "How an open loop's requests are spread: poisson or fixed.")
    var arrivals = ArrivalPattern.poisson

    @Option(help: ArgumentHelp("Deadline of each request; none by default.", valueName: "time"))
    var deadline: DurationArgument?

    @Option(help: "What random choices follow from.")
    var seed: UInt64 = 1

    func plan() throws(LoadError) -> RunPlan {
        guard !(closed && rate != nil) else { throw .usage("--closed and --rate exclude each other") }
        var plan = RunPlan()
        plan.connections = connections
        plan.inFlight = inFlight ?? (rate == nil ? 1 : LoadArguments.openLoopInFlight)
        plan.threads = threads
        if let duration { plan.durationNanoseconds = duration.nanoseconds }
        if let warmUp { plan.warmUpNanoseconds = warmUp.nanoseconds }
        plan.rate = rate
        plan.arrivals = arrivals
        plan.seed = seed
        if let deadline { plan.deadlineMicroseconds = UInt32(clamping: deadline.nanoseconds / 1_000) }
        return plan
    }
}
