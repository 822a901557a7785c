// Addresses that are found nowhere else, and the search for them in every spelling that software might leave
// them in: letters of any case, other encodings of the characters, encodings of bytes as text, and the words
// of a dump of registers, which show bytes in the order of the machine.
//
// Invariant: the search is for the rare part of an address, so that a piece of it is found too.

import Foundation
import TestRandomness

/// The canaries, and how to find them.
struct Canary {
    /// Texts that only the canary addresses have.
    static let texts = [
        "zq7xkanarienvogel", "zq7xundicht", "zq7xlückenhaft", "zq7xlckenhaft-0ob",
    ]
    /// The digits that every way of writing the canary's phone number has.
    static let digits = "698135724"
    /// Pieces of the addresses below as they are written there, for encodings in which that matters.
    private static let asWritten = ["98 13 57 24", "98.13.57.24", "ZQ7XKanarienvogel", "ZQ7XUNDICHT"]

    /// E-mail addresses that are good, all of one or the other person.
    static let emails = [
        "zq7xkanarienvogel@zq7xundicht.example", "ZQ7XKanarienvogel@ZQ7XUNDICHT.Example",
        "zq7xkanarienvogel@zq7xlückenhaft.example", "zq7xkanarienvogel@xn--zq7xlckenhaft-0ob.example",
    ]
    /// Phone numbers that are good, all the same one.
    static let phones = [
        "+33698135724", "06 98 13 57 24", "+33 6 98 13 57 24", "0033698135724", "06.98.13.57.24",
    ]
    /// What is none of either.
    static let malformed = [
        "zq7xkanarienvogel@@zq7xundicht.example", "zq7xkanarienvogel@zq7xundicht",
        "zq7xkanarienvogel zq7xundicht.example", "zq7xkanarienvogel@[zq7xundicht.example]",
        "\u{1}zq7xkanarienvogel@zq7xundicht.example", "zq7xkanarienvogel@zq7xundicht.example\r\nx: y",
        "zq7xkanarienvogel@" + String(repeating: "zq7xundicht.", count: 40) + "example",
        "+33 6 98 13 57 2", "0698135724x", "+33698135724698135724",
    ]

    /// One spelling of a canary as bytes.
    struct Spelling: Hashable {
        let name: String
        let bytes: [UInt8]
        /// Whether the letters may have any case.
        let isCaseless: Bool
    }

    /// All spellings that are searched for.
    static let spellings: [Spelling] =
        (texts + [digits] + asWritten)
        .flatMap(spellings(of:)) + numbers

    private static func spellings(of text: String) -> [Spelling] {
        let bytes = Array(text.utf8)
        func hexadecimal(_ bytes: some Sequence<UInt8>, _ between: String = "") -> [UInt8] {
            Array(bytes.map { between + (($0 < 16 ? "0" : "") + String($0, radix: 16)) }.joined().utf8)
        }
        var found: [Spelling] = []
        func add(_ name: String, _ bytes: [UInt8], isCaseless: Bool = true) {
            found.append(Spelling(name: "\(text) \(name)", bytes: bytes, isCaseless: isCaseless))
        }
        add("as it is", bytes)
        add("reversed", bytes.reversed())
        add("UTF-16 little-endian", text.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] })
        add("UTF-16 big-endian", text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] })
        add("hexadecimal", hexadecimal(bytes))
        add("hexadecimal, spaced", Array(hexadecimal(bytes, " ").dropFirst()))
        add("percent-encoded", hexadecimal(bytes, "%"))
        add("quoted-printable", hexadecimal(bytes, "="))
        add("C escapes", hexadecimal(bytes, "\\x"))
        add(
            "JSON escapes",
            Array(text.utf16.map { "\\u" + String(0x10000 + Int($0), radix: 16).dropFirst() }.joined().utf8))
        if !bytes.allSatisfy({ $0 < 128 }) {
            // As other libraries show what is not ASCII, with the rest in plain.
            for (name, between) in [("percent", "%"), ("quoted-printable", "="), ("C", "\\x")] {
                add("partly \(name)", bytes.flatMap { $0 < 128 ? [$0] : hexadecimal([$0], between) })
            }
        }
        // Base64 shows three bytes in four letters: three ways to be cut, without the letters at either end
        // that depend on the neighbours.
        for shift in 0..<3 {
            let coded = Array(Data([UInt8](repeating: 0, count: shift) + bytes).base64EncodedString().utf8)
            let first = shift == 0 ? 0 : shift + 1
            let last = (shift + bytes.count) / 3 * 4
            add("base64, \(shift) bytes in", Array(coded[first..<last]), isCaseless: false)
        }
        // Eight bytes as a register shows them.
        for start in 0...max(0, bytes.count - 8) {
            let word = bytes[start..<min(start + 8, bytes.count)].reversed()
            add("word at \(start)", hexadecimal(word))
            add("word at \(start), bytes", Array(word))
        }
        return found
    }

    /// The phone number as a number of eight bytes.
    private static var numbers: [Spelling] {
        guard let number = UInt64("33" + digits) else { return [] }
        return [number.littleEndian, number.bigEndian].map { word in
            Spelling(
                name: "\(number) in 8 bytes", bytes: withUnsafeBytes(of: word) { Array($0) },
                isCaseless: false)
        }
    }

    /// Names of the spellings that are in the data.
    static func found(in data: Data) -> [String] {
        let bytes = [UInt8](data)
        var lowered = bytes
        for position in lowered.indices { lowered[position] = lower(lowered[position]) }
        // Phone numbers are written with separators that mean nothing.
        var joined: [UInt8] = []
        joined.reserveCapacity(lowered.count)
        for byte in lowered where !isSeparator[Int(byte)] { joined.append(byte) }
        let exact = bytes.withUnsafeBytes { asTheyAre.found(in: $0) }.map { spellings[$0] }
        let caseless = lowered.withUnsafeBytes { inLowerCase.found(in: $0) }.map { spellings[$0] }
        var names = exact.filter { !$0.isCaseless }.map(\.name) + caseless.filter(\.isCaseless).map(\.name)
        if joined.withUnsafeBytes({ !plainDigits.found(in: $0).isEmpty }) {
            names.append("\(digits) with separators")
        }
        return names
    }

    private static func lower(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 0x20 : byte }
    private static let isSeparator = (0..<256).map { " .-()/_".utf8.contains(UInt8($0)) }
    private static let asTheyAre = Search(spellings.map(\.bytes))
    private static let inLowerCase = Search(spellings.map { $0.bytes.map(lower) })
    private static let plainDigits = Search([Array(digits.utf8)])
}

/// Looks for many texts in one pass: two bytes of each, by their value, say where it may stand.
private struct Search: Sendable {
    private let texts: [[UInt8]]
    /// Where in a text its two bytes are: not zeros, of which files are full.
    private var places: [Int] = []
    /// The last text with these two bytes, and for each text the one before with the same; -1: none.
    private var last = [Int](repeating: -1, count: 65_536)
    private var before: [Int] = []

    init(_ texts: [[UInt8]]) {
        self.texts = texts
        for (number, text) in texts.enumerated() {
            precondition(text.count >= 2, "a text of one byte is everywhere")
            let place = (0..<text.count - 1).first { text[$0] != 0 && text[$0 + 1] != 0 } ?? 0
            let pair = Int(text[place]) << 8 | Int(text[place + 1])
            places.append(place)
            before.append(last[pair])
            last[pair] = number
        }
    }

    /// Numbers of the texts that are there, in order.
    func found(in bytes: UnsafeRawBufferPointer) -> [Int] {
        var numbers: Set<Int> = []
        guard bytes.count >= 2 else { return [] }
        for position in 0..<bytes.count - 1 {
            var number = last[Int(bytes[position]) << 8 | Int(bytes[position + 1])]
            while number >= 0 {
                let start = position - places[number]
                let text = texts[number]
                if start >= 0, text.count <= bytes.count - start,
                    bytes[start..<start + text.count].elementsEqual(text)
                {
                    numbers.insert(number)
                }
                number = before[number]
            }
        }
        return numbers.sorted()
    }
}

/// Where a canary may have got to, and what is there.
struct CanaryPlaces {
    /// By name.
    private(set) var texts: [String: Data] = [:]
    /// Files, and folders with all that is in them.
    var paths: [String] = []

    /// Notes what was said somewhere.
    mutating func note(_ place: String, _ text: some Sequence<UInt8>) {
        texts[place, default: Data()].append(contentsOf: text)
    }

    /// All files of the paths.
    var files: [String] {
        paths.flatMap { path -> [String] in
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return [] }
            guard isFolder.boolValue else { return [path] }
            let names = (try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []
            return names.map { path + "/" + $0 }.filter {
                FileManager.default.fileExists(atPath: $0, isDirectory: &isFolder) && !isFolder.boolValue
            }
        }
    }

    /// What was found, as `PLACE: SPELLING`.
    func search() throws -> [String] {
        var findings: [String] = []
        for (place, data) in texts { findings += Canary.found(in: data).map { "\(place): \($0)" } }
        for file in files {
            let data = try Data(contentsOf: URL(fileURLWithPath: file), options: .mappedIfSafe)
            findings += Canary.found(in: data).map { "\(file): \($0)" }
        }
        return findings
    }
}
