// The commands: each fills in a run's options, runs it, writes its report and ends with its exit code.

import ArgumentParser
import LoadGenerator

struct Seed: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fills a test register with a reproducible population.",
        discussion: """
            Durable grants by default; --bulk sends the same events as imports, a thousand rows at a time. \
            Running it again goes on where it stopped: events that are there change nothing. With --peer \
            Redis or memcached get a key and what it allows for each recipient.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var peer: PeerArguments
    @OptionGroup var output: OutputArguments

    @Option(help: "Contact points.")
    var recipients = 1_000_000

    @Option(help: "Controllers among which they are spread. (default: 100, or fewer for few recipients)")
    var controllers: Int?

    @Option(help: "What the population follows from.")
    var seed: UInt64 = 1

    @Flag(help: "Send imports instead of durable single grants.")
    var bulk = false

    @Option(help: "Connections.")
    var connections = 4

    @Option(help: "Requests in flight on each connection. (default: 256; 4 with --bulk)")
    var inFlight: Int?

    @Option(help: "Event loop threads.")
    var threads = 1

    func run() async throws {
        try await ConsentLoad.perform { () throws(LoadError) in
            var options = SeedOptions(server: try server.options())
            options.seed = seed
            options.recipients = recipients
            options.controllers = controllers ?? max(1, min(100, recipients))
            options.isBulk = bulk
            options.connections = connections
            options.inFlight = inFlight
            options.threads = threads
            options.forcesProgress = output.progress
            if let peer = try peer.options() {
                let report = try await PeerRun.seed(peer, options)
                try output.write(text: report.text, json: report.json)
                return
            }
            let report = try await SeedRun.run(options)
            try output.write(text: report.text, json: report.json)
        }
    }
}

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks about the seeded population and measures the answers.",
        discussion: """
            Closed loop by default: --connections times --in-flight requests at a time, each followed by \
            the next. With --rate an open loop: requests are due at fixed or random times whatever the \
            server does, and latency counts from when a request was due, so that a stall shows. Such a run \
            is called invalid when the generator itself was late: p99 send lag over a twentieth of the \
            intended p99, where up to 0.1 ms is always accepted and over 1 ms never.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var peer: PeerArguments
    @OptionGroup var load: LoadArguments
    @OptionGroup var output: OutputArguments

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

    func run() async throws {
        let report = try await ConsentLoad.perform { () throws(LoadError) in
            var options = CheckOptions(server: try server.options())
            options.plan = try load.plan()
            options.shape.itemsPerQuestion = batch
            options.shape.keys = keys
            options.shape.hitRatio = hitRatio
            options.shape.zipf = zipf
            options.shape.verifies = verify
            options.recipients = recipients
            options.poolItems = questions
            options.forcesProgress = output.progress
            let report =
                if let peer = try peer.options() {
                    try await PeerRun.check(peer, options)
                } else {
                    try await CheckRun.run(options)
                }
            try output.write(text: report.text, json: report.json)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }
}

struct Write: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Records durable grants and withdrawals and measures them.",
        discussion: """
            Each run grants to people who were not there before. With --ack-log every acknowledged event is \
            listed as 'sequence event-id', so that a register can be audited after a crash.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var load: LoadArguments
    @OptionGroup var output: OutputArguments

    @Option(help: "Share of writes that withdraw an earlier grant of the run.")
    var withdrawRatio = 0.0

    @Option(help: ArgumentHelp("Append each acknowledged event to this file.", valueName: "file"))
    var ackLog: String?

    func run() async throws {
        let report = try await ConsentLoad.perform { () throws(LoadError) in
            var options = WriteOptions(server: try server.options())
            options.plan = try load.plan()
            options.withdrawRatio = withdrawRatio
            options.acknowledgementLog = ackLog
            options.forcesProgress = output.progress
            let report = try await WriteRun.run(options)
            try output.write(text: report.text, json: report.json)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }
}
