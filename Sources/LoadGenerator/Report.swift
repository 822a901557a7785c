// What a run came to, for people and for programs.

import WireProtocol

/// The report of one run.
package struct RunReport: Sendable {
    /// `check`, `write`, `mixed`, `churn` or `watch`.
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
    /// Against a null server: the figures are the generator's own ceiling.
    package var isCeiling = false
    /// Which peer was asked instead of consentd, and how; nil: consentd.
    package var peer: String?
    /// Questions of one connection; nil but in churn.
    package var checksPerConnection: Int?
    /// The writes beside the checks; nil but in mixed runs.
    package var writes: Writes?
    /// What subscribers heard; nil but in watch.
    package var notifications: Notifications?
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

    /// Whether the requests are writes.
    var isWrite: Bool { mode == "write" || mode == "watch" }

    /// What a request is to people.
    var requestNoun: String { isWrite ? "writes" : mode == "churn" ? "connections" : "requests" }

    /// All latencies with their names, the one that counts first.
    var latencies: [(name: String, histogram: LatencyHistogram)] {
        let statistics = result.statistics
        var rows: [(name: String, histogram: LatencyHistogram)] = [("service", statistics.service)]
        if plan.rate != nil {
            rows.insert(("intended", statistics.intended), at: 0)
            rows.append(("send lag", statistics.sendLag))
        }
        if let writes {
            rows.append(("writes intended", writes.result.statistics.intended))
            rows.append(("writes service", writes.result.statistics.service))
        }
        if let notifications {
            rows.append(("news since sent", notifications.fromSubmission))
            rows.append(("news since ack", notifications.fromAcknowledgement))
        }
        return rows
    }

    /// What is counted beside requests.
    var unit: String { isWrite ? "write" : "check" }

    /// Requests a second.
    package var requestsPerSecond: Double { perSecond(result.statistics.requests) }

    /// Checks a second; 0 in writes.
    package var checksPerSecond: Double { isWrite ? 0 : perSecond(result.statistics.units) }

    private func perSecond(_ count: Int) -> Double {
        result.measuredSeconds > 0 ? Double(count) / result.measuredSeconds : 0
    }

    /// Answers that were wrong, and notifications that never came.
    package var wrongCount: Int {
        result.statistics.wrong + (notifications.map { $0.missing + $0.gaps } ?? 0)
    }

    /// Why the run is invalid; empty: it is valid.
    package var invalidReasons: [String] {
        RunVerdict.invalidReasons(result, isOpen: plan.rate != nil)
            + (writes.map { writes in
                RunVerdict.invalidReasons(writes.result, isOpen: true).map { "the writes: \($0)" }
            } ?? [])
    }

    /// How the program ends.
    package var exitCode: RunExit {
        let all = [result.statistics] + (writes.map { [$0.result.statistics] } ?? [])
        return RunVerdict.exitCode(
            wrongAnswers: wrongCount, lostConnections: all.reduce(0) { $0 + $1.lostConnections },
            errorsByStatus: all.reduce(into: [:]) { $0.merge($1.errors, uniquingKeysWith: +) },
            unanswered: all.reduce(0) { $0 + $1.unanswered }, isValid: invalidReasons.isEmpty)
    }

    /// The writes beside the checks of a mixed run.
    package struct Writes: Sendable {
        /// How many, how regular.
        package var plan: RunPlan
        /// What was measured.
        package var result: RunResult

        /// Writes a second.
        package var perSecond: Double {
            result.measuredSeconds > 0 ? Double(result.statistics.requests) / result.measuredSeconds : 0
        }
    }
}
