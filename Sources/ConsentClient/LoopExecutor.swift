// The client's event loop as a place where tasks run: what `ConsentClient.taskExecutor` is.
//
// Why: a caller on one of Swift's threads costs two hops between threads a check. A caller whose task runs
// here costs none: it is woken on the thread that read the answer, asks its next question there, and the
// question goes out in the same turn.
//
// Invariant: `jobs` is touched on the loop alone, and jobs run only from `runJobs`, when no call is being
// moved between queue, table and caller.

import NIOCore

extension ClientCore: TaskExecutor {
    /// Most jobs of one turn before the loop looks at its sockets again.
    private static let jobsMax = 4_096

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        guard loop.inEventLoop else { return submit { $0.jobs.append(job) } }
        jobs.append(job)
        if !isInTurn { scheduleTurn() }
    }

    /// Runs what can run. Checks that it asks are sent in parts, so that the server works on the first while
    /// the others are still being asked.
    func runJobs() {
        partSize = max(1, (unanswered + waitingChecks.count + jobs.count) / Self.parts)
        if jobs.isEmpty { return }
        var next = 0
        while next < jobs.count && next < Self.jobsMax {
            let job = jobs[next]
            next += 1
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
        if next == jobs.count {
            jobs.removeAll(keepingCapacity: true)
        } else {
            jobs.removeSubrange(..<next)
            scheduleTurn()
        }
    }

    /// A check was asked on the loop: it leaves with the others of the turn, or with its part of them.
    func askedOnLoop(_ deadline: NIODeadline) {
        scheduleExpiry(deadline)
        guard isInTurn else { return scheduleTurn() }
        askedSincePump += 1
        if askedSincePump >= max(partSize, Self.partMin) { pump() }
    }

    /// Sends what waits. A part of the checks that is too small to be worth a write waits for the answers
    /// that are about to come, and for what their callers ask: for a few looks at the socket, never for time.
    func sendOrWait() {
        guard !(waitingChecks.isEmpty && waitingCalls.isEmpty && waitingStreams.isEmpty) else { return }
        if waitingChecks.count < partSize && patience > 0 && waitingCalls.isEmpty && waitingStreams.isEmpty {
            patience -= 1
            scheduleTurn()
        } else {
            patience = Self.patienceMax
            pump()
        }
    }

    /// All checks that callers have in flight go round in so many parts …
    private static let parts = 2
    /// … and while more callers ask in the same turn, no smaller one leaves.
    private static let partMin = 8
    /// How often a part that is too small looks at the socket before it leaves.
    private static let patienceMax = 2

    /// Makes sure that there is a turn after what the loop is doing now.
    private func scheduleTurn() {
        if isTurnScheduled { return }
        isTurnScheduled = true
        loop.execute {
            self.isTurnScheduled = false
            self.turn()
        }
    }
}
