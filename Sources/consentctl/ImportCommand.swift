// import: rows of a CSV file into the register.
//
// The file is read once, from front to back, and never held whole; rows go out in requests of up to 1,000, a
// few of them in flight at a time. Bad rows are listed and kept out, good rows are recorded. A row is named
// by its content, so the same file again changes nothing: an import that was cut short, on either side, is
// finished by running it again.

import ArgumentParser
import ConsentClient

struct ImportCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Records rows of a CSV file.",
        discussion: """
            Columns: event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice \
            and optionally opaque,staff,memo,attestations,event_id; UTF-8, RFC 4180, several values \
            separated by |. Bad rows are listed with line and column; good rows are kept; running it again \
            changes nothing, and finishes an import that was cut short. \
            Exit status 65 when there were bad rows.
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var language: LanguageOptions
    @Argument(help: ArgumentHelp("The file; - for stdin.", valueName: "file")) var file: String
    @Flag(help: "Only say what would happen.") var dryRun = false
    @Flag(help: "Show no progress.") var quiet = false
    @Option(help: ArgumentHelp("File to list the bad rows in, as CSV.", valueName: "file")) var errors:
        String?

    private static let inFlightMax = 12

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let source = try ImportSource(file, catalogue.codes)
        var report = try ImportReport(
            isDryRun: dryRun, isJSON: connection.json, locale: language.sentences, errors: errors,
            sequence: catalogue.listing.sequence)
        var progress = Progress(unit: "rows", quiet ? .off : .everywhere)
        var failure: (any Error)?
        do {
            try await send(source, client, &report, &progress)
        } catch {
            failure = error
        }
        progress.end()
        try report.finish()
        if let failure { throw Self.interrupted(failure, after: report.rowCount) }
        if report.hasBadRows { throw CommandFailure(.badData) }
    }

    /// Sends batch after batch and reports each, in the order of the file.
    private func send(
        _ source: ImportSource, _ client: ConsentClient, _ report: inout ImportReport,
        _ progress: inout Progress
    ) async throws {
        try await withThrowingTaskGroup(of: (ImportBatch, ImportResult).self) { group in
            var answered: [Int: (ImportBatch, ImportResult)] = [:]
            var reported = 0
            var inFlight = 0
            while true {
                let batch = try source.next()
                if let batch {
                    inFlight += 1
                    group.addTask {
                        if batch.rows.isEmpty { return (batch, ImportResult()) }
                        return (batch, try await client.importRows(batch.rows, dryRun: dryRun))
                    }
                }
                while inFlight > (batch == nil ? 0 : Self.inFlightMax - 1),
                    let (batch, result) = try await group.next()
                {
                    inFlight -= 1
                    answered[batch.number] = (batch, result)
                    while let (batch, result) = answered.removeValue(forKey: reported) {
                        try report.add(result, batch, &progress)
                        progress.show(report.rowCount, fraction: source.fraction(of: batch))
                        reported += 1
                    }
                }
                if batch == nil { return }
            }
        }
    }

    /// What to do about an import that did not come to its end.
    private static func interrupted(_ error: any Error, after rows: Int) -> any Error {
        guard let error = error as? ConsentClientError else { return error }
        var failure = CommandFailure(error)
        failure.message +=
            "; the answers for the first \(rows) rows are above: run the same command again to finish, rows "
            + "that are recorded are not recorded twice"
        return failure
    }
}

/// Rows of one request, the lines that they came from, and the rows between them that cannot be read.
struct ImportBatch: Sendable {
    /// Its place among the batches of the file, from 0.
    let number: Int
    var rows: [ImportRow] = []
    var lines: [Int] = []
    var unreadableCount = 0
    var issues: [ImportIssue] = []
    /// Bytes of the file that were read by its end.
    var endByte = 0
}

/// The file as a source of batches.
final class ImportSource {
    private static let rowsMax = 1_000
    /// Bytes of the rows of a request, so that its body stays below what a server takes.
    private static let bytesMax = 1 << 20

    private let input: InputFile
    private let failure: Failure
    private var reader: CSVReader
    private let sheet: ImportSheet
    private var rows: ImportRowReader
    private var batchCount = 0

    private final class Failure {
        var error: (any Error)?
        var byteCount = 0
    }

    init(_ path: String, _ codes: CatalogueCodes) throws {
        let input = try InputFile(path)
        let failure = Failure()
        self.input = input
        self.failure = failure
        reader = CSVReader {
            do {
                let bytes = try input.next()
                failure.byteCount += bytes.count
                return bytes
            } catch {
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
                rows = ImportRowReader(sheet, codes)
            } catch {
                throw CommandFailure(.badData, "\(path), \(error)")
            }
        }
    }

    /// The next rows; nil at the end.
    func next() throws -> ImportBatch? {
        var batch = ImportBatch(number: batchCount)
        var byteCount = 0
        while batch.rows.count + batch.unreadableCount < Self.rowsMax, byteCount < Self.bytesMax,
            let result = reader.next()
        {
            switch result {
            case .failure(let error): add(error, to: &batch)
            case .success(let record):
                byteCount += record.byteCount
                switch rows.row(record) {
                case .success(let row):
                    batch.rows.append(row)
                    batch.lines.append(record.line)
                case .failure(let issues): add(issues, to: &batch)
                }
            }
        }
        if let error = failure.error { throw error }
        guard !batch.rows.isEmpty || batch.unreadableCount > 0 else { return nil }
        batch.endByte = failure.byteCount
        batchCount += 1
        return batch
    }

    /// The share of the file that is done with a batch; nil where the file's size is not known.
    func fraction(of batch: ImportBatch) -> Double? {
        guard let size = input.size, size > 0 else { return nil }
        return Double(batch.endByte) / Double(size)
    }

    private func add(_ error: CSVError, to batch: inout ImportBatch) {
        batch.unreadableCount += 1
        let name = sheet.columns.indices.contains(error.column - 1) ? sheet.columns[error.column - 1] : ""
        batch.issues.append(
            ImportIssue(
                line: error.line, column: error.column, name: name, code: ImportIssue.unreadable,
                reason: error.reason))
    }

    private func add(_ row: SheetIssues, to batch: inout ImportBatch) {
        batch.unreadableCount += 1
        for issue in row.issues {
            batch.issues.append(
                ImportIssue(
                    line: issue.line, column: issue.field.column, name: issue.field.name,
                    code: ImportIssue.unreadable, reason: issue.field.reason))
        }
    }
}
