// Goal: kill -9 in the middle of erasures leaves each of them done or not begun: whoever reads as erased is
// in no file, an acknowledged erasure stays, and nobody else loses anything.
// Method: a daemon process; people with texts that are found nowhere else; erasures side by side, SIGKILL
// after a random while, a restart, then the files searched. CONSENTD_CRASH_ROUNDS and CONSENTD_CRASH_SEED
// lengthen and repeat it.

import ConsentClient
import Foundation
import Synchronization
import TestRandomness
import TestSupport
import Testing

@Suite struct ErasureCrashTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    private static let peopleCount = 400

    private static func connect(_ daemon: DaemonUnderTest, _ state: String) async throws -> ConsentClient {
        var configuration = ConsentClient.Configuration()
        let secret = try String(contentsOfFile: state + "/admin.token", encoding: .utf8)
        configuration.credential = Array(secret.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        return try await ConsentClient.connect(to: daemon.address, configuration: configuration)
    }

    /// Numbers of the people whose texts are in the database or its log.
    private static func found(in state: String) throws -> Set<Int> {
        var people = Set<Int>()
        for name in ["register.db", "register.db-wal"] {
            let path = state + "/" + name
            guard FileManager.default.fileExists(atPath: path) else { continue }
            let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
            for match in text.matches(of: /canary-person-(\d+)-/) {
                if let number = Int(match.output.1) { people.insert(number) }
            }
        }
        return people
    }

    @Test func aKillLeavesNoErasureHalfDone() async throws {
        let rounds = Self.number("CONSENTD_CRASH_ROUNDS") ?? 2
        let seed = Self.number("CONSENTD_CRASH_SEED") ?? UInt64.random(in: 1...1_000_000)
        var random = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        var daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        var client = try await Self.connect(daemon, state)
        let salon = try await Salon(client)
        for number in 0..<Self.peopleCount {
            var grant = salon.grant(["person\(number)@example.fr"], channels: [.email])
            grant.reference = "canary-person-\(number)-"
            grant.evidence.userAgent = "canary-person-\(number)-"
            _ = try await client.grant(grant)
        }
        #expect(try Self.found(in: state).count == Self.peopleCount, "the search is wrong")

        var waiting = Array(0..<Self.peopleCount).shuffled(using: &random)
        var acknowledged = Set<Int>()
        for _ in 1...rounds {
            let batch = waiting.prefix(Self.peopleCount / (Int(rounds) + 1))
            waiting.removeFirst(batch.count)
            let eraser = Eraser(client: client, salon: salon)
            let erasing = Task { [batch = Array(batch)] in await eraser.erase(batch) }
            try await Task.sleep(for: .milliseconds(Int(random.next() % 250) + 20))
            daemon.program.signal(SIGKILL)
            #expect(daemon.program.wait().code == -SIGKILL)
            erasing.cancel()
            await erasing.value
            await client.close()
            acknowledged.formUnion(eraser.acknowledged.withLock { $0 })

            daemon = try DaemonUnderTest(stateFolder: state)
            client = try await Self.connect(daemon, state)
            var erased = Set<Int>()
            for number in 0..<Self.peopleCount {
                let answer = try await client.explain(
                    salon.question(.email), .contacts([WriteContact("person\(number)@example.fr")])
                ).answer
                if answer.decision == .allow { continue }
                #expect(answer.reason == .erased, "person \(number), seed \(seed)")
                erased.insert(number)
            }
            #expect(acknowledged.isSubset(of: erased), "an erasure was lost, seed \(seed)")
            let left = try Self.found(in: state)
            #expect(left.isDisjoint(with: erased), "erased people are in the files, seed \(seed)")
            #expect(left.union(erased).count == Self.peopleCount, "others lost their texts, seed \(seed)")
        }
        #expect(!acknowledged.isEmpty, "no erasure was acknowledged: the test shows nothing")
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
        print("erasure: \(rounds) kills, \(acknowledged.count) acknowledged erasures, 0 half done")
        await client.close()
    }
}

/// Erases people on two lanes, one by reference and one by address, until a call fails.
private final class Eraser: Sendable {
    let client: ConsentClient
    let salon: Salon
    /// Whose erasure was acknowledged.
    let acknowledged = Mutex(Set<Int>())

    init(client: ConsentClient, salon: Salon) {
        self.client = client
        self.salon = salon
    }

    func erase(_ people: [Int]) async {
        let middle = people.count / 2
        async let byReference: Void = erase(people[..<middle]) { .reference("canary-person-\($0)-") }
        async let byAddress: Void = erase(people[middle...]) {
            .contacts([WriteContact("person\($0)@example.fr")])
        }
        _ = await (byReference, byAddress)
    }

    private func erase(_ people: ArraySlice<Int>, _ subject: @Sendable (Int) -> Subject) async {
        for number in people {
            let erasure = Erasure(controller: salon.controller, subject: subject(number))
            guard let result = try? await client.erase(erasure, timeout: .seconds(2)), result.isDurable
            else { return }
            acknowledged.withLock { _ = $0.insert(number) }
        }
    }
}
