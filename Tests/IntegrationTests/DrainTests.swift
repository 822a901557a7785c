// Goal: SIGTERM loses no call: each is answered, or its client can tell that it was not executed.
// Method: a daemon process with hundreds of grants in flight on several connections, more of them sent while
// it drains and after its last goaway; then every answer is held against the register of the next daemon.

import ConsentClient
import Foundation
import TestSupport
import Testing
import WireProtocol

@Suite struct DrainTests {
    /// One connection with what came of its calls.
    private final class Caller {
        let client: FrameClient
        let name: String
        let salon: Salon
        var sent: UInt32 = 0
        var recorded: Set<UInt32> = []
        var notExecuted: Set<UInt32> = []
        var lastStream = UInt32.max

        init(_ address: String, _ name: String, _ salon: Salon) throws {
            client = try FrameClient(address)
            self.name = name
            self.salon = salon
        }

        func address(_ stream: UInt32) -> String { "drain-\(name)-\(stream)@example.fr" }

        func sendGrants(_ count: Int) {
            var bytes: [UInt8] = []
            for _ in 0..<count {
                sent += 1
                bytes += FrameClient.request(
                    .grant, sent,
                    Wire.GrantRequest(
                        controller: salon.controller.rawValue,
                        contacts: [Wire.WriteContact(address: address(sent))],
                        channels: [Wire.Channel(rawValue: 1)], purposes: [salon.promotions.rawValue],
                        notice: Wire.Bytes32(of: salon.notice), source: .widget, act: .tickedBox))
            }
            client.send(bytes)
        }

        /// Reads to the end of the connection; answers the ping, then sends more.
        func finish(pongs: Bool) throws {
            while let frame = client.receive() {
                switch frame.header.kind {
                case .ping where pongs:
                    client.send(FrameClient.frame(.pong, value: frame.header.value))
                case .goaway:
                    let goaway: Wire.Goaway = try frame.decoded()
                    #expect(goaway.reason == .drain)
                    lastStream = goaway.lastStream
                    // What is sent after this is too late, and must not be done.
                    if lastStream != .max { sendGrants(5) }
                case .response where frame.status == .ok:
                    let response: Wire.WriteResponse = try frame.decoded()
                    #expect(response.status == .recorded)
                    #expect(recorded.insert(frame.header.stream).inserted, "answered twice")
                case .response:
                    #expect(frame.status == .unavailable && frame.isNotExecuted)
                    #expect(notExecuted.insert(frame.header.stream).inserted, "answered twice")
                default: break
                }
            }
        }
    }

    @Test(arguments: [true, false])
    func aStopUnderLoadLosesNothing(pongs: Bool) async throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        var daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        func connect() async throws -> ConsentClient {
            let token = try String(contentsOfFile: state + "/admin.token", encoding: .utf8)
            var configuration = ConsentClient.Configuration()
            configuration.credential = Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
            return try await ConsentClient.connect(to: daemon.address, configuration: configuration)
        }
        var admin = try await connect()
        let salon = try await Salon(admin)
        await admin.close()
        let callers = try (0..<4).map { try Caller(daemon.address, "\(pongs)\($0)", salon) }
        // A watch and a history that nobody reads must not hold the stop up.
        let idle = try FrameClient(daemon.address)
        idle.call(.watch, 1, Wire.WatchRequest())
        for caller in callers { caller.sendGrants(100) }
        daemon.program.signal(SIGTERM)
        try await Task.sleep(for: .milliseconds(2))
        for caller in callers { caller.sendGrants(50) }
        for caller in callers { try caller.finish(pongs: pongs) }
        let end = daemon.program.wait()
        #expect(end.code == 0, "\(end.errors)")

        daemon = try DaemonUnderTest(stateFolder: state)
        admin = try await connect()
        for caller in callers {
            let streams = Array(1...caller.sent)
            let answers = await admin.checkBatch(
                salon.question(.email), addresses: streams.map(caller.address))
            #expect(answers.cause == nil)
            for (position, stream) in streams.enumerated() {
                if caller.recorded.contains(stream) {
                    #expect(answers.isAllowed(position), "acknowledged and not on file: \(stream)")
                } else {
                    #expect(
                        caller.notExecuted.contains(stream) || stream > caller.lastStream,
                        "neither answered nor known as not executed: \(stream)")
                    #expect(!answers.isAllowed(position), "not executed and on file: \(stream)")
                }
            }
            #expect(caller.recorded.count >= 100)
        }
        await admin.close()
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }

    @Test func aWatchEndsWithTheServerAndAnUnreadHistoryDoesNotHoldIt() async throws {
        let server = try await TestServer.start()
        let admin = try await server.admin()
        let salon = try await Salon(admin)
        let rows = (0..<200).map { number in
            var row = ImportRow(
                kind: .withdraw, controller: salon.controller, contacts: [WriteContact("held@example.fr")])
            row.occurredAt = Timestamp(microseconds: 1_790_000_000_000_000 + Int64(number))
            return row
        }
        #expect(try await admin.importRows(rows).recorded == 200)
        await admin.close()
        let watcher = try FrameClient(server.address)
        // Far behind and without credit for all of it, caught up, and one whose client is leaving already.
        watcher.call(.watch, 1, Wire.WatchRequest())
        watcher.call(.watch, 2, Wire.WatchRequest(after: server.server.sequence))
        let leaving = try FrameClient(server.address)
        leaving.call(.watch, 1, Wire.WatchRequest(after: server.server.sequence))
        leaving.send(Self.goaway())
        try await Task.sleep(for: .milliseconds(100))
        async let isClean = server.server.drain()
        var ended: Set<UInt32> = []
        while let frame = watcher.receive() {
            if frame.header.kind == .ping {
                watcher.send(FrameClient.frame(.pong, value: frame.header.value))
            }
            if frame.header.kind == .end {
                #expect(frame.status == .unavailable)
                ended.insert(frame.header.stream)
            }
        }
        #expect(ended == [1, 2])
        // Every connection ended by itself, none was cut.
        #expect(await isClean)
        var last: FrameClient.Received?
        while let frame = leaving.receive() { last = frame }
        #expect(last?.header.kind == .end)
    }

    private static func goaway() -> [UInt8] {
        var writer = FrameWriter(minimumCapacity: 64)
        writer.appendGoaway(Wire.Goaway(reason: .drain, lastStream: 0, message: "leaving"))
        return writer.withBytes { Array($0) }
    }
}
