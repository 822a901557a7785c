// Times and durations as people type them.
//
//   TIME      2026-03-29T10:15:30+02:00 (RFC 3339, offset required), or a sequence as @123
//   duration  number and unit, one or more: 30d, 7h, 90m, 10s, 500ms, 20us, 1h30m

import ConsentDomain

/// A time, or a sequence of the register.
package enum PointInRegister: Hashable, Sendable {
    case time(Timestamp)
    case sequence(UInt64)

    /// Reads a TIME; nil for anything else.
    package init?(_ text: String) {
        if text.hasPrefix("@") {
            guard let sequence = UInt64(text.dropFirst()) else { return nil }
            self = .sequence(sequence)
        } else {
            guard let time = Timestamp(rfc3339: text) else { return nil }
            self = .time(time)
        }
    }
}

extension Duration {
    /// Reads a duration such as `30d`, `7h`, `500ms` or `1h30m`. Nil for anything else, for a fraction or a
    /// sign, and beyond a thousand years.
    package init?(text: String) {
        var total: Int64 = 0
        var rest = Substring(text)
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let number = Int64(digits), let microseconds = Self.units[String(unit)] else { return nil }
            let (part, overflow) = number.multipliedReportingOverflow(by: microseconds)
            let (sum, overflowed) = total.addingReportingOverflow(part)
            guard !overflow, !overflowed, sum <= 31_557_600_000_000_000 else { return nil }
            total = sum
        }
        self = .microseconds(total)
    }

    private static let units: [String: Int64] = [
        "us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000,
    ]
}
