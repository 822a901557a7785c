// Little-endian bytes of the canonical forms: what is hashed, stored and compared byte by byte.
//
// Invariant: a reader never reads past its bytes and never traps on them; every form has one encoding only,
// so a decoder refuses what the encoder would not have written (unsorted lists, unknown flags, bytes left
// over).

import Crypto

/// Why bytes are not a canonical form.
public enum CanonicalFormError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes end too early.
    case truncated(form: String, needed: Int, available: Int)
    /// A field holds a value that the form does not know.
    case badValue(form: String, field: String, value: UInt64)
    /// A text is not UTF-8.
    case badText(form: String, field: String)
    /// Bytes are left over.
    case trailingBytes(form: String, count: Int)

    /// Says what is wrong and where.
    public var description: String {
        switch self {
        case .truncated(let form, let needed, let available):
            "\(form): ends too early: \(needed) bytes needed, \(available) left"
        case .badValue(let form, let field, let value): "\(form): \(field) cannot be \(value)"
        case .badText(let form, let field): "\(form): \(field) is not UTF-8"
        case .trailingBytes(let form, let count): "\(form): \(count) bytes left over"
        }
    }
}

/// Appends canonical bytes. Room is zeroed ahead of the position, so zero bytes cost nothing.
struct CanonicalWriter {
    private var room: [UInt8]
    private var position = 0

    init(reserving count: Int = 64) { room = [UInt8](repeating: 0, count: max(8, count)) }

    /// What was appended.
    var bytes: [UInt8] { position == room.count ? room : Array(room[..<position]) }

    @inline(__always)
    private mutating func reserve(_ count: Int) {
        if room.count - position < count { grow(count) }
    }

    @inline(never)
    private mutating func grow(_ count: Int) {
        room.append(contentsOf: repeatElement(0, count: max(room.count, count)))
    }

    @inline(__always)
    mutating func append<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        let size = MemoryLayout<Value>.size
        reserve(size)
        // `reserve` made room for `size` bytes at `position`.
        room.withUnsafeMutableBytes {
            $0.storeBytes(of: value.littleEndian, toByteOffset: position, as: Value.self)
        }
        position += size
    }

    mutating func append(_ value: [UInt8]) {
        reserve(value.count)
        room.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[position...]).copyBytes(from: value)
        }
        position += value.count
    }

    mutating func append(_ digest: Digest32) {
        append(low: digest.word0, high: digest.word1)
        append(low: digest.word2, high: digest.word3)
    }

    mutating func append(low: UInt64, high: UInt64) {
        append(low)
        append(high)
    }

    mutating func append(zeros count: Int) {
        reserve(count)
        position += count
    }

    /// A text with its byte count in 16 bits. Limits are checked where texts come in, so a longer one is a
    /// bug.
    mutating func append(text: String) {
        let count = text.utf8.count
        precondition(count <= Int(UInt16.max), "text of \(count) bytes in a canonical form")
        append(UInt16(count))
        append(utf8Of: text)
    }

    mutating func append(utf8Of text: String) {
        var text = text
        text.withUTF8 { utf8 in
            reserve(utf8.count)
            room.withUnsafeMutableBytes {
                UnsafeMutableRawBufferPointer(rebasing: $0[position...]).copyBytes(from: utf8)
            }
            position += utf8.count
        }
    }
}

/// Reads canonical bytes, front to back.
struct CanonicalReader {
    let form: String
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8], form: String) {
        self.bytes = bytes
        self.form = form
    }

    var available: Int { bytes.count - position }

    mutating func read(count: Int) throws(CanonicalFormError) -> [UInt8] {
        guard count >= 0, count <= available else {
            throw .truncated(form: form, needed: count, available: available)
        }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func read<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self
    ) throws(CanonicalFormError) -> Value {
        let size = MemoryLayout<Value>.size
        guard size <= available else {
            throw .truncated(form: form, needed: size, available: available)
        }
        defer { position += size }
        return bytes.withUnsafeBytes {
            Value(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Value.self))
        }
    }

    mutating func digest() throws(CanonicalFormError) -> Digest32 {
        Digest32(word0: try read(), word1: try read(), word2: try read(), word3: try read())
    }

    mutating func text(_ field: String) throws(CanonicalFormError) -> String {
        let count = Int(try read(UInt16.self))
        return try text(field, count: count)
    }

    mutating func text(_ field: String, count: Int) throws(CanonicalFormError) -> String {
        guard let text = String(validating: try read(count: count), as: UTF8.self) else {
            throw .badText(form: form, field: field)
        }
        return text
    }

    mutating func zeros(_ field: String, count: Int) throws(CanonicalFormError) {
        for byte in try read(count: count) where byte != 0 { throw bad(field, byte) }
    }

    /// One byte that is the raw value of an enum.
    mutating func value<Value: RawRepresentable<UInt8>>(_ field: String) throws(CanonicalFormError) -> Value {
        let raw = try read(UInt8.self)
        guard let value = Value(rawValue: raw) else { throw bad(field, raw) }
        return value
    }

    mutating func flag(_ field: String) throws(CanonicalFormError) -> Bool {
        let raw = try read(UInt8.self)
        guard raw <= 1 else { throw bad(field, raw) }
        return raw == 1
    }

    func bad(_ field: String, _ value: some FixedWidthInteger) -> CanonicalFormError {
        .badValue(form: form, field: field, value: UInt64(truncatingIfNeeded: value))
    }

    func finish() throws(CanonicalFormError) {
        guard available == 0 else { throw .trailingBytes(form: form, count: available) }
    }
}

extension Digest32 {
    /// SHA-256 of bytes.
    public static func sha256(_ bytes: [UInt8]) -> Digest32 {
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
        return hash.finalize().withUnsafeBytes { Digest32(loading: $0) }
    }

    /// SHA-256 of parts, one after the other.
    public static func sha256(_ parts: [UInt8]...) -> Digest32 {
        var hash = SHA256()
        for part in parts { part.withUnsafeBytes { hash.update(bufferPointer: $0) } }
        return hash.finalize().withUnsafeBytes { Digest32(loading: $0) }
    }

    /// Lower-case hexadecimal, 64 digits.
    public var hex: String { Hexadecimal.text(of: bytes) }

    /// Reads 64 hexadecimal digits; nil for anything else.
    public init?(hex: String) {
        guard let bytes = Hexadecimal.bytes(of: hex) else { return nil }
        self.init(bytes)
    }
}

/// Hexadecimal digits of bytes.
public enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    /// Lower-case digits, two a byte.
    public static func text(of bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads digits of either case; nil for an odd count or another character.
    public static func bytes(of text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text.utf8 {
            let value: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = character - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = character - UInt8(ascii: "A") + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }
}
