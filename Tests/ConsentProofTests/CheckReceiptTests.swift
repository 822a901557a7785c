// Goal: a receipt has the bytes that are documented, and every changed bit is found. Method: one receipt
// spelled out byte by byte; each of its bits flipped.

import ConsentProof
import Testing

@Suite struct CheckReceiptTests {
    private static let key = LogSigningKey(seed: [UInt8](0..<32)) ?? LogSigningKey()

    private static func receipt() throws -> CheckReceipt {
        var receipt = CheckReceipt(
            incarnation: [UInt8](1...16), keys: [UInt8](repeating: 0xA1, count: 32),
            allow: [UInt8](repeating: 0xB2, count: 32), reasons: [UInt8](repeating: 0xC3, count: 32))
        receipt.sequence = 0x0102_0304_0506_0708
        receipt.time = 0x1112_1314_1516_1718
        receipt.controller = 7
        receipt.channel = 1
        receipt.purpose = 3
        receipt.purposeClass = 2
        receipt.count = 0x0001_0000
        receipt.whole = 2
        receipt.minimumSequence = 9
        try receipt.sign(by: key)
        return receipt
    }

    @Test func theBytesAreThoseOfTheDrawing() throws {
        let receipt = try Self.receipt()
        var expected = [UInt8]("consentd receipt v1".utf8) + [0, 0, 0, 0, 0]
        expected += [8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11]
        expected += [UInt8](1...16) + [0xA0, 0x50, 0x83, 0x7D, 0x85, 0x07, 0x05, 0x82]
        expected += [7, 0, 0, 0, 1, 3, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]
        expected += [UInt8](repeating: 0xA1, count: 32) + [UInt8](repeating: 0xB2, count: 32)
        expected += [UInt8](repeating: 0xC3, count: 32)
        #expect(expected.count == CheckReceipt.signedByteCount)
        #expect(receipt.signedBytes == expected)
        #expect(receipt.encoded.count == CheckReceipt.byteCount)
        #expect(try CheckReceipt(decoding: receipt.encoded) == receipt)
        #expect(receipt.isSigned(by: Self.key.publicKey))
        #expect(!receipt.isSigned(by: LogSigningKey().publicKey))
    }

    @Test func everyFlippedBitIsFound() throws {
        let encoded = try Self.receipt().encoded
        for bit in 0..<encoded.count * 8 {
            var changed = encoded
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let isTaken = (try? CheckReceipt(decoding: changed))?.isSigned(by: Self.key.publicKey) ?? false
            #expect(!isTaken, "bit \(bit)")
        }
    }

    @Test func otherLengthsAndLabelsAreNoReceipts() throws {
        let encoded = try Self.receipt().encoded
        for bytes in [[], Array(encoded.dropLast()), encoded + [0]] {
            #expect(throws: ProofError.notAReceipt(byteCount: bytes.count)) {
                try CheckReceipt(decoding: bytes)
            }
        }
        // A signed head is never taken for a receipt, nor the other way round.
        let head = try SignedHead(
            treeSize: 1, root: .emptyTree, time: 1, incarnation: [UInt8](1...16), key: Self.key)
        let padded =
            head.encoded + [UInt8](repeating: 0, count: CheckReceipt.byteCount - SignedHead.byteCount)
        #expect(throws: ProofError.self) { try CheckReceipt(decoding: padded) }
        #expect(throws: ProofError.self) {
            try SignedHead(decoding: Array(encoded.prefix(SignedHead.byteCount)))
        }
    }
}
