// Tables and JSON documents on stdout.

import ConsentClient

/// A table whose columns line up.
struct Table {
    private var rows: [[String]]

    init(_ header: String...) { rows = [header] }

    mutating func add(_ cells: String...) { rows.append(cells.map(Table.clean)) }

    var isEmpty: Bool { rows.count == 1 }

    /// Prints header and rows; the last column is not padded.
    func print() {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        for (position, row) in rows.enumerated() {
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 {
                    line += String(repeating: " ", count: widths[column] - cell.count + 2)
                }
            }
            let isHeader = position == 0 && Terminal.hasColour
            Terminal.output(isHeader ? "\u{1B}[1m\(line)\u{1B}[0m\n" : line + "\n")
        }
    }

    /// Without control characters, so that a name from the catalogue cannot move the cursor.
    static func clean(_ text: String) -> String {
        let isControl = { (scalar: Unicode.Scalar) in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
        }
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? " " : $0 }))
    }
}

/// Names and values, one a line.
struct Facts {
    private var facts: [(String, String)] = []

    mutating func add(_ name: String, _ value: String) { facts.append((name, value)) }

    func print() {
        let width = facts.reduce(0) { max($0, $1.0.count) }
        for (name, value) in facts {
            Terminal.output(
                name + String(repeating: " ", count: width - name.count + 2) + Table.clean(value) + "\n")
        }
    }
}

/// Prints a document on one line.
func printLine(_ json: JSON) { Terminal.output(json.line + "\n") }

/// Prints a whole document.
func printDocument(_ json: JSON) { Terminal.output(json.pretty + "\n") }

extension JSON {
    static func time(_ time: Timestamp?) -> JSON { time.map { .string($0.rfc3339) } ?? .null }
    static func strings(_ texts: [String]) -> JSON { .array(texts.map(JSON.string)) }
    static func id(_ digest: Digest32?) -> JSON { digest.map { .string($0.bytes.hexadecimal) } ?? .null }
}

extension Optional<Timestamp> {
    /// RFC 3339, or a dash.
    var text: String { self?.rfc3339 ?? "-" }
}

/// A recorded event as JSON, with codes for numbers.
func json(_ event: RecordedEvent, _ catalogue: CatalogueView) -> JSON {
    .members([
        "sequence": .unsigned(event.sequence), "kind": .string(Names.kind(event.kindCode)),
        "controller": .string(catalogue.name(event.controller)),
        "contactKind": .optional(event.contactKind.map(Names.contactKind)),
        "key": .optional(event.key.map { $0.bytes.hexadecimal }), "channels": .strings(names(event.channels)),
        "purposes": .strings(catalogue.names(event.purposes)),
        "pendingChannels": .strings(names(event.pendingChannels)), "occurredAt": .time(event.occurredAt),
        "recordedAt": .time(event.recordedAt), "via": .optional(event.via.map { "\($0)" }),
        "source": .optional(event.source.map(Names.source)), "act": .optional(event.act.map(Names.act)),
        "notice": .id(event.notice), "memo": .id(event.memo),
        "attestations": .strings(
            Names.attestations.filter { event.attestations.contains($0.value) }.map(\.name)),
        "client": .string(event.client), "staff": .string(event.staff),
        "eventId": .optional(event.eventID.map { $0.bytes.hexadecimal }),
        "reference": .string(event.reference),
        "validityDay": .string(event.validityDay.iso8601),
        "retentionDay": .string(event.retentionDay.iso8601),
        "lapseDay": .string(event.lapseDay.iso8601), "refersTo": .unsigned(event.refersTo),
        "locale": .string(event.locale), "wording": .string(event.wording), "erased": .bool(event.isErased),
    ])
}

/// Adds an event to a table of sequence, time, kind, controller, channels, purposes, source and act.
func add(_ event: RecordedEvent, to table: inout Table, _ catalogue: CatalogueView) {
    table.add(
        String(event.sequence), event.occurredAt.rfc3339, Names.kind(event.kindCode),
        catalogue.name(event.controller),
        names(event.channels).joined(separator: ","), catalogue.names(event.purposes).joined(separator: ","),
        event.source.map(Names.source) ?? "-", event.act.map(Names.act) ?? "-",
        event.via == .import ? "import" : "live")
}

func eventTable() -> Table {
    Table("SEQUENCE", "OCCURRED", "KIND", "CONTROLLER", "CHANNELS", "PURPOSES", "SOURCE", "ACT", "VIA")
}
