// What a server's connection is allowed to do next, as a value without I/O.
//
// Every event returns an action that the owner of the socket performs: the rules are testable without a
// socket, and the socket code holds none. A call that is answered at once costs one comparison and one store
// here; only calls that stay open (writes, streams) are kept in a table.
//
//   awaitingPreface → awaitingHello → negotiating → open → draining → leaving → closed
//
// draining: goaway(no limit yet) and a ping were sent; requests that the client sent before it read them are
// still taken up. leaving: the pong came, so goaway(last stream) was sent; later requests are answered "not
// executed". Any phase may go to closed.
//
// Invariant: `calls` holds exactly the calls begun and not ended; outside open, draining and leaving it is
// empty.

/// The rules of one connection, as the server sees it.
public struct ServerConnectionState: Sendable {
    /// Where the connection is in its life.
    public enum Phase: Hashable, Sendable {
        /// Nothing read yet, or only a part of the preface.
        case awaitingPreface
        /// The preface was right.
        case awaitingHello
        /// A hello came; `accept` or `close` must be called before the next frame.
        case negotiating
        /// Calls are taken up.
        case open
        /// Calls are still taken up; the client was told that no more should come.
        case draining
        /// No calls are taken up; those open are finished.
        case leaving
        /// Nothing more is read.
        case closed
    }

    /// What to do about a frame.
    public enum Action: Hashable, Sendable {
        /// Nothing.
        case ignore
        /// Decode the hello and negotiate, then call `accept`, or send the goaway and call `close`.
        case hello
        /// A call: ask `checkSynchronousCall` or `beginCall`.
        case request
        /// The client no longer wants this open call's answer. It stays open until `endCall`.
        case cancel(stream: UInt32)
        /// This open stream got credit.
        case credit(stream: UInt32)
        /// Send a pong with this value.
        case pong(value: UInt32)
        /// Send goaway with reason drain and this last stream; then, if so, close once all is flushed.
        case finishDrain(lastStream: UInt32, thenClose: Bool)
        /// The client will close: finish what is open; close once all is flushed if nothing is.
        case clientLeaves(thenClose: Bool)
        /// Send goaway with the error's reason and `lastStream`, then close.
        case fail(FrameError)
    }

    /// Whether a call may be taken up.
    public enum Admission: Hashable, Sendable {
        /// Take it up.
        case takeUp
        /// Answer with this status and the flag `notExecuted`.
        case reject(Status)
        /// Send goaway with the error's reason, then close.
        case fail(FrameError)
    }

    /// A call that was begun and not ended.
    @usableFromInline
    struct Call: Sendable {
        @usableFromInline var credit: UInt32
        @usableFromInline var isCancelled = false
    }

    /// Where the connection is in its life.
    public internal(set) var phase = Phase.awaitingPreface
    /// What the handshake agreed on; before it, what every connection starts with.
    public private(set) var agreement = Agreement.beforeHandshake
    /// The number of the call that was taken up last; 0: none yet.
    public var lastStream: UInt32 { last }

    @usableFromInline var last: UInt32 = 0
    @usableFromInline var calls: [UInt32: Call] = [:]
    private var drainPing: UInt32?

    /// A connection of which nothing was read yet.
    public init() {}

    /// Calls begun and not ended.
    public var openCallCount: Int { calls.count }

    // MARK: Handshake

    /// What to do about a connection's first bytes.
    public enum PrefaceAction: Hashable, Sendable {
        /// Read more: what is there is right so far.
        case readMore
        /// Drop these bytes; frames follow.
        case drop(byteCount: Int)
        /// Send goaway with the error's reason, then close.
        case fail(FrameError)
    }

    /// Checks the preface, as far as it is there.
    ///
    /// - Parameter bytes: everything read so far.
    public mutating func receivedPreface(_ bytes: RawSpan) -> PrefaceAction {
        guard phase == .awaitingPreface else { return fail(.badPreface) }
        for offset in 0..<min(bytes.byteCount, Handshake.preface.count)
        where bytes.load(UInt8.self, at: offset) != Handshake.preface[offset] {
            return fail(.badPreface)
        }
        guard bytes.byteCount >= Handshake.preface.count else { return .readMore }
        phase = .awaitingHello
        return .drop(byteCount: Handshake.preface.count)

        func fail(_ error: FrameError) -> PrefaceAction {
            close()
            return .fail(error)
        }
    }

    /// The hello was accepted: calls may come.
    public mutating func accept(_ agreement: Agreement) {
        precondition(phase == .negotiating, "accept without a hello")
        self.agreement = agreement
        phase = .open
    }

    /// Nothing more is read or begun.
    public mutating func close() {
        phase = .closed
        calls.removeAll()
        drainPing = nil
    }

    // MARK: Frames

    /// What to do about a frame. Fields were checked by `FrameHeader.decode`.
    public mutating func received(_ header: FrameHeader) -> Action {
        switch phase {
        case .awaitingHello:
            guard header.kind == .hello else { return fail(.unexpectedFrame(header.kind)) }
            phase = .negotiating
            return .hello
        case .open, .draining, .leaving: return receivedWhenOpen(header)
        case .awaitingPreface, .negotiating: return fail(.unexpectedFrame(header.kind))
        case .closed: return .ignore
        }
    }

    private mutating func receivedWhenOpen(_ header: FrameHeader) -> Action {
        switch header.kind {
        case .request: return .request
        case .cancel:
            guard let call = calls[header.stream], !call.isCancelled else { return .ignore }
            calls[header.stream]?.isCancelled = true
            return .cancel(stream: header.stream)
        case .credit:
            guard let call = calls[header.stream] else { return .ignore }
            let (sum, overflow) = call.credit.addingReportingOverflow(header.value)
            calls[header.stream]?.credit = overflow ? .max : sum
            return .credit(stream: header.stream)
        case .ping: return .pong(value: header.value)
        case .pong:
            guard phase == .draining, header.value == drainPing else { return .ignore }
            return finishDrain()
        case .goaway:
            phase = .leaving
            return .clientLeaves(thenClose: calls.isEmpty)
        case .hello, .welcome, .response, .item, .end: return fail(.unexpectedFrame(header.kind))
        }
    }

    private mutating func fail(_ error: FrameError) -> Action {
        close()
        return .fail(error)
    }

    // MARK: Calls

    /// Whether a call that is answered before the next frame is read may be taken up. Needs no `endCall`.
    ///
    /// - Parameter stream: the request's stream.
    @inlinable
    public mutating func checkSynchronousCall(_ stream: UInt32) -> Admission {
        if phase != .open && phase != .draining { return .reject(.unavailable) }
        if stream == 0 || stream > FrameHeader.streamMax || (!calls.isEmpty && calls[stream] != nil) {
            return .fail(.badStream(stream))
        }
        last = stream
        return .takeUp
    }

    /// Begins a call that stays open until `endCall`.
    ///
    /// - Parameters:
    ///   - stream: the request's stream.
    ///   - credit: items that a streaming call may send before it gets more; 0 for a unary call.
    public mutating func beginCall(_ stream: UInt32, credit: UInt32 = 0) -> Admission {
        let before = last
        let admission = checkSynchronousCall(stream)
        guard admission == .takeUp else { return admission }
        guard calls.count < agreement.inFlightMax else {
            last = before
            return .reject(.resourceExhausted)
        }
        calls[stream] = Call(credit: credit)
        return .takeUp
    }

    /// Ends a call: its response or end was written.
    ///
    /// - Returns: whether to close the connection once all is flushed.
    public mutating func endCall(_ stream: UInt32) -> Bool {
        calls.removeValue(forKey: stream)
        return phase == .leaving && calls.isEmpty
    }

    /// Whether a call was begun and not ended.
    public func isOpen(_ stream: UInt32) -> Bool { calls[stream] != nil }

    /// Whether the client cancelled a call that was begun and not ended.
    public func isCancelled(_ stream: UInt32) -> Bool { calls[stream]?.isCancelled ?? false }

    /// Items that an open stream may send now.
    public func credit(_ stream: UInt32) -> UInt32 { calls[stream]?.credit ?? 0 }

    /// Takes the credit for one item of an open stream.
    ///
    /// - Returns: whether the item may be sent.
    public mutating func takeCredit(_ stream: UInt32) -> Bool {
        guard let credit = calls[stream]?.credit, credit > 0 else { return false }
        calls[stream]?.credit = credit - 1
        return true
    }

    // MARK: Drain

    /// Begins the drain of a connection.
    ///
    /// - Parameter pingValue: the value of the ping to send.
    /// - Returns: whether to send goaway with reason drain and last stream `UInt32.max`, then the ping.
    ///   If not, there is nothing to finish: close, unless the connection is leaving already.
    public mutating func beginDrain(pingValue: UInt32) -> Bool {
        switch phase {
        case .open:
            phase = .draining
            drainPing = pingValue
            return true
        case .awaitingPreface, .awaitingHello, .negotiating:
            close()
            return false
        case .draining, .leaving, .closed: return false
        }
    }

    /// The second step of the drain: at the pong, or when it did not come in time.
    public mutating func finishDrain() -> Action {
        guard phase == .draining else { return .ignore }
        phase = .leaving
        drainPing = nil
        return .finishDrain(lastStream: lastStream, thenClose: calls.isEmpty)
    }
}

extension ServerConnectionState {
    /// Takes all the credit of an open stream.
    public mutating func takeAllCredit(_ stream: UInt32) -> UInt32 {
        guard let credit = calls[stream]?.credit else { return 0 }
        calls[stream]?.credit = 0
        return credit
    }
}
