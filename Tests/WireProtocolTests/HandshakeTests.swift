// Goal: two sides agree on what both can do, or one says why not. Method: a table of hellos against one
// offer, each with the whole answer; a table of welcomes against one hello; a hello and welcome over bytes.

import TestRandomness
import Testing
import WireProtocol

@Suite struct HandshakeTests {
    static let home = Wire.Bytes16(word0: 1, word1: 2)
    static let offer = Handshake.ServerOffer(
        versions: 2...4, features: Feature.compression | 1 << 5, bodyBytesMax: 1 << 20, inFlightMax: 100,
        deployment: home, keyEpoch: 7, incarnation: Wire.Bytes16(word0: 8, word1: 9), sequence: 10,
        serverName: "test")

    private func hello(_ change: (inout Wire.Hello) -> Void = { _ in }) -> Wire.Hello {
        var hello = Wire.Hello(versionMin: 1, versionMax: 9)
        change(&hello)
        return hello
    }

    @Test func hellosThatFit() {
        let rows: [(name: String, hello: Wire.Hello, agreement: Agreement)] = [
            (
                "defaults", hello(),
                Agreement(version: 4, features: 0, bodyBytesMax: 1 << 20, inFlightMax: 100)
            ),
            (
                "lower version", hello { $0.versionMax = 2 },
                Agreement(version: 2, features: 0, bodyBytesMax: 1 << 20, inFlightMax: 100)
            ),
            (
                "only the highest", hello { $0.versionMin = 4 },
                Agreement(version: 4, features: 0, bodyBytesMax: 1 << 20, inFlightMax: 100)
            ),
            (
                "features of both, unknown optional ones ignored",
                hello {
                    $0.featuresRequired = 1 << 5
                    $0.featuresOptional = 0xFFFF_FFFF_0000_0003
                }, Agreement(version: 4, features: 0b10_0001, bodyBytesMax: 1 << 20, inFlightMax: 100)
            ),
            (
                "client's limits are lower",
                hello {
                    $0.bodyBytesMax = 4096
                    $0.inFlightMax = 1
                }, Agreement(version: 4, features: 0, bodyBytesMax: 4096, inFlightMax: 1)
            ),
            (
                "client's limits are higher",
                hello {
                    $0.bodyBytesMax = .max
                    $0.inFlightMax = .max
                }, Agreement(version: 4, features: 0, bodyBytesMax: 1 << 20, inFlightMax: 100)
            ),
            (
                "same deployment", hello { $0.deployment = Self.home },
                Agreement(version: 4, features: 0, bodyBytesMax: 1 << 20, inFlightMax: 100)
            ),
        ]
        for row in rows {
            guard case .accept(let welcome) = Handshake.negotiate(row.hello, server: Self.offer) else {
                Issue.record("\(row.name) was rejected")
                continue
            }
            #expect(Agreement(welcome) == row.agreement, "\(row.name)")
            #expect(welcome.deployment == Self.home && welcome.keyEpoch == 7 && welcome.sequence == 10)
            #expect(welcome.incarnation == Self.offer.incarnation && welcome.serverName == "test")
            #expect(welcome.schemaFingerprint == Wire.schemaFingerprint)
        }
    }

    @Test func hellosThatDoNotFit() {
        let rows: [(name: String, hello: Wire.Hello, reason: Wire.GoawayReason)] = [
            ("too old", hello { $0.versionMax = 1 }, .noCommonVersion),
            ("too new", hello { $0.versionMin = 5 }, .noCommonVersion),
            ("no range", hello { ($0.versionMin, $0.versionMax) = (4, 3) }, .protocolError),
            ("unknown feature", hello { $0.featuresRequired = 1 << 6 }, .unknownFeature),
            ("reserved feature required", hello { $0.featuresRequired = 1 << 63 }, .unknownFeature),
            (
                "other deployment", hello { $0.deployment = Wire.Bytes16(word0: 1, word1: 3) },
                .wrongDeployment
            ),
            ("body too small", hello { $0.bodyBytesMax = 4095 }, .protocolError),
            (
                "version is told first",
                hello {
                    $0.versionMax = 1
                    $0.featuresRequired = .max
                    $0.deployment = Wire.Bytes16(word0: 9)
                }, .noCommonVersion
            ),
            (
                "then the feature",
                hello {
                    $0.featuresRequired = .max
                    $0.deployment = Wire.Bytes16(word0: 9)
                }, .unknownFeature
            ),
        ]
        for row in rows {
            guard case .reject(let goaway) = Handshake.negotiate(row.hello, server: Self.offer) else {
                Issue.record("\(row.name) was accepted")
                continue
            }
            #expect(goaway.reason == row.reason, "\(row.name)")
            #expect(
                goaway.versionMin == 2 && goaway.versionMax == 4 && !goaway.message.isEmpty, "\(row.name)")
            #expect(goaway.lastStream == 0, "\(row.name)")
        }
    }

    @Test func aServerWithoutDeploymentTakesOnlyClientsThatNameNone() {
        let open = Handshake.ServerOffer()
        let any = Wire.Hello(versionMin: 1, versionMax: 1)
        let named = Wire.Hello(versionMin: 1, versionMax: 1, deployment: Self.home)
        guard case .accept = Handshake.negotiate(any, server: open),
            case .reject(let goaway) = Handshake.negotiate(named, server: open)
        else {
            Issue.record("a deployment was mistaken")
            return
        }
        #expect(goaway.reason == .wrongDeployment)
    }

    @Test func offersAreCutToTheProtocolsLimits() {
        let large = Handshake.ServerOffer(bodyBytesMax: .max, inFlightMax: .max)
        #expect(
            large.bodyBytesMax == Wire.Limits.bodyBytesMax && large.inFlightMax == Wire.Limits.inFlightMax)
        let small = Handshake.ServerOffer(bodyBytesMax: 0, inFlightMax: 0)
        #expect(small.bodyBytesMax == Wire.Limits.helloBytesMax && small.inFlightMax == 1)
    }

    @Test func helloSetsOneReservedBitEachTimeAnother() {
        var generator = SeededGenerator(seed: 32)
        var seen: Set<UInt64> = []
        for _ in 0..<500 {
            let hello = Handshake.hello(using: &generator)
            let reserved = hello.featuresOptional & ~Feature.known
            #expect(reserved.nonzeroBitCount == 1 && reserved >= 1 << 32)
            #expect(hello.featuresOptional & Feature.known == Feature.known && hello.featuresRequired == 0)
            seen.insert(reserved)
        }
        #expect(seen.count == 32)
    }

    @Test func welcomesAreChecked() throws {
        let hello = Wire.Hello(
            versionMin: 2, versionMax: 4, featuresOptional: Feature.compression | 1 << 40,
            bodyBytesMax: 1 << 16,
            inFlightMax: 50, deployment: Self.home)
        let good = Wire.Welcome(
            version: 3, features: Feature.compression, bodyBytesMax: 1 << 16, inFlightMax: 50,
            deployment: Self.home)
        #expect(
            try Handshake.accept(good, hello: hello)
                == Agreement(version: 3, features: 1, bodyBytesMax: 1 << 16, inFlightMax: 50))
        let rows: [(name: String, change: (inout Wire.Welcome) -> Void, error: HandshakeError)] = [
            ("version below", { $0.version = 1 }, .version(chosen: 1, offered: 2...4)),
            ("version above", { $0.version = 5 }, .version(chosen: 5, offered: 2...4)),
            (
                "the reserved bit", { $0.features = 1 << 40 },
                .features(chosen: 1 << 40, required: 0, optional: hello.featuresOptional)
            ),
            (
                "a feature not offered", { $0.features = 2 },
                .features(chosen: 2, required: 0, optional: hello.featuresOptional)
            ),
            (
                "body above", { $0.bodyBytesMax = 65537 },
                .limit(name: "body_bytes_max", chosen: 65537, allowed: 4096...65536)
            ),
            (
                "body zero", { $0.bodyBytesMax = 0 },
                .limit(name: "body_bytes_max", chosen: 0, allowed: 4096...65536)
            ),
            (
                "in flight above", { $0.inFlightMax = 51 },
                .limit(name: "in_flight_max", chosen: 51, allowed: 1...50)
            ),
            (
                "in flight zero", { $0.inFlightMax = 0 },
                .limit(name: "in_flight_max", chosen: 0, allowed: 1...50)
            ),
            ("other deployment", { $0.deployment = Wire.Bytes16(word0: 5) }, .deployment),
        ]
        for row in rows {
            var welcome = good
            row.change(&welcome)
            let error = thrown(HandshakeError.self) { () throws(HandshakeError) in
                _ = try Handshake.accept(welcome, hello: hello)
            }
            #expect(error == row.error, "\(row.name)")
            #expect(error?.description.isEmpty == false)
        }
        var requiring = hello
        requiring.featuresRequired = Feature.compression
        var without = good
        without.features = 0
        #expect(throws: HandshakeError.self) { try Handshake.accept(without, hello: requiring) }
    }

    @Test func bothSidesAgreeOverBytes() throws {
        var generator = SeededGenerator(seed: 5)
        let hello = Handshake.hello(
            deployment: Self.home, clientName: "test client", credential: [1, 2, 3], using: &generator)
        var offer = Self.offer
        offer.versions = 1...1
        var client = FrameWriter()
        client.appendPrefaceAndHello(hello)
        var state = ServerConnectionState()
        #expect(state.receivedPreface(client.bytes) == .drop(byteCount: 8))
        var reader = FrameReader(bodyBytesMax: state.agreement.bodyBytesMax)
        let frames = client.bytes.extracting(droppingFirst: 8)
        let frame = try #require(try reader.next(frames))
        #expect(state.received(frame.header) == .hello)
        try frame.header.verifyBody(frames.extracting(frame.body))
        let received = try Wire.Hello(decoding: frames.extracting(frame.body))
        #expect(received == hello)
        guard case .accept(let welcome) = Handshake.negotiate(received, server: offer) else {
            Issue.record("rejected")
            return
        }
        state.accept(Agreement(welcome))

        var server = FrameWriter()
        server.appendWelcome(welcome)
        var clientState = ClientConnectionState()
        var clientReader = FrameReader(bodyBytesMax: clientState.agreement.bodyBytesMax)
        let answer = try #require(try clientReader.next(server.bytes))
        #expect(clientState.received(answer.header) == .welcome)
        let agreement = try Handshake.accept(
            Wire.Welcome(decoding: server.bytes.extracting(answer.body)), hello: hello)
        clientState.accept(agreement)
        #expect(agreement == state.agreement && agreement.allowsCompression)
        #expect(clientState.phase == .open && state.phase == .open)
    }
}
