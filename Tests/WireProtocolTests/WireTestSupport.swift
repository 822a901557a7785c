// What the tests of this folder share: a seeded generator, hex, and frames built without the code under test.

import CPlatform
import TestRandomness
import WireProtocol

extension SeededGenerator {
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

/// Bytes of hex digits; everything else is ignored.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - digits.count % 2, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}

/// Hex digits of bytes.
func hex(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }.joined()
}

/// The bytes of an integer, lowest first.
func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<MemoryLayout<T>.size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// The checksum by its definition, one bit at a time.
func naiveChecksum(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
}

/// A header's bytes, put together field by field, with the checksum of its own bytes.
func headerBytes(
    bodyLength: UInt32 = 0, kind: UInt8, flags: UInt8 = 0, code: UInt16 = 0, stream: UInt32 = 0,
    value: UInt32 = 0, bodyChecksum: UInt32 = 0
) -> [UInt8] {
    let sealed =
        little(bodyLength) + [kind, flags] + little(code) + little(stream) + little(value)
        + little(bodyChecksum)
    return sealed + little(naiveChecksum(sealed))
}

/// A frame's bytes with a checksum over the body.
func frameBytes(
    kind: UInt8, flags: UInt8 = 2, code: UInt16 = 0, stream: UInt32 = 0, value: UInt32 = 0, body: [UInt8] = []
) -> [UInt8] {
    headerBytes(
        bodyLength: UInt32(body.count), kind: kind, flags: flags, code: code, stream: stream, value: value,
        bodyChecksum: flags & 2 != 0 ? naiveChecksum(body) : 0) + body
}

/// The error that a body throws, nil if it throws none.
func thrown<E: Error>(_ type: E.Type = E.self, _ body: () throws(E) -> Void) -> E? {
    do {
        try body()
        return nil
    } catch {
        return error
    }
}

extension FrameWriter {
    /// A copy of all bytes written.
    var array: [UInt8] { withBytes { Array($0) } }
}
