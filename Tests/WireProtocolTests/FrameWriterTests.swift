// Goal: what is written is what a naive array would hold, and frames are the bytes of the table. Method:
// seeded random operations on a writer and on an array side by side; frames against bytes put together by
// hand.

import TestRandomness
import Testing
import WireProtocol

@Suite struct FrameWriterTests {
    @Test func equalsAnArray() {
        for seed in UInt64(1)...40 {
            var generator = SeededGenerator(seed: seed)
            var writer = FrameWriter(minimumCapacity: 1)
            var expected: [UInt8] = []
            for _ in 0..<300 {
                switch Int.random(in: 0...8, using: &generator) {
                case 0:
                    let value = UInt8.random(in: 0...255, using: &generator)
                    writer.append(value)
                    expected.append(value)
                case 1:
                    let value = UInt32.random(in: 0 ... .max, using: &generator)
                    writer.append(value)
                    expected += little(value)
                case 2:
                    let value = Int64.random(in: .min ... .max, using: &generator)
                    writer.append(value)
                    expected += little(value)
                case 3:
                    let bytes = generator.bytes(Int.random(in: 0...200, using: &generator))
                    writer.append(bytes.span.bytes)
                    expected += bytes
                case 4:
                    let count = Int.random(in: 0...50, using: &generator)
                    #expect(writer.appendZeros(count) == expected.count)
                    expected += [UInt8](repeating: 0, count: count)
                case 5 where expected.count >= 2:
                    let offset = Int.random(in: 0...expected.count - 2, using: &generator)
                    writer.store(UInt16(0xBEEF), at: offset)
                    expected.replaceSubrange(offset..<offset + 2, with: [0xEF, 0xBE])
                case 6 where expected.count >= 1:
                    writer.withMutableBytes(at: expected.count - 1, count: 1) { $0[0] = 7 }
                    expected[expected.count - 1] = 7
                case 7:
                    let count = Int.random(in: 0...expected.count, using: &generator)
                    writer.truncate(to: count)
                    expected.removeLast(expected.count - count)
                default:
                    if Int.random(in: 0...30, using: &generator) == 0 {
                        writer.removeAll(keepingAtMost: 256)
                        expected.removeAll()
                        #expect(writer.capacity <= 256)
                    }
                }
                #expect(writer.count == expected.count && writer.count <= writer.capacity, "seed \(seed)")
            }
            #expect(writer.array == expected, "seed \(seed)")
            #expect(writer.bytes.withUnsafeBytes { Array($0) } == expected, "seed \(seed)")
        }
    }

    @Test func framesAreTheBytesOfTheTable() {
        var writer = FrameWriter()
        var first = writer.beginFrame(.response, stream: 9)
        writer.append(UInt32(0x0403_0201))
        first.header.code = Status.notFound.rawValue
        first.header.value = 77
        writer.endFrame(first)
        writer.appendFrame(.ping, value: 5)
        let abandoned = writer.beginFrame(.item, stream: 1)
        writer.append(UInt64(1))
        writer.abandonFrame(abandoned)
        let last = writer.beginFrame(.item, stream: 9)
        writer.append(UInt8(1))
        writer.endFrame(last, checksum: false)
        let expected =
            frameBytes(kind: 4, code: 5, stream: 9, value: 77, body: [1, 2, 3, 4])
            + headerBytes(kind: 9, value: 5) + headerBytes(bodyLength: 1, kind: 5, stream: 9) + [1]
        #expect(hex(writer.array) == hex(expected))
    }

    @Test func extensionBlocksAreSkipped() throws {
        var writer = FrameWriter()
        var frame = writer.beginFrame(.request, code: 1, stream: 1)
        writer.appendExtensionBlock([UInt8](arrayLiteral: 9, 9, 9).span.bytes, to: &frame)
        writer.append(UInt16(0x0201))
        writer.endFrame(frame)
        #expect(
            hex(writer.array)
                == hex(frameBytes(kind: 3, flags: 10, code: 1, stream: 1, body: [3, 0, 0, 0, 9, 9, 9, 1, 2])))
        var reader = FrameReader(bodyBytesMax: 100)
        let read = try #require(try reader.next(writer.bytes))
        let body = writer.bytes.extracting(read.body)
        #expect(try read.header.payloadRange(in: body) == 7..<9)
    }
}
