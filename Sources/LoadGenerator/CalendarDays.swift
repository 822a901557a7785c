// Calendar arithmetic of the model: days since 1970-01-01 and months.
//
// Written apart from the domain's own, on purpose: the load tester's expectations are worth something only as
// long as they do not come from the code that they check.

/// Days since 1970-01-01 UTC, and the calendar months between them.
package enum CalendarDays {
    /// Microseconds of a day.
    package static let microseconds: Int64 = 86_400_000_000

    /// The day that a time falls on.
    package static func day(ofMicroseconds time: Int64) -> Int {
        Int(time >= 0 ? time / microseconds : (time + 1) / microseconds - 1)
    }

    /// Year, month 1…12 and day of month 1…31 of a day.
    package static func civil(_ day: Int) -> (year: Int, month: Int, day: Int) {
        var year = 1970 + Int((Double(day) / 365.2425).rounded(.down))
        while firstDay(ofYear: year) > day { year -= 1 }
        while firstDay(ofYear: year + 1) <= day { year += 1 }
        var left = day - firstDay(ofYear: year)
        var month = 1
        while left >= length(year, month) {
            left -= length(year, month)
            month += 1
        }
        return (year, month, left + 1)
    }

    /// The day of a date.
    package static func day(year: Int, month: Int, day: Int) -> Int {
        firstDay(ofYear: year) + (1..<month).reduce(0) { $0 + length(year, $1) } + day - 1
    }

    /// The same day of the month so many months later, or that month's last day where it is shorter.
    package static func day(_ day: Int, plusMonths months: Int) -> Int {
        let from = civil(day)
        let count = from.year * 12 + from.month - 1 + months
        let (year, month) = (count / 12, count % 12 + 1)
        return self.day(year: year, month: month, day: min(from.day, length(year, month)))
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func length(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Day of 1 January; right for years from 1 on.
    private static func firstDay(ofYear year: Int) -> Int {
        let past = year - 1
        return past * 365 + past / 4 - past / 100 + past / 400 - 719_162
    }
}
