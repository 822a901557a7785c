// E-mail addresses, normalised: `local@domain` with an ASCII lower-cased local part in form C and a domain of
// lower-case A-labels.
//
// Plain ASCII addresses of up to 64 bytes are done in one go, without allocation; whatever that does not know
// for sure (quotes, other letters, `xn--` labels, anything wrong) goes to the slow path, which is the rule.
// Invariant: for each address that the fast path accepts, the slow path gives the same bytes.

import CPlatform

/// Normalisation of e-mail addresses.
public enum EmailAddress {
    /// Octets of a local part at most.
    public static let localByteCountMax = 64

    /// Normalises into a scratch buffer of at least 512 bytes that does not overlap the address.
    /// - Returns: count of bytes written, 3…254.
    public static func normalise(
        _ utf8: UnsafeRawBufferPointer, into scratch: UnsafeMutableRawBufferPointer
    ) throws(AddressError) -> Int {
        precondition(scratch.count >= ContactAddress.scratchByteCount)
        let count = fastCount(utf8, into: scratch)
        if count > 0 { return count }
        return try slowCount(utf8, into: scratch)
    }

    // MARK: Fast path

    /// Longest address of the fast path: a mask has so many bits.
    private static let fastByteCountMax = 64

    /// Count of bytes written, or 0 where the slow path has to decide. The whole address at once: each class
    /// of bytes is a mask, and the rules are what may stand beside what.
    private static func fastCount(
        _ utf8: UnsafeRawBufferPointer, into scratch: UnsafeMutableRawBufferPointer
    ) -> Int {
        let count = utf8.count
        guard count > 0, count <= fastByteCountMax, let source = utf8.baseAddress,
            let target = scratch.baseAddress
        else { return 0 }
        // `scratch` has at least 512 bytes.
        let classes = consent_lower_address(source, count, target)
        let last: UInt64 = 1 &<< UInt64(count &- 1)
        let all = last | (last &- 1)
        let ats = classes.ats
        // Behind the first at sign; nothing where there is none, since then `ats - 1` has all bits.
        let domain = ~(ats ^ (ats &- 1)) & all
        let separators = classes.dots | ats
        let labelStarts = (separators &<< 1) & domain
        let labelEnds = ((separators &>> 1) | last) & domain
        let dashes = classes.dashes
        // Nothing empty between separators or at the ends; one at sign; in the domain no dash at the ends of
        // a label, and not in places 3 and 4 (`xn--` and what is reserved).
        var wrong = separators & ((separators &<< 1) | 1 | last)
        wrong |= ats & domain
        wrong |= dashes & (labelStarts | labelEnds)
        wrong |= (labelStarts &<< 2) & dashes & (dashes &>> 1)
        let unknown = all & ~(classes.letters | classes.digits | dashes | separators)
        wrong |= unknown & domain
        let domainDots = classes.dots & domain
        guard wrong == 0, domainDots != 0 else { return 0 }
        // The top-level domain begins with a letter.
        let topLevel = UInt64(1) &<< UInt64(64 &- domainDots.leadingZeroBitCount)
        guard classes.letters & topLevel != 0 else { return 0 }
        return unknown == 0 || areLocal(unknown, target) ? count : 0
    }

    /// Whether all of these bytes may stand in a local part.
    @inline(never)
    private static func areLocal(_ places: UInt64, _ bytes: UnsafeMutableRawPointer) -> Bool {
        var rest = places
        while rest != 0 {
            guard isLocal(bytes.load(fromByteOffset: rest.trailingZeroBitCount, as: UInt8.self)) else {
                return false
            }
            rest &= rest &- 1
        }
        return true
    }

    /// Whether a byte may stand in a local part without quotes; the dot is another matter.
    private static func isLocal(_ byte: UInt8) -> Bool {
        if isAlphanumeric(byte) { return true }
        switch byte {
        case UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "="), UInt8(ascii: "?"),
            UInt8(ascii: "^")...UInt8(ascii: "`"), UInt8(ascii: "{")...UInt8(ascii: "~"):
            return true
        default: return false
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    // MARK: The rule

    /// The whole rule, without the fast path; the fast path is tested against it.
    package static func slowCount(
        _ utf8: UnsafeRawBufferPointer, into scratch: UnsafeMutableRawBufferPointer
    ) throws(AddressError) -> Int {
        let trimmed = trimmingASCIISpace(utf8)
        guard !trimmed.isEmpty else { throw .empty }
        // Nothing longer comes down to 254 bytes: composition and A-labels shorten a text to a third at the
        // most.
        guard trimmed.count <= 4 * ContactAddress.byteCountMax else { throw .tooLong }
        guard let text = String(validating: trimmed, as: UTF8.self) else { throw .notUTF8 }
        guard let at = text.utf8.lastIndex(of: UInt8(ascii: "@")) else { throw .noAtSign }
        let local = try normalisedLocal(String(text[..<at]))
        let domain = try normalisedDomain(String(text[text.utf8.index(after: at)...]))
        guard local.count <= localByteCountMax else { throw .localPartTooLong }
        let count = local.count + 1 + domain.count
        guard count <= ContactAddress.byteCountMax else { throw .tooLong }
        scratch.copyBytes(from: local)
        scratch[local.count] = UInt8(ascii: "@")
        UnsafeMutableRawBufferPointer(rebasing: scratch[(local.count + 1)...]).copyBytes(from: domain)
        return count
    }

    private static func trimmingASCIISpace(_ utf8: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var range = utf8.startIndex..<utf8.endIndex
        while let first = range.first, isASCIISpace(utf8[first]) { range = (first + 1)..<range.upperBound }
        while let last = range.last, isASCIISpace(utf8[last]) { range = range.lowerBound..<last }
        return UnsafeRawBufferPointer(rebasing: utf8[range])
    }

    private static func isASCIISpace(_ byte: UInt8) -> Bool { byte == 0x20 || (9...13).contains(byte) }

    /// Form C, ASCII lower-cased, without redundant quotes.
    private static func normalisedLocal(_ given: String) throws(AddressError) -> [UInt8] {
        let scalars = Array(Normalisation.composed(given).unicodeScalars)
        guard !scalars.isEmpty else { throw .bareSpace }
        guard scalars.allSatisfy(isVisible) else { throw .controlCharacter }
        let quote: Unicode.Scalar = "\""
        let content = scalars[0] == quote ? Normalisation.composed(try unquoted(scalars)) : scalars
        if let problem = problemUnquoted(content) {
            // Without quotes it cannot stand: with quotes it may.
            guard scalars[0] == quote, !content.isEmpty else { throw problem }
            return [UInt8(ascii: "\"")] + escaped(content) + [UInt8(ascii: "\"")]
        }
        return lowercasedUTF8(content)
    }

    /// Control and format characters (zero-width ones, marks of direction) stay unseen by who checks an
    /// address; private and unassigned ones have no meaning that composition could keep.
    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .privateUse, .unassigned, .surrogate: false
        default: true
        }
    }

    /// What stands between the quotes, without backslashes: composition has to be done again.
    private static func unquoted(_ scalars: [Unicode.Scalar]) throws(AddressError) -> [Unicode.Scalar] {
        var content: [Unicode.Scalar] = []
        var index = 1
        while index < scalars.count {
            let scalar = scalars[index]
            switch scalar {
            case "\\":
                index += 1
                guard index < scalars.count else { throw .badQuotes }
                content.append(scalars[index])
            case "\"":
                guard index == scalars.count - 1 else { throw .badQuotes }
                return content
            default: content.append(scalar)
            }
            index += 1
        }
        throw .badQuotes
    }

    /// Why a local part cannot stand without quotes; nil where it can.
    private static func problemUnquoted(_ content: [Unicode.Scalar]) -> AddressError? {
        guard content.first != ".", content.last != "." else { return .badDots }
        // A combining mark in front joins whatever is printed before the address.
        switch content.first?.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: return .badLocalCharacter
        default: break
        }
        var previous: Unicode.Scalar?
        for scalar in content {
            if scalar == ".", previous == "." { return .badDots }
            switch scalar.properties.generalCategory {
            case .spaceSeparator, .lineSeparator, .paragraphSeparator: return .bareSpace
            default: break
            }
            if scalar == "\"" { return .badQuotes }
            if scalar.isASCII, scalar != ".", !isLocal(UInt8(scalar.value)) {
                return .badLocalCharacter
            }
            previous = scalar
        }
        return content.isEmpty ? .badQuotes : nil
    }

    private static func escaped(_ content: [Unicode.Scalar]) -> [UInt8] {
        lowercasedUTF8(
            content.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] as [Unicode.Scalar] })
    }

    private static func lowercasedUTF8(_ scalars: [Unicode.Scalar]) -> [UInt8] {
        scalars.flatMap { UTF8.encode($0).map(Array.init) ?? [] }.map(lowercased)
    }

    /// Lower-case A-labels.
    private static func normalisedDomain(_ given: String) throws(AddressError) -> [UInt8] {
        guard let first = given.utf8.first else { throw .noAtSign }
        guard first != UInt8(ascii: "[") else { throw .domainLiteral }
        guard !given.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw .controlCharacter
        }
        guard let ascii = DomainName.ascii(given) else { throw .badDomain }
        let labels = ascii.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for label in labels {
            guard (1...63).contains(label.count), label.first != UInt8(ascii: "-"),
                label.last != UInt8(ascii: "-"),
                label.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: "-") })
            else { throw .badDomain }
        }
        guard labels.count > 1, let topLevel = labels.last?.first else { throw .noTopLevelDomain }
        guard topLevel &- UInt8(ascii: "a") < 26 else { throw .noTopLevelDomain }
        return ascii.map(lowercased)
    }
}
