// Phone numbers, normalised to E.164: `+` and 7…15 digits.
//
// National numbers are understood for regions whose rule stands here, and only where the controller names the
// region. Invariant: nothing is guessed; where two readings are possible, the number is refused with the
// reason.

/// A region whose national phone numbers are understood.
public enum PhoneRegion: String, CaseIterable, Sendable {
    case france = "FR"
    case belgium = "BE"
    case switzerland = "CH"

    /// The region of an ISO 3166 alpha-2 code; nil where its rule does not stand here.
    public init?(code: String) { self.init(rawValue: code) }

    /// Country code; the international prefix is 00 and the national prefix 0 in all of them.
    var countryCode: Int {
        switch self {
        case .france: 33
        case .belgium: 32
        case .switzerland: 41
        }
    }

    init?(countryCode: Int) {
        guard let region = Self.allCases.first(where: { $0.countryCode == countryCode }) else { return nil }
        self = region
    }

    /// Whether so many digits, the first ones of which are given, are a number of the region without its
    /// national prefix.
    /// - Parameters:
    ///   - count: digits in all.
    ///   - start: the first four digits as a number, 0…9999.
    func check(count: Int, start: Int) -> AddressError? {
        let first = start / 1000
        guard first != 0 else { return .impossibleNumber }
        switch self {
        case .france:
            guard count == 9 else { return .impossibleNumber }
            return Self.isFrenchOverseas(start) ? .overseasNumber : nil
        case .belgium:
            // Mobile numbers begin with 45…49 and have nine digits; all others have eight.
            let isMobile = (45...49).contains(start / 100)
            return count == (isMobile ? 9 : 8) ? nil : .impossibleNumber
        case .switzerland:
            return count == 9 && first != 1 ? nil : .impossibleNumber
        }
    }

    /// Numbers that are written like those of metropolitan France but have a country code of their own: 262,
    /// 508, 590, 594, 596. Where metropolitan blocks lie next to them, the whole neighbourhood counts.
    private static func isFrenchOverseas(_ start: Int) -> Bool {
        switch start / 10 {
        case 262, 263, 269, 508, 590, 594, 596, 598, 639, 690...694, 696, 697, 709, 976: return true
        default: break
        }
        switch start {
        case 2688, 2689, 7084, 7085, 9395...9399, 9475...9479: return true
        default: return false
        }
    }
}

/// Normalisation of phone numbers.
public enum PhoneNumber {
    /// Digits with country code: at least and at most.
    static let digitCounts = 7...15

    /// Normalises into a scratch buffer of at least 512 bytes that does not overlap the number. No
    /// allocation.
    /// - Parameter region: region whose national numbers are understood; nil: none.
    /// - Returns: count of bytes written, 8…16.
    public static func normalise(
        _ utf8: UnsafeRawBufferPointer, region: PhoneRegion?, into scratch: UnsafeMutableRawBufferPointer
    ) throws(AddressError) -> Int {
        precondition(scratch.count >= ContactAddress.scratchByteCount)
        var digits = try Digits(utf8)
        var hasZeroInParentheses = digits.zeroInParentheses > 0
        if !digits.hasPlus {
            guard let region else { throw digits.count == 0 ? .empty : .noCountryCode }
            if digits.starts(with: 0, 0) {
                digits.dropFirst(2)
            } else if digits.starts(with: 0) {
                guard !hasZeroInParentheses else { throw .unclearNationalPrefix }
                try check(digits.dropping(1), of: region)
                digits.dropFirst(1)
                return write(digits, countryCode: region.countryCode, into: scratch)
            } else {
                throw digits.count == 0 ? .empty : .noCountryCode
            }
        }
        guard digits.count >= digitCounts.lowerBound else { throw .phoneTooShort }
        let (code, codeCount) = try countryCode(digits)
        var national = digits.dropping(codeCount)
        guard national.count > 0 else { throw .phoneTooShort }
        if let region = PhoneRegion(countryCode: code) {
            if hasZeroInParentheses {
                // The zero has to be the national prefix: the first digit after the country code.
                guard digits.zeroInParentheses == digits.start + codeCount + 1 else {
                    throw .unclearNationalPrefix
                }
                hasZeroInParentheses = false
            }
            if national.starts(with: 0) { national.dropFirst(1) }
            try check(national, of: region)
        } else if hasZeroInParentheses
            || PhonePlan.mayHoldNationalPrefix(
                code: code, first: national[0], second: national.count > 1 ? national[1] : 0,
                count: national.count)
        {
            throw .unclearNationalPrefix
        }
        let total = codeCount + national.count
        guard total >= digitCounts.lowerBound else { throw .phoneTooShort }
        guard total <= digitCounts.upperBound else { throw .phoneTooLong }
        return write(national, countryCode: code, into: scratch)
    }

    private static func check(_ national: Digits, of region: PhoneRegion) throws(AddressError) {
        guard national.count >= 4 else { throw .phoneTooShort }
        let start = national[0] * 1000 + national[1] * 100 + national[2] * 10 + national[3]
        if let problem = region.check(count: national.count, start: start) { throw problem }
    }

    private static func write(
        _ national: Digits, countryCode: Int, into scratch: UnsafeMutableRawBufferPointer
    ) -> Int {
        scratch[0] = UInt8(ascii: "+")
        var count = 1
        var divisor = countryCode >= 100 ? 100 : countryCode >= 10 ? 10 : 1
        while divisor > 0 {
            scratch[count] = UInt8(ascii: "0") + UInt8(countryCode / divisor % 10)
            count += 1
            divisor /= 10
        }
        for index in 0..<national.count {
            scratch[count] = UInt8(ascii: "0") + UInt8(national[index])
            count += 1
        }
        return count
    }

    /// The country code at the start of an international number, and its count of digits.
    private static func countryCode(_ digits: Digits) throws(AddressError) -> (Int, Int) {
        // At least seven digits are there, and no code begins with another.
        guard digits[0] != 0 else { throw .unknownCountryCode }
        var code = 0
        for count in 1...3 {
            code = code * 10 + digits[count - 1]
            if PhonePlan.isCountryCode(code) { return (code, count) }
        }
        throw .unknownCountryCode
    }
}

/// The digits of a phone number as it was given, at most 32 of them.
private struct Digits {
    /// Four bits a digit, the first one lowest.
    private var low: UInt64 = 0
    private var high: UInt64 = 0
    private(set) var start = 0
    private var end = 0
    var hasPlus = false
    /// Place of a zero that stands alone in parentheses, from 1; 0: none.
    var zeroInParentheses = 0

    var count: Int { end - start }

    subscript(index: Int) -> Int {
        let place = start + index
        let word = place < 16 ? low : high
        return Int(word >> UInt64(4 * (place & 15)) & 15)
    }

    func starts(with digits: Int...) -> Bool {
        count >= digits.count && digits.indices.allSatisfy { self[$0] == digits[$0] }
    }

    mutating func dropFirst(_ count: Int) { start += count }
    func dropping(_ count: Int) -> Digits {
        var rest = self
        rest.dropFirst(count)
        return rest
    }

    private mutating func append(_ digit: UInt8) throws(AddressError) {
        guard end < 32 else { throw .phoneTooLong }
        let shifted = UInt64(digit) << UInt64(4 * (end & 15))
        if end < 16 { low |= shifted } else { high |= shifted }
        end += 1
    }

    /// Reads digits, skipping spaces, dots, dashes and parentheses, those outside of ASCII included.
    init(_ utf8: UnsafeRawBufferPointer) throws(AddressError) {
        var index = 0
        var depth = 0
        var digitsBeforeParenthesis = 0
        while index < utf8.count {
            let byte = utf8[index]
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                try append(byte - UInt8(ascii: "0"))
            case UInt8(ascii: " "), UInt8(ascii: "."), UInt8(ascii: "-"), 9...13: break
            case UInt8(ascii: "("):
                guard depth == 0 else { throw .badPhoneCharacter }
                depth = 1
                digitsBeforeParenthesis = end
            case UInt8(ascii: ")"):
                guard depth == 1 else { throw .badPhoneCharacter }
                depth = 0
                if end == digitsBeforeParenthesis + 1, isZero(at: end - 1), zeroInParentheses == 0 {
                    zeroInParentheses = end
                }
            case UInt8(ascii: "+"):
                guard end == 0, !hasPlus else { throw .badPhoneCharacter }
                hasPlus = true
            default:
                let length = Self.separatorLength(utf8, at: index)
                guard length > 0 else { throw .badPhoneCharacter }
                index += length - 1
            }
            index += 1
        }
        guard depth == 0 else { throw .badPhoneCharacter }
    }

    private func isZero(at place: Int) -> Bool {
        (place < 16 ? low : high) >> UInt64(4 * (place & 15)) & 15 == 0
    }

    /// Bytes of a space or dash outside of ASCII at a place; 0: there is none. They come with numbers copied
    /// from typeset pages: U+00A0, U+2000…U+200A, U+202F, U+205F, U+3000, and the dashes U+2010…U+2015 and
    /// U+2212.
    private static func separatorLength(_ utf8: UnsafeRawBufferPointer, at index: Int) -> Int {
        let rest = utf8.count - index
        if rest >= 2, utf8[index] == 0xC2, utf8[index + 1] == 0xA0 { return 2 }
        guard rest >= 3 else { return 0 }
        switch (utf8[index], utf8[index + 1], utf8[index + 2]) {
        case (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xAF), (0xE2, 0x81, 0x9F), (0xE3, 0x80, 0x80): return 3
        case (0xE2, 0x80, 0x90...0x95), (0xE2, 0x88, 0x92): return 3
        default: return 0
        }
    }
}
