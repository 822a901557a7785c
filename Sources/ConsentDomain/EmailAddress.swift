// E-mail addresses, normalised: `local@domain` with an ASCII lower-cased local part in form C and a domain of
// lower-case A-labels.
//
// Plain ASCII addresses are done in one pass, eight bytes at a time, without allocation; whatever that pass
// does not know for sure (quotes, other letters, `xn--` labels, anything wrong) goes to the slow path, which
// is the rule. Invariant: for each address that the fast path accepts, the slow path gives the same bytes.

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

    /// Count of bytes written, or 0 where the slow path has to decide. Eight bytes at a time: lower-case and
    /// classify them all at once, then look only at dots, dashes, symbols and the at sign.
    private static func fastCount(
        _ utf8: UnsafeRawBufferPointer, into scratch: UnsafeMutableRawBufferPointer
    ) -> Int {
        // `scratch` has at least 512 bytes, so a whole word at each index below `count` is inside of it.
        guard let source = utf8.baseAddress, let target = scratch.baseAddress,
            utf8.count <= ContactAddress.byteCountMax
        else { return 0 }
        let count = utf8.count
        var structure = AddressStructure(bytes: target)
        var index = 0
        while index < count {
            let rest = count &- index
            var word: UInt64
            var valid = ByteClasses.highBits
            if rest >= 8 {
                word = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            } else {
                word = SipHashKey.partialWord(source + index, count: rest)
                valid &= 1 &<< UInt64(8 &* rest) &- 1
            }
            guard word & ByteClasses.highBits == 0 else { return 0 }
            word |= ByteClasses.range(word, 0x41, 0x5A) &>> 2
            target.storeBytes(of: word.littleEndian, toByteOffset: index, as: UInt64.self)
            let plain = ByteClasses.range(word, 0x61, 0x7A) | ByteClasses.range(word, 0x30, 0x39)
            var special = valid & ~plain
            if special != 0, special & ~ByteClasses.structural(word) & ~ByteClasses.localSymbols(word) != 0 {
                return 0
            }
            while special != 0 {
                let place = special.trailingZeroBitCount &>> 3
                let byte = UInt8(truncatingIfNeeded: word &>> UInt64(8 &* place))
                guard structure.take(byte, at: index &+ place) else { return 0 }
                special &= special &- 1
            }
            index &+= 8
        }
        return structure.isComplete(count: count) ? count : 0
    }

    /// Whether a byte may stand in a local part without quotes; the dot is another matter.
    private static func isLocal(_ byte: UInt8) -> Bool {
        guard byte < 0x80 else { return false }
        let word = UInt64(byte)
        let symbols = ByteClasses.localSymbols(word) | ByteClasses.range(word, 0x2D, 0x2D)
        return isAlphanumeric(byte) || symbols & 0x80 != 0
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

/// Classes of eight ASCII bytes at once: the high bit of each byte of a result says whether that byte
/// belongs.
private enum ByteClasses {
    static let highBits: UInt64 = 0x8080_8080_8080_8080
    private static let ones: UInt64 = 0x0101_0101_0101_0101

    /// Bytes from `low` to `high`. No byte of `word` has its high bit set, so no sum carries into the next
    /// byte.
    @inline(__always)
    static func range(_ word: UInt64, _ low: UInt64, _ high: UInt64) -> UInt64 {
        (word &+ (0x80 &- low) &* ones) & ~(word &+ (0x7F &- high) &* ones) & highBits
    }

    /// Dash, dot and at sign.
    @inline(__always)
    static func structural(_ word: UInt64) -> UInt64 { range(word, 0x2D, 0x2E) | range(word, 0x40, 0x40) }

    /// What a local part may hold besides letters, digits, dashes and dots: `!#$%&'*+/=?^_` and a backquote,
    /// `{|}~`.
    @inline(__always)
    static func localSymbols(_ word: UInt64) -> UInt64 {
        range(word, 0x21, 0x21) | range(word, 0x23, 0x27) | range(word, 0x2A, 0x2B) | range(word, 0x2F, 0x2F)
            | range(word, 0x3D, 0x3D) | range(word, 0x3F, 0x3F) | range(word, 0x5E, 0x60)
            | range(word, 0x7B, 0x7E)
    }
}

/// Follows dots, dashes, symbols and the at sign through an address whose other bytes are letters and digits.
private struct AddressStructure {
    /// The address in lower case, written up to the byte that is taken and beyond.
    let bytes: UnsafeMutableRawPointer
    private var labelStart = 0
    /// 0: still in the local part.
    private var domainStart = 0

    init(bytes: UnsafeMutableRawPointer) { self.bytes = bytes }

    /// Returns false where the slow path has to decide.
    @inline(__always)
    mutating func take(_ byte: UInt8, at index: Int) -> Bool {
        let isDot = byte == UInt8(ascii: ".")
        if domainStart == 0 {
            if isDot || byte == UInt8(ascii: "@") {
                guard index > labelStart else { return false }
                labelStart = index &+ 1
                if !isDot {
                    domainStart = labelStart
                    return index <= EmailAddress.localByteCountMax
                }
            }
            return true
        }
        if isDot {
            guard isLabel(end: index) else { return false }
            labelStart = index &+ 1
            return true
        }
        // In a label only a dash is left, not in front, and not two in places 3 and 4 (`xn--` and what is
        // reserved).
        guard byte == UInt8(ascii: "-"), index > labelStart else { return false }
        return index != labelStart &+ 3 || !isDash(index &- 1)
    }

    @inline(__always)
    func isComplete(count: Int) -> Bool {
        guard domainStart > 0, labelStart > domainStart, isLabel(end: count) else { return false }
        return bytes.load(fromByteOffset: labelStart, as: UInt8.self) &- UInt8(ascii: "a") < 26
    }

    /// 1…63 bytes that do not end in a dash.
    @inline(__always)
    private func isLabel(end: Int) -> Bool {
        end > labelStart && end &- labelStart < 64 && !isDash(end &- 1)
    }

    @inline(__always)
    private func isDash(_ index: Int) -> Bool {
        bytes.load(fromByteOffset: index, as: UInt8.self) == UInt8(ascii: "-")
    }
}
