// `consent-load callers`: ordinary Swift tasks that ask through the client library, all on one connection.
//
// Why beside `check`: that one writes frames itself, to load a server with as little as possible. This one
// measures what a program gets that calls `ConsentClient.check`: tasks, continuations, and all.
//
// Invariant: each caller has one check in flight, and asks the next question when its answer is there.

import CPlatform
import ConsentClient
import WireProtocol

/// What callers do.
package struct CallerOptions: Sendable {
    /// Which server, and as whom.
    package var server: ServerOptions
    /// How long, and what random choices follow from; `inFlight` is the number of callers.
    package var plan = RunPlan()
    /// What questions are like; `itemsPerQuestion` is 1.
    package var shape = QuestionShape()
    /// Only the first so many recipients; nil: all that were seeded.
    package var recipients: Int?
    /// Questions prepared; nil: as many as suit the population.
    package var poolItems: Int?
    /// Callers run on the client's event loop, not on Swift's threads.
    package var runsOnLoop = false
    /// The client may send checks that are made together as one batch.
    package var coalesces = true
    /// Callers ask about one controller, channel and purpose at a time, as a campaign does.
    package var isCampaign = false
    /// Show progress even off a terminal.
    package var forcesProgress = false

    /// Fifty callers, keys.
    package init(server: ServerOptions) {
        self.server = server
        plan.connections = 1
        plan.inFlight = 50
    }

    /// What is wrong with the options.
    package func check() throws(LoadError) {
        guard (1...Wire.Limits.inFlightMax).contains(plan.inFlight) else {
            throw .usage("--callers must be 1 to \(Wire.Limits.inFlightMax), not \(plan.inFlight)")
        }
        guard let duration = plan.durationNanoseconds, duration > 0 else {
            throw .usage("--duration must be more than 0")
        }
        try checks.check()
    }

    /// The same questions as those of a `check` run.
    var checks: CheckOptions {
        var checks = CheckOptions(server: server)
        checks.plan = plan
        checks.shape = shape
        checks.recipients = recipients
        checks.poolItems = poolItems
        return checks
    }
}

/// Measures callers.
package enum CallerRun {
    /// Does it.
    package static func run(_ options: CallerOptions) async throws(LoadError) -> CallerReport {
        try options.check()
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let checks = try await PreparedChecks.prepare(options.checks, printer)
        let questions = try CallerQuestions(checks.pool, sorted: options.isCampaign)
        let client = try await connect(options)
        let crowd = Crowd(
            client: client, questions: questions, options: options, wrongAnswers: checks.wrongAnswers)
        let result = await crowd.run(
            meter: { await checks.control.meter() }, progress: printer.live(unit: "checks"))
        printer.clear()
        await client.close()
        await checks.control.close()

        var report = checks.report(mode: "callers", plan: options.plan, result: result)
        report.firstFailure = crowd.tally.firstFailure
        return CallerReport(
            run: report, runsOnLoop: options.runsOnLoop, coalesces: options.coalesces,
            isCampaign: options.isCampaign)
    }

    private static func connect(_ options: CallerOptions) async throws(LoadError) -> ConsentClient {
        var configuration = ConsentClient.Configuration()
        configuration.clientName = "consent-load callers"
        configuration.credential = options.server.credential
        configuration.tls = options.server.tls
        configuration.coalescesChecks = options.coalesces
        configuration.waitingMax = max(configuration.waitingMax, options.plan.inFlight)
        if options.plan.deadlineMicroseconds > 0 {
            configuration.timeout = .microseconds(Int64(options.plan.deadlineMicroseconds))
        }
        do throws(ConsentClientError) {
            return try await ConsentClient.connect(
                to: options.server.address, configuration: configuration)
        } catch {
            throw LoadError(error)
        }
    }
}

/// The callers of a run and what they share.
private final class Crowd: Sendable {
    let wrongAnswers: WrongAnswers
    let tally = CallerTally()
    private let client: ConsentClient
    private let questions: CallerQuestions
    private let options: CallerOptions

    init(
        client: ConsentClient, questions: CallerQuestions, options: CallerOptions, wrongAnswers: WrongAnswers
    ) {
        self.wrongAnswers = wrongAnswers
        self.client = client
        self.questions = questions
        self.options = options
    }

    func run(
        meter: @Sendable () async -> MeterReading, progress: (@Sendable (ProgressSample) -> Void)?
    ) async -> RunResult {
        let plan = options.plan
        let start = consent_monotonic_nanoseconds()
        let measureFrom = start + plan.warmUpNanoseconds
        let end = measureFrom + (plan.durationNanoseconds ?? 0)
        let watch = Task { await report(start, measureFrom, end, to: progress) }
        defer { watch.cancel() }
        let readings = await withTaskGroup(of: Void.self) { callers in
            for _ in 0..<plan.inFlight {
                if options.runsOnLoop {
                    callers.addTask(executorPreference: client.taskExecutor) {
                        await self.call(measureFrom, end)
                    }
                } else {
                    callers.addTask { await self.call(measureFrom, end) }
                }
            }
            await Self.sleep(until: measureFrom)
            let before = await meter()
            await Self.sleep(until: end)
            return (before, await meter())
        }
        var result = RunResult()
        result.statistics = tally.statistics
        result.statistics.intended = result.statistics.service
        result.measuredSeconds = Double(end - measureFrom) / 1e9
        result.clientCPUSeconds = readings.1.clientSeconds - readings.0.clientSeconds
        if let first = readings.0.serverSeconds, let last = readings.1.serverSeconds {
            result.serverCPUSeconds = last - first
        }
        return result
    }

    /// One caller: question, answer, question, until the end.
    private func call(_ measureFrom: UInt64, _ end: UInt64) async {
        var samples = CallerSamples(tally)
        var asked = consent_monotonic_nanoseconds()
        while asked < end {
            let number = questions.take()
            let question = questions.items[number]
            let answer = await client.check(question.question, question.contact)
            let answered = consent_monotonic_nanoseconds()
            if asked >= measureFrom && answered <= end {
                if let cause = answer.cause {
                    samples.failed(cause)
                } else {
                    let isRight = !options.shape.verifies || isRight(answer, number)
                    samples.record(nanoseconds: answered - asked, isWrong: !isRight)
                }
            }
            asked = answered
        }
        samples.flush()
    }

    private func isRight(_ answer: CheckAnswer, _ number: Int) -> Bool {
        let question = questions.items[number]
        if answer.reasonCode == question.expectedReason && answer.isAllowed == question.isAllowed {
            return true
        }
        return isRightAfterAll(answer, question)
    }

    /// The slow comparison: the finer form of a reason is right too, and so is what midnight changed.
    @inline(never)
    private func isRightAfterAll(_ answer: CheckAnswer, _ question: CallerQuestions.Item) -> Bool {
        let pool = questions.pool
        let today = CalendarDays.day(ofMicroseconds: answer.now?.microseconds ?? 0)
        let expected = pool.expectedReason(question: question.number, item: 0, today: today)
        let isAllowed = ExpectedReason.isAllow(expected)
        if ExpectedReason.coarse(answer.reasonCode) == expected && answer.isAllowed == isAllowed {
            return true
        }
        wrongAnswers.add(
            "\(pool.describe(question: question.number, item: 0)): expected reason \(expected), got "
                + "\(answer.decision) for reason \(answer.reasonCode)")
        return false
    }

    // MARK: Time

    private static func sleep(until time: UInt64) async {
        let now = consent_monotonic_nanoseconds()
        if time > now { try? await Task.sleep(nanoseconds: time - now) }
    }

    private func report(
        _ start: UInt64, _ measureFrom: UInt64, _ end: UInt64,
        to progress: (@Sendable (ProgressSample) -> Void)?
    ) async {
        guard let progress else { return }
        var last = RunStatistics()
        var lastTime = measureFrom
        while (try? await Task.sleep(nanoseconds: 1_000_000_000)) != nil {
            let now = consent_monotonic_nanoseconds()
            let statistics = tally.statistics
            progress(
                ProgressSample(
                    elapsedSeconds: Double(now - start) / 1e9, totalSeconds: Double(end - start) / 1e9,
                    isWarmUp: now < measureFrom,
                    unitsPerSecond: Double(statistics.units - last.units) * 1e9
                        / Double(max(now - min(lastTime, now), 1)),
                    p99Microseconds: statistics.service.microseconds(atPercentile: 99),
                    errors: statistics.errorCount, units: statistics.units))
            last = statistics
            lastTime = now
        }
    }
}
