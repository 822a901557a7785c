// The figures of the server in Prometheus' text format, version 0.0.4.
//
// Names and units follow its conventions: a prefix for the program, base units (seconds, bytes), `_total` on
// what only grows. Labels have few values, all fixed in the program, so that no peer can make new series.

import CPlatform
import ConsentDomain
import Foundation

/// Collects families of metrics.
struct MetricsText {
    private(set) var text = ""

    enum Kind: String {
        case counter
        case gauge
    }

    /// One family: help, type, and a line for each of its values.
    mutating func family(_ name: String, _ kind: Kind, _ help: String, _ values: [(labels: String, Double)]) {
        text += "# HELP consentd_\(name) \(help)\n# TYPE consentd_\(name) \(kind.rawValue)\n"
        for (labels, value) in values {
            text += "consentd_\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(Self.number(value))\n"
        }
    }

    /// A family of one value.
    mutating func value(_ name: String, _ kind: Kind, _ help: String, _ value: some BinaryInteger) {
        family(name, kind, help, [("", Double(value))])
    }

    /// A counter of rare events by reason. Before the first of them there is no series.
    mutating func reasons(_ name: String, _ help: String, _ counts: CountsByReason) {
        family(name, .counter, help, counts.all.map { ("reason=\"\($0.reason)\"", Double($0.count)) })
    }

    /// A histogram of durations.
    mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        let (counts, sum) = histogram.snapshot
        text += "# HELP consentd_\(name) \(help)\n# TYPE consentd_\(name) histogram\n"
        var total: UInt64 = 0
        for (count, bound) in zip(counts, histogram.bounds.map { Self.number($0) } + ["+Inf"]) {
            total += count
            text += "consentd_\(name)_bucket{le=\"\(bound)\"} \(total)\n"
        }
        text += "consentd_\(name)_sum \(Self.number(sum))\nconsentd_\(name)_count \(total)\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}

extension ServerCore {
    /// All that /metrics shows. Reads files of /proc: not for an event loop that answers checks.
    var metricsText: String {
        var text = MetricsText()
        let register = registerFigures.withLock { $0 }
        let sequence = index.publishedSequence
        text.family(
            "build_info", .gauge, "Version of the server.", [("version=\"\(Identity.version)\"", 1)])
        text.value(
            "ready", .gauge, "Whether marketing checks are answered.", serving.state == .serving ? 1 : 0)
        addTraffic(to: &text)
        text.value("register_sequence", .gauge, "Sequence of the last event that checks know.", sequence)
        text.value("register_events", .gauge, "Events on file.", register.events)
        text.value(
            "register_derived_lag_events", .gauge,
            "Events whose derived rows are not written yet; a start replays them.",
            sequence - min(sequence, register.derivedSequence))
        text.value(
            "register_snapshot_lag_events", .gauge, "Events after the index snapshot on file.",
            sequence - min(sequence, register.snapshotSequence))
        text.value("register_wal_bytes", .gauge, "Size of the write-ahead log.", register.walBytes)
        addIndex(to: &text)
        if let security {
            text.family(
                "certificate_expiry_timestamp_seconds", .gauge, "When the server's certificate ends.",
                [("", Double(security.validUntil.microseconds / 1_000_000))])
        }
        addProcess(to: &text)
        return text.text
    }

    private func addTraffic(to text: inout MetricsText) {
        let checks = metrics.checks.value
        let allows = metrics.allows.value
        let indeterminates = metrics.indeterminates.value
        text.family(
            "checks_total", .counter, "Checks answered, by decision.",
            [
                ("decision=\"allow\"", Double(allows)),
                ("decision=\"deny\"", Double(checks - min(checks, allows + indeterminates))),
                ("decision=\"indeterminate\"", Double(indeterminates)),
            ])
        text.value("events_recorded_total", .counter, "Events recorded.", metrics.writes.value)
        text.value("writes_refused_total", .counter, "Writes that the gate refused.", metrics.refusals.value)
        text.value("commits_total", .counter, "Commits of the register.", metrics.commits.value)
        text.histogram("commit_duration_seconds", "Time of a commit, fsync included.", metrics.commitSeconds)
        text.value(
            "last_commit_timestamp_seconds", .gauge, "When the last commit was; 0: none since the start.",
            metrics.lastCommit.value)
        text.family(
            "writer_busy_seconds_total", .counter, "Time of the writer thread, by stage.",
            [
                ("stage=\"stage\"", Double(metrics.stageTime.value) / 1e9),
                ("stage=\"commit\"", Double(metrics.commitTime.value) / 1e9),
                ("stage=\"publish\"", Double(metrics.publishTime.value) / 1e9),
                ("stage=\"flush\"", Double(metrics.flushTime.value) / 1e9),
            ])
        text.value(
            "connections", .gauge, "Connections open.",
            max(0, metrics.connections.load(ordering: .relaxed)))
        text.reasons(
            "connections_closed_total", "Connections that the server ended, by reason.",
            metrics.closedConnections)
        text.reasons(
            "frames_rejected_total", "Frames that broke the protocol, by reason.", metrics.rejectedFrames)
        text.reasons(
            "access_refused_total", "Calls and callers that a credential does not allow, by reason.",
            metrics.refusedAccess)
        text.reasons("shed_total", "Work turned away for want of room, by reason.", metrics.shed)
    }

    private func addIndex(to text: inout MetricsText) {
        let figures = index.statistics
        text.value("recipients", .gauge, "Contact points in the index.", figures.recipients)
        text.value("profiles", .gauge, "Distinct profiles in the index.", figures.profiles)
        text.value(
            "overflow_recipients", .gauge, "Contact points whose profile found no room in the index's table.",
            figures.overflowEntries)
        text.value("index_bytes", .gauge, "Memory of the index.", figures.touchedBytes)
        text.value(
            "index_huge_page_bytes", .gauge, "Memory of the index in huge pages.", figures.hugePageBytes)
    }

    private func addProcess(to text: inout MetricsText) {
        text.family(
            "process_cpu_seconds_total", .counter, "Processor time of the process.",
            [("", Double(consent_process_cpu_nanoseconds()) / 1e9)])
        text.value(
            "process_resident_memory_bytes", .gauge, "Resident memory of the process.",
            ProcessFigures.residentBytes)
        text.value(
            "process_open_fds", .gauge, "File descriptors open.", ProcessFigures.openDescriptors)
        text.value(
            "process_max_fds", .gauge, "File descriptors that may be open.", ProcessFigures.descriptorsMax)
        text.family(
            "process_uptime_seconds", .gauge, "Time since the start.",
            [("", Double(consent_monotonic_nanoseconds() - identity.startedAt) / 1e9)])
    }
}
