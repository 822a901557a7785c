// Goal: a start from an index snapshot answers as one from the state rows, whatever was written, withdrawn or
// erased since; a snapshot that is damaged or of another register is not used, and the log says so; an
// erasure leaves none.
// Method: servers in this process with snapshots from the first contact point on; the same questions asked
// after a start from the snapshot and after one without the file.

import ConsentClient
import ConsentServer
import Foundation
import TestSupport
import Testing

@Suite struct SnapshotStartTests {
    /// A server that writes a snapshot at each stop, and what it logs.
    private final class Home {
        var server: TestServer
        private let logFolder: TemporaryFolder
        private var log: String { logFolder.file("log") }

        init() async throws {
            logFolder = try TemporaryFolder()
            server = try await TestServer.start { $0.limits.snapshotContactsMin = 1 }
        }

        var path: String { server.stateFolder + "/index.snapshot" }
        var hasSnapshot: Bool { FileManager.default.fileExists(atPath: path) }

        /// Stops the server, lets `between` change the folder, and starts it again.
        /// - Parameter limits: changes to the limits of the next run.
        func restart(
            limits: (inout ServerConfiguration.Limits) -> Void = { _ in },
            between: (String) throws -> Void = { _ in }
        ) async throws {
            await server.server.drain()
            try between(path)
            try Data().write(to: URL(fileURLWithPath: log))
            server = try await TestServer.start(in: server.folder, logFile: log) {
                $0.limits.snapshotContactsMin = 1
                limits(&$0.limits)
            }
        }

        /// The line that says how the start filled the index.
        var said: String {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            return text.split(separator: "\n").filter { $0.contains("serving") || $0.contains("snapshot") }
                .joined(separator: "\n")
        }
    }

    private static func answers(_ server: TestServer, _ salon: Salon, _ names: [String]) async throws
        -> [String]
    {
        let client = try await server.admin()
        var answers: [String] = []
        for purpose in [salon.promotions, salon.newsletter, salon.reminders] {
            for name in names {
                let answer = await client.check(
                    salon.question(.email, purpose), .address("\(name)@example.fr"))
                answers.append(
                    "\(name) \(purpose): \(answer.decision) \(answer.reason.map { "\($0)" } ?? "")")
            }
        }
        await client.close()
        return answers
    }

    /// Grants, withdrawals and erasures by number; the same numbers do the same.
    private static func write(_ server: TestServer, _ salon: Salon, _ numbers: Range<Int>) async throws {
        let client = try await server.admin()
        for number in numbers {
            let address = "person\(number)@example.fr"
            _ = try await client.grant(
                salon.grant(
                    [address], channels: [.email],
                    purposes: number % 2 == 0 ? [salon.promotions] : [salon.promotions, salon.newsletter]))
            if number % 5 == 0 { _ = try await client.withdraw(salon.refusal(address)) }
            // One that was on file long before.
            if number % 7 == 0 {
                _ = try await client.withdraw(salon.refusal("person\(number / 2)@example.fr"))
            }
            if number % 11 == 0 {
                _ = try await client.grant(
                    salon.grant(
                        ["person\(number / 3)@example.fr"], channels: [.email],
                        purposes: [salon.newsletter]))
            }
        }
        await client.close()
    }

    private static let names = (0..<130).map { "person\($0)" }

    @Test func aStartFromItAnswersAsOneFromTheRows() async throws {
        let home = try await Home()
        let first = try await home.server.admin()
        let salon = try await Salon(first)
        await first.close()
        try await Self.write(home.server, salon, 0..<60)
        let expected = try await Self.answers(home.server, salon, Self.names)
        try await home.restart()
        #expect(home.hasSnapshot && home.said.contains("snapshot of event"), "\(home.said)")
        #expect(try await Self.answers(home.server, salon, Self.names) == expected)
        let attributes = try FileManager.default.attributesOfItem(atPath: home.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)

        // Events after it: some flushed and some not, as after a crash. The old snapshot stays.
        for (round, flushSeconds) in [(0, 3), (1, 0)] {
            try await home.restart { $0.snapshotContactsMin = 1_000_000 }
            try await Self.write(home.server, salon, 60 + 30 * round..<90 + 30 * round)
            let expected = try await Self.answers(home.server, salon, Self.names)
            await home.server.server.drain()
            try await home.restart {
                $0.snapshotContactsMin = 1_000_000
                $0.stopFlushSeconds = flushSeconds
            }
            #expect(home.said.contains("snapshot of event"), "\(home.said)")
            #expect(try await Self.answers(home.server, salon, Self.names) == expected, "round \(round)")
        }

        // What the state rows say is the same; and a file that was left unfinished is in nobody's way.
        let last = try await Self.answers(home.server, salon, Self.names)
        try await home.restart(between: { path in
            try FileManager.default.removeItem(atPath: path)
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path + ".partial"))
        })
        #expect(home.said.contains("state rows") && !home.hasSnapshot, "\(home.said)")
        #expect(try await Self.answers(home.server, salon, Self.names) == last)
        #expect(!FileManager.default.fileExists(atPath: home.path + ".partial"))
        await home.server.server.drain()
        #expect(home.hasSnapshot)
    }

    @Test func aDamagedOrForeignOneIsNotUsed() async throws {
        let home = try await Home()
        let other = try await Home()
        var salons: [Salon] = []
        for home in [home, other] {
            let client = try await home.server.admin()
            salons.append(try await Salon(client))
            await client.close()
            try await Self.write(home.server, salons[0], 0..<30)
        }
        let expected = try await Self.answers(home.server, salons[0], Self.names)
        await other.server.server.drain()
        let foreign = try Data(contentsOf: URL(fileURLWithPath: other.path))
        typealias Change = (inout Data) -> Void
        let changes: [(String, Change)] = [
            ("damaged", { $0[$0.count / 2 + 2_100] ^= 4 }), ("damaged", { $0.removeLast(100) }),
            ("damaged", { $0 = Data() }), ("not of this register", { $0 = foreign }),
        ]
        for (word, change) in changes {
            try await home.restart(between: { path in
                var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
                change(&bytes)
                try bytes.write(to: URL(fileURLWithPath: path))
            })
            let said = home.said
            #expect(
                said.contains("not used") && said.contains(word) && said.contains("state rows"), "\(said)")
            #expect(try await Self.answers(home.server, salons[0], Self.names) == expected, "\(word)")
        }
        await home.server.server.drain()
    }

    /// A register that was put back by hand, its mark removed, under a snapshot that knows more.
    @Test func oneOfALaterTimeIsNotUsed() async throws {
        let home = try await Home()
        let client = try await home.server.admin()
        let salon = try await Salon(client)
        await client.close()
        try await Self.write(home.server, salon, 0..<10)
        await home.server.server.drain()
        let database = home.server.stateFolder + "/register.db"
        let early = try Data(contentsOf: URL(fileURLWithPath: database))
        try await home.restart()
        let expected = try await Self.answers(home.server, salon, Self.names)
        try await Self.write(home.server, salon, 10..<20)
        // The register has fewer events than the snapshot knows,
        try await home.restart(
            limits: { $0.snapshotContactsMin = 1_000_000 },
            between: { _ in
                try early.write(to: URL(fileURLWithPath: database))
                try FileManager.default.removeItem(atPath: database + "-mark")
            })
        #expect(home.said.contains("the register with"), "\(home.said)")
        #expect(try await Self.answers(home.server, salon, Self.names) == expected)
        // and then more of them, but others.
        try await Self.write(home.server, salon, 40..<70)
        let later = try await Self.answers(home.server, salon, Self.names)
        try await home.restart { $0.snapshotContactsMin = 1_000_000 }
        #expect(home.said.contains("is another"), "\(home.said)")
        #expect(try await Self.answers(home.server, salon, Self.names) == later)
        await home.server.server.drain()
    }

    @Test func anErasureLeavesNone() async throws {
        let home = try await Home()
        let client = try await home.server.admin()
        let salon = try await Salon(client)
        await client.close()
        try await Self.write(home.server, salon, 0..<20)
        try await home.restart()
        #expect(home.hasSnapshot)
        let again = try await home.server.admin()
        let erasure = Erasure(
            controller: salon.controller, subject: .contacts([WriteContact("person3@example.fr")]))
        #expect(try await again.erase(erasure).status == .recorded)
        #expect(!home.hasSnapshot, "it holds what the erased person had consented to")
        await again.close()
        // The one that the stop writes knows the erasure.
        try await home.restart()
        #expect(home.said.contains("snapshot of event"))
        let answers = try await Self.answers(home.server, salon, ["person3"])
        #expect(answers.allSatisfy { !$0.contains("allow") || $0.contains("service") }, "\(answers)")
        await home.server.server.drain()
    }
}
