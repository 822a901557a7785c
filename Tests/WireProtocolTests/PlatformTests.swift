// Goal: the small C functions do what their comments say and touch no byte beyond. Method: a naive loop as
// oracle of the masks, with the bytes placed against a page that faults when read; reservations are written
// from end to end; clocks and atomics by their simplest laws.

import CPlatform
import TestRandomness
import Testing

@Suite struct PlatformTests {
    static let page = 4096

    @Test func masksEqualTheNaiveLoopAndReadNothingBeyond() throws {
        let seed: UInt64 = 64
        var generator = SeededGenerator(seed: seed)
        // One page of bytes, followed by a page that nobody may touch.
        let region = try #require(consent_reserve(2 * Self.page, Self.page))
        defer { consent_release(region, 2 * Self.page) }
        #expect(consent_commit(region, Self.page))
        let edges: [(UInt8, UInt8)] = [(0, 0), (0, 255), (255, 255), (1, 15), (127, 128), (9, 3), (255, 0)]
        for count in Array(0...130) + [1000, 4096] {
            let start = region.advanced(by: Self.page - count)
            let bytes = generator.bytes(count)
            bytes.withUnsafeBytes {
                if let base = $0.baseAddress { start.copyMemory(from: base, byteCount: count) }
            }
            let random = (
                UInt8.random(in: 0...255, using: &generator), UInt8.random(in: 0...255, using: &generator)
            )
            for (low, high) in edges + [random] {
                let expected = bytes.map { $0 >= low && $0 <= high }
                var bits = [UInt8](repeating: 0xAA, count: (count + 7) / 8 + 1)
                bits.withUnsafeMutableBytes { consent_mask_range_u8(start, count, low, high, $0.baseAddress) }
                let actual = (0..<(count + 7) / 8 * 8).map { bits[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
                let padding = [Bool](repeating: false, count: actual.count - count)
                #expect(actual == expected + padding, "seed \(seed), \(count) bytes, \(low)...\(high)")
                #expect(bits.last == 0xAA, "a byte behind the mask was written")
                if count <= 64 {
                    #expect(
                        consent_mask64_range_u8(start, count, low, high)
                            == consent_mask64_range_u8_portable(start, count, low, high),
                        "seed \(seed), \(count) bytes, \(low)...\(high)")
                }
            }
        }
    }

    @Test func addressClassesAreThoseOfEachByte() throws {
        var generator = SeededGenerator(seed: 21)
        // Before a page that cannot be read: not one byte too many is looked at.
        let region = try #require(consent_reserve(2 * Self.page, Self.page))
        defer { consent_release(region, 2 * Self.page) }
        #expect(consent_commit(region, Self.page))
        let alphabet = Array("abzmABZM0195.-@@..--_+\u{E9} [`{/:".utf8) + [0, 255, 0x80]
        for round in 0..<4_000 {
            let count = 1 + round % 64
            let bytes = (0..<count).map { _ in
                round % 3 == 0
                    ? UInt8.random(in: 0...255, using: &generator)
                    : alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            }
            let start = region.advanced(by: Self.page - count)
            start.copyMemory(from: bytes, byteCount: count)
            var fast = [UInt8](repeating: 0, count: 64)
            var plain = fast
            let classes = consent_lower_address(start, count, &fast)
            let expected = consent_lower_address_portable(start, count, &plain)
            #expect(fast[..<count] == plain[..<count], "\(bytes)")
            #expect(
                classes.letters == expected.letters && classes.digits == expected.digits
                    && classes.dots == expected.dots && classes.dashes == expected.dashes
                    && classes.ats == expected.ats, "\(bytes)")
        }
    }

    @Test func reservationsAreAlignedZeroAndKeepTheirBytes() throws {
        let alignment = 1 << 21
        let byteCount = 3 << 21
        let region = try #require(consent_reserve(byteCount, alignment))
        defer { consent_release(region, byteCount) }
        #expect(UInt(bitPattern: region) % UInt(alignment) == 0)
        #expect(consent_commit(region, byteCount))
        _ = consent_advise_huge_pages(region, byteCount)
        let words = region.bindMemory(to: UInt64.self, capacity: byteCount / 8)
        #expect(words[0] == 0 && words[byteCount / 8 - 1] == 0)
        words[0] = 1
        words[byteCount / 8 - 1] = 2
        consent_populate(region, byteCount)
        #expect(words[0] == 1 && words[byteCount / 8 - 1] == 2)
        #expect(consent_reserve(0, alignment) == nil)
        #expect(consent_reserve(Int.max, alignment) == nil)
    }

    @Test func atomicsStoreAndLoad() {
        let words = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 8)
        defer { words.deallocate() }
        consent_atomic_store_relaxed_u64(words, 7)
        #expect(consent_atomic_load_relaxed_u64(words) == 7)
        consent_atomic_store_release_u64(words, .max)
        #expect(consent_atomic_load_acquire_u64(words) == .max)
        #expect(consent_atomic_add_relaxed_u64(words, 2) == .max)
        #expect(consent_atomic_load_relaxed_u64(words) == 1)
        consent_atomic_store_relaxed_u32(words, 0)
        consent_atomic_store_release_u32(words.advanced(by: 4), 9)
        #expect(consent_atomic_load_relaxed_u32(words) == 0)
        #expect(consent_atomic_load_acquire_u32(words.advanced(by: 4)) == 9)
        #expect(consent_atomic_load_acquire_u64(words) == 9 << 32)
    }

    @Test func clocksGoForward() {
        let monotonic = consent_monotonic_nanoseconds()
        let cpu = consent_thread_cpu_nanoseconds()
        let process = consent_process_cpu_nanoseconds()
        // Spin until this thread was charged for it; ten seconds are the bound for a clock that stands still.
        while consent_thread_cpu_nanoseconds() < cpu + 1_000_000,
            consent_monotonic_nanoseconds() < monotonic + 10_000_000_000
        {}
        #expect(consent_monotonic_nanoseconds() > monotonic)
        #expect(consent_thread_cpu_nanoseconds() >= cpu + 1_000_000)
        #expect(consent_process_cpu_nanoseconds() > process)
        #expect(consent_wall_nanoseconds() > 1_600_000_000_000_000_000)
    }
}
