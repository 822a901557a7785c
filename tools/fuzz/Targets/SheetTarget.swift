// The files of imports: CSV that arrives in any cuts, its header, and its rows.
//
//     u8 cuts   seed of the sizes of the pieces
//     the file

import ConsentClient
import ConsentDomain
import TestRandomness

/// What consentctl reads of an import.
package enum SheetTarget: FuzzTarget {
    package static let name = "sheet"

    package static func run(_ input: RawSpan) throws(Finding) -> Outcome {
        guard input.byteCount >= 1 else { return Outcome() }
        let file = input.array(1..<input.byteCount)
        let whole = records(file, pieces: nil)
        var sizes = SeededGenerator(seed: UInt64(input.load(UInt8.self, at: 0)))
        let cut = records(file) { 1 + sizes.below(1 << sizes.below(7)) }
        guard whole == cut else {
            let place = zip(whole, cut).prefix { $0 == $1 }.count
            throw Finding("record \(place) differs where the file comes in pieces")
        }
        try checkPlaces(whole, lineCount: file.count { $0 == UInt8(ascii: "\n") } + 1)
        try checkQuoted(whole)
        return Outcome(isPast: readRows(whole))
    }

    /// Reads a file to its end.
    private static func records(
        _ file: [UInt8], pieces: (() -> Int)?
    ) -> [Result<CSVRecord, CSVError>] {
        var offset = 0
        var pieces = pieces
        var reader = CSVReader {
            let end = min(file.count, offset + (pieces?() ?? file.count))
            defer { offset = end }
            return Array(file[offset..<end])
        }
        var records: [Result<CSVRecord, CSVError>] = []
        while let record = reader.next() { records.append(record) }
        pieces = nil
        return records
    }

    /// Lines ascend, and lie in the file.
    private static func checkPlaces(
        _ records: [Result<CSVRecord, CSVError>], lineCount: Int
    ) throws(Finding) {
        var last = 0
        for record in records {
            switch record {
            case .success(let record):
                guard record.line > last, !record.fields.isEmpty, record.byteCount >= 0 else {
                    throw Finding("the record of line \(record.line) comes after line \(last)")
                }
                last = record.line
                guard let line = record.fields.last?.line, line >= last, line <= lineCount else {
                    throw Finding("a field outside its record of line \(last)")
                }
            case .failure(let error):
                guard error.line >= last, error.line <= lineCount, error.column >= 1, !error.reason.isEmpty
                else { throw Finding("an error at line \(error.line) of \(lineCount), after \(last)") }
            }
        }
    }

    /// Fields that are all put in quotes read as they were.
    private static func checkQuoted(_ records: [Result<CSVRecord, CSVError>]) throws(Finding) {
        let texts = records.compactMap { record -> [String]? in
            guard case .success(let record) = record else { return nil }
            return record.fields.indices.map(record.text)
        }
        let lines = texts.map { fields in
            fields.map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }.joined(separator: ",") + "\n"
        }
        let again = self.records(Array(lines.joined().utf8), pieces: nil).map { record -> [String]? in
            guard case .success(let record) = record else { return nil }
            return record.fields.indices.map(record.text)
        }
        guard again == texts else { throw Finding("fields in quotes read otherwise than they were") }
    }

    /// Reads header and rows as an import does.
    /// - Returns: whether a row was taken.
    private static func readRows(_ records: [Result<CSVRecord, CSVError>]) -> Bool {
        guard case .success(let header) = records.first, let sheet = try? ImportSheet(header: header) else {
            return false
        }
        var rows = ImportRowReader(sheet, CatalogueCodes(controllers: [], purposes: []))
        var isTaken = false
        for case .success(let record) in records.dropFirst() {
            switch rows.row(record) {
            case .success: isTaken = true
            case .failure(let issues): _ = issues.issues.map(\.description)
            }
        }
        return isTaken
    }

    // MARK: Input

    private static let header = (ImportSheet.required + ImportSheet.optional).joined(separator: ",")

    package static func seeds(_ samples: Samples) -> [[UInt8]] {
        let time = "2026-03-29T10:15:30+02:00"
        let notice = String(repeating: "0a", count: 32)
        let rows = [
            "grant,7,email|sms,1|2,ada@example.fr,+33612345678,R-1,\(time),widget,ticked-box,\(notice),,,,,",
            "withdraw,7,all,all,,,R-1,\(time),preference-center,,,,,,,",
            "bounce,7,email,all,\"a \"\"b\"\"@example.fr\",,,\(time),widget,,,,,,,",
            "grant,7,email,3,x@example.fr,,,,\"salon\n\",,\(notice),,ada,\(notice),all,\(notice.prefix(32))",
        ]
        let plain =
            rows.map { "\(header)\r\n\($0)\r\n" } + ["\u{FEFF}\(header)\n" + rows.joined(separator: "\n")]
        return plain.map { [3] + Array($0.utf8) } + [
            Array("\u{1}a,\"b\"\n\n,\"c\nd\"".utf8), Array("\u{1}\"".utf8),
        ]
    }

    /// Mostly behind the header, so that there are rows.
    package static func mutate(
        _ input: inout [UInt8], byteCountMax: Int, using random: inout SeededGenerator, _ mutation: Mutation
    ) {
        let line = Array(header.utf8) + [UInt8(ascii: "\n")]
        if input.isEmpty || random.below(64) == 0 { input = [1] + line }
        guard let end = input.firstIndex(of: UInt8(ascii: "\n")), random.below(8) != 0 else {
            return mutation(&input, byteCountMax)
        }
        var rows = Array(input[(end + 1)...])
        mutation(&rows, max(0, byteCountMax - end - 1))
        input.replaceSubrange((end + 1)..., with: rows)
    }

    /// A record with a line break in a field, followed by another record.
    package static func isPlanted(_ input: RawSpan, _ outcome: Outcome) -> Bool {
        guard input.byteCount >= 1 else { return false }
        let records = records(input.array(1..<input.byteCount), pieces: nil)
        return records.dropLast().contains { record in
            guard case .success(let record) = record else { return false }
            return record.fields.indices.contains { record.text($0).utf8.contains(UInt8(ascii: "\n")) }
        }
    }
}
