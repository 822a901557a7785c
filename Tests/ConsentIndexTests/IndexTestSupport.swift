// What the index tests share: seeded numbers, a plain model of a contact point, and its encoding as a record.

import ConsentDomain
import ConsentIndex
import TestRandomness

extension SeededGenerator {
    mutating func key() -> SlotKey { SlotKey(low: next(), high: next()) }
}

/// A contact point as a reader of the domain page would note it down: no bytes, no relative days.
struct ModelContact: Hashable {
    struct Place: Hashable {
        var channel: UInt8
        var purpose: UInt8
    }
    struct Entry: Hashable {
        var code: UInt8
        var untilDay: UInt16 = 0
        var notice: UInt16 = 0
    }
    var cells: [Place: Entry] = [:]
    /// Codes of a named channel's other purposes.
    var channelCodes: [UInt8: UInt8] = [:]
    /// Code of channels that are not named.
    var otherCode: UInt8 = 0
    var undeliverable: Set<UInt8> = []

    func outcome(channel: UInt8, purpose: UInt8) -> CellOutcome {
        let entry =
            cells[Place(channel: channel, purpose: purpose)]
            ?? Entry(code: channelCodes[channel] ?? otherCode)
        return CellOutcome(
            code: entry.code, isUndeliverable: undeliverable.contains(channel), untilDay: entry.untilDay,
            noticeOrdinal: entry.notice)
    }

    /// One cell on one channel.
    static func single(
        channel: UInt8 = 1, purpose: UInt8 = 2, code: UInt8 = 2, untilDay: UInt16 = 0, notice: UInt16 = 0
    ) -> ModelContact {
        var contact = ModelContact()
        contact.channelCodes[channel] = 0
        contact.cells[Place(channel: channel, purpose: purpose)] = Entry(
            code: code, untilDay: untilDay, notice: notice)
        return contact
    }

    /// Any shape: up to three channels, up to five cells each.
    static func random(_ numbers: inout SeededGenerator, dayCount: Int = 900) -> ModelContact {
        var contact = ModelContact()
        contact.otherCode = numbers.below(4) == 0 ? UInt8(numbers.below(13)) : 0
        if numbers.below(8) == 0 { contact.undeliverable.insert(UInt8(1 + numbers.below(8))) }
        for _ in 0..<numbers.below(4) {
            let channel = UInt8(1 + numbers.below(8))
            contact.channelCodes[channel] = numbers.below(3) == 0 ? UInt8(numbers.below(13)) : 0
            for _ in 0..<numbers.below(6) {
                let day = numbers.below(5) == 0 ? 0 : UInt16(20_000 + numbers.below(dayCount))
                contact.cells[Place(channel: channel, purpose: UInt8(1 + numbers.below(63)))] = Entry(
                    code: UInt8(numbers.below(13)), untilDay: day, notice: UInt16(numbers.below(50)))
            }
        }
        return contact
    }

    /// The record as ContactProfile.swift draws it.
    var profile: ContactProfile {
        let anchor = cells.values.map(\.untilDay).filter { $0 != 0 }.min() ?? 0
        let channels = channelCodes.keys.sorted()
        var directory: [UInt8] = []
        var list: [UInt8] = []
        for channel in channels {
            let own = cells.filter { $0.key.channel == channel }.sorted { $0.key.purpose < $1.key.purpose }
            let purposes = own.reduce(UInt64(0)) { $0 | 1 << UInt64($1.key.purpose) }
            let first = UInt16(8 + channels.count * 16 + list.count)
            directory += bytes(purposes) + [channelCodes[channel] ?? 0, 0] + bytes(first) + [0, 0, 0, 0]
            for (_, entry) in own {
                let hasEnd: UInt8 = entry.untilDay == 0 ? 0 : 1
                list += [entry.code, hasEnd] + bytes(hasEnd == 0 ? 0 : entry.untilDay - anchor)
                list += bytes(entry.notice) + [0, 0]
            }
        }
        let present = channels.reduce(UInt8(0)) { $0 | 1 << ($1 - 1) }
        let dead = undeliverable.reduce(UInt8(0)) { $0 | 1 << ($1 - 1) }
        let head = [dead, present, otherCode, 0] + bytes(UInt16(8 + directory.count + list.count)) + [0, 0]
        return ContactProfile(record: head + directory + list, anchorDay: anchor)
    }
}

/// Little-endian bytes of a number.
func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> Number($0 * 8)) }
}

/// What a batch answered.
struct BatchAnswer: Hashable {
    var reasons: [UInt8]
    var untilDays: [UInt16]
}

extension ConsentIndex {
    /// Checks recipient keys, laid out as on the wire at an odd address.
    func check(_ keys: [SlotKey], constant: SlotKey = SlotKey(low: 0, high: 0), _ query: CheckQuery)
        -> BatchAnswer
    {
        var wire: [UInt8] = [0]
        for key in keys { wire += bytes(key.low) + bytes(key.high) }
        // One item more than asked for, to see that it stays as it was.
        var reasons = [UInt8](repeating: 0xEE, count: keys.count + 1)
        var days = [UInt16](repeating: 0xEEEE, count: keys.count + 1)
        wire.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            check(
                keys: base + 1, count: keys.count, constant: constant, query: query, reasons: &reasons,
                untilDays: &days)
        }
        precondition(reasons.removeLast() == 0xEE && days.removeLast() == 0xEEEE, "wrote past the end")
        return BatchAnswer(reasons: reasons, untilDays: days)
    }

    func check(_ queries: [SlotQuery], today: UInt16, now: Int64) -> BatchAnswer {
        var reasons = [UInt8](repeating: 0xEE, count: queries.count)
        var days = [UInt16](repeating: 0xEEEE, count: queries.count)
        queries.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            check(
                queries: base, count: queries.count, today: today, now: now, reasons: &reasons,
                untilDays: &days)
        }
        return BatchAnswer(reasons: reasons, untilDays: days)
    }
}
