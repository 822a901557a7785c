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
            try output.refuse("seed", csv: true, hlog: true, html: true)
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
            options.plan.keepsHistograms = output.hlog != nil
            options.withdrawRatio = withdrawRatio
            options.acknowledgementLog = ackLog
            options.forcesProgress = output.progress
            let report = try await WriteRun.run(options)
            try output.write(report)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }
}

struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes, and measures how soon subscribers hear of it.",
        discussion: """
            Each subscriber watches all that the run writes. Latency counts from the submission and from the \
            acknowledgement of a write to its notification. Every acknowledged write must come to every \
            subscriber, in order; one that does not is a wrong answer.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var load: LoadArguments
    @OptionGroup var output: OutputArguments

    @Option(help: "Subscribers, each on a connection of its own.")
    var subscribers = 10

    @Option(help: "Share of writes that withdraw an earlier grant of the run.")
    var withdrawRatio = 0.0

    func run() async throws {
        let report = try await ConsentLoad.perform { () throws(LoadError) in
            var writes = WriteOptions(server: try server.options())
            writes.plan = try load.plan()
            writes.plan.keepsHistograms = output.hlog != nil
            writes.withdrawRatio = withdrawRatio
            writes.forcesProgress = output.progress
            var options = WatchOptions(writes: writes)
            options.subscribers = subscribers
            let report = try await WatchRun.run(options)
            try output.write(report)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }
}

struct Compare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Puts two reports side by side, and fails where the second is not good enough.",
        discussion: """
            A threshold is the ratio second / first that is still good: for the rate at least it, for \
            latencies and CPU at most it. A second run that is not valid, or that had wrong answers or more \
            errors, fails too. Exit code 1 when anything failed.
            """)

    @Argument(help: ArgumentHelp("Report of the run to measure up to.", valueName: "a.json"))
    var before: String

    @Argument(help: ArgumentHelp("Report of the run in question.", valueName: "b.json"))
    var after: String

    @Option(help: "For instance p99=1.10,rate=0.95. Names: rate, p50, p90, p99, p999, p9999, max, cpu.")
    var threshold: String?

    @Option(
        help: ArgumentHelp(
            "Write the comparison as JSON to this file; - for standard output.", valueName: "file"))
    var json: String?

    func run() async throws {
        let failed = try await ConsentLoad.perform { () throws(LoadError) in
            let thresholds = try threshold.map { text throws(LoadError) in try Comparison.thresholds(text) }
            let comparison = Comparison(
                before: try ComparedRun(json: FileText.read(before, bytesMax: 1 << 26), path: before),
                after: try ComparedRun(json: FileText.read(after, bytesMax: 1 << 26), path: after),
                thresholds: thresholds ?? [:])
            if json == "-" {
                ProgressPrinter.write(comparison.text)
                print(comparison.json.text)
            } else {
                print(comparison.text, terminator: "")
                if let json { try FileText.write(comparison.json.text + "\n", to: json) }
            }
            return !comparison.failures.isEmpty
        }
        if failed { throw ArgumentParser.ExitCode(RunExit.wrongAnswers.rawValue) }
    }
}
