// Goal: a phone number of any region, in whatever way it is written, gives its E.164 form or none, never that
// of another line. Method: the example numbers of every region and what phonenumbers makes of them; each
// refusal of a plain international number is listed with its reason.

import ConsentDomain
import Testing

struct PhoneVectorTests {
    struct Example {
        let region: String
        let e164: String
        let international: String
        let national: String
        let withPrefix: String
        let withPrefixRead: String
        /// Digits after the country code.
        var significant: Substring { e164.dropFirst(countryCode.count) }
        /// `+` and the country code.
        var countryCode: Substring { international.prefix { $0 != " " && $0 != "-" } }
        var rule: PhoneRegion? { PhoneRegion(code: region) }
    }

    static func examples() throws -> [Example] {
        try AddressTable("phones.tsv", columns: 7...7).rows.map {
            Example(
                region: $0[0], e164: $0[2], international: $0[3], national: $0[4], withPrefix: $0[5],
                withPrefixRead: $0[6])
        }
    }

    /// International forms, with what people put between the digits: all of them give the one number.
    @Test func internationalForms() throws {
        var differences = try AddressDifferences(of: "phones.tsv")
        var regions: Set<String> = []
        var met: Set<String> = []
        for example in try Self.examples() where met.insert(example.e164).inserted {
            regions.insert(example.region)
            let code = example.countryCode
            let rest = example.international.dropFirst(code.count)
            let plain = answer(example.international)
            differences.compare(example.e164, ours: plain, theirs: example.e164)
            let written = [
                example.e164, "(\(code))\(rest)", example.international.replacing(" ", with: "-"),
                example.international.replacing(" ", with: "."), "\(code) (\(rest.drop { $0 == " " }))",
                example.international.replacing(" ", with: "\u{202F}"), "  \(example.international)\r\n",
                code + " " + example.significant.map { "\($0) " }.joined(),
            ]
            for form in written { #expect(answer(form) == plain, "\(example.region): \(form)") }
            // 00 is the international prefix where the controller's region says so, and nothing elsewhere.
            let dialled = "00 " + example.international.dropFirst()
            for region in PhoneRegion.allCases { #expect(answer(dialled, region) == plain, "\(dialled)") }
            #expect(normalised(.phone, dialled) == .failure(.noCountryCode))
        }
        differences.finish()
        #expect(regions.count > 240 && met.count > 900)
    }

    /// A national prefix after the country code goes where the region's rule stands here; elsewhere the
    /// number is refused, or read as phonenumbers reads it.
    @Test func nationalPrefixAfterTheCountryCode() throws {
        var removedCount = 0
        var refusedCount = 0
        for example in try Self.examples() where !example.withPrefix.isEmpty {
            let parenthesised = "\(example.countryCode) (0)\(example.significant)"
            if example.rule != nil {
                removedCount += 1
                #expect(answer(example.withPrefix) == example.e164, "\(example.withPrefix)")
                #expect(answer(parenthesised) == example.e164, "\(parenthesised)")
                continue
            }
            switch normalised(.phone, example.withPrefix) {
            case .success(let number):
                #expect(number == example.withPrefixRead, "\(example.region): \(example.withPrefix)")
            case .failure(let error):
                refusedCount += 1
                let reasons: [AddressError] = [.unclearNationalPrefix, .phoneTooShort, .phoneTooLong]
                #expect(reasons.contains(error), "\(example.region): \(example.withPrefix): \(error)")
            }
            #expect(answer(parenthesised) == AddressTable.refused, "\(example.region): \(parenthesised)")
        }
        #expect(removedCount >= 15 && refusedCount > 1_000)
    }

    /// National forms are understood with the region's rule alone.
    @Test func nationalForms() throws {
        for example in try Self.examples() {
            #expect(
                normalised(.phone, example.national) == .failure(.noCountryCode),
                "\(example.region): \(example.national)")
            if let rule = example.rule, example.national.hasPrefix("0") {
                #expect(answer(example.national, rule) == example.e164, "\(example.national)")
            }
        }
    }

    /// Numbers dialled within a region: the region's own are accepted, those of French overseas territories
    /// never, and those of no one are theirs if they are anyone's.
    @Test func numbersWithinRegions() throws {
        var differences = try AddressDifferences(of: "national-phones.tsv")
        var counts: [String: Int] = [:]
        for row in try AddressTable("national-phones.tsv", columns: 4...4).rows {
            let rule = try #require(PhoneRegion(code: row[0]))
            let ours = answer(row[1], rule)
            counts[row[2], default: 0] += 1
            switch row[2] {
            case "own": differences.compare(row[1], ours: ours, theirs: row[3])
            case "overseas": #expect(normalised(.phone, row[1], region: rule) == .failure(.overseasNumber))
            default: #expect(ours == AddressTable.refused || ours == row[3], "\(row[1])")
            }
        }
        differences.finish()
        #expect(counts["own", default: 0] > 800 && counts["overseas", default: 0] > 100)
    }

    /// The normalised number, which stays as it is, or `!`.
    private func answer(_ text: some StringProtocol, _ region: PhoneRegion? = nil) -> String {
        guard case .success(let number) = normalised(.phone, String(text), region: region) else {
            return AddressTable.refused
        }
        #expect(normalised(.phone, number) == .success(number), "\(text) changes")
        return number
    }
}
