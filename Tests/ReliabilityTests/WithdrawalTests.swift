// Goal: a withdrawal while a full dump streams is acknowledged as fast as without one, and the dump is whole
// and does not hold it.
// Method: a daemon process, grants by import, withdrawals one after the other, alone and while another
// connection reads a dump to its end. The figures are printed, not judged: `make reliability
// ONLY=withdraw`. CONSENTD_WITHDRAW_EVENTS is the number of grants.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct WithdrawalTests {
    private struct Latencies {
        var microseconds: [Double] = []

        func percentile(_ share: Double) -> Int {
            let sorted = microseconds.sorted()
            return Int(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))])
        }

        var figure: String { "\(percentile(0.5))/\(percentile(0.99))" }
    }

    /// What a dump came to.
    private struct Dumped: Sendable {
        var bytes: UInt64 = 0
        var lastLine: [UInt8] = []
        var seconds = 0.0
    }

    private static func address(_ number: Int) -> String { "w\(number)@example.fr" }

    private static func fill(_ client: ConsentClient, _ salon: Salon, _ count: Int) async throws {
        for first in stride(from: 0, to: count, by: 1_000) {
            let rows = (first..<min(count, first + 1_000)).map { number -> ImportRow in
                var row = ImportRow(
                    kind: .grant, controller: salon.controller, contacts: [WriteContact(address(number))])
                row.channels = ChannelSet([.email])
                row.purposes = PurposeSet([salon.promotions])
                row.notice = salon.notice
                row.source = .widget
                row.act = .tickedBox
                row.occurredAt = Timestamp(microseconds: 1_790_000_000_000_000)
                return row
            }
            let result = try await client.importRows(rows)
            try #require(result.refused == 0)
        }
    }

    /// Withdraws, one after the other, until told to stop.
    private static func withdraw(
        _ client: ConsentClient, _ salon: Salon, _ numbers: Range<Int>, while goesOn: () -> Bool
    ) async throws -> (latencies: Latencies, last: UInt64) {
        var latencies = Latencies()
        var last: UInt64 = 0
        for number in numbers {
            guard goesOn() else { break }
            let start = ContinuousClock.now
            let result = try await client.withdraw(salon.refusal(address(number)))
            latencies.microseconds.append((ContinuousClock.now - start) / .microseconds(1))
            try #require(result.isDurable)
            last = result.sequence
        }
        return (latencies, last)
    }

    private static func dump(_ client: ConsentClient, _ salon: Salon) async throws -> Dumped {
        var dumped = Dumped()
        let start = ContinuousClock.now
        for try await chunk in client.dump(controller: salon.controller) {
            dumped.bytes += UInt64(chunk.bytes.count)
            let tail = dumped.lastLine + chunk.bytes
            dumped.lastLine = Array(tail.split(separator: 0x0A).last ?? [])
        }
        dumped.seconds = (ContinuousClock.now - start) / .seconds(1)
        return dumped
    }

    @Test func aWithdrawalDoesNotWaitForADump() async throws {
        let environment = ProcessInfo.processInfo.environment
        let events = environment["CONSENTD_WITHDRAW_EVENTS"].flatMap { Int($0) } ?? 3_000
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let daemon = try DaemonUnderTest(stateFolder: state, ["--init", "--test-register"])
        let token = try String(contentsOfFile: state + "/admin.token", encoding: .utf8)
        func connect() async throws -> ConsentClient {
            var configuration = ConsentClient.Configuration()
            configuration.credential = Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
            return try await ConsentClient.connect(to: daemon.address, configuration: configuration)
        }
        let (client, reader) = (try await connect(), try await connect())
        let salon = try await Salon(client)
        try await Self.fill(client, salon, events)

        // Alone before and after, since other loads of the machine come and go.
        let each = min(4_000, events / 6)
        var alone = try await Self.withdraw(client, salon, 0..<each) { true }.latencies
        let before = try await client.stats().sequence
        let isDone = Flag()
        async let reading = { () async throws -> Dumped in
            defer { isDone.set() }
            return try await Self.dump(reader, salon)
        }()
        let beside = try await Self.withdraw(client, salon, events / 2..<events) { !isDone.isSet }
        let dumped = try await reading
        alone.microseconds += try await Self.withdraw(client, salon, each..<2 * each) { true }.latencies
            .microseconds
        let end = try JSON(parsing: dumped.lastLine)
        let size = try #require(end["sequence"]?.unsignedValue)
        #expect(end["type"]?.text == "end" && size >= before)
        #expect(beside.last > size, "withdrawals were acknowledged while the dump was read")
        #expect(try #require(end["events"]?.unsignedValue) == size - 1, "all but the other salon's entry")
        print(
            "withdraw: p50/p99 alone \(alone.figure) us, beside a dump of \(size) events "
                + "\(beside.latencies.figure) us (\(beside.latencies.microseconds.count)); "
                + "\(dumped.bytes >> 20) MiB in \(Int(dumped.seconds * 10)) tenths of a second")
        await client.close()
        await reader.close()
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }
}
