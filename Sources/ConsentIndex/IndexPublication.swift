// How one writer and many readers agree: the published sequence, and when memory may be used again.
//
// Published sequence: the writer changes the index, then release-stores the sequence; who acquire-loads a
// sequence sees every change up to it.
//
// Reuse. Slots are never freed (SlotTable.swift). Profile records and overflow memory are, and a reader that
// took a reference just before it was replaced may still read through it. So each reading call counts itself
// into a counter first and out at the end: two atomic additions a call, whatever the batch; no reader ever
// waits.
//
//     epoch      one word, its last bit is the side on which readers now count themselves in
//     stripes    64 lines of 64 bytes, one chosen by thread:  [0] readers on side 0   [8] readers on side 1
//
// The writer retires memory only after no shared word refers to it any more. A grace period begins with a
// full fence and ends when each of the 128 counters was seen at zero at some moment after the fence. Proof:
// take a reader, and the counter it used. Either the writer's zero was read before the reader's addition:
// then the reader's barrier comes after the writer's fence, so the reader finds only references of after the
// retirement. Or it includes the addition: then zero means that the reader has subtracted itself again, by a
// release that the writer's acquire-load pairs with, so all that it read is done. Sides only serve progress:
// after a flip no new reader enters the old side, so it drains however busy the readers are.

import CPlatform

/// The readers' face: where they count themselves in and out, and the published sequence.
struct ReaderGate: @unchecked Sendable {
    /// Line 0: published sequence. Line 1: epoch. From line 2 on: stripes.
    fileprivate let base: UnsafeMutableRawPointer

    fileprivate static let stripeCount = 64
    static let byteCount = (2 + stripeCount) * 64

    var publishedSequence: UInt64 { consent_atomic_load_acquire_u64(base) }

    /// Counts the caller in. What it returns goes to `leave`.
    @inline(__always)
    func enter() -> UnsafeMutableRawPointer {
        let side = Int(truncatingIfNeeded: consent_atomic_load_acquire_u64(base + 64) & 1)
        let stripe = Int(truncatingIfNeeded: consent_index_thread_stripe())
        let counter = base + 128 + stripe &* 64 + side &* 8
        consent_index_enter(counter)
        return counter
    }

    @inline(__always)
    func leave(_ counter: UnsafeMutableRawPointer) {
        consent_index_leave(counter)
    }
}

/// The writer's side: publishes, and watches grace periods pass. Nothing here waits.
struct IndexPublication: ~Copyable {
    let gate: ReaderGate
    /// Stripes whose counter on this side was not yet seen at zero in this grace period, as bits.
    private var unseen: (UInt64, UInt64) = (0, 0)
    private var hasFlipped = true

    init() {
        let base = UnsafeMutableRawPointer.allocate(byteCount: ReaderGate.byteCount, alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: ReaderGate.byteCount)
        gate = ReaderGate(base: base)
    }

    deinit {
        gate.base.deallocate()
    }

    func publish(sequence: UInt64) {
        consent_atomic_store_release_u64(gate.base, sequence)
    }

    /// Starts a grace period for what is unreachable by now.
    mutating func beginGracePeriod() {
        consent_fence_sequential()
        unseen = (.max, .max)
        hasFlipped = false
    }

    /// Looks at the counters once. Returns whether the grace period is over.
    mutating func pollGracePeriod() -> Bool {
        unseen.0 = stillBusy(unseen.0, side: 0)
        unseen.1 = stillBusy(unseen.1, side: 1)
        if !hasFlipped {
            let epoch = consent_atomic_load_relaxed_u64(gate.base + 64)
            let isOtherSideDrained = epoch & 1 == 0 ? unseen.1 == 0 : unseen.0 == 0
            if isOtherSideDrained {
                consent_atomic_store_release_u64(gate.base + 64, epoch + 1)
                hasFlipped = true
            }
        }
        return unseen.0 | unseen.1 == 0
    }

    private func stillBusy(_ stripes: UInt64, side: Int) -> UInt64 {
        var rest = stripes
        var left = stripes
        while left != 0 {
            let stripe = left.trailingZeroBitCount
            left &= left &- 1
            if consent_atomic_load_acquire_u64(gate.base + 128 + stripe * 64 + side * 8) == 0 {
                rest &= ~(1 << UInt64(stripe))
            }
        }
        return rest
    }
}
