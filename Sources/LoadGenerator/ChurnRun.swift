// `consent-load churn`: how fast callers come that do not keep their connection.

/// Measures connections that come and go.
package enum ChurnRun {
    /// Most questions of one connection.
    package static let checksMax = 1_000

    /// Does it. `plan.connections` rounds go on at a time.
    ///
    /// - Parameters:
    ///   - options: the questions; `plan.inFlight` is not used.
    ///   - checks: questions of a connection, asked at once after the handshake.
    package static func run(_ options: CheckOptions, checks: Int) async throws(LoadError) -> RunReport {
        guard (1...checksMax).contains(checks) else {
            throw .usage("--checks must be 1 to \(checksMax), not \(checks)")
        }
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let prepared = try await PreparedChecks.prepare(options, printer)
        var plan = options.plan
        plan.inFlight = 1
        let ready = try await threads(
            plan, server: options.server, checks: checks, workload: { prepared.workload($0, of: $1) })
        let result = try await ready.run(
            at: RunClock.start(), meter: { await prepared.control.meter() },
            progress: printer.live(unit: "checks"))
        printer.clear()
        await prepared.control.close()
        var report = prepared.report(mode: "churn", plan: plan, result: result)
        report.checksPerConnection = checks
        return report
    }

    /// Threads with their lanes; nothing is connected yet.
    ///
    /// - Parameter workload: makes a lane's questions, by its number and the plan of a round.
    package static func threads<Load: Workload>(
        _ plan: RunPlan, server: ServerOptions, checks: Int,
        workload: @Sendable @escaping (Int, RunPlan) -> Load
    ) async throws(LoadError) -> some ReadyLoad {
        var round = plan
        round.inFlight = checks
        let target = ChurnTarget(
            host: server.address.host, port: server.address.port, tls: server.tls,
            credential: server.credential,
            checks: checks, plan: round, workload: workload)
        let threads = LoadThreads<ChurnLane<Load>>(plan: plan)
        for number in 0..<plan.connections {
            let loop = threads.loop(of: number)
            do {
                try await loop.eventLoop.submit {
                    loop.add(ChurnLane(loop: loop, index: loop.laneCount, number: number, target: target))
                }.get()
            } catch {
                await threads.giveUp()
                throw .lost("\(error)")
            }
        }
        return threads
    }
}
