// Domain names as lower-case A-labels by UTS-46, non-transitional: libidn2 does the work, and what it leaves
// out of the standard stands here.
//
// A slow path: plain ASCII domains never come here. Invariant: what comes out goes in again unchanged.

import CIdn2

enum DomainName {
    /// Lower-case A-labels of a domain; nil where there are none.
    static func ascii(_ domain: String) -> [UInt8]? {
        guard !domain.utf8.contains(0) else { return nil }
        let flags = Int32(bitPattern: IDN2_NONTRANSITIONAL.rawValue | IDN2_NFC_INPUT.rawValue)
        guard let ascii = converted(current(domain), { idn2_to_ascii_8z($0, $1, flags) }) else { return nil }
        if ascii.utf8.starts(with: "xn--".utf8) || ascii.contains(".xn--") {
            guard let unicode = converted(ascii, { idn2_to_unicode_8z8z($0, $1, flags) }),
                isValid(unicode.unicodeScalars)
            else { return nil }
        }
        return Array(ascii.utf8)
    }

    private static func converted(
        _ text: String,
        _ convert: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32
    ) -> String? {
        var output: UnsafeMutablePointer<CChar>?
        let code = text.withCString { convert($0, &output) }
        guard let output else { return nil }
        defer { idn2_free(output) }
        return code == Int32(IDN2_OK.rawValue) ? String(cString: output) : nil
    }

    /// Capital letters whose mapping UTS-46 changed after the library's tables, in small letters: sharp s (it
    /// was `ss`), palochka and the old Georgian capitals (they were not allowed), turned F and reversed C.
    private static func current(_ domain: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in domain.unicodeScalars {
            switch scalar.value {
            case 0x1E9E, 0x4C0, 0x10A0...0x10C5, 0x2132, 0x2183:
                scalars.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            default: scalars.append(scalar)
            }
        }
        return String(scalars)
    }

    /// What the library does not look at: the three signs that stand for `=`, `<` and `>` with a stroke, and
    /// the Bidi rule (RFC 5893) across labels.
    private static func isValid(_ domain: String.UnicodeScalarView) -> Bool {
        guard !domain.contains(where: { [0x2260, 0x226E, 0x226F].contains($0.value) }) else { return false }
        guard domain.contains(where: isRightToLeft) else { return true }
        return domain.split(separator: ".").allSatisfy { label in
            label.contains(where: isRightToLeft) ? !hasBothDigits(label) : isLeftToRight(label)
        }
    }

    /// Letters and digits of the classes R, AL and AN: the blocks that hold them, but for extended digits.
    private static func isRightToLeft(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x6F0...0x6F9: false
        case 0x590...0x8FF, 0xFB1D...0xFDFF, 0xFE70...0xFEFC, 0x10800...0x10FFF, 0x1E800...0x1EFFF: true
        default: false
        }
    }

    /// European and Arabic digits in one label.
    private static func hasBothDigits(_ label: Substring.UnicodeScalarView) -> Bool {
        label.contains { (0x660...0x669).contains($0.value) }
            && label.contains { (0x30...0x39).contains($0.value) || (0x6F0...0x6F9).contains($0.value) }
    }

    /// A label between others that run from right to left: begins with a letter, ends with one or a digit.
    private static func isLeftToRight(_ label: Substring.UnicodeScalarView) -> Bool {
        guard let first = label.first, isStrong(first) else { return false }
        guard let last = label.last(where: { $0.properties.generalCategory != .nonspacingMark }) else {
            return false
        }
        return isStrong(last) || last.properties.generalCategory == .decimalNumber
    }

    private static func isStrong(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .otherLetter, .spacingMark: true
        case .modifierLetter:
            !(0x2C6...0x2CF).contains(scalar.value) && !(0x2B9...0x2BA).contains(scalar.value)
        default: false
        }
    }
}
