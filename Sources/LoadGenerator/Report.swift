// What a run came to, for people and for programs.

import WireProtocol

/// The report of one run.
package struct RunReport: Sendable {
    /// `check` or `write`.
    package var mode: String
    /// How much, how long, how regular.
    package var plan: RunPlan
    /// What was measured.
    package var result: RunResult
    /// Items a request.
    package var batch = 1
    /// How questions named contact points; nil in writes.
    package var keys: QuestionKeys?
    /// Share of questions about seeded recipients; nil in writes.
    package var hitRatio: Double?
    /// Exponent of the Zipf distribution; nil: uniform.
    package var zipf: Double?
    /// Recipients asked about; nil in writes.
    package var recipients: Int?
    /// Answers were compared with the model.
    package var isVerified = false
    /// Wrong answers, described.
    package var wrongAnswers: [String] = []
    /// The first error, in the server's words.
    package var firstFailure: String?
    /// Share of writes that were withdrawals; nil in checks.
    package var withdrawRatio: Double?
    /// Grants acknowledged, warm-up included; nil in checks.
    package var grantsAcknowledged: Int?
    /// Withdrawals acknowledged, warm-up included; nil in checks.
    package var withdrawalsAcknowledged: Int?
    /// Highest sequence acknowledged; nil in checks.
    package var sequenceMax: UInt64?
    /// Which peer was asked instead of consentd, and how; nil: consentd.
    package var peer: String?
    /// Distinct profiles of the server's index; nil when it did not say.
    package var profiles: UInt64?
    /// (controller, contact point) pairs in the server's index; nil when it did not say.
    package var serverRecipients: UInt64?
    /// Version of the server.
    package var serverVersion = ""

    /// A report with the rest to be filled in.
    package init(mode: String, plan: RunPlan, result: RunResult) {
        self.mode = mode
        self.plan = plan
        self.result = result
    }

    /// Fills in what was asked and what was wrong.
    mutating func describe(_ shape: QuestionShape, _ wrong: WrongAnswers) {
        batch = shape.itemsPerQuestion
        keys = shape.keys
        hitRatio = shape.hitRatio
        zipf = shape.zipf
        recipients = shape.recipients
        isVerified = shape.verifies
        wrongAnswers = wrong.descriptions
    }

    // MARK: Derived

    /// `closed` or `open`.
    package var loop: String { plan.rate == nil ? "closed" : "open" }

    private var isWrite: Bool { mode == "write" }

    /// Requests a second.
    package var requestsPerSecond: Double { perSecond(result.statistics.requests) }

    /// Checks a second; 0 in writes.
    package var checksPerSecond: Double { isWrite ? 0 : perSecond(result.statistics.units) }

    private func perSecond(_ count: Int) -> Double {
        result.measuredSeconds > 0 ? Double(count) / result.measuredSeconds : 0
    }

    /// Why the run is invalid; empty: it is valid.
    package var invalidReasons: [String] {
        RunVerdict.invalidReasons(
            requests: result.statistics.requests, measuredSeconds: result.measuredSeconds,
            isOpen: plan.rate != nil, intended: result.statistics.intended.summary,
            sendLag: result.statistics.sendLag.summary)
    }

    /// How the program ends.
    package var exitCode: RunExit {
        RunVerdict.exitCode(
            wrongAnswers: result.statistics.wrong, lostConnections: result.statistics.lostConnections,
            errorsByStatus: result.statistics.errors, unanswered: result.statistics.unanswered,
            isValid: invalidReasons.isEmpty)
    }
}

// MARK: - JSON

extension RunReport {
    /// The report as one JSON document.
    package var json: JSONText {
        let statistics = result.statistics
        var members: [JSONText.Member] = [
            .init("mode", .string(mode)), .init("peer", peer.map(JSONText.string) ?? .null),
            .init("loop", .string(loop)),
            .init("seed", .integer(Int(truncatingIfNeeded: plan.seed))),
            .init("connections", .integer(plan.connections)), .init("inFlight", .integer(plan.inFlight)),
            .init("threads", .integer(plan.threads)), .init("batch", .integer(batch)),
            .init("rate", plan.rate.map(JSONText.number) ?? .null),
            .init("arrivals", plan.rate == nil ? .null : .string(plan.arrivals.rawValue)),
            .init("warmUpSeconds", .number(Double(plan.warmUpNanoseconds) / 1e9)),
            .init("durationSeconds", .number(result.measuredSeconds)),
            .init("requests", .integer(statistics.requests)),
            .init("requestsPerSecond", .number(requestsPerSecond)),
            .init("checks", .integer(isWrite ? 0 : statistics.units)),
            .init("checksPerSecond", .number(checksPerSecond)),
            .init("errors", .integer(statistics.errorCount)), .init("errorsByStatus", errorsByStatus),
            .init("unanswered", .integer(statistics.unanswered)),
            .init("lostConnections", .integer(statistics.lostConnections)),
            .init("waitedForSlot", .integer(statistics.blocked)),
            .init("wrongAnswers", .integer(statistics.wrong)), .init("verified", .bool(isVerified)),
            .init("valid", .bool(invalidReasons.isEmpty)),
            .init("invalidReasons", .array(invalidReasons.map(JSONText.string))),
        ]
        members += workloadMembers
        members += [
            .init("profiles", profiles.map { .integer(Int(clamping: $0)) } ?? .null),
            .init("serverRecipients", serverRecipients.map { .integer(Int(clamping: $0)) } ?? .null),
            .init("serverVersion", .string(serverVersion)),
            .init(
                "latencyMicroseconds",
                .object([
                    .init("intended", RunReport.json(statistics.intended.summary)),
                    .init("service", RunReport.json(statistics.service.summary)),
                    .init("sendLag", RunReport.json(statistics.sendLag.summary)),
                ])),
            .init(
                "wireBytes",
                .object([
                    .init("sent", .integer(statistics.bytesSent)),
                    .init("received", .integer(statistics.bytesReceived)),
                ])),
            .init(
                "cpuSeconds",
                .object([
                    .init("client", .number(result.clientCPUSeconds)),
                    .init("server", result.serverCPUSeconds.map(JSONText.number) ?? .null),
                ])),
        ]
        return .object(members)
    }

    private var errorsByStatus: JSONText {
        .object(
            result.statistics.errors.sorted { $0.key < $1.key }.map { status, count in
                .init(Status(rawValue: status).description, .integer(count))
            })
    }

    private var workloadMembers: [JSONText.Member] {
        if isWrite {
            return [
                .init("writesPerSecond", .number(requestsPerSecond)),
                .init("withdrawRatio", .number(withdrawRatio ?? 0)),
                .init("acknowledged", .integer((grantsAcknowledged ?? 0) + (withdrawalsAcknowledged ?? 0))),
                .init("grantsAcknowledged", .integer(grantsAcknowledged ?? 0)),
                .init("withdrawalsAcknowledged", .integer(withdrawalsAcknowledged ?? 0)),
                .init("sequenceMax", .integer(Int(clamping: sequenceMax ?? 0))),
            ]
        }
        return [
            .init("keys", keys.map { .string($0.rawValue) } ?? .null),
            .init("recipients", recipients.map(JSONText.integer) ?? .null),
            .init("hitRatio", hitRatio.map(JSONText.number) ?? .null),
            .init("zipf", zipf.map(JSONText.number) ?? .null),
        ]
    }

    private static func json(_ summary: LatencySummary) -> JSONText {
        .object(summary.named.map { .init($0.name, .number($0.microseconds)) })
    }
}

// MARK: - Text

extension RunReport {
    /// The report for people, lines with their ends.
    package var text: String {
        var lines = [headline, ""]
        lines += rows(counts)
        lines += [""] + latencyTable
        lines += [""] + rows(costs)
        for reason in invalidReasons { lines.append("INVALID: \(reason)") }
        if result.statistics.wrong > 0 {
            lines.append("WRONG ANSWERS: \(TextFormat.grouped(result.statistics.wrong))")
            lines += wrongAnswers.map { "  " + $0 }
        }
        if let firstFailure { lines.append("FIRST ERROR: \(firstFailure)") }
        if let reason = result.statistics.lostReason {
            let count = result.statistics.lostConnections
            lines.append("CONNECTIONS LOST: \(count) (\(reason))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var headline: String {
        var parts = ["\(mode)\(peer.map { " of \($0)" } ?? ""), \(loop) loop"]
        if let rate = plan.rate {
            parts[0] += " at \(TextFormat.rate(rate)) requests/s (\(plan.arrivals.rawValue))"
        }
        parts.append("\(plan.connections) connections × \(plan.inFlight) in flight")
        if plan.threads > 1 { parts.append("\(plan.threads) threads") }
        if batch > 1 { parts.append("batch of \(TextFormat.grouped(batch))") }
        if let keys { parts.append(keys == .digest ? "16-byte keys" : "raw addresses") }
        if let hitRatio { parts.append("hit ratio \(TextFormat.fixed(hitRatio, 2))") }
        if let zipf { parts.append("Zipf \(TextFormat.fixed(zipf, 2))") }
        if let withdrawRatio, withdrawRatio > 0 {
            parts.append("\(TextFormat.fixed(withdrawRatio * 100, 0)) % withdrawals")
        }
        return parts.joined(separator: ", ") + ", seed \(plan.seed)"
    }

    private var counts: [(String, String)] {
        let statistics = result.statistics
        var rows = [
            (
                "measured",
                TextFormat.fixed(result.measuredSeconds, 2) + " s after "
                    + TextFormat.fixed(Double(plan.warmUpNanoseconds) / 1e9, 1) + " s of warm-up"
            ),
            (
                isWrite ? "writes" : "requests",
                TextFormat.grouped(statistics.requests) + "   " + TextFormat.rate(requestsPerSecond) + "/s"
            ),
        ]
        if isWrite {
            let grants = TextFormat.grouped(grantsAcknowledged ?? 0)
            let withdrawals = TextFormat.grouped(withdrawalsAcknowledged ?? 0)
            rows.append(
                (
                    "acknowledged",
                    "\(grants) grants, \(withdrawals) withdrawals (warm-up included), up to sequence "
                        + "\(sequenceMax ?? 0)"
                ))
        } else {
            rows.append(
                (
                    "checks",
                    TextFormat.grouped(statistics.units) + "   " + TextFormat.rate(checksPerSecond) + "/s"
                ))
            rows.append(
                (
                    "answers",
                    isVerified ? "verified, \(TextFormat.grouped(statistics.wrong)) wrong" : "not verified"
                ))
        }
        rows.append(("errors", errorText))
        if statistics.blocked > 0 {
            rows.append(
                ("late slots", "\(TextFormat.grouped(statistics.blocked)) requests waited for a free slot"))
        }
        return rows
    }

    private var errorText: String {
        let statistics = result.statistics
        var parts = statistics.errors.sorted { $0.key < $1.key }.map { status, count in
            "\(TextFormat.grouped(count)) \(Status(rawValue: status))"
        }
        if statistics.unanswered > 0 {
            parts.append("\(TextFormat.grouped(statistics.unanswered)) unanswered")
        }
        return parts.isEmpty ? "0" : parts.joined(separator: ", ")
    }

    private var latencyTable: [String] {
        let statistics = result.statistics
        var table = [["latency"] + LatencySummary().named.map(\.name)]
        func add(_ name: String, _ summary: LatencySummary) {
            table.append([name] + summary.named.map { TextFormat.microseconds($0.microseconds) })
        }
        if plan.rate == nil {
            add("service", statistics.service.summary)
        } else {
            add("intended", statistics.intended.summary)
            add("service", statistics.service.summary)
            add("send lag", statistics.sendLag.summary)
        }
        return RunReport.align(table)
    }

    private var costs: [(String, String)] {
        let units = Double(max(result.statistics.units, 1)) / 1e6
        func cost(_ seconds: Double) -> String {
            TextFormat.fixed(seconds, 2) + " s, " + TextFormat.fixed(seconds / units, 3) + " s per million "
                + (isWrite ? "writes" : "checks")
        }
        var rows = [("CPU client", cost(result.clientCPUSeconds))]
        rows.append(("CPU server", result.serverCPUSeconds.map(cost) ?? "not known"))
        rows.append(("bytes", wireText))
        if let profiles, let serverRecipients {
            rows.append(
                (
                    "index",
                    "\(TextFormat.grouped(Int(clamping: serverRecipients))) recipients, "
                        + "\(TextFormat.grouped(Int(clamping: profiles))) profiles"
                ))
        }
        return rows
    }

    private var wireText: String {
        let units = Double(max(result.statistics.units, 1))
        func perUnit(_ bytes: Int) -> String { TextFormat.fixed(Double(bytes) / units, 1) }
        return "\(perUnit(result.statistics.bytesSent)) sent, \(perUnit(result.statistics.bytesReceived)) "
            + "received per \(isWrite ? "write" : "check")"
    }

    private func rows(_ rows: [(String, String)]) -> [String] {
        rows.map { name, value in
            name + String(repeating: " ", count: max(1, 14 - name.count)) + value
        }
    }

    /// Columns of equal width, the first to the left, the others to the right.
    static func align(_ table: [[String]]) -> [String] {
        let widths = (table.first ?? []).indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        return table.map { row in
            row.enumerated().map { column, cell in
                let gap = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + gap : "  " + gap + cell
            }.joined()
        }
    }
}
