// Compressed payloads: a zlib stream (RFC 1950) after the number of bytes that it inflates to.
//
//   u32 inflated length, at least 1
//   zlib stream, to the end of the body
//
// Why the length comes first: it is checked against the limit before a byte is inflated, and the stream then
// has to give exactly that many. A zip bomb costs its sender more than its receiver.

import CZlib

/// Deflates and inflates payloads.
public enum BodyCompression {
    /// Bytes of the length in front of the zlib stream.
    public static let prefixByteCount = 4
    /// zlib's fastest level: bodies are sent once, and the loop must go on.
    static let level: Int32 = 1

    /// Appends what a compressed payload inflates to.
    ///
    /// - Parameters:
    ///   - payload: length and zlib stream.
    ///   - bodyBytesMax: most bytes that it may inflate to.
    ///   - output: gets the bytes; unchanged on error.
    /// - Throws: `WireError.badCompression` when the length is 0 or over the limit, or the stream is damaged,
    ///   cut, followed by other bytes, or inflates to another length.
    public static func inflate(
        _ payload: RawSpan, bodyBytesMax: Int, into output: inout FrameWriter
    ) throws(WireError) {
        guard payload.byteCount > prefixByteCount else { throw .badCompression }
        let length = Int(payload.load(UInt32.self, at: 0))
        guard length >= 1, length <= bodyBytesMax else { throw .badCompression }

        let start = output.appendUninitialized(length)
        var inflated = uLongf(length)
        var taken = uLong(payload.byteCount - prefixByteCount)
        let stated = taken
        let result = output.withMutableBytes(at: start, count: length) { target in
            payload.extracting(droppingFirst: prefixByteCount).withUnsafeBytes { source in
                uncompress2(
                    target.baseAddress?.assumingMemoryBound(to: Bytef.self), &inflated,
                    source.baseAddress?.assumingMemoryBound(to: Bytef.self), &taken)
            }
        }
        guard result == Z_OK, inflated == length, taken == stated else {
            output.truncate(to: start)
            throw .badCompression
        }
    }

    /// Replaces the writer's bytes from `start` on by their compressed form, if that is at least a tenth
    /// shorter.
    ///
    /// - Returns: whether it did.
    @usableFromInline
    static func deflateIfUseful(_ writer: inout FrameWriter, from start: Int) -> Bool {
        let byteCount = writer.count - start
        let room = byteCount * 9 / 10 - prefixByteCount
        guard byteCount >= Wire.Limits.compressionBytesMin, room > 0 else { return false }

        // zlib writes behind the bytes that it reads; it stops with an error when the room does not suffice.
        let target = writer.appendUninitialized(room)
        var deflated = uLongf(room)
        let result = writer.withMutableBytes(at: start, count: byteCount + room) { bytes in
            let base = bytes.baseAddress?.assumingMemoryBound(to: Bytef.self)
            return compress2(base?.advanced(by: byteCount), &deflated, base, uLong(byteCount), level)
        }
        guard result == Z_OK else {
            writer.truncate(to: target)
            return false
        }
        writer.store(UInt32(byteCount), at: start)
        writer.move(from: target, to: start + prefixByteCount, count: Int(deflated))
        writer.truncate(to: start + prefixByteCount + Int(deflated))
        return true
    }
}
