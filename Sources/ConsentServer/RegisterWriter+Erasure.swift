// Destroying what erasures ask for: right after their commit, at the start, and on the day that a restriction
// ends.
//
// An erasure is acknowledged only when the bytes are out of the database and its log. Where that fails, its
// events stand (the denial counts from the commit), the caller is told that it is not done, and the writer
// thread tries again.

import CPlatform
import ConsentDomain
import ConsentIndex
import ConsentRegister
import Failpoint
import WireProtocol

extension RegisterWriter {
    /// Destroys what is due; answers the jobs where that fails.
    /// - Returns: whether it is done.
    func finishErasures(for jobs: [WriteJob]) -> Bool {
        if register.hasErasuresDue(now: core.clock.now) {
            do throws(SnapshotError) {
                try dropSnapshot()
            } catch {
                return postpone(jobs, "the index snapshot: \(error)")
            }
            Failpoint.eraseSnapshotRemoved.reached()
        }
        do throws(RegisterError) {
            try register.finishErasures(now: core.clock.now)
            postFigures()
            return true
        } catch {
            guard error.isRetryable else {
                stop("the register failed: \(error)", jobs)
                return false
            }
            return postpone(jobs, "\(error)")
        }
    }

    private func postpone(_ jobs: [WriteJob], _ reason: String) -> Bool {
        nextErasureAttempt = consent_monotonic_nanoseconds() + 1_000_000_000
        core.logger.error("an erasure is not finished", metadata: ["error": "\(reason)"])
        fail(
            jobs,
            "the denial is recorded, and the personal data could not be destroyed yet: \(reason); "
                + "erase again with the same event id to learn when it is done")
        return false
    }

    /// Destroys what has become due, a second after a failure at the earliest.
    func finishErasuresIfDue() {
        guard !hasFailed, register.hasErasuresDue(now: core.clock.now),
            consent_monotonic_nanoseconds() >= nextErasureAttempt
        else { return }
        _ = finishErasures(for: [])
    }
}
