// Goal: streams give every item once, in order, within their credits, and a watch goes on where it was.
// Method: scripted servers that count credits and break off.

import ConsentClient
import Testing
import WireProtocol

@Suite struct StreamTests {
    @Test func historyWithinCredits() async throws {
        let total = 1_000
        let server = try await FakeServer { call in
            // Sends as many items as the first credit allows; the rest as credit comes (below, by polling).
            Task {
                var sent = 0
                var allowed = 64
                while sent < total {
                    while sent < min(allowed, total) {
                        sent += 1
                        call.item(Wire.EventRecord(sequence: UInt64(sent)))
                    }
                    try? await Task.sleep(for: .milliseconds(1))
                    allowed = 64 + Int(call.seen().credits.reduce(0, +))
                }
                call.end()
            }
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        var expected: UInt64 = 0
        let events = try client.history(controller: ControllerID(rawValue: 7), of: .reference("r"))
        for try await event in events {
            expected += 1
            #expect(event.sequence == expected)
        }
        #expect(expected == UInt64(total))
        let credits = server.seen.credits.reduce(0, +)
        #expect(credits <= UInt32(total))
        #expect(credits >= UInt32(total - 64))
        await client.close()
        await server.stop()
    }

    @Test func aStreamThatIsLetGoIsCancelled() async throws {
        let server = try await FakeServer { call in
            for sequence in 1...10 { call.item(Wire.EventRecord(sequence: UInt64(sequence))) }
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let events = try client.history(controller: ControllerID(rawValue: 7), of: .reference("r"))
        for try await event in events where event.sequence == 3 { break }
        #expect(await eventually { server.seen.cancels.count == 1 })
        await client.close()
        await server.stop()
    }

    @Test func errorsEndAStreamAfterItsItems() async throws {
        let server = try await FakeServer { call in
            call.item(Wire.EventRecord(sequence: 1))
            call.end(.permissionDenied)
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        var iterator = try client.history(controller: ControllerID(rawValue: 7), of: .reference("r"))
            .makeAsyncIterator()
        #expect(try await iterator.next()?.sequence == 1)
        do {
            _ = try await iterator.next()
            Issue.record("no error")
        } catch {
            #expect(error.status == .permissionDenied)
        }
        await client.close()
        await server.stop()
    }

    @Test func aWatchGoesOnWhereItWas() async throws {
        let server = try await FakeServer { call in
            guard let request = try? Wire.WatchRequest(decoding: call.body.span.bytes) else { return }
            let after = request.after
            for sequence in after + 1...after + 3 {
                call.item(
                    Wire.WatchItem(
                        sequence: sequence, previous: sequence - 1,
                        event: Wire.EventRecord(sequence: sequence)))
            }
            if call.connectionIndex < 2 {
                call.close()
            } else {
                call.item(Wire.WatchItem(sequence: after + 5, previous: after + 3, heartbeat: true))
            }
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        var sequences: [UInt64] = []
        for try await change in client.watch(from: WatchPosition(after: 100)) {
            sequences.append(change.sequence)
            if change.isHeartbeat { break }
        }
        // Items behind a broken connection may be lost or arrive; either way none is missing and none comes
        // twice.
        #expect(
            sequences.last.map { sequences.dropLast() == ArraySlice(101..<$0 - 1) } ?? false, "\(sequences)")
        #expect(server.seen.connections == 3)
        await client.close()
        await server.stop()
    }

    @Test func aWatchNoticesAGap() async throws {
        let server = try await FakeServer { call in
            call.item(Wire.WatchItem(sequence: 101, previous: 90, event: Wire.EventRecord(sequence: 101)))
            call.item(Wire.WatchItem(sequence: 105, previous: 103, event: Wire.EventRecord(sequence: 105)))
        }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        var iterator = client.watch(from: WatchPosition(after: 100)).makeAsyncIterator()
        #expect(try await iterator.next()?.sequence == 101)
        do {
            _ = try await iterator.next()
            Issue.record("no error")
        } catch {
            #expect(error == .watchGap(expectedAfter: 101, previous: 103))
        }
        await client.close()
        await server.stop()
    }

    @Test func closingEndsStreams() async throws {
        let server = try await FakeServer { _ in }
        let client = try await ConsentClient.connect(to: server.address, configuration: Answers.quick())
        let watch = Task {
            var iterator = client.watch(from: WatchPosition(after: 0)).makeAsyncIterator()
            return try await iterator.next()
        }
        #expect(await eventually { server.seen.methods == [.watch] })
        await client.close()
        await #expect(throws: ConsentClientError.closed) { try await watch.value }
        await server.stop()
    }
}
