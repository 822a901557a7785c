// What each person of the population agreed to, and the answer that follows from it.
//
//   97 %  a grant; 30 % of them a second one on another day; 10 % of them took it back later,
//         half of those for everything, half for one purpose
//    3 %  said no to everything when asked
//
// Purposes 1…3 are marketing, purpose 4 is service. Days are uniform over a little more than 36 months,
// which is also how long a consent lasts.

/// Reasons that the model predicts, with their numbers on the wire.
package enum ExpectedReason {
    /// A consent covers it.
    package static let consent: UInt8 = 1
    /// Needs no consent.
    package static let service: UInt8 = 2
    /// Refused.
    package static let refused: UInt8 = 64
    /// Withdrawn.
    package static let withdrawn: UInt8 = 65
    /// Expired.
    package static let expired: UInt8 = 82
    /// Nothing on file.
    package static let noRecord: UInt8 = 96

    /// Whether a reason allows.
    @inline(__always)
    package static func isAllow(_ reason: UInt8) -> Bool { reason >= 1 && reason <= 15 }

    /// The reason as callers see it who may not see the finer forms (the server answers these with the coarse
    /// one or with the finer one, depending on the credential).
    @inline(__always)
    package static func coarse(_ reason: UInt8) -> UInt8 {
        switch reason {
        case 97, 98: 96
        case 67: 66
        case 68: 65
        case 69: 64
        default: reason
        }
    }
}

/// The purposes that the population uses.
package enum PopulationPurpose {
    /// Marketing purposes: id, code, title.
    package static let marketing: [(id: UInt8, code: String, title: String)] = [
        (1, "load-newsletter", "Newsletter"), (2, "load-promotions", "Promotions"),
        (3, "load-events", "Events"),
    ]
    /// The service purpose: id, code, title.
    package static let service: (id: UInt8, code: String, title: String) = (4, "load-reminders", "Reminders")
    /// All marketing purposes as bits: bit n is purpose n.
    package static let allMarketing: UInt8 = 0b1110
}

/// What one person did.
package struct PersonConsents: Hashable, Sendable {
    /// A grant: when, and for which purposes (bit n is purpose n).
    package struct Grant: Hashable, Sendable {
        /// Microseconds since the Unix epoch.
        package let occurredAt: Int64
        /// Bit n is purpose n.
        package let purposes: UInt8
    }

    /// A withdrawal or refusal, later than every grant.
    package struct Denial: Hashable, Sendable {
        /// Microseconds since the Unix epoch.
        package let occurredAt: Int64
        /// Bit n is purpose n; 0: all channels and purposes.
        package let purposes: UInt8
        /// Said no when asked; otherwise took a consent back.
        package let isRefusal: Bool

        /// Whether it covers a marketing purpose.
        package func covers(_ purpose: UInt8) -> Bool { purposes == 0 || purposes & 1 << purpose != 0 }
    }

    /// First grant; nil for those who said no.
    package let first: Grant?
    /// Second grant.
    package let second: Grant?
    /// Denial.
    package let denial: Denial?

    /// Number of events that record it, for each contact point.
    package var eventCount: Int { (first == nil ? 0 : 1) + (second == nil ? 0 : 1) + (denial == nil ? 0 : 1) }
}

extension Population {
    /// What a person did.
    ///
    /// - Parameter person: number of the person's first contact point.
    package func consents(of person: Int) -> PersonConsents {
        var bits = SeededGenerator(seed: seed ^ 0x636f_6e73, stream: UInt64(person))
        let end = Int64(anchorDay) * CalendarDays.microseconds
        let spread = Population.spreadDays * Int(CalendarDays.microseconds)
        func someTime(_ bits: inout SeededGenerator) -> Int64 { end - 1 - Int64(bits.below(spread)) }

        if bits.below(100) < 3 {
            let denial = PersonConsents.Denial(occurredAt: someTime(&bits), purposes: 0, isRefusal: true)
            return PersonConsents(first: nil, second: nil, denial: denial)
        }
        let first = PersonConsents.Grant(occurredAt: someTime(&bits), purposes: UInt8(1 + bits.below(7)) << 1)
        var second: PersonConsents.Grant?
        if bits.below(100) < 30 {
            second = PersonConsents.Grant(
                occurredAt: someTime(&bits), purposes: UInt8(1 + bits.below(7)) << 1)
        }
        var denial: PersonConsents.Denial?
        if bits.below(100) < 10 {
            let last = max(first.occurredAt, second?.occurredAt ?? first.occurredAt)
            let time = last + Int64(bits.below(Int(end - last)))
            let purposes: UInt8 = bits.below(2) == 0 ? 0 : 1 << UInt8(1 + bits.below(3))
            denial = PersonConsents.Denial(occurredAt: time, purposes: purposes, isRefusal: false)
        }
        return PersonConsents(first: first, second: second, denial: denial)
    }

    /// Number of a reason that a check on the recipient's own channel must give.
    ///
    /// - Parameters:
    ///   - recipient: number of the contact point.
    ///   - purpose: 1…4.
    ///   - today: day of the server's `now`.
    package func expectedReason(of recipient: Int, purpose: UInt8, today: Int) -> UInt8 {
        if purpose == PopulationPurpose.service.id { return ExpectedReason.service }
        let consents = consents(of: person(of: recipient))
        if let denial = consents.denial, denial.covers(purpose) {
            return denial.isRefusal ? ExpectedReason.refused : ExpectedReason.withdrawn
        }
        var latest: Int64?
        for grant in [consents.first, consents.second] {
            guard let grant, grant.purposes & 1 << purpose != 0 else { continue }
            latest = max(latest ?? grant.occurredAt, grant.occurredAt)
        }
        guard let latest else { return ExpectedReason.noRecord }
        let end = CalendarDays.day(
            CalendarDays.day(ofMicroseconds: latest), plusMonths: Population.validityMonths)
        return today >= end ? ExpectedReason.expired : ExpectedReason.consent
    }

    /// Number of the reason for an address that was never seeded.
    package static func expectedReasonOfMiss(purpose: UInt8) -> UInt8 {
        purpose == PopulationPurpose.service.id ? ExpectedReason.service : ExpectedReason.noRecord
    }
}
