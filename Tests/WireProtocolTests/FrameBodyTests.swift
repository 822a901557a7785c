// Goal: a body's checksum, extension block and compression are right or an error, within the limit, for every
// body. Method: round trips of bodies of several kinds and sizes; a table of damaged and hostile payloads;
// every cut of a valid one; seeded random damage.

import CZlib
import TestRandomness
import Testing
import WireProtocol

@Suite struct FrameBodyTests {
    private let limit = 1 << 20

    private func write(_ payload: [UInt8], compress: Bool, block: [UInt8]? = nil) -> [UInt8] {
        var writer = FrameWriter()
        var frame = writer.beginFrame(.request, code: 1, stream: 1)
        if let block { writer.appendExtensionBlock(block.span.bytes, to: &frame) }
        writer.append(payload.span.bytes)
        writer.endFrame(frame, compressIfUseful: compress)
        return writer.array
    }

    private func read(_ bytes: [UInt8], bodyBytesMax: Int? = nil) throws -> (
        header: FrameHeader, payload: [UInt8]
    ) {
        var reader = FrameReader(bodyBytesMax: limit)
        let frame = try #require(try reader.next(bytes.span.bytes))
        #expect(reader.consumed == bytes.count)
        var scratch = FrameWriter()
        scratch.append(UInt64.max)
        let payload = try frame.header.withPayload(
            of: bytes.span.bytes.extracting(frame.body), bodyBytesMax: bodyBytesMax ?? limit,
            scratch: &scratch
        ) { payload throws(WireError) in payload.withUnsafeBytes { Array($0) } }
        return (frame.header, payload)
    }

    @Test func bodiesSurvive() throws {
        let seed: UInt64 = 8
        var generator = SeededGenerator(seed: seed)
        for count in [0, 1, 4095, 4096, 4097, 100_000] {
            let text = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7 % 13 + 97) }
            let noise = generator.bytes(count)
            for (name, payload) in [("text", text), ("noise", noise)] {
                for block in [nil, [], [1, 2, 3] as [UInt8]] as [[UInt8]?] {
                    let plain = write(payload, compress: false, block: block)
                    let packed = write(payload, compress: true, block: block)
                    #expect(try read(plain).payload == payload, "\(name) \(count)")
                    let (header, unpacked) = try read(packed)
                    #expect(unpacked == payload, "\(name) \(count)")
                    // Only what is long enough and shrinks by a tenth is compressed.
                    let useful = name == "text" && count >= Wire.Limits.compressionBytesMin
                    #expect(header.flags.contains(.compressed) == useful, "\(name) \(count)")
                    let blockBytes = block.map { $0.count + 4 } ?? 0
                    if useful {
                        #expect((packed.count - 24 - blockBytes) * 10 <= payload.count * 9)
                    } else {
                        #expect(packed == plain, "\(name) \(count)")
                    }
                }
            }
        }
    }

    @Test func aPayloadThatShrinksTooLittleStaysAsItIs() throws {
        // The share of noise decides by how much it shrinks; the result is never longer than nine tenths.
        var generator = SeededGenerator(seed: 10)
        var kept = 0
        var packed = 0
        for noise in stride(from: 7000, through: 8192, by: 16) {
            let payload = generator.bytes(noise) + [UInt8](repeating: 0, count: 8192 - noise)
            let (header, unpacked) = try read(write(payload, compress: true))
            #expect(unpacked == payload)
            if header.flags.contains(.compressed) {
                packed += 1
                #expect(header.bodyLength * 10 <= 8192 * 9)
            } else {
                kept += 1
            }
        }
        #expect(kept > 10 && packed > 10)
    }

    @Test func damageInABodyIsFound() throws {
        let bytes = write([UInt8](0..<200), compress: false)
        for bit in 0..<200 * 8 {
            var bad = bytes
            bad[24 + bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: WireError.bodyChecksum) { try read(bad) }
        }
    }

    @Test func extensionBlocksMustFit() {
        for (body, error): ([UInt8], WireError) in [
            ([], .truncated(needed: 4, actual: 0)),
            ([0, 0, 0], .truncated(needed: 4, actual: 3)),
            ([1, 0, 0, 0], .truncated(needed: 5, actual: 4)),
            ([255, 255, 255, 255, 1], .truncated(needed: 4_294_967_299, actual: 5)),
        ] {
            #expect(throws: error) { try read(frameBytes(kind: 3, flags: 10, stream: 1, body: body)) }
        }
    }

    /// zlib's own output at its best level, with a stated length.
    private func deflated(_ payload: [UInt8], stated: Int? = nil) -> [UInt8] {
        var room = compressBound(uLong(payload.count))
        var output = [UInt8](repeating: 0, count: Int(room))
        #expect(compress2(&output, &room, payload, uLong(payload.count), 9) == Z_OK)
        return little(UInt32(stated ?? payload.count)) + output[..<Int(room)]
    }

    private func inflate(_ payload: [UInt8], limit: Int = 1 << 16) throws(WireError) -> [UInt8] {
        var output = FrameWriter()
        output.append(UInt8(1))
        do throws(WireError) {
            try BodyCompression.inflate(payload.span.bytes, bodyBytesMax: limit, into: &output)
        } catch {
            #expect(output.array == [1], "an error leaves the output as it was")
            throw error
        }
        return Array(output.array.dropFirst())
    }

    @Test func hostilePayloadsDoNotInflate() throws {
        let text = [UInt8](repeating: 65, count: 5000)
        let good = deflated(text)
        #expect(try inflate(good) == text)
        let bomb = deflated([UInt8](repeating: 0, count: 8 << 20))
        #expect(bomb.count < 10_000)
        for (name, payload): (String, [UInt8]) in [
            ("empty", []), ("length alone", [1, 0, 0, 0]), ("length cut", [1, 0, 0]),
            ("bomb that says so", bomb),
            ("bomb that lies", deflated([UInt8](repeating: 0, count: 8 << 20), stated: 100)),
            ("bomb that states the limit", deflated([UInt8](repeating: 0, count: 8 << 20), stated: 1 << 16)),
            ("stated one too few", deflated(text, stated: 4999)),
            ("stated one too many", deflated(text, stated: 5001)),
            ("stated zero", deflated(text, stated: 0)),
            ("zero and empty", deflated([], stated: 0)),
            ("one and empty", deflated([], stated: 1)),
            ("longest stated", deflated(text, stated: 0xFFFF_FFFF)),
            ("bytes behind", good + [0]),
            ("two streams", good + good.dropFirst(4)),
            ("no zlib stream", [100, 0, 0, 0] + [UInt8](repeating: 1, count: 100)),
        ] {
            let error = thrown(WireError.self) { () throws(WireError) in _ = try inflate(payload) }
            #expect(error == .badCompression, "\(name)")
        }
        for cut in 0..<good.count {
            let error = thrown(WireError.self) { () throws(WireError) in _ = try inflate(Array(good[..<cut]))
            }
            #expect(error == .badCompression, "cut at \(cut)")
        }
    }

    @Test func damagedPayloadsDoNotTrap() throws {
        let seed: UInt64 = 1950
        var generator = SeededGenerator(seed: seed)
        let good = deflated((0..<6000).map { UInt8(truncatingIfNeeded: $0 / 11 % 29) })
        let expected = try inflate(good)
        var errors = 0
        for _ in 0..<20_000 {
            var bad = good
            for _ in 0...Int.random(in: 0...3, using: &generator) {
                bad[Int.random(in: 0..<bad.count, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            do {
                // zlib's own checksum finds damage; what passes must be unharmed, or differ in unused bits
                // only.
                #expect(try inflate(bad) == expected, "seed \(seed)")
            } catch {
                errors += 1
            }
        }
        #expect(errors > 19_000, "seed \(seed)")
    }
}
