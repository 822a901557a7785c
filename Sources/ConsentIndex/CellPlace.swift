// From a record to what it says of one cell, and from there to a reason, without a branch: which shape the
// next record has, and what it means for the question, can't be guessed by a processor.
//
// The record's layout is drawn in ConsentDomain/ContactProfile.swift, whose `outcome` says the same in plain
// words; the tests hold one against the other. The reasons come from `CheckQuery.reason` itself, asked once
// for every case.

import CPlatform
import ConsentDomain

/// Where a cell stands in every record: channel and purpose, prepared once for many records.
package struct CellPlace: BitwiseCopyable {
    /// Channel number less one.
    private let channelShift: UInt64
    private let purposeShift: UInt64

    /// - Parameters:
    ///   - channel: raw value of the channel, 1…8.
    ///   - purpose: raw value of the purpose, 1…63.
    @inline(__always)
    package init(channel: UInt8, purpose: UInt8) {
        channelShift = UInt64(channel &- 1) & 7
        purposeShift = UInt64(purpose) & 63
    }

    /// What a record says of the cell. What the record lacks is read from `nothing` instead.
    /// - Parameters:
    ///   - record: first byte of a record, at a multiple of 8.
    ///   - anchorDay: the day that its days count from.
    ///   - nothing: 16 bytes of zeros, at a multiple of 8.
    @inline(__always)
    package func find(record: UnsafeRawPointer, anchorDay: UInt16, nothing: UnsafeRawPointer) -> FoundCell {
        // Both from `nothing` on: what is masked to zero is there.
        let start = record - nothing
        let head = UInt64(littleEndian: record.load(as: UInt64.self))
        let channels = head &>> 8 & 0xFF
        // Zero or all ones: whether the record has the channel, and the channel the cell.
        let hasChannel = 0 &- (channels &>> channelShift & 1)
        let rank = Int(truncatingIfNeeded: consent_count_ones_u64(channels & (1 &<< channelShift &- 1)))
        let directory = nothing + ((start &+ 8 &+ rank &* 16) & Int(bitPattern: UInt(hasChannel)))
        let purposes = UInt64(littleEndian: directory.load(as: UInt64.self))
        let others = UInt64(littleEndian: directory.load(fromByteOffset: 8, as: UInt64.self))
        let hasCell = 0 &- (purposes &>> purposeShift & 1)
        let place = Int(truncatingIfNeeded: consent_count_ones_u64(purposes & (1 &<< purposeShift &- 1)))
        let first = Int(truncatingIfNeeded: others &>> 16 & 0xFFFF)
        let cellStart = nothing + ((start &+ first &+ place &* 8) & Int(bitPattern: UInt(hasCell)))
        let cell = UInt64(littleEndian: cellStart.load(as: UInt64.self))
        let codeElsewhere = (others & hasChannel) | (head &>> 16 & ~hasChannel)
        let hasEnd = 0 &- (cell &>> 8 & 1)
        return FoundCell(
            code: ((cell & hasCell) | (codeElsewhere & ~hasCell)) & 0xFF,
            isUndeliverable: head &>> channelShift & 1,
            untilDay: (UInt64(anchorDay) &+ cell &>> 16) & 0xFFFF & hasEnd,
            noticeOrdinal: cell &>> 32 & 0xFFFF)
    }

}

/// A `CellOutcome` as words, each in its lowest bits.
package struct FoundCell: BitwiseCopyable {
    var code: UInt64
    var isUndeliverable: UInt64
    var untilDay: UInt64
    var noticeOrdinal: UInt64

    @inline(__always)
    init(code: UInt64, isUndeliverable: UInt64, untilDay: UInt64, noticeOrdinal: UInt64) {
        self.code = code
        self.isUndeliverable = isUndeliverable
        self.untilDay = untilDay
        self.noticeOrdinal = noticeOrdinal
    }

    package init(_ outcome: CellOutcome) {
        self.init(
            code: UInt64(outcome.code), isUndeliverable: outcome.isUndeliverable ? 1 : 0,
            untilDay: UInt64(outcome.untilDay), noticeOrdinal: UInt64(outcome.noticeOrdinal))
    }

    package var outcome: CellOutcome {
        CellOutcome(
            code: UInt8(truncatingIfNeeded: code), isUndeliverable: isUndeliverable != 0,
            untilDay: UInt16(truncatingIfNeeded: untilDay),
            noticeOrdinal: UInt16(truncatingIfNeeded: noticeOrdinal))
    }
}

/// The reason of every case that a check can meet, two bytes each:
///
///     index   bits 5…12 outcome code, 4 undeliverable, 3 class service, 2 notice invalid, 1 has an end,
///             0 today is not before the end
///     entry   bits 0…7 reason, 8…15 all ones where the reason is consent, whose end is told
package struct AnswerTable: @unchecked Sendable {
    // Sendable: written before anyone reads it, never after, and never freed.
    private let entries: UnsafePointer<UInt16>

    private static let count = 256 * 32

    /// The one table, as old as the process.
    package static let shared = AnswerTable()

    private init() {
        let entries = UnsafeMutablePointer<UInt16>.allocate(capacity: Self.count)
        for index in 0..<Self.count {
            let hasEnd = index & 2 != 0
            let hasPassed = index & 1 != 0
            let query = CheckQuery(
                channel: 1, purpose: 1, isService: index & 8 != 0, today: hasPassed ? 2 : 1, now: 0)
            let outcome = CellOutcome(
                code: UInt8(index >> 5), isUndeliverable: index & 16 != 0, untilDay: hasEnd ? 2 : 0)
            let reason = query.reason(for: outcome, noticeInvalidFrom: index & 4 != 0 ? 0 : .max)
            (entries + index).initialize(to: UInt16(reason) | (reason == 1 ? 0xFF00 : 0))
        }
        self.entries = UnsafePointer(entries)
    }

    /// Reason, and the day that is told: the end of a consent, else 0.
    @inline(__always)
    package func answer(
        _ cell: FoundCell, isService: Bool, today: UInt16, now: Int64, noticeInvalidFrom: Int64
    ) -> (reason: UInt8, untilDay: UInt16) {
        let hasPassed = consent_opaque_u64(UInt64(today) >= cell.untilDay ? 1 : 0)
        let hasEnd = consent_opaque_u64(cell.untilDay != 0 ? 2 : 0)
        let isInvalid: UInt64 = now >= noticeInvalidFrom ? 4 : 0
        let flags = hasPassed | hasEnd | isInvalid | (isService ? 8 : 0)
        let entry = entries[Int(truncatingIfNeeded: cell.code &<< 5 | cell.isUndeliverable &<< 4 | flags)]
        let mask = UInt16(bitPattern: Int16(bitPattern: entry) &>> 8)
        return (UInt8(truncatingIfNeeded: entry), UInt16(truncatingIfNeeded: cell.untilDay) & mask)
    }
}
