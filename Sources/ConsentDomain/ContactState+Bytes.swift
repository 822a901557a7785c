// The bytes of a state in its register row. The row's checksum is the register's.
//
//     0 u8  version = 1       4 u32 controller       16 u16 retention day      20 u8  scoped denial count
//     1 u8  contact kind      8 u64 last sequence    18 u8  flags (1: erasure) 21 u8  zero
//     2 u16 key epoch                                19 u8  undeliverable count 22 u16 cell count
//    24 erasure if present, then undeliverable channels, scoped denials, cells:
//       undeliverable   u8 channel, i64 occurred at, u64 sequence
//       scoped denial   u8 channel or 0, u8 purpose or 0, denial
//       cell            u8 channel, u8 purpose, u8 marks (1 grant, 2 shadowed, 4 pending, 8 denial,
//                       16 unproven), then the marks present
//       grant           i64 occurred at, u64 sequence, u16 until day, u16 notice ordinal, u8 imported
//       denial          u8 state, i64 occurred at, u64 sequence

extension ContactState {
    /// The bytes of the state row.
    public var encoded: [UInt8] {
        var writer = CanonicalWriter(reserving: 24 + 48 * cells.count + 24 * scopedDenials.count)
        writer.append(1 as UInt8)
        writer.append(kind.rawValue)
        writer.append(keyEpoch)
        writer.append(controller.rawValue)
        writer.append(lastSequence)
        writer.append(retentionDay.rawValue)
        writer.append((erasure == nil ? 0 : 1) as UInt8)
        writer.append(UInt8(undeliverable.count))
        writer.append(UInt8(scopedDenials.count))
        writer.append(0 as UInt8)
        writer.append(UInt16(cells.count))
        if let erasure { writer.append(erasure) }
        for mark in undeliverable {
            writer.append(mark.channel.rawValue)
            writer.append(mark.occurredAt.rawValue)
            writer.append(mark.sequence)
        }
        for denial in scopedDenials {
            writer.append(denial.channel?.rawValue ?? 0)
            writer.append(denial.purpose?.rawValue ?? 0)
            writer.append(denial.mark)
        }
        for cell in cells {
            writer.append(cell.channel.rawValue)
            writer.append(cell.purpose.rawValue)
            var marks: UInt8 = cell.grant == nil ? 0 : 1
            if cell.shadowed != nil { marks |= 2 }
            if cell.pending != nil { marks |= 4 }
            if cell.denial != nil { marks |= 8 }
            if cell.unproven != nil { marks |= 16 }
            writer.append(marks)
            for case let mark? in [cell.grant, cell.shadowed, cell.pending] { writer.append(mark) }
            for case let mark? in [cell.denial, cell.unproven] { writer.append(mark) }
        }
        return writer.bytes
    }

    /// Reads the bytes of a state row.
    public init(decoding bytes: [UInt8]) throws(CanonicalFormError) {
        var reader = CanonicalReader(bytes, form: "state")
        try reader.version()
        let kind: ContactKind = try reader.value("contact kind")
        let keyEpoch: UInt16 = try reader.read()
        self.init(controller: ControllerID(rawValue: try reader.read()), kind: kind)
        self.keyEpoch = keyEpoch
        lastSequence = try reader.read()
        retentionDay = Day(rawValue: try reader.read())
        let hasErasure = try reader.flag("flags")
        let undeliverableCount = Int(try reader.read(UInt8.self))
        let scopedCount = Int(try reader.read(UInt8.self))
        try reader.zeros("zero byte", count: 1)
        let cellCount = Int(try reader.read(UInt16.self))
        if hasErasure { erasure = try reader.denial() }
        for _ in 0..<undeliverableCount {
            let mark = UndeliverableMark(
                channel: try reader.value("channel"), occurredAt: Timestamp(rawValue: try reader.read()),
                sequence: try reader.read())
            if let last = undeliverable.last, last.channel >= mark.channel {
                throw reader.bad("undeliverable channel", mark.channel.rawValue)
            }
            undeliverable.append(mark)
        }
        for _ in 0..<scopedCount {
            let denial = try reader.scopedDenial()
            if let last = scopedDenials.last, last.order >= denial.order {
                throw reader.bad("scoped denial", denial.order)
            }
            scopedDenials.append(denial)
        }
        for _ in 0..<cellCount {
            let cell = try reader.cell()
            if let last = cells.last, (last.channel, last.purpose) >= (cell.channel, cell.purpose) {
                throw reader.bad("cell", cell.purpose.rawValue)
            }
            cells.append(cell)
        }
        try reader.finish()
    }
}

extension CanonicalWriter {
    fileprivate mutating func append(_ mark: DenialMark) {
        append(mark.state.rawValue)
        append(mark.occurredAt.rawValue)
        append(mark.sequence)
    }

    fileprivate mutating func append(_ mark: GrantMark) {
        append(mark.occurredAt.rawValue)
        append(mark.sequence)
        append(mark.untilDay.rawValue)
        append(mark.noticeOrdinal)
        append((mark.imported ? 1 : 0) as UInt8)
    }
}

extension CanonicalReader {
    fileprivate mutating func denial() throws(CanonicalFormError) -> DenialMark {
        let state: CellState = try value("state")
        switch state {
        case .none, .pending, .granted: throw bad("denial state", state.rawValue)
        default: break
        }
        return DenialMark(
            state: state, occurredAt: Timestamp(rawValue: try read()), sequence: try read())
    }

    fileprivate mutating func grant() throws(CanonicalFormError) -> GrantMark {
        GrantMark(
            occurredAt: Timestamp(rawValue: try read()), sequence: try read(),
            untilDay: Day(rawValue: try read()),
            noticeOrdinal: try read(), imported: try flag("imported"))
    }

    fileprivate mutating func scopedDenial() throws(CanonicalFormError) -> ScopedDenial {
        let rawChannel: UInt8 = try read()
        let rawPurpose: UInt8 = try read()
        let channel = Channel(rawValue: rawChannel)
        let purpose = PurposeID(rawValue: rawPurpose)
        guard channel != nil || rawChannel == 0 else { throw bad("channel", rawChannel) }
        guard purpose != nil || rawPurpose == 0 else { throw bad("purpose", rawPurpose) }
        guard channel == nil || purpose == nil else { throw bad("scope", rawPurpose) }
        return ScopedDenial(channel: channel, purpose: purpose, mark: try denial())
    }

    fileprivate mutating func cell() throws(CanonicalFormError) -> Cell {
        let channel: Channel = try value("channel")
        let rawPurpose: UInt8 = try read()
        guard let purpose = PurposeID(rawValue: rawPurpose) else { throw bad("purpose", rawPurpose) }
        var cell = Cell(channel: channel, purpose: purpose)
        let marks: UInt8 = try read()
        guard marks > 0, marks < 32 else { throw bad("marks", marks) }
        guard marks & 3 != 2 else { throw bad("marks", marks) }
        if marks & 1 != 0 { cell.grant = try grant() }
        if marks & 2 != 0 { cell.shadowed = try grant() }
        if marks & 4 != 0 { cell.pending = try grant() }
        if marks & 8 != 0 { cell.denial = try denial() }
        if marks & 16 != 0 { cell.unproven = try denial() }
        return cell
    }
}
