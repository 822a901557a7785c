// Addresses of the population: plausible, unique, and written as bytes into memory of the caller.
//
// All e-mail domains end in `.example`, which can never exist. Phone numbers are French mobile numbers in
// E.164 form: 06 for seeded recipients, 07 for those that were never seeded; a bijection spreads
// them.

/// Whether an address was seeded.
package enum AddressSpace: Sendable {
    /// Of a recipient.
    case seeded
    /// Of nobody: a check must find nothing on file.
    case missing
}

extension Population {
    /// Bytes that the longest address needs.
    package static let addressBytesMax = 80

    /// Writes an address.
    ///
    /// - Parameters:
    ///   - number: number of the recipient, or of a miss; its kind is that of the recipient with this number.
    ///   - space: seeded or missing.
    ///   - bytes: at least `addressBytesMax` bytes.
    /// - Returns: how many bytes were written.
    package func writeAddress(
        of number: Int, space: AddressSpace, into bytes: UnsafeMutableRawBufferPointer
    ) -> Int {
        precondition(bytes.count >= Population.addressBytesMax, "an address needs more room")
        var writer = ByteAppender(bytes: bytes)
        switch kind(of: number) {
        case .email: appendEmail(of: number, space: space, to: &writer)
        case .phone: appendPhone(of: number, space: space, to: &writer)
        }
        return writer.count
    }

    /// The address as text.
    package func address(of number: Int, space: AddressSpace) -> String {
        String(unsafeUninitializedCapacity: Population.addressBytesMax) {
            writeAddress(of: number, space: space, into: UnsafeMutableRawBufferPointer($0))
        }
    }

    private func appendEmail(of number: Int, space: AddressSpace, to writer: inout ByteAppender) {
        let bits = Mix64.hash(seed, 0x6e61_6d65, UInt64(number))
        let names = AddressWords.self
        writer.append(names.given[Int(bits & 31)])
        writer.append(UInt8(ascii: "."))
        writer.append(names.family[Int(bits >> 8 & 31)])
        writer.append(UInt8(ascii: "."))
        if space == .missing { writer.append(UInt8(ascii: "x")) }
        writer.append(decimal: number, digits: 1)
        writer.append(UInt8(ascii: "@"))
        writer.append(names.domains[Int(bits >> 16 & 7)])
    }

    private func appendPhone(of number: Int, space: AddressSpace, to writer: inout ByteAppender) {
        // 63, 69 and 70 are left out: they hold numbers of overseas territories, which have other country
        // codes.
        let blocks: [Int] = space == .seeded ? [0, 1, 2, 4, 5, 6, 7, 8] : [1, 2, 3, 4, 5, 6, 7, 8]
        let perBlock = 10_000_000
        let place = (number / controllers / 4) * controllers + number % controllers
        let shift = Int(Mix64.hash(seed, 0x7068_6f6e, 0) % UInt64(8 * perBlock))
        let spread = (place * 61_803_399 + shift) % (8 * perBlock)
        writer.append(space == .seeded ? "+336" : "+337")
        writer.append(decimal: blocks[spread / perBlock], digits: 1)
        writer.append(decimal: spread % perBlock, digits: 7)
    }
}

/// Appends ASCII to memory of a known size.
package struct ByteAppender {
    private let bytes: UnsafeMutableRawBufferPointer
    /// Bytes written.
    package private(set) var count = 0

    /// - Parameter bytes: where to write; running over it traps.
    package init(bytes: UnsafeMutableRawBufferPointer) {
        self.bytes = bytes
    }

    /// Appends one byte.
    package mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    /// Appends text.
    package mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { source in
            let target = UnsafeMutableRawBufferPointer(rebasing: bytes[count..<count + source.count])
            target.copyMemory(from: UnsafeRawBufferPointer(source))
        }
        count += text.utf8CodeUnitCount
    }

    /// Appends a number that is not negative, with zeros in front up to so many digits.
    package mutating func append(decimal number: Int, digits: Int) {
        var width = 1
        var rest = number / 10
        while rest > 0 {
            width += 1
            rest /= 10
        }
        width = max(width, digits)
        var left = number
        for place in stride(from: count + width - 1, through: count, by: -1) {
            bytes[place] = UInt8(ascii: "0") + UInt8(left % 10)
            left /= 10
        }
        count += width
    }
}

/// Words that e-mail addresses are made of.
private enum AddressWords {
    /// 32 given names.
    static let given: [StaticString] = [
        "camille", "louis", "emma", "hugo", "chloe", "nathan", "lea", "ines", "jules", "manon", "adam",
        "sarah",
        "paul", "zoe", "arthur", "lina", "gabriel", "rose", "raphael", "alice", "tom", "julia", "noah",
        "anna",
        "mohamed", "eva", "leo", "nina", "sacha", "jade", "victor", "mila",
    ]
    /// 32 family names.
    static let family: [StaticString] = [
        "martin", "bernard", "thomas", "petit", "robert", "richard", "durand", "dubois", "moreau", "laurent",
        "simon", "michel", "lefebvre", "leroy", "roux", "david", "bertrand", "morel", "fournier", "girard",
        "bonnet", "dupont", "lambert", "fontaine", "rousseau", "vincent", "muller", "lopez", "nguyen",
        "garcia",
        "blanc", "chevalier",
    ]
    /// 8 domains.
    static let domains: [StaticString] = [
        "courriel.example", "postal.example", "boite.example", "mail.example", "libre.example",
        "studio.example",
        "univ-lyon.example", "salon.example",
    ]
}
