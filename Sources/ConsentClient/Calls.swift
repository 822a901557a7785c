// Calls on their way: what the event loop holds for each caller until it can answer.
//
// Invariant: every continuation here is resumed exactly once, on the event loop, by whoever takes the call
// out of the table or the queue that holds it.

import ConsentDomain
import NIOCore

/// When a call must be over, and how long that was from its start (for the error).
struct Deadline: Sendable {
    /// When the call was made.
    let asked = NIODeadline.now()
    let at: NIODeadline

    /// How long that was from the call's start.
    var limit: Duration { .nanoseconds((at - asked).nanoseconds) }

    /// `limit` from now.
    init(after limit: TimeAmount) { at = asked + limit }

    /// `limit` from now; nil: never.
    init(after limit: Duration?) {
        at = if let limit { asked + TimeAmount(limit) } else { .distantFuture }
    }

    /// Microseconds left, for a request's header: at least 1; 0 for never.
    func microsecondsLeft(_ now: NIODeadline) -> UInt32 { Self.microsecondsLeft(until: at, now) }

    /// Microseconds left until a time, for a request's header: at least 1; 0 for never.
    static func microsecondsLeft(until time: NIODeadline, _ now: NIODeadline) -> UInt32 {
        guard time != .distantFuture else { return 0 }
        return UInt32(clamping: max((time - now).nanoseconds / 1_000, 1))
    }
}

/// One single check whose caller waits.
struct WaitingCheck: Sendable {
    let id: UInt64
    let question: CheckQuestion
    let contact: Contact
    let deadline: Deadline
    var attempts = 0
    /// Not part of a batch again: its own minimum sequence is what it asked for.
    var goesAlone = false
    /// The caller runs on Swift's threads, and may be woken there.
    let runsOnPool: Bool
    let continuation: UnsafeContinuation<CheckAnswer, Never>
}

/// Checks that were sent as one batch.
final class CheckBatch {
    /// By position; nil: that caller no longer waits.
    var checks: [WaitingCheck?] = []
}

/// What a unary call comes back with: the body of the response, or why there is none.
typealias CallResult = Result<[UInt8], ConsentClientError>

/// One call with one answer whose caller waits.
struct WaitingCall: Sendable {
    let id: UInt64
    let method: UInt16
    let isIdempotent: Bool
    let body: [UInt8]
    let deadline: Deadline
    var attempts = 0
    /// It was sent and lost before: whatever comes now, it may have been executed.
    var isInDoubt = false
    let continuation: UnsafeContinuation<CallResult, Never>
}

/// One streaming call.
struct WaitingStream: Sendable {
    let id: UInt64
    let method: UInt16
    let body: [UInt8]
    let deadline: Deadline
    let items: ItemQueue
}

/// What the table of calls in flight holds.
enum CallInFlight {
    case check(WaitingCheck)
    case batch(CheckBatch)
    case unary(WaitingCall)
    case stream(WaitingStream)
    /// Nobody waits any more; the server's answer is still to come.
    case abandoned

    /// Checks in it.
    var checkCount: Int {
        switch self {
        case .check: 1
        case .batch(let batch): batch.checks.count
        case .unary, .stream, .abandoned: 0
        }
    }

    /// When the first of its callers gives up.
    var deadline: NIODeadline {
        switch self {
        case .check(let check): check.deadline.at
        case .batch(let batch): batch.checks.lazy.compactMap { $0?.deadline.at }.min() ?? .distantFuture
        case .unary(let call): call.deadline.at
        case .stream(let stream): stream.deadline.at
        case .abandoned: .distantFuture
        }
    }
}

/// Callers to wake up: collected while a read is worked through, resumed together after it, so that the first
/// one woken does not compete with the rest of the read.
struct Wakeups {
    /// Callers on Swift's threads from which on the waker wakes them.
    private static let handedOverMin = 4

    private var checks: [CheckWakeup] = []
    private var checksOnPool: [CheckWakeup] = []
    private var calls: [(UnsafeContinuation<CallResult, Never>, CallResult)] = []

    mutating func add(_ check: WaitingCheck, _ answer: CheckAnswer) {
        let wakeup = CheckWakeup(continuation: check.continuation, answer: answer)
        if check.runsOnPool { checksOnPool.append(wakeup) } else { checks.append(wakeup) }
    }
    mutating func add(_ call: WaitingCall, _ result: CallResult) { calls.append((call.continuation, result)) }

    /// Resumes all and forgets them; `waker` does that for many on Swift's threads.
    mutating func resumeAll(_ waker: CallerWaker?) {
        if let waker, checksOnPool.count >= Self.handedOverMin { waker.wake(&checksOnPool) }
        for wakeup in checksOnPool { wakeup.continuation.resume(returning: wakeup.answer) }
        for wakeup in checks { wakeup.continuation.resume(returning: wakeup.answer) }
        for (continuation, result) in calls { continuation.resume(returning: result) }
        checksOnPool.removeAll(keepingCapacity: true)
        checks.removeAll(keepingCapacity: true)
        calls.removeAll(keepingCapacity: true)
    }
}
