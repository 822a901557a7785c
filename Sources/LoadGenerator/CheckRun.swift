// `consent-load check`: asks questions about the seeded population and measures the answers.

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
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let checks = try await PreparedChecks.prepare(options, printer)
        let result = try await measure(checks, options.plan, options.server, printer)
        await checks.control.close()
        return checks.report(mode: "check", plan: options.plan, result: result)
    }

    /// One run with prepared questions.
    static func measure(
        _ checks: PreparedChecks, _ plan: RunPlan, _ server: ServerOptions, _ printer: ProgressPrinter
    ) async throws(LoadError) -> RunResult {
        let driver = LoadDriver<ConsentDialogue<CheckWorkload>>(
            host: server.address.host, port: server.address.port, tls: server.tls, plan: plan)
        let result = try await driver.run(
            credential: server.credential, meter: { await checks.control.meter() },
            progress: printer.live(unit: "checks"), workload: { checks.workload($0, of: plan) })
        printer.clear()
        return result
    }
}
