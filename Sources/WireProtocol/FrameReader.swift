// Finds frames in bytes that arrive in any cuts.
//
// Why a value without I/O: the owner of the socket keeps the bytes, this keeps three numbers. It copies
// nothing, waits for nothing, and checks a header as soon as its 24 bytes are there, so that a hostile length
// is an error and never a wait.
//
// Invariant, the whole state: 0 <= taken <= verified <= needed. Bytes below `taken` belong to frames that
// were handed out; those up to `verified` are the header of the next frame and were checked; nothing more can
// happen before `needed` bytes are there. Either verified == taken and needed == taken + 24,
// or verified == taken + 24 and needed is the end of the frame.

/// A frame inside the bytes that were given to `FrameReader.next`.
public struct Frame: Hashable, Sendable {
    /// The checked header.
    public let header: FrameHeader
    /// Where the body is, relative to the start of those bytes.
    public let body: Range<Int>

    @inlinable
    init(header: FrameHeader, body: Range<Int>) {
        self.header = header
        self.body = body
    }
}

/// Cuts a byte stream into frames, in place.
///
/// ```swift
/// while let frame = try reader.next(readable) { handle(frame.header, readable.extracting(frame.body)) }
/// buffer.moveReaderIndex(forwardBy: reader.rebase())
/// ```
public struct FrameReader: Sendable {
    /// Longest body that is accepted. The handshake may change it between two frames.
    public var bodyBytesMax: Int
    @usableFromInline var taken = 0
    @usableFromInline var verified = 0
    @usableFromInline var needed = FrameHeader.byteCount
    /// The header of the next frame; means something only while verified > taken.
    @usableFromInline var header = FrameHeader(kind: .ping)

    /// - Parameter bodyBytesMax: longest body that is accepted.
    public init(bodyBytesMax: Int) {
        precondition(bodyBytesMax >= 0, "negative limit")
        self.bodyBytesMax = bodyBytesMax
    }

    /// Bytes, from the start of the given ones, that belong to frames handed out before.
    @inlinable
    public var consumed: Int { taken }

    /// How many bytes, from the start of the given ones, must be there before anything more can happen.
    /// Never more than the bytes consumed, a header and the longest body.
    @inlinable
    public var bytesNeeded: Int { needed }

    /// The next frame, or nil when more bytes must come first.
    ///
    /// - Parameter bytes: all bytes since the last `rebase`: those of earlier calls, and new ones after them.
    /// - Throws: what is wrong with a header. The reader then stays where it is; the connection is to be
    ///   closed.
    @inlinable
    public mutating func next(_ bytes: RawSpan) throws(FrameError) -> Frame? {
        if bytes.byteCount < needed { return nil }
        if verified == taken {
            header = try FrameHeader.decode(
                bytes.extracting(taken..<taken + FrameHeader.byteCount), bodyBytesMax: bodyBytesMax)
            verified = taken + FrameHeader.byteCount
            needed = verified + Int(header.bodyLength)
            if bytes.byteCount < needed { return nil }
        }
        let frame = Frame(header: header, body: verified..<needed)
        taken = needed
        verified = needed
        needed += FrameHeader.byteCount
        return frame
    }

    /// The owner drops the consumed bytes: counts start again at the first byte kept.
    ///
    /// - Returns: how many bytes to drop from the front.
    @inlinable
    public mutating func rebase() -> Int {
        let dropped = taken
        verified -= dropped
        needed -= dropped
        taken = 0
        return dropped
    }
}
