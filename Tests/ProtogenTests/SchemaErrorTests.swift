// Goal: every fault of a schema is found, where it is, with words that say what to do.
// Method: a table of faulty schemas; `^^` before a word marks where the error must point to.

import ProtogenCore
import Testing

/// A schema with one fault.
struct FaultySchema: CustomTestStringConvertible, Sendable {
    var text: String
    var message: String

    init(_ text: String, _ message: String) {
        self.text = text
        self.message = message
    }

    var testDescription: String { message }
}

struct SchemaErrorTests {
    static let opening = "protocol small version 1\n"

    /// Takes the mark out of a text; returns where it was.
    private static func unmark(_ marked: String) throws -> (text: String, position: Position) {
        let text = opening + marked
        var line = 1
        var column = 1
        var characters = Array(text)
        for index in characters.indices.dropLast() {
            if characters[index] == "^", characters[index + 1] == "^" {
                characters.removeSubrange(index...(index + 1))
                return (String(characters), Position(line: line, column: column))
            }
            column += 1
            if characters[index] == "\n" {
                line += 1
                column = 1
            }
        }
        throw MarkMissing()
    }

    private struct MarkMissing: Error {}

    private static func diagnostics(_ text: String) -> [Diagnostic] {
        do {
            _ = try Schema(SourceFile(path: "faulty.schema", text: text))
            return []
        } catch {
            return error.diagnostics
        }
    }

    static let grammar: [FaultySchema] = [
        FaultySchema("^^message A {}", "`message` begins no declaration"),
        FaultySchema("^^= 1", "expected a declaration"),
        FaultySchema("/// Doc.\nlimit a ^^1", "expected `=`, found `1`"),
        FaultySchema("/// Doc.\nlimit a = ^^b", "expected the limit's value, found `b`"),
        FaultySchema("/// Doc.\nlimit a = ^^99_999_999_999_999_999_999", "the number is too large"),
        FaultySchema("/// Doc.\nlimit a = 1 ^^; more", "unexpected character `;`"),
        FaultySchema("/// Doc.\nlimit a = 1 ^^/ more", "unexpected character `/`"),
        FaultySchema("^^/// Documents nothing.\nreserved method 1", "the doc comment documents nothing"),
        FaultySchema(
            "/// Doc.\ntable A {\n  ^^/// Documents nothing.\n}", "the doc comment documents nothing"),
        FaultySchema("/// Doc.\ntable A {\n  /// F.\n  f: u8 ^^@0\n}", "expected `=`, found `@`"),
        FaultySchema("/// Doc.\nstruct A size 1 {\n  /// F.\n  f: u8 ^^= 1\n}", "expected `@`, found `=`"),
        FaultySchema("/// Doc.\nstruct A ^^{}", "expected `size`"),
        FaultySchema(
            "/// Doc.\nstruct A size 1 {\n  /// F.\n  f: ^^optional u8 @0\n}", "only a table's fields may be"),
        FaultySchema("/// Doc.\ntable A {\n  reserved ^^x\n}", "expected a number or a name in quotes"),
        FaultySchema("/// Doc.\ntable A {\n  reserved ^^\"x\n}", "no closing quote"),
        FaultySchema("/// Doc.\ntable A {\n  /// F.\n  f: list<u8 ^^= 1\n}", "expected `>`, found `=`"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// C.\nc: u8 @0\n/// D.\ncolumn d: u8[c]\n/// E.\n^^e: u8 @1\n}",
            "the fixed part comes before all columns"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// C.\nc: u8 @0\n/// D.\ncolumn d: u8[c] when c ^^is 1\n}",
            "or `has`"),
        FaultySchema(
            "/// D.\ntable A {}\n/// M.\nmethod M = 1 (A) returns (A) { ^^quick }", "attributes are"),
        FaultySchema(
            "/// D.\ntable A {}\n/// M.\nmethod M = 1 (A) returns (A) { deadline 1^^h }", "units are s, ms"),
        FaultySchema(
            "/// D.\ntable A {}\n/// M.\nmethod M = 1 (A) returns (A) { idempotent ^^scope }", "`,` or `}`"),
        FaultySchema("reserved ^^field 1", "what is reserved here is"),
    ]

    static let names: [FaultySchema] = [
        FaultySchema("limit ^^a = 1", "limit `a` needs a doc comment"),
        FaultySchema("enum ^^A: u8 {\n/// Zero.\nzero = 0\n}", "enum `A` needs a doc comment"),
        FaultySchema("/// D.\nenum A: u8 {\n^^zero = 0\n}", "case `zero` needs a doc comment"),
        FaultySchema("table ^^A {}", "table `A` needs a doc comment"),
        FaultySchema("/// D.\ntable A {\n^^f: u8 = 1\n}", "field `f` needs a doc comment"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// C.\nc: u8 @0\ncolumn ^^d: u8[c]\n}", "column `d` needs a doc"),
        FaultySchema(
            "/// D.\nlimit a = 1\n/// D.\nlimit ^^a = 1", "limit `a` is declared twice, first on line 3"),
        FaultySchema("/// D.\nlimit ^^bigOne = 1", "must be written in lower case with underscores"),
        FaultySchema("/// D.\nlimit a = ^^3_000_000_000", "a limit is at most"),
        FaultySchema("/// D.\ntable ^^small_one {}", "must be written in camel case"),
        FaultySchema("/// D.\ntable ^^Limits {}", "generated code uses for itself"),
        FaultySchema(
            "/// D.\ntable A {}\n/// D.\ntable ^^A {}", "type `A` is declared twice, first on line 3"),
        FaultySchema("/// D.\ntable ^^A {}\nreserved message \"A\"", "`A` is reserved"),
        FaultySchema("reserved message ^^7", "messages have no numbers"),
        FaultySchema(
            "/// D.\nenum A: u8 {\n/// Z.\nzero = 0 since ^^2\n}", "version 2 is later than the schema's, 1"),
        FaultySchema("/// D.\nenum A: ^^u64 {\n/// Z.\nzero = 0\n}", "an enum is u8, u16 or u32 wide"),
        FaultySchema(
            "/// D.\nenum A: u8 {\n/// Z.\nzero = 0\n/// B.\nb = ^^256\n}", "256 does not fit in u8"),
        FaultySchema("/// D.\nenum ^^A: u8 {\n/// B.\nb = 1\n}", "needs a case 0"),
        FaultySchema("/// D.\nenum A: u8 {\n/// Z.\nz = 0\n/// B.\nb = ^^0\n}", "number 0 is used twice"),
        FaultySchema("/// D.\nenum A: u8 {\n/// Z.\nz = 0\n/// B.\n^^z = 1\n}", "case `z` is declared twice"),
        FaultySchema(
            "/// D.\nenum A: u8 {\n/// Z.\nz = 0\n/// B.\n^^known = 1\n}", "generated code uses for itself"),
        FaultySchema("/// D.\nenum A: u8 {\n/// Z.\nz = 0\n/// B.\nb = ^^1\nreserved 1\n}", "1 is reserved"),
        FaultySchema(
            "/// D.\nenum A: u8 {\n/// Z.\nz = 0\n/// B.\n^^b = 1\nreserved \"b\"\n}", "`b` is reserved"),
        FaultySchema("/// D.\nenum A: u8 {\n/// Z.\nz = 0\nreserved 1, ^^1\n}", "1 is reserved twice"),
        FaultySchema(
            "/// D.\nenum A: u8 {\n/// Z.\nz = 0\nreserved \"b\", ^^\"b\"\n}", "\"b\" is reserved twice"),
    ]

    static let tables: [FaultySchema] = [
        FaultySchema("/// D.\ntable A {\n/// F.\nf: ^^u7 = 1\n}", "there is no type `u7`"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: u8 = ^^0\n}", "an id is 1…8191"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: u8 = ^^8192\n}", "an id is 1…8191"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: u8 = 2\n/// G.\ng: u8 = ^^2\n}", "id 2 is used twice"),
        FaultySchema(
            "/// D.\ntable A {\n/// F.\nf: u8 = 2\n/// G.\ng: u8 = ^^1\n}", "ids ascend: 1 comes after 2"),
        FaultySchema(
            "/// D.\ntable A {\n/// F.\nf: u8 = 1\n/// G.\n^^f: u8 = 2\n}", "field `f` is declared twice"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: u8 = ^^4\nreserved 4\n}", "4 is reserved"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: bytes[^^0] = 1\n}", "the number of bytes is 1…65535"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: pad[^^4] = 1\n}", "a table has no pads"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: optional ^^list<u8> = 1\n}", "a list is never optional"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: ^^list<list<u8>> = 1\n}", "a list's elements are"),
        FaultySchema("/// D.\ntable A {\n/// F.\nf: u8 = 1 max ^^x\n}\n", "there is no limit `x`"),
        FaultySchema(
            "/// D.\nlimit x = 1\n/// D.\ntable A {\n/// F.\nf: u8 = 1 max ^^x\n}\n", "have a `max`"),
        FaultySchema("/// D.\ntable A {\n/// F.\n^^f: A = 1\n}", "makes its table hold itself"),
        FaultySchema(
            "/// D.\ntable A {\n/// F.\nf: B = 1\n}\n/// D.\ntable B {\n/// F.\n^^g: list<A> = 1\n}",
            "field `g` makes its table hold itself"),
        FaultySchema(
            "/// D.\nstruct S size 1 {\n/// F.\nf: u8 @0\n}\n/// D.\ntable A {\n/// F.\nf: ^^S = 1\n}",
            "a table holds tables"),
        FaultySchema(
            "/// D.\ncolumns S size 1 {\n/// F.\nf: u8 @0\n}\n/// D.\ntable A {\n/// F.\nf: ^^S = 1\n}",
            "it is a whole body and cannot be a field"),
    ]

    static let layouts: [FaultySchema] = [
        FaultySchema(
            "/// D.\nstruct A size 4 {\n/// F.\nf: u32 @0\n/// G.\ng: u32 @^^0\n}",
            "overlaps the field before"),
        FaultySchema(
            "/// D.\nstruct A size 12 {\n/// F.\nf: u32 @0\n/// G.\ng: u32 @^^8\n}",
            "leaves a gap (write a pad)"),
        FaultySchema(
            "/// D.\nstruct A size 5 {\n/// F.\nf: u8 @0\n/// G.\ng: u32 @^^1\n}", "not aligned to 4 bytes"),
        FaultySchema(
            "/// D.\nstruct A size ^^8 {\n/// F.\nf: u32 @0\n}", "the size is 8, but the fields end at 4"),
        FaultySchema("/// D.\nstruct A size ^^0 {\n}", "a fixed part has 1…65535 bytes"),
        FaultySchema("/// D.\nstruct A size 1 {\n/// F.\nf: ^^bool @0\n}", "a fixed layout has no bool"),
        FaultySchema(
            "/// D.\nstruct A size 8 {\n/// F.\nf: bytes[^^8] @0\n}", "a fixed layout holds numbers"),
        FaultySchema("/// D.\nstruct A size 8 {\n/// F.\nf: ^^string @0\n}", "a fixed layout holds numbers"),
        FaultySchema(
            "/// D.\ncolumns A size 8 {\n/// F.\nf: u64 @0\n/// C.\ncolumn c: u8[^^f]\n}",
            "is no u8, u16 or u32"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn c: u8[^^g]\n}",
            "is no u8, u16 or u32"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn c: ^^string[f]\n}", "a column holds"
        ),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn c: u8[f + ^^1]\n}",
            "only `u32[… + 1]`"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn c: u32[f + ^^2]\n}",
            "only `u32[… + 1]`"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn ^^c: u32[f + 1]\n}",
            "offsets need a column"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn c: u8[f] when ^^g == 1\n}",
            "no whole number or enum"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn c: u8[f] when f has ^^8\n}",
            "has only 8 bits"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn c: u8[f] when f == ^^256\n}",
            "256 does not fit"),
        FaultySchema(
            "/// D.\ncolumns A size 1 {\n/// F.\nf: u8 @0\n/// C.\ncolumn ^^f: u8[f]\n}",
            "field `f` is declared twice"),
    ]

    static let methods: [FaultySchema] = [
        method("^^M = 1 (A) returns (A) { deadline 1s, body 1 }", "needs a `scope`"),
        method("^^M = 1 (A) returns (A) { scope read, body 1 }", "needs a `deadline`"),
        method("^^M = 1 (A) returns (A) { scope read, deadline 1s }", "needs a `body`"),
        method("M = 1 (A) returns (A) { scope ^^write, deadline 1s, body 1 }", "there is no scope `write`"),
        method("M = 1 (A) returns (A) { scope read, deadline ^^5000s, body 1 }", "a deadline is at most"),
        method("M = ^^0 (A) returns (A) { scope read, deadline 1s, body 1 }", "a method's number is 1…65535"),
        method(
            "M = ^^65536 (A) returns (A) { scope read, deadline 1s, body 1 }", "a method's number is 1…65535"),
        method("M = 1 (^^B) returns (A) { scope read, deadline 1s, body 1 }", "there is no message `B`"),
        method(
            "M = 1 (A) returns (stream ^^B) { scope read, deadline 1s, body 1 }", "there is no message `B`"),
        method(
            "^^m = 1 (A) returns (A) { scope read, deadline 1s, body 1 }", "must be written in camel case"),
        method(
            "M = ^^3 (A) returns (A) { scope read, deadline 1s, body 1 }\nreserved method 3", "3 is reserved"),
        method(
            "^^M = 1 (A) returns (A) { scope read, deadline 1s, body 1 }\nreserved method \"M\"",
            "`M` is reserved"),
        method(
            "M = 1 (A) returns (A) { scope read, deadline 1s, body ^^9 }\n/// D.\nlimit body_bytes_max = 8",
            "larger than the limit body_bytes_max, 8"),
        method(
            "M = 1 (A) returns (A) { scope read, deadline 1s, body 1 }\n/// N.\n"
                + "method N = ^^1 (A) returns (A) { scope read, deadline 1s, body 1 }",
            "method number 1 is used twice"),
        FaultySchema(
            "/// D.\ntable A {}\nmethod ^^M = 1 (A) returns (A) { scope read, deadline 1s, body 1 }",
            "method `M` needs a doc comment"),
    ]

    private static func method(_ text: String, _ message: String) -> FaultySchema {
        FaultySchema("/// D.\ntable A {}\n/// M.\nmethod " + text, message)
    }

    @Test(arguments: grammar + names + tables + layouts + methods)
    func faultIsFoundWhereItIs(_ fault: FaultySchema) throws {
        let (text, position) = try Self.unmark(fault.text)
        let found = Self.diagnostics(text)
        let match = found.contains { $0.message.contains(fault.message) && $0.position == position }
        #expect(match, "wanted \(position) \(fault.message), found \(found)")
        #expect(found.count == 1, "one fault, one error: \(found)")
    }

    @Test func protocolLineComesFirst() {
        let found = Self.diagnostics("/// D.\ntable A {}")
        #expect(found.map(\.position) == [Position(line: 1, column: 1)])
        #expect(found.first?.message == "expected `protocol`, found a doc comment")
    }

    @Test func messageShowsLineAndCaret() throws {
        let found = Self.diagnostics(Self.opening + "/// D.\ntable A {\n\t/// F.\n\tf: u7 = 1\n}")
        let wanted = "faulty.schema:5:5: error: there is no type `u7`\n\tf: u7 = 1\n\t   ^"
        #expect(found.map(\.description) == [wanted])
    }

    @Test func allFaultsAreNamedInOrderOfLines() {
        let found = Self.diagnostics(
            Self.opening + "table b {}\nlimit C = 1\n/// E.\nenum D: u9 {\n/// Z.\nz = 0\n}")
        #expect(found.count == 5)
        #expect(found.map(\.position.line) == [2, 2, 3, 3, 5])
    }
}
