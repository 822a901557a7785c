// Compares a register with what its daemon had acknowledged: every event is there, at its sequence and once,
// and the log extends the one that was seen before.

import ConsentClient
import ConsentProof
import Foundation
import TestSupport
import Testing

/// Compares a register with what was acknowledged.
struct CrashAudit {
    var acknowledged = 0
    var events = 0
    private var head: SignedHead?

    /// A client with the credential of a file.
    static func connect(_ address: String, token: String) async throws -> ConsentClient {
        var configuration = ConsentClient.Configuration()
        let secret = try String(contentsOfFile: token, encoding: .utf8)
        configuration.credential = Array(secret.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
        configuration.attemptsMax = 1
        return try await ConsentClient.connect(to: address, configuration: configuration)
    }

    /// - Parameters:
    ///   - log: file of lines `SEQUENCE EVENT-ID`.
    ///   - destroyed: sequences of events whose id may be gone with their personal part.
    mutating func check(
        _ address: String, token: String, acknowledged log: String, seed: UInt64,
        destroyed: Set<UInt64> = []
    ) async throws {
        let client = try await Self.connect(address, token: token)
        defer { Task { await client.close() } }

        let last = try await client.stats().sequence
        var ids: [EventID?] = []
        if last > 0 {
            for try await change in client.watch(from: WatchPosition(after: 0)) where !change.isHeartbeat {
                #expect(change.sequence == UInt64(ids.count) + 1, "the sequence is dense (seed \(seed))")
                ids.append(change.event?.eventID)
                if change.sequence >= last { break }
            }
        }
        #expect(
            Set(ids.compactMap { $0 }).count == ids.compactMap { $0 }.count,
            "no event is doubled (seed \(seed))")
        events = ids.count

        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        acknowledged = lines.count
        var missing = 0
        for line in lines {
            let fields = line.split(separator: " ")
            guard fields.count == 2, let sequence = Int(fields[0]),
                let id = Hexadecimal.bytes(of: String(fields[1])).flatMap({ EventID(bytes: $0) })
            else { continue }
            guard sequence >= 1, sequence <= ids.count else {
                missing += 1
                continue
            }
            let isDestroyed = ids[sequence - 1] == nil && destroyed.contains(UInt64(sequence))
            if ids[sequence - 1] != id && !isDestroyed { missing += 1 }
        }
        #expect(
            missing == 0, "\(missing) of \(lines.count) acknowledged events are not on file (seed \(seed))")

        let newHead = try await client.head(since: head?.treeSize ?? 0)
        if let head {
            let proof = try newHead.consistency.map { try #require(TreeHash($0)) }
            #expect(
                MerkleProof.verifyConsistency(
                    oldSize: head.treeSize, oldRoot: head.root, newSize: newHead.head.treeSize,
                    newRoot: newHead.head.root, proof: proof), "the log extends the one before (seed \(seed))"
            )
        }
        head = newHead.head
    }
}
