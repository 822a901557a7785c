// How the payload of a catalogue event lies in its table: deflated where that is shorter.
//
//     0 u8  0: as it is; 1: zlib
//     1 3 zero bytes
//     4 u32 byte count of the payload, little-endian
//     8 the bytes
//
// The leaf commits to the payload itself, so that this form may change without touching the log.

import CZlib

/// Packs and unpacks payloads.
enum PayloadForm {
    /// No payload is longer (the text of a notice is the longest part of any).
    static let byteCountMax = 4 << 20
    private static let headerByteCount = 8

    static func pack(_ payload: [UInt8]) -> [UInt8] {
        var packed = [UInt8](repeating: 0, count: Int(compressBound(UInt(payload.count))))
        var count = uLong(packed.count)
        let code = compress2(&packed, &count, payload, uLong(payload.count), Z_BEST_COMPRESSION)
        let isShorter = code == Z_OK && Int(count) < payload.count
        var body: [UInt8] = [isShorter ? 1 : 0, 0, 0, 0]
        withUnsafeBytes(of: UInt32(payload.count).littleEndian) { body.append(contentsOf: $0) }
        body.append(contentsOf: isShorter ? packed[..<Int(count)] : payload[...])
        return body
    }

    static func unpack(_ body: [UInt8]) throws(RegisterError) -> [UInt8] {
        guard body.count >= headerByteCount, body[0] <= 1 else { throw damaged }
        let count = body.withUnsafeBytes {
            Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        }
        guard count <= byteCountMax else { throw damaged }
        let bytes = body[headerByteCount...]
        if body[0] == 0 {
            guard bytes.count == count else { throw damaged }
            return [UInt8](bytes)
        }
        var payload = [UInt8](repeating: 0, count: count)
        var length = uLong(count)
        let code = [UInt8](bytes).withUnsafeBufferPointer {
            uncompress(&payload, &length, $0.baseAddress, uLong($0.count))
        }
        guard code == Z_OK, length == uLong(count) else { throw damaged }
        return payload
    }

    private static let damaged = RegisterError.corrupt("the payload of a catalogue event")
}
