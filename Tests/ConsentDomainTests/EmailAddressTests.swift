// Goal: one mailbox gives one normalised address, whatever way it is written, and nothing else gives that
// one. Method: a table of the rules and edge cases; the fast path against the rule on random addresses.

import ConsentDomain
import Testing

struct EmailAddressTests {
    static let same: [(given: String, normalised: String)] = [
        ("jean.dupont@example.com", "jean.dupont@example.com"),
        ("  Jean.DUPONT@Example.COM\r\n", "jean.dupont@example.com"),
        ("a@b.co", "a@b.co"),
        ("o'neil+salon@sub.example.co.uk", "o'neil+salon@sub.example.co.uk"),
        ("!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"),
        // Redundant quotes go, needed ones stay with the escapes that they need.
        ("\"jean\"@example.com", "jean@example.com"),
        ("\"je\\an\"@example.com", "jean@example.com"),
        ("\"jean dupont\"@example.com", "\"jean dupont\"@example.com"),
        ("\"A@b\"@example.com", "\"a@b\"@example.com"),
        ("\"a\\\"b\\\\c\"@example.com", "\"a\\\"b\\\\c\"@example.com"),
        ("\".a\"@example.com", "\".a\"@example.com"),
        // Composition is done again where quotes and backslashes stood in between.
        ("\"e\\\u{301}\"@example.com", "\u{E9}@example.com"),
        ("\"=\\\u{338} a\"@example.com", "\"\u{2260} a\"@example.com"),
        // The Kelvin sign is composed to a K, and lower-cased like one.
        ("\u{212A}elvin@example.com", "kelvin@example.com"),
        // Composition: NFD and NFC are one.
        ("jose\u{301}@example.com", "jos\u{E9}@example.com"),
        ("jos\u{E9}@example.com", "jos\u{E9}@example.com"),
        ("a@e\u{301}cole.fr", "a@xn--cole-9oa.fr"),
        ("a@\u{C9}COLE.fr", "a@xn--cole-9oa.fr"),
        ("a@xn--cole-9oa.fr", "a@xn--cole-9oa.fr"),
        ("a@XN--COLE-9OA.FR", "a@xn--cole-9oa.fr"),
        // Non-transitional: sharp s and final sigma are kept apart from ss and sigma.
        ("a@stra\u{DF}e.de", "a@xn--strae-oqa.de"),
        ("a@strasse.de", "a@strasse.de"), ("a@STRA\u{1E9E}E.de", "a@xn--strae-oqa.de"),
        ("a@\u{3C3}\u{3B1}\u{3C2}.gr", "a@xn--mxa8ab.gr"),
        // Turkish capital I with dot: i with a dot above in a domain, untouched in a local part.
        ("a@\u{130}stanbul.example", "a@xn--istanbul-o0e.example"),
        ("\u{130}a@example.com", "\u{130}a@example.com"),
        ("I@example.com", "i@example.com"),
        // Full-width letters and dots of a domain are mapped.
        ("a@\u{FF45}xample\u{3002}com", "a@example.com"),
        ("a@\u{4F8B}\u{3048}.\u{65E5}\u{672C}", "a@xn--r8jz45g.xn--wgv71a"),
        // Labels in Unicode and in punycode may be mixed; what UTS-46 ignores goes.
        ("a@Xn--cole-9oa.\u{E9}cole.fr", "a@xn--cole-9oa.xn--cole-9oa.fr"),
        ("a@exa\u{AD}mple\u{200B}.com", "a@example.com"),
        ("a@\u{5E7}\u{5D5}\u{5DD}.com", "a@xn--9dbq2a.com"),
        (
            String(repeating: "a", count: 64) + "@example.com",
            String(repeating: "a", count: 64) + "@example.com"
        ),
    ]

    @Test(arguments: same)
    func normalises(given: String, normalised expected: String) {
        #expect(normalised(.email, given) == .success(expected))
        // What is normalised stays as it is.
        #expect(normalised(.email, expected) == .success(expected))
    }

    static let refused: [(given: String, error: AddressError)] = [
        ("", .empty), (" \t\r\n", .empty), ("jean", .noAtSign), ("jean@", .noAtSign),
        ("@example.com", .bareSpace),
        (".jean@example.com", .badDots), ("jean.@example.com", .badDots), ("je..an@example.com", .badDots),
        ("je an@example.com", .bareSpace), ("je\u{A0}an@example.com", .bareSpace),
        ("je\u{0}an@example.com", .controlCharacter), ("je\tan@example.com", .controlCharacter),
        ("je\u{85}an@example.com", .controlCharacter), ("\"je\u{7}an\"@example.com", .controlCharacter),
        ("jean@exam\u{0}ple.com", .controlCharacter),
        // Zero-width characters, marks of direction, private and unassigned characters.
        ("je\u{200B}an@example.com", .controlCharacter), ("je\u{200D}an@example.com", .controlCharacter),
        ("jean\u{200F}@example.com", .controlCharacter), ("\u{202A}jean@example.com", .controlCharacter),
        ("\u{FEFF}jean@example.com", .controlCharacter), ("je\u{AD}an@example.com", .controlCharacter),
        ("je\u{E000}an@example.com", .controlCharacter), ("je\u{378}an@example.com", .controlCharacter),
        ("\u{301}jean@example.com", .badLocalCharacter), ("jean@exam\u{200F}ple.com", .badDomain),
        // Without composition U+037E is a Greek question mark; with it, a semicolon.
        ("a\u{37E}b@example.com", .badLocalCharacter),
        // The Bidi rule across labels; signs that stand for a symbol with a stroke.
        ("jean@3com.\u{5E7}\u{5D5}\u{5DD}", .badDomain), ("jean@a\u{2260}b.com", .badDomain),
        ("jean@xn--1ch.com", .badDomain), ("jean@\u{5DA}2\u{665}.com", .badDomain),
        ("\"jean@example.com", .badQuotes), ("\"\"@example.com", .badQuotes),
        ("je\"an\"@example.com", .badQuotes),
        ("\"je\"an@example.com", .badQuotes), ("\"jean\\\"@example.com", .badQuotes),
        ("je,an@example.com", .badLocalCharacter), ("a@b@example.com", .badLocalCharacter),
        ("jean@[192.168.0.1]", .domainLiteral), ("jean@[IPv6:::1]", .domainLiteral),
        ("jean@example", .noTopLevelDomain), ("jean@127.0.0.1", .noTopLevelDomain),
        ("jean@example..com", .badDomain), ("jean@.example.com", .badDomain),
        ("jean@example.com.", .badDomain),
        ("jean@-example.com", .badDomain), ("jean@example-.com", .badDomain),
        ("jean@exam_ple.com", .badDomain),
        ("jean@exam ple.com", .badDomain), ("jean@xn--a.com", .badDomain),
        ("jean@" + String(repeating: "a", count: 64) + ".com", .badDomain),
        (String(repeating: "a", count: 65) + "@example.com", .localPartTooLong),
        (String(repeating: "\u{E9}", count: 33) + "@example.com", .localPartTooLong),
        ("jean@" + String(repeating: "abcdefghi.", count: 25) + "com", .tooLong),
        (String(repeating: "a", count: 5_000), .tooLong),
    ]

    @Test(arguments: refused)
    func refuses(given: String, error: AddressError) {
        #expect(normalised(.email, given) == .failure(error))
    }

    @Test func longestAddress() {
        let domain = String(repeating: "a", count: 63) + "." + String(repeating: "b", count: 63) + "."
        let local = String(repeating: "c", count: 64)
        let longest = local + "@" + domain + String(repeating: "d", count: 254 - 65 - domain.utf8.count)
        #expect(longest.utf8.count == 254)
        #expect(normalised(.email, longest) == .success(longest))
        #expect(normalised(.email, longest + "d") == .failure(.tooLong))
    }

    @Test func bytesThatAreNotUTF8() {
        for bytes in [[0xFF, 0x40, 0x61], Array("a\u{E9}@b.fr".utf8).filter { $0 != 0xA9 }] as [[UInt8]] {
            #expect(throws: AddressError.notUTF8) {
                try bytes.withUnsafeBytes { try ContactAddress(kind: .email, utf8: $0, region: nil) }
            }
        }
    }

    /// The fast path may only leave to the rule what it does not know; where it answers, the rule answers the
    /// same.
    @Test func fastPathIsTheRule() {
        var random = SeededGenerator(seed: 6)
        let alphabet = Array("abzABZabcxnm019-.+_@\"\\ \u{E9}[\t".utf8)
        let fast = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 8)
        let slow = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 8)
        defer {
            fast.deallocate()
            slow.deallocate()
        }
        var acceptedCount = 0
        for round in 0..<60_000 {
            var bytes = (0..<Int.random(in: 0...10, using: &random)).map { _ in random.pick(alphabet) }
            if random.chance(70) {
                bytes +=
                    Array("@".utf8)
                    + (0..<Int.random(in: 1...6, using: &random)).map { _ in random.pick(alphabet) }
            }
            if random.chance(70) { bytes += Array(".fr".utf8) }
            let outcomes = bytes.withUnsafeBytes { given in
                (
                    Self.outcome { () throws(AddressError) in try EmailAddress.normalise(given, into: fast) },
                    Self.outcome { () throws(AddressError) in try EmailAddress.slowCount(given, into: slow) }
                )
            }
            #expect(outcomes.0 == outcomes.1, "seed 6, round \(round): \(bytes)")
            if case .success(let count) = outcomes.0 {
                acceptedCount += 1
                #expect(Array(fast[..<count]) == Array(slow[..<count]), "seed 6, round \(round): \(bytes)")
            }
        }
        #expect(acceptedCount > 1_000)
    }

    /// The same where the limits of 64, 63 and 254 bytes lie.
    @Test func fastPathIsTheRuleAtItsLimits() {
        var random = SeededGenerator(seed: 9)
        let fast = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 8)
        let slow = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 8)
        defer {
            fast.deallocate()
            slow.deallocate()
        }
        let alphabet = Array("abcxyzABCXYZ0129-.".utf8)
        var counts: [Result<Int, AddressError>: Int] = [:]
        for round in 0..<6_000 {
            var bytes: [UInt8] = []
            func append(_ count: Int) {
                for _ in 0..<count {
                    bytes.append(random.chance(97) ? UInt8(ascii: "n") : random.pick(alphabet))
                }
            }
            append(random.chance(50) ? .random(in: 62...66, using: &random) : 5)
            bytes.append(UInt8(ascii: "@"))
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                append(random.chance(50) ? .random(in: 59...64, using: &random) : 7)
                bytes.append(UInt8(ascii: "."))
            }
            bytes += Array("com".utf8)
            let outcomes = bytes.withUnsafeBytes { given in
                (
                    Self.outcome { () throws(AddressError) in try EmailAddress.normalise(given, into: fast) },
                    Self.outcome { () throws(AddressError) in try EmailAddress.slowCount(given, into: slow) }
                )
            }
            #expect(outcomes.0 == outcomes.1, "seed 9, round \(round): \(bytes)")
            switch outcomes.0 {
            case .success(let count):
                counts[.success(0), default: 0] += 1
                #expect(Array(fast[..<count]) == Array(slow[..<count]), "seed 9, round \(round): \(bytes)")
            case .failure(let error): counts[.failure(error), default: 0] += 1
            }
        }
        for outcome in [.success(0), .failure(.localPartTooLong), .failure(.badDomain), .failure(.tooLong)]
            as [Result<Int, AddressError>]
        {
            #expect(counts[outcome, default: 0] > 50, "\(outcome)")
        }
    }

    /// What is normalised is normalised to itself, for every kind, whatever the script.
    @Test func normalisingTwiceIsNormalisingOnce() {
        var random = SeededGenerator(seed: 10)
        let scalars: [Unicode.Scalar] =
            Array("aZ09.-+\"\\ \u{E9}e\u{301}\u{338}=<\u{DF}\u{1E9E}\u{3C2}\u{3A3}\u{130}iI".unicodeScalars)
            + Array(
                "\u{212A}\u{FF21}\u{3002}\u{94D}\u{915}\u{200D}\u{AD}\u{5D0}\u{627}\u{661}".unicodeScalars)
            + Array("\u{AC00}\u{1100}\u{1161}\u{10A0}\u{4C0}\u{1F600}\u{FB2C}\u{1FEF}\u{387}".unicodeScalars)
        var acceptedCount = 0
        for round in 0..<30_000 {
            let quote = random.chance(30) ? "\"" : ""
            var text = quote
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                text.unicodeScalars.append(random.pick(scalars))
                if !quote.isEmpty, random.chance(25) {
                    text += "\\" + random.pick(["\u{301}", "\u{338}", "a"])
                }
            }
            text += quote + (random.chance(15) ? "@xn--" : "@")
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                text.unicodeScalars.append(random.pick(scalars))
            }
            text += ".fr"
            for kind in [.email, .opaque] as [ContactKind] {
                guard case .success(let once) = normalised(kind, text) else { continue }
                acceptedCount += kind == .email ? 1 : 0
                guard case .success(let twice) = normalised(kind, once) else {
                    Issue.record("seed 10, round \(round): \(text.debugDescription) is refused afterwards")
                    continue
                }
                #expect(
                    twice.utf8.elementsEqual(once.utf8), "seed 10, round \(round): \(text.debugDescription)")
            }
        }
        #expect(acceptedCount > 1_000)
    }

    static func outcome(_ body: () throws(AddressError) -> Int) -> Result<Int, AddressError> {
        do throws(AddressError) { return .success(try body()) } catch { return .failure(error) }
    }

    @Test func randomTextNeverTraps() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<3_000 {
            let bytes = random.bytes(.random(in: 0...80, using: &random))
            for kind in ContactKind.allCases {
                let address = bytes.withUnsafeBytes {
                    try? ContactAddress(kind: kind, utf8: $0, region: .france)
                }
                if let address { #expect((1...254).contains(address.normalised.count)) }
            }
        }
    }

    @Test func addressesArePrintedNowhere() throws {
        let address = try ContactAddress(kind: .email, text: "jean@example.com", region: nil)
        var dumped = ""
        dump([address], to: &dumped)
        for text in ["\(address)", String(reflecting: address), dumped, "\([address])"] {
            #expect(!text.contains("jean"))
            #expect(text.contains("redacted") || text == dumped)
        }
        for error in AddressError.allCases {
            #expect(error.description.contains(":"), "\(error.rawValue) names no remedy")
        }
    }

    @Test func opaque() {
        #expect(normalised(.opaque, " Tok en ") == .success(" Tok en "))
        #expect(normalised(.opaque, "cle\u{301}") == .success("cl\u{E9}"))
        #expect(normalised(.opaque, "") == .failure(.empty))
        #expect(
            normalised(.opaque, String(repeating: "x", count: 254))
                == .success(String(repeating: "x", count: 254)))
        #expect(normalised(.opaque, String(repeating: "x", count: 255)) == .failure(.tooLong))
        #expect(normalised(.opaque, String(repeating: "\u{E9}", count: 128)) == .failure(.tooLong))
        #expect(
            normalised(.opaque, String(repeating: "e\u{301}", count: 127))
                == .success(String(repeating: "\u{E9}", count: 127)))
    }
}
