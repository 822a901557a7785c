// What is known of every country's phone numbers: the country codes, and where digits after the code may be a
// national prefix that is not part of the number.
//
// `+44 020 7946 0958` and `+7 8 495 123 45 67` are read by people and by some programs as if the prefix were
// not there; taken as they stand they are other numbers. Invariant: a number that could hold a national
// prefix is never accepted; numbering plans that change make this table refuse, not accept.

enum PhonePlan {
    /// Country codes that ITU-T E.164 has assigned, those of global services included; 0 begins none.
    static func isCountryCode(_ code: Int) -> Bool {
        switch code {
        case 1, 7: true
        case 20, 27, 30...34, 36, 39, 40, 41, 43...49, 51...58, 60...66, 81, 82, 84, 86, 90...95, 98: true
        case 211...213, 216, 218, 220...258, 260...269, 290, 291, 297...299: true
        case 350...359, 370...383, 385...387, 389: true
        case 420, 421, 423, 500...509, 590...599: true
        case 670, 672...683, 685...692: true
        case 800, 808, 850, 852, 853, 855, 856, 870, 878, 880...883, 886, 888: true
        case 960...968, 970...977, 979, 992...996, 998: true
        default: false
        }
    }

    /// Whether the digits after a country code may begin with a national prefix.
    /// - Parameters:
    ///   - first: the first digit after the country code.
    ///   - second: the second one; 0 where there is none.
    ///   - count: digits after the country code.
    static func mayHoldNationalPrefix(code: Int, first: Int, second: Int, count: Int) -> Bool {
        if first == 0 { return !startsWithZero(code: code, second: second, count: count) }
        switch (code, first) {
        // North America: 1, with which no number begins.
        case (1, 1): return true
        // The Marshall Islands and Mexico: 1. Russia and its neighbours: 8. Each has numbers of one length.
        case (692, 1): return count == 8
        case (52, 1), (7, 8): return count == 11
        case (370, 8), (993, 8): return count == 9
        case (375, 8), (998, 8): return count >= 10
        // Argentina: 15 stands in the middle of a mobile number that is dialled from within.
        case (54, _): return count >= 12
        default: return false
        }
    }

    /// Whether numbers of so many digits begin with a zero that is part of them.
    private static func startsWithZero(code: Int, second: Int, count: Int) -> Bool {
        switch code {
        // Italy and the Vatican, where eleven digits from 03 on may be a mobile number with a zero before it.
        case 39, 379: second != 0 && (second != 3 || count <= 10)
        // San Marino, Côte d'Ivoire, Benin.
        case 225, 229, 378: count == 10
        // Burkina Faso, Gabon.
        case 226, 241: count == 8
        // Congo, satellites, Tajikistan.
        case 242, 881, 992: count == 9
        default: false
        }
    }
}
