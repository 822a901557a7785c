// Goal: files and words that people write are read exactly or refused with their place. Method: tables of
// good and bad inputs; a naive writer as oracle for the CSV reader, in random cuts; seeded random bytes that
// must not trap.

import ConsentClient
import TestRandomness
import Testing

@Suite struct CSVTests {
    static func read(_ bytes: [UInt8], cut: Int = .max) -> [Result<CSVRecord, CSVError>] {
        var position = 0
        var reader = CSVReader {
            let end = min(bytes.count, position + min(cut, bytes.count - position))
            defer { position = end }
            return Array(bytes[position..<end])
        }
        var results: [Result<CSVRecord, CSVError>] = []
        while let result = reader.next() { results.append(result) }
        return results
    }

    static func texts(_ results: [Result<CSVRecord, CSVError>]) -> [[String]] {
        results.compactMap { try? $0.get() }.map { record in record.fields.indices.map(record.text) }
    }

    @Test func goodFiles() {
        let table: [(String, [[String]])] = [
            ("", []), ("\n\r\n\n", []), ("a", [["a"]]), ("a\n", [["a"]]),
            ("a,b\r\nc,d", [["a", "b"], ["c", "d"]]),
            ("\u{FEFF}a,b\n", [["a", "b"]]), (",\n", [["", ""]]), ("\"\"\n", [[""]]),
            ("\"a,b\",\"c\"\"d\"\n", [["a,b", "c\"d"]]),
            ("\"two\nlines\",x\n\n y ,z\n", [["two\nlines", "x"], [" y ", "z"]]),
            ("é,😀\n", [["é", "😀"]]), ("a\rb,c\n", [["a\rb", "c"]]), ("\"a\"\r\n", [["a"]]),
        ]
        for (text, records) in table {
            for cut in [1, 2, 3, 7, Int.max] {
                #expect(
                    Self.texts(Self.read(Array(text.utf8), cut: cut)) == records,
                    "\(text.debugDescription), cut \(cut)")
            }
        }
    }

    @Test func linesOfRecords() throws {
        let results = Self.read(Array("a,b\n\"x\ny\",z\n\nlast,\"1\"\n".utf8))
        let records = try results.map { try $0.get() }
        #expect(records.map(\.line) == [1, 2, 5])
        #expect(records[1].fields.map(\.line) == [2, 3])
    }

    @Test func badFiles() {
        struct Case {
            var bytes: [UInt8]
            var error: CSVError
            var others: [[String]]
        }
        let long = "x,\"" + String(repeating: "a", count: CSVReader.fieldBytesMax + 1)
        let table = [
            Case(
                bytes: Array("a,b\nc,d\"e\nf,g\n".utf8),
                error: CSVError(line: 2, column: 2, kind: .strayQuote),
                others: [["a", "b"], ["f", "g"]]),
            Case(
                bytes: Array("\"a\"b,c\nd,e".utf8),
                error: CSVError(line: 1, column: 1, kind: .textAfterQuote),
                others: [["d", "e"]]),
            Case(
                bytes: Array("a\nb,\"c\nd\n".utf8), error: CSVError(line: 2, column: 2, kind: .unclosedQuote),
                others: [["a"]]),
            Case(
                bytes: Array("a,b\n1,".utf8) + [0x63, 0xFF, 0x64] + Array(",3\nx,y\n".utf8),
                error: CSVError(line: 2, column: 2, kind: .notUTF8(byte: 2)),
                others: [["a", "b"], ["x", "y"]]),
            Case(
                bytes: [0x61, 0xC3] + Array("\nx\n".utf8),
                error: CSVError(line: 1, column: 1, kind: .notUTF8(byte: 2)), others: [["x"]]),
            Case(
                bytes: [0xED, 0xA0, 0x80], error: CSVError(line: 1, column: 1, kind: .notUTF8(byte: 1)),
                others: []),
            Case(
                bytes: Array((long + "\nnext\n").utf8),
                error: CSVError(line: 1, column: 2, kind: .fieldTooLong(limit: CSVReader.fieldBytesMax)),
                others: [["next"]]),
        ]
        for item in table {
            for cut in [1, 5, Int.max] {
                let results = Self.read(item.bytes, cut: cut)
                let errors = results.compactMap { if case .failure(let error) = $0 { error } else { nil } }
                #expect(errors == [item.error], "cut \(cut)")
                #expect(Self.texts(results) == item.others, "\(item.error), cut \(cut)")
            }
        }
    }

    /// What a naive writer wrote comes back, whatever the cuts.
    @Test(arguments: 0..<60) func writtenAndRead(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        let alphabet = ["a", "é", "\"", ",", "\n", "\r\n", " ", "😀", "0", "|"]
        let records = (0..<Int.random(in: 1...30, using: &generator)).map { _ in
            (0..<Int.random(in: 1...6, using: &generator)).map { _ in
                (0..<Int.random(in: 0...8, using: &generator))
                    .map { _ in alphabet.randomElement(using: &generator) ?? "" }.joined()
            }
        }
        var text = ""
        for record in records {
            let fields = record.map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }
            text += fields.joined(separator: ",") + (Bool.random(using: &generator) ? "\n" : "\r\n")
        }
        let cut = Int.random(in: 1...64, using: &generator)
        #expect(Self.texts(Self.read(Array(text.utf8), cut: cut)) == records, "seed \(seed)")
    }

    /// Lines without quotes are cut where they lie; a cut file goes byte by byte: both say the same.
    @Test(arguments: 0..<60) func plainLinesAreReadAsByteByByte(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        let alphabet: [UInt8] = [0x61, 0x2C, 0x0A, 0x0D, 0x0A, 0x20, 0x7C, 0x2C, 0x39, 0xC3, 0x22]
        let letters = seed % 3 == 0 ? alphabet[...] : alphabet.dropLast(2)
        let bytes = (0..<Int.random(in: 0...400, using: &generator)).map { _ in
            letters.randomElement(using: &generator) ?? 0
        }
        let whole = Self.read(bytes)
        #expect(whole == Self.read(bytes, cut: 1), "seed \(seed)")
        #expect(whole == Self.read(bytes, cut: Int.random(in: 2...50, using: &generator)), "seed \(seed)")
    }

    @Test func randomBytesEndAndNeverTrap() {
        var generator = SeededGenerator(seed: 99)
        let alphabet: [UInt8] = [0x22, 0x2C, 0x0A, 0x0D, 0x61, 0xC3, 0xA9, 0xFF, 0xEF, 0xBB, 0xBF, 0x20]
        for round in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            let whole = Self.read(bytes)
            #expect(whole == Self.read(bytes, cut: 1), "round \(round): \(bytes)")
            #expect(whole.count <= bytes.count + 1)
        }
    }
}

@Suite struct ImportSheetTests {
    static let header =
        "event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice"
    static let codes = CatalogueCodes(
        controllers: [Controller(id: ControllerID(rawValue: 7), code: "salon-lyon", name: "Salon")],
        purposes: PurposeSet(rawValue: 8).named.map {
            Purpose(id: $0, code: "promotions", title: "Promotions", purposeClass: .marketing)
        })
    static let notice = String(repeating: "ab", count: 32)

    static func record(_ line: String) throws -> CSVRecord { try CSVTests.read(Array(line.utf8))[0].get() }

    static func row(_ line: String, header: String = header) throws -> Result<ImportRow, SheetIssues> {
        let records = CSVTests.read(Array((header + "\n" + line + "\n").utf8))
        var reader = ImportRowReader(try ImportSheet(header: records[0].get()), codes)
        return reader.row(try records[1].get())
    }

    @Test func headers() throws {
        _ = try ImportSheet(header: Self.record(Self.header))
        _ = try ImportSheet(
            header: Self.record("notice," + Self.header.replacing(",notice", with: "") + ",event_id,opaque"))
        let table: [(String, column: Int, part: String)] = [
            ("grant,salon-lyon,email", 1, "no header"),
            (Self.header + ",colour", 12, "no column is called \"colour\""),
            (Self.header + ",anna@example.fr", 12, "no column is called (not shown"),
            (Self.header + ",email", 12, "is there twice"),
            (Self.header.replacing(",phone", with: ""), 11, "phone is missing"),
        ]
        for (text, column, part) in table {
            do {
                _ = try ImportSheet(header: Self.record(text))
                Issue.record("accepted: \(text)")
            } catch let issue as SheetIssue {
                #expect(issue.line == 1)
                #expect(issue.field.column == column)
                #expect(issue.field.reason.contains(part), "\(issue)")
            }
        }
    }

    /// Columns in the wrong order put addresses where names are.
    @Test func noErrorShowsAnAddress() throws {
        let address = "anna@example.fr"
        for column in 0..<11 {
            var fields = ["grant", "salon-lyon", "email", "promotions", "b@example.org"]
            fields += ["", "", "2026-03-29T10:15:30+02:00", "widget", "ticked-box", Self.notice]
            for wrong in [address, "+33 6 12 34 56 78", "0612345678"] {
                fields[column] = wrong
                guard case .failure(let issues) = try Self.row(fields.joined(separator: ",")) else {
                    continue
                }
                #expect(!issues.issues.contains { "\($0)".contains(wrong) }, "\(issues)")
            }
        }
    }

    @Test func aGoodRow() throws {
        let line =
            "grant,salon-lyon,email|sms,promotions,a@example.org|b@example.org,+33612345678,c-1,"
            + "2026-03-29T10:15:30+02:00,widget,ticked-box,\(Self.notice)"
        let row = try Self.row(line).get()
        #expect(row.kind == .grant)
        #expect(row.controller.rawValue == 7)
        #expect(row.channels == ChannelSet([.email, .sms]))
        #expect(row.purposes.rawValue == 8)
        #expect(
            row.contacts == [
                WriteContact("a@example.org", kind: .email), WriteContact("b@example.org", kind: .email),
                WriteContact("+33612345678", kind: .phone),
            ])
        #expect(row.reference == "c-1")
        #expect(row.occurredAt == Timestamp(rfc3339: "2026-03-29T08:15:30Z"))
        #expect(row.source == .widget)
        #expect(row.act == .tickedBox)
        #expect(row.notice?.bytes.hexadecimal == Self.notice)
        let all = try Self.row("withdraw,7,all,,a@example.org,,,,,,").get()
        #expect(all.channels.isEmpty && all.purposes.isEmpty)
    }

    /// Each mistake is named with its column, and all of a row are.
    @Test func badRows() throws {
        let good = [
            "grant", "salon-lyon", "email", "promotions", "a@b.fr", "", "", "", "widget", "button",
            Self.notice,
        ]
        let table: [(Int, String, [Int])] = [
            (0, "consent", [1]), (0, "", [1]), (0, "erase", [1]), (1, "salon-paris", [2]), (1, "", [2]),
            (2, "fax", [3]),
            (2, "", [3]), (2, "all", [3]), (2, "email|fax|telex", [3, 3]), (3, "promotion", [4]),
            (3, "", [4]),
            (4, "", [5]), (4, String(repeating: "a", count: 321), [5]), (4, "a|b|c|d|e|f|g|h|i", [5]),
            (7, "29/03/2026", [8]), (7, "2026-03-29T10:15:30", [8]), (8, "shop", [9]), (9, "wink", [10]),
            (10, "abc", [11]), (10, Self.notice + "00", [11]),
        ]
        for (column, value, columns) in table {
            var fields = good
            fields[column] = value
            guard case .failure(let issues) = try Self.row(fields.joined(separator: ",")) else {
                Issue.record("accepted: \(value) in column \(column + 1)")
                continue
            }
            #expect(issues.issues.map(\.field.column) == columns, "\(value) in column \(column + 1)")
            #expect(issues.issues.allSatisfy { $0.line == 2 })
        }
        guard case .failure(let several) = try Self.row("x,y,z,w,,,,v,u,t,s") else {
            Issue.record("accepted")
            return
        }
        #expect(several.issues.map(\.field.column) == [1, 2, 3, 4, 8, 9, 10, 11, 5])
        guard case .failure(let short) = try Self.row("grant,salon-lyon") else {
            Issue.record("accepted")
            return
        }
        #expect(short.issues[0].description == "line 2, column 3: 2 fields where the header has 11")
    }

    /// What was learned from earlier rows changes nothing: one reader for all rows says what a new one for
    /// each row says, mistakes included.
    @Test(arguments: 0..<20) func wordsAreRememberedWithoutEffect(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let header = Self.header + ",attestations,memo"
        let words: [[String]] = [
            ["grant", "refuse", "withdraw", "contact-seen", "contact_seen", "grand", " grant "],
            ["salon-lyon", "7", " 7", "salon-paris", ""],
            ["email", "sms", "email|sms", "all", "", "fax", "email|fax"],
            ["promotions", "3", "all", "", "promotion"] + (1...20).map(String.init),
            ["a@example.org", "a@example.org|b@example.org", ""], ["+33612345678", ""], ["c-1", ""],
            ["2026-03-29T10:15:30+02:00", "yesterday", ""], ["widget", "salon", "shop", ""],
            ["ticked-box", "button", "wink", ""], [Self.notice, Self.notice.uppercased(), "abc", ""],
            ["all", "free|specific", "free|kind", ""], [Self.notice, "00", ""],
        ]
        let lines = (0..<300).map { _ in
            words.map { $0.randomElement(using: &generator) ?? "" }.joined(separator: ",")
        }
        let records = CSVTests.read(Array((header + "\n" + lines.joined(separator: "\n")).utf8))
        let sheet = try ImportSheet(header: records[0].get())
        var reader = ImportRowReader(sheet, Self.codes)
        var goodCount = 0
        for (line, record) in zip(lines, records.dropFirst()) {
            var fresh = ImportRowReader(sheet, Self.codes)
            let row = reader.row(try record.get())
            #expect(row == fresh.row(try record.get()), "seed \(seed): \(line)")
            if case .success = row { goodCount += 1 }
        }
        #expect(goodCount > 0)
    }
}

@Suite struct TextTests {
    @Test func durations() {
        let good: [(String, Duration)] = [
            ("30d", .seconds(2_592_000)), ("7h", .seconds(25_200)), ("500ms", .milliseconds(500)),
            ("10s", .seconds(10)),
            ("1h30m", .seconds(5_400)), ("20us", .microseconds(20)), ("0s", .zero),
        ]
        for (text, duration) in good { #expect(Duration(text: text) == duration, "\(text)") }
        for text in [
            "", "10", "s", "-1s", "1.5s", "1 s", "10x", "9223372036854775807d", "99999999999999999999s",
            "1s2",
        ] {
            #expect(Duration(text: text) == nil, "\(text)")
        }
    }

    @Test func pointsInTheRegister() {
        #expect(PointInRegister("@12") == .sequence(12))
        #expect(PointInRegister("1970-01-01T00:00:01Z") == .time(Timestamp(microseconds: 1_000_000)))
        for text in ["@", "@-1", "12", "yesterday", "1970-01-01"] {
            #expect(PointInRegister(text) == nil, "\(text)")
        }
    }

    @Test func hexadecimal() {
        #expect([0x00, 0x9F, 0xFF].hexadecimal == "009fff")
        #expect([UInt8](hexadecimal: "009fFF") == [0x00, 0x9F, 0xFF])
        for text in ["0", "0g", "é0", " 00"] { #expect([UInt8](hexadecimal: text) == nil, "\(text)") }
    }
}

@Suite struct JSONTests {
    static func random(_ depth: Int, _ generator: inout SeededGenerator) -> JSON {
        switch Int.random(in: 0...(depth > 3 ? 5 : 7), using: &generator) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &generator))
        case 2: return .integer(Int64.random(in: .min ... .max, using: &generator))
        case 3: return .unsigned(UInt64.random(in: UInt64(Int64.max) + 1 ... .max, using: &generator))
        case 4: return .double(Double.random(in: -1...1, using: &generator))
        case 5:
            let scalars: [Unicode.Scalar] = ["a", "\"", "\\", "\n", "\u{0}", "é", "😀", "\u{2028}", "/"]
            return .string(
                String(
                    String.UnicodeScalarView(
                        (0..<Int.random(in: 0...9, using: &generator)).compactMap { _ in
                            scalars.randomElement(using: &generator)
                        })))
        case 6:
            return .array(
                (0..<Int.random(in: 0...4, using: &generator)).map { _ in random(depth + 1, &generator) })
        default:
            return .object(
                (0..<Int.random(in: 0...4, using: &generator)).map {
                    JSON.Member(key: "k\($0)\"", value: random(depth + 1, &generator))
                })
        }
    }

    @Test(arguments: 0..<200) func writtenAndRead(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let value = Self.random(0, &generator)
        #expect(try JSON(parsing: Array(value.line.utf8)) == value, "seed \(seed): \(value.line)")
        #expect(try JSON(parsing: Array(value.pretty.utf8)) == value, "seed \(seed)")
        #expect(!value.line.contains("\n"))
    }

    @Test func badDocuments() {
        let deep = String(repeating: "[", count: 100_000)
        for text in [
            "", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "\"", "\"\\x\"", "\"\\ud800\"", "tru", "1 2",
            "{a:1}", "\"\u{1}\"",
            deep, "--1",
        ] {
            #expect(throws: JSONError.self, "\(text.prefix(20))") { try JSON(parsing: Array(text.utf8)) }
        }
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xFF, 0x22]) }
    }
}
