// Measures the index alone, in process: nanoseconds a check, bytes a recipient, and what growth does to
// readers.
//
// Why beside consent-load: there, sockets and the kernel's copying hide a change of some nanoseconds. Figures
// of passes are given as minimum and median: the minimum is what the code costs when nobody else uses the
// core.

import ArgumentParser
import CPlatform
import ConsentDomain
import ConsentIndex
import Foundation
import Histogram

@main
struct IndexBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index-bench", abstract: "Measures the index of consentd alone, in process.",
        subcommands: [Check.self, Grow.self, Race.self])
}

/// Contact points with the population that performance rows are stated for: an end within 36 months, four
/// purposes, three in ten with a second end, one in ten withdrawn.
struct Population {
    static let constant = SlotKey(low: 0x1234_5678_9ABC_DEF1, high: 0x0FED_CBA9_8765_4321)
    private static let firstDay: UInt16 = 20_000
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    mutating func key() -> RecipientKey { RecipientKey(low: next(), high: next()) }

    /// The record of one channel with one to four of its purposes, and the day that its days count from.
    mutating func profile() -> ContactProfile {
        let word = next()
        let first = Self.firstDay + UInt16(word % 1_095)
        let second = word >> 16 % 10 < 3 ? Self.firstDay + UInt16(word >> 24 % 1_095) : first
        let anchor = min(first, second)
        let isWithdrawn = word >> 40 % 10 == 0
        let purposes = (1...4).filter { $0 == 4 || word >> (48 + $0) & 1 == 1 }
        var bytes = [UInt8](repeating: 0, count: 8 + 16 + purposes.count * 8)
        bytes[1] = 1
        bytes[4] = UInt8(bytes.count)
        bytes[8] = purposes.reduce(0) { $0 | 1 << UInt8($1) }
        bytes[8 + 10] = 24
        for (place, purpose) in purposes.enumerated() {
            let cell = 24 + place * 8
            let relative = (purpose == 4 ? second : first) - anchor
            bytes[cell] = isWithdrawn ? 4 : 2
            bytes[cell + 1] = isWithdrawn ? 0 : 1
            bytes[cell + 2] = isWithdrawn ? 0 : UInt8(relative & 0xFF)
            bytes[cell + 3] = isWithdrawn ? 0 : UInt8(relative >> 8)
            bytes[cell + 4] = UInt8(1 + word >> 52 % 4)
        }
        return ContactProfile(record: bytes, anchorDay: isWithdrawn ? 0 : anchor)
    }

    static let query = CheckQuery(
        channel: 1, purpose: 4, isService: false, today: firstDay + 300, now: Int64(firstDay) * 86_400_000_000
    )
}

/// An index that was filled, with what it holds at hand.
struct FilledIndex {
    let index: ConsentIndex
    var keys: [RecipientKey] = []

    /// - Parameter later: how many more will be added; their memory is not part of what a write costs.
    init(recipients: Int, later: Int = 0, hugePages: Bool, population: inout Population) throws {
        index = try ConsentIndex(configuration: IndexConfiguration(hugePages: hugePages))
        keys.reserveCapacity(recipients + later)
        for _ in 0..<recipients { try add(&population) }
        index.publish(sequence: 1)
    }

    mutating func add(_ population: inout Population) throws {
        let key = population.key()
        try index.put(SlotKey(key, constant: Population.constant), profile: population.profile())
        keys.append(key)
    }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Nanoseconds a check, and bytes a recipient.")

    @Option(help: "Contact points.") var recipients = 1_000_000
    @Option(help: "Keys a call.") var batch = 1_000
    @Option(help: "Share of keys that are there.") var hitRatio = 0.9
    @Option(help: "Passes over a million keys.") var passes = 30
    @Option(help: "What all follows from.") var seed: UInt64 = 1
    @Flag(inversion: .prefixedNo, help: "Ask the system for huge pages.") var hugePages = true

    func run() throws {
        var population = Population(seed: seed)
        let filled = try FilledIndex(recipients: recipients, hugePages: hugePages, population: &population)
        let asked = (0..<1_000_000 / batch * batch).map { _ in
            Double(population.next() % 1_000) < hitRatio * 1_000
                ? filled.keys[Int(population.next() % UInt64(recipients))] : population.key()
        }
        let queries = asked.map {
            SlotQuery(
                key: SlotKey($0, constant: Population.constant), channel: 1, purpose: 4, isService: false)
        }
        let statistics = filled.index.statistics
        print("recipients \(statistics.recipients), profiles \(statistics.profiles)")
        print("load \(rounded(statistics.load))")
        print(
            "bytes a recipient \(rounded(Double(statistics.touchedBytes) / Double(recipients))), huge pages "
                + "\(rounded(Double(statistics.hugePageBytes) / Double(statistics.touchedBytes)))")
        try measure("one question", asked.count) { start, reasons, days in
            asked.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                filled.index.check(
                    keys: base + start * 16, count: batch, constant: Population.constant,
                    query: Population.query, reasons: reasons, untilDays: days)
            }
        }
        try measure("a question each", asked.count) { start, reasons, days in
            queries.withUnsafeBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                filled.index.check(
                    queries: base + start, count: batch, today: Population.query.today,
                    now: Population.query.now, reasons: reasons, untilDays: days)
            }
        }
    }

    private func measure(
        _ name: String, _ count: Int,
        _ body: (Int, UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<UInt16>) -> Void
    ) throws {
        var reasons = [UInt8](repeating: 0, count: batch)
        var days = [UInt16](repeating: 0, count: batch)
        var figures: [Double] = []
        var allowed = 0
        for _ in 0..<passes {
            allowed = 0
            let start = consent_monotonic_nanoseconds()
            for place in stride(from: 0, to: count, by: batch) {
                reasons.withUnsafeMutableBufferPointer { reasons in
                    days.withUnsafeMutableBufferPointer { days in
                        guard let reasons = reasons.baseAddress, let days = days.baseAddress else { return }
                        body(place, reasons, days)
                    }
                }
                allowed += reasons[0] == 1 ? 1 : 0
            }
            figures.append(Double(consent_monotonic_nanoseconds() - start) / Double(count))
        }
        figures.sort()
        print(
            "\(name), \(batch) keys a call: min \(rounded(figures[0])) ns a check, median "
                + "\(rounded(figures[figures.count / 2])), \(allowed) first keys allowed")
    }
}

struct Grow: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "What readers feel while the index grows: a histogram of calls of 16 keys, quiet and growing.")

    @Option(help: "Contact points before.") var from = 1_000_000
    @Option(help: "Contact points after.") var to = 3_000_000
    @Option(help: "New contact points a second; 0: as fast as it goes.") var rate = 0.0
    @Option(help: "What all follows from.") var seed: UInt64 = 1
    @Flag(inversion: .prefixedNo, help: "Ask the system for huge pages.") var hugePages = true

    func run() throws {
        var population = Population(seed: seed)
        var filled = try FilledIndex(
            recipients: from, later: max(to - from, 0), hugePages: hugePages, population: &population)
        let asked = filled.keys
        let index = filled.index
        let quiet = Reader(index: index, keys: asked)
        quiet.start()
        Thread.sleep(forTimeInterval: 3)
        print(quiet.stop(as: "quiet"))

        let slots = index.statistics.slots
        let growing = Reader(index: index, keys: asked)
        growing.start()
        var writes = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        let started = consent_monotonic_nanoseconds()
        for number in 0..<max(to - from, 0) {
            let before = consent_monotonic_nanoseconds()
            if rate > 0, Double(number) > Double(before - started) * rate / 1e9 {
                Thread.sleep(forTimeInterval: 0.0005)
            }
            let begun = consent_monotonic_nanoseconds()
            try filled.add(&population)
            writes.record(consent_monotonic_nanoseconds() - begun)
        }
        print(growing.stop(as: "growing from \(slots) to \(index.statistics.slots) slots"))
        print("one write: " + summary(writes))
        let statistics = index.statistics
        print("bytes a recipient \(rounded(Double(statistics.touchedBytes) / Double(statistics.recipients)))")
    }
}

/// A thread that checks without a pause and notes how long each call took.
final class Reader: @unchecked Sendable {
    // Sendable: the histogram is the thread's until `stop` has joined it.
    private let index: ConsentIndex
    private let keys: [RecipientKey]
    private let mustStop = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    private let ended = DispatchSemaphore(value: 0)
    private var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    /// Calls of 50 µs and more between which the system took the processor away.
    private var interrupted = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    private var wrong = 0

    init(index: ConsentIndex, keys: [RecipientKey]) {
        self.index = index
        self.keys = keys
        mustStop.initialize(to: 0)
    }

    func start() {
        Thread.detachNewThread { self.run() }
    }

    func stop(as name: String) -> String {
        consent_atomic_store_release_u64(mustStop, 1)
        ended.wait()
        let apart =
            interrupted.totalCount == 0
            ? "" : "\n  apart, the processor was taken away: \(summary(interrupted))"
        return "\(name): \(summary(latencies)); \(wrong) wrong answers\(apart)\n" + bars(latencies)
    }

    private func run() {
        var reasons = [UInt8](repeating: 0, count: 16)
        var days = [UInt16](repeating: 0, count: 16)
        var place = 0
        var calls = 0
        var preemptions = consent_thread_preemptions()
        while consent_atomic_load_acquire_u64(mustStop) == 0 {
            let start = consent_monotonic_nanoseconds()
            keys.withUnsafeBytes { bytes in
                reasons.withUnsafeMutableBufferPointer { reasons in
                    days.withUnsafeMutableBufferPointer { days in
                        guard let base = bytes.baseAddress, let reasons = reasons.baseAddress,
                            let days = days.baseAddress
                        else { return }
                        index.check(
                            keys: base + place * 16, count: 16, constant: Population.constant,
                            query: Population.query, reasons: reasons, untilDays: days)
                    }
                }
            }
            let taken = consent_monotonic_nanoseconds() - start
            calls += 1
            if taken >= 50_000 || calls & 0xFF == 0 {
                let now = consent_thread_preemptions()
                if taken >= 50_000 && now > preemptions {
                    interrupted.record(taken)
                } else {
                    latencies.record(taken)
                }
                preemptions = now
            } else {
                latencies.record(taken)
            }
            // Each of these keys is on file, so "nothing on file" is wrong.
            wrong += reasons.count { $0 == 96 }
            place = place + 16 > keys.count - 16 ? 0 : place + 16
        }
        ended.signal()
    }
}

func rounded(_ number: Double) -> String { String(format: "%.2f", number) }

/// Percentiles in microseconds.
func summary(_ histogram: Histogram<UInt64>) -> String {
    let percentiles = [50.0, 99, 99.9, 99.99].map {
        "p\($0) \(rounded(Double(histogram.valueAtPercentile($0)) / 1_000))"
    }
    return "\(histogram.totalCount) calls, µs: \(percentiles.joined(separator: ", ")), max "
        + rounded(Double(histogram.max) / 1_000)
}

/// Calls by powers of two of microseconds.
func bars(_ histogram: Histogram<UInt64>) -> String {
    var lines: [String] = []
    var low: UInt64 = 0
    var high: UInt64 = 1_000
    while low < histogram.max {
        let count = histogram.count(within: low...(high - 1))
        if count > 0 {
            let length = Int(log2(Double(count)) + 1)
            lines.append(
                "  < \(high / 1_000) µs".padding(toLength: 14, withPad: " ", startingAt: 0)
                    + String(repeating: "█", count: length) + " \(count)")
        }
        low = high
        high *= 2
    }
    return lines.joined(separator: "\n")
}
