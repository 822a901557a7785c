// Memory that checks work in: allocated once a loop, reused for ever.
//
// `GatheredChecks` holds the single checks of one read burst, `CheckScratch` one batch. Both belong to an
// event loop and not to a connection: a burst or batch is read, answered and forgotten before the loop does
// anything else, and what all connections of a loop use stays in the processor's nearest memory.

import CPlatform
import ConsentDomain
import ConsentIndex
import ConsentWire
import NIOCore
import WireProtocol

/// Single checks of one read burst. Only its event loop touches it.
///
/// Invariant: 0 <= count <= countMax, and what stands at positions below `count` was appended in this burst.
final class GatheredChecks {
    /// Single checks that go through the index together at most.
    private static let countMax = 512

    private let queries = UnsafeMutablePointer<SlotQuery>.allocate(capacity: countMax)
    private let streams = UnsafeMutablePointer<UInt32>.allocate(capacity: countMax)
    private let reasons = UnsafeMutablePointer<UInt8>.allocate(capacity: countMax)
    private let untilDays = UnsafeMutablePointer<UInt16>.allocate(capacity: countMax)
    @exclusivity(unchecked) private(set) var count = 0
    /// The server's time, read once a burst.
    @exclusivity(unchecked) private(set) var now = Timestamp.epoch
    /// UTC day of `now`.
    @exclusivity(unchecked) private(set) var today: UInt16 = 0

    init() {
        let empty = SlotQuery(key: SlotKey(low: 0, high: 0), channel: 1, purpose: 1, isService: false)
        queries.initialize(repeating: empty, count: Self.countMax)
        streams.initialize(repeating: 0, count: Self.countMax)
        reasons.initialize(repeating: 0, count: Self.countMax)
        untilDays.initialize(repeating: 0, count: Self.countMax)
    }

    deinit {
        queries.deallocate()
        streams.deallocate()
        reasons.deallocate()
        untilDays.deallocate()
    }

    var isFull: Bool { count == Self.countMax }

    /// Begins a burst.
    func begin(now: Timestamp) {
        self.now = now
        today = now.day.rawValue
    }

    /// Adds a check. The caller answers them when `isFull`.
    @inline(__always)
    func append(_ query: SlotQuery, stream: UInt32) {
        precondition(count < Self.countMax, "gathered checks are answered before there are too many")
        queries[count] = query
        streams[count] = stream
        count &+= 1
    }

    /// Looks all up, gives each answer to `body` in the order of the requests, and forgets them.
    @inline(__always)
    func resolve(
        _ index: ConsentIndex, _ body: (_ stream: UInt32, _ reason: UInt8, _ untilDay: UInt16) -> Void
    ) {
        index.check(
            queries: queries, count: count, today: today, now: now.microseconds, reasons: reasons,
            untilDays: untilDays)
        for position in 0..<count { body(streams[position], reasons[position], untilDays[position]) }
        count = 0
    }
}

/// Working memory of one event loop. Only that loop touches it.
final class CheckScratch: @unchecked Sendable {
    /// The single checks of the burst that the loop works on.
    let gathered = GatheredChecks()
    private let lanes = AddressLanes()
    private let reasons: UnsafeMutablePointer<UInt8>
    private let untilDays: UnsafeMutablePointer<UInt16>
    /// Keys made from addresses; allocated with the first such batch.
    private var keys: UnsafeMutablePointer<RecipientKey>?
    /// Items of the batch that could not be checked, by ascending position.
    var errors: [Wire.ItemError] = []

    private static let capacity = Wire.Limits.batchItemsMax

    init() {
        reasons = .allocate(capacity: Self.capacity)
        reasons.initialize(repeating: 0, count: Self.capacity)
        untilDays = .allocate(capacity: Self.capacity)
        untilDays.initialize(repeating: 0, count: Self.capacity)
    }

    deinit {
        reasons.deallocate()
        untilDays.deallocate()
        keys?.deallocate()
    }

    /// Gives every item the same reason.
    func fill(_ count: Int, reason: UInt8) {
        precondition(count <= Self.capacity, "a batch over its limit")
        reasons.update(repeating: reason, count: count)
        untilDays.update(repeating: 0, count: count)
    }

    /// Looks up keys as they stand in a request.
    func check(
        _ index: ConsentIndex, keys: UnsafeRawBufferPointer, count: Int, constant: SlotKey, query: CheckQuery
    ) {
        precondition(count <= Self.capacity && keys.count == count * 16, "keys do not match their count")
        guard count > 0, let base = keys.baseAddress else { return }
        index.check(
            keys: base, count: count, constant: constant, query: query, reasons: reasons, untilDays: untilDays
        )
    }

    /// Makes keys of a request's addresses; those that have none become errors.
    func keyAddresses(_ request: Wire.CheckBatchRequestView, _ keyer: AddressKeyer) {
        keyAddresses(offsets: request.offsets, addresses: request.addresses, count: Int(request.count), keyer)
    }

    /// Makes keys of addresses.
    /// - Parameters:
    ///   - offsets: count + 1 ascending u32, checked by the view.
    func keyAddresses(offsets: RawSpan, addresses: RawSpan, count: Int, _ keyer: AddressKeyer) {
        precondition(count <= Self.capacity, "a batch over its limit")
        keyer.keys(
            offsets: offsets, addresses: addresses, count: count, lanes: lanes, into: ownKeys()
        ) {
            errors.append(Wire.ItemError(index: UInt32($0), code: .badAddress))
        }
    }

    /// Looks up the keys that `keyAddresses` made.
    func checkOwnKeys(_ index: ConsentIndex, count: Int, constant: SlotKey, query: CheckQuery) {
        check(
            index, keys: UnsafeRawBufferPointer(start: ownKeys(), count: count * 16), count: count,
            constant: constant, query: query)
        for error in errors {
            reasons[Int(error.index)] = Reason.noRecord.rawValue
            untilDays[Int(error.index)] = 0
        }
    }

    /// Writes the keys that `keyAddresses` made.
    func writeKeys(_ count: Int, at range: Range<Int>, of output: inout FrameWriter) {
        let source = UnsafeRawBufferPointer(start: ownKeys(), count: count * 16)
        output.withMutableBytes(at: range.lowerBound, count: range.count) { $0.copyMemory(from: source) }
    }

    /// How many contact points have nothing on file.
    func missCount(_ count: Int) -> Int {
        var misses = 0
        for position in 0..<count where reasons[position] == Reason.noRecord.rawValue { misses += 1 }
        return misses
    }

    /// Replaces reasons by their coarser forms.
    func makeCoarse(_ count: Int) {
        for position in 0..<count { reasons[position] = ReasonTable.coarse(reasons[position]) }
    }

    /// Earliest day at whose start an allowed item ends; 0: none ends.
    func earliestDay(_ count: Int) -> UInt16 {
        var earliest = UInt16.max
        // 0 (no end) wraps to the largest number, so it never is the earliest.
        for position in 0..<count { earliest = min(earliest, untilDays[position] &- 1) }
        return earliest &+ 1
    }

    /// Writes the allow bitmap; returns how many items are allowed.
    func writeBits(_ count: Int, at range: Range<Int>, of output: inout FrameWriter) -> Int {
        output.withMutableBytes(at: range.lowerBound, count: range.count) { bits in
            guard let base = bits.baseAddress else { return 0 }
            consent_mask_range_u8(reasons, count, 1, 15, base)
            return bits.reduce(0) { $0 + $1.nonzeroBitCount }
        }
    }

    /// Writes the reasons.
    func writeReasons(_ count: Int, at range: Range<Int>, of output: inout FrameWriter) {
        output.withMutableBytes(at: range.lowerBound, count: range.count) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: reasons, count: count))
        }
    }

    /// Lends the reasons, one byte each.
    func withReasons<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(start: reasons, count: count))
    }

    /// Lends the keys that `keyAddresses` made, 16 bytes each.
    func withOwnKeys<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(start: ownKeys(), count: count * 16))
    }

    /// Writes the validity days (the machine is little-endian, as the wire is).
    func writeDays(_ count: Int, at range: Range<Int>, of output: inout FrameWriter) {
        output.withMutableBytes(at: range.lowerBound, count: range.count) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: untilDays, count: count * 2))
        }
    }

    private func ownKeys() -> UnsafeMutablePointer<RecipientKey> {
        if let keys { return keys }
        let made = UnsafeMutablePointer<RecipientKey>.allocate(capacity: Self.capacity)
        made.initialize(repeating: RecipientKey(low: 0, high: 0), count: Self.capacity)
        keys = made
        return made
    }
}
