// Whether a peer still has a use for its connection: what it sends has to come whole in time, what it asked
// for has to be taken, and it has to be heard of now and then. Times and counts alone; what is done about it
// is the connection's matter.

import NIOCore
import WireProtocol

/// What one connection's peer was seen to do, and when.
struct Liveness {
    private let limits: ServerConfiguration.Limits
    private var lastHeard: NIODeadline
    /// When the first bytes of the frame came that is not complete yet; nil: there is none.
    private var frameBegan: NIODeadline?
    /// When the socket last took enough of the output that waits, and how many bytes waited then; nil: it
    /// takes what it is given.
    private var stuck: (since: NIODeadline, bytes: Int)?

    /// Why a connection ends.
    struct Fault {
        let reason: Wire.GoawayReason
        let message: String
    }

    init(limits: ServerConfiguration.Limits, now: NIODeadline) {
        self.limits = limits
        lastHeard = now
    }

    // MARK: What was seen

    /// Bytes came.
    mutating func heard(_ now: NIODeadline) { lastHeard = now }

    /// A frame came to its end.
    mutating func frameEnded() { frameBegan = nil }

    /// What came last is the start of a frame.
    mutating func frameWaits() {
        if frameBegan == nil { frameBegan = lastHeard }
    }

    /// Nothing was read for a while, which is not the peer's delay.
    mutating func readsAgain(_ now: NIODeadline) {
        if frameBegan != nil { frameBegan = now }
    }

    /// The socket takes what it is given.
    mutating func outputTaken() { stuck = nil }

    /// The socket leaves output waiting from now on.
    /// - Parameter waiting: bytes that wait.
    mutating func outputWaits(_ waiting: Int, _ now: NIODeadline) { stuck = (now, waiting) }

    // MARK: What to make of it

    /// Whether output waits.
    var isOutputWaiting: Bool { stuck != nil }

    /// Until the next look at what came: closer where something is late already, since what nobody has to
    /// wait for costs no time.
    var pause: TimeAmount {
        frameBegan != nil
            ? .seconds(1) : .seconds(Int64(max(1, min(limits.idleSeconds / 2, limits.frameSeconds))))
    }

    /// Whether the socket has taken too little of the output for too long.
    /// - Parameter waiting: bytes that wait.
    mutating func outputFault(_ waiting: Int, _ now: NIODeadline) -> Fault? {
        guard let stuck else { return nil }
        let silent = now - stuck.since
        if stuck.bytes - waiting >= max(1, wanted(in: silent)) {
            self.stuck = (now, waiting)
            return nil
        }
        guard silent > .seconds(Int64(limits.slowReaderSeconds)) else { return nil }
        return Fault(
            reason: .slowReader,
            message: "nothing was read for \(limits.slowReaderSeconds) s: read, or ask for less")
    }

    /// Whether a frame comes so slowly that its peer has no use for it, or means harm, or the peer is gone. A
    /// long frame may take its time.
    /// - Parameters:
    ///   - byteCount: bytes of the frame that have come.
    ///   - isReading: whether more are read.
    func inputFault(_ byteCount: Int, isReading: Bool, _ now: NIODeadline) -> Fault? {
        if let frameBegan, isReading {
            let spent = now - frameBegan
            if spent > .seconds(Int64(limits.frameSeconds)) && byteCount < wanted(in: spent) {
                return Fault(
                    reason: .idleTimeout,
                    message: "a frame was not complete after \(limits.frameSeconds) s: send whole frames")
            }
        }
        guard now - lastHeard > .seconds(2 * Int64(limits.idleSeconds)) else { return nil }
        return Fault(reason: .idleTimeout, message: "nothing was heard for \(2 * limits.idleSeconds) s")
    }

    /// Whether the peer has been silent for so long that it is asked for a sign of life.
    func isSilent(_ now: NIODeadline) -> Bool { now - lastHeard > .seconds(Int64(limits.idleSeconds)) }

    /// Bytes that a peer of use moves in a time, either way.
    private func wanted(in time: TimeAmount) -> Int {
        Int(time.nanoseconds / 1_000_000 * Int64(limits.peerBytesPerSecondMin) / 1_000)
    }
}
