// What a connection says and understands. The engine (LoadConnection, LoadLoop) knows bytes, time and slots;
// a dialogue knows where a message ends and whose answer it is. consentd has one, each peer has one.
//
// Invariant: a dialogue is confined to its connection's event loop, and the engine asks it about one stretch
// of bytes at a time: `next` until nil, then `rebase`.

import WireProtocol

/// What came in.
package enum Arrival: Hashable, Sendable {
    /// The answer to the request of a slot; `judge` tells what it was worth.
    case answer(slot: Int)
    /// The connection may be used.
    case ready
    /// A message that is no answer. What it called for stands in the writer.
    case aside
}

/// Why a connection cannot go on, in words.
package struct DialogueFailure: Error, Hashable, Sendable {
    /// The words.
    package let why: String

    /// - Parameter why: the words.
    package init(_ why: String) {
        self.why = why
    }
}

/// One side of a conversation with a server.
package protocol Dialogue: AnyObject, SendableMetatype {
    /// Appends what a new connection says first.
    ///
    /// - Returns: whether requests may follow at once; otherwise `next` will say `ready`.
    func open(to writer: inout FrameWriter) -> Bool

    /// Appends the next request.
    ///
    /// - Parameters:
    ///   - slot: place among the requests in flight; given back with the answer.
    ///   - writer: where to append.
    /// - Returns: false when there is nothing left to send; nothing was appended.
    func appendRequest(slot: Int, to writer: inout FrameWriter) -> Bool

    /// The next message, or nil when more bytes must come first.
    ///
    /// - Parameters:
    ///   - bytes: all bytes since the last `rebase`, and new ones after them.
    ///   - writer: where to append what must be said at once.
    func next(_ bytes: RawSpan, writer: inout FrameWriter) throws(DialogueFailure) -> Arrival?

    /// What the answer that `next` gave last was worth, and how the call ended.
    func judge(_ bytes: RawSpan) -> (Reply, Status)

    /// How many bytes at the front are done with; counts start again after them.
    func rebase() -> Int

    /// All messages of one read were taken.
    func endOfBurst()

    /// Why the server is about to close the connection, if it said so.
    var farewell: String? { get }
}

extension Dialogue {
    package func endOfBurst() {}
    package var farewell: String? { nil }
}
