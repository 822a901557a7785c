// Writes to a daemon that may end at any moment, and notes what was acknowledged.

import ConsentClient
import Foundation
import Synchronization
import TestSupport
import Testing

/// Grants, withdrawals and erasures of numbered people, each acknowledgement a line in a file.
final class NotedWriter: Sendable {
    private struct People {
        var next = 0
        /// Whose grant was acknowledged, and nothing else tried: its sequence.
        var granted: [Int: UInt64] = [:]
        /// Whose withdrawal or erasure was acknowledged.
        var denied = Set<Int>()
        /// Sequences of the grants of people whose erasure was tried.
        var erasedSequences = Set<UInt64>()
        var log: FileHandle
    }

    private let salon: Salon
    private let people: Mutex<People>
    private static let lanes = 8

    /// - Parameter log: path of the file; each line `SEQUENCE EVENT-ID`.
    init(_ salon: Salon, log: String) throws {
        self.salon = salon
        try Data().write(to: URL(fileURLWithPath: log))
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        people = Mutex(People(log: handle))
    }

    private static func address(_ number: Int) -> String { "person\(number)@example.fr" }

    /// Writes side by side until so many people have been written about, or a call fails.
    func write(_ client: ConsentClient, count: Int) async {
        await withTaskGroup { group in
            for _ in 0..<Self.lanes {
                group.addTask { [self] in
                    for _ in 0..<count / Self.lanes {
                        guard await writeOne(client) else { return }
                    }
                }
            }
        }
    }

    /// A grant, and of every third person a withdrawal after it.
    /// - Returns: whether all was acknowledged.
    private func writeOne(_ client: ConsentClient) async -> Bool {
        let number = people.withLock { people in
            people.next += 1
            return people.next
        }
        let address = Self.address(number)
        let grant = salon.grant([address], channels: [.email])
        guard let granted = try? await client.grant(grant, timeout: .seconds(5)), granted.isDurable else {
            return false
        }
        note(granted.sequence, granted.eventIDs.first)
        guard number % 3 == 0 else {
            people.withLock { $0.granted[number] = granted.sequence }
            return true
        }
        guard let withdrawn = try? await client.withdraw(salon.refusal(address), timeout: .seconds(5)),
            withdrawn.isDurable
        else { return false }
        note(withdrawn.sequence, withdrawn.eventIDs.first)
        people.withLock { _ = $0.denied.insert(number) }
        return true
    }

    /// Erases somebody who has given; the daemon is expected to end meanwhile.
    func erase(_ client: ConsentClient) async {
        let next = people.withLock { people in
            let next = people.granted.popFirst()
            if let next { people.erasedSequences.insert(next.value) }
            return next?.key
        }
        guard let number = next else { return }
        let erasure = Erasure(
            controller: salon.controller, subject: .contacts([WriteContact(Self.address(number))]))
        guard let erased = try? await client.erase(erasure, timeout: .seconds(5)), erased.isDurable else {
            return
        }
        people.withLock { _ = $0.denied.insert(number) }
    }

    private func note(_ sequence: UInt64, _ id: EventID?) {
        guard let id else { return }
        people.withLock { $0.log.write(Data("\(sequence) \(Hexadecimal.text(of: id.bytes))\n".utf8)) }
    }

    /// Events whose personal part may be destroyed.
    var erasedSequences: Set<UInt64> { people.withLock { $0.erasedSequences } }

    // MARK: Answers

    /// Nobody who withdrew or was erased is allowed, and everybody is who has given and did nothing else.
    func expectAnswers(_ client: ConsentClient, _ note: Comment) async throws {
        let (granted, denied) = people.withLock { ($0.granted.keys.sorted(), $0.denied.sorted()) }
        #expect(await allowed(client, denied) == 0, note)
        let count = await allowed(client, granted)
        #expect(count == min(granted.count, Self.askedMax), note)
    }

    /// As long as a restored register may lack refusals.
    func expectNothingIsAllowed(_ client: ConsentClient, _ note: Comment) async throws {
        let granted = people.withLock { $0.granted.keys.sorted() }
        #expect(await allowed(client, granted) == 0, note)
    }

    private static let askedMax = 1_000

    /// How many of the last people are allowed.
    private func allowed(_ client: ConsentClient, _ numbers: [Int]) async -> Int {
        let asked = numbers.suffix(Self.askedMax).map(Self.address)
        guard !asked.isEmpty else { return 0 }
        let answers = await client.checkBatch(salon.question(.email), addresses: asked)
        return asked.indices.count { answers.isAllowed($0) }
    }
}
