// Why an address cannot be normalised. Sentences name the remedy and never hold the address.

/// Why an address cannot be normalised.
public enum AddressError: UInt8, Error, CaseIterable, Sendable, CustomStringConvertible {
    case empty = 1
    case tooLong = 2
    case notUTF8 = 3
    case noAtSign = 4
    case localPartTooLong = 5
    case badDots = 6
    case controlCharacter = 7
    case bareSpace = 8
    case badQuotes = 9
    case badLocalCharacter = 10
    case domainLiteral = 11
    case badDomain = 12
    case noTopLevelDomain = 13
    case badPhoneCharacter = 14
    case noCountryCode = 15
    case unknownCountryCode = 16
    case phoneTooShort = 17
    case phoneTooLong = 18
    case impossibleNumber = 19
    case unclearNationalPrefix = 20
    case overseasNumber = 21
    case wrongKind = 22

    /// What is wrong and the remedy, in one English sentence.
    public var description: String {
        switch self {
        case .empty: "the address is empty: give one"
        case .tooLong: "the address is longer than 254 bytes: check that it is a single address"
        case .notUTF8: "the address is not UTF-8: send it as UTF-8 text"
        case .noAtSign: "the e-mail address has no @ between a name and a domain: complete it"
        case .localPartTooLong: "the part before the @ is longer than 64 bytes: check it with the person"
        case .badDots: "the part before the @ begins or ends with a dot or doubles one: remove the dot"
        case .controlCharacter: "the address holds a control or invisible character: type it anew"
        case .bareSpace: "the part before the @ is empty or holds a space outside quotes: correct it"
        case .badQuotes:
            "the quotes before the @ are not closed or stand in the middle: remove or complete them"
        case .badLocalCharacter:
            "the part before the @ holds a character that needs quotes: check it with the person"
        case .domainLiteral: "the domain is an IP address in brackets: give a domain name"
        case .badDomain: "the domain is not a valid domain name: check it with the person"
        case .noTopLevelDomain: "the domain has no ending such as .fr or .com: complete it"
        case .badPhoneCharacter:
            "the phone number holds something else than digits, spaces, dots, dashes and parentheses: "
                + "remove it"
        case .noCountryCode:
            "the phone number has no country code and the controller's region does not tell it: "
                + "write it as + and the country code"
        case .unknownCountryCode:
            "no country has the phone number's country code: check the digits after the +"
        case .phoneTooShort: "the phone number has fewer than 7 digits: complete it"
        case .phoneTooLong: "the phone number has more than 15 digits: check that it is a single number"
        case .impossibleNumber:
            "the phone number has a count of digits or a start that its country does not use: check it"
        case .unclearNationalPrefix:
            "the first digit after the country code may be one that is dialled only within the country: "
                + "write the number as it is dialled from abroad"
        case .overseasNumber:
            "the phone number belongs to a French overseas territory: write it with the territory's own "
                + "country code"
        case .wrongKind: "the channel does not take this kind of address: give an address that it takes"
        }
    }
}
