// `consent-load callers`: what a program gets that calls the client library from many tasks.

import ArgumentParser
import LoadGenerator

struct Callers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks through the client library, from many tasks on one connection.",
        discussion: """
            Each caller is a Swift task that asks, waits for its answer and asks again. Callers run on Swift's \
            own threads, as in any program, or with --on-loop on the thread of the client's event loop, which \
            saves two hops between threads a check. The time includes the tasks, the client and the server.
            """)

    @OptionGroup var server: ServerArguments
    @OptionGroup var output: OutputArguments

    @Option(help: "Tasks that ask.")
    var callers = 50

    @Flag(help: "Run the tasks on the client's event loop (Task(executorPreference: client.taskExecutor)).")
    var onLoop = false

    @Flag(help: "Send each check alone, even when several are made together.")
    var noCoalescing = false

    @Flag(help: "Ask about one controller, channel and purpose at a time. (default: all mixed)")
    var campaign = false

    @Option(help: "digest: 16-byte keys, fetched before the clock starts; raw: addresses.")
    var keys = QuestionKeys.digest

    @Option(
        help: ArgumentHelp("Length of the measurement: 500ms, 10s, 2m. (default: 10s)", valueName: "time"))
    var duration: DurationArgument?

    @Option(help: ArgumentHelp("Time before the measurement starts. (default: 2s)", valueName: "time"))
    var warmUp: DurationArgument?

    @Option(
        help: ArgumentHelp("Deadline of each check. (default: the client's own, 1 s)", valueName: "time"))
    var deadline: DurationArgument?

    @Option(help: "Share of questions that are about seeded recipients.")
    var hitRatio = 0.9

    @Option(help: "Exponent of a Zipf distribution over recipients, for instance 0.99. (default: uniform)")
    var zipf: Double?

    @Option(help: "Ask about the first so many recipients only. (default: all that were seeded)")
    var recipients: Int?

    @Option(help: "Questions prepared; they repeat after that. (default: by population)")
    var questions: Int?

    @Option(help: "What random choices follow from.")
    var seed: UInt64 = 1

    @Flag(help: "Compare every answer, reason included, with what the population implies.")
    var verify = false

    func run() async throws {
        let report = try await ConsentLoad.perform { () throws(LoadError) in
            let report = try await CallerRun.run(try options())
            try output.write(text: report.text, json: report.json)
            return report
        }
        throw ArgumentParser.ExitCode(report.exitCode.rawValue)
    }

    private func options() throws(LoadError) -> CallerOptions {
        var options = CallerOptions(server: try server.options())
        options.plan.inFlight = callers
        if let duration { options.plan.durationNanoseconds = duration.nanoseconds }
        if let warmUp { options.plan.warmUpNanoseconds = warmUp.nanoseconds }
        if let deadline {
            options.plan.deadlineMicroseconds = UInt32(clamping: deadline.nanoseconds / 1_000)
        }
        options.plan.seed = seed
        options.shape.keys = keys
        options.shape.hitRatio = hitRatio
        options.shape.zipf = zipf
        options.shape.verifies = verify
        options.recipients = recipients
        options.poolItems = questions
        options.runsOnLoop = onLoop
        options.coalesces = !noCoalescing
        options.isCampaign = campaign
        options.forcesProgress = output.progress
        return options
    }
}
