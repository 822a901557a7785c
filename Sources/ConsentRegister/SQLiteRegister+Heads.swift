// Heads that are kept: signed at intervals, so that what the log was at an earlier time can be shown, and
// that today's log extends it.
//
// Invariant: a kept head is never changed or removed; it verifies under the key that signed it, which may be
// one that was replaced since.

import ConsentDomain
import ConsentProof

extension SQLiteRegister {
    /// Signs and keeps a head, where events were appended since the last one that was kept.
    /// - Returns: the head; nil where nothing was appended.
    @discardableResult
    public func keepHead(now: Timestamp) throws(RegisterError) -> SignedHead? {
        if keptHeadSize == nil { keptHeadSize = try keptHead(until: .distantFuture)?.treeSize ?? 0 }
        guard lastSequence > keptHeadSize ?? 0 else { return nil }
        let head = try signedHead(now: now)
        try inTransaction("keeping a head") { () throws(RegisterError) in
            let statement = try database.prepare("INSERT INTO head (time, body) VALUES (?1, ?2)")
            statement.bind(1, head.time)
            statement.bind(2, head.encoded)
            try statement.run("keeping a head")
        }
        keptHeadSize = head.treeSize
        return head
    }

    /// The last head that was kept until a time; nil where there is none.
    public func keptHead(until time: Timestamp) throws(RegisterError) -> SignedHead? {
        let statement = try database.prepare(
            "SELECT body FROM head WHERE time <= ?1 ORDER BY time DESC LIMIT 1")
        statement.bind(1, time.microseconds)
        guard try statement.step("reading a kept head") else { return nil }
        do throws(ProofError) {
            return try SignedHead(decoding: statement.array(0))
        } catch {
            throw .corrupt("a kept head: \(error)")
        }
    }
}

extension Migrations {
    /// Heads that were signed at intervals, by the time of their signature.
    static let keptHeads = """
        CREATE TABLE head (time INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
        CREATE TRIGGER head_update BEFORE UPDATE ON head
            BEGIN SELECT RAISE(ABORT, 'heads are never changed'); END;
        CREATE TRIGGER head_delete BEFORE DELETE ON head
            BEGIN SELECT RAISE(ABORT, 'heads are never removed'); END;
        """
}
