// Wakes callers that run on Swift's threads, from one of those threads, and lets what they ask next gather.
//
//   event loop ── a read's answers ──► waker ── resumes each ──► callers ── their next checks ──► held
//        ▲                              │ steps behind them in their queue: Task.yield             │
//        └────────── one turn ◄─────────┴── releases ◄─────────────────────────────────────────────┘
//
// Why: waking a task pushes it to a queue, which allocates and may wake a thread. Done by the event loop for
// each of fifty callers, that is most of what a check costs there; and the first caller that is awake would
// make the loop send a single check while the others are still on their way. The waker is a task like the
// callers: when it has its turn again, they have had theirs. While all of Swift's threads are busy it has to
// wait, but so would they.
//
// Invariant: each wakeup handed over is resumed exactly once. A hold delays checks alone; it ends when as
// many were asked as callers were woken, when one is asked after its time, or with the waker's next turn,
// whichever comes first.

import NIOCore
import Synchronization

/// A caller and its answer.
struct CheckWakeup {
    let continuation: UnsafeContinuation<CheckAnswer, Never>
    let answer: CheckAnswer
}

/// Wakes callers of one client.
final class CallerWaker: Sendable {
    private struct State {
        var ready: [CheckWakeup] = []
        var sleeper: UnsafeContinuation<Void, Never>?
        var isOver = false
    }

    private let state = Mutex(State())

    /// Takes wakeups over; the list is empty afterwards. From the event loop.
    func wake(_ wakeups: inout [CheckWakeup]) {
        let sleeper = state.withLock { state in
            if state.ready.isEmpty {
                swap(&state.ready, &wakeups)
            } else {
                state.ready.append(contentsOf: wakeups)
                wakeups.removeAll(keepingCapacity: true)
            }
            return state.sleeper.take()
        }
        sleeper?.resume()
    }

    /// What was handed over is still woken, then the task ends.
    func end() {
        let sleeper = state.withLock { state in
            state.isOver = true
            return state.sleeper.take()
        }
        sleeper?.resume()
    }

    /// The task: wakes callers until the end.
    ///
    /// - Parameter core: whose submissions are held; let go of while there is nothing to do.
    func run(_ core: () -> ClientCore?) async {
        var batch: [CheckWakeup] = []
        while await takeReady(&batch) {
            core()?.hold(batch.count)
            for wakeup in batch { wakeup.continuation.resume(returning: wakeup.answer) }
            batch.removeAll(keepingCapacity: true)
            await Task.yield()
            core()?.release()
        }
    }

    /// Waits for wakeups; false at the end.
    private func takeReady(_ batch: inout [CheckWakeup]) async -> Bool {
        while true {
            let isOver = state.withLock { state in
                swap(&batch, &state.ready)
                return state.isOver
            }
            if !batch.isEmpty { return true }
            if isOver { return false }
            await withUnsafeContinuation { continuation in
                let mustGoOn = state.withLock { state in
                    if state.isOver || !state.ready.isEmpty { return true }
                    state.sleeper = continuation
                    return false
                }
                if mustGoOn { continuation.resume() }
            }
        }
    }
}

extension ClientCore {
    /// What is asked now is asked by callers that were woken together.
    struct Hold {
        /// So many checks are not held.
        var checks: Int
        /// Nor are those asked later.
        var until: NIODeadline
    }

    /// How long a check may be held for its neighbours.
    private static let holdTime = TimeAmount.microseconds(50)

    /// Callers are being woken: what they ask waits for what the others ask.
    func hold(_ callers: Int) {
        let hold = Hold(checks: callers, until: .now() + Self.holdTime)
        submissions.withLock { $0.hold = hold }
    }

    /// They had their turn: what they asked may go.
    func release() {
        let mustSchedule = submissions.withLock { submissions in
            submissions.hold = nil
            guard !submissions.checks.isEmpty, !submissions.isDrainScheduled else { return false }
            submissions.isDrainScheduled = true
            return true
        }
        if mustSchedule { loop.execute { self.drain() } }
    }
}
