// Goal: days, months and times are those of the calendar, and saturate so that an error can only deny.
// Method: tables of known dates; every day of the range both ways; a naive month count as oracle.

import ConsentDomain
import Testing

struct CalendarTests {
    @Test func everyDayBothWays() {
        var expected = CivilDate(year: 1970, month: 1, day: 1)
        for number in 0...65_535 {
            #expect(CivilDate(daysSinceEpoch: number) == expected)
            #expect(expected.daysSinceEpoch == number)
            expected.day += 1
            if expected.day > CivilDate.dayCount(year: expected.year, month: expected.month) {
                expected.day = 1
                expected.month += 1
            }
            if expected.month > 12 {
                expected.month = 1
                expected.year += 1
            }
        }
        #expect(CivilDate(daysSinceEpoch: 65_535) == CivilDate(year: 2149, month: 6, day: 6))
        #expect(CivilDate(year: 0, month: 3, day: 1).daysSinceEpoch == -719_468)
    }

    @Test(arguments: [
        (day(2024, 2, 29), 36, day(2027, 2, 28)), (day(2024, 2, 29), 48, day(2028, 2, 29)),
        (day(2026, 1, 31), 1, day(2026, 2, 28)), (day(2023, 12, 31), 2, day(2024, 2, 29)),
        (day(2026, 8, 15), 0, day(2026, 8, 15)), (day(2026, 12, 15), 1, day(2027, 1, 15)),
        (day(2026, 3, 31), -1, day(2026, 2, 28)), (day(2036, 1, 1), 36, day(2039, 1, 1)),
        (day(2149, 1, 1), 36, Day.last), (day(1970, 1, 2), -36, Day(rawValue: 1)), (Day.none, 36, Day.none),
    ])
    func months(start: Day, months: Int, expected: Day) {
        #expect(start.adding(months: months) == expected)
    }

    @Test func dayOfTimeSaturates() {
        #expect(Timestamp.epoch.day == Day(rawValue: 1))
        #expect(Timestamp(rawValue: .min).day == Day(rawValue: 1))
        #expect(Timestamp.distantFuture.day == Day.last)
        let midnight = time("2026-03-01T00:00:00Z")
        #expect(midnight.day == day(2026, 3, 1))
        #expect(midnight.adding(microseconds: -1).day == day(2026, 2, 28))
        #expect(day(2026, 3, 1).start == midnight)
        #expect(Timestamp.distantFuture.adding(microseconds: 1) == .distantFuture)
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-03-29T12:15:30.25+02:00", 1_774_779_330_250_000),
            ("2038-01-19T03:14:08z", 2_147_483_648_000_000), ("1969-12-31t23:59:59.999999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_799_999_999),
            ("2026-01-01T00:00:00.1234567899-00:30", 1_767_227_400_123_456),
            ("2024-02-29 00:00:00Z", 1_709_164_800_000_000),
        ] as [(String, Int64)])
    func rfc3339Reads(text: String, microseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.rawValue == microseconds)
    }

    @Test(arguments: [
        "", "2026-03-29", "2026-03-29T12:15:30", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+0200", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00Zx",
        "26-01-01T00:00:00Z", "2026-01-01T00:00:00Z ", "２026-01-01T00:00:00Z",
    ])
    func rfc3339Refuses(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func rfc3339RoundTrips() {
        #expect(Timestamp(rawValue: 1_774_779_330_250_000).rfc3339 == "2026-03-29T10:15:30.250000Z")
        #expect(Timestamp(rawValue: -1).rfc3339 == "1969-12-31T23:59:59.999999Z")
        #expect(day(2026, 3, 9).iso8601 == "2026-03-09")
        var random = SeededGenerator(seed: 5)
        for _ in 0..<2_000 {
            // Years 1…9999, which four digits can tell.
            let time = Timestamp(
                rawValue: .random(in: -62_135_596_800_000_000...253_402_300_799_999_999, using: &random))
            #expect(Timestamp(rfc3339: time.rfc3339) == time)
        }
    }

    @Test func everyTimeHasAText() {
        #expect(Timestamp(rawValue: 0).rfc3339 == "1970-01-01T00:00:00Z")
        #expect(Timestamp(rawValue: -1).rfc3339 == "1969-12-31T23:59:59.999999Z")
        #expect(Timestamp(rawValue: .min).rfc3339.hasPrefix("-290308-12-21T19:59:05.224192"))
        #expect(Timestamp(rawValue: .max).rfc3339.hasSuffix("T04:00:54.775807Z"))
    }
}
