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
        if askedSincePump >= max(Self.partMin, (table.count + waitingChecks.count) / Self.parts) { pump() }
    }

    /// What is asked on the loop in one turn leaves in so many parts …
    static let parts = 4
    /// … none of which is smaller.
    static let partMin = 8

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
