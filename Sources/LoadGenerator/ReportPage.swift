// The page of a run: verdict and key figures first, then how latency is spread, how it went over time, and
// all settings. One file that needs no other and no script.

/// Parts that the pages of all runs share.
enum ReportPage {
    /// A page.
    ///
    /// - Parameters:
    ///   - title: what came out, in one line.
    ///   - subtitle: what was run.
    ///   - verdict: a word or two, and whether they are good ones.
    ///   - reasons: why, where they are not.
    ///   - figures: the figures that count, with their names.
    ///   - body: the rest, as HTML.
    static func html(
        title: String, subtitle: String, verdict: (text: String, isGood: Bool), reasons: [String],
        figures: [(String, String)], body: String
    ) -> String {
        let cards = figures.map { name, value in
            "<div><b>\(HTML.escape(value))</b><span>\(HTML.escape(name))</span></div>"
        }
        let list = reasons.map { "<li>\(HTML.escape($0))</li>" }.joined()
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(HTML.escape(title))</title>
            <style>
            \(PageStyle.text)
            </style>
            </head>
            <body>
            <main>
            <header>
            <span class="verdict \(verdict.isGood ? "good" : "bad")">\(HTML.escape(verdict.text))</span>
            <h1>\(HTML.escape(title))</h1>
            <p class="sub">\(HTML.escape(subtitle))</p>
            \(list.isEmpty ? "" : "<ul class=\"reasons\">\(list)</ul>")
            </header>
            <section class="figures">\(cards.joined())</section>
            \(body)
            <footer>Written by consent-load. Latencies are kept in histograms of three significant digits.</footer>
            </main>
            </body>
            </html>

            """
    }

    /// A time on an axis: `100 µs`, `2 ms`.
    static func tick(microseconds value: Double) -> String {
        func short(_ value: Double, _ unit: String) -> String {
            (value >= 1 ? TextFormat.fixed(value, 0) : "\(value)") + " " + unit
        }
        switch value {
        case ..<1_000: return short(value, "µs")
        case ..<1_000_000: return short(value / 1_000, "ms")
        default: return short(value / 1_000_000, "s")
        }
    }

    /// A rate on an axis: `0`, `500`, `20 k`, `1.5 M`.
    static func tick(rate value: Double) -> String {
        func short(_ value: Double) -> String {
            value == value.rounded() ? TextFormat.fixed(value, 0) : TextFormat.fixed(value, 1)
        }
        switch value {
        case ..<1_000: return short(value)
        case ..<1_000_000: return short(value / 1_000) + " k"
        default: return short(value / 1_000_000) + " M"
        }
    }

    /// How latencies are spread, for each load that has any.
    static func percentiles(_ rows: [(name: String, histogram: LatencyHistogram)]) -> Plot {
        let known = rows.filter { $0.histogram.count > 0 }
        let largest = known.map { Double($0.histogram.count) }.max() ?? 1
        let nines = min(LatencyHistogram.nines(ofCount: largest), 6)
        let series = known.map { row in
            let last = min(LatencyHistogram.nines(ofCount: Double(row.histogram.count)), nines)
            let percentiles = stride(from: 0.0, through: last, by: 0.05).map(
                LatencyHistogram.percentile(nines:))
            return Plot.Series(
                name: row.name,
                points: percentiles.map { (x: $0, y: row.histogram.microseconds(atPercentile: $0)) })
        }
        let values = series.flatMap { $0.points.map(\.y) }
        return Plot(
            title: "Latency by percentile",
            note:
                "Above 99 stands the time within which 99 of 100 answers came. Intended latency counts from "
                + "the moment a request was due, service latency from the moment it left.",
            x: .nines(upTo: nines),
            y: .logarithmic(
                from: max(values.min() ?? 1, 1), to: values.max() ?? 1, label: tick(microseconds:)),
            xLabel: "percentile", yLabel: "latency", series: series)
    }

    /// Latency and rate, second by second.
    static func overTime(_ seconds: [SecondSample], rateName: String) -> [Plot] {
        guard seconds.count > 1 else { return [] }
        let ends = seconds.map { $0.startSeconds + $0.seconds }
        let x = PlotScale.linear(upTo: ends.last ?? 1) {
            TextFormat.fixed($0, $0 < 5 && $0 != $0.rounded() ? 1 : 0)
        }
        func line(_ name: String, _ value: (SecondSample) -> Double) -> Plot.Series {
            Plot.Series(name: name, points: zip(ends, seconds).map { (x: $0, y: value($1)) })
        }
        let latencies = [
            line("p50", \.latency.p50), line("p99", \.latency.p99), line("p99.9", \.latency.p999),
            line("max", \.latency.max),
        ]
        let values = latencies.flatMap { $0.points.map(\.y) }.filter { $0 > 0 }
        let rates = line(rateName) { Double($0.units) / max($0.seconds, 1e-9) }
        return [
            Plot(
                title: "Latency over time",
                note: "Percentiles of each second, counted from the moment a request was due.", x: x,
                y: .logarithmic(
                    from: max(values.min() ?? 1, 1), to: values.max() ?? 1, label: tick(microseconds:)),
                xLabel: "seconds", yLabel: "latency", series: latencies),
            Plot(
                title: "Rate over time", note: "\(rateName) a second.", x: x,
                y: .linear(upTo: rates.points.map(\.y).max() ?? 1, label: tick(rate:)), xLabel: "seconds",
                yLabel: rateName + " / s", series: [rates]),
        ]
    }

    /// Percentiles in a table.
    static func table(_ rows: [(name: String, histogram: LatencyHistogram)]) -> String {
        let names = ["latency", "p50", "p90", "p99", "p99.9", "p99.99", "max"]
        return "<section><h2>Latencies</h2>"
            + HTML.table(
                [names]
                    + rows.map { row in
                        [row.name]
                            + row.histogram.summary.named.map { TextFormat.microseconds($0.microseconds) }
                    }) + "</section>\n"
    }

    /// Names and values under a heading.
    static func section(_ title: String, _ rows: [(String, String)]) -> String {
        "<section><h2>\(HTML.escape(title))</h2>" + HTML.list(rows) + "</section>\n"
    }
}

extension RunReport {
    /// The report as one page of HTML.
    package var html: String {
        let latency = latencies.first?.histogram.summary ?? LatencySummary()
        var reasons = invalidReasons
        if wrongCount > 0 { reasons.insert("\(TextFormat.grouped(wrongCount)) answers were wrong", at: 0) }
        let errors = RunReport.errorText(result.statistics)
        if errors != "0" { reasons.append("errors: \(errors)") }
        let rate = result.measuredSeconds > 0 ? Double(result.statistics.units) / result.measuredSeconds : 0
        let short = TextFormat.short(microseconds:)
        let title = "\(TextFormat.rate(rate)) \(unit)s a second, p99 \(short(latency.p99))"
        var figures = [
            ("\(unit)s a second", TextFormat.rate(rate)), ("p50", short(latency.p50)),
            ("p99", short(latency.p99)), ("p99.9", short(latency.p999)), ("longest", short(latency.max)),
            ("errors", TextFormat.grouped(result.statistics.errorCount)),
        ]
        if batch > 1 || checksPerConnection != nil {
            figures.insert(("\(requestNoun) a second", TextFormat.rate(requestsPerSecond)), at: 1)
        }
        if !isWrite {
            figures.append(
                ("wrong answers", isVerified ? TextFormat.grouped(result.statistics.wrong) : "not verified"))
        }
        if let server = result.serverCPUSeconds, result.statistics.units > 0 {
            let cost = server * 1e6 / Double(result.statistics.units)
            figures.append(("server CPU per million \(unit)s", TextFormat.fixed(cost, 3) + " s"))
        }
        var body = ReportPage.percentiles(latencies).html
        body += ReportPage.overTime(result.seconds, rateName: unit + "s").map(\.html).joined()
        body += ReportPage.table(latencies)
        body += ReportPage.section("Settings", settings)
        return ReportPage.html(
            title: title, subtitle: headline,
            verdict: (verdict, exitCode == .done),
            reasons: reasons, figures: figures, body: body)
    }

    private var verdict: String {
        if wrongCount > 0 { return "wrong answers" }
        if !invalidReasons.isEmpty { return "not a valid run" }
        return exitCode == .done ? "valid run" : "errors"
    }

    /// What was run, where, and what it cost.
    var settings: [(String, String)] {
        var rows = [
            ("mode", "\(mode), \(loop) loop"), ("seed", "\(plan.seed)"),
            ("connections", TextFormat.grouped(plan.connections)),
            ("in flight on each", TextFormat.grouped(plan.inFlight)),
            ("generator threads", "\(plan.threads)"),
        ]
        if let rate = plan.rate {
            rows.append(("requests due", "\(TextFormat.rate(rate))/s, \(plan.arrivals.rawValue)"))
        }
        if !isWrite {
            rows.append(("contact points a request", TextFormat.grouped(batch)))
            if let keys { rows.append(("asked by", keys == .digest ? "16-byte keys" : "raw addresses")) }
            if let recipients { rows.append(("recipients asked about", TextFormat.grouped(recipients))) }
            if let hitRatio { rows.append(("hit ratio", TextFormat.fixed(hitRatio, 2))) }
            rows.append(("chosen", zipf.map { "Zipf \(TextFormat.fixed($0, 2))" } ?? "uniformly"))
        }
        if let writes {
            rows.append(("writes beside", "\(TextFormat.rate(writes.perSecond))/s"))
        }
        if let notifications {
            rows.append(("subscribers", "\(notifications.subscribers)"))
            rows.append(("notifications", TextFormat.grouped(notifications.count)))
        }
        rows += [
            ("warm-up", TextFormat.fixed(Double(plan.warmUpNanoseconds) / 1e9, 1) + " s"),
            ("measured", TextFormat.fixed(result.measuredSeconds, 2) + " s"),
            ("requests", TextFormat.grouped(result.statistics.requests)),
            ("on the wire", wireText),
            ("CPU of the generator", TextFormat.fixed(result.clientCPUSeconds, 2) + " s"),
            (
                "CPU of the server",
                result.serverCPUSeconds.map { TextFormat.fixed($0, 2) + " s" } ?? "not known"
            ),
            ("server", peer ?? "consentd \(serverVersion)"),
        ]
        if let serverRecipients, let profiles {
            rows.append(("recipients on file", TextFormat.grouped(Int(clamping: serverRecipients))))
            rows.append(("profiles", TextFormat.grouped(Int(clamping: profiles))))
        }
        rows += Machine.rows
        return rows
    }
}
