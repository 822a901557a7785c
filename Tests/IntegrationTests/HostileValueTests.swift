// Goal: no number or text in a well-formed message ends the process, and none of them allows anything.
// Method: messages with extreme values in every field that is calculated with, one after the other to one
// server, which then still answers; a writing neighbour makes groups of several jobs.

import ConsentClient
import Foundation
import TestSupport
import Testing
import WireProtocol

@Suite struct HostileValueTests {
    private let times: [Int64] = [.min, .min + 1, -1, 0, 1, 4_102_444_800_000_000, .max - 1, .max]

    @Test func extremeTimesAreTimes() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let frames = try FrameClient(server.address)
        let controller = salon.controller.rawValue
        for (number, time) in times.enumerated() {
            let contacts = [Wire.WriteContact(address: "time\(number)@example.fr")]
            let stream = UInt32(number * 10 + 1)
            let grant = Wire.GrantRequest(
                controller: controller, contacts: contacts, channels: [Wire.Channel(rawValue: 1)],
                purposes: [salon.promotions.rawValue], notice: Wire.Bytes32(of: salon.notice),
                source: .widget,
                act: .tickedBox, occurredAt: time)
            #expect(try frames.ask(.grant, stream, grant).status == .ok)
            let row = Wire.ImportRow(
                kind: .grant, controller: controller, contacts: contacts, channels: grant.channels,
                purposes: grant.purposes, notice: grant.notice, source: .widget, act: .tickedBox,
                occurredAt: time)
            #expect(try frames.ask(.import, stream + 1, Wire.ImportRequest(rows: [row])).status == .ok)
            for (offset, method) in [Wire.Method.withdraw, .refuse, .object].enumerated() {
                let refusal = Wire.RefusalRequest(
                    controller: controller, contacts: contacts, occurredAt: time)
                let answer: Wire.WriteResponse = try frames.ask(method, stream + 2 + UInt32(offset), refusal)
                    .decoded()
                #expect(answer.status == .recorded)
            }
            let address = "time\(number)@example.fr"
            #expect(!(await client.check(salon.question(.email), .address(address)).isAllowed))
            _ = try await client.explain(salon.question(.email), .contacts([WriteContact(address)]))
        }
        #expect(try await client.health().state == .serving)
        await client.close()
        let again = try await server.restarted()
        let second = try await again.client()
        for number in times.indices {
            #expect(
                !(await second.check(salon.question(.email), .address("time\(number)@example.fr")).isAllowed))
        }
        await second.close()
        await again.server.drain()
    }

    @Test func aNoticeMayBeInvalidatedFromAnyTime() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let token = try String(contentsOfFile: server.stateFolder + "/admin.token", encoding: .utf8)
        let frames = try FrameClient(
            server.address, credential: Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8))
        for (number, time) in (times.reversed() + times).enumerated() {
            let request = Wire.InvalidateNoticeRequest(
                notice: Wire.Bytes32(of: salon.notice), reason: "test \(number)", effective: time)
            let status = try frames.ask(.invalidateNotice, UInt32(number + 1), request).status
            #expect(status == .ok || status == .invalidArgument)
        }
        #expect(try await client.health().state == .serving)
        await client.close()
        await server.server.drain()
    }

    @Test func forgedTokensConfirmNothing() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let frames = try FrameClient(server.address)
        let sequences: [UInt64] = [0, 1, 5, UInt64(Int64.max), UInt64(Int64.max) + 1, .max - 1, .max]
        var bytes: [UInt8] = []
        var stream: UInt32 = 0
        // Each after refusals, so that it is judged while others are staged.
        for sequence in sequences {
            for number in 0..<20 {
                stream += 1
                bytes += FrameClient.request(
                    .refuse, stream,
                    Wire.RefusalRequest(
                        controller: salon.controller.rawValue,
                        contacts: [Wire.WriteContact(address: "token\(number)@example.fr")]))
            }
            stream += 1
            let token = (0..<8).map { UInt8(truncatingIfNeeded: sequence >> ($0 * 8)) }
            bytes += FrameClient.request(
                .confirm, stream,
                Wire.ConfirmRequest(token: token + [UInt8](repeating: 0, count: 16)))
        }
        frames.send(bytes)
        for number in 1...stream {
            let response: Wire.WriteResponse = try frames.answer(of: number).decoded()
            if number % 21 == 0 { #expect(response.refusals.map(\.code) == [.badToken]) }
        }
        await client.close()
        await server.server.drain()
    }

    @Test func sequencesBeyondTheRegisterAreErrors() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let frames = try FrameClient(server.address)
        for (number, sequence) in [UInt64(1_000), UInt64(Int64.max), UInt64(Int64.max) + 1, .max].enumerated()
        {
            let stream = UInt32(number * 3 + 1)
            let proof = try frames.ask(.proof, stream, Wire.ProofRequest(sequence: sequence))
            #expect(proof.status == .notFound)
            let head = try frames.ask(.head, stream + 1, Wire.HeadRequest(since: sequence))
            #expect(head.status == .failedPrecondition)
            let watch = try frames.ask(.watch, stream + 2, Wire.WatchRequest(after: sequence))
            #expect(watch.status == .outOfRange)
            var question = salon.question(.email, salon.reminders)
            question.minimumSequence = sequence
            #expect(await client.check(question, .address("seq@example.fr")).reason == .notFresh)
        }
        await client.close()
        await server.server.drain()
    }

    @Test func randomBytesAsBodiesAreErrorsOfTheirCalls() async throws {
        let server = try await TestServer.start()
        let admin = try await server.admin()
        _ = try await Salon(admin)
        let token = try String(contentsOfFile: server.stateFolder + "/admin.token", encoding: .utf8)
        let frames = try FrameClient(
            server.address, credential: Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8))
        let seed = UInt64.random(in: 1...1_000_000)
        var state = seed
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        var bytes: [UInt8] = []
        var count: UInt32 = 0
        for round in 0..<40 {
            for code: UInt16 in 1...45 where Wire.Method(rawValue: code).info != nil {
                // Backup and Watch take an empty body, and then stay open.
                if code == Wire.Method.backup.rawValue || code == Wire.Method.watch.rawValue { continue }
                count += 1
                var writer = FrameWriter(minimumCapacity: 128)
                let frame = writer.beginFrame(.request, code: code, stream: count)
                let length = round == 0 ? 0 : Int(next() % 96)
                for position in 0..<length {
                    // Tags of low fields now and then, so that some bodies get further.
                    writer.append(position % 7 < 2 ? UInt8(next() % 80) : UInt8(truncatingIfNeeded: next()))
                }
                writer.endFrame(frame)
                bytes += writer.withBytes { Array($0) }
            }
        }
        frames.send(bytes)
        var answered = Set<UInt32>()
        while answered.count < count, let frame = frames.receive() {
            guard frame.header.kind == .response || frame.header.kind == .end else { continue }
            #expect(answered.insert(frame.header.stream).inserted, "answered twice (seed \(seed))")
        }
        #expect(answered.count == count, "seed \(seed)")
        #expect(try await admin.health().state == .serving)
        await admin.close()
        await server.server.drain()
    }
}
