// `consent-load mixed`: checks while durable writes go on beside them, each on connections of its own and
// each with its own latencies. The writes are about people of their own, so that every check's answer stays
// known.

import NIOPosix

/// What to ask and what to write meanwhile.
package struct MixedOptions: Sendable {
    /// The checks.
    package var checks: CheckOptions
    /// Writes a second, due at times of their own whatever the answers do.
    package var writeRate: Double
    /// Connections of the writes.
    package var writeConnections = 4
    /// Writes in flight on each.
    package var writesInFlight = 64
    /// Share of writes that are withdrawals, 0…1.
    package var withdrawRatio = 0.0

    /// Grants beside checks.
    package init(checks: CheckOptions, writeRate: Double) {
        self.checks = checks
        self.writeRate = writeRate
    }

    /// The writes' plan: the window is that of the checks.
    var writePlan: RunPlan {
        var plan = checks.plan
        plan.connections = writeConnections
        plan.inFlight = writesInFlight
        plan.threads = 1
        plan.rate = writeRate
        return plan
    }
}

/// Measures checks beside writes.
package enum MixedRun {
    /// Does it.
    package static func run(_ options: MixedOptions) async throws(LoadError) -> RunReport {
        let plan = options.checks.plan
        let writePlan = options.writePlan
        guard options.writeRate > 0, options.writeRate <= 1e8 else {
            throw .usage("--write-rate must be more than 0 and at most 100000000 writes a second")
        }
        try writePlan.check()
        let server = options.checks.server
        let printer = ProgressPrinter(forced: options.checks.forcesProgress)
        let checks = try await PreparedChecks.prepare(options.checks, printer)
        var writeOptions = WriteOptions(server: server)
        writeOptions.plan = writePlan
        writeOptions.withdrawRatio = options.withdrawRatio
        let writes = try await PreparedWrites.prepare(writeOptions, checks.control)

        let group = MultiThreadedEventLoopGroup(numberOfThreads: plan.threads)
        let outcome: Result<(RunResult, RunResult), LoadError>
        do throws(LoadError) {
            outcome = .success(
                try await both(checks, plan, writes, writePlan, of: server, on: group, printer))
        } catch {
            outcome = .failure(error)
        }
        try? await group.shutdownGracefully()
        let (result, writeResult) = try outcome.get()
        printer.clear()
        await checks.control.close()

        var report = checks.report(mode: "mixed", plan: plan, result: result)
        writes.describe(&report)
        report.writes = RunReport.Writes(plan: writePlan, result: writeResult)
        return report
    }

    /// Runs both on the same threads, so that one core is enough for them.
    private static func both(
        _ checks: PreparedChecks, _ plan: RunPlan, _ writes: PreparedWrites, _ writePlan: RunPlan,
        of server: ServerOptions, on group: MultiThreadedEventLoopGroup, _ printer: ProgressPrinter
    ) async throws(LoadError) -> (RunResult, RunResult) {
        let (host, port, tls) = (server.address.host, server.address.port, server.tls)
        let readyChecks = try await LoadDriver<ConsentDialogue<CheckWorkload>>(
            host: host, port: port, tls: tls, plan: plan, group: group
        ).prepare(credential: server.credential) { checks.workload($0, of: plan) }
        let readyWrites: any ReadyLoad
        do throws(LoadError) {
            readyWrites = try await LoadDriver<ConsentDialogue<WriteWorkload>>(
                host: host, port: port, tls: tls, plan: writePlan, group: group
            ).prepare(credential: server.credential) { writes.workload($0, of: writePlan) }
        } catch {
            await readyChecks.giveUp()
            throw error
        }
        let start = RunClock.start()
        async let beside = outcome(of: readyWrites, at: start)
        let result = try await readyChecks.run(
            at: start, meter: { await checks.control.meter() }, progress: printer.live(unit: "checks"))
        return (result, try await beside.get())
    }

    private static func outcome(
        of writes: any ReadyLoad, at start: UInt64
    ) async -> Result<RunResult, LoadError> {
        do throws(LoadError) {
            return .success(
                try await writes.run(at: start, meter: { MeterReading() }, progress: nil))
        } catch {
            return .failure(error)
        }
    }
}
