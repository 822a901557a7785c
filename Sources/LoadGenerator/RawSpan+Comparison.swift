// Comparing received bytes with expected ones: how a right answer is recognised without reading it.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension RawSpan {
    /// Whether these are the bytes of an array from a place on.
    @inline(__always)
    func isEqual(to expected: [UInt8], from start: Int) -> Bool {
        guard byteCount > 0 else { return true }
        precondition(start >= 0 && start <= expected.count - byteCount, "no such bytes to compare with")
        return withUnsafeBytes { bytes in
            expected.withUnsafeBytes { all in
                guard let left = bytes.baseAddress, let right = all.baseAddress else { return false }
                return memcmp(left, right + start, bytes.count) == 0
            }
        }
    }
}
