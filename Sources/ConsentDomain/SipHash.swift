// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein), the keyed function behind recipient keys.
//
// A short prefix of up to 7 bytes is hashed in front of the bytes without copying either: it shares the first
// word with the first bytes. No allocation; words are read with unaligned loads.

/// A key of SipHash: 16 bytes as two little-endian words.
public struct SipHashKey: Sendable, BitwiseCopyable {
    @usableFromInline var k0: UInt64
    @usableFromInline var k1: UInt64

    /// The two words of the key.
    public init(k0: UInt64, k1: UInt64) {
        self.k0 = k0
        self.k1 = k1
    }

    /// SipHash-2-4-128 of bytes.
    /// - Returns: the two little-endian words of the 16 output bytes.
    @inlinable
    public func hash(_ bytes: UnsafeRawBufferPointer) -> (low: UInt64, high: UInt64) {
        hash(prefix: 0, prefixCount: 0, bytes)
    }

    /// SipHash-2-4-128 of a prefix followed by bytes.
    /// - Parameters:
    ///   - prefix: the prefix's bytes, the first one lowest; zero above them.
    ///   - prefixCount: 0…7.
    @inlinable
    public func hash(
        prefix: UInt64, prefixCount: Int, _ bytes: UnsafeRawBufferPointer
    ) -> (low: UInt64, high: UInt64) {
        var state = SipHashState(key: self)
        let count = bytes.count
        let total = prefixCount &+ count
        let lastWord = UInt64(truncatingIfNeeded: total) &<< 56
        guard let base = bytes.baseAddress, count > 0 else {
            return state.finish(lastWord | prefix)
        }
        // Bytes that fill up the prefix's word; with no prefix, words start at the first byte.
        var position = 0
        if prefixCount > 0 {
            let wanted = 8 &- prefixCount
            if count < wanted {
                let tail = Self.partialWord(base, count: count)
                return state.finish(lastWord | prefix | tail &<< UInt64(8 &* prefixCount))
            }
            // The range check is the line above: `wanted` ≤ `count`.
            let head = Self.partialWord(base, count: wanted)
            state.compress(prefix | head &<< UInt64(8 &* prefixCount))
            position = wanted
        }
        while count &- position >= 8 {
            let word = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            state.compress(UInt64(littleEndian: word))
            position &+= 8
        }
        return state.finish(lastWord | Self.partialWord(base + position, count: count &- position))
    }

    /// The same of bytes that have room around them, with fewer steps.
    /// - Parameters:
    ///   - prefix: the prefix's bytes, the first one lowest; zero above them.
    ///   - prefixCount: 1…7.
    ///   - bytes: the 8 bytes in front are overwritten, the 8 behind may be read.
    ///   - count: 0 or more.
    @inlinable @inline(__always)
    public func hash(
        prefix: UInt64, prefixCount: Int, inRoom bytes: UnsafeMutableRawPointer, count: Int
    ) -> (low: UInt64, high: UInt64) {
        let shift = UInt64(8 &* (8 &- prefixCount))
        (bytes - 8).storeBytes(of: (prefix &<< shift).littleEndian, as: UInt64.self)
        let total = prefixCount &+ count
        var state = SipHashState(key: self)
        var word = UnsafeRawPointer(bytes - prefixCount)
        for _ in 0..<total &>> 3 {
            state.compress(UInt64(littleEndian: word.loadUnaligned(as: UInt64.self)))
            word += 8
        }
        let rest = UInt64(littleEndian: word.loadUnaligned(as: UInt64.self))
        let tail = rest & (1 &<< UInt64(8 &* (total & 7)) &- 1)
        return state.finish(UInt64(truncatingIfNeeded: total) &<< 56 | tail)
    }

    /// Up to 7 bytes as the low bytes of a word; reads no byte outside of them.
    @inlinable @inline(__always)
    static func partialWord(_ base: UnsafeRawPointer, count: Int) -> UInt64 {
        if count >= 4 {
            let low = UInt64(UInt32(littleEndian: base.loadUnaligned(as: UInt32.self)))
            let tail = base.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            let high = UInt64(UInt32(littleEndian: tail))
            return low | high &<< UInt64(8 &* (count &- 4))
        }
        guard count > 0 else { return 0 }
        let first = UInt64(base.load(as: UInt8.self))
        let middle = UInt64(base.load(fromByteOffset: count / 2, as: UInt8.self))
        let last = UInt64(base.load(fromByteOffset: count &- 1, as: UInt8.self))
        return first | middle &<< UInt64(8 &* (count / 2)) | last &<< UInt64(8 &* (count &- 1))
    }
}

/// The four words of a running SipHash.
@usableFromInline
struct SipHashState {
    @usableFromInline var v0: UInt64
    @usableFromInline var v1: UInt64
    @usableFromInline var v2: UInt64
    @usableFromInline var v3: UInt64

    @inlinable @inline(__always)
    init(key: SipHashKey) {
        v0 = key.k0 ^ 0x736f_6d65_7073_6575
        v1 = key.k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee
        v2 = key.k0 ^ 0x6c79_6765_6e65_7261
        v3 = key.k1 ^ 0x7465_6462_7974_6573
    }

    @inlinable @inline(__always)
    mutating func round() {
        v0 &+= v1
        v1 = v1 &<< 13 | v1 &>> 51
        v1 ^= v0
        v0 = v0 &<< 32 | v0 &>> 32
        v2 &+= v3
        v3 = v3 &<< 16 | v3 &>> 48
        v3 ^= v2
        v0 &+= v3
        v3 = v3 &<< 21 | v3 &>> 43
        v3 ^= v0
        v2 &+= v1
        v1 = v1 &<< 17 | v1 &>> 47
        v1 ^= v2
        v2 = v2 &<< 32 | v2 &>> 32
    }

    @inlinable @inline(__always)
    mutating func compress(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    @inlinable @inline(__always)
    mutating func finish(_ lastWord: UInt64) -> (low: UInt64, high: UInt64) {
        compress(lastWord)
        v2 ^= 0xee
        round()
        round()
        round()
        round()
        let low = v0 ^ v1 ^ v2 ^ v3
        v1 ^= 0xdd
        round()
        round()
        round()
        round()
        return (low, v0 ^ v1 ^ v2 ^ v3)
    }
}
