// Goal: each rule of evolution is broken by the change that it forbids, and by nothing that is allowed.
// Method: a released schema, one replacement of text a case, and the rules that must be named, with place and
// remedy.

import ProtogenCore
import Testing

/// One change of the released schema.
struct SchemaChange: CustomTestStringConvertible, Sendable {
    var old: String
    var new: String
    var rules: [Breakage.Rule]

    init(_ old: String, _ new: String, _ rules: Breakage.Rule...) {
        self.old = old
        self.new = new
        self.rules = rules
    }

    var testDescription: String {
        let names = rules.map(\.rawValue).joined(separator: ", ")
        let (before, after) = (old.split(separator: "\n").first, new.split(separator: "\n").first)
        return "\(names): \(before ?? "") → \(after ?? "")"
    }
}

struct EvolutionTests {
    static let releasedText = """
        protocol small version 1

        /// Rows at most.
        limit rows_max = 100
        /// Bytes at most.
        limit bytes_max = 50

        /// A colour.
        enum Colour: u8 {
          /// None.
          none = 0
          /// Red.
          red = 1
          reserved 2, "green"
        }

        /// A spare one.
        enum Spare: u8 {
          /// None.
          none = 0
        }

        /// A point.
        struct Point size 8 {
          /// Right.
          x: u32 @0
          /// Down.
          y: u16 @4
          /// Zero.
          pad: pad[2] @6
        }

        /// Points.
        columns Points size 8 {
          /// How many.
          count: u32 @0
          /// Which.
          mode: u8 @4
          /// Zero.
          pad: pad[3] @5
          /// Points.
          column points: Point[count]
          /// Flags.
          column flags: bits[count] when mode == 1
        }

        /// A person.
        table Person {
          /// Name.
          name: string = 1
          /// Age.
          age: u8 = 2
          /// Nick.
          nick: optional string = 3
          /// Pets.
          pets: list<string> = 5 max rows_max
          reserved 4, "shoe"
        }

        /// Nothing.
        table Nothing {
        }

        reserved method 7, "Sing"
        reserved message "Animal"

        /// Draws.
        method Draw = 1 (Points) returns (Person) { idempotent, scope read, deadline 1s, body 1_000 }
        /// Follows.
        method Follow = 2 (Nothing) returns (stream Person) { scope read, deadline 1s, body 1_000 }

        """

    static func schema(_ text: String, path: String) throws -> Schema {
        try Schema(SourceFile(path: path, text: text))
    }

    static func breakages(_ old: String, _ new: String) throws -> [Breakage] {
        let parts = releasedText.split(separator: old, omittingEmptySubsequences: false)
        #expect(parts.count == 2, "`\(old)` stands \(parts.count - 1) times in the released schema")
        let changed = parts.joined(separator: new)
        return Evolution.breakages(
            from: try schema(releasedText, path: "v1.schema"), to: try schema(changed, path: "now.schema"))
    }

    static let broken: [SchemaChange] = [
        SchemaChange("rows_max = 100", "rows_max = 99", .limitLowered),
        SchemaChange("/// Bytes at most.\nlimit bytes_max = 50\n", "", .limitRemoved),
        SchemaChange("body 1_000 }\n/// Follows.", "body 999 }\n/// Follows.", .limitLowered),
        SchemaChange("  name: string = 1", "  name: string = 1 max bytes_max", .limitLowered),
        SchemaChange("max rows_max", "max bytes_max", .limitLowered),
        SchemaChange("enum Colour: u8", "enum Colour: u16", .enumWidthChanged),
        SchemaChange("  /// Red.\n  red = 1\n", "", .caseRemoved),
        SchemaChange("  red = 1", "  red = 3", .caseRemoved),
        SchemaChange("  red = 1", "  crimson = 1", .numberReused),
        SchemaChange(
            "  reserved 2, \"green\"", "  /// G.\n  grass = 2", .reservationDropped, .reservationDropped,
            .reservedUsed),
        SchemaChange("  reserved 2, \"green\"", "  reserved \"green\"", .reservationDropped),
        SchemaChange("  reserved 2, \"green\"", "  reserved 2", .reservationDropped),
        SchemaChange("/// A spare one.\nenum Spare: u8 {\n  /// None.\n  none = 0\n}\n", "", .enumRemoved),
        SchemaChange("  /// Age.\n  age: u8 = 2\n", "", .fieldRemoved),
        SchemaChange("  /// Nick.\n  nick: optional string = 3\n", "  reserved \"nick\"\n", .fieldRemoved),
        SchemaChange("  age: u8 = 2", "  weight: u8 = 2", .numberReused),
        SchemaChange("  age: u8 = 2", "  age: u16 = 2", .fieldRetyped),
        SchemaChange("  age: u8 = 2", "  age: optional u8 = 2", .fieldRetyped),
        SchemaChange("nick: optional string", "nick: string", .fieldRetyped),
        SchemaChange("pets: list<string>", "pets: list<bytes>", .fieldRetyped),
        SchemaChange(
            "pets: list<string> = 5 max rows_max\n  reserved 4, \"shoe\"",
            "pets: list<string> = 6 max rows_max\n  reserved 4, \"shoe\"", .fieldRemoved),
        SchemaChange("  reserved 4, \"shoe\"", "", .reservationDropped, .reservationDropped),
        SchemaChange(
            "/// Pets.\n  pets: list<string> = 5 max rows_max\n  reserved 4, \"shoe\"",
            "/// Shoe.\n  shoe: u8 = 4\n  /// Pets.\n  pets: list<string> = 5 max rows_max",
            .reservationDropped, .reservationDropped, .reservedUsed),
        SchemaChange(
            "struct Point size 8 {\n  /// Right.\n  x: u32 @0\n  /// Down.\n  y: u16 @4\n  /// Zero.\n  pad: pad[2] @6",
            "struct Point size 8 {\n  /// Down.\n  y: u16 @0\n  /// Zero.\n  pad: pad[2] @2\n  /// Right.\n  x: u32 @4",
            .offsetMoved, .offsetMoved),
        SchemaChange("pad: pad[2] @6", "/// Deep.\n  z: u16 @6", .fieldAdded),
        SchemaChange("  y: u16 @4", "  depth: u16 @4", .fieldAdded, .fieldRemoved),
        SchemaChange(
            "Point size 8 {\n  /// Right.\n  x: u32 @0\n  /// Down.\n  y: u16 @4\n  /// Zero.\n  pad: pad[2] @6",
            "Point size 12 {\n  /// Right.\n  x: u32 @0\n  /// Down.\n  y: u16 @4\n  /// Zero.\n  pad: pad[6] @6",
            .sizeChanged),
        SchemaChange("  y: u16 @4\n  /// Zero.\n  pad: pad[2] @6", "  y: u32 @4", .fieldRetyped),
        SchemaChange("column flags: bits[count]", "column flags: u8[count]", .columnsChanged),
        SchemaChange("when mode == 1", "when mode == 2", .columnsChanged),
        SchemaChange("when mode == 1", "", .columnsChanged),
        SchemaChange("  /// Flags.\n  column flags: bits[count] when mode == 1\n", "", .columnsChanged),
        SchemaChange(
            "bits[count] when mode == 1", "bits[count] when mode == 1\n  /// M.\n  column more: u8[count]",
            .columnsChanged),
        SchemaChange("  /// Points.\n  column points: Point[count]\n", "", .columnsChanged),
        SchemaChange(
            "/// Nothing.\ntable Nothing {\n}",
            "/// Nothing.\nstruct Nothing size 1 {\n  /// N.\n  n: u8 @0\n}", .layoutChanged),
        SchemaChange("reserved message \"Animal\"", "", .reservationDropped),
        SchemaChange("reserved message \"Animal\"", "/// A.\ntable Animal {}", .reservedUsed),
        SchemaChange(
            "/// Draws.\nmethod Draw = 1 (Points) returns (Person) { idempotent, scope read, deadline 1s, body 1_000 }\n",
            "",
            .methodRemoved),
        SchemaChange("method Draw = 1", "method Draw = 3", .methodRemoved),
        SchemaChange("method Draw = 1", "method Paint = 1", .numberReused),
        SchemaChange("Draw = 1 (Points)", "Draw = 1 (Nothing)", .methodChanged),
        SchemaChange("(Points) returns (Person)", "(Points) returns (Nothing)", .methodChanged),
        SchemaChange("(Points) returns (Person)", "(Points) returns (stream Person)", .methodChanged),
        SchemaChange("idempotent, scope read", "scope read", .methodChanged),
        SchemaChange("idempotent, scope read", "idempotent, scope admin", .methodChanged),
        SchemaChange("reserved method 7, \"Sing\"", "", .reservationDropped, .reservationDropped),
        SchemaChange("reserved method 7, \"Sing\"", "reserved method 7", .reservationDropped),
        SchemaChange(
            "reserved method 7, \"Sing\"",
            "/// S.\nmethod Sing = 7 (Nothing) returns (Nothing) { scope read, deadline 1s, body 1 }",
            .reservationDropped, .reservationDropped, .reservedUsed),
    ]

    @Test(arguments: broken)
    func forbiddenChangeIsNamed(_ change: SchemaChange) throws {
        let found = try Self.breakages(change.old, change.new)
        #expect(found.map(\.rule.rawValue).sorted() == change.rules.map(\.rawValue).sorted(), "\(found)")
        for breakage in found {
            #expect(!breakage.message.isEmpty && !breakage.remedy.isEmpty)
            let line = breakage.place.split(separator: ":").last.flatMap { Int($0) }
            #expect(
                line != nil
                    && (breakage.place.hasPrefix("now.schema:") || breakage.place.hasPrefix("v1.schema:")))
        }
    }

    @Test func everyRuleHasAChangeThatBreaksIt() {
        var rules = Set(Self.broken.flatMap(\.rules))
        rules.insert(.messageRemoved)  // the test below: it needs two replacements
        #expect(rules == Set(Breakage.Rule.allCases))
    }

    @Test func removedMessageIsNamedUnlessReserved() throws {
        let extra = "\n/// Extra.\ntable Extra {}\n"
        let released = try Self.schema(Self.releasedText + extra, path: "v1.schema")
        let current = try Self.schema(Self.releasedText, path: "now.schema")
        let found = Evolution.breakages(from: released, to: current)
        #expect(found.map(\.rule) == [.messageRemoved])
        let line = released.file.lines.firstIndex(of: "table Extra {}").map { $0 + 1 }
        #expect(found.first?.place == line.map { "v1.schema:\($0)" })
        let reserved = try Self.schema(Self.releasedText + "reserved message \"Extra\"", path: "now.schema")
        #expect(Evolution.breakages(from: released, to: reserved).isEmpty)
    }

    static let allowed: [SchemaChange] = [
        SchemaChange("rows_max = 100", "rows_max = 101"),
        SchemaChange("limit bytes_max = 50", "limit bytes_max = 50\n/// More.\nlimit more_max = 1"),
        SchemaChange("  red = 1", "  red = 1\n  /// Blue.\n  blue = 3 since 1"),
        SchemaChange("  /// Red.\n  red = 1\n  reserved 2, \"green\"", "  reserved 1, \"red\", 2, \"green\""),
        SchemaChange(
            "/// A spare one.\nenum Spare: u8 {\n  /// None.\n  none = 0\n}", "reserved message \"Spare\""),
        SchemaChange("  /// Age.\n  age: u8 = 2\n", "  reserved 2, \"age\"\n"),
        SchemaChange("5 max rows_max", "5 max rows_max\n  /// Shoes.\n  shoes: u8 = 6 since 1"),
        SchemaChange("5 max rows_max", "5"),
        SchemaChange("table Nothing {\n}", "table Nothing {\n}\n/// New.\ntable New {\n}"),
        SchemaChange(
            "/// Follows.\nmethod Follow = 2 (Nothing) returns (stream Person) { scope read, deadline 1s, body 1_000 }",
            "reserved method 2, \"Follow\""),
        SchemaChange(
            "/// Follows.",
            "/// N.\nmethod New = 9 (Nothing) returns (Nothing) { scope read, deadline 1s, body 1 }\n/// Follows."
        ),
        SchemaChange("body 1_000 }\n/// Follows.", "body 1_001 }\n/// Follows."),
        SchemaChange("idempotent, scope read, deadline 1s", "idempotent, scope read, deadline 2s"),
        SchemaChange("/// A colour.", "/// Another comment."),
    ]

    @Test(arguments: allowed)
    func allowedChangeIsNotNamed(_ change: SchemaChange) throws {
        let found = try Self.breakages(change.old, change.new)
        #expect(found.isEmpty, "\(found)")
    }

    @Test func placeIsTheLineOfTheChange() throws {
        let found = try Self.breakages("rows_max = 100", "rows_max = 99")
        let wanted = """
            now.schema:4: error: [limit-lowered] limit rows_max fell from 100 to 99
                remedy: keep it at 100 or higher: released peers may use all of it
            """
        #expect(found.map(\.description) == [wanted])
    }
}
