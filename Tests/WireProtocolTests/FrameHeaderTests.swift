// Goal: a header is exactly the table in PROTOCOL.md, and each rule about it holds alone. Method: bytes put
// together by hand; a table of one broken rule a row, with the error that it must give; every single flipped
// bit; the order of the rules; random bytes.

import Testing
import WireProtocol

@Suite struct FrameHeaderTests {
    private func decode(_ bytes: [UInt8], bodyBytesMax: Int = 4096) throws(FrameError) -> FrameHeader {
        try FrameHeader.decode(bytes.span.bytes, bodyBytesMax: bodyBytesMax)
    }

    @Test func bytesAreThoseOfTheTable() throws {
        let header = FrameHeader(
            kind: .response, flags: [.bodyChecksum, .notExecuted], code: 0x0605, stream: 0x0A09_0807,
            value: 0x0E0D_0C0B, bodyLength: 0x0403, bodyChecksum: 0x1211_100F)
        var encoded = [UInt8](repeating: 0, count: 24)
        encoded.withUnsafeMutableBytes { header.encode(into: $0) }
        let sealed = bytes(hex: "03040000 04 06 0506 0708090a 0b0c0d0e 0f101112")
        #expect(hex(encoded) == hex(sealed + little(naiveChecksum(sealed))))
        #expect(try decode(encoded) == header)
    }

    @Test func fieldsOfEachKindSurvive() throws {
        for (kind, flags, code, stream, value, body): (FrameKind, UInt8, UInt16, UInt32, UInt32, UInt32) in [
            (.hello, 2, 0, 0, 0, 77), (.welcome, 2, 0, 0, 0, 77), (.request, 11, 65535, 1, .max, 4096),
            (.response, 15, 16, FrameHeader.streamMax, 9, 0), (.item, 11, 0, 5, 0, 1),
            (.end, 15, 999, 6, 7, 0),
            (.cancel, 0, 0, 8, 0, 0), (.credit, 0, 0, 9, 100, 0), (.ping, 2, 0, 0, 12, 0),
            (.pong, 0, 0, 0, 13, 0), (.goaway, 2, 0, 0, 0, 10),
        ] {
            let checksum: UInt32 = flags & 2 != 0 ? 0xABCD : 0
            let bytes = headerBytes(
                bodyLength: body, kind: kind.rawValue, flags: flags, code: code, stream: stream, value: value,
                bodyChecksum: checksum)
            let header = try decode(bytes)
            #expect(
                header
                    == FrameHeader(
                        kind: kind, flags: FrameFlags(rawValue: flags), code: code, stream: stream,
                        value: value,
                        bodyLength: body, bodyChecksum: checksum))
            #expect(header.frameByteCount == 24 + Int(body))
        }
    }

    /// One row: a header with one rule broken, its error, and the reason in the goaway.
    static let broken: [(name: String, bytes: [UInt8], error: FrameError, reason: Wire.GoawayReason)] = [
        (
            "body too long", headerBytes(bodyLength: 4097, kind: 3, stream: 1),
            .bodyTooLong(length: 4097, limit: 4096), .bodyTooLong
        ),
        (
            "longest length", headerBytes(bodyLength: .max, kind: 3, stream: 1),
            .bodyTooLong(length: 4_294_967_295, limit: 4096), .bodyTooLong
        ),
        ("kind 0", headerBytes(kind: 0), .unknownKind(0), .unexpectedFrame),
        ("kind 12", headerBytes(kind: 12), .unknownKind(12), .unexpectedFrame),
        ("kind 255", headerBytes(kind: 255), .unknownKind(255), .unexpectedFrame),
        (
            "flag without a name", headerBytes(kind: 3, flags: 0x10, stream: 1),
            .reservedFlags(kind: .request, flags: 0x10), .reservedBits
        ),
        (
            "highest flag", headerBytes(kind: 4, flags: 0x82, stream: 1),
            .reservedFlags(kind: .response, flags: 0x82), .reservedBits
        ),
        (
            "request not executed", headerBytes(kind: 3, flags: 4, stream: 1),
            .reservedFlags(kind: .request, flags: 4), .reservedBits
        ),
        (
            "item not executed", headerBytes(kind: 5, flags: 4, stream: 1),
            .reservedFlags(kind: .item, flags: 4), .reservedBits
        ),
        (
            "compressed hello", headerBytes(kind: 1, flags: 1), .reservedFlags(kind: .hello, flags: 1),
            .reservedBits
        ),
        (
            "extension on ping", headerBytes(kind: 9, flags: 8), .reservedFlags(kind: .ping, flags: 8),
            .reservedBits
        ),
        (
            "code of an item", headerBytes(kind: 5, code: 1, stream: 1),
            .reservedField(kind: .item, offset: 6),
            .reservedBits
        ),
        (
            "value of an item", headerBytes(kind: 5, stream: 1, value: 1),
            .reservedField(kind: .item, offset: 12), .reservedBits
        ),
        (
            "value of a cancel", headerBytes(kind: 7, stream: 1, value: 1),
            .reservedField(kind: .cancel, offset: 12), .reservedBits
        ),
        (
            "code of a ping", headerBytes(kind: 9, code: 1), .reservedField(kind: .ping, offset: 6),
            .reservedBits
        ),
        (
            "checksum without flag", headerBytes(kind: 3, stream: 1, bodyChecksum: 1),
            .reservedField(kind: .request, offset: 16), .reservedBits
        ),
        (
            "body of a cancel", headerBytes(bodyLength: 1, kind: 7, stream: 1),
            .bodyTooLong(length: 1, limit: 0), .bodyTooLong
        ),
        (
            "body of a credit", headerBytes(bodyLength: 1, kind: 8, stream: 1, value: 1),
            .bodyTooLong(length: 1, limit: 0), .bodyTooLong
        ),
        (
            "body of a pong", headerBytes(bodyLength: 9, kind: 10), .bodyTooLong(length: 9, limit: 0),
            .bodyTooLong
        ),
        ("request on stream 0", headerBytes(kind: 3), .badStream(0), .badStream),
        ("cancel on stream 0", headerBytes(kind: 7), .badStream(0), .badStream),
        ("highest stream", headerBytes(kind: 3, stream: .max), .badStream(.max), .badStream),
        (
            "hello on a stream", headerBytes(kind: 1, stream: 1), .reservedField(kind: .hello, offset: 8),
            .reservedBits
        ),
        (
            "goaway on a stream", headerBytes(kind: 11, stream: 1),
            .reservedField(kind: .goaway, offset: 8), .reservedBits
        ),
    ]

    @Test func eachRuleAlone() {
        for row in Self.broken {
            let error = thrown(FrameError.self) { () throws(FrameError) in _ = try decode(row.bytes) }
            #expect(error == row.error, "\(row.name)")
            #expect(error?.goawayReason == row.reason, "\(row.name)")
            #expect(error?.description.isEmpty == false, "\(row.name)")
        }
    }

    @Test func everyFlippedBitIsFound() {
        let good = headerBytes(
            bodyLength: 40, kind: 3, flags: 2, code: 1, stream: 7, value: 1000, bodyChecksum: 0x1234_5678)
        #expect(throws: Never.self) { try decode(good) }
        for bit in 0..<192 {
            var bad = good
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = thrown(FrameError.self) { () throws(FrameError) in _ = try decode(bad) }
            #expect(error?.goawayReason == .headerChecksum, "bit \(bit)")
        }
    }

    @Test func rulesAreTriedInOrder() {
        // Everything is wrong; mending one thing after the other shows the next rule.
        var fields: (length: UInt32, kind: UInt8, flags: UInt8, code: UInt16, stream: UInt32) =
            (9999, 99, 0xF0, 1, 1)
        func reason(seal: Bool = true) -> FrameError? {
            var bytes = headerBytes(
                bodyLength: fields.length, kind: fields.kind, flags: fields.flags, code: fields.code,
                stream: fields.stream)
            if !seal { bytes[23] ^= 1 }
            return thrown(FrameError.self) { () throws(FrameError) in _ = try decode(bytes) }
        }
        #expect(reason(seal: false)?.goawayReason == .headerChecksum)
        #expect(reason() == .bodyTooLong(length: 9999, limit: 4096))
        fields.length = 1
        #expect(reason() == .unknownKind(99))
        fields.kind = FrameKind.ping.rawValue
        #expect(reason() == .reservedFlags(kind: .ping, flags: 0xF0))
        fields.flags = 0
        #expect(reason() == .reservedField(kind: .ping, offset: 6))
        fields.code = 0
        #expect(reason() == .bodyTooLong(length: 1, limit: 0))
        fields.length = 0
        #expect(reason() == .reservedField(kind: .ping, offset: 8))
        fields.stream = 0
        #expect(reason() == nil)
    }

    @Test func statusesAreGRPCs() {
        let names = """
            OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS \
            PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE \
            DATA_LOSS UNAUTHENTICATED
            """
        #expect(Status.known.map(\.description).joined(separator: " ") == names)
        #expect(Status.unauthenticated.rawValue == 16 && Status.resourceExhausted.rawValue == 8)
        #expect(Status(rawValue: 4711).rawValue == 4711)
        #expect(Status(rawValue: 17).name == nil)
        #expect(Status(rawValue: 17).description == "STATUS_17")
    }
}
