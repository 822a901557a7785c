// Goal: peers are asked in their own protocols, get the same questions as consentd, and wrong answers,
// errors and cut answers are what they are.
//
// Method: a small server that speaks as much of RESP and of memcached's text protocol as the load tester
// uses, over a dictionary, on a real socket; it can lose a share of its keys, or cut its answers into pieces.

import ConsentClient
import LoadGenerator
import NIOCore
import NIOPosix
import Synchronization
import Testing
import WireProtocol

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the peer holds, shared by its connections.
final class PeerMemory: Sendable {
    let values = Mutex<[[UInt8]: [UInt8]]>([:])
    let sets = Mutex<[[UInt8]: Set<[UInt8]>]>([:])
    /// Answers in pieces of so many bytes; 0: whole.
    let pieceBytes: Int

    init(pieceBytes: Int = 0) { self.pieceBytes = pieceBytes }
}

/// One connection of the peer.
final class PeerConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let kind: PeerKind
    private let memory: PeerMemory
    private var received: [UInt8] = []
    private var place = 0

    init(_ kind: PeerKind, _ memory: PeerMemory) {
        self.kind = kind
        self.memory = memory
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytesView
        var answer: [UInt8] = []
        while true {
            place = 0
            guard let one = kind == .redis ? redis() : memcached() else { break }
            answer += one
            received.removeFirst(place)
        }
        let step = memory.pieceBytes == 0 ? max(answer.count, 1) : memory.pieceBytes
        for start in stride(from: 0, to: answer.count, by: step) {
            let piece = answer[start..<min(start + step, answer.count)]
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: piece)), promise: nil)
        }
    }

    private func line() -> [UInt8]? {
        guard let end = received[place...].firstIndex(of: 10) else { return nil }
        defer { place = end + 1 }
        return Array(received[place..<end - 1])
    }

    private func bytes(_ count: Int) -> [UInt8]? {
        guard received.count - place >= count + 2 else { return nil }
        defer { place += count + 2 }
        return Array(received[place..<place + count])
    }

    private func redis() -> [UInt8]? {
        guard let head = line(), let count = Int(String(decoding: head.dropFirst(), as: UTF8.self)) else {
            return nil
        }
        var words: [[UInt8]] = []
        for _ in 0..<count {
            guard let size = line(), let length = Int(String(decoding: size.dropFirst(), as: UTF8.self)),
                let word = bytes(length)
            else { return nil }
            words.append(word)
        }
        func bulk(_ value: [UInt8]?) -> [UInt8] {
            value.map { Array("$\($0.count)\r\n".utf8) + $0 + [13, 10] } ?? Array("$-1\r\n".utf8)
        }
        let keys = words.dropFirst()
        switch String(decoding: words[0], as: UTF8.self) {
        case "GET": return memory.values.withLock { bulk($0[words[1]]) }
        case "MGET":
            return memory.values.withLock { values in
                Array("*\(keys.count)\r\n".utf8) + keys.flatMap { bulk(values[$0]) }
            }
        case "SET", "MSET":
            memory.values.withLock { values in
                for place in stride(from: 1, to: words.count, by: 2) {
                    values[words[place]] = words[place + 1]
                }
            }
            return Array("+OK\r\n".utf8)
        case "SADD":
            let added = memory.sets.withLock { sets in
                keys.dropFirst().count { sets[words[1], default: []].insert($0).inserted }
            }
            return Array(":\(added)\r\n".utf8)
        case "SMISMEMBER":
            return memory.sets.withLock { sets in
                Array("*\(keys.count - 1)\r\n".utf8)
                    + keys.dropFirst().flatMap {
                        Array((sets[words[1]]?.contains($0) == true ? ":1\r\n" : ":0\r\n").utf8)
                    }
            }
        default: return Array("-ERR unknown command\r\n".utf8)
        }
    }

    private func memcached() -> [UInt8]? {
        guard let line = line() else { return nil }
        let words = line.split(separator: 32).map { Array($0) }
        switch String(decoding: words[0], as: UTF8.self) {
        case "get":
            return memory.values.withLock { values in
                words.dropFirst().flatMap { key -> [UInt8] in
                    guard let value = values[key] else { return [] }
                    return Array("VALUE ".utf8) + key + Array(" 0 \(value.count)\r\n".utf8) + value + [
                        13, 10,
                    ]
                } + Array("END\r\n".utf8)
            }
        case "set":
            guard let count = Int(String(decoding: words[4], as: UTF8.self)), let value = bytes(count) else {
                return nil
            }
            memory.values.withLock { $0[words[1]] = value }
            return Array("STORED\r\n".utf8)
        default: return Array("ERROR\r\n".utf8)
        }
    }
}

@Suite(.serialized) struct PeerTests {
    static func withPeer<R>(
        _ kind: PeerKind, _ memory: PeerMemory, _ work: (Int) async throws -> R
    ) async throws -> R {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PeerConnection(kind, memory))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        let result: Result<R, any Error>
        do { result = .success(try await work(port)) } catch { result = .failure(error) }
        try await channel.close()
        try await group.shutdownGracefully()
        return try result.get()
    }

    static func seedOptions() -> SeedOptions {
        var options = SeedOptions(server: ServerOptions(address: ServerAddress(host: "127.0.0.1", port: 1)))
        options.recipients = 2_000
        options.controllers = 10
        options.connections = 2
        return options
    }

    static func checkOptions(batch: Int) -> CheckOptions {
        var options = CheckOptions(server: ServerOptions(address: ServerAddress(host: "127.0.0.1", port: 1)))
        options.plan = EngineTests.plan()
        options.shape.itemsPerQuestion = batch
        options.shape.verifies = true
        options.shape.hitRatio = 0.8
        options.poolItems = 4_096
        return options
    }

    static let ways: [(PeerKind, PeerCommand)] = [(.redis, .get), (.redis, .smismember), (.memcached, .get)]

    @Test(arguments: ways, [1, 7, 100]) func rightAnswersAreRight(
        _ way: (kind: PeerKind, command: PeerCommand), _ batch: Int
    ) async throws {
        for pieceBytes in [0, 5] {
            let memory = PeerMemory(pieceBytes: pieceBytes)
            let report = try await Self.withPeer(way.kind, memory) { port in
                let format = try PeerFormat(kind: way.kind, command: way.command)
                let peer = PeerOptions(format: format, host: "127.0.0.1", port: port)
                let seeded = try await PeerRun.seed(peer, Self.seedOptions())
                #expect(seeded.population.recipients == 2_000)
                // Again: nothing changes, and the population is the same.
                #expect(try await PeerRun.seed(peer, Self.seedOptions()).population == seeded.population)
                return try await PeerRun.check(peer, Self.checkOptions(batch: batch))
            }
            let statistics = report.result.statistics
            #expect(statistics.requests > 20 && statistics.units == statistics.requests * batch)
            #expect(
                statistics.wrong == 0 && statistics.errorCount == 0 && report.exitCode == .done,
                "\(report.text)")
            #expect(statistics.bytesSent > statistics.units * 16 && statistics.bytesReceived > 0)
            #expect(report.peer?.hasPrefix(way.kind.rawValue) == true)
        }
    }

    @Test(arguments: ways) func lostKeysAreFound(
        _ way: (kind: PeerKind, command: PeerCommand)
    ) async throws {
        let memory = PeerMemory()
        let report = try await Self.withPeer(way.kind, memory) { port in
            let format = try PeerFormat(kind: way.kind, command: way.command)
            let peer = PeerOptions(format: format, host: "127.0.0.1", port: port)
            _ = try await PeerRun.seed(peer, Self.seedOptions())
            memory.values.withLock { values in
                for key in values.keys where key.count != 15 && key[3] & 1 == 0 && key.count < 25 {
                    if String(decoding: key, as: UTF8.self).hasPrefix("load-") { continue }
                    values[key] = nil
                }
            }
            memory.sets.withLock { sets in
                for name in sets.keys { sets[name] = sets[name]?.filter { $0[3] & 1 == 1 } }
            }
            return try await PeerRun.check(peer, Self.checkOptions(batch: 10))
        }
        let statistics = report.result.statistics
        // Of the hits, 80 %, half are gone; of sets only those that allowed show.
        #expect(statistics.wrong > statistics.units / 8 && statistics.wrong < statistics.units * 6 / 10)
        #expect(report.exitCode == .wrongAnswers && !report.wrongAnswers.isEmpty)
    }

    @Test func theSameRecipientsAreAskedAbout() throws {
        let population = try Population(seed: 3, recipients: 5_000, controllers: 10, anchorDay: 20_000)
        var shape = QuestionShape()
        shape.itemsPerQuestion = 10
        shape.recipients = 5_000
        var one = QuestionPicker(population: population, shape: shape, seed: 4)
        var other = QuestionPicker(population: population, shape: shape, seed: 4)
        for _ in 0..<50 { #expect(one.next().subjects == other.next().subjects) }
    }

    @Test func anErrorOfThePeerEndsTheRunWithItsWords() async throws {
        // A memcached that is asked as if it were a Redis.
        let error = await #expect(throws: LoadError.self) {
            try await Self.withPeer(.memcached, PeerMemory()) { port in
                let peer = PeerOptions(
                    format: try PeerFormat(kind: .redis, command: .get), host: "127.0.0.1", port: port)
                return try await PeerRun.check(peer, Self.checkOptions(batch: 1))
            }
        }
        #expect(error.map { "\($0)".contains("the peer answered: ERROR") } == true)
    }

    @Test func nobodyThereAndNothingLoaded() async throws {
        let format = try PeerFormat(kind: .redis, command: .get)
        let empty = await #expect(throws: LoadError.self) {
            try await Self.withPeer(.redis, PeerMemory()) { port in
                try await PeerRun.check(
                    PeerOptions(format: format, host: "127.0.0.1", port: port), Self.checkOptions(batch: 1))
            }
        }
        #expect(empty?.exitCode == .configuration && "\(empty.map { "\($0)" } ?? "")".contains("seed --peer"))
        let port = try await Self.withPeer(.redis, PeerMemory()) { $0 }
        let nobody = await #expect(throws: LoadError.self) {
            try await PeerRun.check(
                PeerOptions(format: format, host: "127.0.0.1", port: port), Self.checkOptions(batch: 1))
        }
        #expect(
            nobody?.exitCode == .unavailable && "\(nobody.map { "\($0)" } ?? "")".contains("--peer-address"))
        #expect(throws: LoadError.self) { try PeerFormat(kind: .memcached, command: .smismember) }
    }

    @Test func thisProcessHasATime() throws {
        let before = try #require(ProcessTime.seconds(ofProcess: getpid()))
        var word: UInt64 = 1
        let start = clock()
        while clock() - start < 200_000 { word = Mix64.mix(word) }
        let after = try #require(ProcessTime.seconds(ofProcess: getpid()))
        #expect(after > before && word != 0)
        #expect(ProcessTime.seconds(ofProcess: -1) == nil)
    }
}
