// Goal: generated code reads and writes exactly the bytes that the vectors state, refuses the hostile ones
// with the stated error, and never traps, whatever the bytes.
// Method: Protocol/vectors is read as any client would read it. The vectors come from the generator's own
// encoder, which shares nothing with the generated code. Random bytes come from a printed seed.

import Foundation
import TestRandomness
import Testing
import WireProtocol

/// One group of lines of a vector file.
struct Vector: Sendable {
    var message = ""
    var name = ""
    var values: [(path: String, literal: String)] = []
    var body: [UInt8] = []
    var canonical: [UInt8]?
    var error = ""
}

enum VectorFile {
    /// Reads Protocol/vectors/`name`.
    static func read(_ name: String) throws -> [Vector] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "Protocol/vectors/\(name)"), encoding: .utf8)
        var vectors: [Vector] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
            let rest = line.split(separator: " ", maxSplits: 1).last.map(String.init) ?? ""
            if parts[0] == "vector" {
                let name = parts[1].split(separator: ".", maxSplits: 1).map(String.init)
                vectors.append(Vector(message: name[0], name: parts[1]))
                continue
            }
            guard var vector = vectors.popLast() else { throw Malformed(line: String(line)) }
            switch parts[0] {
            case "value": vector.values.append((parts[1], parts[2]))
            case "error": vector.error = rest
            case "body": vector.body = try bytes(rest)
            case "canonical": vector.canonical = try bytes(rest)
            default: throw Malformed(line: String(line))
            }
            vectors.append(vector)
        }
        return vectors
    }

    struct Malformed: Error {
        var line: String
    }

    private static func bytes(_ hex: String) throws -> [UInt8] {
        if hex == "-" { return [] }
        let digits = Array(hex.utf8)
        guard digits.count.isMultiple(of: 2) else { throw Malformed(line: hex) }
        return try stride(from: 0, to: digits.count, by: 2).map { index in
            let pair = String(decoding: digits[index...(index + 1)], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { throw Malformed(line: hex) }
            return byte
        }
    }
}

/// The leaves of a decoded message, by path, as a vector file writes them.
struct Leaves {
    private(set) var literals: [String: String] = [:]

    init(_ message: any WireMessage) {
        add(message, at: "")
    }

    private mutating func add(_ value: Any, at path: String) {
        switch value {
        case let text as String: literals[path] = "\"\(text)\""
        case let number as Double: literals[path] = "\(number)"
        case let flag as Bool: literals[path] = "\(flag)"
        case let number as any FixedWidthInteger: literals[path] = "\(number)"
        case let bytes as Wire.Bytes16: literals[path] = "0x\(bytes)"
        case let bytes as Wire.Bytes32: literals[path] = "0x\(bytes)"
        case let number as any RawRepresentable: literals[path] = "\(number.rawValue)"
        default: addChildren(of: value, at: path)
        }
    }

    private mutating func addChildren(of value: Any, at path: String) {
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional:
            for child in mirror.children { add(child.value, at: path) }
        case .collection:
            literals[path + "[]"] = "\(mirror.children.count)"
            // A vector writes `bytes` as one literal and a list of u8 as elements; here both are arrays.
            if let bytes = value as? [UInt8] {
                literals[path] = "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            }
            for (index, child) in mirror.children.enumerated() { add(child.value, at: "\(path)[\(index)]") }
        default:
            literals[path] = "{}"
            for child in mirror.children {
                add(child.value, at: path.isEmpty ? child.label ?? "" : "\(path).\(child.label ?? "")")
            }
        }
    }

    /// `contacts[0].event_id` → `contacts[0].eventId`
    static func swiftPath(_ path: String) -> String {
        var result = ""
        var isUpper = false
        for character in path {
            if character == "_" {
                isUpper = true
            } else {
                result += isUpper ? character.uppercased() : String(character)
                isUpper = false
            }
        }
        return result
    }
}

extension WireError {
    /// The error as Protocol/vectors/hostile.txt writes it.
    var vectorText: String {
        switch self {
        case .truncated(let needed, let actual): "truncated needed=\(needed) actual=\(actual)"
        case .trailing(let expected, let actual): "trailing expected=\(expected) actual=\(actual)"
        case .reservedNotZero(let offset): "reserved_not_zero offset=\(offset)"
        case .badFieldClass(let id, let sizeClass): "bad_field_class id=\(id) size_class=\(sizeClass)"
        case .fieldOrder(let id): "field_order id=\(id)"
        case .badBool(let value): "bad_bool value=\(value)"
        case .badText: "bad_text"
        case .badCount(let count, let limit): "bad_count count=\(count) limit=\(limit)"
        case .badOffsets(let index): "bad_offsets index=\(index)"
        case .overLimit(let name, let value, let limit):
            "over_limit name=\(name) value=\(value) limit=\(limit)"
        default: "\(self)"
        }
    }
}

struct GeneratedVectorsTests {
    static let types = Dictionary(uniqueKeysWithValues: Wire.messages.map { ($0.schemaName, $0) })

    private func type(_ vector: Vector) throws -> any WireMessage.Type {
        try #require(Self.types[vector.message], "no generated type is called \(vector.message)")
    }

    private static func recode(_ type: any WireMessage.Type, _ body: [UInt8]) throws(WireError) -> [UInt8] {
        var writer = FrameWriter(minimumCapacity: 64)
        try type.recode(body.span.bytes, into: &writer)
        return writer.withBytes { Array($0) }
    }

    @Test func everyMessageHasVectors() throws {
        let golden = Set(try VectorFile.read("golden.txt").map(\.message))
        let hostile = Set(try VectorFile.read("hostile.txt").map(\.message))
        #expect(golden == Set(Self.types.keys))
        #expect(hostile == Set(Self.types.keys))
    }

    @Test func goldenBodiesAreWrittenBackByteForByte() throws {
        let vectors = try VectorFile.read("golden.txt")
        #expect(vectors.count > 200)
        for vector in vectors {
            let recoded = try Self.recode(type(vector), vector.body)
            #expect(recoded == vector.canonical ?? vector.body, "\(vector.name)")
        }
    }

    @Test func goldenBodiesHoldTheStatedValues() throws {
        var compared = 0
        for vector in try VectorFile.read("golden.txt") {
            let leaves = Leaves(try type(vector).init(decoding: vector.body.span.bytes)).literals
            let names = Set(leaves.keys.map { $0.prefix { $0 != "." && $0 != "[" } })
            for (path, literal) in vector.values {
                let swiftPath = Leaves.swiftPath(path)
                // A columns' columns are no part of the fixed part; the bytes written back are their test.
                guard names.contains(swiftPath.prefix { $0 != "." && $0 != "[" }) else { continue }
                #expect(leaves[swiftPath] == literal, "\(vector.name): \(path)")
                compared += 1
            }
        }
        #expect(compared > 1_500)
    }

    @Test func hostileBodiesGiveTheirErrors() throws {
        let vectors = try VectorFile.read("hostile.txt")
        #expect(vectors.count > 1_000)
        for vector in vectors {
            do {
                _ = try Self.recode(type(vector), vector.body)
                Issue.record("\(vector.name) was taken")
            } catch let error as WireError {
                #expect(error.vectorText == vector.error, "\(vector.name)")
            }
        }
    }

    /// A cut anywhere is an error, or a shorter valid body: never a trap, and never read past its end.
    @Test func everyPrefixOfEveryBodyIsSafe() throws {
        for vector in try VectorFile.read("golden.txt") where vector.body.count < 1_500 {
            let type = try type(vector)
            for count in vector.body.indices {
                let prefix = Array(vector.body.prefix(count))
                guard let recoded = try? Self.recode(type, prefix) else { continue }
                #expect(try Self.recode(type, recoded) == recoded, "\(vector.name) cut to \(count)")
            }
        }
    }

    /// What decodes is canonical after one pass; what does not decode is an error.
    @Test func randomBytesNeverTrap() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let vectors = try VectorFile.read("golden.txt")
        var taken = 0
        for round in 0..<100_000 {
            let vector = vectors[Int(random.next() % UInt64(vectors.count))]
            let type = try type(vector)
            var body = round % 4 == 0 ? random.bytes(Int(random.next() % 80)) : vector.body
            for _ in 0..<(1 + random.next() % 3) where !body.isEmpty {
                let index = Int(random.next() % UInt64(body.count))
                switch random.next() % 4 {
                case 0: body[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: body[index] ^= 1 << UInt8(random.next() % 8)
                case 2: body.removeSubrange(index..<min(body.count, index + Int(random.next() % 4)))
                default: body.insert(contentsOf: random.bytes(Int(random.next() % 4)), at: index)
                }
            }
            guard let recoded = try? Self.recode(type, body) else { continue }
            taken += 1
            let again = try? Self.recode(type, recoded)
            #expect(again == recoded, "\(vector.name), round \(round), seed \(seed)")
        }
        #expect(taken > 1_000 && taken < 99_000, "\(taken) bodies were taken, seed \(seed)")
    }
}

struct GeneratedTypesTests {
    @Test func enumsKeepUnknownNumbers() {
        let unknown = Wire.Reason(rawValue: 200)
        #expect(unknown.name == nil && unknown.description == "Reason(200)")
        #expect(Wire.Reason.withdrawn.name == "withdrawn" && Wire.Reason(name: "withdrawn") == .withdrawn)
        #expect(Wire.Reason(name: "nonsense") == nil)
        for reason in Wire.Reason.known { #expect(reason.name.flatMap { Wire.Reason(name: $0) } == reason) }
        #expect(Wire.Reason.known.count == Set(Wire.Reason.known).count)
    }

    @Test func fixedBytesKeepTheirOrder() throws {
        let numbers = (1...32).map { UInt8($0) }
        let short = try #require(Wire.Bytes16(numbers.prefix(16)))
        #expect(short.bytes == Array(numbers.prefix(16)) && short.word0 == 0x0807_0605_0403_0201)
        #expect(short.description == "0102030405060708090a0b0c0d0e0f10")
        let long = try #require(Wire.Bytes32(numbers))
        #expect(long.bytes == numbers && long.word3 == 0x201F_1E1D_1C1B_1A19)
        #expect(Wire.Bytes16(numbers) == nil && Wire.Bytes32(numbers.dropLast()) == nil)
        #expect(Wire.Bytes16().isZero && !short.isZero)
        var writer = FrameWriter(minimumCapacity: 64)
        long.store(in: &writer, at: writer.appendZeros(32))
        let written = writer.withBytes { Array($0) }
        #expect(written == numbers && Wire.Bytes32(loading: written.span.bytes, at: 0) == long)
    }

    @Test func methodsAreWhatTheSchemaSays() {
        let check = Wire.Method.check.info
        #expect(check?.name == "Check" && check?.scope == .check && check?.isIdempotent == true)
        #expect(check?.isStreaming == false && check?.defaultDeadlineMicroseconds == 1_000_000)
        #expect(check?.bodyBytesMax == 1_024)
        #expect(Wire.Method.history.info?.isStreaming == true)
        #expect(Wire.Method(rawValue: 9_999).info == nil)
        #expect(Wire.Method(rawValue: 9_999).description == "Method(9999)")
        #expect(Wire.Method.known.allSatisfy { $0.info?.method == $0 })
    }

    /// Columns by hand, without the generator's vectors: keys are found where they were put.
    @Test func batchColumnsAreReadWhereTheyWereFilled() throws {
        let request = Wire.CheckBatchRequest(
            minSequence: 7, controller: 3, channel: .email, purpose: 2, keyMode: .key, want: 1, count: 3)
        var writer = FrameWriter(minimumCapacity: 64)
        let before = writer.appendZeros(5)
        let columns = request.beginEncoding(into: &writer)
        #expect(before == 0 && columns.start == 5 && columns.keys == 37..<85 && columns.end == 85)
        #expect(columns.offsets.isEmpty && columns.addresses.isEmpty)
        writer.withMutableBytes(at: columns.keys.lowerBound + 16, count: 16) { $0.copyBytes(from: 1...16) }
        let body = writer.withBytes { Array($0.dropFirst(5)) }
        let view = try Wire.CheckBatchRequestView(body.span.bytes)
        #expect(view.fixedPart == request && view.keys.byteCount == 48)
        #expect(Wire.Bytes16(loading: view.keys, at: 16).bytes == Array(1...16))
        #expect(Wire.Bytes16(loading: view.keys, at: 32).isZero)
    }

    @Test func batchOverItsLimitIsRefused() {
        let request = Wire.CheckBatchRequest(keyMode: .raw, count: UInt32(Wire.Limits.batchItemsMax) + 1)
        var writer = FrameWriter()
        request.encode(into: &writer)
        let body = writer.withBytes { Array($0) }
        #expect(throws: WireError.overLimit(name: "count", value: 65_537, limit: 65_536)) {
            _ = try Wire.CheckBatchRequestView(body.span.bytes).count
        }
    }
}
