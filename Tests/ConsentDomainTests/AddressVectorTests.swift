// Goal: e-mail addresses and domains come out as other implementations bring them out. Method: tables of
// inputs with the answers of email-validator, is_email and idna; each difference is listed with its reason.

import ConsentDomain
import Foundation
import Testing

struct AddressVectorTests {
    /// The normalised address, or `!`.
    private static func answer(_ text: String) -> String {
        guard case .success(let address) = normalised(.email, text) else { return AddressTable.refused }
        let again = normalised(.email, address)
        #expect(again == .success(address), "\(text.debugDescription) changes when it is normalised again")
        return address
    }

    /// The domain of an address in A-labels, or `!`.
    private static func domainAnswer(_ domain: String) -> String {
        let address = answer("a@" + domain)
        return address == AddressTable.refused ? address : String(address.dropFirst(2))
    }

    @Test func emailValidator() throws {
        let table = try AddressTable("emails.tsv", columns: 3...3)
        var differences = try AddressDifferences(of: table.name)
        var acceptedCount = 0
        for row in table.rows {
            let ours = Self.answer(row[0])
            acceptedCount += ours == AddressTable.refused ? 0 : 1
            differences.compare(row[0], ours: ours, theirs: row[1])
        }
        differences.finish()
        #expect(acceptedCount > 100 && table.rows.count - acceptedCount > 150)
    }

    /// is_email tells valid addresses from others, and does not normalise. What it calls obsolete or folded
    /// is accepted here only where trimming or quotes explain it.
    @Test func isEmail() throws {
        let table = try AddressTable("emails.tsv", columns: 3...3)
        var differences = try AddressDifferences(of: "emails.tsv, is_email")
        for row in table.rows where row[2] != "-" {
            let ours = Self.answer(row[0]) == AddressTable.refused ? "no" : "yes"
            differences.compare(row[0], ours: ours, theirs: row[2])
        }
        differences.finish()
    }

    @Test func idna() throws {
        let table = try AddressTable("domains.tsv", columns: 2...2)
        var differences = try AddressDifferences(of: table.name)
        var acceptedCount = 0
        for row in table.rows {
            let ours = Self.domainAnswer(row[0])
            acceptedCount += ours == AddressTable.refused ? 0 : 1
            differences.compare(row[0], ours: ours, theirs: row[1])
        }
        differences.finish()
        #expect(acceptedCount > 200 && table.rows.count - acceptedCount > 20)
    }

    /// The published sets, where tables of them were made (tools/vectors/addresses.py tells how).
    @Test(.enabled(if: AddressTable.publishedFolder != nil))
    func publishedSets() throws {
        let folder = try #require(AddressTable.publishedFolder)
        for name in ["is-email.tsv", "email-validator.tsv"] {
            let table = try AddressTable(name, folder: folder, columns: 3...3)
            var differences = try AddressDifferences(of: name, in: "published-differences.tsv")
            for row in table.rows { differences.compare(row[0], ours: Self.answer(row[0]), theirs: row[1]) }
            differences.finish()
        }
        let table = try AddressTable("idna-test.tsv", folder: folder, columns: 2...2)
        var differences = try AddressDifferences(of: table.name, in: "published-differences.tsv")
        for row in table.rows { differences.compare(row[0], ours: Self.domainAnswer(row[0]), theirs: row[1]) }
        differences.finish()
    }
}
