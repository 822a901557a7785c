// Whether a run means anything, and how the program ends after it.

import WireProtocol

/// Whether the generator kept its own promises.
package enum RunVerdict {
    /// Send lag below which a run is never called invalid, in microseconds.
    package static let sendLagFloor = 100.0
    /// Send lag above which a run is always called invalid, in microseconds.
    package static let sendLagCeiling = 1_000.0
    /// Largest part of the intended latency that may be the generator's own send lag, both at p99.
    package static let sendLagShare = 0.05

    /// The largest p99 of the send lag that leaves a run valid, in microseconds: a twentieth of the
    /// intended p99, but never under a tenth of a millisecond (a scheduler's noise) and never over one
    /// millisecond.
    package static func sendLagLimit(intendedP99: Double) -> Double {
        min(max(intendedP99 * sendLagShare, sendLagFloor), sendLagCeiling)
    }

    /// Part of the time in which requests had to wait for a slot from which on it is asked why.
    package static let blockedShare = 0.01
    /// Processor time in that time from which on the generator is called saturated.
    package static let saturatedShare = 0.9

    /// Why a run is invalid; empty when it is valid. What the server did wrong is no reason: slow, wrong and
    /// failed answers are results.
    package static func invalidReasons(
        requests: Int, measuredSeconds: Double, isOpen: Bool, intended: LatencySummary,
        sendLag: LatencySummary, blockedSeconds: Double = 0, blockedBusySeconds: Double = 0
    ) -> [String] {
        var reasons: [String] = []
        if requests == 0 { reasons.append("nothing was measured") }
        if measuredSeconds <= 0 { reasons.append("the measurement never started") }
        guard isOpen else { return reasons }
        let limit = sendLagLimit(intendedP99: intended.p99)
        if sendLag.p99 > limit {
            reasons.append(
                "the generator was late: p99 send lag \(TextFormat.microseconds(sendLag.p99)), at most "
                    + "\(TextFormat.microseconds(limit)) is accepted; give it a core of its own, more "
                    + "--threads, or a lower --rate")
        }
        if blockedSeconds > measuredSeconds * blockedShare
            && blockedBusySeconds > blockedSeconds * saturatedShare
        {
            reasons.append(
                "the generator was saturated: requests waited for a slot for "
                    + "\(TextFormat.fixed(blockedSeconds, 2)) s, in which it was busy taking answers; give it "
                    + "more --threads, or a lower --rate")
        }
        return reasons
    }

    /// The same for a result.
    package static func invalidReasons(_ result: RunResult, isOpen: Bool) -> [String] {
        invalidReasons(
            requests: result.statistics.requests, measuredSeconds: result.measuredSeconds, isOpen: isOpen,
            intended: result.statistics.intended.summary, sendLag: result.statistics.sendLag.summary,
            blockedSeconds: Double(result.statistics.blockedNanoseconds) / 1e9,
            blockedBusySeconds: Double(result.statistics.blockedBusyNanoseconds) / 1e9)
    }

    /// How the program ends. Wrong answers outweigh everything; then a lost connection, errors, an invalid
    /// run.
    package static func exitCode(
        wrongAnswers: Int, lostConnections: Int, errorsByStatus: [UInt16: Int], unanswered: Int, isValid: Bool
    ) -> RunExit {
        if wrongAnswers > 0 { return .wrongAnswers }
        if lostConnections > 0 { return .unavailable }
        if let most = errorsByStatus.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) {
            return RunExit(Status(rawValue: most.key))
        }
        if unanswered > 0 { return .unavailable }
        return isValid ? .done : .tryAgain
    }
}
