// `consent-load check`: asks questions about the seeded population and measures the answers.

import CPlatform
import ConsentClient

/// What to ask, and how.
package struct CheckOptions: Sendable {
    /// Which server, and as whom.
    package var server: ServerOptions
    /// How much, how long, how regular.
    package var plan = RunPlan()
    /// What questions are like. `recipients` is set from the register where it is not given.
    package var shape = QuestionShape()
    /// Only the first so many recipients; nil: all that were seeded.
    package var recipients: Int?
    /// Items of the pool; nil: as many as suit the population.
    package var poolItems: Int?
    /// Show progress even off a terminal.
    package var forcesProgress = false

    /// Single checks by key on a server.
    package init(server: ServerOptions) {
        self.server = server
    }

    /// What is wrong with the options.
    package func check() throws(LoadError) {
        try plan.check()
        guard (1...65_536).contains(shape.itemsPerQuestion) else {
            throw .usage("--batch must be 1 to 65536, not \(shape.itemsPerQuestion)")
        }
        guard (0...1).contains(shape.hitRatio) else { throw .usage("--hit-ratio must be 0 to 1") }
        if let zipf = shape.zipf, !(zipf > 0 && zipf <= 5) {
            throw .usage("--zipf must be more than 0 and at most 5; leave it out for a uniform choice")
        }
        if let poolItems, !(1...(1 << 28)).contains(poolItems) {
            throw .usage("--questions must be 1 to \(1 << 28)")
        }
    }

    /// What questions are like, once it is known what was seeded.
    func shape(for population: Population) throws(LoadError) -> QuestionShape {
        var shape = shape
        shape.recipients = recipients ?? population.recipients
        guard (1...population.recipients).contains(shape.recipients) else {
            throw .usage("--recipients must be 1 to \(population.recipients), as many as were seeded")
        }
        // Enough that the server's memory cannot hold all answers in its caches, and no more than seconds
        // to build.
        shape.items = poolItems ?? min(max(1 << 20, shape.recipients), 1 << 22)
        shape.deadlineMicroseconds = plan.deadlineMicroseconds
        return shape
    }
}

/// Measures checks.
package enum CheckRun {
    /// Does it.
    package static func run(_ options: CheckOptions) async throws(LoadError) -> RunReport {
        try options.check()
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let control = try await ServerControl.connect(options.server)
        let stats = try await control.stats()
        guard let (population, _) = ServerControl.population(in: try await control.catalogue()) else {
            throw .configuration(
                "no population was seeded on this server: run `consent-load seed` first, on a register "
                    + "created with --test-register")
        }
        guard stats.recipients >= UInt64(population.recipients) else {
            throw .configuration(
                "only \(stats.recipients) of \(population.recipients) recipients are there: finish the "
                    + "seeding with `consent-load seed --seed \(population.seed) "
                    + "--recipients \(population.recipients) --controllers \(population.controllers)`")
        }
        let shape = try options.shape(for: population)
        let pool = try await CheckRun.pool(population, shape, options.plan.seed, control, printer)
        printer.clear()

        let wrongAnswers = WrongAnswers()
        let plan = options.plan
        let driver = LoadDriver<ConsentDialogue<CheckWorkload>>(
            host: options.server.address.host, port: options.server.address.port, plan: plan)
        let result = try await driver.run(
            credential: options.server.credential, meter: { await control.meter() },
            progress: printer.live(unit: "checks"),
            workload: { number in
                CheckWorkload(
                    pool: pool, connection: number, connections: plan.connections, inFlight: plan.inFlight,
                    verifies: shape.verifies, wrongAnswers: wrongAnswers)
            })
        printer.clear()

        var report = RunReport(mode: "check", plan: plan, result: result)
        report.describe(shape, wrongAnswers)
        report.profiles = stats.profiles
        report.serverRecipients = stats.recipients
        report.serverVersion = stats.version
        await control.close()
        return report
    }

    /// Builds the pool; keys are fetched a few groups at a time, in order.
    private static func pool(
        _ population: Population, _ shape: QuestionShape, _ seed: UInt64, _ control: ServerControl,
        _ printer: ProgressPrinter
    ) async throws(LoadError) -> QuestionPool {
        let today = CalendarDays.day(ofMicroseconds: Int64(consent_wall_nanoseconds() / 1_000))
        var builder = QuestionPoolBuilder(population: population, shape: shape, today: today)
        var picker = QuestionPicker(population: population, shape: shape, seed: seed)
        var done = 0
        while done < builder.groupCount {
            let groups = (0..<min(8, builder.groupCount - done)).map { _ in picker.next() }
            let keys = shape.keys == .digest ? try await fetchKeys(groups, builder, control) : []
            for (place, group) in groups.enumerated() {
                builder.add(group, keys: keys.isEmpty ? nil : keys[place])
            }
            done += groups.count
            if done % 128 == 0 || done == builder.groupCount {
                let items = TextFormat.grouped(done * max(shape.itemsPerQuestion, groups[0].subjects.count))
                printer.show("preparing \(items) of \(TextFormat.grouped(shape.items)) questions")
            }
        }
        return builder.finish(seed: seed)
    }

    private static func fetchKeys(
        _ groups: [QuestionGroup], _ builder: QuestionPoolBuilder, _ control: ServerControl
    ) async throws(LoadError) -> [[UInt8]] {
        let answers = await withTaskGroup(of: (Int, Result<[UInt8], LoadError>).self) { tasks in
            for (place, group) in groups.enumerated() {
                tasks.addTask {
                    let (bytes, offsets) = builder.addresses(of: group)
                    let addresses = (0..<group.subjects.count).map { item in
                        String(decoding: bytes[Int(offsets[item])..<Int(offsets[item + 1])], as: UTF8.self)
                    }
                    do throws(LoadError) {
                        let keys = try await control.keys(
                            of: addresses, controller: group.controller, kind: group.kind)
                        return (place, .success(keys))
                    } catch {
                        return (place, .failure(error))
                    }
                }
            }
            var answers: [Int: Result<[UInt8], LoadError>] = [:]
            for await (place, answer) in tasks { answers[place] = answer }
            return answers
        }
        var keys: [[UInt8]] = []
        for place in groups.indices {
            guard let answer = answers[place] else { throw .lost("an answer with keys is missing") }
            keys.append(try answer.get())
        }
        return keys
    }
}
