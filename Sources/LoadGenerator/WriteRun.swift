// `consent-load write`: durable grants and withdrawals, measured and, on demand, listed for an audit.

import ConsentClient
import WireProtocol

/// What to write, and how.
package struct WriteOptions: Sendable {
    /// Which server, and as whom.
    package var server: ServerOptions
    /// How much, how long, how regular.
    package var plan = RunPlan()
    /// Share of writes that are withdrawals, 0…1.
    package var withdrawRatio = 0.0
    /// File that acknowledged events are listed in; nil: none.
    package var acknowledgementLog: String?
    /// Show progress even off a terminal.
    package var forcesProgress = false

    /// Grants on a server.
    package init(server: ServerOptions) {
        self.server = server
    }
}

/// Measures writes.
package enum WriteRun {
    /// Does it.
    package static func run(_ options: WriteOptions) async throws(LoadError) -> RunReport {
        try options.plan.check()
        guard (0..<1).contains(options.withdrawRatio) else {
            throw .usage("--withdraw-ratio must be 0 or more and less than 1")
        }
        var log: AcknowledgementLog?
        if let path = options.acknowledgementLog { log = try AcknowledgementLog(path: path) }
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let control = try await ServerControl.connect(options.server)
        try await control.requireTestRegister()
        let notice = try await control.prepareWriting()
        let stats = try await control.stats()

        // The tag follows from the seed and from what is on file, so that each run has people of its own.
        var shape = WriteShape(
            controller: ServerControl.writeController, notice: notice.bytes,
            runTag: UInt32(truncatingIfNeeded: Mix64.hash(options.plan.seed, 0x7772_6974, stats.sequence)),
            seed: options.plan.seed)
        shape.withdrawRatio = options.withdrawRatio
        shape.deadlineMicroseconds = options.plan.deadlineMicroseconds
        let counts = WriteCounts()
        let result = try await measure(options, shape, counts, log, control, printer)
        printer.clear()
        if let log, log.hasFailed, let path = options.acknowledgementLog {
            throw .file(path: path, why: "a line could not be written: free space there and run again")
        }

        var report = RunReport(mode: "write", plan: options.plan, result: result)
        report.withdrawRatio = options.withdrawRatio
        report.grantsAcknowledged = counts.grantCount
        report.withdrawalsAcknowledged = counts.withdrawalCount
        report.sequenceMax = counts.sequenceMax
        report.firstFailure = counts.firstFailure
        report.serverVersion = stats.version
        // After a crash there is nobody to ask.
        let after = result.statistics.lostConnections == 0 ? try? await control.stats() : nil
        report.profiles = after?.profiles
        report.serverRecipients = after?.recipients
        await control.close()
        return report
    }

    private static func measure(
        _ options: WriteOptions, _ shape: WriteShape, _ counts: WriteCounts, _ log: AcknowledgementLog?,
        _ control: ServerControl, _ printer: ProgressPrinter
    ) async throws(LoadError) -> RunResult {
        let plan = options.plan
        guard let template = WriteTemplates(shape) else {
            throw .configuration("a request cannot be made into a template")
        }
        let driver = LoadDriver<ConsentDialogue<WriteWorkload>>(
            host: options.server.address.host, port: options.server.address.port, plan: plan)
        return try await driver.run(
            credential: options.server.credential, meter: { await control.meter() },
            progress: printer.live(unit: "writes"),
            workload: { number in
                WriteWorkload(
                    shape: shape, templates: template, connection: number, inFlight: plan.inFlight,
                    counts: counts, log: log)
            })
    }
}
