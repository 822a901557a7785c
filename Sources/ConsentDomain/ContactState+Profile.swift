// A state flattened into the record that checks read (drawn on top of ContactProfile.swift).
//
// Invariant: equal outcomes in every cell give equal bytes. Cells that equal their channel's other purposes,
// and channels that equal those not present, are left out.

extension ContactState {
    /// The flattened state.
    public var profile: ContactProfile {
        let otherwise = cellFinding(rawChannel: 0, purpose: nil).outcome.code
        var channels: [FlatChannel] = []
        for raw in namedChannels {
            let channel = flatten(rawChannel: raw)
            if channel.others != otherwise || !channel.cells.isEmpty { channels.append(channel) }
        }
        var anchorDay: UInt16 = 0
        for channel in channels {
            for (_, outcome) in channel.cells where outcome.untilDay != 0 {
                anchorDay = anchorDay == 0 ? outcome.untilDay : min(anchorDay, outcome.untilDay)
            }
        }
        return ContactProfile(
            record: record(channels, otherwise: otherwise, anchorDay: anchorDay), anchorDay: anchorDay)
    }

    /// Raw channels that something names; any other is like those that are not present. A denial of one
    /// purpose on all channels names all eight that a record can hold.
    private var namedChannels: [UInt8] {
        var bits: UInt16 = 0
        for cell in cells { bits |= 1 << UInt16(cell.channel.rawValue) }
        for denial in scopedDenials {
            if let channel = denial.channel {
                bits |= 1 << UInt16(channel.rawValue)
            } else if denial.purpose != nil {
                bits |= 0x1FE
            }
        }
        return (1...8).filter { bits & 1 << UInt16($0) != 0 }
    }

    private func flatten(rawChannel: UInt8) -> FlatChannel {
        let others = cellFinding(rawChannel: rawChannel, purpose: nil).outcome.code
        var channel = FlatChannel(raw: rawChannel, others: others)
        var named = PurposeSet()
        for cell in cells where cell.channel.rawValue == rawChannel {
            named.formUnion(PurposeSet([cell.purpose]))
        }
        for denial in scopedDenials {
            if let purpose = denial.purpose, denial.covers(rawChannel, purpose) {
                named.formUnion(PurposeSet([purpose]))
            }
        }
        for purpose in named.named {
            let outcome = cellFinding(rawChannel: rawChannel, purpose: purpose).outcome
            if outcome != CellOutcome(code: others) {
                channel.cells.append((purpose: purpose, outcome: outcome))
            }
        }
        return channel
    }

    private func record(_ channels: [FlatChannel], otherwise: UInt8, anchorDay: UInt16) -> [UInt8] {
        let cellCount = channels.reduce(0) { $0 + $1.cells.count }
        let byteCount = 8 + 16 * channels.count + 8 * cellCount
        var writer = CanonicalWriter(reserving: byteCount)
        writer.append(undeliverable.reduce(0) { $0 | 1 << ($1.channel.rawValue - 1) } as UInt8)
        writer.append(channels.reduce(0) { $0 | 1 << ($1.raw - 1) } as UInt8)
        writer.append(otherwise)
        writer.append(0 as UInt8)
        writer.append(UInt16(byteCount))
        writer.append(0 as UInt16)
        var firstCell = 8 + 16 * channels.count
        for channel in channels {
            writer.append(channel.cells.reduce(0) { $0 | 1 << UInt64($1.purpose.rawValue) } as UInt64)
            writer.append(channel.others)
            writer.append(0 as UInt8)
            writer.append(UInt16(firstCell))
            writer.append(0 as UInt32)
            firstCell += 8 * channel.cells.count
        }
        for channel in channels {
            for (_, outcome) in channel.cells {
                let hasEnd = outcome.untilDay != 0
                writer.append(outcome.code)
                writer.append((hasEnd ? 1 : 0) as UInt8)
                writer.append(hasEnd ? outcome.untilDay - anchorDay : 0)
                writer.append(outcome.noticeOrdinal)
                writer.append(0 as UInt16)
            }
        }
        return writer.bytes
    }
}

private struct FlatChannel {
    let raw: UInt8
    /// Outcome code of the purposes that have no cell.
    let others: UInt8
    var cells: [(purpose: PurposeID, outcome: CellOutcome)] = []

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
