// Little-endian loads from bytes whose length was checked before.

extension RawSpan {
    /// Loads an integer at a byte offset. The range is checked: a wrong offset is a bug and traps.
    @inlinable
    public func load<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self, at offset: Int) -> T {
        T(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Copies a range of bytes.
    @inlinable
    public func array(_ range: Range<Int>) -> [UInt8] {
        extracting(range).withUnsafeBytes { Array($0) }
    }
}
