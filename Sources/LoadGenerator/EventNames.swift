// Event ids of the load tester: UUIDs of version 7, so that they ascend with time as the register likes them.

/// Makes event ids.
package enum EventNames {
    /// Writes 16 bytes: 48 bits of time, version 7, 12 bits of counter, variant, 62 bits that tell ids apart.
    ///
    /// - Parameters:
    ///   - milliseconds: time since the Unix epoch; the counter carries over into it.
    ///   - counter: ascends from event to event.
    ///   - bits: random bits.
    package static func words(milliseconds: UInt64, counter: UInt64, bits: UInt64) -> (UInt64, UInt64) {
        let time = (milliseconds &+ counter >> 12) & 0xffff_ffff_ffff
        let first = time << 16 | 0x7000 | counter & 0xfff
        let second = 0x8000_0000_0000_0000 | bits >> 2
        return (first.bigEndian, second.bigEndian)
    }

    /// The same as an array.
    package static func bytes(milliseconds: UInt64, counter: UInt64, bits: UInt64) -> [UInt8] {
        let (first, second) = words(milliseconds: milliseconds, counter: counter, bits: bits)
        return withUnsafeBytes(of: first.littleEndian) { Array($0) }
            + withUnsafeBytes(of: second.littleEndian) { Array($0) }
    }
}

extension Population {
    /// The id of the n-th event of a person: the same in every run, so that seeding again changes nothing.
    package func eventID(person: Int, ordinal: Int) -> [UInt8] {
        let counter = UInt64(person) * 4 + UInt64(ordinal)
        return EventNames.bytes(
            milliseconds: UInt64(anchorDay) * 86_400_000, counter: counter,
            bits: Mix64.hash(seed, 0x6576_656e, counter))
    }
}
