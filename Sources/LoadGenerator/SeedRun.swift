// `consent-load seed`: fills a test register with the population.

import CPlatform
import ConsentClient
import ConsentDomain
import WireProtocol

/// What to seed.
package struct SeedOptions: Sendable {
    /// Which server, and as whom.
    package var server: ServerOptions
    /// What all of the population follows from.
    package var seed: UInt64 = 1
    /// Contact points.
    package var recipients = 1_000_000
    /// Controllers among which they are spread.
    package var controllers = 100
    /// Import requests instead of durable single grants.
    package var isBulk = false
    /// Connections.
    package var connections = 4
    /// Requests in flight on each; nil: 256, or 4 with `isBulk`.
    package var inFlight: Int?
    /// Event loop threads.
    package var threads = 1
    /// Show progress even off a terminal.
    package var forcesProgress = false

    /// A million recipients, by single grants.
    package init(server: ServerOptions) {
        self.server = server
    }
}

/// What a seeding came to.
package struct SeedReport: Sendable {
    /// What was seeded.
    package var population: Population
    /// By import.
    package var isBulk: Bool
    /// Requests or rows recorded now.
    package var recorded: Int
    /// Requests or rows that had been recorded before.
    package var repeated: Int
    /// Seconds that it took.
    package var seconds: Double
    /// Counts of the server afterwards.
    package var stats: ServerStats

    private var perSecond: Double { seconds > 0 ? Double(recorded + repeated) / seconds : 0 }

    /// One JSON document.
    package var json: JSONText {
        .object([
            .init("mode", .string("seed")), .init("seed", .integer(Int(truncatingIfNeeded: population.seed))),
            .init("recipients", .integer(population.recipients)),
            .init("controllers", .integer(population.controllers)), .init("bulk", .bool(isBulk)),
            .init("anchorDay", .integer(population.anchorDay)), .init("recorded", .integer(recorded)),
            .init("repeated", .integer(repeated)), .init("durationSeconds", .number(seconds)),
            .init("eventsPerSecond", .number(perSecond)),
            .init("profiles", .integer(Int(clamping: stats.profiles))),
            .init("serverRecipients", .integer(Int(clamping: stats.recipients))),
            .init("indexBytes", .integer(Int(clamping: stats.indexBytes))),
            .init("sequence", .integer(Int(clamping: stats.sequence))),
        ])
    }

    /// For people, lines with their ends.
    package var text: String {
        let what = isBulk ? "rows imported" : "writes acknowledged"
        let perRecipient = Double(stats.indexBytes) / Double(max(stats.recipients, 1))
        return """
            seed \(population.seed): \(TextFormat.grouped(population.recipients)) recipients of \
            \(TextFormat.grouped(population.controllers)) controllers
            \(what)  \(TextFormat.grouped(recorded)) new, \(TextFormat.grouped(repeated)) there before, in \
            \(TextFormat.fixed(seconds, 1)) s (\(TextFormat.rate(perSecond))/s)
            index  \(TextFormat.grouped(Int(clamping: stats.recipients))) recipients, \
            \(TextFormat.grouped(Int(clamping: stats.profiles))) profiles, \
            \(TextFormat.fixed(perRecipient, 1)) bytes a recipient

            """
    }
}

/// Seeds a register.
package enum SeedRun {
    /// Does it.
    package static func run(_ options: SeedOptions) async throws(LoadError) -> SeedReport {
        let today = CalendarDays.day(ofMicroseconds: Int64(consent_wall_nanoseconds() / 1_000))
        let asked = try Population(
            seed: options.seed, recipients: options.recipients, controllers: options.controllers,
            anchorDay: today)
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let control = try await ServerControl.connect(options.server)
        try await control.requireTestRegister()
        let catalogue = try await control.catalogue()
        let population = try agree(asked, with: ServerControl.population(in: catalogue)?.0)
        let notice = try await control.prepare(population, catalogue: catalogue) { written in
            if written % 100 == 0 { printer.show("\(TextFormat.grouped(written)) controllers written") }
        }

        let started = consent_monotonic_nanoseconds()
        let progress = SeedProgress()
        let result = try await write(population, notice, options, progress, printer)
        printer.clear()
        let seconds = Double(consent_monotonic_nanoseconds() - started) / 1e9
        if let failure = progress.firstFailure { throw .rejected(failure.status, failure.message) }
        guard result.statistics.errorCount == 0, result.statistics.lostConnections == 0 else {
            let why = result.statistics.lostReason ?? "\(result.statistics.errorCount) requests failed"
            throw .lost(
                "\(why); \(TextFormat.grouped(progress.recordedCount + progress.repeatedCount)) events are "
                    + "recorded: run the same command again to go on, repeated events change nothing")
        }
        let stats = try await control.stats()
        await control.close()
        return SeedReport(
            population: population, isBulk: options.isBulk, recorded: progress.recordedCount,
            repeated: progress.repeatedCount, seconds: seconds, stats: stats)
    }

    /// A register holds one population: going on with the same one is fine, another one would mix with it.
    static func agree(_ asked: Population, with known: Population?) throws(LoadError) -> Population {
        guard let known else { return asked }
        guard known.isSame(as: asked) else {
            throw .configuration(
                "this register was seeded with --seed \(known.seed) --recipients \(known.recipients) "
                    + "--controllers \(known.controllers): use these, or a new state folder")
        }
        return known
    }

    private static func write(
        _ population: Population, _ notice: NoticeID, _ options: SeedOptions, _ progress: SeedProgress,
        _ printer: ProgressPrinter
    ) async throws(LoadError) -> RunResult {
        var plan = RunPlan()
        plan.connections = options.connections
        plan.inFlight = options.inFlight ?? (options.isBulk ? 4 : 256)
        plan.threads = options.threads
        plan.warmUpNanoseconds = 0
        plan.durationNanoseconds = nil
        plan.seed = options.seed
        try plan.check()
        let final = plan
        let driver = LoadDriver<ConsentDialogue<SeedWorkload>>(
            host: options.server.address.host, port: options.server.address.port,
            tls: options.server.tls, plan: final)
        let noticeID = Wire.Bytes32(notice.bytes) ?? Wire.Bytes32()
        return try await driver.run(
            credential: options.server.credential, meter: { MeterReading() },
            progress: printer.live(unit: "events"),
            workload: { number in
                let first = population.recipients * number / final.connections
                let end = population.recipients * (number + 1) / final.connections
                return SeedWorkload(
                    population: population, notice: noticeID, range: first..<end, inFlight: final.inFlight,
                    isBulk: options.isBulk, progress: progress)
            })
    }
}
