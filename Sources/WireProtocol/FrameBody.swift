// From the bytes after a header to the bytes of a message: checksum, extension block, compression.
//
// The body on the wire is
//
//   [ u32 length, that many bytes ]   extension block, with flag bit 3; never compressed, skipped if unknown
//   payload                           the message, or with flag bit 0 its compressed form
//
// and the checksum covers all of it. Every error here is the error of one call.

import CPlatform

extension FrameHeader {
    /// Checks the body's checksum where the frame has one.
    ///
    /// - Parameter body: the bytes after the header, as they came.
    @inlinable
    public func verifyBody(_ body: RawSpan) throws(WireError) {
        guard flags.contains(.bodyChecksum) else { return }
        let computed = body.withUnsafeBytes { consent_crc32c(0, $0.baseAddress, $0.count) }
        guard computed == bodyChecksum else { throw .bodyChecksum }
    }

    /// Where the payload lies in the body: all of it, or what follows the extension block.
    ///
    /// - Parameter body: the bytes after the header, as they came.
    @inlinable
    public func payloadRange(in body: RawSpan) throws(WireError) -> Range<Int> {
        guard flags.contains(.extensionBlock) else { return 0..<body.byteCount }
        guard body.byteCount >= 4 else { throw .truncated(needed: 4, actual: body.byteCount) }
        let length = Int(body.load(UInt32.self, at: 0))
        guard length <= body.byteCount - 4 else {
            throw .truncated(needed: length + 4, actual: body.byteCount)
        }
        return 4 + length..<body.byteCount
    }

    /// Checks the checksum and gives the message's bytes to `read`: in place, or inflated into `scratch`.
    ///
    /// - Parameters:
    ///   - body: the bytes after the header, as they came.
    ///   - bodyBytesMax: most bytes that a compressed payload may inflate to.
    ///   - scratch: emptied and used only when the payload is compressed.
    ///   - read: called once with the message's bytes.
    @inlinable
    public func withPayload<R: ~Copyable>(
        of body: RawSpan, bodyBytesMax: Int, scratch: inout FrameWriter,
        _ read: (RawSpan) throws(WireError) -> R
    ) throws(WireError) -> R {
        try verifyBody(body)
        let payload = body.extracting(try payloadRange(in: body))
        guard flags.contains(.compressed) else { return try read(payload) }
        scratch.removeAll()
        try BodyCompression.inflate(payload, bodyBytesMax: bodyBytesMax, into: &scratch)
        return try read(scratch.bytes)
    }
}
