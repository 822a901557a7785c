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
    public static func outcome(
        record: UnsafeRawPointer, anchorDay: UInt16, channel: UInt8, purpose: UInt8
    ) -> CellOutcome {
        withUnsafeBytes(of: (UInt64(0), UInt64(0))) { zeros in
            // A buffer of 16 bytes has an address.
            guard let nothing = zeros.baseAddress else { return CellOutcome(code: 0) }
            return CellPlace(channel: channel, purpose: purpose)
                .outcome(record: record, anchorDay: anchorDay, nothing: nothing)
        }
    }
}

/// Where a cell stands in every record: channel and purpose as bits, made once for many records.
public struct CellPlace: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline let channelBit: UInt64
    @usableFromInline let purposeBit: UInt64

    /// - Parameters:
    ///   - channel: raw value of the channel, 1…8.
    ///   - purpose: raw value of the purpose, 1…63.
    @inlinable @inline(__always)
    public init(channel: UInt8, purpose: UInt8) {
        channelBit = 1 &<< UInt64(channel &- 1)
        purposeBit = 1 &<< UInt64(purpose)
    }

    /// Reads the cell from a record. What a record lacks is read from `nothing` instead, so that one way,
    /// without branches that a processor has to guess, leads through records of all shapes.
    /// - Parameters:
    ///   - record: first byte of a record, at a multiple of 8.
    ///   - nothing: 16 bytes of zeros, at a multiple of 8.
    @inlinable @inline(__always)
    public func outcome(
        record: UnsafeRawPointer, anchorDay: UInt16, nothing: UnsafeRawPointer
    ) -> CellOutcome {
        let head = UInt64(littleEndian: record.load(as: UInt64.self))
        let present = head &>> 8 & 0xFF
        let hasChannel = present & channelBit != 0
        let rank = (present & (channelBit &- 1)).nonzeroBitCount
        let directory = hasChannel ? record + (8 &+ rank &* 16) : nothing
        let purposes = UInt64(littleEndian: directory.load(as: UInt64.self))
        let others = UInt64(littleEndian: directory.load(fromByteOffset: 8, as: UInt64.self))
        let hasCell = purposes & purposeBit != 0
        let first = Int(truncatingIfNeeded: others &>> 16 & 0xFFFF)
        let place = record + (first &+ (purposes & (purposeBit &- 1)).nonzeroBitCount &* 8)
        let cell = UInt64(littleEndian: (hasCell ? place : nothing).load(as: UInt64.self))
        let codeOfOthers = hasChannel ? others : head &>> 16
        let hasEnd = cell &>> 8 & 1 != 0
        return CellOutcome(
            code: UInt8(truncatingIfNeeded: hasCell ? cell : codeOfOthers),
            isUndeliverable: head & channelBit != 0,
            untilDay: hasEnd ? anchorDay &+ UInt16(truncatingIfNeeded: cell &>> 16) : 0,
            noticeOrdinal: UInt16(truncatingIfNeeded: cell &>> 32))
    }
}
