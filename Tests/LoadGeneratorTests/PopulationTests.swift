// Goal: the population is the same whenever it is asked for, has the mix that it promises, and its
// expectations are right.
//
// Method: statistics over a hundred thousand recipients with tolerances far wider than chance; a naive
// oracle that applies a person's events one by one; exact dates for the calendar.

import LoadGenerator
import Testing

@Suite struct PopulationTests {
    static func make(
        seed: UInt64 = 1, recipients: Int = 100_000, controllers: Int = 100, day: Int = 20_781
    ) throws -> Population {
        try Population(seed: seed, recipients: recipients, controllers: controllers, anchorDay: day)
    }

    @Test func sameSeedSamePopulation() throws {
        let (one, again, other) = try (Self.make(), Self.make(), Self.make(seed: 2))
        var different = 0
        for recipient in stride(from: 0, to: one.recipients, by: 37) {
            #expect(
                one.address(of: recipient, space: .seeded) == again.address(of: recipient, space: .seeded))
            let person = one.person(of: recipient)
            #expect(one.consents(of: person) == again.consents(of: person))
            if one.consents(of: person) != other.consents(of: person) { different += 1 }
        }
        #expect(different > 2_000, "another seed should give other people")
    }

    @Test func addressesAreUniqueAndFit() throws {
        let population = try Self.make()
        var seen: Set<String> = []
        for recipient in 0..<population.recipients {
            for space in [AddressSpace.seeded, .missing] {
                let address = population.address(of: recipient, space: space)
                #expect(seen.insert(address).inserted, "two recipients share an address")
                switch population.kind(of: recipient) {
                case .email:
                    #expect(address.hasSuffix(".example") && address.filter { $0 == "@" }.count == 1)
                    #expect(address.utf8.count <= Population.addressBytesMax)
                case .phone:
                    #expect(address.hasPrefix(space == .seeded ? "+336" : "+337") && address.utf8.count == 12)
                    let block = address.dropFirst(4).first
                    let overseas = space == .seeded ? ["3", "9"] : ["0"]
                    #expect(block.map { !overseas.contains(String($0)) } == true, "an overseas number")
                }
            }
        }
    }

    @Test func pinnedAddresses() throws {
        // Values that a released load tester wrote: a register seeded by one version must be readable by
        // the next.
        let population = try Self.make()
        #expect(population.address(of: 0, space: .seeded) == "raphael.dubois.0@univ-lyon.example")
        #expect(population.address(of: 100, space: .seeded) == "+33671940988")
        #expect(population.eventID(person: 3, ordinal: 1).count == 16)
    }

    @Test func layoutIsABijection() throws {
        for (recipients, controllers) in [(1, 1), (7, 3), (1_000, 7), (1_001, 100), (4_096, 1)] {
            let population = try Self.make(recipients: recipients, controllers: controllers)
            for limit in [recipients, (recipients + 1) / 2] {
                var seen: Set<Int> = []
                for controller in 0..<controllers {
                    for kind in RecipientKind.allCases {
                        let count = population.poolCount(
                            controllerIndex: controller, kind: kind, limit: limit)
                        for position in 0..<count {
                            let recipient = population.recipient(
                                controllerIndex: controller, kind: kind, position: position)
                            #expect(population.kind(of: recipient) == kind)
                            #expect(population.controllerIndex(of: recipient) == controller)
                            seen.insert(recipient)
                        }
                    }
                }
                #expect(
                    seen == Set(0..<limit), "\(recipients) recipients, \(controllers) controllers, \(limit)")
            }
        }
    }

    @Test func personsOwnTheirContactPoints() throws {
        let population = try Self.make(recipients: 1_003, controllers: 10)
        for recipient in 0..<population.recipients {
            let person = population.person(of: recipient)
            #expect(population.kind(of: person) == .email)
            #expect(population.controller(of: person) == population.controller(of: recipient))
            #expect(person == recipient || population.secondContact(of: person) == recipient)
            if let second = population.secondContact(of: person) {
                #expect(population.person(of: second) == person && population.kind(of: second) == .phone)
            }
        }
    }

    @Test func mixIsAsPromised() throws {
        let population = try Self.make(recipients: 100_000)
        let people = (0..<population.recipients).filter { population.person(of: $0) == $0 }
        let consents = people.map { population.consents(of: $0) }
        let granters = consents.filter { $0.first != nil }
        func share(_ count: Int, of whole: Int) -> Double { Double(count) / Double(whole) }
        #expect(abs(share(granters.count, of: people.count) - 0.97) < 0.005)
        #expect(abs(share(granters.count { $0.second != nil }, of: granters.count) - 0.30) < 0.01)
        #expect(abs(share(granters.count { $0.denial != nil }, of: granters.count) - 0.10) < 0.01)

        let end = Int64(population.anchorDay) * CalendarDays.microseconds
        let spread = Int64(Population.spreadDays) * CalendarDays.microseconds
        for person in consents {
            for grant in [person.first, person.second].compactMap({ $0 }) {
                #expect(grant.occurredAt < end && grant.occurredAt >= end - spread)
                #expect(grant.purposes & ~PopulationPurpose.allMarketing == 0 && grant.purposes != 0)
                if let denial = person.denial { #expect(denial.occurredAt >= grant.occurredAt) }
            }
        }
        var reasons: [UInt8: Int] = [:]
        let today = population.anchorDay
        for recipient in 0..<population.recipients {
            reasons[
                population.expectedReason(of: recipient, purpose: 2, today: today), default: 0] +=
                1
        }
        let granted =
            reasons[ExpectedReason.consent, default: 0] + reasons[ExpectedReason.expired, default: 0]
        #expect((0.02...0.045).contains(share(reasons[ExpectedReason.expired, default: 0], of: granted)))
        #expect(
            (0.4...0.7).contains(
                share(reasons[ExpectedReason.consent, default: 0], of: population.recipients)))
        #expect(
            (0.02...0.04).contains(
                share(reasons[ExpectedReason.refused, default: 0], of: population.recipients)))
        #expect(
            reasons[ExpectedReason.withdrawn, default: 0] > 0
                && reasons[ExpectedReason.noRecord, default: 0] > 0)
    }

    /// The oracle: the events of a person, in any order, applied to one purpose.
    static func naiveReason(_ consents: PersonConsents, purpose: UInt8, today: Int) -> UInt8 {
        var newest: Int64 = .min
        var denied: (time: Int64, reason: UInt8)?
        if let denial = consents.denial, denial.purposes == 0 || denial.purposes >> purpose & 1 == 1 {
            denied = (denial.occurredAt, denial.isRefusal ? 64 : 65)
        }
        for grant in [consents.second, consents.first] {
            if let grant, grant.purposes >> purpose & 1 == 1, grant.occurredAt > newest {
                newest = grant.occurredAt
            }
        }
        if let denied, newest == .min || denied.time >= newest { return denied.reason }
        if newest == .min { return 96 }
        let (year, month, day) = CalendarDays.civil(Int(newest / 86_400_000_000))
        let last = [31, (year + 3) % 4 == 0 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
        let end = CalendarDays.day(year: year + 3, month: month, day: min(day, last))
        return today < end ? 1 : 82
    }

    @Test func expectationsMatchTheOracle() throws {
        let population = try Self.make(seed: 77, recipients: 20_000)
        for recipient in 0..<population.recipients {
            for purpose in UInt8(1)...3 {
                for today in [population.anchorDay, population.anchorDay + 200] {
                    let expected = Self.naiveReason(
                        population.consents(of: population.person(of: recipient)), purpose: purpose,
                        today: today)
                    #expect(
                        population.expectedReason(of: recipient, purpose: purpose, today: today) == expected,
                        "seed 77, recipient \(recipient), purpose \(purpose), day \(today)")
                }
            }
            #expect(population.expectedReason(of: recipient, purpose: 4, today: 0) == ExpectedReason.service)
        }
    }

    @Test func eventsAreEachPersonsOnceAndSplitAnywhere() throws {
        let population = try Self.make(recipients: 5_000, controllers: 10)
        let whole = Array(SeedEvents(population: population, range: 0..<5_000))
        #expect(Set(whole).count == whole.count)
        let people = (0..<5_000).filter { population.person(of: $0) == $0 }
        #expect(whole.count == people.reduce(0) { $0 + population.consents(of: $1).eventCount })
        let parts =
            Array(SeedEvents(population: population, range: 0..<1_237))
            + Array(SeedEvents(population: population, range: 1_237..<5_000))
        #expect(parts == whole)
        let ids = Set(whole.map { population.eventID(person: $0.person, ordinal: $0.ordinal) })
        #expect(ids.count == whole.count)
        for id in ids.prefix(100) { #expect(id[6] >> 4 == 7 && id[8] >> 6 == 2, "not a UUID of version 7") }
    }

    @Test func markRoundTripsAndNothingElseDoes() throws {
        let population = try Self.make(seed: .max, recipients: 12, controllers: 3)
        #expect(Population(mark: population.mark) == population)
        for mark in [
            "", "1.0", "load-population/1", "load-population/2 seed=1 recipients=5 controllers=1 day=1",
            "load-population/1 seed=1 recipients=0 controllers=1 day=1",
            "load-population/1 seed=1 recipients=5 controllers=9 day=1",
            "load-population/1 recipients=5 seed=1 controllers=1 day=1",
            "load-population/1 seed=x recipients=5 controllers=1 day=1",
        ] {
            #expect(Population(mark: mark) == nil, "\(mark)")
        }
    }

    @Test(arguments: [
        (2024, 2, 29, 2027, 2, 28), (2023, 11, 30, 2026, 11, 30), (2021, 3, 1, 2024, 3, 1),
        (2021, 2, 28, 2024, 2, 28), (1999, 12, 31, 2002, 12, 31), (2097, 2, 28, 2100, 2, 28),
    ])
    func thirtySixMonths(_ date: (Int, Int, Int, Int, Int, Int)) {
        let day = CalendarDays.day(year: date.0, month: date.1, day: date.2)
        let end = CalendarDays.civil(CalendarDays.day(day, plusMonths: 36))
        #expect(end == (date.3, date.4, date.5))
    }

    @Test func daysFollowOneAnother() {
        #expect(CalendarDays.civil(0) == (1970, 1, 1))
        #expect(CalendarDays.day(ofMicroseconds: -1) == -1 && CalendarDays.day(ofMicroseconds: 0) == 0)
        var last = CalendarDays.civil(-800)
        for day in -799..<60_000 {
            let date = CalendarDays.civil(day)
            #expect(CalendarDays.day(year: date.year, month: date.month, day: date.day) == day)
            #expect(date > last && (date.day == last.day + 1 || date.day == 1))
            last = date
        }
    }
}
