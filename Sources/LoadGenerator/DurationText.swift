// Durations on a command line: `10s`, `500ms`, `2m`, `1h`.

/// Reads durations.
package enum DurationText {
    /// Nanoseconds of a text; nil for anything that is no duration, or longer than a year.
    package static func nanoseconds(_ text: String) -> UInt64? {
        let units: [(suffix: String, nanoseconds: Double)] = [
            ("ms", 1e6), ("us", 1e3), ("s", 1e9), ("m", 60e9), ("h", 3_600e9), ("d", 86_400e9),
        ]
        for unit in units where text.hasSuffix(unit.suffix) {
            let digits = text.dropLast(unit.suffix.count)
            guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
                let number = Double(digits)
            else { return nil }
            let nanoseconds = number * unit.nanoseconds
            return nanoseconds <= 366 * 86_400e9 ? UInt64(nanoseconds) : nil
        }
        return nil
    }
}
