// import: rows of a CSV file into the register.
//
// The file is read once, from front to back, and never held whole; rows go out in requests of 500, a few of
// them in flight at a time. Bad rows are listed and kept out, good rows are recorded, and running it again
// changes nothing.

import ArgumentParser
import ConsentClient

struct ImportCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Records rows of a CSV file.",
        discussion: """
            Columns: event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice \
            and optionally opaque,staff,memo,attestations,event_id; UTF-8, RFC 4180, several values \
            separated by |. Bad rows are listed with line and column; good rows are kept; running it again \
            changes nothing. \
            Exit status 65 when there were bad rows.
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var language: LanguageOptions
    @Argument(help: ArgumentHelp("The file; - for stdin.", valueName: "file")) var file: String
    @Flag(help: "Only say what would happen.") var dryRun = false
    @Option(help: ArgumentHelp("File to list the bad rows in, as CSV.", valueName: "file")) var errors:
        String?

    private static let batchCount = 500
    private static let inFlightMax = 4

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let source = try ImportSource(file, catalogue.codes)
        var report = ImportReport(dryRun: dryRun, catalogueSequence: catalogue.listing.sequence)
        var progress = Progress(unit: "rows")
        try await withThrowingTaskGroup(of: (ImportBatch, ImportResult).self) { group in
            var inFlight = 0
            while true {
                let batch = try source.next(Self.batchCount, &report)
                if !batch.rows.isEmpty {
                    group.addTask { (batch, try await client.importRows(batch.rows, dryRun: dryRun)) }
                    inFlight += 1
                }
                let isLast = batch.rows.isEmpty
                while inFlight > (isLast ? 0 : Self.inFlightMax - 1),
                    let (batch, result) = try await group.next()
                {
                    inFlight -= 1
                    report.add(result, batch, locale: language.sentences)
                    progress.show(report.rows)
                }
                if isLast { break }
            }
        }
        progress.end()
        report.sort()
        if let errors { try OutputFile.write(report.errorsCSV, to: errors) }
        report.print(json: connection.json, listsIssues: errors == nil)
        if report.hasBadRows { throw CommandFailure(.badData) }
    }
}

/// Rows of one request, and the lines that they came from.
struct ImportBatch: Sendable {
    var rows: [ImportRow] = []
    var lines: [Int] = []
}

/// The file as a source of batches.
final class ImportSource {
    private let input: InputFile
    private let failure = Failure()
    private var reader: CSVReader
    private let sheet: ImportSheet
    private let codes: CatalogueCodes

    private final class Failure { var error: (any Error)? }

    init(_ path: String, _ codes: CatalogueCodes) throws {
        let input = try InputFile(path)
        let failure = failure
        self.input = input
        self.codes = codes
        reader = CSVReader {
            do { return try input.next() } catch {
                failure.error = error
                return []
            }
        }
        let first = reader.next()
        if let error = failure.error { throw error }
        switch first {
        case nil:
            throw CommandFailure(.badData, "\(path), line 1, column 1: the file is empty: it needs a header")
        case .failure(let error): throw CommandFailure(.badData, "\(path), \(error)")
        case .success(let record):
            do throws(SheetIssue) {
                sheet = try ImportSheet(header: record)
            } catch {
                throw CommandFailure(.badData, "\(path), \(error)")
            }
        }
    }

    /// The next good rows, none at the end; bad ones go to the report.
    func next(_ count: Int, _ report: inout ImportReport) throws -> ImportBatch {
        var batch = ImportBatch()
        while batch.rows.count < count, let result = reader.next() {
            report.rows += 1
            switch result {
            case .failure(let error): report.addUnreadable(error, sheet.columns)
            case .success(let record):
                switch sheet.row(record, codes) {
                case .success(let row):
                    batch.rows.append(row)
                    batch.lines.append(record.line)
                case .failure(let issues): report.addUnreadable(issues)
                }
            }
        }
        if let error = failure.error { throw error }
        return batch
    }
}

/// What became of the whole file.
struct ImportReport {
    /// One line of the list of bad rows.
    struct Issue {
        var line: Int
        var column: Int
        var name: String
        var code: String
        var reason: String
    }

    let dryRun: Bool
    var rows = 0
    var total = ImportResult()
    var unreadable = 0
    var issues: [Issue] = []

    init(dryRun: Bool, catalogueSequence: UInt64) {
        self.dryRun = dryRun
        total.sequence = catalogueSequence
    }

    var hasBadRows: Bool { unreadable + total.refused > 0 }

    mutating func addUnreadable(_ error: CSVError, _ columns: [String]) {
        unreadable += 1
        let name = columns.indices.contains(error.column - 1) ? columns[error.column - 1] : ""
        issues.append(
            Issue(
                line: error.line, column: error.column, name: name, code: "unreadable", reason: error.reason))
    }

    mutating func addUnreadable(_ row: SheetIssues) {
        unreadable += 1
        for issue in row.issues {
            issues.append(
                Issue(
                    line: issue.line, column: issue.field.column, name: issue.field.name, code: "unreadable",
                    reason: issue.field.reason))
        }
    }

    mutating func add(_ result: ImportResult, _ batch: ImportBatch, locale: String) {
        total.sequence = max(total.sequence, result.sequence)
        total.recorded += result.recorded
        total.repeated += result.repeated
        total.unproven += result.unproven
        total.refused += result.refused
        for issue in result.issues where batch.lines.indices.contains(issue.index) {
            for note in issue.refusals {
                issues.append(
                    Issue(
                        line: batch.lines[issue.index], column: 0, name: "", code: Names.refusal(note.code),
                        reason: note.sentence(locale: locale)))
            }
        }
    }

    mutating func sort() { issues.sort { ($0.line, $0.column) < ($1.line, $1.column) } }

    /// The bad rows as CSV.
    var errorsCSV: String {
        var text = "line,column,name,code,reason\n"
        for issue in issues {
            text += "\(issue.line),\(issue.column),\(issue.name),\(issue.code),"
            text += "\"\(issue.reason.replacing("\"", with: "\"\""))\"\n"
        }
        return text
    }

    func print(json: Bool, listsIssues: Bool) {
        if json { return printDocument(document) }
        if listsIssues {
            for issue in issues {
                let name = issue.name.isEmpty ? "" : " (\(issue.name))"
                let place = issue.column == 0 ? "" : ", column \(issue.column)\(name)"
                let code = issue.code == "unreadable" ? "" : issue.code.uppercased() + ": "
                Terminal.error("line \(issue.line)\(place): \(code)\(issue.reason)\n")
            }
        }
        var facts = Facts()
        facts.add(dryRun ? "rows (dry run)" : "rows", String(rows))
        facts.add(dryRun ? "would be recorded" : "recorded", String(total.recorded))
        facts.add("recorded before", String(total.repeated))
        facts.add("of them without proof", "\(total.unproven)\(total.unproven > 0 ? " (they deny)" : "")")
        facts.add("refused", String(total.refused))
        facts.add("unreadable", String(unreadable))
        facts.add("sequence", String(total.sequence))
        facts.print()
    }

    private var document: JSON {
        .members([
            "rows": .integer(Int64(rows)), "recorded": .integer(Int64(total.recorded)),
            "repeated": .integer(Int64(total.repeated)), "unproven": .integer(Int64(total.unproven)),
            "refused": .integer(Int64(total.refused)), "unreadable": .integer(Int64(unreadable)),
            "sequence": .unsigned(total.sequence), "dryRun": .bool(dryRun),
            "issues": .array(
                issues.map { issue in
                    .members([
                        "line": .integer(Int64(issue.line)), "column": .integer(Int64(issue.column)),
                        "name": .string(issue.name), "code": .string(issue.code),
                        "reason": .string(issue.reason),
                    ])
                }),
        ])
    }
}

/// A line on stderr that is written over, on a terminal alone.
struct Progress {
    let unit: String
    private var last = ContinuousClock.now
    private let start = ContinuousClock.now
    private var isShown = false

    init(unit: String) { self.unit = unit }

    mutating func show(_ count: Int) {
        guard Terminal.isErrorTerminal, ContinuousClock.now - last > .milliseconds(100) else { return }
        last = .now
        isShown = true
        let seconds =
            Double((last - start).components.seconds) + Double((last - start).components.attoseconds) / 1e18
        Terminal.error("\r\u{1B}[K\(count) \(unit), \(Int(Double(count) / max(seconds, 0.001))) a second")
    }

    func end() {
        if isShown { Terminal.error("\r\u{1B}[K") }
    }
}
