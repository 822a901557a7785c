// The live line on a terminal: what happened in the last second.

/// What one thread counted since it was last asked.
package struct IntervalStatistics: Sendable {
    /// Requests answered.
    package var requests = 0
    /// Checks or writes in them.
    package var units = 0
    /// Errors.
    package var errors = 0
    /// Requests to be sent again.
    package var retries = 0
    /// From the intended send time to the answer.
    package var latency = LatencyHistogram()

    /// Nothing yet.
    package init() {}

    @inline(__always)
    mutating func record(units: Int, nanoseconds: UInt64) {
        requests += 1
        self.units += units
        latency.record(nanoseconds: nanoseconds)
    }

    /// Adds what another thread counted.
    package mutating func add(_ other: IntervalStatistics) {
        requests += other.requests
        units += other.units
        errors += other.errors
        retries += other.retries
        latency.add(other.latency)
    }
}

/// One line's worth of progress.
package struct ProgressSample: Sendable {
    /// Seconds since the run started.
    package var elapsedSeconds: Double
    /// Seconds that the run takes; nil: until there is nothing left.
    package var totalSeconds: Double?
    /// Still warming up.
    package var isWarmUp: Bool
    /// Checks or writes a second over the last interval.
    package var unitsPerSecond: Double
    /// 99th percentile of the last interval, in microseconds.
    package var p99Microseconds: Double
    /// Errors since the start.
    package var errors: Int
    /// Checks or writes since the start.
    package var units: Int

    /// The line, without an end of line.
    ///
    /// - Parameter unit: what is counted: `checks`, `writes`.
    package func line(unit: String) -> String {
        var line = TextFormat.fixed(elapsedSeconds, 1) + " s"
        if let totalSeconds { line += " of " + TextFormat.fixed(totalSeconds, 1) }
        if isWarmUp { line += "  warm-up" }
        line += "  " + TextFormat.grouped(units) + " \(unit)"
        line += "  " + TextFormat.rate(unitsPerSecond) + "/s"
        line += "  p99 " + TextFormat.microseconds(p99Microseconds)
        line += "  \(errors) " + (errors == 1 ? "error" : "errors")
        return line
    }
}

/// Numbers as people read them.
package enum TextFormat {
    /// A number with so many decimals.
    package static func fixed(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (abs(value) * scale).rounded()
        guard scaled < 9e15 else { return "\(value)" }
        let whole = String(Int64(scaled / scale))
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard decimals > 0 else { return sign + whole }
        let rest = String(Int64(scaled) % Int64(scale))
        return sign + whole + "." + String(repeating: "0", count: decimals - rest.count) + rest
    }

    /// A whole number with a comma every three digits.
    package static func grouped(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0 && (digits.count - place) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return value < 0 ? "-" + text : text
    }

    /// A rate with three or four digits: `812`, `93.4 k`, `1.27 M`.
    package static func rate(_ value: Double) -> String {
        switch value {
        case ..<1_000: fixed(value, 0)
        case ..<1_000_000: fixed(value / 1_000, 1) + " k"
        default: fixed(value / 1_000_000, 2) + " M"
        }
    }

    /// A time with three digits and its unit: `87.2 µs`, `131 ms`, `2.04 s`.
    package static func short(microseconds value: Double) -> String {
        func digits(_ value: Double) -> String { fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0) }
        switch value {
        case ..<999.5: return digits(value) + " µs"
        case ..<999_500: return digits(value / 1_000) + " ms"
        default: return digits(value / 1_000_000) + " s"
        }
    }

    /// A time with its unit: `87.2 µs`, `1.31 ms`, `2.04 s`.
    package static func microseconds(_ value: Double) -> String {
        switch value {
        case ..<1_000: fixed(value, 1) + " µs"
        case ..<1_000_000: fixed(value / 1_000, 2) + " ms"
        default: fixed(value / 1_000_000, 2) + " s"
        }
    }
}
