// A call that waits for its answer, and the answer on its way back to the connection's event loop.
//
// Why: writes and register reads are done on the writer thread, while a connection belongs to its loop.
// Invariant: an answer touches its connection only on that loop.

import CPlatform
import NIOCore
import WireProtocol

/// A call that waits for its answer, as the rest of the server names it.
struct CallContext: Sendable {
    let connection: Connection
    let stream: UInt32
    /// Monotonic nanoseconds when the request was read.
    let arrival: UInt64
    /// Monotonic nanoseconds when the caller stops waiting; 0: never.
    let deadline: UInt64
    /// The caller's name.
    let clientName: String

    /// Whether the caller has stopped waiting.
    var isExpired: Bool { deadline != 0 && consent_monotonic_nanoseconds() > deadline }
}

/// An answer on its way back to its connection.
struct Completion: Sendable {
    let call: CallContext
    var kind = FrameKind.response
    var status = Status.ok
    var flags: FrameFlags = []
    /// Writes the body.
    let encode: @Sendable (inout FrameWriter) -> Void

    /// An answer with a body.
    init(
        _ call: CallContext, kind: FrameKind = .response,
        encode: @escaping @Sendable (inout FrameWriter) -> Void
    ) {
        self.call = call
        self.kind = kind
        self.encode = encode
    }

    /// An error.
    init(
        _ call: CallContext, kind: FrameKind = .response, _ status: Status, _ message: String,
        notExecuted: Bool = false, retryAfterMicroseconds: Int64 = 0
    ) {
        self.call = call
        self.kind = kind
        self.status = status
        flags = notExecuted ? .notExecuted : []
        let detail = Wire.ErrorDetail(message: message, retryAfter: retryAfterMicroseconds, refusals: [])
        encode = { detail.encode(into: &$0) }
    }

    /// Hands answers to their connections: one hop a loop, one flush a connection.
    static func deliver(_ completions: [Completion]) {
        var rest = completions
        while let loop = rest.first?.call.connection.eventLoop {
            var ours: [Completion] = []
            var others: [Completion] = []
            for completion in rest {
                if completion.call.connection.eventLoop === loop {
                    ours.append(completion)
                } else {
                    others.append(completion)
                }
            }
            let batch = ours
            loop.execute {
                for completion in batch { completion.call.connection.complete(completion) }
                for completion in batch { completion.call.connection.flushOutput() }
            }
            rest = others
        }
    }
}
