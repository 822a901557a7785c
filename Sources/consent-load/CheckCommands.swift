// The commands that ask questions: alone, beside writes, on new connections, at rising rates.

import ArgumentParser
import LoadGenerator

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks about the seeded population and measures the answers.",
        discussion: """
            Closed loop by default: --connections times --in-flight requests at a time, each followed by \
            the next. With --rate an open loop: requests are due at fixed or random times whatever the \
            server does, and latency counts from when a request was due, so that a stall shows. Such a run \
            is called invalid when the generator itself was late: p99 send lag over a twentieth of the \
            intended p99, where up to 0.1 ms is always accepted and over 1 ms never; or when requests had to \
            wait because the generator was too busy to take its answers.

            --null-server asks a server inside this program that knows nobody: the generator's own ceiling.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var peer: PeerArguments
    @OptionGroup var load: LoadArguments
    @OptionGroup var questions: QuestionArguments
    @OptionGroup var output: OutputArguments

    @Flag(help: "Ask a server that answers with constants, to see what the generator itself can do.")
    var nullServer = false

    func run() async throws {
        let report = try await ConsentLoad.perform { () throws(LoadError) in
            let options = try questions.options(server, try load.plan(), output)
            let peer = try peer.options()
            guard !(nullServer && peer != nil) else {
                throw .usage("--null-server and --peer exclude each other")
            }
            let report =
                if nullServer {
                    try await NullRun.run(options)
                } else if let peer {
                    try await PeerRun.check(peer, options)
                } else {
                    try await CheckRun.run(options)
                }
            try output.write(report)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }
}

struct Mixed: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks while durable writes go on beside them.",
        discussion: """
            The writes are an open loop on connections of their own and about people of their own, so that \
            --verify knows every check's answer. Both have their own latencies in the report.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var load: LoadArguments
    @OptionGroup var questions: QuestionArguments
    @OptionGroup var output: OutputArguments

    @Option(help: "Writes a second.")
    var writeRate: Double

    @Option(help: "Connections of the writes.")
    var writeConnections = 4

    @Option(help: "Writes in flight on each of them.")
    var writesInFlight = 64

    @Option(help: "Share of writes that withdraw an earlier grant of the run.")
    var withdrawRatio = 0.3

    func run() async throws {
        let report = try await ConsentLoad.perform { () throws(LoadError) in
            let checks = try questions.options(server, try load.plan(), output)
            var options = MixedOptions(checks: checks, writeRate: writeRate)
            options.writeConnections = writeConnections
            options.writesInFlight = writesInFlight
            options.withdrawRatio = withdrawRatio
            let report = try await MixedRun.run(options)
            try output.write(report)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }
}

struct Churn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connects, asks a few questions, closes, and again.",
        discussion: """
            --connections go on at a time. Latency counts from the moment a connection was due (with --rate) \
            or asked for to its first answer.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var load: LoadArguments
    @OptionGroup var questions: QuestionArguments
    @OptionGroup var output: OutputArguments

    @Option(help: "Questions of each connection.")
    var checks = 3

    func run() async throws {
        let report = try await ConsentLoad.perform { () throws(LoadError) in
            guard load.inFlight == nil else { throw .usage("churn has --checks instead of --in-flight") }
            let options = try questions.options(server, try load.plan(), output)
            let report = try await ChurnRun.run(options, checks: checks)
            try output.write(report)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }
}

struct Knee: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Finds the highest rate at which a latency objective is met.",
        discussion: """
            An open loop at rising rates, each for --step: the rate doubles until the objective is missed, \
            then the gap is narrowed to --precision. Only valid runs count. Exit code 75 when the generator \
            could no more before the server.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var load: LoadArguments
    @OptionGroup var questions: QuestionArguments
    @OptionGroup var output: OutputArguments

    @Option(help: ArgumentHelp("Objective of the 99th percentile. (default: 2ms)", valueName: "time"))
    var p99: DurationArgument?

    @Option(help: ArgumentHelp("Objective of the 99.9th percentile instead.", valueName: "time"))
    var p999: DurationArgument?

    @Option(help: "The first rate, requests a second.")
    var firstRate = 1_000.0

    @Option(help: ArgumentHelp("Length of a step. (default: 3s)", valueName: "time"))
    var step: DurationArgument?

    @Option(help: "How close to come: 0.05 is a twentieth of the rate.")
    var precision = 0.05

    func run() async throws {
        let report = try await ConsentLoad.perform { () throws(LoadError) in
            guard p99 == nil || p999 == nil else { throw .usage("--p99 and --p999 exclude each other") }
            guard load.rate == nil && !load.closed else { throw .usage("knee chooses the rates itself") }
            guard load.duration == nil else { throw .usage("knee has --step instead of --duration") }
            try output.refuse("knee", csv: false, hlog: true, html: false)
            var plan = try load.plan()
            plan.inFlight = load.inFlight ?? LoadArguments.openLoopInFlight
            var options = KneeOptions(checks: try questions.options(server, plan, output))
            if let p999 {
                options.percentile = "p999"; options.objectiveMicroseconds = Double(p999.nanoseconds) / 1e3
            }
            if let p99 { options.objectiveMicroseconds = Double(p99.nanoseconds) / 1e3 }
            if let step { options.stepNanoseconds = step.nanoseconds }
            options.firstRate = firstRate
            options.precision = precision
            let report = try await KneeRun.run(options)
            try output.write(report)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }
}
