// Goal: two heads are consistent only where the newer log extends the older one, and whatever is wrong is
// named. Method: a log of nine leaves made here; heads of any two sizes; one part altered at a time.

import ConsentClient
import ConsentProof
import Testing

@Suite struct HeadFileTests {
    private static let key = LogSigningKey(seed: Array(repeating: 7, count: 32)) ?? LogSigningKey()

    private static func leaves(_ count: UInt64, changed: UInt64? = nil) -> [TreeHash] {
        (0..<count).map { TreeHash.leaf([UInt8(truncatingIfNeeded: $0), $0 == changed ? 1 : 0]) }
    }

    /// The tree of RFC 9162 as it is defined: split at the largest power of two below the count.
    private static func root(_ leaves: ArraySlice<TreeHash>) -> TreeHash {
        guard leaves.count > 1 else { return leaves.first ?? .emptyTree }
        var half = 1
        while half * 2 < leaves.count { half *= 2 }
        let middle = leaves.startIndex + half
        return TreeHash.node(root(leaves[..<middle]), root(leaves[middle...]))
    }

    private static func file(
        _ leaves: [TreeHash], since: UInt64 = 0, time: Int64 = 5, key: LogSigningKey = key
    ) throws -> HeadFile {
        let head = try SignedHead(
            treeSize: UInt64(leaves.count), root: root(leaves[...]), time: time,
            incarnation: Array(repeating: 1, count: 16), key: key)
        var proof: [TreeHash] = []
        if since > 0 {
            proof = MerkleProof.consistency(from: since, to: UInt64(leaves.count)) { level, index in
                let first = Int(index << UInt64(level))
                return root(leaves[first..<first + 1 << level])
            }
        }
        return HeadFile(head: head, since: since, consistency: proof.map(\.bytes))
    }

    @Test func everyPairOfSizes() throws {
        let all = Self.leaves(9)
        for old in 1...9 {
            for new in old...9 {
                let older = try Self.file(Array(all.prefix(old)))
                let newer = try Self.file(Array(all.prefix(new)), since: UInt64(old), time: 6)
                let again = try HeadFile(parsing: try JSON(parsing: Array(newer.json.pretty.utf8)))
                #expect(again == newer)
                try older.verify(extendedBy: again, keys: [Self.key.publicKey])
            }
        }
    }

    @Test func whatIsWrongIsNamed() throws {
        let all = Self.leaves(9)
        let older = try Self.file(Array(all.prefix(5)))
        let newer = try Self.file(all, since: 5, time: 6)
        let keys = [Self.key.publicKey]
        func failure(_ older: HeadFile, _ newer: HeadFile, _ keys: [LogPublicKey]) -> String {
            do throws(VerificationFailure) {
                try older.verify(extendedBy: newer, keys: keys)
                return "verified"
            } catch {
                return error.description
            }
        }
        let other = LogSigningKey()
        #expect(failure(older, newer, [other.publicKey]).contains("signed by key"))
        var altered = newer
        altered.head.treeSize += 1
        #expect(failure(older, altered, keys).contains("signature"))
        altered = newer
        altered.consistency[0][0] ^= 1
        #expect(failure(older, altered, keys).contains("does not extend"))
        altered = newer
        altered.consistency.removeLast()
        #expect(failure(older, altered, keys).contains("does not extend"))
        #expect(failure(newer, older, keys).contains("older head first"))
        #expect(failure(older, try Self.file(all, since: 4, time: 6), keys).contains("--since 5"))
        // A log whose third event was changed, and one that was rewritten at the same size.
        let changed = try Self.file(Self.leaves(9, changed: 2), since: 5, time: 6)
        #expect(failure(older, changed, keys).contains("does not extend"))
        let forked = try Self.file(Self.leaves(5, changed: 2), since: 5, time: 6)
        #expect(failure(older, forked, keys).contains("two logs"))
        #expect(failure(older, try Self.file(all, since: 5, time: 4), keys).contains("is older"))
    }

    @Test func filesThatAreNoHeads() throws {
        let text = try Self.file(Self.leaves(3), since: 2).json.line
        for (old, new) in [
            ("consentd head 1", "consentd head 2"), ("\"root\":\"", "\"root\":\"00"),
            ("\"consistency\":[\"", "\"consistency\":[\"00"), ("\"since\":2", "\"since\":-2"),
        ] {
            #expect(throws: VerificationFailure.self, "\(new)") {
                try HeadFile(parsing: try JSON(parsing: Array(text.replacing(old, with: new).utf8)))
            }
        }
    }

    // MARK: The weekly summary

    @Test func theSummaryCountsPeopleAndSpeaksBothLanguages() {
        var summary = ReviewSummary()
        #expect(summary.text(name: "Salon", days: 30, locale: "fr-FR").contains("Rien à faire"))
        #expect(summary.text(name: "Salon", days: 30, locale: "en").contains("Nothing to do"))
        for (reference, kind, day): (String, Reminder.Kind, Int64) in [
            ("a", .expiring, 5), ("a", .expiring, 3), ("b", .expiring, 9), ("c", .unproven, 0),
            ("", .noticeInvalidated, 0), ("", .noticeInvalidated, 0), ("d", .lapsing, 2),
        ] {
            summary.add(
                ReviewEntry(
                    reference: reference, kind: kind,
                    due: day == 0 ? nil : Timestamp(microseconds: day * 86_400_000_000), event: 1,
                    key: RecipientKey(low: UInt64(day), high: 1)))
        }
        #expect(summary.figures(.expiring) == (3, 2, Timestamp(microseconds: 3 * 86_400_000_000)))
        #expect(summary.figures(.noticeInvalidated).consents == 2)
        let english = summary.text(name: "Salon Lyon", days: 30, locale: "en-GB")
        #expect(english.contains("3 consents of 2 people end within 30 days, the first on 1970-01-04"))
        #expect(english.contains("1 consent of 1 person came without proof"))
        let french = summary.text(name: "Salon Lyon", days: 30, locale: "fr")
        #expect(french.contains("3 consentements de 2 personnes expirent dans les 30 jours"))
        #expect(french.contains("1 consentement de 1 personne attend une confirmation"))
    }
}
