// Goal: one line gives one E.164 number, whatever way it is written; where two readings are possible, none.
// Method: a table of rules and edge cases by region; every French way of writing against one result.

import ConsentDomain
import Testing

struct PhoneNumberTests {
    static let accepted: [(given: String, region: PhoneRegion?, normalised: String)] = [
        ("+33612345678", nil, "+33612345678"), ("+33 6 12 34 56 78", nil, "+33612345678"),
        ("+33 (0)6 12 34 56 78", nil, "+33612345678"), ("+33 06 12 34 56 78", nil, "+33612345678"),
        ("(+33) 6.12.34.56.78", nil, "+33612345678"), ("+33-6-12-34-56-78", .france, "+33612345678"),
        ("0033612345678", .france, "+33612345678"), ("0033 (0)6 12 34 56 78", .belgium, "+33612345678"),
        ("06 12 34 56 78", .france, "+33612345678"), ("06.12.34.56.78", .france, "+33612345678"),
        ("01 42 68 53 00", .france, "+33142685300"),
        ("06\u{A0}12\u{202F}34\u{2009}56\u{2011}78", .france, "+33612345678"),
        ("+262 692 12 34 56", nil, "+262692123456"), ("+1 (415) 555-2671", nil, "+14155552671"),
        ("+44 20 7946 0958", nil, "+442079460958"), ("+39 06 698 12345", nil, "+390669812345"),
        ("+7 495 123 45 67", nil, "+74951234567"), ("+352 27 12 34", nil, "+352271234"),
        ("0470 12 34 56", .belgium, "+32470123456"), ("02 123 45 67", .belgium, "+3221234567"),
        ("04 123 45 67", .belgium, "+3241234567"), ("+32 (0)470 12 34 56", nil, "+32470123456"),
        ("079 123 45 67", .switzerland, "+41791234567"), ("+41 (0)79 123 45 67", nil, "+41791234567"),
        // Leading zeros that are part of the number: Italy, Côte d'Ivoire, Gabon.
        ("+39 0347 12345", nil, "+39034712345"), ("+225 07 12 34 56 78", nil, "+2250712345678"),
        ("+241 06 12 34 56", nil, "+24106123456"),
        // Global services have country codes too.
        ("+800 1234 5678", nil, "+80012345678"), ("+883 510 012 345", nil, "+883510012345"),
        ("+123456789012345", nil, "+123456789012345"), ("+1234567", nil, "+1234567"),
    ]

    @Test(arguments: accepted)
    func normalises(given: String, region: PhoneRegion?, normalised expected: String) {
        #expect(normalised(.phone, given, region: region) == .success(expected))
        for region in [nil, .france, .belgium, .switzerland] as [PhoneRegion?] {
            #expect(normalised(.phone, expected, region: region) == .success(expected))
        }
    }

    static let refused: [(given: String, region: PhoneRegion?, error: AddressError)] = [
        ("", nil, .empty), ("  ", .france, .empty), ("+", nil, .phoneTooShort),
        ("06 12 34 56 78", nil, .noCountryCode), ("0033612345678", nil, .noCountryCode),
        ("33612345678", .france, .noCountryCode), ("612345678", .france, .noCountryCode),
        ("+33 6 12 34 56", nil, .impossibleNumber), ("+33 6 12 34 56 78 9", nil, .impossibleNumber),
        ("06 12 34 56 7", .france, .impossibleNumber),
        ("+33 0 0 6 12 34 56 78", nil, .impossibleNumber),
        ("0692 12 34 56", .france, .overseasNumber), ("+33 692 12 34 56", nil, .overseasNumber),
        ("0262 12 34 56", .france, .overseasNumber),
        ("+44 (0)20 7946 0958", nil, .unclearNationalPrefix),
        ("+39 (0)6 698 12345", nil, .unclearNationalPrefix),
        ("(0)6 12 34 56 78", .france, .unclearNationalPrefix),
        // Digits that people add after the country code, and that are not dialled from abroad.
        ("+44 020 7946 0958", nil, .unclearNationalPrefix), ("+49 0170 1234567", nil, .unclearNationalPrefix),
        ("+7 8 495 123 45 67", nil, .unclearNationalPrefix),
        ("+1 1 415 555 2671", nil, .unclearNationalPrefix),
        ("+36 06 1 123 4567", nil, .unclearNationalPrefix),
        ("+52 1 222 123 4567", nil, .unclearNationalPrefix),
        ("+54 11 15 1234 5678", nil, .unclearNationalPrefix),
        ("+39 0347 123 4567", nil, .unclearNationalPrefix),
        // Full-width digits, marks of direction and zero-width characters are not stripped.
        ("+33\u{FF16}12345678", nil, .badPhoneCharacter), ("\u{FF0B}33612345678", nil, .badPhoneCharacter),
        ("\u{202A}+33612345678\u{202C}", nil, .badPhoneCharacter),
        ("+33\u{200B}612345678", nil, .badPhoneCharacter), ("+33612345678\u{200F}", nil, .badPhoneCharacter),
        // Overseas blocks between metropolitan ones.
        ("0709 12 34 56", .france, .overseasNumber), ("0708 41 23 45", .france, .overseasNumber),
        ("02 68 91 23 45", .france, .overseasNumber), ("05 98 71 23 45", .france, .overseasNumber),
        ("09 47 51 23 45", .france, .overseasNumber),
        // A Belgian mobile number that lacks a digit is no fixed one of Liège.
        ("0470 12 34 5", .belgium, .impossibleNumber), ("042 123 45 678", .belgium, .impossibleNumber),
        ("01 234 56 78 9", .switzerland, .impossibleNumber),
        ("+33 6 (0)1 23 45 67 8", nil, .unclearNationalPrefix),
        ("+33 6 12 34 56 78 ext 3", nil, .badPhoneCharacter), ("tel:+33612345678", nil, .badPhoneCharacter),
        ("06/12/34/56/78", .france, .badPhoneCharacter), ("6+33612345678", nil, .badPhoneCharacter),
        ("++33612345678", nil, .badPhoneCharacter), ("+33 (0 6 12 34 56 78", nil, .badPhoneCharacter),
        ("+33 0) 6 12 34 56 78", nil, .badPhoneCharacter), ("+33 ((0)) 612345678", nil, .badPhoneCharacter),
        ("+33 \u{666}12345678", nil, .badPhoneCharacter), ("+33\u{E9}612345678", nil, .badPhoneCharacter),
        ("+33612345678\u{C2}", nil, .badPhoneCharacter),
        ("+123456", nil, .phoneTooShort), ("+1234567890123456", nil, .phoneTooLong),
        ("+" + String(repeating: "1", count: 33), nil, .phoneTooLong),
        ("+999 123 4567", nil, .unknownCountryCode), ("+210 123 4567", nil, .unknownCountryCode),
        ("+0612345678", nil, .unknownCountryCode), ("000612345678", .france, .unknownCountryCode),
        ("0570 12 34 56", .belgium, .impossibleNumber), ("079 123 45 6", .switzerland, .impossibleNumber),
    ]

    @Test(arguments: refused)
    func refuses(given: String, region: PhoneRegion?, error: AddressError) {
        #expect(normalised(.phone, given, region: region) == .failure(error))
    }

    @Test func regionsWithoutARule() {
        #expect(PhoneRegion(code: "FR") == .france)
        for code in ["", "fr", "IT", "XX"] { #expect(PhoneRegion(code: code) == nil) }
    }

    /// Separators never matter.
    @Test func separatorsAreNothing() {
        var random = SeededGenerator(seed: 8)
        for round in 0..<2_000 {
            let digits = "0" + String(Int.random(in: 100_000_000...199_999_999, using: &random))
            var written = ""
            for digit in digits { written += String(digit) + random.pick(["", " ", ".", "-", "\u{202F}"]) }
            let expected = "+33" + digits.dropFirst()
            #expect(
                normalised(.phone, written, region: .france) == .success(expected), "seed 8, round \(round)")
        }
    }
}
