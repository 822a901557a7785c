// Goal: a run is called invalid exactly when the generator failed, and each outcome has its exit code.
//
// Method: tables.

import LoadGenerator
import Testing

@Suite struct VerdictTests {
    @Test(arguments: [
        // intended p99, limit of the send lag's p99; µs
        (50.0, 100.0), (2_000, 100), (4_000, 200), (19_999, 999.95), (20_000, 1_000), (1_000_000, 1_000),
    ])
    func sendLagLimit(_ row: (intended: Double, limit: Double)) {
        #expect(abs(RunVerdict.sendLagLimit(intendedP99: row.intended) - row.limit) < 1e-9)
    }

    static func summary(p99: Double) -> LatencySummary {
        var summary = LatencySummary()
        summary.p99 = p99
        return summary
    }

    @Test(arguments: [
        // requests, seconds, open, intended p99, send lag p99, valid
        (100, 10.0, true, 500.0, 99.0, true), (100, 10, true, 500, 101, false),
        (100, 10, false, 500, 5_000, true),
        (100, 10, true, 1e6, 1_001, false), (100, 10, true, 1e6, 999, true), (0, 10, false, 0, 0, false),
        (100, 0, false, 1, 0, false),
    ])
    func validity(_ row: (Int, Double, Bool, Double, Double, Bool)) {
        let reasons = RunVerdict.invalidReasons(
            requests: row.0, measuredSeconds: row.1, isOpen: row.2, intended: Self.summary(p99: row.3),
            sendLag: Self.summary(p99: row.4))
        #expect(reasons.isEmpty == row.5, "\(row): \(reasons)")
    }

    @Test(arguments: [
        // seconds in which requests waited for a slot, of them busy, valid; 10 s measured
        (0.05, 0.05, true), (0.2, 0.19, false), (0.2, 0.1, true), (5, 0.2, true), (5, 4.9, false),
    ])
    func aGeneratorThatIsBusyWhileRequestsWaitIsSaturated(_ row: (Double, Double, Bool)) {
        for isOpen in [true, false] {
            let reasons = RunVerdict.invalidReasons(
                requests: 100, measuredSeconds: 10, isOpen: isOpen, intended: Self.summary(p99: 1e6),
                sendLag: Self.summary(p99: 5), blockedSeconds: row.0, blockedBusySeconds: row.1)
            #expect(reasons.isEmpty == (row.2 || !isOpen), "\(row): \(reasons)")
        }
    }

    @Test func exitCodes() {
        func code(
            wrong: Int = 0, lost: Int = 0, errors: [UInt16: Int] = [:], unanswered: Int = 0,
            valid: Bool = true
        ) -> Int32 {
            RunVerdict.exitCode(
                wrongAnswers: wrong, lostConnections: lost, errorsByStatus: errors, unanswered: unanswered,
                isValid: valid
            ).rawValue
        }
        #expect(code() == 0)
        #expect(code(valid: false) == 75)
        #expect(code(wrong: 1, lost: 2, errors: [14: 5], valid: false) == 1)
        #expect(code(lost: 1, errors: [8: 5], unanswered: 3) == 69)
        #expect(code(unanswered: 1) == 69)
        let statuses: [(UInt16, Int32)] = [
            (3, 65), (5, 65), (4, 69), (14, 69), (8, 75), (7, 77), (16, 77), (9, 78), (13, 70), (12, 70),
            (99, 70),
        ]
        for (status, expected) in statuses {
            #expect(code(errors: [status: 1]) == expected, "status \(status)")
        }
        #expect(code(errors: [8: 5, 14: 6]) == 69, "the most frequent status decides")
    }

    @Test func errorsNameTheRemedy() {
        let rows: [(LoadError, Int32, String)] = [
            (.unreachable(address: "127.0.0.1:1", why: "refused"), 69, "consentd serve"),
            (.notATestRegister, 78, "--test-register"), (.usage("--batch"), 64, "--batch"),
            (.turnedAway("no such token"), 77, "no such token"), (.lost("reset"), 69, "reset"),
            (.file(path: "x", why: "is missing"), 65, "x: is missing"),
        ]
        for (error, code, text) in rows {
            #expect(error.exitCode.rawValue == code && "\(error)".contains(text), "\(error)")
        }
    }
}
