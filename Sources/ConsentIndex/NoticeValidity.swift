// From when on each notice is invalid: one word for each ordinal, so that one store invalidates every grant
// under it.
//
// Words hold the time XOR Int64.max, so that fresh zero memory says "never" and untouched pages cost nothing.
// Ordinal 0 stands for "no notice" and is never invalid.

import CPlatform

/// What readers see.
struct NoticeReader: @unchecked Sendable {
    let base: UnsafeMutableRawPointer

    /// Microseconds from which the notice is invalid; `.max`: never.
    @inline(__always)
    func invalidFrom(_ ordinal: UInt16) -> Int64 {
        Int64(bitPattern: consent_atomic_load_relaxed_u64(base + Int(ordinal) &* 8)) ^ .max
    }
}

/// The writer's side.
struct NoticeValidity: ~Copyable {
    let reader: NoticeReader
    let region: MemoryRegion

    static let byteCount = 65_536 * 8

    init() throws(IndexError) {
        var region = try MemoryRegion(reserving: Self.byteCount, hugePages: false)
        try region.commit(Self.byteCount)
        reader = NoticeReader(base: region.base)
        self.region = region
    }

    func set(_ ordinal: UInt16, invalidFrom: Int64) {
        consent_atomic_store_release_u64(
            reader.base + Int(ordinal) * 8, UInt64(bitPattern: invalidFrom ^ .max))
    }
}
