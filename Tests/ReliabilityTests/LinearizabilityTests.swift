// Goal: each cell (contact point, purpose, channel) is a register, whatever happens to the server: a check
// says what the last write has made of it, and never what was true before a write that was acknowledged
// already. Method: eight clients grant, withdraw and check a few cells at random while the daemon is killed,
// paused and started anew; each call's beginning, end and outcome is noted, and the history of each cell is
// searched for an order that a register allows. Sequences ascend with time as well.
// CONSENTD_LINEARIZABILITY_ROUNDS and CONSENTD_FAULT_SEED lengthen and repeat it.

import CPlatform
import ConsentClient
import Foundation
import Synchronization
import TestRandomness
import TestSupport
import Testing

@Suite struct LinearizabilityTests {
    private static let clientCount = 8
    private static let patience = Duration.milliseconds(800)

    @Test func aCellIsARegister() async throws {
        let rounds = Setting.number("CONSENTD_LINEARIZABILITY_ROUNDS", default: 3)
        let seed = Setting.seed()
        var random = SeededGenerator(seed: seed)
        let site = try Site()
        let admin = try await site.client()
        let salon = try await Salon(admin)
        await admin.close()
        var clients: [ConsentClient] = []
        for _ in 0..<Self.clientCount { clients.append(try await site.client { $0.timeout = Self.patience }) }

        let recorder = Recorder()
        for round in 1...rounds {
            let isOver = Flag()
            let cells = Cell.all(of: salon, round: round)
            let running = clients.enumerated().map { number, client in
                let start = seed &+ UInt64(round * 100 + number)
                return Task {
                    await recorder.run(client, salon, cells, seed: start) { isOver.isSet }
                }
            }
            try await Task.sleep(for: .milliseconds(50 + random.below(250)))
            if random.below(2) == 0 {
                site.daemon.program.signal(SIGKILL)
                _ = await site.daemon.program.finished()
                site.daemon = try await onThread { try site.start() }
            } else {
                site.daemon.program.standStill()
                try await Task.sleep(for: .milliseconds(100 + random.below(1_500)))
                site.daemon.program.signal(SIGCONT)
            }
            try await Task.sleep(for: .milliseconds(50 + random.below(250)))
            isOver.set()
            for task in running { await task.value }
        }
        for client in clients { await client.close() }
        await site.stop()

        let record = recorder.record
        #expect(record.misplaced.isEmpty, "\(record.misplaced.prefix(3)) (seed \(seed))")
        for (cell, history) in record.histories {
            #expect(history.isLinearizable, "cell \(cell): \(history.operations) (seed \(seed))")
        }
        let operations = record.histories.values.reduce(0) { $0 + $1.operations.count }
        let unknown = record.histories.values.reduce(0) { $0 + $1.operations.count { $0.ends == nil } }
        #expect(operations > 0 && unknown < operations / 2, "\(unknown) of \(operations) without an outcome")
        let (found, tried) = Self.plantedStaleReads(record.histories.values, random: &random)
        #expect(found * 2 > tried, "\(found) of \(tried) planted stale reads were found (seed \(seed))")
        print(
            "linearizability: \(operations) calls (\(unknown) unknown), \(record.histories.count) cells, "
                + "\(rounds) faults; \(found) of \(tried) planted reads found")
    }

    // MARK: The test's own test

    /// Turns the answer of one check of each history around. Where the check overlaps a write, either answer
    /// may be right, so not all of them can be found.
    private static func plantedStaleReads(
        _ histories: some Sequence<CellHistory>, random: inout SeededGenerator
    ) -> (found: Int, tried: Int) {
        var found = 0
        var tried = 0
        for history in histories {
            let checks = history.operations.indices.filter {
                !history.operations[$0].isWrite && history.operations[$0].ends != nil
            }
            guard !checks.isEmpty else { continue }
            let place = checks[random.below(checks.count)]
            let call = history.operations[place]
            guard case .check(let said) = call.kind else { continue }
            var planted = history
            planted.operations[place] = Operation(kind: .check(!said), begins: call.begins, ends: call.ends)
            tried += 1
            if !planted.isLinearizable { found += 1 }
        }
        return (found, tried)
    }

    private static func call(_ kind: Operation.Kind, _ begins: UInt64, _ ends: UInt64?) -> Operation {
        Operation(kind: kind, begins: begins, ends: ends)
    }

    @Test func theRulesOfARegister() {
        let grant = Self.call(.write(true), 1, 2)
        let histories: [(name: String, calls: [Operation], fits: Bool)] = [
            ("nothing happened", [], true),
            ("denied at first", [Self.call(.check(false), 1, 2)], true),
            ("allowed at first", [Self.call(.check(true), 1, 2)], false),
            ("allowed after a grant", [grant, Self.call(.check(true), 3, 4)], true),
            ("a grant is lost", [grant, Self.call(.check(false), 3, 4)], false),
            ("a check beside a grant", [grant, Self.call(.check(false), 1, 4)], true),
            (
                "a stale allow",
                [grant, Self.call(.write(false), 3, 4), Self.call(.check(true), 5, 6)], false
            ),
            (
                "back and forth while a withdrawal is under way",
                [
                    grant, Self.call(.write(false), 3, 10), Self.call(.check(false), 4, 5),
                    Self.call(.check(true), 6, 7),
                ], false
            ),
            (
                "a grant of unknown outcome that happened late",
                [
                    Self.call(.write(true), 1, nil), Self.call(.check(false), 2, 3),
                    Self.call(.check(true), 9, 10),
                ], true
            ),
            (
                "a grant of unknown outcome that never happened",
                [Self.call(.write(true), 1, nil), Self.call(.check(false), 8, 9)], true
            ),
            (
                "a grant before its beginning",
                [Self.call(.check(true), 1, 2), Self.call(.write(true), 3, nil)], false
            ),
            (
                "one grant of unknown outcome that happened twice",
                [
                    Self.call(.write(true), 1, nil), Self.call(.check(true), 2, 3),
                    Self.call(.write(false), 4, 5), Self.call(.check(false), 6, 7),
                    Self.call(.check(true), 8, 9),
                ], false
            ),
        ]
        for history in histories {
            #expect(CellHistory(operations: history.calls).isLinearizable == history.fits, "\(history.name)")
        }
    }

    /// The search against all orders of short histories.
    @Test func theSearchFindsWhatTryingAllOrdersFinds() {
        let seed = Setting.seed()
        var random = SeededGenerator(seed: seed)
        var fitting = 0
        for number in 0..<3_000 {
            let calls = (0..<2 + random.below(4)).map { _ -> Operation in
                let begins = UInt64(random.below(12))
                let isWrite = random.below(2) == 0
                let isKnown = !isWrite || random.below(4) > 0
                let value = random.below(2) == 0
                return Self.call(
                    isWrite ? .write(value) : .check(value), begins,
                    isKnown ? begins + 1 + UInt64(random.below(6)) : nil)
            }
            let expected = Self.someOrderFits(calls, taken: [], value: false)
            if expected { fitting += 1 }
            #expect(
                CellHistory(operations: calls).isLinearizable == expected,
                "history \(number) of seed \(seed): \(calls)")
        }
        #expect(fitting > 300 && fitting < 2_700, "the histories are too easy: \(fitting) fit")
    }

    private static func someOrderFits(_ calls: [Operation], taken: Set<Int>, value: Bool) -> Bool {
        let left = calls.indices.filter { !taken.contains($0) }
        if left.allSatisfy({ calls[$0].ends == nil }) { return true }
        return left.contains { place in
            let isFirst = left.allSatisfy { calls[$0].ends.map { $0 >= calls[place].begins } ?? true }
            guard isFirst, let next = calls[place].value(after: value) else { return false }
            return someOrderFits(calls, taken: taken.union([place]), value: next)
        }
    }
}

/// What a check is about.
private struct Cell: Hashable, Sendable {
    let address: String
    let channel: Channel
    let purpose: PurposeID

    /// The cells of a round: contact points of its own.
    static func all(of salon: Salon, round: Int) -> [Cell] {
        [salon.promotions, salon.newsletter].flatMap { purpose in
            (0..<8).flatMap { number in
                [
                    Cell(address: "cell-\(round)-\(number)@example.fr", channel: .email, purpose: purpose),
                    Cell(address: "+336\(20_000_000 + 8 * round + number)", channel: .sms, purpose: purpose),
                ]
            }
        }
    }
}

/// Notes calls.
private final class Recorder: Sendable {
    struct Record: Sendable {
        var histories: [Cell: CellHistory] = [:]
        /// Answers whose sequence is older than one that was known before.
        var misplaced: [String] = []
    }

    private let noted = Mutex(Record())
    private let acknowledged = Atomic<UInt64>(0)

    var record: Record { noted.withLock { $0 } }

    /// Calls at random until the time is over.
    func run(
        _ client: ConsentClient, _ salon: Salon, _ cells: [Cell], seed: UInt64, until isOver: () -> Bool
    ) async {
        var random = SeededGenerator(seed: seed)
        while !isOver() {
            let cell = cells[random.below(cells.count)]
            switch random.below(12) {
            case 0:
                let grant = salon.grant([cell.address], channels: [cell.channel], purposes: [cell.purpose])
                await write(true, cell) { try await client.grant(grant) }
            case 1:
                var refusal = salon.refusal(cell.address)
                refusal.channels = ChannelSet([cell.channel])
                refusal.purposes = PurposeSet([cell.purpose])
                await write(false, cell) { [refusal] in try await client.withdraw(refusal) }
            default: await check(client, salon, cell)
            }
        }
    }

    private func check(_ client: ConsentClient, _ salon: Salon, _ cell: Cell) async {
        let known = acknowledged.load(ordering: .sequentiallyConsistent)
        let begins = consent_monotonic_nanoseconds()
        let answer = await client.check(
            salon.question(cell.channel, cell.purpose), .address(cell.address))
        let ends = consent_monotonic_nanoseconds()
        let isKnown = answer.cause == nil
        note(.check(answer.isAllowed), cell, begins, isKnown ? ends : nil)
        if isKnown { compare(answer.sequence, atLeast: known, "a check") }
    }

    private func write(
        _ value: Bool, _ cell: Cell, _ call: () async throws -> WriteResult
    ) async {
        let known = acknowledged.load(ordering: .sequentiallyConsistent)
        let begins = consent_monotonic_nanoseconds()
        do {
            let result = try await call()
            let ends = consent_monotonic_nanoseconds()
            guard result.isDurable else {
                return noted.withLock { $0.misplaced.append("refused: \(result.refusals)") }
            }
            note(.write(value), cell, begins, ends)
            compare(result.sequence, atLeast: known + 1, "a write")
            acknowledged.max(result.sequence, ordering: .sequentiallyConsistent)
        } catch {
            if case .rejected(let rejection)? = error as? ConsentClientError, rejection.notExecuted { return }
            note(.write(value), cell, begins, nil)
        }
    }

    private func note(_ kind: Operation.Kind, _ cell: Cell, _ begins: UInt64, _ ends: UInt64?) {
        noted.withLock {
            $0.histories[cell, default: CellHistory()].operations.append(
                Operation(kind: kind, begins: begins, ends: ends))
        }
    }

    private func compare(_ sequence: UInt64, atLeast known: UInt64, _ what: String) {
        guard sequence < known else { return }
        noted.withLock { $0.misplaced.append("\(what) at sequence \(sequence), \(known) was known before") }
    }
}
