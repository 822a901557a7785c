// Texts that come with an event: limits, and no addresses in evidence.
//
// Evidence is shown to more people than addresses are and is searched by nobody, so an address in it would
// outlive an erasure by reference. The test is a plain one that also turns away some texts without one.

/// Rules of the texts of an event.
public enum TextRules {
    /// What is wrong with an event's texts, in a few words without their content; nil: nothing.
    public static func problem(evidence: Evidence, reference: String, staff: String) -> String? {
        // Most events come without evidence.
        let byteCountMax = GrantGate.textByteCountMax
        if evidence.isEmpty && reference.utf8.count <= byteCountMax && staff.utf8.count <= byteCountMax {
            return nil
        }
        let texts = [
            ("reference", reference), ("staff", staff), ("ip", evidence.ip),
            ("user agent", evidence.userAgent),
            ("url", evidence.url), ("template values", evidence.templateValues),
        ]
        for (name, text) in texts where text.utf8.count > GrantGate.textByteCountMax {
            return "\(name) of \(text.utf8.count) bytes, \(GrantGate.textByteCountMax) at most"
        }
        for (name, text) in texts.dropFirst(2) {
            if holdsEmailAddress(text) { return "\(name) holds an e-mail address" }
            if holdsPhoneNumber(text) { return "\(name) holds a phone number" }
        }
        if evidence.url.utf8.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
            return "url holds a query or a fragment"
        }
        return nil
    }

    /// An at sign (or `%40`) with something before it and a dotted domain after it.
    static func holdsEmailAddress(_ text: String) -> Bool {
        var bytes = Array(text.utf8)
        while let escape = bytes.firstRange(of: Array("%40".utf8)) {
            bytes.replaceSubrange(escape, with: [64])
        }
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "@") {
            guard index > 0, !isASCIISpace(bytes[index - 1]) else { continue }
            let domain = bytes[(index + 1)...].prefix {
                isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") || $0 >= 0x80
            }
            guard let dot = domain.firstIndex(of: UInt8(ascii: ".")) else { continue }
            if dot > domain.startIndex, dot < domain.endIndex - 1 { return true }
        }
        return false
    }

    /// `+` or `00` and 8…15 digits, or a national number: exactly ten digits from 0, each with single
    /// separators at the most.
    static func holdsPhoneNumber(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() {
            let isPlus = byte == UInt8(ascii: "+")
            guard isPlus || byte == UInt8(ascii: "0") else { continue }
            if index > 0, isAlphanumeric(bytes[index - 1]) || (!isPlus && isJoint(bytes[index - 1])) {
                continue
            }
            let (digits, end) = digitRun(bytes, from: isPlus ? index + 1 : index)
            let isBounded = end == bytes.count || !isAlphanumeric(bytes[end])
            if isPlus, (8...15).contains(digits) { return true }
            if !isPlus, digits == 10, isBounded { return true }
            let isAbroad = index + 1 < end && bytes[index + 1] == UInt8(ascii: "0")
            if !isPlus, isAbroad, (10...17).contains(digits), isBounded { return true }
        }
        return false
    }

    /// Digits with single separators between them: their count, and the index after the last one.
    private static func digitRun(_ bytes: [UInt8], from start: Int) -> (count: Int, end: Int) {
        var count = 0
        var end = start
        var index = start
        while index < bytes.count {
            if isDigit(bytes[index]) {
                count += 1
                index += 1
                end = index
            } else if index + 1 < bytes.count, isSeparator(bytes[index]), isDigit(bytes[index + 1]) {
                index += 1
            } else {
                break
            }
        }
        return (count, end)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- 48 < 10 }
    private static func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || (byte | 0x20) &- 97 < 26 }
    private static func isASCIISpace(_ byte: UInt8) -> Bool { byte == 0x20 || (9...13).contains(byte) }
    private static func isSeparator(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
    }
    /// What joins the parts of a version or an identifier: a zero after it begins no phone number.
    private static func isJoint(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
}
