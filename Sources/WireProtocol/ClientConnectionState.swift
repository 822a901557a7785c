// What a client's connection is allowed to do next, as a value without I/O.
//
//   awaitingWelcome → open → leaving → closed
//
// The client's own table of calls stays with the client: this only counts them, numbers them, and knows what
// a goaway says about them.
//
// Invariant: 0 <= inFlight <= agreement.inFlightMax; stream numbers ascend from 1 to FrameHeader.streamMax
// and then start again at 1, leaving out those in use.

/// The rules of one connection, as the client sees it.
public struct ClientConnectionState: Sendable {
    /// Where the connection is in its life.
    public enum Phase: Hashable, Sendable {
        /// Preface and hello were sent.
        case awaitingWelcome
        /// Calls may begin.
        case open
        /// No new calls; those open are finished.
        case leaving
        /// Nothing more is read.
        case closed
    }

    /// What to do about a frame.
    public enum Action: Hashable, Sendable {
        /// Nothing.
        case ignore
        /// Decode the welcome, check it with `Handshake.accept`, then call `accept` or `close`.
        case welcome
        /// The answer to a unary call. Call `endCall` if the stream is one of ours.
        case response
        /// An item of a stream.
        case item
        /// The end of a stream. Call `endCall` if the stream is one of ours.
        case end
        /// Send a pong with this value.
        case pong(value: UInt32)
        /// The answer to a ping of ours.
        case pongReceived(value: UInt32)
        /// Decode the goaway and call `receivedGoaway`.
        case goaway
        /// Send goaway with the error's reason, then close.
        case fail(FrameError)
    }

    /// Where the connection is in its life.
    public private(set) var phase = Phase.awaitingWelcome
    /// What the handshake agreed on; before it, what every connection starts with.
    public private(set) var agreement = Agreement.beforeHandshake
    /// Calls begun and not ended.
    public private(set) var inFlight = 0
    private var latest: UInt32 = 0
    private var goawayLastStream: UInt32?

    /// A connection on which preface and hello were sent.
    public init() {}

    // MARK: Frames

    /// What to do about a frame. Fields were checked by `FrameHeader.decode`.
    public mutating func received(_ header: FrameHeader) -> Action {
        switch (phase, header.kind) {
        case (.closed, _): return .ignore
        case (_, .goaway): return .goaway
        case (.awaitingWelcome, .welcome): return .welcome
        case (.awaitingWelcome, _): break
        case (_, .response): return .response
        case (_, .item): return .item
        case (_, .end): return .end
        case (_, .ping): return .pong(value: header.value)
        case (_, .pong): return .pongReceived(value: header.value)
        case (_, .hello), (_, .welcome), (_, .request), (_, .cancel), (_, .credit): break
        }
        close()
        return .fail(.unexpectedFrame(header.kind))
    }

    /// The welcome was right: calls may begin.
    public mutating func accept(_ agreement: Agreement) {
        precondition(phase == .awaitingWelcome, "accept without a welcome")
        self.agreement = agreement
        phase = .open
    }

    /// The server will close. No new calls; `wasNotExecuted` tells which open ones it did not take up.
    public mutating func receivedGoaway(_ goaway: Wire.Goaway) {
        guard phase != .closed else { return }
        phase = .leaving
        goawayLastStream = goaway.lastStream == .max ? nil : goaway.lastStream
    }

    /// Nothing more is read or begun.
    public mutating func close() {
        phase = .closed
        inFlight = 0
    }

    // MARK: Calls

    /// Begins a call.
    ///
    /// - Parameter isInUse: whether a number belongs to a call that is still open.
    /// - Returns: the call's stream; nil when the connection takes no more calls now.
    @inlinable
    public mutating func beginCall(isInUse: (UInt32) -> Bool) -> UInt32? {
        guard let first = reserveCall() else { return nil }
        var stream = first
        while isInUse(stream) { stream = skipStream() }
        return stream
    }

    /// Ends a call: its response or end came.
    public mutating func endCall() {
        guard phase != .closed else { return }
        precondition(inFlight > 0, "more calls ended than begun")
        inFlight -= 1
    }

    /// Whether a goaway said that an open call was not taken up, so that trying it again is safe.
    public func wasNotExecuted(_ stream: UInt32) -> Bool {
        guard let last = goawayLastStream else { return false }
        return last == 0 || FrameHeader.isStream(stream, after: last)
    }

    /// The next call gets the number after this one: for a client that goes on where an earlier connection
    /// ended.
    package mutating func continueNumbering(after stream: UInt32) {
        latest = stream
    }

    @usableFromInline
    mutating func reserveCall() -> UInt32? {
        guard phase == .open, inFlight < agreement.inFlightMax else { return nil }
        inFlight += 1
        return skipStream()
    }

    @usableFromInline
    mutating func skipStream() -> UInt32 {
        latest = latest >= FrameHeader.streamMax ? 1 : latest + 1
        return latest
    }
}

extension FrameHeader {
    /// Whether a stream number was given out after another one, although the numbers start again at their
    /// end. Right while the two are less than 2³¹ calls apart.
    public static func isStream(_ stream: UInt32, after other: UInt32) -> Bool {
        Int32(bitPattern: stream &- other) > 0
    }
}
