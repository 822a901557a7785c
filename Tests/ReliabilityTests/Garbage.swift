// Frames that are wrong, each in one known way, so that what the server counts and answers can be foretold.

import CPlatform
import TestRandomness
import TestSupport
import WireProtocol

/// A source of wrong frames.
struct Garbage {
    private var random: SeededGenerator
    private let grant: [UInt8]
    private let sequence: UInt64

    /// - Parameter sequence: one that the register has reached.
    init(seed: UInt64, sequence: UInt64) {
        self.sequence = sequence
        random = SeededGenerator(seed: seed)
        grant = FrameClient.request(
            .grant, 1,
            Wire.GrantRequest(
                controller: 7, contacts: [Wire.WriteContact(address: "garbage@example.fr")],
                channels: [Wire.Channel(rawValue: 1)], purposes: [3]))
    }

    // MARK: Wrong bodies

    /// A frame whose body is wrong: the error of that call alone.
    mutating func call(_ stream: UInt32) -> (bytes: [UInt8], status: Status) {
        switch random.below(5) {
        case 0:
            // A bit of the body flipped.
            var bytes = random.below(2) == 0 ? FrameClient.check(stream) : sealed(grant, at: 8, stream)
            let place = FrameHeader.byteCount + random.below(bytes.count - FrameHeader.byteCount)
            bytes[place] ^= 1 << UInt8(random.below(8))
            return (bytes, .dataLoss)
        case 1: return (request(.check, stream, []), .invalidArgument)
        case 2: return (request(.checkBatch, stream, []), .invalidArgument)
        case 3:
            // Cut by a byte, its checksum mended.
            let body = Array(grant[FrameHeader.byteCount..<grant.count - 1])
            return (request(.grant, stream, body), .invalidArgument)
        default:
            // Bytes at random, too many for what they claim to be.
            let count = 440 + random.below(200)
            var body = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            body.replaceSubrange(0..<64, with: [UInt8](repeating: 0, count: 64))
            return (request(.check, stream, body), .invalidArgument)
        }
    }

    private func request(_ method: Wire.Method, _ stream: UInt32, _ body: [UInt8]) -> [UInt8] {
        var writer = FrameWriter(minimumCapacity: 512)
        let frame = writer.beginFrame(.request, code: method.rawValue, stream: stream)
        for byte in body { writer.append(byte) }
        writer.endFrame(frame)
        return writer.withBytes { Array($0) }
    }

    // MARK: Wrong headers

    /// Frames of which the last ends the connection.
    mutating func ending(_ stream: UInt32) -> (bytes: [UInt8], reason: Wire.GoawayReason) {
        let valid = FrameClient.check(stream)
        switch random.below(8) {
        case 0:
            var bytes = valid
            bytes[random.below(FrameHeader.byteCount)] ^= 1 << UInt8(random.below(8))
            return (bytes, .headerChecksum)
        case 1:
            let length = UInt32(Wire.Limits.bodyBytesMax) + 1 + UInt32(random.below(1 << 30))
            return (sealed(valid, at: 0, length), .bodyTooLong)
        case 2: return (sealed(valid, at: 4, UInt8(12 + random.below(244))), .unexpectedFrame)
        case 3:
            let flags = FrameFlags.bodyChecksum.rawValue | 16 << UInt8(random.below(4))
            return (sealed(valid, at: 5, flags), .reservedBits)
        case 4:
            // A ping that belongs to a call.
            let ping = FrameClient.frame(.ping, value: 1)
            return (sealed(ping, at: 8, UInt32(1 + random.below(1_000_000))), .reservedBits)
        case 5:
            // The number of a call that is open.
            return (
                FrameClient.request(.watch, stream, Wire.WatchRequest(after: sequence)) + valid, .badStream
            )
        case 6: return (Array(HostilePeers.hello.dropFirst(Handshake.preface.count)), .unexpectedFrame)
        default: return (FrameClient.frame(.end, stream: stream), .unexpectedFrame)
        }
    }

    /// A frame with another number in its header and the right checksum over it.
    private func sealed(
        _ frame: [UInt8], at offset: Int, _ number: some FixedWidthInteger
    ) -> [UInt8] {
        var bytes = frame
        withUnsafeBytes(of: number.littleEndian) {
            bytes.replaceSubrange(offset..<offset + $0.count, with: $0)
        }
        let checksum = bytes.withUnsafeBytes {
            consent_crc32c(0, $0.baseAddress, FrameHeader.sealedByteCount)
        }
        withUnsafeBytes(of: checksum.littleEndian) {
            bytes.replaceSubrange(FrameHeader.sealedByteCount..<FrameHeader.byteCount, with: $0)
        }
        return bytes
    }
}

/// What came of a lot of garbage.
struct GarbageTally: Sendable {
    var frames = 0
    /// Those that the server has to count as rejected.
    var rejected = 0
    var connections = 0
    /// Answers that should have been others.
    var wrong: [String] = []

    /// Sends garbage over one connection after the other: wrong calls, each to be answered with its error,
    /// then a frame that ends the connection, and more behind it that nobody looks at.
    /// - Parameter planted: put a frame among them that is right and is counted as garbage here.
    static func send(
        _ frameCount: Int, to address: String, seed: UInt64, sequence: UInt64, planted: Bool = false
    ) throws -> GarbageTally {
        var garbage = Garbage(seed: seed, sequence: sequence)
        var random = SeededGenerator(seed: ~seed)
        var tally = GarbageTally()
        while tally.frames < frameCount {
            let client = try FrameClient(address)
            let callCount = min(20 + random.below(40), frameCount - tally.frames)
            var bytes: [UInt8] = []
            var expected: [UInt32: Status] = [:]
            for stream in 1...UInt32(callCount) {
                let call = garbage.call(stream)
                bytes += call.bytes
                expected[stream] = call.status
            }
            if planted { bytes += FrameClient.check(UInt32(callCount) + 1) }
            let ending = garbage.ending(UInt32(callCount) + 2)
            client.send(bytes + ending.bytes + FrameClient.check(UInt32(callCount) + 3))
            tally.frames += callCount + 1
            tally.rejected += callCount + 1 + (planted ? 1 : 0)
            tally.connections += 1

            var reason: Wire.GoawayReason?
            while let frame = client.receive() {
                switch frame.header.kind {
                case .response:
                    let status = expected.removeValue(forKey: frame.header.stream)
                    if !planted && frame.status != status {
                        tally.wrong.append(
                            "\(frame.status) instead of \(status.map { "\($0)" } ?? "nothing")")
                    }
                case .goaway: reason = try frame.decoded(Wire.Goaway.self).reason
                default: break
                }
            }
            if !expected.isEmpty { tally.wrong.append("\(expected.count) calls without an answer") }
            if reason != ending.reason {
                tally.wrong.append(
                    "an end by \(reason.map { "\($0)" } ?? "nothing") instead of \(ending.reason)")
            }
        }
        return tally
    }
}
