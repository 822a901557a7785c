// Goal: the bytes printed in PROTOCOL.md are the bytes on the wire. Method: each hex block of the page is
// compared with what the encoders write for the values that the page names, and read back by the decoders.

import Foundation
import Testing
import WireProtocol

@Suite struct ProtocolPageTests {
    /// The hex blocks of the page by their name.
    private func blocks() throws -> [String: [UInt8]] {
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Protocol/PROTOCOL.md")
        var blocks: [String: [UInt8]] = [:]
        var name: String?
        for line in try String(contentsOf: page, encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            if line.hasPrefix("```hex ") {
                name = String(line.dropFirst(7))
            } else if line == "```" {
                name = nil
            } else if let name {
                blocks[name, default: []] += bytes(hex: String(line))
            }
        }
        return blocks
    }

    @Test func printedBytesAreTheBytesOnTheWire() throws {
        let blocks = try blocks()
        var expected: [String: [UInt8]] = ["preface": Array("CONSENT1".utf8)]
        func write(_ name: String, _ body: (inout FrameWriter) -> Void) {
            var writer = FrameWriter()
            body(&writer)
            expected[name] = writer.array
        }
        let hello = Wire.Hello(
            versionMin: 1, versionMax: 1, featuresOptional: Feature.compression | 1 << 40,
            bodyBytesMax: 4_194_304, inFlightMax: 1024,
            schemaFingerprint: 0x1122_3344_5566_7788, clientName: "demo")
        write("hello") { writer in
            let frame = writer.beginFrame(.hello)
            hello.encode(into: &writer)
            writer.endFrame(frame)
        }
        let deployment = try #require(Wire.Bytes16(0..<16))
        let incarnation = try #require(Wire.Bytes16(16..<32))
        let welcome = Wire.Welcome(
            version: 1, features: Feature.compression, bodyBytesMax: 4_194_304, inFlightMax: 1024,
            schemaFingerprint: 0x1122_3344_5566_7788, deployment: deployment, keyEpoch: 1,
            incarnation: incarnation, sequence: 42, serverName: "consentd")
        write("welcome") { $0.appendWelcome(welcome) }
        let key = try #require(Wire.Bytes16(0xA0...0xAF))
        write("check-request") { writer in
            let frame = writer.beginFrame(
                .request, code: Wire.Method.check.rawValue, stream: 1, value: 1_000_000)
            _ = Wire.CheckRequest(
                controller: 7, channel: .email, purpose: 3, class: .marketing, keyMode: .key, key: key
            ).beginEncoding(into: &writer)
            writer.endFrame(frame)
        }
        write("check-response") { writer in
            let frame = writer.beginFrame(.response, code: Status.ok.rawValue, stream: 1, value: 12)
            Wire.CheckResponse(
                sequence: 42, now: 1_764_000_000_000_000, validUntil: 1_795_536_000_000_000, decision: .allow,
                reason: .consent
            ).encode(into: &writer)
            writer.endFrame(frame)
        }
        write("ping-cancel-credit") { writer in
            writer.appendFrame(.ping, value: 7)
            writer.appendFrame(.cancel, stream: 1)
            writer.appendFrame(.credit, stream: 3, value: 64)
        }
        #expect(blocks.keys.sorted() == expected.keys.sorted())
        for (name, bytes) in expected {
            #expect(hex(blocks[name] ?? []) == hex(bytes), "\(name)")
        }
        #expect(FrameWriter.prefaceAndHello(hello) == (expected["preface"] ?? []) + (expected["hello"] ?? []))
    }

    @Test func printedBytesAreRead() throws {
        let blocks = try blocks()
        var reader = FrameReader(bodyBytesMax: Wire.Limits.helloBytesMax)
        let bytes = ["hello", "welcome", "check-request", "check-response", "ping-cancel-credit"]
            .flatMap { blocks[$0] ?? [] }
        var kinds: [FrameKind] = []
        while let frame = try reader.next(bytes.span.bytes) {
            try frame.header.verifyBody(bytes.span.bytes.extracting(frame.body))
            kinds.append(frame.header.kind)
        }
        #expect(kinds == [.hello, .welcome, .request, .response, .ping, .cancel, .credit])
        #expect(reader.consumed == bytes.count)
    }
}

extension FrameWriter {
    fileprivate static func prefaceAndHello(_ hello: Wire.Hello) -> [UInt8] {
        var writer = FrameWriter()
        writer.appendPrefaceAndHello(hello)
        return writer.array
    }
}
