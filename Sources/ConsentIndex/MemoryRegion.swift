// One reserved range of addresses that becomes usable from its start on.
//
//     guard page | committed, of which a part is populated | reserved: no memory, no access
//
// Invariant: populated ≤ committed ≤ reserved, and none shrinks. So a pointer into the committed part stays
// valid for as long as the region lives, and readers need no permission to follow one.

import CPlatform

struct MemoryRegion: ~Copyable {
    /// First usable byte; aligned to 2 MiB.
    let base: UnsafeMutableRawPointer
    let reserved: Int
    private(set) var committed = 0
    private(set) var populated = 0
    private let granule: Int

    private static let hugePage = 1 << 21
    private static let smallGranule = 1 << 16

    init(reserving byteCount: Int, hugePages: Bool) throws(IndexError) {
        reserved = Self.roundUp(byteCount, to: Self.hugePage)
        granule = hugePages ? Self.hugePage : Self.smallGranule
        // The first 2 MiB stay inaccessible: they keep the system from joining this mapping with a neighbour,
        // which would blur what `consent_index_measure` says of it.
        guard let start = consent_reserve(reserved + Self.hugePage, Self.hugePage) else {
            throw .memoryRefused(byteCount: byteCount)
        }
        base = start + Self.hugePage
        if hugePages { _ = consent_advise_huge_pages(base, reserved) }
    }

    deinit {
        consent_release(base - Self.hugePage, reserved + Self.hugePage)
    }

    /// Makes at least the first `byteCount` bytes usable; new bytes are zero.
    mutating func commit(_ byteCount: Int) throws(IndexError) {
        let wanted = min(Self.roundUp(byteCount, to: granule), reserved)
        guard byteCount <= wanted else { throw .memoryRefused(byteCount: byteCount) }
        guard wanted > committed else { return }
        guard consent_commit(base + committed, wanted - committed) else {
            throw .memoryRefused(byteCount: wanted - committed)
        }
        committed = wanted
    }

    /// Brings up to `byteCount` more committed bytes into memory, ahead of their use.
    mutating func populate(next byteCount: Int) {
        let count = min(committed - populated, byteCount)
        guard count > 0 else { return }
        consent_populate(base + populated, count)
        populated += count
    }

    /// What the system says is in memory; all that is committed where it does not tell.
    static func measure(_ base: UnsafeRawPointer, byteCount: Int) -> (touched: Int, huge: Int) {
        let measured = consent_index_measure(base, byteCount)
        guard measured.is_known != 0 else { return (byteCount, 0) }
        return (Int(measured.resident_bytes), Int(measured.huge_bytes))
    }

    private static func roundUp(_ count: Int, to unit: Int) -> Int { (count + unit - 1) / unit * unit }
}
