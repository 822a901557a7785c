// What a search for the knee came to: the curve of rate and latency, and the highest rate that held.

/// The report of a search.
package struct KneeReport: Sendable {
    private let options: KneeOptions
    /// Rates in the order in which they were tried.
    package let points: [KneePoint]
    private let base: @Sendable (String, RunPlan, RunResult) -> RunReport

    /// - Parameters:
    ///   - options: how it was searched.
    ///   - points: what was tried.
    ///   - base: makes the report of one run, for settings and verdict.
    init(
        options: KneeOptions, points: [KneePoint],
        base: @Sendable @escaping (String, RunPlan, RunResult) -> RunReport
    ) {
        self.options = options
        self.points = points
        self.base = base
    }

    /// The highest rate that held.
    package var knee: KneePoint? { points.filter { $0.outcome == .met }.max { $0.rate < $1.rate } }

    /// Whether it was the generator that could no more, so that the server may hold a higher rate.
    package var isGeneratorLimited: Bool {
        let above = points.filter { point in knee.map { point.rate > $0.rate } ?? true }
        return above.min { $0.rate < $1.rate }?.outcome == .generatorLate
    }

    private var run: RunReport? {
        (knee ?? points.last).map { point in
            base("knee", options.plan(at: point.rate), point.result)
        }
    }

    private var percentileName: String { options.percentile == "p999" ? "p99.9" : options.percentile }

    private var objective: String {
        "\(percentileName) at most \(TextFormat.short(microseconds: options.objectiveMicroseconds))"
    }

    /// How the program ends: wrong answers and lost connections first, then a search without a result.
    package var exitCode: RunExit {
        let all = points.map(\.result.statistics)
        if all.contains(where: { $0.wrong > 0 }) { return .wrongAnswers }
        if all.contains(where: { $0.lostConnections > 0 }) { return .unavailable }
        return knee == nil || isGeneratorLimited ? .tryAgain : .done
    }

    // MARK: For programs

    /// One JSON document: the keys of a run at the knee, the objective, and the curve.
    package var json: JSONText {
        var members: [JSONText.Member] = []
        if case .object(let known)? = run?.json { members = known }
        members += [
            .init(
                "objective",
                .object([
                    .init("percentile", .string(options.percentile)),
                    .init("microseconds", .number(options.objectiveMicroseconds)),
                ])),
            .init("kneeRequestsPerSecond", knee.map { .number($0.rate) } ?? .null),
            .init("generatorLimited", .bool(isGeneratorLimited)),
            .init("curve", .array(sorted.map(KneeReport.json))),
        ]
        return .object(members)
    }

    private var sorted: [KneePoint] { points.sorted { $0.rate < $1.rate } }

    private static func json(_ point: KneePoint) -> JSONText {
        .object([
            .init("rate", .number(point.rate)), .init("achieved", .number(point.achieved)),
            .init("outcome", .string(point.outcome.rawValue)),
            .init("errors", .integer(point.result.statistics.errorCount)),
            .init("latencyMicroseconds", RunReport.latencies(point.result.statistics)),
        ])
    }

    /// A line for each rate; latencies in microseconds.
    package var csv: String {
        let names = LatencySummary().named.map(\.name)
        let head = ["rate", "achieved", "outcome"] + names + ["send_lag_p99"]
        let lines = sorted.map { point in
            [TextFormat.fixed(point.rate, 1), TextFormat.fixed(point.achieved, 1), point.outcome.rawValue]
                + point.result.statistics.intended.summary.named.map { TextFormat.fixed($0.microseconds, 1) }
                + [TextFormat.fixed(point.result.statistics.sendLag.summary.p99, 1)]
        }
        return ([head] + lines).map { $0.joined(separator: ",") + "\n" }.joined()
    }

    // MARK: For people

    /// Lines with their ends.
    package var text: String {
        guard let run else { return "nothing was measured\n" }
        var lines = [run.headline, "", "objective     \(objective)", ""]
        lines += RunReport.align(table)
        lines += ["", "KNEE: " + verdict]
        if run.wrongCount > 0 { lines += ["WRONG ANSWERS: \(run.wrongCount)"] + run.wrongAnswers }
        return lines.joined(separator: "\n") + "\n"
    }

    private var verdict: String {
        guard let knee else { return "none: no rate met the objective" }
        let checks = knee.rate * Double(options.checks.shape.itemsPerQuestion)
        var text = "\(TextFormat.rate(knee.rate)) requests/s"
        if options.checks.shape.itemsPerQuestion > 1 { text += ", \(TextFormat.rate(checks)) checks/s" }
        if isGeneratorLimited { text += "; the generator could no more, the server may hold a higher rate" }
        return text
    }

    private var table: [[String]] {
        [["rate/s", "achieved/s", "p50", "p99", "p99.9", "send lag p99", "outcome"]]
            + sorted.map { point in
                let latency = point.result.statistics.intended.summary
                return [
                    TextFormat.rate(point.rate), TextFormat.rate(point.achieved),
                    TextFormat.microseconds(latency.p50), TextFormat.microseconds(latency.p99),
                    TextFormat.microseconds(latency.p999),
                    TextFormat.microseconds(point.result.statistics.sendLag.summary.p99),
                    point.outcome.rawValue,
                ]
            }
    }

    /// The report as one page of HTML.
    package var html: String {
        let latency = knee?.result.statistics.intended.summary ?? LatencySummary()
        var reasons: [String] = []
        if knee == nil { reasons.append("no rate met the objective") }
        if isGeneratorLimited {
            reasons.append("the generator could no more: the server may hold a higher rate")
        }
        if let wrong = run?.wrongCount, wrong > 0 { reasons.append("\(wrong) answers were wrong") }
        let figures = [
            ("requests a second", knee.map { TextFormat.rate($0.rate) } ?? "none"),
            (
                "checks a second",
                knee.map { TextFormat.rate($0.rate * Double(options.checks.shape.itemsPerQuestion)) }
                    ?? "none"
            ),
            (
                "objective of \(percentileName)",
                "≤ " + TextFormat.short(microseconds: options.objectiveMicroseconds)
            ),
            ("p50 there", TextFormat.short(microseconds: latency.p50)),
            ("p99 there", TextFormat.short(microseconds: latency.p99)),
            ("p99.9 there", TextFormat.short(microseconds: latency.p999)),
        ]
        var body = curve.html
        body += "<section><h2>Rates tried</h2>" + HTML.table(table) + "</section>\n"
        if let run {
            var plot = ReportPage.percentiles(run.latencies)
            if let knee { plot.title += " at \(TextFormat.rate(knee.rate)) requests/s" }
            body += plot.html + ReportPage.table(run.latencies) + ReportPage.section("Settings", run.settings)
        }
        return ReportPage.html(
            title: knee.map { "Holds \(TextFormat.rate($0.rate)) requests a second" } ?? "No rate held",
            subtitle: run?.headline ?? "",
            verdict: (exitCode == .done ? "knee found" : "no valid knee", exitCode == .done),
            reasons: reasons, figures: figures, body: body)
    }

    private var curve: Plot {
        // Of a rate that was tried twice the second try counts.
        var lastTries: [Double: KneePoint] = [:]
        for point in points { lastTries[point.rate] = point }
        let latencies = lastTries.values.sorted { $0.rate < $1.rate }.map {
            ($0, $0.result.statistics.intended.summary)
        }
        func line(_ name: String, _ value: (LatencySummary) -> Double) -> Plot.Series {
            Plot.Series(
                name: name, points: latencies.map { (x: $0.rate, y: value($1)) },
                hints: latencies.map { point, latency in
                    "\(TextFormat.rate(point.rate))/s: \(TextFormat.short(microseconds: value(latency))), "
                        + point.outcome.rawValue
                },
                dots: latencies.map { point, _ in point.outcome == .met })
        }
        var series = [line("p99", \.p99), line("p50", \.p50), line("p99.9", \.p999)]
        series[1].dots = []
        series[2].dots = []
        let values = series.flatMap { $0.points.map(\.y) }.filter { $0 > 0 } + [options.objectiveMicroseconds]
        return Plot(
            title: "Rate and latency",
            note:
                "Intended latency at each rate. Filled points met the objective; hollow ones did not.",
            x: .linear(upTo: sorted.last?.rate ?? 1, label: ReportPage.tick(rate:)),
            y: .logarithmic(
                from: max(values.min() ?? 1, 1), to: values.max() ?? 1,
                label: ReportPage.tick(microseconds:)),
            xLabel: "requests due a second", yLabel: "latency", series: series,
            level: (options.objectiveMicroseconds, objective))
    }
}
