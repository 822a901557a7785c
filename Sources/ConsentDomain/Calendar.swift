// Days, calendar months and RFC 3339 times, in UTC and the proleptic Gregorian calendar.
//
// Invariant: whatever cannot be represented saturates towards an earlier end or is refused, so that an error
// can only deny.

/// A date of the proleptic Gregorian calendar.
public struct CivilDate: Hashable, Sendable {
    /// Astronomical year.
    public var year: Int
    /// 1…12.
    public var month: Int
    /// 1…31.
    public var day: Int

    /// A date that must exist.
    public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The date that lies a number of days after 1970-01-01.
    public init(daysSinceEpoch: Int) {
        // Years start in March, so that the leap day is the last one; day 0 is 0000-03-01.
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
    }

    /// Days from 1970-01-01 to this date.
    public var daysSinceEpoch: Int {
        let marchYear = month <= 2 ? year - 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Days of a month, 28…31.
    public static func dayCount(year: Int, month: Int) -> Int {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Day {
    /// The last day that can be told: 2149-06-06.
    public static let last = Day(rawValue: .max)

    /// 00:00 UTC of the day.
    public var start: Timestamp { Timestamp(rawValue: Int64(rawValue) * Timestamp.microsecondsPerDay) }

    /// The date.
    public var civil: CivilDate { CivilDate(daysSinceEpoch: Int(rawValue)) }

    /// The day of a date, saturating into 1…65535.
    public init(_ date: CivilDate) {
        self.init(rawValue: UInt16(clamping: max(1, date.daysSinceEpoch)))
    }

    /// The same day of the month so many calendar months later, or the last of that month where it has no
    /// such day. Saturates at `last`; no day stays no day.
    public func adding(months: Int) -> Day {
        guard self != .none else { return .none }
        var date = civil
        let index = date.year * 12 + (date.month - 1) + months
        date.year = index >= 0 ? index / 12 : (index - 11) / 12
        date.month = index - date.year * 12 + 1
        date.day = min(date.day, CivilDate.dayCount(year: date.year, month: date.month))
        return Day(date)
    }

    /// So many days later, saturating into 1…65535; no day stays no day.
    public func adding(days: Int) -> Day {
        guard self != .none else { return .none }
        return Day(rawValue: UInt16(clamping: max(1, Int(rawValue) + days)))
    }

    /// `YYYY-MM-DD`; empty for no day.
    public var iso8601: String { self == .none ? "" : civil.iso8601 }
}

extension CivilDate {
    /// `YYYY-MM-DD`.
    public var iso8601: String { "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))" }
}

private func padded(_ value: Int, _ count: Int) -> String {
    let digits = String(value.magnitude)
    return (value < 0 ? "-" : "") + String(repeating: "0", count: max(0, count - digits.count)) + digits
}

extension Timestamp {
    /// 86,400,000,000.
    public static let microsecondsPerDay: Int64 = 86_400_000_000

    /// The UTC day, saturating into 1…65535 (1970-01-02 … 2149-06-06).
    public var day: Day {
        let days = Self.floorDivide(rawValue, Self.microsecondsPerDay)
        return Day(rawValue: UInt16(clamping: max(1, days)))
    }

    /// So many microseconds later, saturating.
    public func adding(microseconds: Int64) -> Timestamp {
        let (sum, overflow) = rawValue.addingReportingOverflow(microseconds)
        return Timestamp(rawValue: overflow ? (microseconds > 0 ? .max : .min) : sum)
    }

    /// RFC 3339 in UTC, with six digits of a second where they are not all zero.
    public var rfc3339: String {
        let days = Self.floorDivide(rawValue, Self.microsecondsPerDay)
        // The remainder itself: the start of the first day of all lies before what 64 bits reach.
        let remainder = Int(rawValue % Self.microsecondsPerDay)
        let rest = remainder < 0 ? remainder + Int(Self.microsecondsPerDay) : remainder
        let seconds = rest / 1_000_000
        let fraction = rest % 1_000_000
        let time =
            "\(padded(seconds / 3_600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
        let date = CivilDate(daysSinceEpoch: Int(days)).iso8601
        return fraction == 0 ? "\(date)T\(time)Z" : "\(date)T\(time).\(padded(fraction, 6))Z"
    }

    /// Reads RFC 3339: `2026-03-29T10:15:30Z`, `2026-03-29t12:15:30.25+02:00`. Digits beyond the microsecond
    /// are cut; a leap second is read as the last microsecond before it. Returns nil for anything else.
    public init?(rfc3339 text: String) {
        var text = text
        guard let time = text.withUTF8({ Timestamp(rfc3339: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = time
    }

    /// The same from bytes.
    public init?(rfc3339 text: UnsafeRawBufferPointer) {
        var scanner = DigitScanner(text: text)
        guard let year = scanner.number(digits: 4), scanner.skip("-"),
            let month = scanner.number(digits: 2), scanner.skip("-"),
            let day = scanner.number(digits: 2), scanner.skip("Tt "),
            let hour = scanner.number(digits: 2), scanner.skip(":"),
            let minute = scanner.number(digits: 2), scanner.skip(":"),
            let second = scanner.number(digits: 2),
            (1...12).contains(month), (1...CivilDate.dayCount(year: year, month: month)).contains(day),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var fraction = 0
        if scanner.skip(".") {
            guard let read = scanner.fraction() else { return nil }
            fraction = read
        }
        var offsetMinutes = 0
        if !scanner.skip("Zz") {
            let isEast = scanner.skip("+")
            guard isEast || scanner.skip("-"),
                let offsetHour = scanner.number(digits: 2), scanner.skip(":"),
                let offsetMinute = scanner.number(digits: 2), offsetHour < 24, offsetMinute < 60
            else { return nil }
            offsetMinutes = (offsetHour * 60 + offsetMinute) * (isEast ? 1 : -1)
        }
        guard scanner.isAtEnd else { return nil }
        let days = CivilDate(year: year, month: month, day: day).daysSinceEpoch
        let isLeap = second == 60
        let seconds = days * 86_400 + hour * 3_600 + (minute - offsetMinutes) * 60 + (isLeap ? 59 : second)
        self.init(rawValue: Int64(seconds) * 1_000_000 + Int64(isLeap ? 999_999 : fraction))
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

/// Reads fixed counts of digits.
private struct DigitScanner {
    let text: UnsafeRawBufferPointer
    var position = 0

    init(text: UnsafeRawBufferPointer) { self.text = text }

    var isAtEnd: Bool { position == text.count }

    mutating func skip(_ any: StaticString) -> Bool {
        guard position < text.count else { return false }
        let byte = text[position]
        let found = any.withUTF8Buffer { $0.contains(byte) }
        if found { position += 1 }
        return found
    }

    mutating func number(digits: Int) -> Int? {
        guard text.count - position >= digits else { return nil }
        var value = 0
        for byte in text[position..<position + digits] {
            guard let digit = Self.digit(byte) else { return nil }
            value = value * 10 + digit
        }
        position += digits
        return value
    }

    /// One to any number of digits after the point, in microseconds.
    mutating func fraction() -> Int? {
        let start = position
        var value = 0
        while position < text.count, let digit = Self.digit(text[position]) {
            if position - start < 6 { value = value * 10 + digit }
            position += 1
        }
        guard position > start else { return nil }
        for _ in min(6, position - start)..<6 { value *= 10 }
        return value
    }

    private static func digit(_ byte: UInt8) -> Int? {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int(byte - UInt8(ascii: "0")) : nil
    }
}
