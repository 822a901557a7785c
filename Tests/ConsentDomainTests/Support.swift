// What the tests of this module share: a seeded generator, shorthands, random values.

import ConsentDomain

/// SplitMix64: the same numbers for the same seed everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    mutating func pick<Element>(_ list: [Element]) -> Element {
        list[Int.random(in: list.indices, using: &self)]
    }
    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
    mutating func digest() -> Digest32 { Digest32(bytes(32)) ?? .zero }
    mutating func text() -> String {
        String((0..<Int.random(in: 0...12, using: &self)).map { _ in pick(Array("aé0 -ß漢🙂\"")) })
    }
}

func purpose(_ number: UInt8) -> PurposeID {
    guard let id = PurposeID(rawValue: number) else { preconditionFailure("purpose \(number)") }
    return id
}

func purposes(_ numbers: UInt8...) -> PurposeSet { PurposeSet(numbers.map(purpose)) }

func time(_ text: String) -> Timestamp {
    guard let time = Timestamp(rfc3339: text) else { preconditionFailure("time \(text)") }
    return time
}

func day(_ year: Int, _ month: Int, _ day: Int) -> Day { Day(CivilDate(year: year, month: month, day: day)) }

/// What normalisation gives. Equal byte for byte: strings would be equal in whatever form they are composed.
enum Normalised: Equatable {
    case success(String)
    case failure(AddressError)

    static func == (one: Normalised, other: Normalised) -> Bool {
        switch (one, other) {
        case (.success(let one), .success(let other)): one.utf8.elementsEqual(other.utf8)
        case (.failure(let one), .failure(let other)): one == other
        default: false
        }
    }
}

/// Normalises; the result as text, or the error.
func normalised(_ kind: ContactKind, _ text: String, region: PhoneRegion? = nil) -> Normalised {
    do throws(AddressError) {
        let address = try ContactAddress(kind: kind, text: text, region: region)
        return .success(String(decoding: address.normalised, as: UTF8.self))
    } catch {
        return .failure(error)
    }
}

extension SeededGenerator {
    mutating func event(_ kind: EventKind? = nil) -> ConsentEvent {
        var event = ConsentEvent(
            kind: kind ?? pick(EventKind.allCases),
            occurredAt: Timestamp(rawValue: .random(in: .min ... .max, using: &self)),
            recordedAt: Timestamp(rawValue: .random(in: .min ... .max, using: &self)))
        event.sequence = next()
        event.controller = ControllerID(rawValue: .random(in: 0 ... .max, using: &self))
        event.contactKind = chance(80) ? pick(ContactKind.allCases) : nil
        event.keyEpoch = .random(in: 0 ... .max, using: &self)
        event.channels = ChannelSet(rawValue: .random(in: 0 ... .max, using: &self))
        event.purposes = PurposeSet(rawValue: next())
        event.pendingChannels = ChannelSet(rawValue: .random(in: 0 ... .max, using: &self))
        event.via = pick(Via.allCases)
        event.source = pick(Source.allCases)
        event.act = pick(Act.allCases)
        event.attestations = Attestations(rawValue: .random(in: 0...31, using: &self))
        event.notice = chance(50) ? digest() : nil
        event.noticeOrdinal = .random(in: 0 ... .max, using: &self)
        event.memo = chance(50) ? digest() : nil
        event.validityDay = Day(rawValue: .random(in: 0 ... .max, using: &self))
        event.retentionDay = Day(rawValue: .random(in: 0 ... .max, using: &self))
        event.lapseDay = Day(rawValue: .random(in: 0 ... .max, using: &self))
        event.refersTo = next()
        event.client = text()
        event.commitment = chance(50) ? digest() : nil
        event.payloadDigest = chance(50) ? digest() : nil
        return event
    }

    mutating func personalPart() -> PersonalPart {
        var part = PersonalPart(
            key: RecipientKey(low: next(), high: next()), eventID: EventID(low: next(), high: next()),
            contentMAC: EventID(low: next(), high: next()), addressCommitment: digest())
        part.reference = text()
        part.staff = text()
        part.evidence.ip = text()
        part.evidence.userAgent = text()
        part.evidence.url = text()
        part.evidence.templateValues = text()
        return part
    }

    mutating func controller() -> Controller {
        var controller = Controller(
            id: ControllerID(rawValue: .random(in: 0 ... .max, using: &self)), code: text(), name: text())
        controller.country = text()
        controller.contact = text()
        controller.kind = pick(ControllerKind.allCases)
        controller.region = text()
        controller.doubleOptIn = ChannelSet(rawValue: .random(in: 0 ... .max, using: &self))
        controller.retentionMonths = .random(in: 0 ... .max, using: &self)
        controller.validityMonths = .random(in: 0 ... .max, using: &self)
        controller.referenceRequired = chance(50)
        controller.jurisdiction = text()
        controller.storageLocation = text()
        controller.recipients = text()
        controller.withdrawalMethod = text()
        controller.closed = chance(50)
        return controller
    }

    mutating func notice() -> Notice {
        let controllers = Set(
            (0..<Int.random(in: 0...5, using: &self)).map { _ in UInt32.random(in: 0 ... .max, using: &self) }
        )
        var notice = Notice(
            locale: text(), text: text() + text(),
            channels: ChannelSet(rawValue: .random(in: 0 ... .max, using: &self)),
            purposes: PurposeSet(rawValue: next()),
            controllers: controllers.sorted().map(ControllerID.init(rawValue:)))
        notice.withdrawalExplained = chance(50)
        notice.dataUseExplained = chance(50)
        notice.policyURL = text()
        notice.conditional = chance(50)
        notice.box = pick(BoxDefault.allCases)
        notice.termsSeparate = chance(50)
        notice.version = text()
        notice.validFrom = Timestamp(rawValue: .random(in: .min ... .max, using: &self))
        return notice
    }
}
