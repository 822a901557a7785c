// Goal: whatever a client does with the flow of frames, its calls are answered once each or its connection
// ends with a reason, and nobody else notices.
// Method: frames put together one by one over a plain socket, cut and joined at will, to a real server.

import ConsentClient
import Foundation
import TestSupport
import Testing
import WireProtocol

@Suite struct FlowTests {
    /// Sends from a thread of its own: it blocks when the server stops reading.
    private func send(_ bytes: [UInt8], by client: FrameClient) {
        let socket = client.socket
        Thread { socket.send(bytes) }.start()
    }

    @Test func framesMayComeInAnyCuts() async throws {
        let server = try await TestServer.start()
        let client = try FrameClient(server.address)
        // Byte by byte, in four writes, and many in one.
        for byte in FrameClient.check(1) { client.send([byte]) }
        #expect(try client.answer(of: 1).status == .ok)
        let request = FrameClient.request(.memo, 3, Wire.MemoRequest(locale: "fr"))
        for part in [request[..<10], request[10..<24], request[24..<25], request[25...]] {
            client.send(Array(part))
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(try client.answer(of: 3).status == .ok)
        let streams = (2...1001).map { UInt32($0 * 2 + 1) }
        client.send(streams.flatMap { FrameClient.check($0) } + FrameClient.frame(.ping, value: 9))
        for stream in streams { #expect(try client.answer(of: stream).status == .ok) }
        #expect(try client.answer(of: 0).header.kind == .pong)
        await server.server.drain()
    }

    @Test func aConnectionThatDoesNotReadIsPausedAndCatchesUp() async throws {
        let folder = try TemporaryFolder()
        let daemon = try DaemonUnderTest(stateFolder: folder.file("state"), ["--init"])
        let other = try await ConsentClient.connect(to: daemon.address)
        let before = try await other.stats().residentBytes
        let client = try FrameClient(daemon.address)
        // Small requests with long answers: about 2 KB each, 30 MB in all.
        let count: UInt32 = 15_000
        var bytes: [UInt8] = []
        for stream in 1...count {
            bytes += FrameClient.request(.memo, stream, Wire.MemoRequest(locale: "fr"))
        }
        send(bytes, by: client)
        try await Task.sleep(for: .milliseconds(500))
        let during = try await other.stats().residentBytes
        #expect(
            during < before + (12 << 20), "\((during - min(before, during)) >> 20) MiB for one slow reader")
        #expect(try await other.health().state == .serving)
        var answered = 0
        while answered < count, let frame = client.receive(), frame.status == .ok { answered += 1 }
        #expect(answered == count)
        await other.close()
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }

    @Test func aConnectionThatReadsNothingIsToldAndCut() async throws {
        let folder = try TemporaryFolder()
        let log = folder.file("log")
        try Data().write(to: URL(fileURLWithPath: log))
        let server = try await TestServer.start(logFile: log) { $0.limits.slowReaderSeconds = 5 }
        let client = try FrameClient(server.address)
        var bytes: [UInt8] = []
        for stream in 1...15_000 {
            bytes += FrameClient.request(.memo, UInt32(stream), Wire.MemoRequest(locale: "fr"))
        }
        send(bytes, by: client)
        for _ in 0..<1_200
        where try !String(contentsOfFile: log, encoding: .utf8).contains("nothing was read") {
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(try String(contentsOfFile: log, encoding: .utf8).contains("nothing was read for 5 s"))
        // Cut a second after it was found out. Whoever reads up to the end until then finds the reason there.
        var last: FrameClient.Received?
        var count = 0
        while let frame = client.receive() {
            last = frame
            count += 1
        }
        #expect(count > 0 && count < 15_000, "the rest was answered too")
        if let last, last.header.kind == .goaway {
            let goaway: Wire.Goaway = try last.decoded()
            #expect(goaway.reason == .slowReader && goaway.message.contains("nothing was read"))
        }
        await server.server.drain()
    }

    @Test func tenThousandChecksUnreadDoNotHinderOthers() async throws {
        let server = try await TestServer.start()
        let admin = try await server.admin()
        let salon = try await Salon(admin)
        let slow = try FrameClient(server.address)
        send((1...10_000).flatMap { FrameClient.check(UInt32($0)) }, by: slow)
        for _ in 0..<200 {
            let answer = await admin.check(salon.question(.email), .address("nobody@example.fr"))
            #expect(answer.reason == .noRecord)
        }
        var answered = Set<UInt32>()
        while answered.count < 10_000, let frame = slow.receive() { answered.insert(frame.header.stream) }
        #expect(answered.count == 10_000)
        await admin.close()
        await server.server.drain()
    }

    @Test func aReaderThatNeverReadsIsClosed() async throws {
        let server = try await TestServer.start {
            $0.limits.slowReaderSeconds = 1
            $0.limits.outputHighWatermarkBytes = 64 << 10
            $0.limits.outputLowWatermarkBytes = 16 << 10
        }
        let watcher = try await server.client()
        let slow = try FrameClient(server.address)
        send(
            (1...12_000).flatMap {
                FrameClient.request(.memo, UInt32($0), Wire.MemoRequest(locale: "fr"))
            }, by: slow)
        var connections: UInt64 = 2
        for _ in 0..<80 where connections > 1 {
            try await Task.sleep(for: .milliseconds(50))
            connections = try await watcher.stats().connections
        }
        #expect(connections == 1)
        await watcher.close()
        await server.server.drain()
    }

    @Test func callsBeyondTheAgreedNumberAreTurnedAway() async throws {
        let server = try await TestServer.start()
        let admin = try await server.admin()
        let salon = try await Salon(admin)
        let client = try FrameClient(server.address, inFlightMax: 4)
        // Watches stay open, so the fifth call is one too many; checks do not count.
        for stream: UInt32 in 1...4 { client.call(.watch, stream, Wire.WatchRequest(after: 1)) }
        let history = Wire.HistoryRequest(
            controller: salon.controller.rawValue, contact: Wire.ContactPoint(address: "a@example.fr"))
        let turnedAway = try client.ask(.history, 5, history)
        #expect(turnedAway.status == .resourceExhausted && turnedAway.isNotExecuted)
        client.send(FrameClient.check(6))
        #expect(try client.answer(of: 6).status == .ok)
        // A stream that was cancelled makes room, and its number may be used again.
        client.send(FrameClient.frame(.cancel, stream: 2))
        while true {
            let frame = try client.answer(of: 2)
            if frame.header.kind == .item { continue }
            #expect(frame.header.kind == .end && frame.status == .cancelled)
            break
        }
        let again = try client.ask(.history, 2, history)
        #expect(again.header.kind == .end && again.status == .ok)
        // A number that is in use ends the connection.
        client.call(.history, 3, history)
        var last: FrameClient.Received?
        while let frame = client.receive() { last = frame }
        let goaway: Wire.Goaway = try #require(last).decoded()
        #expect(goaway.reason == .badStream)
        await admin.close()
        await server.server.drain()
    }

    @Test func anErrorUnderTheNumberOfAnOpenCallIsNoAnswerToIt() async throws {
        let server = try await TestServer.start()
        for body: [UInt8] in [[0xff, 0xff, 1], []] {
            let client = try FrameClient(server.address)
            client.call(.watch, 1, Wire.WatchRequest())
            var writer = FrameWriter(minimumCapacity: 64)
            // A method that does not exist, or one whose body cannot be decoded.
            let frame = writer.beginFrame(.request, code: body.isEmpty ? 999 : 10, stream: 1)
            for byte in body { writer.append(byte) }
            writer.endFrame(frame)
            client.send(writer.withBytes { Array($0) })
            var answer = try #require(client.receive())
            // The watch itself may say something first.
            while answer.header.kind == .item { answer = try #require(client.receive()) }
            #expect(answer.header.kind == .goaway)
            let goaway: Wire.Goaway = try answer.decoded()
            #expect(goaway.reason == .badStream)
        }
        await server.server.drain()
    }

    @Test func streamsOfOneConnectionAreLimited() async throws {
        let server = try await TestServer.start { $0.limits.streamsMax = 2 }
        let client = try FrameClient(server.address)
        for stream: UInt32 in 1...2 { client.call(.watch, stream, Wire.WatchRequest()) }
        let third = try client.ask(.watch, 3, Wire.WatchRequest())
        #expect(third.status == .resourceExhausted && third.isNotExecuted)
        await server.server.drain()
    }

    @Test func aLongHistoryComesInPortionsOfItsCredits() async throws {
        let server = try await TestServer.start()
        let admin = try await server.admin()
        let salon = try await Salon(admin)
        let rows = (0..<250).map { number in
            var row = ImportRow(
                kind: .withdraw, controller: salon.controller, contacts: [WriteContact("long@example.fr")])
            row.occurredAt = Timestamp(microseconds: 1_790_000_000_000_000 + Int64(number))
            return row
        }
        #expect(try await admin.importRows(rows).recorded == 250)
        let client = try FrameClient(server.address)
        client.call(
            .history, 7,
            Wire.HistoryRequest(
                controller: salon.controller.rawValue, contact: Wire.ContactPoint(address: "long@example.fr"))
        )
        var sequences: [UInt64] = []
        func take(_ count: Int) throws {
            for _ in 0..<count {
                let frame = try client.answer(of: 7)
                try #require(frame.header.kind == .item)
                sequences.append(try frame.decoded(Wire.EventRecord.self).sequence)
            }
        }
        try take(Wire.Limits.streamCreditDefault)
        for credit in [1, 2, 3, 30] {
            // Nothing more comes before the credit: the pong overtakes no item.
            client.send(FrameClient.frame(.ping, value: 5))
            #expect(try #require(client.receive()).header.kind == .pong)
            client.send(FrameClient.frame(.credit, stream: 7, value: UInt32(credit)))
            try take(credit)
        }
        client.send(FrameClient.frame(.credit, stream: 7, value: .max))
        client.send(FrameClient.frame(.credit, stream: 7, value: .max))
        try take(250 - sequences.count)
        #expect(try client.answer(of: 7).header.kind == .end)
        #expect(sequences == sequences.sorted() && Set(sequences).count == 250)
        await admin.close()
        await server.server.drain()
    }

    @Test func compressedAndLongBodiesKeepTheirLimits() async throws {
        let server = try await TestServer.start()
        let admin = try await server.admin()
        let salon = try await Salon(admin)
        let client = try FrameClient(server.address, features: 1)
        func rows(_ count: Int) -> Wire.ImportRequest {
            Wire.ImportRequest(
                rows: (0..<count).map { number in
                    Wire.ImportRow(
                        kind: .withdraw, controller: salon.controller.rawValue,
                        contacts: [Wire.WriteContact(address: "compressed\(number)@example.fr")],
                        occurredAt: 1_790_000_000_000_000)
                })
        }
        let compressed = FrameClient.request(.import, 1, rows(500), compressed: true)
        #expect(compressed.count < FrameClient.request(.import, 1, rows(500)).count / 2)
        client.send(compressed)
        let imported: Wire.ImportResponse = try client.answer(of: 1).decoded()
        #expect(imported.recorded == 500)

        // A byte of the stream changed, its checksum mended: the error of that call alone.
        var header = try FrameHeader.decode(compressed.span.bytes, bodyBytesMax: 1 << 24)
        var body = Array(compressed[FrameHeader.byteCount...])
        body[body.count / 2] ^= 0xff
        header.stream = 3
        header.flags.remove(.bodyChecksum)
        header.bodyChecksum = 0
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        client.send(bytes + body)
        #expect(try client.answer(of: 3).status == .invalidArgument)

        // One row more than an import may have, and a body over its method's limit.
        #expect(try client.ask(.import, 5, rows(4097)).status == .invalidArgument)
        let long = Wire.HistoryRequest(controller: 7, reference: String(repeating: "x", count: 5_000))
        let tooLong = try client.ask(.history, 7, long)
        #expect(tooLong.status == .invalidArgument && tooLong.isNotExecuted)
        #expect(try client.ask(.health, 9, Wire.Empty()).status == .ok)
        await admin.close()
        await server.server.drain()
    }

    @Test func anAnswerLongerThanAgreedIsAnError() async throws {
        let server = try await TestServer.start()
        let admin = try await server.admin()
        let salon = try await Salon(admin)
        // 300 contact points under one reference: their preferences take more than 4,096 bytes.
        let rows = (0..<300).map { number in
            var row = ImportRow(
                kind: .withdraw, controller: salon.controller,
                contacts: [WriteContact("many\(number)@example.fr")])
            row.reference = "many"
            return row
        }
        #expect(try await admin.importRows(rows).recorded == 300)
        let client = try FrameClient(server.address, bodyBytesMax: 4096)
        let preferences = Wire.PreferencesRequest(controller: salon.controller.rawValue, reference: "many")
        #expect(try client.ask(.preferences, 1, preferences).status == .resourceExhausted)
        #expect(try client.ask(.health, 3, Wire.Empty()).status == .ok)
        #expect(
            try await admin.preferences(controller: salon.controller, of: .reference("many")).contacts.count
                == 300)
        await admin.close()
        await server.server.drain()
    }
}
