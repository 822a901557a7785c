// A state flattened into the record that checks read (drawn on top of ContactProfile.swift).
//
// Invariant: equal outcomes in every cell give equal bytes. Cells that equal their channel's other purposes,
// and channels that equal those not present, are left out.

extension ContactState {
    /// The flattened state.
    public var profile: ContactProfile {
        let otherwise = cellFinding(rawChannel: 0, purpose: nil).outcome.code
        var flat = FlatState(cellCount: cells.count)
        for raw in 1...8 as ClosedRange<UInt8> where namedChannels & 1 << UInt16(raw) != 0 {
            flatten(rawChannel: raw, otherwise: otherwise, into: &flat)
        }
        var anchorDay: UInt16 = 0
        for (_, outcome) in flat.cells where outcome.untilDay != 0 {
            anchorDay = anchorDay == 0 ? outcome.untilDay : min(anchorDay, outcome.untilDay)
        }
        return ContactProfile(
            record: record(flat, otherwise: otherwise, anchorDay: anchorDay), anchorDay: anchorDay)
    }

    /// Raw channels that something names, as bits; any other is like those that are not present. A denial of
    /// one purpose on all channels names all eight that a record can hold.
    private var namedChannels: UInt16 {
        var bits: UInt16 = 0
        for cell in cells { bits |= 1 << UInt16(cell.channel.rawValue) }
        for denial in scopedDenials {
            if let channel = denial.channel {
                bits |= 1 << UInt16(channel.rawValue)
            } else if denial.purpose != nil {
                bits |= 0x1FE
            }
        }
        return bits
    }

    /// Adds a channel, unless it is like those that are not present.
    private func flatten(rawChannel: UInt8, otherwise: UInt8, into flat: inout FlatState) {
        let others = cellFinding(rawChannel: rawChannel, purpose: nil).outcome.code
        var named = PurposeSet()
        for cell in cells where cell.channel.rawValue == rawChannel {
            named.formUnion(PurposeSet(cell.purpose))
        }
        for denial in scopedDenials {
            if let purpose = denial.purpose, denial.covers(rawChannel, purpose) {
                named.formUnion(PurposeSet(purpose))
            }
        }
        var channel = FlatChannel(raw: rawChannel, others: others)
        named.forEachNamed { purpose in
            let outcome = cellFinding(rawChannel: rawChannel, purpose: purpose).outcome
            if outcome != CellOutcome(code: others) {
                flat.cells.append((purpose, outcome))
                channel.purposes.formUnion(PurposeSet(purpose))
            }
        }
        if others != otherwise || !channel.purposes.isEmpty { flat.channels.append(channel) }
    }

    private func record(_ flat: FlatState, otherwise: UInt8, anchorDay: UInt16) -> [UInt8] {
        let byteCount = 8 + 16 * flat.channels.count + 8 * flat.cells.count
        var writer = CanonicalWriter(reserving: byteCount)
        writer.append(undeliverable.reduce(0) { $0 | 1 << ($1.channel.rawValue - 1) } as UInt8)
        writer.append(flat.channels.reduce(0) { $0 | 1 << ($1.raw - 1) } as UInt8)
        writer.append(otherwise)
        writer.append(0 as UInt8)
        writer.append(UInt16(byteCount))
        writer.append(0 as UInt16)
        var firstCell = 8 + 16 * flat.channels.count
        for channel in flat.channels {
            writer.append(channel.purposes.rawValue)
            writer.append(channel.others)
            writer.append(0 as UInt8)
            writer.append(UInt16(firstCell))
            writer.append(0 as UInt32)
            firstCell += 8 * channel.purposes.rawValue.nonzeroBitCount
        }
        for (_, outcome) in flat.cells {
            let hasEnd = outcome.untilDay != 0
            writer.append(outcome.code)
            writer.append((hasEnd ? 1 : 0) as UInt8)
            writer.append(hasEnd ? outcome.untilDay - anchorDay : 0)
            writer.append(outcome.noticeOrdinal)
            writer.append(0 as UInt16)
        }
        return writer.bytes
    }
}

/// What a record holds, before it is laid out: channels ascending, and the cells of all of them in their
/// order.
private struct FlatState {
    var channels: [FlatChannel] = []
    var cells: [(purpose: PurposeID, outcome: CellOutcome)] = []

    init(cellCount: Int) { cells.reserveCapacity(cellCount) }
}

private struct FlatChannel {
    let raw: UInt8
    /// Outcome code of the purposes that have no cell.
    let others: UInt8
    /// Those that have one.
    var purposes = PurposeSet()

    init(raw: UInt8, others: UInt8) {
        self.raw = raw
        self.others = others
    }
}

extension ContactProfile {
    /// Reads one cell.
    public func outcome(channel: Channel, purpose: PurposeID) -> CellOutcome {
        record.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return CellOutcome(code: 0) }
            return Self.outcome(
                record: base, anchorDay: anchorDay, channel: channel.rawValue, purpose: purpose.rawValue)
        }
    }
}
