// A run's report for people: a headline, what was counted, a table of latencies, what it cost.

import WireProtocol

extension RunReport {
    /// The report for people, lines with their ends.
    package var text: String {
        var lines = [headline, ""]
        lines += rows(counts)
        lines += [""] + latencyTable
        lines += [""] + rows(costs)
        if isCeiling {
            lines.append(
                "CEILING: this is what the generator itself can do here; a faster server would not show")
        }
        for reason in invalidReasons { lines.append("INVALID: \(reason)") }
        if result.statistics.wrong > 0 {
            lines.append("WRONG ANSWERS: \(TextFormat.grouped(result.statistics.wrong))")
            lines += wrongAnswers.map { "  " + $0 }
        }
        if let notifications, notifications.missing + notifications.gaps > 0 {
            lines.append(
                "NOTIFICATIONS LOST: \(TextFormat.grouped(notifications.missing)) never came, "
                    + "\(TextFormat.grouped(notifications.gaps)) gaps"
                    + (notifications.failure.map { " (\($0))" } ?? ""))
        }
        if let firstFailure { lines.append("FIRST ERROR: \(firstFailure)") }
        if let reason = result.statistics.lostReason {
            let count = result.statistics.lostConnections
            lines.append("CONNECTIONS LOST: \(count) (\(reason))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// One line that says what was run.
    var headline: String {
        var parts = ["\(mode)\(peer.map { " of \($0)" } ?? ""), \(loop) loop"]
        if let rate = plan.rate {
            parts[0] += " at \(TextFormat.rate(rate)) \(requestNoun)/s (\(plan.arrivals.rawValue))"
        }
        if let checksPerConnection {
            parts.append("\(plan.connections) at a time, \(checksPerConnection) questions each")
        } else {
            parts.append("\(plan.connections) connections × \(plan.inFlight) in flight")
        }
        if let writes { parts.append("\(TextFormat.rate(writes.plan.rate ?? 0)) writes/s beside them") }
        if let notifications { parts.append("\(notifications.subscribers) subscribers") }
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
                requestNoun,
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
        if let writes {
            rows.append(
                (
                    "writes",
                    TextFormat.grouped(writes.result.statistics.requests) + "   "
                        + TextFormat.rate(writes.perSecond) + "/s, "
                        + RunReport.errorText(writes.result.statistics) + " errors"
                ))
        }
        if let notifications {
            rows.append(
                (
                    "news",
                    "\(TextFormat.grouped(notifications.count)) notifications, "
                        + "\(TextFormat.grouped(notifications.missing)) missing"
                ))
        }
        rows.append(("errors", RunReport.errorText(statistics)))
        if statistics.blocked > 0 {
            rows.append(
                ("late slots", "\(TextFormat.grouped(statistics.blocked)) requests waited for a free slot"))
        }
        return rows
    }

    static func errorText(_ statistics: RunStatistics) -> String {
        var parts = statistics.errors.sorted { $0.key < $1.key }.map { status, count in
            "\(TextFormat.grouped(count)) \(Status(rawValue: status))"
        }
        if statistics.unanswered > 0 {
            parts.append("\(TextFormat.grouped(statistics.unanswered)) unanswered")
        }
        return parts.isEmpty ? "0" : parts.joined(separator: ", ")
    }

    private var latencyTable: [String] {
        RunReport.align(
            [["latency"] + LatencySummary().named.map(\.name)]
                + latencies.map { row in
                    [row.name]
                        + row.histogram.summary.named.map { TextFormat.microseconds($0.microseconds) }
                })
    }

    private var costs: [(String, String)] {
        let units = Double(max(result.statistics.units, 1)) / 1e6
        func cost(_ seconds: Double) -> String {
            TextFormat.fixed(seconds, 2) + " s, " + TextFormat.fixed(seconds / units, 3)
                + " s per million \(unit)s"
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

    var wireText: String {
        let units = Double(max(result.statistics.units, 1))
        func perUnit(_ bytes: Int) -> String { TextFormat.fixed(Double(bytes) / units, 1) }
        return "\(perUnit(result.statistics.bytesSent)) sent, \(perUnit(result.statistics.bytesReceived)) "
            + "received per \(unit)"
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
