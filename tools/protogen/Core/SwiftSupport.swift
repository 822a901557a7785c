// The part of the generated Swift that is the same for every schema: fixed bytes, cursors, checks.
//
// Why generated at all: the generated files then stand on FrameWriter, RawSpan and WireError alone, and a
// change to what they need is one change here.

enum SwiftSupport {
    static func text(header: String) -> String {
        header + "//\n" + opening + bytes(16) + "\n" + bytes(32) + body
    }

    private static let opening = """
        // What generated code stands on: fixed bytes, cursors over tables, lists and columns, and their
        // checks.

        /// A message of the schema, whatever its layout.
        public protocol WireMessage: Hashable, Sendable {
            /// The schema's name.
            static var schemaName: String { get }

            /// - Parameter bytes: the whole encoding. Of columns only the fixed part is kept.
            /// - Throws: what is wrong with it.
            init(decoding bytes: RawSpan) throws(WireError)

            /// Decodes a whole encoding and appends it again, in canonical form.
            ///
            /// - Throws: what is wrong with it.
            static func recode(_ bytes: RawSpan, into writer: inout FrameWriter) throws(WireError)

            /// Appends what this value holds: of columns the fixed part and columns of zeros.
            func encode(into writer: inout FrameWriter)
        }

        extension WireMessage {
            /// Decodes a whole encoding and appends it again, in canonical form.
            public static func recode(_ bytes: RawSpan, into writer: inout FrameWriter) throws(WireError) {
                try Self(decoding: bytes).encode(into: &writer)
            }
        }


        """

    private static func bytes(_ count: Int) -> String {
        let words = Array(0..<(count / 8))
        let parameters = words.map { "word\($0): UInt64 = 0" }.joined(separator: ", ")
        var code = CodeText()
        code.block("extension Wire {") { code in
            code.docs([
                "\(count) bytes as \(words.count) words; word 0 holds the first 8 bytes, little-endian."
            ])
            code.block("public struct Bytes\(count): Hashable, Sendable, CustomStringConvertible {") { code in
                for word in words {
                    code.docs(["Bytes \(word * 8)…\(word * 8 + 7), little-endian."])
                    code.line("public var word\(word): UInt64")
                }
                code.line()
                code.docs(["Zeros unless given."])
                code.block("@inlinable public init(\(parameters)) {") { code in
                    for word in words { code.line("self.word\(word) = word\(word)") }
                }
                code.line()
                code.docs(["- Parameter bytes: exactly \(count) bytes, else `nil`."])
                code.block("public init?(_ bytes: some Collection<UInt8>) {") { code in
                    code.line("guard bytes.count == \(count) else { return nil }")
                    code.line("self.init()")
                    code.block("for (index, byte) in bytes.enumerated() {") { code in
                        code.line("let bits = UInt64(byte) << (8 * UInt64(index & 7))")
                        code.line("switch index >> 3 {")
                        for word in words.dropLast() { code.line("case \(word): word\(word) |= bits") }
                        code.line("default: word\(words.count - 1) |= bits")
                        code.line("}")
                    }
                }
                code.line()
                code.docs(["Reads \(count) bytes whose range was checked before."])
                code.block("@inlinable public init(loading bytes: RawSpan, at offset: Int) {") { code in
                    for word in words { code.line("word\(word) = bytes.load(at: offset + \(word * 8))") }
                }
                code.line()
                code.docs(["Whether all bytes are zero."])
                let any = words.map { "word\($0)" }.joined(separator: " | ")
                code.line("@inlinable public var isZero: Bool { \(any) == 0 }")
                code.line()
                code.docs(["The \(count) bytes."])
                code.block("public var bytes: [UInt8] {") { code in
                    let list = words.map { "word\($0)" }.joined(separator: ", ")
                    code.block("[\(list)].flatMap { word in", closing: "}") { code in
                        code.line("(0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }")
                    }
                }
                code.line()
                code.docs(["Overwrites \(count) bytes that were written before."])
                code.block("public func store(in writer: inout FrameWriter, at offset: Int) {") { code in
                    for word in words { code.line("writer.store(word\(word), at: offset + \(word * 8))") }
                }
                code.line()
                code.docs(["\(count * 2) hexadecimal digits."])
                code.block("public var description: String {") { code in
                    code.line(
                        "bytes.map { ($0 < 16 ? \"0\" : \"\") + String($0, radix: 16) }.joined()")
                }
            }
        }
        return code.text
    }

    private static let body = #"""

        /// A field of a table: where its value stands.
        struct TableField {
            let id: Int
            let sizeClass: Int
            let start: Int
            let count: Int

            func require(_ expected: Int) throws(WireError) {
                guard sizeClass == expected else { throw .badFieldClass(id: id, sizeClass: sizeClass) }
            }

            func bool(_ bytes: RawSpan) throws(WireError) -> Bool {
                try require(0)
                return try bytes.bool(at: start)
            }

            func integer<T: FixedWidthInteger & BitwiseCopyable>(_ bytes: RawSpan) throws(WireError) -> T {
                try require(T.bitWidth.trailingZeroBitCount - 3)
                return bytes.load(at: start)
            }

            func bytes16(_ bytes: RawSpan) throws(WireError) -> Wire.Bytes16 {
                try require(4)
                return Wire.Bytes16(loading: bytes, at: start)
            }

            func bytes32(_ bytes: RawSpan) throws(WireError) -> Wire.Bytes32 {
                try require(5)
                return Wire.Bytes32(loading: bytes, at: start)
            }

            func content() throws(WireError) -> Range<Int> {
                try require(6)
                return start..<(start + count)
            }

            func content(max limit: Int, _ name: String) throws(WireError) -> Range<Int> {
                try require(6)
                try requireAtMost(count, limit, name)
                return start..<(start + count)
            }

            func blob(_ bytes: RawSpan) throws(WireError) -> [UInt8] {
                bytes.array(try content())
            }

            func blob(_ bytes: RawSpan, max limit: Int, _ name: String) throws(WireError) -> [UInt8] {
                bytes.array(try content(max: limit, name))
            }

            func blob(_ bytes: RawSpan, exactly expected: Int) throws(WireError) -> [UInt8] {
                let range = try content()
                guard count >= expected else { throw .truncated(needed: expected, actual: count) }
                guard count == expected else { throw .trailing(expected: expected, actual: count) }
                return bytes.array(range)
            }

            func text(_ bytes: RawSpan) throws(WireError) -> String {
                try bytes.text(content())
            }

            func text(_ bytes: RawSpan, max limit: Int, _ name: String) throws(WireError) -> String {
                try bytes.text(content(max: limit, name))
            }
        }

        /// Steps through a table's fields; each step checks the tag, the order and the value's range.
        struct TableCursor {
            private var offset = 0
            private var lastID = 0

            mutating func next(_ bytes: RawSpan) throws(WireError) -> TableField? {
                let total = bytes.byteCount
                guard offset < total else { return nil }
                guard total - offset >= 2 else { throw .truncated(needed: offset + 2, actual: total) }
                let tag = Int(bytes.load(UInt16.self, at: offset))
                let id = tag >> 3
                let sizeClass = tag & 7
                guard sizeClass != 7 else { throw .badFieldClass(id: id, sizeClass: sizeClass) }
                guard id > lastID else { throw .fieldOrder(id: id) }
                var start = offset + 2
                var count = 1 << sizeClass
                if sizeClass == 6 {
                    guard total - start >= 4 else { throw .truncated(needed: start + 4, actual: total) }
                    count = Int(bytes.load(UInt32.self, at: start))
                    start += 4
                }
                guard count <= total - start else { throw .truncated(needed: start + count, actual: total) }
                offset = start + count
                lastID = id
                return TableField(id: id, sizeClass: sizeClass, start: start, count: count)
            }
        }

        /// Steps through a list's elements; the count is checked against the bytes before anything is
        /// reserved.
        struct ListCursor {
            let count: Int
            /// Elements to reserve room for: not all where an element may be far larger in memory than its
            /// bytes.
            let reservation: Int
            private let start: Int
            private let end: Int
            private var offset: Int

            init(
                _ bytes: RawSpan, _ field: TableField, packed byteCount: Int, max limit: Int = .max,
                _ name: String = ""
            ) throws(WireError) {
                try self.init(bytes, field, elementBytes: byteCount, limit, name)
                let expected = 4 + count * byteCount
                guard field.count == expected else { throw .trailing(expected: expected, actual: field.count) }
            }

            init(
                _ bytes: RawSpan, _ field: TableField, prefixed: Void, max limit: Int = .max,
                _ name: String = ""
            ) throws(WireError) {
                try self.init(bytes, field, elementBytes: 4, limit, name)
            }

            private init(
                _ bytes: RawSpan, _ field: TableField, elementBytes: Int, _ limit: Int, _ name: String
            ) throws(WireError) {
                let content = try field.content()
                guard content.count >= 4 else { throw .truncated(needed: 4, actual: content.count) }
                count = Int(bytes.load(UInt32.self, at: content.lowerBound))
                try requireAtMost(count, limit, name)
                let fitting = (content.count - 4) / elementBytes
                guard count <= fitting else { throw .badCount(count: count, limit: fitting) }
                reservation = min(count, 256)
                start = content.lowerBound
                offset = start + 4
                end = content.upperBound
            }

            mutating func packed(_ byteCount: Int) -> Range<Int> {
                defer { offset += byteCount }
                return offset..<(offset + byteCount)
            }

            mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ bytes: RawSpan) -> T {
                bytes.load(at: packed(MemoryLayout<T>.size).lowerBound)
            }

            mutating func bool(_ bytes: RawSpan) throws(WireError) -> Bool {
                try bytes.bool(at: packed(1).lowerBound)
            }

            mutating func bytes16(_ bytes: RawSpan) -> Wire.Bytes16 {
                Wire.Bytes16(loading: bytes, at: packed(16).lowerBound)
            }

            mutating func bytes32(_ bytes: RawSpan) -> Wire.Bytes32 {
                Wire.Bytes32(loading: bytes, at: packed(32).lowerBound)
            }

            /// The next element that states its length first.
            mutating func element(_ bytes: RawSpan) throws(WireError) -> Range<Int> {
                let room = end - offset
                guard room >= 4 else { throw .truncated(needed: 4, actual: room) }
                let length = Int(bytes.load(UInt32.self, at: offset))
                guard length <= room - 4 else { throw .truncated(needed: 4 + length, actual: room) }
                offset += 4
                return packed(length)
            }

            func finish() throws(WireError) {
                guard offset == end else { throw .trailing(expected: offset - start, actual: end - start) }
            }
        }

        /// Lays out columns one after the other; each is checked against the bytes before its end is
        /// computed.
        struct ColumnCursor {
            private var offset: Int

            init(_: borrowing RawSpan, fixed byteCount: Int) {
                offset = byteCount
            }

            mutating func take(
                _ bytes: RawSpan, count: Int, stride: Int, when isThere: Bool = true
            ) throws(WireError) -> Range<Int> {
                let start = offset
                guard isThere else { return start..<start }
                guard count <= (bytes.byteCount - start) / stride else {
                    throw .truncated(needed: start &+ count &* stride, actual: bytes.byteCount)
                }
                offset = start + count * stride
                return start..<offset
            }

            mutating func take(
                _ bytes: RawSpan, count: Int, bits: Void, when isThere: Bool = true
            ) throws(WireError) -> Range<Int> {
                let range = try take(bytes, count: count / 8 + (count & 7 == 0 ? 0 : 1), stride: 1, when: isThere)
                if !range.isEmpty, count & 7 != 0 {
                    let last = range.upperBound - 1
                    guard bytes.load(UInt8.self, at: last) >> UInt8(count & 7) == 0 else {
                        throw .reservedNotZero(offset: last)
                    }
                }
                return range
            }

            func finish(_ bytes: RawSpan) throws(WireError) {
                guard offset == bytes.byteCount else { throw .trailing(expected: offset, actual: bytes.byteCount) }
            }
        }

        func requireAtMost(_ value: Int, _ limit: Int, _ name: String) throws(WireError) {
            guard value <= limit else { throw .overLimit(name: name, value: value, limit: limit) }
        }

        extension RawSpan {
            func requireByteCount(_ expected: Int) throws(WireError) {
                try requireByteCount(atLeast: expected)
                guard byteCount == expected else { throw .trailing(expected: expected, actual: byteCount) }
            }

            func requireByteCount(atLeast needed: Int) throws(WireError) {
                guard byteCount >= needed else { throw .truncated(needed: needed, actual: byteCount) }
            }

            @inline(__always)
            func requireZeros(at offset: Int, count: Int) throws(WireError) {
                for index in offset..<(offset + count) {
                    guard load(UInt8.self, at: index) == 0 else { throw .reservedNotZero(offset: index) }
                }
            }

            /// Offsets must begin at 0, never descend, and end where the column that they cut ends.
            func requireOffsets(_ offsets: Range<Int>, into target: Range<Int>) throws(WireError) {
                guard !offsets.isEmpty else { return }
                var previous: UInt32 = 0
                for position in stride(from: offsets.lowerBound, to: offsets.upperBound, by: 4) {
                    let value = load(UInt32.self, at: position)
                    let isFirst = position == offsets.lowerBound
                    let isLast = position == offsets.upperBound - 4
                    guard value >= previous, !isFirst || value == 0, !isLast || Int(value) == target.count else {
                        throw .badOffsets(index: (position - offsets.lowerBound) / 4)
                    }
                    previous = value
                }
            }

            func bool(at offset: Int) throws(WireError) -> Bool {
                let value = load(UInt8.self, at: offset)
                guard value <= 1 else { throw .badBool(value) }
                return value == 1
            }

            func text(_ range: Range<Int>) throws(WireError) -> String {
                let text = extracting(range).withUnsafeBytes { String(validating: $0, as: UTF8.self) }
                guard let text else { throw .badText }
                return text
            }
        }

        extension FrameWriter {
            mutating func appendTag(_ id: UInt16, _ sizeClass: UInt16) {
                append(id << 3 | sizeClass)
            }

            mutating func appendField<T: FixedWidthInteger & BitwiseCopyable>(_ id: UInt16, _ value: T) {
                appendTag(id, UInt16(T.bitWidth.trailingZeroBitCount - 3))
                append(value)
            }

            mutating func appendField(_ id: UInt16, _ value: Bool) {
                appendTag(id, 0)
                appendElement(value)
            }

            mutating func appendField(_ id: UInt16, _ value: Wire.Bytes16) {
                appendTag(id, 4)
                appendElement(value)
            }

            mutating func appendField(_ id: UInt16, _ value: Wire.Bytes32) {
                appendTag(id, 5)
                appendElement(value)
            }

            mutating func appendField(_ id: UInt16, _ value: [UInt8]) {
                appendTag(id, 6)
                appendPrefixed(value)
            }

            mutating func appendField(_ id: UInt16, _ value: [UInt8], exactly byteCount: Int) {
                precondition(value.count == byteCount, "field \(id) holds \(value.count) bytes, not \(byteCount)")
                appendField(id, value)
            }

            mutating func appendFieldUnlessZero(_ id: UInt16, _ value: [UInt8], exactly byteCount: Int) {
                if value.contains(where: { $0 != 0 }) { appendField(id, value, exactly: byteCount) }
            }

            mutating func appendField(_ id: UInt16, _ value: String) {
                appendTag(id, 6)
                appendPrefixed(value)
            }

            mutating func appendElement<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
                append(value)
            }

            mutating func appendElement(_ value: Bool) {
                append(value ? UInt8(1) : 0)
            }

            mutating func appendElement(_ value: Wire.Bytes16) {
                value.store(in: &self, at: appendUninitialized(16))
            }

            mutating func appendElement(_ value: Wire.Bytes32) {
                value.store(in: &self, at: appendUninitialized(32))
            }

            mutating func appendElement(_ value: [UInt8], exactly byteCount: Int) {
                precondition(value.count == byteCount, "an element holds \(value.count) bytes, not \(byteCount)")
                append(value.span.bytes)
            }

            mutating func appendPrefixed(_ value: [UInt8]) {
                append(UInt32(value.count))
                append(value.span.bytes)
            }

            mutating func appendPrefixed(_ value: String) {
                let bytes = value.utf8Span.span.bytes
                append(UInt32(bytes.byteCount))
                append(bytes)
            }

            /// Opens something that states its length first; returns where the length stands.
            mutating func beginLength() -> Int {
                let start = count
                append(UInt32(0))
                return start
            }

            mutating func endLength(_ start: Int) {
                store(UInt32(count - start - 4), at: start)
            }

            mutating func beginField(_ id: UInt16) -> Int {
                appendTag(id, 6)
                return beginLength()
            }

            mutating func endField(_ start: Int) {
                endLength(start)
            }

            /// Ends a field, or takes it back where nothing was written into it.
            mutating func endFieldUnlessEmpty(_ start: Int) {
                if count == start + 4 {
                    truncate(to: start - 2)
                } else {
                    endLength(start)
                }
            }

            mutating func beginList(_ id: UInt16, count elements: Int) -> Int {
                let start = beginField(id)
                append(UInt32(elements))
                return start
            }

            mutating func appendColumn(_ byteCount: Int) -> Range<Int> {
                let start = appendZeros(byteCount)
                return start..<(start + byteCount)
            }

            mutating func fill(_ range: Range<Int>, with bytes: RawSpan) {
                guard !range.isEmpty else { return }
                bytes.withUnsafeBytes { source in
                    withMutableBytes(at: range.lowerBound, count: range.count) { $0.copyMemory(from: source) }
                }
            }
        }

        """#
}
