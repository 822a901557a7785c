// The bytes of a connection, as a server reads them: whole, and again in pieces of random sizes. Both must
// come to the same.
//
//     u8 options   bit 0: the handshake is done, else the input brings preface and hello
//                  bit 1: bodies of 4 MiB are agreed on, else of 4 KiB      bit 2: the server drains
//     u8 cuts      seed of the sizes of the pieces
//     the bytes of the connection

import CZlib
import TestRandomness
import WireProtocol

/// The frame decoder, from the preface to a message of the schema.
package enum FrameTarget: FuzzTarget {
    package static let name = "frames"

    static let optionByteCount = 2

    /// Whether the requests of a method are read as its message.
    package static func knows(_ method: Wire.Method) -> Bool { ServerIntake.requests[method] != nil }

    package static func run(_ input: RawSpan) throws(Finding) -> Outcome {
        try read(input).outcome
    }

    private static func read(_ input: RawSpan) throws(Finding) -> (outcome: Outcome, inflatedBytes: Int) {
        guard input.byteCount >= optionByteCount else { return (Outcome(), 0) }
        let options: UInt8 = input.load(at: 0)
        let stream = input.extracting(droppingFirst: optionByteCount)
        let whole = intake(options)
        try whole.read(stream)
        let cut = intake(options)
        var sizes = SeededGenerator(seed: UInt64(input.load(UInt8.self, at: 1)))
        var offset = 0
        while offset < stream.byteCount {
            let end = min(stream.byteCount, offset + 1 + sizes.below(1 << sizes.below(8)))
            try cut.read(stream.extracting(offset..<end))
            offset = end
        }
        guard whole.steps == cut.steps else {
            let place = zip(whole.steps, cut.steps).prefix { $0 == $1 }.count
            throw Finding("step \(place) differs where the bytes come in pieces")
        }
        return (Outcome(isPast: whole.isPast, frameCount: whole.frameCount), whole.inflatedBytes)
    }

    private static func intake(_ options: UInt8) -> ServerIntake {
        guard options & 1 != 0 else { return ServerIntake() }
        let agreement = Agreement(
            version: Wire.protocolVersion, features: Feature.known,
            bodyBytesMax: options & 2 != 0 ? Wire.Limits.bodyBytesDefault : Wire.Limits.helloBytesMax,
            inFlightMax: 4)
        return ServerIntake(agreement, isDraining: options & 4 != 0)
    }

    // MARK: Mutation

    /// Changes all bytes, one body or one header, or deflates a payload; then mostly repairs what a peer that
    /// means harm would have right: preface, lengths and both checksums.
    package static func mutate(
        _ input: inout [UInt8], byteCountMax: Int, using random: inout SeededGenerator, _ mutation: Mutation
    ) {
        if input.count < optionByteCount { input = [1, 0] }
        var stream = FrameStream(input)
        switch stream.frames.isEmpty ? 0 : random.below(8) {
        case 0...3: stream.mutateAll(byteCountMax, mutation)
        case 4...5: stream.mutateBody(byteCountMax, using: &random, mutation)
        case 6: stream.deflateBody(using: &random)
        default: stream.mutateHeader(using: &random, mutation)
        }
        if random.below(16) != 0 { stream.repair(using: &random) }
        input = Array(stream.bytes.prefix(byteCountMax))
    }

    package static func seeds(_ samples: Samples) throws -> [[UInt8]] {
        var random = SeededGenerator(seed: 1)
        var writer = FrameWriter()
        writer.appendPrefaceAndHello(Handshake.hello(clientName: "seed", using: &random))
        var seeds = [[0, 1] + writer.bytes.array]
        let methods = ServerIntake.requests.sorted { $0.key.rawValue < $1.key.rawValue }
        for (number, (method, type)) in methods.enumerated() {
            for sample in samples.golden where sample.message == type.schemaName {
                writer.removeAll()
                let frame = writer.beginFrame(
                    .request, code: method.rawValue, stream: UInt32(number + 1), value: 1_000_000)
                writer.append(sample.bytes.span.bytes)
                writer.endFrame(frame)
                writer.appendFrame(.credit, stream: UInt32(number + 1), value: 3)
                writer.appendFrame(.cancel, stream: UInt32(number + 1))
                writer.appendFrame(.ping, value: 7)
                seeds.append([UInt8(1 | number % 4 << 1), UInt8(number)] + writer.bytes.array)
            }
        }
        return seeds
    }

    /// A compressed payload of more than eight bytes.
    package static func isPlanted(_ input: RawSpan, _ outcome: Outcome) -> Bool {
        guard outcome.isPast, let read = try? read(input) else { return false }
        return read.inflatedBytes > 8
    }
}

/// The frames of an input, as far as they can be made out, and what may be done to them.
struct FrameStream {
    private(set) var bytes: [UInt8]
    /// Where each frame starts.
    private(set) var frames: [Int] = []

    private enum Offset {
        static let kind = 4, flags = 5, bodyChecksum = 16, headerChecksum = 20
    }

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        find()
    }

    private var start: Int {
        FrameTarget.optionByteCount + (bytes[0] & 1 == 0 ? Handshake.preface.count : 0)
    }

    private mutating func find() {
        frames = []
        var offset = start
        while offset + FrameHeader.byteCount <= bytes.count {
            frames.append(offset)
            offset += FrameHeader.byteCount + Int(bytes.number(UInt32.self, at: offset))
        }
    }

    /// The body of a frame, as far as it is there.
    private func body(_ frame: Int) -> Range<Int> {
        let start = frame + FrameHeader.byteCount
        return start..<min(bytes.count, start + Int(bytes.number(UInt32.self, at: frame)))
    }

    private mutating func replaceBody(_ frame: Int, by body: [UInt8]) {
        bytes.replaceSubrange(self.body(frame), with: body)
        bytes.store(UInt32(body.count), at: frame)
        find()
    }

    // MARK: Changes

    mutating func mutateAll(_ byteCountMax: Int, _ mutation: Mutation) {
        mutation(&bytes, byteCountMax)
        while bytes.count < FrameTarget.optionByteCount { bytes.append(1) }
        find()
    }

    mutating func mutateBody(
        _ byteCountMax: Int, using random: inout SeededGenerator, _ mutation: Mutation
    ) {
        let frame = frames[random.below(frames.count)]
        var body = Array(bytes[self.body(frame)])
        mutation(&body, max(0, byteCountMax - bytes.count + body.count))
        replaceBody(frame, by: body)
    }

    mutating func mutateHeader(using random: inout SeededGenerator, _ mutation: Mutation) {
        let frame = frames[random.below(frames.count)]
        let sealed = frame..<frame + FrameHeader.sealedByteCount
        var header = Array(bytes[sealed])
        mutation(&header, header.count)
        bytes.replaceSubrange(
            sealed, with: header + [UInt8](repeating: 0, count: sealed.count - header.count))
        find()
    }

    /// Compresses a body, which no mutation would: zlib has a checksum of its own.
    mutating func deflateBody(using random: inout SeededGenerator) {
        let frame = frames[random.below(frames.count)]
        let body = Array(bytes[self.body(frame)])
        var count = compressBound(uLong(body.count))
        var deflated = [UInt8](repeating: 0, count: Int(count))
        guard compress2(&deflated, &count, body, uLong(body.count), 1) == Z_OK else { return }
        var prefix: [UInt8] = [0, 0, 0, 0]
        prefix.store(UInt32(body.count), at: 0)
        replaceBody(frame, by: prefix + deflated.prefix(Int(count)))
        bytes[frame + Offset.kind] = FrameKind.request.rawValue
        bytes[frame + Offset.flags] = (FrameFlags.compressed.union(.bodyChecksum)).rawValue
    }

    // MARK: Repair

    /// Gives every frame a length that is there, a kind, and both checksums.
    mutating func repair(using random: inout SeededGenerator) {
        if start > FrameTarget.optionByteCount, bytes.count >= start, random.below(16) != 0 {
            bytes.replaceSubrange(FrameTarget.optionByteCount..<start, with: Handshake.preface)
        }
        var offset = start
        while offset + FrameHeader.byteCount <= bytes.count {
            let room = bytes.count - offset - FrameHeader.byteCount
            if Int(bytes.number(UInt32.self, at: offset)) > room, random.below(8) != 0 {
                bytes.store(UInt32(room), at: offset)
            }
            seal(offset, using: &random)
            offset += FrameHeader.byteCount + Int(bytes.number(UInt32.self, at: offset))
        }
        find()
    }

    private mutating func seal(_ frame: Int, using random: inout SeededGenerator) {
        let kinds = UInt8(FrameKind.allCases.count)
        let kind = bytes[frame + Offset.kind]
        if kind == 0 || kind > kinds, random.below(16) != 0 {
            bytes[frame + Offset.kind] = bytes[0] & 1 == 0 ? 1 : kind % kinds + 1
        }
        if random.below(4) != 0 { bytes[frame + Offset.flags] |= FrameFlags.bodyChecksum.rawValue }
        let isSummed = bytes[frame + Offset.flags] & FrameFlags.bodyChecksum.rawValue != 0
        bytes.store(isSummed ? checksum(bytes[body(frame)]) : 0, at: frame + Offset.bodyChecksum)
        let sum = checksum(bytes[frame..<frame + FrameHeader.sealedByteCount])
        bytes.store(sum, at: frame + Offset.headerChecksum)
    }
}
