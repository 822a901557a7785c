// A growable output buffer that frames are written into, in place.
//
// Why: an answer is encoded once, straight into the bytes that go to the socket; the header's length and
// checksums are patched when the frame ends. One writer serves a connection for its whole life, so in steady
// state nothing is allocated.
//
// Invariant: 0 <= count <= capacity, and while a frame is open, frameStart + FrameHeader.byteCount <= count.

/// Appends little-endian values and whole frames to memory that it owns.
public struct FrameWriter: ~Copyable, @unchecked Sendable {
    // Sendable: the memory has one owner, this value, and moves between threads with it.
    @usableFromInline var base: UnsafeMutableRawPointer
    @usableFromInline var allocated: Int
    @usableFromInline var end = 0

    /// Bytes that fit before memory grows.
    @inlinable
    public var capacity: Int { allocated }
    /// Bytes written so far.
    @inlinable
    public var count: Int { end }

    /// - Parameter minimumCapacity: bytes to allocate at first.
    public init(minimumCapacity: Int = 4096) {
        allocated = max(minimumCapacity, 64)
        base = .allocate(byteCount: allocated, alignment: 64)
    }

    deinit {
        base.deallocate()
    }

    // MARK: Appending

    /// Appends an integer, little-endian.
    @inlinable
    public mutating func append<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        let offset = appendUninitialized(MemoryLayout<T>.size)
        base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    /// Appends bytes.
    @inlinable
    public mutating func append(_ bytes: RawSpan) {
        let offset = appendUninitialized(bytes.byteCount)
        bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            base.advanced(by: offset).copyMemory(from: start, byteCount: source.count)
        }
    }

    /// Appends zero bytes and returns the offset of the first.
    @inlinable
    public mutating func appendZeros(_ byteCount: Int) -> Int {
        let offset = appendUninitialized(byteCount)
        base.advanced(by: offset).initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        return offset
    }

    /// Makes room for bytes that the caller writes next; returns the offset of the first.
    @inlinable
    public mutating func appendUninitialized(_ byteCount: Int) -> Int {
        precondition(byteCount >= 0, "negative byte count")
        if byteCount > capacity - count { grow(byteCount) }
        let offset = count
        end = offset + byteCount
        return offset
    }

    // MARK: In place

    /// Overwrites an integer that was written before.
    @inlinable
    public mutating func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        precondition(offset >= 0 && offset <= count - MemoryLayout<T>.size, "store outside the written bytes")
        base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    /// Gives access to bytes that were written (or made room for) before.
    @inlinable
    public mutating func withMutableBytes<R, E: Error>(
        at offset: Int, count byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        precondition(
            offset >= 0 && byteCount >= 0 && offset <= count - byteCount, "range outside the written bytes")
        return try body(UnsafeMutableRawBufferPointer(start: base.advanced(by: offset), count: byteCount))
    }

    /// Gives access to all bytes written.
    @inlinable
    public borrowing func withBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// All bytes written.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            // The pointer is ours while self lives, and 0 ..< count is written.
            let span = RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: count)
            return _overrideLifetime(span, borrowing: self)
        }
    }

    /// Moves bytes to another place among the written ones; the ranges may overlap.
    @inlinable
    mutating func move(from source: Int, to target: Int, count byteCount: Int) {
        precondition(byteCount >= 0 && source >= 0 && target >= 0, "negative range")
        precondition(max(source, target) <= count - byteCount, "range outside the written bytes")
        base.advanced(by: target).copyMemory(from: base.advanced(by: source), byteCount: byteCount)
    }

    /// Forgets what was written from `newCount` on.
    @inlinable
    public mutating func truncate(to newCount: Int) {
        precondition(newCount >= 0 && newCount <= count, "truncating to more than was written")
        end = newCount
    }

    /// Forgets all; gives memory back when it had grown beyond `keepingAtMost` bytes.
    @inlinable
    public mutating func removeAll(keepingAtMost bytes: Int = 1 << 20) {
        end = 0
        if capacity > max(bytes, 64) { shrink(to: bytes) }
    }

    // MARK: Storage

    @usableFromInline @inline(never)
    mutating func grow(_ byteCount: Int) {
        let newCapacity = max(capacity * 2, count + byteCount)
        let newBase = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 64)
        newBase.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = newBase
        allocated = newCapacity
    }

    @usableFromInline @inline(never)
    mutating func shrink(to bytes: Int) {
        base.deallocate()
        allocated = max(bytes, 64)
        base = .allocate(byteCount: allocated, alignment: 64)
    }
}
