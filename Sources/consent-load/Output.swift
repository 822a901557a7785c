// Where a command's report and progress go, and the small files that it reads.

import ArgumentParser
import LoadGenerator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where reports and progress go.
struct OutputArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp("Write the report as JSON to this file; - for standard output.", valueName: "file")
    )
    var json: String?

    @Option(help: ArgumentHelp("Write what happened each second as CSV.", valueName: "file"))
    var csv: String?

    @Option(
        help: ArgumentHelp(
            "Write all latencies of each second as an HdrHistogram interval log.", valueName: "file"))
    var hlog: String?

    @Option(help: ArgumentHelp("Write the report as one page of HTML with plots.", valueName: "file"))
    var html: String?

    @Flag(help: "Show progress even when standard error is no terminal.")
    var progress = false

    /// Writes a run's report wherever it was asked for.
    func write(_ report: RunReport) throws(LoadError) {
        try write(text: report.text, json: report.json)
        if let csv { try FileText.write(report.csv, to: csv) }
        if let hlog { try FileText.write(report.intervalLog, to: hlog) }
        if let html { try FileText.write(report.html, to: html) }
    }

    /// The same for a search; it has no interval log.
    func write(_ report: KneeReport) throws(LoadError) {
        try write(text: report.text, json: report.json)
        if let csv { try FileText.write(report.csv, to: csv) }
        if let html { try FileText.write(report.html, to: html) }
    }

    /// Writes the text to standard output, or to standard error where JSON has taken that.
    func write(text: String, json document: JSONText) throws(LoadError) {
        if json == "-" {
            ProgressPrinter.write(text)
            print(document.text)
        } else {
            print(text, terminator: "")
            if let json { try FileText.write(document.text + "\n", to: json) }
        }
    }

    /// Refuses outputs that a command does not have.
    func refuse(_ command: String, csv hasNoCSV: Bool, hlog hasNoLog: Bool, html hasNoPage: Bool)
        throws(LoadError)
    {
        let asked = [("--csv", csv, hasNoCSV), ("--hlog", hlog, hasNoLog), ("--html", html, hasNoPage)]
        for (name, file, isRefused) in asked where file != nil && isRefused {
            throw .usage("\(command) has no \(name)")
        }
    }
}

/// Small files, whole.
enum FileText {
    /// - Parameter bytesMax: a longer file is an error.
    static func read(_ path: String, bytesMax: Int = 1 << 16) throws(LoadError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = chunk.withUnsafeMutableBytes { systemRead(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { bytes.append(contentsOf: chunk[..<count]) }
            if count == 0 { return bytes }
            if count < 0 && errno != EINTR { throw failure(path) }
            guard bytes.count <= bytesMax else {
                throw .file(path: path, why: "is too long to be what is wanted")
            }
        }
    }

    static func write(_ text: String, to path: String) throws(LoadError) {
        guard let file = fopen(path, "w") else { throw failure(path) }
        let bytes = Array(text.utf8)
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0 && written == bytes.count else { throw failure(path) }
    }

    private static func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int)
        -> Int
    {
        #if canImport(Glibc)
            Glibc.read(descriptor, bytes, count)
        #else
            Darwin.read(descriptor, bytes, count)
        #endif
    }

    private static func failure(_ path: String) -> LoadError {
        .file(path: path, why: String(cString: strerror(errno)))
    }
}
