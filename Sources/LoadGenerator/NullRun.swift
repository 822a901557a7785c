// `consent-load check --null-server`: the generator's own ceiling, with the same options as a real run.

import CPlatform

/// Measures the generator.
package enum NullRun {
    /// Recipients that questions are made of where nothing else is asked for.
    private static let recipientsDefault = 1_000_000

    /// Does it. All questions are about addresses that nobody has.
    package static func run(_ options: CheckOptions) async throws(LoadError) -> RunReport {
        try options.check()
        let today = CalendarDays.day(ofMicroseconds: Int64(consent_wall_nanoseconds() / 1_000))
        let recipients = options.recipients ?? recipientsDefault
        let population = try Population(
            seed: options.plan.seed, recipients: recipients, controllers: min(100, recipients),
            anchorDay: today)
        var asked = options
        asked.shape.hitRatio = 0
        let shape = try asked.shape(for: population)
        let printer = ProgressPrinter(forced: options.forcesProgress)
        printer.show("preparing \(TextFormat.grouped(shape.items)) questions")
        let pool = pool(population, shape, options.plan.seed, today: today)
        printer.clear()

        let server = try await NullServer.start()
        let plan = options.plan
        let wrongAnswers = WrongAnswers()
        let outcome: Result<RunResult, LoadError>
        do throws(LoadError) {
            outcome = .success(
                try await LoadDriver<ConsentDialogue<CheckWorkload>>(
                    host: "127.0.0.1", port: server.port, plan: plan
                ).run(
                    credential: [], meter: { await server.meter() }, progress: printer.live(unit: "checks"),
                    workload: { number in
                        CheckWorkload(
                            pool: pool, connection: number, connections: plan.connections,
                            inFlight: plan.inFlight, verifies: shape.verifies, wrongAnswers: wrongAnswers)
                    }))
        } catch {
            outcome = .failure(error)
        }
        printer.clear()
        await server.stop()
        var report = RunReport(mode: "check", plan: plan, result: try outcome.get())
        report.describe(shape, wrongAnswers)
        report.peer = "null server"
        report.isCeiling = true
        return report
    }

    private static func pool(
        _ population: Population, _ shape: QuestionShape, _ seed: UInt64, today: Int
    ) -> QuestionPool {
        var builder = QuestionPoolBuilder(population: population, shape: shape, today: today)
        var picker = QuestionPicker(population: population, shape: shape, seed: seed)
        for _ in 0..<builder.groupCount {
            let group = picker.next()
            let keys =
                shape.keys == .raw
                ? nil : group.subjects.flatMap { population.peerKey(of: $0 >> 1, space: .missing) }
            builder.add(group, keys: keys)
        }
        return builder.finish(seed: seed)
    }
}
