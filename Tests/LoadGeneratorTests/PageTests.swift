// Goal: a report's page needs nothing from elsewhere, is well-formed, escapes what it shows, and says the
// verdict; CSV and comparisons say what the report says.
//
// Method: the page's tags are matched like brackets; its attributes are searched for anything that loads.

import Foundation
import LoadGenerator
import Testing

@Suite struct PageTests {
    /// Every tag is closed, in order, and nothing is loaded.
    static func check(_ html: String) {
        var open: [Substring] = []
        var rest = html[...]
        while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            let name = tag.prefix { $0.isLetter || $0.isNumber || $0 == "/" }
            if tag.hasPrefix("!") || name == "meta" || tag.hasSuffix("/") { continue }
            if name.hasPrefix("/") {
                #expect(open.popLast() == name.dropFirst(), "</\(name.dropFirst())> closes another tag")
            } else {
                open.append(name)
            }
        }
        #expect(open.isEmpty, "\(open) stay open")
        for word in [
            "<script", "http:", "https:", "src=", "href=", "url(", "@import", ">nan", "\"nan", ",nan",
        ] {
            #expect(!html.contains(word), "\(word) in the page")
        }
    }

    static func report() -> RunReport {
        var report = ReportTests.report(rate: 5_000)
        report.keys = .digest
        report.isVerified = true
        report.serverVersion = "1 <b>&\""
        for start in 0..<5 {
            var interval = IntervalStatistics()
            interval.requests = 400
            interval.units = 40_000
            interval.errors = start
            interval.latency = report.result.statistics.intended
            report.result.seconds.append(
                SecondSample(startSeconds: Double(start), seconds: 1, interval: interval))
        }
        return report
    }

    @Test func aPageStandsAlone() {
        let html = Self.report().html
        Self.check(html)
        for part in [
            "Latency by percentile", "Latency over time", "Rate over time", "<title>100.0 k checks a second",
            "intended", "send lag", "1 &lt;b&gt;&amp;&quot;", "prefers-color-scheme: dark", "@media print",
            "<span class=\"verdict bad\">errors</span>", "2 RESOURCE_EXHAUSTED",
        ] {
            #expect(html.contains(part), "\(part) is missing")
        }
    }

    @Test func aGoodRunSaysSo() {
        var report = Self.report()
        report.result.statistics.errors = [:]
        report.result.statistics.unanswered = 0
        #expect(report.html.contains("<span class=\"verdict good\">valid run</span>"))
        report.result.statistics.wrong = 3
        #expect(report.html.contains("<span class=\"verdict bad\">wrong answers</span>"))
    }

    @Test func anEmptyRunHasAPage() {
        Self.check(RunReport(mode: "check", plan: RunPlan(), result: RunResult()).html)
    }

    @Test func csvHasALinePerSecond() {
        let lines = Self.report().csv.split(separator: "\n")
        #expect(lines.count == 6)
        #expect(lines[0] == "load,start,seconds,requests,units,errors,p50,p90,p99,p999,p9999,max")
        #expect(lines[3].hasPrefix("check,2.000,1.000,400,40000,2,"))
        #expect(Set(lines.map { $0.split(separator: ",").count }) == [12])
    }

    // MARK: Comparisons

    static func run(_ adjust: (inout RunReport) -> Void = { _ in }) throws -> ComparedRun {
        var report = Self.report()
        report.result.statistics.errors = [:]
        report.result.statistics.unanswered = 0
        adjust(&report)
        return try ComparedRun(json: Array(report.json.text.utf8), path: "a.json")
    }

    @Test func comparisonsFailForWhatIsWorse() throws {
        let slower = try Self.run { $0.result.measuredSeconds = 2.5 }  // rate × 0.8
        let rows: [(thresholds: String, after: ComparedRun, failures: Int)] = [
            ("p99=1.10,rate=0.95", try Self.run(), 0), ("rate=0.95", slower, 1), ("rate=0.79", slower, 0),
            ("p99=0.5", try Self.run(), 1), ("p50=0.5,p99=0.5", try Self.run(), 2),
            ("cpu=1.1", try Self.run { $0.result.serverCPUSeconds = 2 }, 1),
            ("cpu=1.1", try Self.run { $0.result.serverCPUSeconds = nil }, 1),
            ("p99=9", try Self.run { $0.result.statistics.wrong = 1 }, 1),
            ("p99=9", try Self.run { $0.result.statistics.unanswered = 1 }, 1),
            ("p99=9", try Self.run { $0.result.statistics.requests = 0 }, 1),
        ]
        for row in rows {
            let comparison = Comparison(
                before: try Self.run(), after: row.after,
                thresholds: try Comparison.thresholds(row.thresholds))
            #expect(comparison.failures.count == row.failures, "\(row.thresholds): \(comparison.failures)")
            #expect(comparison.text.contains("FAILED") == (row.failures > 0))
            let json = try ReportTests.parse(comparison.json)
            #expect(json["failed"] as? Bool == (row.failures > 0))
        }
    }

    @Test func comparisonsNameDifferingSettings() throws {
        let other = try Self.run { $0.plan.connections = 9 }
        let comparison = Comparison(before: try Self.run(), after: other, thresholds: [:])
        #expect(comparison.differences == ["connections: 3 and 9"] && comparison.failures.isEmpty)
    }

    @Test func badThresholdsAndFilesAreNamed() {
        for text in ["", "p99", "p98=1", "p99=x", "p99=-1", "p99=0", "p99=1,,rate=1", "rate=inf"] {
            #expect(throws: LoadError.self, "\(text)") { try Comparison.thresholds(text) }
        }
        for json in ["", "{}", "[1]", "{\"mode\": 3}"] {
            #expect(throws: LoadError.self) { try ComparedRun(json: Array(json.utf8), path: "x") }
        }
    }
}
