// A contact point's state, flattened for checks: what the index keeps and what a state row carries beside the
// fold.
//
// The canonical bytes are the record that a check reads, so equal states intern to one profile:
//
//     0 u8  undeliverable channels (bit n - 1 is channel n)
//     1 u8  channels present       (bit n - 1 is channel n)
//     2 u8  outcome code of channels that are not present (a CellState, 0: none)
//     3 u8  zero
//     4 u16 byte count of the record
//     6 u16 zero
//     8 for each channel present, ascending, 16 bytes:
//           u64 purposes present (bit n is purpose n), u8 outcome code of the others, u8 zero,
//           u16 byte offset of the channel's first cell, 4 zero bytes
//       then for each cell, 8 bytes:
//           u8 outcome code, u8 flags (bit 0: has an end), u16 end day minus anchor day,
//           u16 notice ordinal, u16 zero
//
// Days are relative to the contact point's anchor day (the earliest end in the record), which the index keeps
// in the slot: this keeps distinct profiles few.

/// What a check needs to know of one cell.
public struct CellOutcome: Hashable, Sendable, BitwiseCopyable {
    /// A `CellState`.
    public var code: UInt8
    /// Messages do not arrive on the channel.
    public var isUndeliverable: Bool
    /// Day at whose start a grant ends or a pending one lapses; 0: no end.
    public var untilDay: UInt16
    /// Ordinal of the notice of a grant; 0: none.
    public var noticeOrdinal: UInt16

    /// An outcome from its parts.
    @inlinable
    public init(code: UInt8, isUndeliverable: Bool = false, untilDay: UInt16 = 0, noticeOrdinal: UInt16 = 0) {
        self.code = code
        self.isUndeliverable = isUndeliverable
        self.untilDay = untilDay
        self.noticeOrdinal = noticeOrdinal
    }
}

/// A flattened state: canonical record and anchor day.
public struct ContactProfile: Hashable, Sendable {
    /// The record as drawn above; a multiple of 8 bytes, at most `byteCountMax`.
    public var record: [UInt8]
    /// Day that the record's days are relative to; 0 where none has an end.
    public var anchorDay: UInt16

    /// 8 + 8 channels × 16 + 8 × 63 cells × 8.
    public static let byteCountMax = 8 + 8 * 16 + 8 * 63 * 8

    /// A record as drawn above.
    public init(record: [UInt8], anchorDay: UInt16) {
        self.record = record
        self.anchorDay = anchorDay
    }

    /// Reads one cell from a record that this type made.
    /// - Parameters:
    ///   - record: first byte of the record.
    ///   - channel: raw value of the channel, 1…8.
    ///   - purpose: raw value of the purpose, 1…63.
    @inlinable @inline(__always)
    public static func outcome(
        record: UnsafeRawPointer, anchorDay: UInt16, channel: UInt8, purpose: UInt8
    ) -> CellOutcome {
        let channelBit = UInt8(1) &<< (channel &- 1)
        let undeliverable = record.load(as: UInt8.self) & channelBit != 0
        let present = record.load(fromByteOffset: 1, as: UInt8.self)
        guard present & channelBit != 0 else {
            return CellOutcome(
                code: record.load(fromByteOffset: 2, as: UInt8.self), isUndeliverable: undeliverable)
        }
        let rank = (present & (channelBit &- 1)).nonzeroBitCount
        let directory = record + 8 + rank &* 16
        let purposes = UInt64(littleEndian: directory.load(as: UInt64.self))
        let purposeBit = UInt64(1) &<< UInt64(purpose)
        guard purposes & purposeBit != 0 else {
            return CellOutcome(
                code: directory.load(fromByteOffset: 8, as: UInt8.self), isUndeliverable: undeliverable)
        }
        let first = Int(UInt16(littleEndian: directory.load(fromByteOffset: 10, as: UInt16.self)))
        let cell = record + first + (purposes & (purposeBit &- 1)).nonzeroBitCount &* 8
        let hasEnd = cell.load(fromByteOffset: 1, as: UInt8.self) & 1 != 0
        let relativeDay = UInt16(littleEndian: cell.load(fromByteOffset: 2, as: UInt16.self))
        return CellOutcome(
            code: cell.load(as: UInt8.self), isUndeliverable: undeliverable,
            untilDay: hasEnd ? anchorDay &+ relativeDay : 0,
            noticeOrdinal: UInt16(littleEndian: cell.load(fromByteOffset: 4, as: UInt16.self)))
    }
}
