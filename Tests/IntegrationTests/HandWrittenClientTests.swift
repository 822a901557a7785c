// Goal: PROTOCOL.md and REFERENCE.md are enough to write a client.
// Method: bytes put together here from these two pages alone, without the project's encoder, reader or
// checksum, over a plain socket to a real server. Only the register's content is made with the client
// library.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct HandWrittenClientTests {
    @Test func aCheckByHandIsAnswered() async throws {
        let server = try await TestServer.start()
        let admin = try await server.admin()
        let salon = try await Salon(admin)
        let granted = try await admin.grant(salon.grant(["hand@example.fr"], channels: [.email]))

        let socket = try RawSocket(server.address)
        socket.send(Array("CONSENT1".utf8) + frame(kind: 1, body: helloBody))
        let welcome = try #require(receiveFrame(socket))
        #expect(welcome.kind == 2)

        // Method 1, Check: see REFERENCE.md, CheckRequest.
        func request(_ address: String, controller: UInt32 = 7, purpose: UInt8 = 3) -> [UInt8] {
            bytes(granted.sequence) + bytes(controller) + [1, purpose, 0, 1]
                + [UInt8](repeating: 0, count: 16)
                + bytes(UInt32(address.utf8.count)) + bytes(UInt32(0)) + Array(address.utf8)
        }
        let questions: [(UInt32, [UInt8], decision: UInt8, reason: UInt8)] = [
            (1, request("hand@example.fr"), 1, 1),
            (3, request("HAND@Example.fr "), 1, 1),
            (5, request("nobody@example.fr"), 0, 96),
            (7, request("nobody@example.fr", purpose: 1), 1, 2),
            (9, request("hand@example.fr", controller: 99), 0, 34),
            (11, request("hand@example.fr", purpose: 60), 0, 32),
        ]
        // All in one write: answers may come in any order, so they are told apart by stream.
        socket.send(questions.flatMap { frame(kind: 3, code: 1, stream: $0.0, value: 500_000, body: $0.1) })
        var answers: [UInt32: [UInt8]] = [:]
        for _ in questions {
            let answer = try #require(receiveFrame(socket))
            #expect(answer.kind == 4 && answer.code == 0 && answer.body.count == 32)
            answers[answer.stream] = answer.body
        }
        for question in questions {
            let body = try #require(answers[question.0])
            #expect(body[24] == question.decision && body[25] == question.reason, "stream \(question.0)")
            #expect(number(body, 0, 8) >= granted.sequence)
        }

        // A ping is answered with its number.
        socket.send(frame(kind: 9, value: 4711))
        let pong = try #require(receiveFrame(socket))
        #expect(pong.kind == 10 && pong.value == 4711)
        await admin.close()
        await server.server.drain()
    }

    @Test func badFramesEndTheConnectionWithAReason() async throws {
        let server = try await TestServer.start()
        let hello = Array("CONSENT1".utf8) + frame(kind: 1, body: helloBody)
        func corrupted(_ frame: [UInt8], at offset: Int) -> [UInt8] {
            var copy = frame
            copy[offset] ^= 0xff
            return copy
        }
        let ping = frame(kind: 9, value: 1)
        // What is sent after (or instead of) the hello, and the reason's number in REFERENCE.md,
        // GoawayReason.
        let cases: [(String, [UInt8], UInt64)] = [
            ("another preface", Array("GET / HTTP/1.1\r\n".utf8), 1),
            (
                "a version that nobody speaks",
                Array("CONSENT1".utf8) + frame(kind: 1, body: [0x09, 0, 99, 0, 0x11, 0, 99, 0]), 2
            ),
            (
                "an unknown required feature",
                Array("CONSENT1".utf8)
                    + frame(kind: 1, body: Self.versions + [0x1b, 0] + bytes(UInt64(1) << 20)), 3
            ),
            (
                "an unknown credential",
                Array("CONSENT1".utf8)
                    + frame(kind: 1, body: Self.versions + [0x56, 0, 3, 0, 0, 0, 1, 2, 3]), 5
            ),
            ("a header checksum", hello + corrupted(ping, at: 12), 6),
            ("an unknown kind", hello + frame(kind: 77), 7),
            ("a frame of the other side", hello + frame(kind: 4, stream: 1), 7),
            ("a reserved flag", hello + frame(kind: 9, flags: 0x80), 8),
            ("a body over the limit", hello + header(length: 1 << 30, kind: 3, code: 1, stream: 1), 9),
            ("stream 0", hello + frame(kind: 3, code: 1, stream: 0, body: []), 10),
        ]
        for (name, sent, reason) in cases {
            let socket = try RawSocket(server.address)
            socket.send(sent)
            var last = try #require(receiveFrame(socket), "\(name)")
            if last.kind == 2 { last = try #require(receiveFrame(socket), "\(name)") }
            #expect(last.kind == 11, "\(name)")
            // Goaway: field 1 is the reason, a u16 (class 1): tag 1 << 3 | 1.
            #expect(number(last.body, 0, 2) == 9 && number(last.body, 2, 2) == reason, "\(name)")
            #expect(socket.isAtEnd(), "\(name)")
        }

        // A damaged body is the error of its call alone: DATA_LOSS, and the connection goes on.
        let socket = try RawSocket(server.address)
        socket.send(hello)
        #expect(receiveFrame(socket)?.kind == 2)
        socket.send(
            corrupted(frame(kind: 3, code: 1, stream: 1, body: [UInt8](repeating: 0, count: 40)), at: 30))
        #expect(receiveFrame(socket)?.code == 15)
        socket.send(frame(kind: 3, code: 1, stream: 3, body: [1, 2, 3]))
        #expect(receiveFrame(socket)?.code == 3)
        socket.send(frame(kind: 3, code: 999, stream: 5))
        #expect(receiveFrame(socket)?.code == 12)
        socket.send(ping)
        #expect(receiveFrame(socket)?.kind == 10)
        await server.server.drain()
    }

    // MARK: The protocol by hand

    /// Versions 1 to 1: fields 1 and 2, class 1.
    private static let versions: [UInt8] = [0x09, 0, 1, 0, 0x11, 0, 1, 0]
    /// Client name "hand": field 9, class 6.
    private let helloBody = versions + [0x4e, 0, 4, 0, 0, 0] + Array("hand".utf8)

    private func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        (0..<MemoryLayout<Number>.size).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }

    private func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
    }

    /// CRC32C a bit at a time: reflected polynomial 0x82F63B78, start and end inverted.
    private func crc(_ bytes: [UInt8]) -> UInt32 {
        var rest: UInt32 = 0xffff_ffff
        for byte in bytes {
            rest ^= UInt32(byte)
            for _ in 0..<8 { rest = rest & 1 == 1 ? (rest >> 1) ^ 0x82f6_3b78 : rest >> 1 }
        }
        return rest ^ 0xffff_ffff
    }

    private func header(
        length: UInt32, kind: UInt8, flags: UInt8 = 0, code: UInt16 = 0, stream: UInt32 = 0,
        value: UInt32 = 0,
        bodySum: UInt32 = 0
    ) -> [UInt8] {
        let sealed =
            bytes(length) + [kind, flags] + bytes(code) + bytes(stream) + bytes(value) + bytes(bodySum)
        return sealed + bytes(crc(sealed))
    }

    private func frame(
        kind: UInt8, flags: UInt8 = 0, code: UInt16 = 0, stream: UInt32 = 0, value: UInt32 = 0,
        body: [UInt8] = []
    ) -> [UInt8] {
        // Flag bit 1: the body's checksum is filled in.
        header(
            length: UInt32(body.count), kind: kind, flags: body.isEmpty ? flags : flags | 2, code: code,
            stream: stream, value: value, bodySum: body.isEmpty ? 0 : crc(body)) + body
    }

    private struct Received {
        var kind: UInt8
        var code: UInt16
        var stream: UInt32
        var value: UInt32
        var body: [UInt8]
    }

    private func receiveFrame(_ socket: RawSocket) -> Received? {
        guard let header = socket.receive(24) else { return nil }
        #expect(number(header, 20, 4) == UInt64(crc(Array(header[..<20]))))
        let length = Int(number(header, 0, 4))
        guard let body = length == 0 ? [] : socket.receive(length) else { return nil }
        if header[5] & 2 != 0 { #expect(number(header, 16, 4) == UInt64(crc(body))) }
        return Received(
            kind: header[4], code: UInt16(number(header, 6, 2)), stream: UInt32(number(header, 8, 4)),
            value: UInt32(number(header, 12, 4)), body: body)
    }
}
