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
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let control = try await ServerControl.connect(options.server)
        let writes = try await PreparedWrites.prepare(options, control)
        let result = try await LoadDriver<ConsentDialogue<WriteWorkload>>(
            host: options.server.address.host, port: options.server.address.port,
            tls: options.server.tls, plan: options.plan
        ).run(
            credential: options.server.credential, meter: { await control.meter() },
            progress: printer.live(unit: "writes"), workload: { writes.workload($0, of: options.plan) })
        printer.clear()
        try writes.checkLog()

        var report = RunReport(mode: "write", plan: options.plan, result: result)
        writes.describe(&report)
        // After a crash there is nobody to ask.
        let after = result.statistics.lostConnections == 0 ? try? await control.stats() : nil
        report.profiles = after?.profiles
        report.serverRecipients = after?.recipients
        await control.close()
        return report
    }
}

/// Writes that are ready, and what was counted of them.
struct PreparedWrites: Sendable {
    let shape: WriteShape
    let counts = WriteCounts()
    private let templates: WriteTemplates
    private let log: AcknowledgementLog?
    private let options: WriteOptions
    private let stats: ServerStats

    /// Writes what the writes need to the register.
    static func prepare(
        _ options: WriteOptions, _ control: ServerControl
    ) async throws(LoadError) -> PreparedWrites {
        guard (0..<1).contains(options.withdrawRatio) else {
            throw .usage("--withdraw-ratio must be 0 or more and less than 1")
        }
        var log: AcknowledgementLog?
        if let path = options.acknowledgementLog { log = try AcknowledgementLog(path: path) }
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
        guard let templates = WriteTemplates(shape) else {
            throw .configuration("a request cannot be made into a template")
        }
        return PreparedWrites(shape: shape, templates: templates, log: log, options: options, stats: stats)
    }

    private init(
        shape: WriteShape, templates: WriteTemplates, log: AcknowledgementLog?, options: WriteOptions,
        stats: ServerStats
    ) {
        self.shape = shape
        self.templates = templates
        self.log = log
        self.options = options
        self.stats = stats
    }

    /// Sequence before the first write.
    var sequenceBefore: UInt64 { stats.sequence }

    /// The writes of one connection.
    func workload(
        _ connection: Int, of plan: RunPlan, times: AcknowledgementTimes? = nil
    ) -> WriteWorkload {
        WriteWorkload(
            shape: shape, templates: templates, connection: connection, inFlight: plan.inFlight,
            counts: counts, log: log, times: times)
    }

    /// Refuses a list of acknowledged events that is not complete.
    func checkLog() throws(LoadError) {
        if let log, log.hasFailed, let path = options.acknowledgementLog {
            throw .file(path: path, why: "a line could not be written: free space there and run again")
        }
    }

    /// Fills in what was acknowledged.
    func describe(_ report: inout RunReport) {
        report.withdrawRatio = options.withdrawRatio
        report.grantsAcknowledged = counts.grantCount
        report.withdrawalsAcknowledged = counts.withdrawalCount
        report.sequenceMax = counts.sequenceMax
        report.firstFailure = counts.firstFailure
        report.serverVersion = stats.version
    }
}
