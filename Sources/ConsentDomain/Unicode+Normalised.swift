// Canonical composition, and what a register remembers of the rules and the Unicode data that it was written
// with.
//
// Slow paths: ASCII input never comes here.

import Foundation

/// What the library and its data make of fixed addresses; part of a register's check value.
public enum Normalisation {
    /// Goes up when a rule changes.
    public static let version: UInt32 = 2

    /// Addresses whose answers change when a rule or the Unicode data changes: composition, case, joiners,
    /// final sigma, sharp s, and letters of Unicode 5.1, 6.1, 9, 11, 13, 14, 15 and 15.1.
    static let selfTestEmails = [
        "Jean.Dupont@Example.COM", "\"jean\"@example.com", "\"a b\"@example.com", "jose\u{301}@example.com",
        "a@stra\u{DF}e.de", "a@\u{3B2}\u{3CC}\u{3BB}\u{3BF}\u{3C2}.gr", "a@\u{130}stanbul.example",
        "a@xn--strae-oqa.de", "a@\u{930}\u{94D}\u{200D}.example", "a@e\u{301}cole.fr", "a@\u{1E9E}.de",
        "a@\u{A7A1}.fr", "a@\u{A7AA}.fr", "a@\u{1C80}.fr", "a@\u{1C90}.fr", "a@\u{A7F5}.fr", "a@\u{2C2F}.fr",
        "a@\u{A7D0}.fr", "a@\u{1E4D0}.fr", "a@\u{2EBF0}.fr", "a@\u{30000}.fr", "a@\u{31350}.fr",
        "a\u{1DFA}\u{323}@example.com", "x\u{1ACF}\u{323}@example.com", "x\u{1E08F}\u{323}@example.com",
    ]
    static let selfTestPhones = [
        "+33 (0)6 12 34 56 78", "0612345678", "0033612345678", "+3906123456", "+1234567",
    ]

    /// SHA-256 of the version and of the answers to the fixed addresses.
    public static let selfTestDigest: Digest32 = {
        var writer = CanonicalWriter()
        writer.append(version)
        let answers =
            selfTestEmails.map { answer(.email, $0) } + selfTestPhones.map { answer(.phone, $0) }
            + ["cle\u{301} 7", "\u{1E9B}\u{323}"].map { answer(.opaque, $0) }
        for answer in answers {
            writer.append(UInt16(answer.count))
            writer.append(answer)
        }
        return .sha256(writer.bytes)
    }()

    private static func answer(_ kind: ContactKind, _ text: String) -> [UInt8] {
        do throws(AddressError) {
            return try ContactAddress(kind: kind, text: text, region: .france).normalised
        } catch {
            return [0, error.rawValue]
        }
    }

    /// Normalisation form C of a text.
    static func composed(_ text: String) -> String { text.precomposedStringWithCanonicalMapping }

    /// Normalisation form C of scalars.
    static func composed(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return Array(composed(String(text)).unicodeScalars)
    }
}
