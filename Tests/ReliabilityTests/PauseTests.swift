// Goal: time that stands still, jumps or goes back never makes an allow. While the server is stopped its
// clients say "do not send" and why; afterwards nothing that was withdrawn, and nothing that has expired
// meanwhile, is allowed; a clock that is set back revives nothing, the order of events stays, and a start
// with a clock that is more than a day behind the last event is refused.
// Method: SIGSTOP and SIGCONT under load; libfaketime for the clock of the daemon alone.
// CONSENTD_PAUSE_ROUNDS and CONSENTD_FAULT_SEED lengthen and repeat it.

import ConsentClient
import Foundation
import Synchronization
import TestRandomness
import TestSupport
import Testing

@Suite struct PauseTests {
    // MARK: The process stands still

    /// People with what is known of them, and what clients heard.
    private final class Ledger: Sendable {
        struct Known: Sendable {
            var granted: [String] = []
            var withdrawn: [String] = []
            var answersWhileStopped = 0
            var checks = 0
            var wrong: [String] = []
        }

        private let state = Mutex(Known())
        let isStopped = Flag()
        var known: Known { state.withLock { $0 } }
        func change(_ body: (inout sending Known) -> Void) { state.withLock { body(&$0) } }
    }

    private static func run(
        _ client: ConsentClient, _ salon: Salon, lane: String, _ ledger: Ledger, until isOver: Flag
    ) async {
        var number = 0
        while !isOver.isSet {
            number += 1
            let address = "pause-\(lane)-\(number)@example.fr"
            // What was not acknowledged is unknown, and nobody asks about it.
            guard (try? await client.grant(salon.grant([address], channels: [.email])))?.isDurable == true
            else { continue }
            if number % 2 == 0 {
                guard (try? await client.withdraw(salon.refusal(address)))?.isDurable == true else {
                    continue
                }
                ledger.change { $0.withdrawn.append(address) }
            } else {
                ledger.change { $0.granted.append(address) }
            }
            let wasStopped = ledger.isStopped.isSet
            let answer = await client.check(salon.question(.email), .address(address))
            let isStopped = ledger.isStopped.isSet
            ledger.change { known in
                known.checks += 1
                if wasStopped && isStopped {
                    known.answersWhileStopped += 1
                    if answer.isAllowed || answer.cause == nil {
                        known.wrong.append("an answer of a server that stands still: \(answer)")
                    }
                }
                if number % 2 == 0 && answer.isAllowed { known.wrong.append("\(address) was withdrawn") }
            }
        }
    }

    /// Asks about everybody.
    /// - Returns: people who are allowed and withdrew, and those who are denied and did not.
    private static func audit(
        _ client: ConsentClient, _ salon: Salon, _ known: Ledger.Known
    ) async -> (stale: Int, lost: Int) {
        func allowed(_ addresses: [String]) async -> Int {
            var count = 0
            for first in stride(from: 0, to: addresses.count, by: 4_000) {
                let part = Array(addresses[first..<min(first + 4_000, addresses.count)])
                let answers = await client.checkBatch(salon.question(.email), addresses: part)
                #expect(answers.cause == nil)
                count += answers.allowedCount
            }
            return count
        }
        return (await allowed(known.withdrawn), known.granted.count - (await allowed(known.granted)))
    }

    @Test func aServerThatStandsStillAllowsNothing() async throws {
        let rounds = Setting.number("CONSENTD_PAUSE_ROUNDS", default: 1)
        let seed = Setting.seed()
        var random = SeededGenerator(seed: seed)
        let site = try Site()
        let admin = try await site.client()
        let salon = try await Salon(admin)
        let asking = try await site.client { $0.timeout = .milliseconds(200) }
        var figures = (checks: 0, stopped: 0, writes: 0)
        for round in 1...rounds {
            let ledger = Ledger()
            let isOver = Flag()
            let lanes = (0..<16).map { lane in
                Task { await Self.run(asking, salon, lane: "\(round)-\(lane)", ledger, until: isOver) }
            }
            try await Task.sleep(for: .milliseconds(100 + random.below(200)))
            site.daemon.program.standStill()
            // Answers that are on their way get there first.
            try await Task.sleep(for: .milliseconds(300))
            ledger.isStopped.set()
            for _ in 0..<3 + random.below(8) {
                let answer = await asking.check(salon.question(.email), .address("pause@example.fr"))
                #expect(
                    !answer.isAllowed && answer.cause == .timedOut(after: .milliseconds(200)), "\(answer)")
                figures.stopped += 1
            }
            isOver.set()
            for lane in lanes { await lane.value }
            site.daemon.program.signal(SIGCONT)

            let known = ledger.known
            #expect(known.wrong.isEmpty, "\(known.wrong.prefix(3)) (seed \(seed))")
            let found = await Self.audit(admin, salon, known)
            #expect(found.stale == 0 && found.lost == 0, "\(found) (seed \(seed))")
            figures.checks += known.checks
            figures.stopped += known.answersWhileStopped
            figures.writes += known.granted.count + 2 * known.withdrawn.count

            // The test's own test: somebody who never withdrew is found among those who did.
            var planted = known
            planted.withdrawn.append(try #require(known.granted.first))
            let stale = await Self.audit(admin, salon, planted).stale
            withKnownIssue { #expect(stale == 0) }
        }
        await asking.close()
        await admin.close()
        await site.stop()
        print(
            "pause: \(rounds) stops, \(figures.checks) checks, \(figures.stopped) of them unanswered while it "
                + "stood still, \(figures.writes) writes; no stale allow")
    }

    // MARK: The clock

    /// A daemon with a clock of its own and one consent, which ends in a month.
    private struct ClockSite {
        let site: Site
        let time: FakeTime
        let files: TemporaryFolder
        let salon: Salon
        let client: ConsentClient
        /// Seconds from now until the consent ends.
        let secondsLeft: Int

        static let address = "clock@example.fr"

        init() async throws {
            files = try TemporaryFolder()
            time = try FakeTime(path: files.file("time"))
            site = try Site(environment: time.environment, prelude: FakeTime.prelude)
            client = try await site.client()
            salon = try await Salon(client) { $0.validityMonths = 1 }
            _ = try await client.grant(salon.grant([Self.address], channels: [.email]))
            let answer = await client.check(salon.question(.email), .address(Self.address))
            let end = try #require(answer.validUntil)
            secondsLeft = Int(Double(end.microseconds) / 1e6 - Date().timeIntervalSince1970)
        }

        /// Ends it without a drain: with this clock a drain may wait for ever.
        func end() async {
            await client.close()
            site.daemon.program.signal(SIGKILL)
            _ = await site.daemon.program.finished()
        }

        /// Starts the daemon anew.
        func start(_ arguments: [String] = []) throws -> DaemonUnderTest {
            try site.start(arguments, environment: time.environment, prelude: FakeTime.prelude)
        }

        func check() async -> CheckAnswer {
            await client.check(salon.question(.email), .address(Self.address), timeout: .seconds(20))
        }

        /// Records an event now.
        func record(_ address: String) async throws {
            _ = try await client.grant(salon.grant([address], channels: [.email]))
        }

        /// Expects that times of recording ascend with sequences.
        func expectOrder() async throws {
            let last = try await client.stats().sequence
            var sequence: UInt64 = 0
            var time = Timestamp.epoch
            for try await change in client.watch(from: WatchPosition(after: 0)) where !change.isHeartbeat {
                #expect(change.sequence == sequence + 1)
                let recorded = try #require(change.event?.recordedAt)
                #expect(recorded >= time, "event \(change.sequence) was recorded before the one before it")
                (sequence, time) = (change.sequence, recorded)
                if sequence >= last { break }
            }
        }
    }

    private static let month = 40 * 86_400

    @Test(.enabled(if: FakeTime.library != nil, "\(FakeTime.missing)"))
    func aConsentThatEndsWhileTheServerStandsStillIsNotAllowed() async throws {
        let at = try await ClockSite()
        try at.time.set(seconds: at.secondsLeft - 3)
        #expect(await at.check().isAllowed, "the consent has three seconds left")
        at.site.daemon.program.standStill()
        // Asked before the end, answered after it.
        async let late = at.check()
        try await Task.sleep(for: .seconds(4))
        at.site.daemon.program.signal(SIGCONT)
        let answer = await late
        #expect(answer.cause == nil && !answer.isAllowed && answer.reason == .expired, "\(answer)")
        #expect(await at.check().reason == .expired)
        await at.end()
    }

    @Test(.enabled(if: FakeTime.library != nil, "\(FakeTime.missing)"))
    func aClockThatIsSetBackRevivesNothing() async throws {
        let at = try await ClockSite()
        #expect(await at.check().isAllowed)
        try at.time.set(seconds: -3_600)
        #expect(await at.check().isAllowed, "an hour back the consent is as good")
        try await at.record("back@example.fr")
        try at.time.set(seconds: Self.month)
        #expect(await at.check().reason == .expired, "the consent ended within these forty days")
        // No event was recorded at the later time, so only what was answered holds the time.
        try at.time.set(seconds: 0)
        #expect(await at.check().reason == .expired, "a clock that is set back revives a consent")
        try await at.record("back-again@example.fr")
        try await at.expectOrder()
        await at.end()
    }

    @Test(.enabled(if: FakeTime.library != nil, "\(FakeTime.missing)"))
    func aClockThatIsSetBackOverAKillRevivesNothing() async throws {
        let at = try await ClockSite()
        try at.time.set(seconds: at.secondsLeft + 30)
        #expect(await at.check().reason == .expired)
        // No event was recorded since the end; the writer thread looks at the clock when it is idle.
        let mark = URL(fileURLWithPath: "\(at.site.state)/register.db-mark")
        let before = try Data(contentsOf: mark)
        for _ in 0..<200 where try Data(contentsOf: mark) == before {
            try await Task.sleep(for: .milliseconds(50))
        }
        at.site.daemon.program.signal(SIGKILL)
        _ = await at.site.daemon.program.finished()
        // Less than the day by which a start refuses.
        try at.time.set(seconds: at.secondsLeft - 7_200)
        at.site.daemon = try at.start()
        let client = try await at.site.client()
        let answer = await client.check(at.salon.question(.email), .address(ClockSite.address))
        #expect(answer.reason == .expired, "\(answer)")
        await client.close()
        await at.end()
    }

    @Test(.enabled(if: FakeTime.library != nil, "\(FakeTime.missing)"))
    func aStartWithAClockFarBehindIsRefused() async throws {
        let at = try await ClockSite()
        try at.time.set(seconds: Self.month)
        try await at.record("future@example.fr")
        #expect(await at.check().reason == .expired)
        await at.end()

        for (seconds, isRefused) in [
            (0, true), (Self.month - 90_000, true), (Self.month - 80_000, false),
            (Self.month + 90_000, false),
        ] {
            try at.time.set(seconds: seconds)
            do {
                let daemon = try at.start()
                #expect(!isRefused, "a start \(Self.month - seconds) s behind the last event")
                daemon.program.signal(SIGTERM)
                #expect(await daemon.program.finished().code == 0)
            } catch DaemonUnderTest.DaemonError.didNotServe(let why) {
                #expect(isRefused, "\(why)")
                #expect(why.contains("set the clock") && why.contains("--accept-clock"), "\(why)")
            }
        }
        // Exit code 78, and what --accept-clock does: time stands still at the last event.
        try at.time.set(seconds: 0)
        let refused = try ProgramUnderTest(
            "consentd", ["serve", "--state-dir", at.site.state, "--listen", at.site.address],
            environment: at.time.environment, prelude: FakeTime.prelude)
        #expect(await refused.finished().code == 78)
        at.site.daemon = try at.start(["--accept-clock"])
        let client = try await at.site.client()
        let answer = await client.check(at.salon.question(.email), .address(ClockSite.address))
        #expect(answer.reason == .expired, "\(answer)")
        #expect((try await client.grant(at.salon.grant(["later@example.fr"], channels: [.email]))).isDurable)
        await client.close()
        await at.end()
    }
}
