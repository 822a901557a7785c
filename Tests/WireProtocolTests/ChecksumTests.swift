// Goal: every way to compute CRC32C gives the number of RFC 3720, on this processor and on those without the
// instruction. Method: the RFC's vectors as a table; then random bytes at every length around the word, lane
// and block sizes, from every alignment, against the definition (one bit at a time).

import CPlatform
import TestRandomness
import Testing

@Suite struct ChecksumTests {
    static let vectors: [(name: String, bytes: [UInt8], checksum: UInt32)] = [
        ("empty", [], 0),
        ("32 zeros", [UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ("32 ones", [UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        ("32 ascending", [UInt8](0..<32), 0x46DD_794E),
        ("32 descending", [UInt8]((0..<32).reversed()), 0x113F_DB5C),
        (
            "iSCSI read",
            bytes(
                hex: """
                    01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018
                    28000000 00000000 02000000 00000000
                    """), 0xD996_3A56
        ),
        ("digits", Array("123456789".utf8), 0xE306_9283),
    ]

    @Test func referenceVectors() {
        for vector in Self.vectors {
            #expect(naiveChecksum(vector.bytes) == vector.checksum, "\(vector.name)")
            for (way, value) in allWays(vector.bytes[...]) {
                #expect(value == vector.checksum, "\(vector.name) by \(way)")
            }
        }
    }

    @Test func allWaysAgree() {
        let seed: UInt64 = 3720
        var generator = SeededGenerator(seed: seed)
        let block = 3 * Int(CONSENT_CRC32C_LANE)
        let source = generator.bytes(4 * block + 64)
        let lengths =
            Array(0...80) + [511, 512, 513, block - 1, block, block + 1, 2 * block + 7, 4 * block + 5]
        for length in lengths {
            for start in [0, 1, 3, 7, 8, 33] {
                let part = source[start..<start + length]
                let expected = naiveChecksum(Array(part))
                for (way, value) in allWays(part) {
                    #expect(value == expected, "seed \(seed), \(length) bytes from \(start) by \(way)")
                }
            }
        }
    }

    @Test func continuesWhereItStopped() {
        let seed: UInt64 = 1
        var generator = SeededGenerator(seed: seed)
        let source = generator.bytes(5000)
        let whole = naiveChecksum(source)
        for _ in 0..<200 {
            let cut = Int.random(in: 0...source.count, using: &generator)
            let value = source.withUnsafeBytes { bytes in
                let first = consent_crc32c(0, bytes.baseAddress, cut)
                return consent_crc32c(first, bytes.baseAddress?.advanced(by: cut), source.count - cut)
            }
            #expect(value == whole, "seed \(seed), cut at \(cut)")
        }
    }

    private func allWays(_ part: ArraySlice<UInt8>) -> [(String, UInt32)] {
        part.withUnsafeBytes { bytes in
            var values = [
                ("bits", consent_crc32c_bitwise(0, bytes.baseAddress, bytes.count)),
                ("tables", consent_crc32c_tables(0, bytes.baseAddress, bytes.count)),
                ("dispatch", consent_crc32c(0, bytes.baseAddress, bytes.count)),
            ]
            #if arch(x86_64) || arch(arm64)
                if consent_crc32c_has_instruction() {
                    values.append(
                        ("instruction", consent_crc32c_instruction(0, bytes.baseAddress, bytes.count)))
                }
            #endif
            return values
        }
    }
}
