// `consent-load knee`: the highest rate at which a latency objective is still met.
//
//   up      the rate doubles until a step fails: too slow, not answered, or too slow because the generator
//           itself was late
//   between the gap between the last rate that held and the first that failed is halved until it is narrow
//
// A step that fails is tried once more, since one hiccup of a shared machine says nothing about a rate.
// Invariant: the knee is a rate that was measured and met the objective.

/// How to search.
package struct KneeOptions: Sendable {
    /// The questions; the plan's rate and duration are those of the steps.
    package var checks: CheckOptions
    /// Name of the percentile that has an objective: one of `LatencySummary.named`.
    package var percentile = "p99"
    /// What it may be at most, in microseconds.
    package var objectiveMicroseconds = 2_000.0
    /// The first rate, requests a second.
    package var firstRate = 1_000.0
    /// Length of a step.
    package var stepNanoseconds: UInt64 = 3_000_000_000
    /// How close to the knee the search comes: 0.05 is one twentieth.
    package var precision = 0.05

    /// p99 of 2 ms.
    package init(checks: CheckOptions) {
        self.checks = checks
    }

    /// The plan of one step.
    func plan(at rate: Double) -> RunPlan {
        var plan = checks.plan
        plan.rate = rate
        plan.durationNanoseconds = stepNanoseconds
        plan.warmUpNanoseconds = min(plan.warmUpNanoseconds, 500_000_000)
        plan.drainNanoseconds = 1_000_000_000
        return plan
    }
}

/// One rate that was tried.
package struct KneePoint: Sendable {
    /// How it went.
    package enum Outcome: String, Sendable {
        /// The objective was met.
        case met
        /// Answers came too late.
        case tooSlow = "too slow"
        /// Errors, or requests without an answer.
        case failed
        /// The objective was missed, but the generator was late too: nothing is known about the server at
        /// this rate.
        case generatorLate = "generator late"
    }

    /// Requests a second that were due.
    package var rate: Double
    /// What was measured.
    package var result: RunResult
    /// How it went.
    package var outcome: Outcome

    /// Requests a second that were answered.
    package var achieved: Double {
        result.measuredSeconds > 0 ? Double(result.statistics.requests) / result.measuredSeconds : 0
    }

    /// - Parameters:
    ///   - rate: requests a second that were due.
    ///   - result: what was measured.
    ///   - percentile: name of the percentile that has an objective.
    ///   - objective: what it may be at most, in microseconds.
    package init(rate: Double, result: RunResult, percentile: String, objective: Double) {
        self.rate = rate
        self.result = result
        let latency = result.statistics.intended.summary.named.first { $0.name == percentile }?.microseconds
        if result.statistics.errorCount > 0 || result.statistics.lostConnections > 0
            || result.statistics.wrong > 0
        {
            outcome = .failed
        } else if result.statistics.requests > 0 && (latency ?? .infinity) <= objective {
            // Every request that was due was answered, and what the generator itself was late by is part of
            // the latency: whoever meets the objective with it meets it without.
            outcome = .met
        } else {
            let isValid = RunVerdict.invalidReasons(result, isOpen: true).isEmpty
            outcome = isValid ? .tooSlow : .generatorLate
        }
    }
}

/// The search itself, without a clock or a socket.
package struct KneeSearch: Sendable {
    private let precision: Double
    private var best: Double?
    private var worst: Double?
    /// What to try next; nil: the search is over.
    package private(set) var next: Double?
    /// Rates above it make no sense.
    private let rateMax = 1e8

    /// - Parameters:
    ///   - firstRate: what to try first.
    ///   - precision: relative width of the gap at which it ends.
    package init(firstRate: Double, precision: Double) {
        self.precision = precision
        next = firstRate
    }

    /// Takes what came of `next`.
    package mutating func take(isMet: Bool) {
        guard let rate = next else { return }
        if isMet { best = rate } else { worst = rate }
        switch (best, worst) {
        case (let best?, nil): next = best < rateMax ? best * 2 : nil
        case (nil, let worst?): next = worst > 10 ? worst / 4 : nil
        case (let best?, let worst?):
            next = worst / best > 1 + precision ? (best * worst).squareRoot() : nil
        case (nil, nil): next = nil
        }
    }
}

/// Searches the knee.
package enum KneeRun {
    /// Does it.
    package static func run(_ options: KneeOptions) async throws(LoadError) -> KneeReport {
        guard options.objectiveMicroseconds > 0 else { throw .usage("the objective must be more than 0") }
        guard options.firstRate >= 1 && options.firstRate <= 1e7 else {
            throw .usage("--first-rate must be 1 to 10000000 requests a second")
        }
        guard (0.005...1).contains(options.precision) else {
            throw .usage("--precision must be 0.005 to 1")
        }
        let printer = ProgressPrinter(forced: options.checks.forcesProgress)
        let checks = try await PreparedChecks.prepare(options.checks, printer)
        var search = KneeSearch(firstRate: options.firstRate, precision: options.precision)
        var points: [KneePoint] = []
        while let rate = search.next {
            var isMet = false
            for _ in 0..<2 where !isMet {
                let point = try await step(at: rate, options, checks, printer)
                points.append(point)
                isMet = point.outcome == .met
                printer.show(
                    "\(TextFormat.rate(rate)) requests/s: \(point.outcome.rawValue), p99 "
                        + TextFormat.microseconds(point.result.statistics.intended.summary.p99))
                if point.result.statistics.wrong > 0 || point.result.statistics.lostConnections > 0 { break }
            }
            search.take(isMet: isMet)
            if let last = points.last?.result.statistics, last.wrong > 0 || last.lostConnections > 0 { break }
        }
        printer.clear()
        await checks.control.close()
        return KneeReport(options: options, points: points, base: checks.report)
    }

    private static func step(
        at rate: Double, _ options: KneeOptions, _ checks: PreparedChecks, _ printer: ProgressPrinter
    ) async throws(LoadError) -> KneePoint {
        let plan = options.plan(at: rate)
        try plan.check()
        let result = try await CheckRun.measure(checks, plan, options.checks.server, ProgressPrinter.silent)
        return KneePoint(
            rate: rate, result: result, percentile: options.percentile,
            objective: options.objectiveMicroseconds)
    }
}
