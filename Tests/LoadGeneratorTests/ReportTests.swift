// Goal: the JSON report has the keys that checks rely on, in valid JSON, and the text report its lines.
//
// Method: a report with known numbers, parsed by Foundation.

import Foundation
import LoadGenerator
import Testing

@Suite struct ReportTests {
    static func report(mode: String = "check", rate: Double? = nil) -> RunReport {
        var plan = RunPlan()
        plan.connections = 3
        plan.inFlight = 16
        plan.seed = 42
        plan.rate = rate
        var result = RunResult()
        result.statistics.requests = 2_000
        result.statistics.units = 200_000
        result.statistics.errors = [8: 2, 14: 1]
        result.statistics.unanswered = 4
        for latency in 1...1_000 {
            result.statistics.service.record(nanoseconds: UInt64(latency) * 1_000)
            result.statistics.intended.record(nanoseconds: UInt64(latency) * 2_000)
            result.statistics.sendLag.record(nanoseconds: UInt64(latency))
        }
        result.measuredSeconds = 2
        result.clientCPUSeconds = 1.25
        result.serverCPUSeconds = 1.5
        var report = RunReport(mode: mode, plan: plan, result: result)
        report.batch = 100
        report.profiles = 1_234
        report.serverRecipients = 5_678
        return report
    }

    static func parse(_ json: JSONText) throws -> [String: Any] {
        let value = try JSONSerialization.jsonObject(with: Data(json.text.utf8))
        return try #require(value as? [String: Any])
    }

    @Test func jsonHasTheAgreedKeys() throws {
        var report = Self.report(rate: 1_000)
        report.isVerified = true
        report.keys = .digest
        let json = try Self.parse(report.json)
        for key in [
            "mode", "seed", "connections", "inFlight", "batch", "durationSeconds", "requests", "checks",
            "checksPerSecond", "errors", "wrongAnswers", "verified", "valid", "profiles",
        ] {
            #expect(json[key] != nil && !(json[key] is NSNull), "\(key) is missing")
        }
        #expect(json["mode"] as? String == "check" && json["loop"] as? String == "open")
        #expect(
            json["seed"] as? Int == 42 && json["errors"] as? Int == 7 && json["requests"] as? Int == 2_000)
        #expect(json["checks"] as? Int == 200_000 && json["checksPerSecond"] as? Double == 100_000)
        #expect(json["verified"] as? Bool == true && json["valid"] as? Bool == true)
        let latencies = try #require(json["latencyMicroseconds"] as? [String: [String: Double]])
        for kind in ["intended", "service", "sendLag"] {
            let summary = try #require(latencies[kind])
            #expect(Set(summary.keys) == ["p50", "p90", "p99", "p999", "p9999", "max"])
        }
        #expect(abs((latencies["service"]?["p50"] ?? 0) - 500) < 2)
        #expect(abs((latencies["intended"]?["max"] ?? 0) - 2_000) < 4)
        let cpu = try #require(json["cpuSeconds"] as? [String: Double])
        #expect(cpu == ["client": 1.25, "server": 1.5])
        #expect((json["errorsByStatus"] as? [String: Int]) == ["RESOURCE_EXHAUSTED": 2, "UNAVAILABLE": 1])
    }

    @Test func writesCountNoChecks() throws {
        var report = Self.report(mode: "write")
        report.grantsAcknowledged = 10
        report.withdrawalsAcknowledged = 5
        let json = try Self.parse(report.json)
        #expect(json["checks"] as? Int == 0 && json["acknowledged"] as? Int == 15)
        #expect(json["writesPerSecond"] as? Double == 1_000)
        #expect(report.text.contains("10 grants, 5 withdrawals"))
    }

    @Test func jsonTextIsValidForAnyText() throws {
        let nasty = "a\"b\\c\n\t\u{1}\u{7f}é😀"
        let json = JSONText.object([
            .init(nasty, .string(nasty)), .init("n", .number(.infinity)),
            .init("a", .array([.integer(-1), .null])),
            .init("e", .object([])),
        ])
        let parsed = try Self.parse(json)
        #expect(parsed[nasty] as? String == nasty && parsed["n"] is NSNull)
        #expect((parsed["a"] as? [Any])?.count == 2)
    }

    @Test func textSaysWhatMatters() {
        var report = Self.report(rate: 5_000)
        report.result.statistics.wrong = 3
        report.result.statistics.lostConnections = 1
        report.result.statistics.lostReason = "gone"
        report.wrongAnswers = ["recipient 7: expected deny, got allow"]
        for part in [
            "check, open loop at 5.0 k requests/s (poisson)", "3 connections × 16 in flight", "batch of 100",
            "intended", "send lag", "p9999", "WRONG ANSWERS: 3", "recipient 7", "CONNECTIONS LOST: 1 (gone)",
            "2 RESOURCE_EXHAUSTED", "4 unanswered", "1,234 profiles",
        ] {
            #expect(report.text.contains(part), "'\(part)' is missing in:\n\(report.text)")
        }
        let table = report.text.split(separator: "\n").filter { $0.contains("µs") || $0.contains("p9999") }
        #expect(Set(table.map(\.count)).count == 1, "the latency table is not aligned")
    }

    @Test(arguments: [
        (0.0, 2, "0.00"), (1.005, 1, "1.0"), (12.345, 2, "12.35"), (-0.5, 1, "-0.5"), (-0.001, 1, "0.0"),
        (999.96, 1, "1000.0"), (7, 0, "7"),
    ])
    func fixed(_ row: (value: Double, decimals: Int, text: String)) {
        #expect(TextFormat.fixed(row.value, row.decimals) == row.text)
    }

    @Test func numbersForPeople() {
        #expect(TextFormat.grouped(0) == "0" && TextFormat.grouped(1_234_567) == "1,234,567")
        #expect(TextFormat.grouped(-1_000) == "-1,000" && TextFormat.grouped(999) == "999")
        #expect(TextFormat.rate(812) == "812" && TextFormat.rate(93_440) == "93.4 k")
        #expect(TextFormat.rate(1_270_000) == "1.27 M")
        #expect(TextFormat.microseconds(87.25) == "87.3 µs" && TextFormat.microseconds(2_040_000) == "2.04 s")
    }
}
