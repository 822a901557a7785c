// Goal: every workload runs against a real server, counts what it did, and finds its answers right.
//
// Method: a server in this process with a small seeded population; short runs; counts and verdicts are
// asserted, times are not.

import ConsentClient
import Foundation
import LoadGenerator
import TestSupport
import Testing

@Suite(.serialized) struct RunTests {
    /// A server with 2,000 recipients of 5 controllers.
    static func seeded() async throws -> (TestServer, ServerOptions) {
        let server = try await TestServer.start()
        let token = try String(contentsOfFile: server.stateFolder + "/admin.token", encoding: .utf8)
        var options = ServerOptions(address: try #require(ServerAddress(server.address)))
        options.credential = Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        var seed = SeedOptions(server: options)
        seed.recipients = 2_000
        seed.controllers = 5
        seed.isBulk = true
        _ = try await SeedRun.run(seed)
        return (server, options)
    }

    static func checks(_ server: ServerOptions, batch: Int = 1) -> CheckOptions {
        var options = CheckOptions(server: server)
        options.plan = EngineTests.plan()
        options.plan.drainNanoseconds = 5_000_000_000
        options.shape.itemsPerQuestion = batch
        options.shape.verifies = true
        options.poolItems = 4_096
        return options
    }

    @Test func checksAndMixedAndChurn() async throws {
        let (server, options) = try await Self.seeded()
        for batch in [1, 50] {
            let report = try await CheckRun.run(Self.checks(options, batch: batch))
            #expect(report.exitCode == .done && report.result.statistics.requests > 0, "\(report.text)")
            #expect(report.result.statistics.bytesSent > report.result.statistics.units * 16)
        }

        var mixed = MixedOptions(checks: Self.checks(options), writeRate: 300)
        mixed.withdrawRatio = 0.3
        let beside = try await MixedRun.run(mixed)
        #expect(beside.result.statistics.wrong == 0 && beside.result.statistics.requests > 0)
        let writes = try #require(beside.writes).result.statistics
        #expect(writes.requests > 0 && writes.errorCount == 0)
        #expect((beside.grantsAcknowledged ?? 0) > 0 && beside.text.contains("writes intended"))
        let json = try ReportTests.parse(beside.json)
        let side = try #require(json["writes"] as? [String: Any])
        #expect(side["requests"] as? Int == writes.requests && json["mode"] as? String == "mixed")

        for rate in [nil, 200.0] {
            var round = Self.checks(options)
            round.plan.rate = rate
            round.plan.inFlight = 64
            let churn = try await ChurnRun.run(round, checks: 3)
            let statistics = churn.result.statistics
            #expect(statistics.requests > 0 && statistics.units == 3 * statistics.requests, "\(churn.text)")
            #expect(statistics.wrong == 0 && statistics.errorCount == 0 && statistics.lostConnections == 0)
            #expect(churn.text.contains("connections") && churn.text.contains("3 questions each"))
        }
        await server.server.drain()
    }

    @Test(arguments: [nil, 400.0]) func everySubscriberHearsOfEveryWrite(_ rate: Double?) async throws {
        let (server, options) = try await Self.seeded()
        var writes = WriteOptions(server: options)
        writes.plan = EngineTests.plan { $0.rate = rate }
        writes.plan.drainNanoseconds = 5_000_000_000
        writes.withdrawRatio = 0.2
        var watch = WatchOptions(writes: writes)
        watch.subscribers = 3
        let report = try await WatchRun.run(watch)
        let heard = try #require(report.notifications)
        #expect(report.wrongCount == 0 && heard.failure == nil, "\(report.text)")
        #expect(heard.count > 60 && heard.count % 3 == 0)
        #expect(heard.fromSubmission.count == UInt64(heard.count))
        #expect(heard.fromAcknowledgement.count == UInt64(heard.count))
        #expect(report.exitCode == .done || !report.invalidReasons.isEmpty)
        await server.server.drain()
    }

    @Test func aKneeIsARateThatWasMeasured() async throws {
        let (server, options) = try await Self.seeded()
        var knee = KneeOptions(checks: Self.checks(options))
        knee.stepNanoseconds = 100_000_000
        knee.firstRate = 500
        knee.precision = 1
        // Half a second is met by any rate that the server holds at all; the search ends where it does not.
        knee.objectiveMicroseconds = 500_000
        let report = try await KneeRun.run(knee)
        #expect(report.points.count >= 2)
        #expect(report.points.allSatisfy { $0.result.statistics.wrong == 0 })
        if let found = report.knee {
            #expect(found.outcome == .met && report.text.contains("KNEE: \(TextFormat.rate(found.rate))"))
        }
        #expect(report.csv.split(separator: "\n").count == report.points.count + 1)
        let curve = try #require(try ReportTests.parse(report.json)["curve"] as? [[String: Any]])
        #expect(curve.count == report.points.count)
        PageTests.check(report.html)
        await server.server.drain()
    }

    @Test("a late generator only matters where the objective was missed")
    func latenessInASearch() {
        func outcome(
            intendedMilliseconds: UInt64, lagMilliseconds: UInt64, requests: Int = 100, unanswered: Int = 0
        ) -> KneePoint.Outcome {
            var result = RunResult()
            result.measuredSeconds = 1
            result.statistics.requests = requests
            result.statistics.unanswered = unanswered
            for _ in 0..<requests {
                result.statistics.intended.record(nanoseconds: intendedMilliseconds * 1_000_000)
                result.statistics.sendLag.record(nanoseconds: lagMilliseconds * 1_000_000)
            }
            return KneePoint(rate: 100, result: result, percentile: "p99", objective: 5_000).outcome
        }
        #expect(outcome(intendedMilliseconds: 4, lagMilliseconds: 0) == .met)
        #expect(outcome(intendedMilliseconds: 4, lagMilliseconds: 3) == .met)
        #expect(outcome(intendedMilliseconds: 8, lagMilliseconds: 0) == .tooSlow)
        #expect(outcome(intendedMilliseconds: 8, lagMilliseconds: 3) == .generatorLate)
        #expect(outcome(intendedMilliseconds: 4, lagMilliseconds: 0, unanswered: 1) == .failed)
        #expect(outcome(intendedMilliseconds: 4, lagMilliseconds: 0, requests: 0) != .met)
    }

    @Test func theSearchClosesIn() {
        for limit in [700.0, 1_000, 1_001, 123_456, 5e6] {
            var search = KneeSearch(firstRate: 1_000, precision: 0.05)
            var best = 0.0
            var steps = 0
            while let rate = search.next {
                let isMet = rate <= limit
                if isMet { best = max(best, rate) }
                search.take(isMet: isMet)
                steps += 1
            }
            #expect(best <= limit && best * 1.05 >= limit, "limit \(limit), found \(best)")
            #expect(steps < 30)
        }
        var hopeless = KneeSearch(firstRate: 1_000, precision: 0.05)
        var tries = 0
        while hopeless.next != nil {
            hopeless.take(isMet: false)
            tries += 1
        }
        #expect(tries < 10)
    }
}
