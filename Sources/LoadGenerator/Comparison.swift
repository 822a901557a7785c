// `consent-load compare`: two reports side by side, and whether the second one is good enough.
//
// Invariant: a comparison fails for a threshold that is not met, for one whose figure is missing, and for a
// second run that is not valid or answered wrongly.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a comparison reads of a report.
package struct ComparedRun: Decodable, Sendable {
    package var mode: String
    package var peer: String?
    package var seed: Int?
    package var connections: Int?
    package var inFlight: Int?
    package var batch: Int?
    package var rate: Double?
    package var durationSeconds: Double
    package var requests: Int
    package var requestsPerSecond: Double
    package var checks: Int
    package var checksPerSecond: Double
    package var errors: Int
    package var wrongAnswers: Int
    package var valid: Bool
    package var latencyMicroseconds: [String: [String: Double]]
    package var cpuSeconds: [String: Double?]

    /// Reads a report.
    package init(json: [UInt8], path: String) throws(LoadError) {
        do {
            self = try JSONDecoder().decode(ComparedRun.self, from: Data(json))
        } catch {
            throw .file(path: path, why: "is no report of consent-load (use one that --json wrote)")
        }
    }

    /// A figure by its name.
    func figure(_ figure: Comparison.Figure) -> Double? {
        let units = Double(checks > 0 ? checks : requests)
        switch figure {
        case .rate: return checks > 0 ? checksPerSecond : requestsPerSecond
        case .cpu:
            guard let server = cpuSeconds["server"] ?? nil, units > 0 else { return nil }
            return server * 1e6 / units
        default: return latencyMicroseconds["intended"]?[figure.rawValue]
        }
    }
}

/// Two reports side by side.
package struct Comparison: Sendable {
    /// What is compared.
    package enum Figure: String, CaseIterable, Sendable {
        case rate, p50, p90, p99, p999, p9999, max, cpu

        /// Whether more is better.
        var isBetterHigh: Bool { self == .rate }

        var name: String {
            switch self {
            case .rate: "rate/s"
            case .p999: "p99.9"
            case .p9999: "p99.99"
            case .cpu: "server CPU s per million"
            default: rawValue
            }
        }
    }

    private let before: ComparedRun
    private let after: ComparedRun
    private let thresholds: [Figure: Double]

    /// - Parameters:
    ///   - before: the run to measure up to.
    ///   - after: the run in question.
    ///   - thresholds: for each figure the ratio after / before that is still good: for the rate at least it,
    ///     for all others at most it.
    package init(before: ComparedRun, after: ComparedRun, thresholds: [Figure: Double]) {
        self.before = before
        self.after = after
        self.thresholds = thresholds
    }

    /// Reads thresholds: `p99=1.10,rate=0.95`.
    package static func thresholds(_ text: String) throws(LoadError) -> [Figure: Double] {
        var thresholds: [Figure: Double] = [:]
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard words.count == 2, let figure = Figure(rawValue: words[0]), let ratio = Double(words[1]),
                ratio > 0, ratio.isFinite
            else {
                let names = Figure.allCases.map(\.rawValue).joined(separator: ", ")
                throw .usage("'\(part)' is no threshold: write NAME=RATIO with NAME one of \(names)")
            }
            thresholds[figure] = ratio
        }
        return thresholds
    }

    private func ratio(_ figure: Figure) -> Double? {
        guard let first = before.figure(figure), let second = after.figure(figure), first > 0 else {
            return nil
        }
        return second / first
    }

    private func isMet(_ figure: Figure) -> Bool? {
        thresholds[figure].map { threshold in
            guard let ratio = ratio(figure) else { return false }
            return figure.isBetterHigh ? ratio >= threshold : ratio <= threshold
        }
    }

    /// What failed; empty: nothing did.
    package var failures: [String] {
        var failures = Figure.allCases.filter { isMet($0) == false }.map { figure in
            ratio(figure).map { "\(figure.name) is \(TextFormat.fixed($0, 3)) times what it was" }
                ?? "\(figure.name) is missing in one of the reports"
        }
        if !after.valid { failures.append("the second run is not valid") }
        if after.wrongAnswers > 0 {
            failures.append("the second run had \(after.wrongAnswers) wrong answers")
        }
        if after.errors > before.errors {
            failures.append("the second run had \(after.errors) errors, the first \(before.errors)")
        }
        return failures
    }

    /// Settings in which the runs differ, so that they compare little.
    package var differences: [String] {
        func text(_ value: (some CustomStringConvertible)?) -> String { value.map { "\($0)" } ?? "none" }
        let settings: [(String, String, String)] = [
            ("mode", before.mode, after.mode), ("peer", text(before.peer), text(after.peer)),
            ("connections", text(before.connections), text(after.connections)),
            ("inFlight", text(before.inFlight), text(after.inFlight)),
            ("batch", text(before.batch), text(after.batch)), ("rate", text(before.rate), text(after.rate)),
        ]
        return settings.filter { $0.1 != $0.2 }.map { "\($0): \($1) and \($2)" }
    }

    /// For people, lines with their ends.
    package var text: String {
        var table = [["", "before", "after", "ratio", "threshold", ""]]
        for figure in Figure.allCases {
            func value(_ run: ComparedRun) -> String {
                guard let value = run.figure(figure) else { return "-" }
                switch figure {
                case .rate: return TextFormat.rate(value)
                case .cpu: return TextFormat.fixed(value, 3)
                default: return TextFormat.microseconds(value)
                }
            }
            table.append([
                figure.name, value(before), value(after),
                ratio(figure).map { TextFormat.fixed($0, 3) } ?? "-",
                thresholds[figure].map { (figure.isBetterHigh ? "≥ " : "≤ ") + TextFormat.fixed($0, 3) }
                    ?? "",
                isMet(figure).map { $0 ? "ok" : "FAILED" } ?? "",
            ])
        }
        var lines = RunReport.align(table)
        lines += differences.map { "NOTE: the runs differ in \($0)" }
        lines += failures.map { "FAILED: \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// One JSON document.
    package var json: JSONText {
        .object([
            .init("mode", .string("compare")), .init("failed", .bool(!failures.isEmpty)),
            .init("failures", .array(failures.map(JSONText.string))),
            .init("differences", .array(differences.map(JSONText.string))),
            .init(
                "figures",
                .object(
                    Figure.allCases.map { figure in
                        .init(
                            figure.rawValue,
                            .object([
                                .init("before", before.figure(figure).map(JSONText.number) ?? .null),
                                .init("after", after.figure(figure).map(JSONText.number) ?? .null),
                                .init("ratio", ratio(figure).map(JSONText.number) ?? .null),
                                .init("threshold", thresholds[figure].map(JSONText.number) ?? .null),
                            ]))
                    })),
        ])
    }
}
