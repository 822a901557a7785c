// What every run that asks questions needs first: a connection for control, the population, the questions.

import CPlatform
import ConsentClient

/// Questions that are ready, and the server that they are for.
struct PreparedChecks: Sendable {
    let control: ServerControl
    let stats: ServerStats
    let shape: QuestionShape
    let pool: QuestionPool
    let wrongAnswers = WrongAnswers()

    /// Connects, finds the population and prepares the questions.
    static func prepare(
        _ options: CheckOptions, _ printer: ProgressPrinter
    ) async throws(LoadError) -> PreparedChecks {
        try options.check()
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
        let pool = try await pool(population, shape, options.plan.seed, control, printer)
        printer.clear()
        return PreparedChecks(control: control, stats: stats, shape: shape, pool: pool)
    }

    /// The questions of one connection.
    func workload(_ connection: Int, of plan: RunPlan) -> CheckWorkload {
        CheckWorkload(
            pool: pool, connection: connection, connections: plan.connections, inFlight: plan.inFlight,
            verifies: shape.verifies, wrongAnswers: wrongAnswers)
    }

    /// The report of a run.
    func report(mode: String, plan: RunPlan, result: RunResult) -> RunReport {
        var report = RunReport(mode: mode, plan: plan, result: result)
        report.describe(shape, wrongAnswers)
        report.profiles = stats.profiles
        report.serverRecipients = stats.recipients
        report.serverVersion = stats.version
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
