// Frames written in place: room for the header, the payload, then length and checksums.
//
// A frame may be begun before its status is known: the header is a field of OpenFrame and is written at the
// end.

import CPlatform

/// A frame that was begun and not yet ended. Its header may be changed until then.
public struct OpenFrame: Sendable {
    /// The header; its length and checksum are filled in at the end.
    public var header: FrameHeader
    /// Where the frame starts in the writer.
    public let start: Int
    @usableFromInline var payloadStart: Int

    @inlinable
    init(header: FrameHeader, start: Int) {
        self.header = header
        self.start = start
        self.payloadStart = start + FrameHeader.byteCount
    }
}

extension FrameWriter {
    /// Begins a frame. What is appended until `endFrame` is its payload.
    @inlinable
    public mutating func beginFrame(
        _ kind: FrameKind, flags: FrameFlags = [], code: UInt16 = 0, stream: UInt32 = 0, value: UInt32 = 0
    ) -> OpenFrame {
        let start = appendUninitialized(FrameHeader.byteCount)
        return OpenFrame(
            header: FrameHeader(kind: kind, flags: flags, code: code, stream: stream, value: value),
            start: start)
    }

    /// Appends an extension block: directly after `beginFrame`, once, and not longer than 64 KiB.
    public mutating func appendExtensionBlock(_ bytes: RawSpan, to frame: inout OpenFrame) {
        precondition(
            count == frame.start + FrameHeader.byteCount, "an extension block is the first in its body")
        precondition(bytes.byteCount <= 1 << 16, "an extension block of more than 64 KiB")
        append(UInt32(bytes.byteCount))
        append(bytes)
        frame.payloadStart = count
        frame.header.flags.insert(.extensionBlock)
    }

    /// Ends the frame: fills in length and checksums.
    ///
    /// - Parameters:
    ///   - frame: the frame begun last.
    ///   - checksum: whether the body gets a checksum.
    ///   - compressIfUseful: whether to compress a payload of `Wire.Limits.compressionBytesMin` bytes or
    ///     more, if that makes it at least a tenth shorter. Only when the handshake agreed on
    ///     `Feature.compression`.
    @inlinable
    public mutating func endFrame(
        _ frame: OpenFrame, checksum: Bool = true, compressIfUseful: Bool = false
    ) {
        var header = frame.header
        if compressIfUseful && BodyCompression.deflateIfUseful(&self, from: frame.payloadStart) {
            header.flags.insert(.compressed)
        }
        let bodyStart = frame.start + FrameHeader.byteCount
        precondition(count >= bodyStart, "the frame was truncated")
        let bodyLength = count - bodyStart
        precondition(bodyLength <= Wire.Limits.bodyBytesMax, "a body longer than any handshake allows")
        header.bodyLength = UInt32(truncatingIfNeeded: bodyLength)
        if checksum {
            header.flags.insert(.bodyChecksum)
            header.bodyChecksum = consent_crc32c(0, base.advanced(by: bodyStart), bodyLength)
        }
        header.encode(
            into: UnsafeMutableRawBufferPointer(
                start: base.advanced(by: frame.start), count: FrameHeader.byteCount))
    }

    /// Takes back a frame that was begun and not ended.
    @inlinable
    public mutating func abandonFrame(_ frame: OpenFrame) {
        truncate(to: frame.start)
    }

    /// Appends a frame without a body, such as cancel, credit, ping or pong.
    @inlinable
    public mutating func appendFrame(
        _ kind: FrameKind, flags: FrameFlags = [], code: UInt16 = 0, stream: UInt32 = 0, value: UInt32 = 0
    ) {
        endFrame(beginFrame(kind, flags: flags, code: code, stream: stream, value: value), checksum: false)
    }
}
