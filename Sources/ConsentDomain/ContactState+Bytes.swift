// The bytes of a state in its register row. The row's checksum is the register's.
//
//     0 u8  version = 2       4 u32 controller       16 u8 flags (1 erasure, 2 contacts)
//     1 u8  contact kind      8 u64 last sequence    17 u8 undeliverable count     20 u16 cell count
//     2 u16 key epoch                                18 u8 scoped denial count     22 u16 invalidation count
//                                                    19 u8 zero
//    24 erasure and contacts if present, then undeliverable channels, scoped denials, cells, invalidations:
//       contacts        i64 since, i64 last, u16 retention day
//       undeliverable   u8 channel, i64 occurred at, u64 sequence
//       scoped denial, invalidation   u8 channel or 0, u8 purpose or 0, denial
//       cell            u8 channel, u8 purpose, u8 marks (1 grants, 2 was given, 4 pending, 8 denial,
//                       16 unproven), then the marks present; before grants their count, u8
//       grant           i64 occurred at, u64 sequence, u16 until day, u16 notice ordinal,
//                       u8 flags (1 imported, kind << 1), of a confirmation i64 rests on
//       denial          u8 state, i64 occurred at, u64 sequence

extension ContactState {
    private static let formVersion: UInt8 = 2

    /// The bytes of the state row.
    public var encoded: [UInt8] {
        var writer = CanonicalWriter(reserving: 24 + 48 * cells.count + 24 * scopedDenials.count)
        writer.append(Self.formVersion)
        writer.append(kind.rawValue)
        writer.append(keyEpoch)
        writer.append(controller.rawValue)
        writer.append(lastSequence)
        writer.append((erasure == nil ? 0 : 1) | (contacts == nil ? 0 : 2) as UInt8)
        writer.append(UInt8(undeliverable.count))
        writer.append(UInt8(scopedDenials.count))
        writer.append(0 as UInt8)
        writer.append(UInt16(cells.count))
        writer.append(UInt16(invalidations.count))
        if let erasure { writer.append(erasure) }
        if let contacts {
            writer.append(contacts.since.rawValue)
            writer.append(contacts.last.rawValue)
            writer.append(contacts.retentionDay.rawValue)
        }
        for mark in undeliverable {
            writer.append(mark.channel.rawValue)
            writer.append(mark.occurredAt.rawValue)
            writer.append(mark.sequence)
        }
        for denial in scopedDenials { writer.append(denial) }
        for cell in cells { writer.append(cell) }
        for denial in invalidations { writer.append(denial) }
        return writer.bytes
    }

    /// Reads the bytes of a state row.
    public init(decoding bytes: [UInt8]) throws(CanonicalFormError) {
        var reader = CanonicalReader(bytes, form: "state")
        try reader.version(Self.formVersion)
        let kind: ContactKind = try reader.value("contact kind")
        let keyEpoch: UInt16 = try reader.read()
        self.init(controller: ControllerID(rawValue: try reader.read()), kind: kind)
        self.keyEpoch = keyEpoch
        lastSequence = try reader.read()
        let flags: UInt8 = try reader.read()
        guard flags < 4 else { throw reader.bad("flags", flags) }
        let undeliverableCount = Int(try reader.read(UInt8.self))
        let scopedCount = Int(try reader.read(UInt8.self))
        try reader.zeros("zero byte", count: 1)
        let cellCount = Int(try reader.read(UInt16.self))
        let invalidationCount = Int(try reader.read(UInt16.self))
        if flags & 1 != 0 { erasure = try reader.denial() }
        if flags & 2 != 0 {
            contacts = ContactRun(
                since: Timestamp(rawValue: try reader.read()), last: Timestamp(rawValue: try reader.read()),
                retentionDay: Day(rawValue: try reader.read()))
        }
        for _ in 0..<undeliverableCount {
            let mark = UndeliverableMark(
                channel: try reader.value("channel"), occurredAt: Timestamp(rawValue: try reader.read()),
                sequence: try reader.read())
            if let last = undeliverable.last, last.channel >= mark.channel {
                throw reader.bad("undeliverable channel", mark.channel.rawValue)
            }
            undeliverable.append(mark)
        }
        scopedDenials = try reader.scopedDenials(scopedCount)
        if let denial = scopedDenials.first(where: { $0.channel != nil && $0.purpose != nil }) {
            throw reader.bad("scope", denial.order)
        }
        for _ in 0..<cellCount {
            let cell = try reader.cell()
            if let last = cells.last, (last.channel, last.purpose) >= (cell.channel, cell.purpose) {
                throw reader.bad("cell", cell.purpose.rawValue)
            }
            cells.append(cell)
        }
        invalidations = try reader.scopedDenials(invalidationCount)
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
        append((mark.imported ? 1 : 0) | mark.kind.rawValue << 1)
        if mark.kind == .confirmation { append(mark.restsOn.rawValue) }
    }

    fileprivate mutating func append(_ denial: ScopedDenial) {
        append(denial.channel?.rawValue ?? 0)
        append(denial.purpose?.rawValue ?? 0)
        append(denial.mark)
    }

    fileprivate mutating func append(_ cell: Cell) {
        append(cell.channel.rawValue)
        append(cell.purpose.rawValue)
        var marks: UInt8 = cell.grants.isEmpty ? 0 : 1
        if cell.wasGiven { marks |= 2 }
        if cell.pending != nil { marks |= 4 }
        if cell.denial != nil { marks |= 8 }
        if cell.unproven != nil { marks |= 16 }
        append(marks)
        if !cell.grants.isEmpty { append(UInt8(cell.grants.count)) }
        for mark in cell.grants { append(mark) }
        if let mark = cell.pending { append(mark) }
        for case let mark? in [cell.denial, cell.unproven] { append(mark) }
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
        var mark = GrantMark(
            occurredAt: Timestamp(rawValue: try read()), sequence: try read(),
            untilDay: Day(rawValue: try read()), noticeOrdinal: try read(), imported: false)
        let flags: UInt8 = try read()
        guard let kind = GrantMark.Kind(rawValue: flags >> 1) else { throw bad("grant", flags) }
        mark.imported = flags & 1 != 0
        mark.kind = kind
        if kind == .confirmation { mark.restsOn = Timestamp(rawValue: try read()) }
        return mark
    }

    fileprivate mutating func scopedDenials(_ count: Int) throws(CanonicalFormError) -> [ScopedDenial] {
        var list: [ScopedDenial] = []
        for _ in 0..<count {
            let rawChannel: UInt8 = try read()
            let rawPurpose: UInt8 = try read()
            let channel = Channel(rawValue: rawChannel)
            let purpose = PurposeID(rawValue: rawPurpose)
            guard channel != nil || rawChannel == 0 else { throw bad("channel", rawChannel) }
            guard purpose != nil || rawPurpose == 0 else { throw bad("purpose", rawPurpose) }
            let denial = ScopedDenial(channel: channel, purpose: purpose, mark: try denial())
            if let last = list.last, last.order >= denial.order { throw bad("scope", denial.order) }
            list.append(denial)
        }
        return list
    }

    fileprivate mutating func cell() throws(CanonicalFormError) -> Cell {
        let channel: Channel = try value("channel")
        let rawPurpose: UInt8 = try read()
        guard let purpose = PurposeID(rawValue: rawPurpose) else { throw bad("purpose", rawPurpose) }
        var cell = Cell(channel: channel, purpose: purpose)
        let marks: UInt8 = try read()
        guard marks > 0, marks < 32 else { throw bad("marks", marks) }
        if marks & 1 != 0 {
            let count: UInt8 = try read()
            guard (1...Cell.grantCountMax).contains(Int(count)) else { throw bad("grants", count) }
            for _ in 0..<count { cell.grants.append(try grant()) }
        }
        cell.wasGiven = marks & 2 != 0
        if marks & 4 != 0 { cell.pending = try grant() }
        if marks & 8 != 0 { cell.denial = try denial() }
        if marks & 16 != 0 { cell.unproven = try denial() }
        return cell
    }
}
