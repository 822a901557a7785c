// What became of an import: counts, reasons, and the list of bad rows.
//
// Rows are reported in the order of the file, whatever the order of the answers. Bad rows are written as they
// come, to the file of errors or to stderr, so that a file of nothing but bad rows takes no more memory than
// a good one; only a JSON document holds them, and only the first ones.

import ConsentClient

/// One line of the list of bad rows.
struct ImportIssue: Sendable {
    var line: Int
    /// From 1; 0: the whole row.
    var column = 0
    /// Name of the column; empty where there is none.
    var name = ""
    /// The refusal's name, or `unreadable`.
    var code: String
    var reason: String

    static let unreadable = "unreadable"

    /// As a line of the file of errors.
    var csv: String { "\(line),\(column),\(name),\(code),\"\(reason.replacing("\"", with: "\"\""))\"\n" }

    /// As a sentence.
    var sentence: String {
        let place = column == 0 ? "" : ", column \(column)\(name.isEmpty ? "" : " (\(name))")"
        let prefix = code == Self.unreadable ? "" : code.uppercased() + ": "
        return "line \(line)\(place): \(prefix)\(reason)\n"
    }

    var json: JSON {
        .members([
            "line": .integer(Int64(line)), "column": .integer(Int64(column)), "name": .string(name),
            "code": .string(code), "reason": .string(reason),
        ])
    }
}

/// Counts and lists what became of the rows.
struct ImportReport: ~Copyable {
    /// Bad rows that a JSON document lists at most.
    static let listedMax = 10_000

    private let isDryRun: Bool
    private let isJSON: Bool
    private let locale: String
    private let start = ContinuousClock.now
    private var errors: OutputFile?
    private var total = ImportResult()
    private var rows = 0
    private var unreadable = 0
    private var reasons: [String: Int] = [:]
    private var remedies: [String: String] = [:]
    private var listed: [ImportIssue] = []
    private var omitted = 0

    /// - Parameters:
    ///   - errors: file to list the bad rows in; nil: stderr.
    ///   - sequence: of the catalogue that the file was read with.
    init(isDryRun: Bool, isJSON: Bool, locale: String, errors: String?, sequence: UInt64) throws {
        self.isDryRun = isDryRun
        self.isJSON = isJSON
        self.locale = locale
        total.sequence = sequence
        guard let errors else { return }
        self.errors = try OutputFile(errors)
        try self.errors?.write(Array("line,column,name,code,reason\n".utf8))
    }

    /// Rows that are dealt with.
    var rowCount: Int { rows }
    /// Whether anything is wrong with the file.
    var hasBadRows: Bool { unreadable + total.refused > 0 }

    /// Adds what became of a batch. Batches come in the order of the file.
    /// - Parameter progress: taken away before bad rows are written to stderr.
    mutating func add(
        _ result: ImportResult, _ batch: ImportBatch, _ progress: inout Progress
    ) throws {
        rows += batch.rows.count + batch.unreadableCount
        total.sequence = max(total.sequence, result.sequence)
        total.recorded += result.recorded
        total.repeated += result.repeated
        total.unproven += result.unproven
        total.refused += result.refused
        unreadable += batch.unreadableCount
        var issues = batch.issues
        if batch.unreadableCount > 0 {
            reasons[ImportIssue.unreadable, default: 0] += batch.unreadableCount
            remedies[ImportIssue.unreadable] = "Correct the field that is named with the row."
        }
        for issue in result.issues where batch.lines.indices.contains(issue.index) {
            var codes: [String] = []
            for note in issue.refusals {
                let code = Names.refusal(note.code)
                issues.append(
                    ImportIssue(
                        line: batch.lines[issue.index], code: code, reason: note.sentence(locale: locale)))
                guard !codes.contains(code) else { continue }
                codes.append(code)
                reasons[code, default: 0] += 1
                remedies[code] = RefusalNote(code: note.code).sentence(locale: locale)
            }
        }
        // Several of one row stay in their order.
        issues = issues.enumerated()
            .sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }.map(\.element)
        try list(issues, &progress)
    }

    private mutating func list(_ issues: [ImportIssue], _ progress: inout Progress) throws {
        guard !issues.isEmpty else { return }
        if isJSON {
            let room = Self.listedMax - listed.count
            listed += issues.prefix(room)
            omitted += max(0, issues.count - room)
        }
        if errors != nil {
            try errors?.write(Array(issues.map(\.csv).joined().utf8))
        } else if !isJSON {
            progress.end()
            Terminal.error(issues.map(\.sentence).joined())
        }
    }

    /// Gives the file of errors its name and prints the summary.
    mutating func finish() throws {
        try errors?.finish()
        let seconds = (ContinuousClock.now - start).seconds
        if isJSON { return printDocument(document(seconds)) }
        var facts = Facts()
        facts.add(isDryRun ? "rows (dry run)" : "rows", String(rows))
        facts.add(isDryRun ? "would be recorded" : "recorded", String(total.recorded))
        facts.add("recorded before", String(total.repeated))
        facts.add("of them without proof", "\(total.unproven)\(total.unproven > 0 ? " (they deny)" : "")")
        facts.add("refused", String(total.refused))
        facts.add("unreadable", String(unreadable))
        facts.add("sequence", String(total.sequence))
        facts.add(
            "time", "\(Progress.time(seconds)), \(Int(Double(rows) / max(seconds, 0.001))) rows a second")
        facts.print()
        guard !reasons.isEmpty else { return }
        var table = Table("REASON", "ROWS", "REMEDY")
        for (code, count) in sortedReasons {
            table.add(code.uppercased(), String(count), remedies[code] ?? "")
        }
        table.print()
    }

    /// The most frequent first.
    private var sortedReasons: [(code: String, count: Int)] {
        reasons.map { (code: $0.key, count: $0.value) }.sorted { ($1.count, $0.code) < ($0.count, $1.code) }
    }

    private func document(_ seconds: Double) -> JSON {
        .members([
            "rows": .integer(Int64(rows)), "recorded": .integer(Int64(total.recorded)),
            "repeated": .integer(Int64(total.repeated)), "unproven": .integer(Int64(total.unproven)),
            "refused": .integer(Int64(total.refused)), "unreadable": .integer(Int64(unreadable)),
            "sequence": .unsigned(total.sequence), "dryRun": .bool(isDryRun), "seconds": .double(seconds),
            "reasons": .object(
                sortedReasons.map { JSON.Member(key: $0.code, value: .integer(Int64($0.count))) }),
            "issues": .array(listed.map(\.json)), "issuesOmitted": .integer(Int64(omitted)),
        ])
    }
}
