// Goal: frames come out the same however the bytes arrive, and no bytes trap or make it wait for a hostile
// length. Method: a stream of random frames read whole is the oracle of the same stream fed byte by byte and
// in seeded random cuts, with the consumed bytes dropped at random times; then random and slightly damaged
// bytes.

import TestRandomness
import Testing
import WireProtocol

@Suite struct FrameReaderTests {
    struct Message: Equatable {
        let header: FrameHeader
        let body: [UInt8]
    }

    private func randomStream(
        _ count: Int, using generator: inout SeededGenerator
    ) -> (bytes: [UInt8], messages: [(stream: UInt32, body: [UInt8])]) {
        var stream: [UInt8] = []
        var messages: [(UInt32, [UInt8])] = []
        for number in 1...count {
            let length =
                Int.random(in: 0...3, using: &generator) == 0 ? 0 : Int.random(in: 0...90, using: &generator)
            let body = generator.bytes(length)
            stream += frameBytes(kind: 3, code: 1, stream: UInt32(number), body: body)
            messages.append((UInt32(number), body))
        }
        return (stream, messages)
    }

    /// Feeds the bytes in the given cuts, as a socket's owner does, and returns every frame.
    private func read(
        _ bytes: [UInt8], cuts: [Int], using generator: inout SeededGenerator, bodyBytesMax: Int = 4096
    ) throws(FrameError) -> [Message] {
        var reader = FrameReader(bodyBytesMax: bodyBytesMax)
        var kept: [UInt8] = []
        var messages: [Message] = []
        var given = 0
        for cut in cuts + [bytes.count] where cut >= given {
            kept += bytes[given..<cut]
            given = cut
            while let frame = try reader.next(kept.span.bytes) {
                messages.append(Message(header: frame.header, body: Array(kept[frame.body])))
                #expect(reader.consumed == frame.body.upperBound)
            }
            #expect(reader.bytesNeeded > kept.count)
            #expect(reader.bytesNeeded <= reader.consumed + FrameHeader.byteCount + bodyBytesMax)
            if Bool.random(using: &generator) { kept.removeFirst(reader.rebase()) }
            #expect(reader.consumed <= kept.count)
        }
        kept.removeFirst(reader.rebase())
        #expect(kept.isEmpty)
        return messages
    }

    @Test func cutsDoNotMatter() throws {
        for seed in UInt64(1)...60 {
            var generator = SeededGenerator(seed: seed)
            let (bytes, expected) = randomStream(20, using: &generator)
            let whole = try read(bytes, cuts: [], using: &generator)
            #expect(whole.map(\.header.stream) == expected.map(\.stream), "seed \(seed)")
            #expect(whole.map(\.body) == expected.map(\.body), "seed \(seed)")
            #expect(try read(bytes, cuts: Array(0...bytes.count), using: &generator) == whole, "seed \(seed)")
            for _ in 0..<10 {
                let count = Int.random(in: 1...40, using: &generator)
                let cuts = (0..<count).map { _ in Int.random(in: 0...bytes.count, using: &generator) }
                    .sorted()
                #expect(try read(bytes, cuts: cuts, using: &generator) == whole, "seed \(seed), cuts \(cuts)")
            }
        }
    }

    @Test func saysHowMuchIsNeeded() throws {
        var reader = FrameReader(bodyBytesMax: 4096)
        let bytes = frameBytes(kind: 3, stream: 1, body: [UInt8](repeating: 1, count: 10))
        #expect(reader.bytesNeeded == 24)
        #expect(try reader.next(Array(bytes[..<23]).span.bytes) == nil)
        #expect(reader.bytesNeeded == 24)
        #expect(try reader.next(Array(bytes[..<24]).span.bytes) == nil)
        #expect(reader.bytesNeeded == 34)
        #expect(try reader.next(Array(bytes[..<33]).span.bytes) == nil)
        #expect(try reader.next(bytes.span.bytes)?.body == 24..<34)
        #expect(reader.bytesNeeded == 58 && reader.consumed == 34)
        #expect(reader.rebase() == 34)
        #expect(reader.bytesNeeded == 24 && reader.consumed == 0)
    }

    @Test func aHostileLengthIsAnErrorAndNotAWait() {
        for length in [UInt32(4097), 1 << 24, .max] {
            var reader = FrameReader(bodyBytesMax: 4096)
            let bytes = headerBytes(bodyLength: length, kind: 3, stream: 1)
            let expected = FrameError.bodyTooLong(length: Int(length), limit: 4096)
            for _ in 0..<2 {
                let error = thrown(FrameError.self) { () throws(FrameError) in
                    _ = try reader.next(bytes.span.bytes)
                }
                #expect(error == expected)
                #expect(reader.consumed == 0)
            }
        }
    }

    @Test func theLimitMayChangeBetweenFrames() throws {
        var reader = FrameReader(bodyBytesMax: 8)
        let first = frameBytes(kind: 1, body: [1, 2, 3])
        let bytes = first + frameBytes(kind: 3, stream: 1, body: [UInt8](repeating: 0, count: 9))
        #expect(try reader.next(bytes.span.bytes)?.header.kind == .hello)
        reader.bodyBytesMax = 9
        #expect(try reader.next(bytes.span.bytes)?.body == first.count + 24..<bytes.count)
    }

    @Test func noBytesTrap() {
        // Random bytes, and valid streams with a few bytes damaged and the header sealed again half of the
        // time.
        let seed: UInt64 = 200_000
        var generator = SeededGenerator(seed: seed)
        var errors = 0
        var frames = 0
        for round in 0..<200_000 {
            var bytes: [UInt8]
            if round % 4 == 0 {
                bytes = generator.bytes(Int.random(in: 0...64, using: &generator))
            } else {
                bytes = headerBytes(
                    bodyLength: UInt32.random(in: 0...40, using: &generator),
                    kind: UInt8.random(in: 1...11, using: &generator), flags: round % 3 == 0 ? 2 : 0,
                    stream: UInt32.random(in: 0...2, using: &generator))
                bytes[Int.random(in: 0..<20, using: &generator)] &= UInt8.random(
                    in: 0...255, using: &generator)
                if round % 2 == 0 {
                    bytes.replaceSubrange(20..<24, with: little(naiveChecksum(Array(bytes[..<20]))))
                }
                bytes += generator.bytes(40)
            }
            var reader = FrameReader(bodyBytesMax: 64)
            do throws(FrameError) {
                while let frame = try reader.next(bytes.span.bytes) {
                    frames += 1
                    let body = bytes.span.bytes.extracting(frame.body)
                    _ = try? frame.header.payloadRange(in: body)
                    _ = try? frame.header.verifyBody(body)
                }
            } catch {
                errors += 1
            }
        }
        #expect(errors > 50_000 && frames > 20_000, "seed \(seed): \(errors) errors, \(frames) frames")
    }
}
