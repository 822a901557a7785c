// The dialogue with a peer: no handshake, answers come in the order of the requests.
//
// Invariant: `waiting` holds the slots whose answers are awaited, in the order in which they were asked.

import WireProtocol

/// What a peer is asked on one connection. Confined to the connection's event loop.
package protocol PeerRequests: AnyObject, SendableMetatype {
    /// Appends the next request; false when there is nothing left.
    func appendRequest(slot: Int, to writer: inout FrameWriter) -> Bool

    /// The right answer to the request of a slot, byte for byte.
    func answer(slot: Int) -> PeerAnswer

    /// What an answer that is not the right one is worth.
    func judge(slot: Int, answer: RawSpan) -> Reply
}

/// The right answer to a request.
package struct PeerAnswer {
    /// Where it stands.
    let bytes: [UInt8]
    /// Which of the bytes it is.
    let range: Range<Int>
    /// Lines or answers that make it up, as `PeerFormat.end` counts them.
    let parts: Int
    /// Checks or writes in it.
    let units: Int
}

/// One connection's conversation with a peer.
package final class PeerDialogue<Requests: PeerRequests>: Dialogue {
    private let requests: Requests
    private let format: PeerFormat
    /// A ring of slots.
    @exclusivity(unchecked) private var waiting: [Int]
    @exclusivity(unchecked) private var first = 0
    @exclusivity(unchecked) private var count = 0
    /// Bytes at the front that were answers.
    @exclusivity(unchecked) private var taken = 0
    /// The answer found last: where, whose, and what it is worth unless it is looked at.
    @exclusivity(unchecked) private var found = 0..<0
    @exclusivity(unchecked) private var slot = 0
    @exclusivity(unchecked) private var unitsOfRight: Int?

    /// - Parameters:
    ///   - requests: what is asked.
    ///   - format: how.
    ///   - inFlight: requests in flight.
    package init(requests: Requests, format: PeerFormat, inFlight: Int) {
        self.requests = requests
        self.format = format
        waiting = Array(repeating: 0, count: inFlight)
    }

    package func open(to writer: inout FrameWriter) -> Bool { true }

    @inline(__always)
    package func appendRequest(slot: Int, to writer: inout FrameWriter) -> Bool {
        guard requests.appendRequest(slot: slot, to: &writer) else { return false }
        let last = first + count
        waiting[last < waiting.count ? last : last - waiting.count] = slot
        count += 1
        return true
    }

    @inline(__always)
    package func next(_ bytes: RawSpan, writer: inout FrameWriter) throws(DialogueFailure) -> Arrival? {
        guard bytes.byteCount > taken else { return nil }
        guard count > 0 else { throw DialogueFailure("the peer answered what it was not asked") }
        let rest = bytes.extracting(taken..<bytes.byteCount)
        let right = requests.answer(slot: waiting[first])
        let shared = min(right.range.count, rest.byteCount)
        let end: Int
        if rest.extracting(0..<shared).isEqual(to: right.bytes, from: right.range.lowerBound) {
            guard shared == right.range.count else { return nil }
            end = shared
            unitsOfRight = right.units
        } else {
            guard let other = try format.end(of: rest, parts: right.parts) else { return nil }
            end = other
            unitsOfRight = nil
        }
        found = taken..<taken + end
        taken += end
        slot = waiting[first]
        first = first + 1 == waiting.count ? 0 : first + 1
        count -= 1
        return .answer(slot: slot)
    }

    @inline(__always)
    package func judge(_ bytes: RawSpan) -> (Reply, Status) {
        if let unitsOfRight { return (.answered(units: unitsOfRight, wrong: 0), .ok) }
        return (requests.judge(slot: slot, answer: bytes.extracting(found)), .ok)
    }

    @inline(__always)
    package func rebase() -> Int {
        defer { taken = 0 }
        return taken
    }
}
