// Calls on their way: what the event loop holds for each caller until it can answer.
//
// Invariant: every continuation here is resumed exactly once, on the event loop, by whoever takes the call
// out of the table or the queue that holds it.

import ConsentDomain
import NIOCore

/// When a call must be over, and how long that was from its start (for the error).
struct Deadline: Sendable {
    var at: NIODeadline
    var limit: Duration

    /// `limit` from now; nil: never.
    init(after limit: Duration?) {
        self.limit = limit ?? .zero
        guard let limit else {
            at = .distantFuture
            return
        }
        at = .now() + TimeAmount(limit)
    }

    /// Microseconds left, for a request's header: at least 1; 0 for never.
    func microsecondsLeft(_ now: NIODeadline) -> UInt32 {
        guard at != .distantFuture else { return 0 }
        return UInt32(clamping: max((at - now).nanoseconds / 1_000, 1))
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
    let continuation: UnsafeContinuation<CheckAnswer, Never>
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
    /// Coalesced checks by position; nil: that caller no longer waits.
    case batch([WaitingCheck?])
    case unary(WaitingCall)
    case stream(WaitingStream)
    /// Nobody waits any more; the server's answer is still to come.
    case abandoned

    /// When the first of its callers gives up.
    var deadline: NIODeadline {
        switch self {
        case .check(let check): check.deadline.at
        case .batch(let checks): checks.lazy.compactMap { $0?.deadline.at }.min() ?? .distantFuture
        case .unary(let call): call.deadline.at
        case .stream(let stream): stream.deadline.at
        case .abandoned: .distantFuture
        }
    }
}

/// Callers to wake up: collected while a read is worked through, resumed together after it, so that the first
/// one woken does not compete with the rest of the read.
struct Wakeups {
    private var checks: [(UnsafeContinuation<CheckAnswer, Never>, CheckAnswer)] = []
    private var calls: [(UnsafeContinuation<CallResult, Never>, CallResult)] = []

    mutating func add(_ check: WaitingCheck, _ answer: CheckAnswer) {
        checks.append((check.continuation, answer))
    }
    mutating func add(_ call: WaitingCall, _ result: CallResult) { calls.append((call.continuation, result)) }

    /// Resumes all and forgets them.
    mutating func resumeAll() {
        for (continuation, answer) in checks { continuation.resume(returning: answer) }
        for (continuation, result) in calls { continuation.resume(returning: result) }
        checks.removeAll(keepingCapacity: true)
        calls.removeAll(keepingCapacity: true)
    }
}
