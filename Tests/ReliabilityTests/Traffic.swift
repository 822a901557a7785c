// Good clients that go on until they are told to stop: each grants, checks, withdraws and checks again about
// people of its own, so that it knows every answer. What came of the calls is counted; nothing is forgiven.

import ConsentClient
import Foundation
import Synchronization
import TestRandomness
import TestSupport
import Testing

/// Calls and what came of them.
final class Traffic: Sendable {
    /// What was counted.
    struct Tally: Sendable {
        var checks = 0
        /// Acknowledged events, as `AcknowledgementLog` of consent-load lists them.
        var acknowledged: [String] = []
        /// Calls without an answer.
        var failures: [String] = []
        /// Answers that cannot be.
        var wrong: [String] = []

        var figure: String { "\(checks) checks, \(acknowledged.count) writes" }
    }

    private let counted = Mutex(Tally())
    private let isOver = Flag()

    var tally: Tally { counted.withLock { $0 } }

    /// Lets every lane end after the call that is under way.
    func stop() { isOver.set() }

    /// Goes on until `stop`.
    /// - Parameter lane: number of this lane; its people are its own.
    func run(_ client: ConsentClient, _ salon: Salon, lane: Int, seed: UInt64) async {
        var random = SeededGenerator(seed: seed &+ UInt64(lane))
        var people: [(address: String, isGranted: Bool)] = []
        while !isOver.isSet {
            let address = "traffic-\(seed)-\(lane)-\(people.count)@example.fr"
            guard await write({ try await client.grant(salon.grant([address], channels: [.email])) }) else {
                continue
            }
            people.append((address, true))
            await check(client, salon, address, isAllowed: true)
            if random.below(2) == 0 {
                let isDone = await write { try await client.withdraw(salon.refusal(address)) }
                // Unknown: nobody asks about it any more.
                if isDone { people[people.count - 1].isGranted = false } else { people.removeLast() }
                if isDone { await check(client, salon, address, isAllowed: false) }
            }
            let latest = people.suffix(20)
            let answers = await client.checkBatch(salon.question(.email), addresses: latest.map(\.address))
            count { $0.checks += latest.count }
            guard answers.cause == nil else {
                note("\(latest.count) checks: \(String(describing: answers.cause))")
                continue
            }
            for (place, person) in latest.enumerated() where answers.isAllowed(place) != person.isGranted {
                count { $0.wrong.append("\(person.address) is \(person.isGranted ? "denied" : "allowed")") }
            }
        }
    }

    private func check(_ client: ConsentClient, _ salon: Salon, _ address: String, isAllowed: Bool) async {
        let answer = await client.check(salon.question(.email), .address(address))
        count { $0.checks += 1 }
        if let cause = answer.cause { return note("a check: \(cause)") }
        if answer.isAllowed != isAllowed {
            count { $0.wrong.append("\(address) is \(isAllowed ? "denied" : "allowed")") }
        }
    }

    /// - Returns: whether it was acknowledged.
    private func write(_ call: () async throws -> WriteResult) async -> Bool {
        do {
            let result = try await call()
            guard result.isDurable else {
                note("a write was refused: \(result.refusals)")
                return false
            }
            count { tally in
                for (sequence, id) in zip(result.sequences, result.eventIDs) {
                    tally.acknowledged.append("\(sequence) \(Hexadecimal.text(of: id.bytes))")
                }
            }
            return true
        } catch {
            note("a write: \(error)")
            return false
        }
    }

    private func note(_ failure: String) { count { $0.failures.append(failure) } }
    private func count(_ change: (inout sending Tally) -> Void) { counted.withLock { change(&$0) } }

    /// Runs lanes, each over a client of its own, beside something that happens to the server.
    static func beside(
        _ site: Site, _ salon: Salon, clients: Int, lanes: Int, seed: UInt64,
        _ configure: (inout ConsentClient.Configuration) -> Void = { _ in },
        _ happens: () async throws -> Void
    ) async throws -> Tally {
        let traffic = Traffic()
        var open: [ConsentClient] = []
        for _ in 0..<clients { open.append(try await site.client(configure)) }
        let running = open.enumerated().flatMap { number, client in
            (0..<lanes).map { lane in
                Task { await traffic.run(client, salon, lane: number * lanes + lane, seed: seed) }
            }
        }
        do {
            try await happens()
        } catch {
            traffic.stop()
            throw error
        }
        traffic.stop()
        for task in running { await task.value }
        for client in open { await client.close() }
        return traffic.tally
    }
}
