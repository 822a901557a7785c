// A run's seconds as lines of CSV, for spreadsheets and scripts.

extension RunReport {
    /// A line for each second of each load; latencies in microseconds from the intended send time.
    package var csv: String {
        let head =
            ["load", "start", "seconds", "requests", "units", "errors"] + LatencySummary().named.map(\.name)
        var lines = [head]
        for load in loads {
            for second in load.seconds {
                lines.append(
                    [
                        load.tag ?? mode, TextFormat.fixed(second.startSeconds, 3),
                        TextFormat.fixed(second.seconds, 3), "\(second.requests)", "\(second.units)",
                        "\(second.errors)",
                    ] + second.latency.named.map { TextFormat.fixed($0.microseconds, 1) })
            }
        }
        return lines.map { $0.joined(separator: ",") + "\n" }.joined()
    }

    /// The run as an interval log.
    package var intervalLog: String { HistogramLog.text(of: loads, startedAt: result.startedAt) }

    /// The run's load, and the one beside it.
    private var loads: [(tag: String?, seconds: [SecondSample])] {
        var loads: [(tag: String?, seconds: [SecondSample])] = [(nil, result.seconds)]
        if let writes { loads.append(("writes", writes.result.seconds)) }
        return loads
    }
}
