// The check kernel: many questions at once, in groups of 16, so that memory latency is waited for once a
// group.
//
//     stage   read the keys, XOR the constant, find the home lines, prefetch them      of group g + 1
//     probe   search one line each without branches, prefetch the records              of group g
//     settle  those that one line did not decide, in the next line or by a search of their own; misses again
//             if the map has moved
//     answer  record → outcome → notice → reason
//
// A miss reads the empty record, so hits and misses take the same way. Invariant: the caller has counted
// itself in (ReaderGate) before `run` and counts itself out afterwards, so no record changes while it is
// read.

import CPlatform
import ConsentDomain

/// Where a kernel's questions come from. Both kinds are compiled into a kernel of their own.
protocol CheckSource {
    func key(_ index: Int) -> (low: UInt64, high: UInt64)
    func query(_ index: Int) -> CheckQuery
    func cell(_ index: Int) -> CellPlace
}

/// One question about many recipient keys of one controller.
struct KeyColumn: CheckSource {
    let keys: UnsafeRawPointer
    let constant: SlotKey
    let common: CheckQuery
    let commonCell: CellPlace

    init(keys: UnsafeRawPointer, constant: SlotKey, common: CheckQuery) {
        self.keys = keys
        self.constant = constant
        self.common = common
        commonCell = CellPlace(channel: common.channel, purpose: common.purpose)
    }

    @inline(__always)
    func key(_ index: Int) -> (low: UInt64, high: UInt64) {
        let place = keys + index &* 16
        return (
            UInt64(littleEndian: place.loadUnaligned(as: UInt64.self)) ^ constant.low,
            UInt64(littleEndian: place.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) ^ constant.high
        )
    }

    @inline(__always)
    func query(_ index: Int) -> CheckQuery { common }

    @inline(__always)
    func cell(_ index: Int) -> CellPlace { commonCell }
}

/// Questions that have only the time in common.
struct QueryList: CheckSource {
    let queries: UnsafePointer<SlotQuery>
    let today: UInt16
    let now: Int64

    @inline(__always)
    func key(_ index: Int) -> (low: UInt64, high: UInt64) {
        (queries[index].key.low, queries[index].key.high)
    }

    @inline(__always)
    func query(_ index: Int) -> CheckQuery {
        let item = queries[index]
        return CheckQuery(
            channel: item.channel, purpose: item.purpose, isService: item.isService, today: today, now: now)
    }

    @inline(__always)
    func cell(_ index: Int) -> CellPlace {
        CellPlace(channel: queries[index].channel, purpose: queries[index].purpose)
    }
}

/// All that a check reads.
struct CheckKernel: Sendable {
    let slots: SlotReader
    let profiles: ProfileReader
    let overflow: OverflowReader
    let notices: NoticeReader
    private let table = AnswerTable.shared

    init(slots: SlotReader, profiles: ProfileReader, overflow: OverflowReader, notices: NoticeReader) {
        self.slots = slots
        self.profiles = profiles
        self.overflow = overflow
        self.notices = notices
    }

    private static let group = 16

    /// Answers `count` questions.
    /// - Parameters:
    ///   - reasons: room for `count` reasons.
    ///   - untilDays: room for `count` days; 0 unless the reason is consent with an end.
    @inline(__always)
    func run(
        _ source: some CheckSource, count: Int, reasons: UnsafeMutablePointer<UInt8>,
        untilDays: UnsafeMutablePointer<UInt16>
    ) {
        guard count > 0 else { return }
        // Two halves of lows, highs and lines, since one group is staged while the other is answered; then
        // values.
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 7 * Self.group) { scratch in
            guard let base = scratch.baseAddress else { return }
            let values = base + 6 * Self.group
            var current = base
            var other = base + 3 * Self.group
            var start = 0
            var word = stage(source, from: 0, count: min(Self.group, count), into: current)
            while start < count {
                let size = min(Self.group, count &- start)
                let next = start &+ Self.group
                let wordHere = word
                if next < count {
                    word = stage(source, from: next, count: min(Self.group, count &- next), into: other)
                }
                probe(current, count: size, mapWord: wordHere, values: values)
                answer(
                    source, from: start, count: size, staged: current, values: values, reasons: reasons,
                    untilDays: untilDays)
                swap(&current, &other)
                start = next
            }
        }
    }

    /// Returns the map word that the lines were found with.
    @inline(__always)
    private func stage(
        _ source: some CheckSource, from start: Int, count: Int, into half: UnsafeMutablePointer<UInt64>
    ) -> UInt64 {
        let word = slots.loadMapWord()
        let map = slots.map(word)
        for item in 0..<count {
            let key = source.key(start &+ item)
            let home = map.home(key.low)
            consent_prefetch_read(slots.line(home))
            half[item] = key.low
            half[item &+ Self.group] = key.high
            half[item &+ 2 &* Self.group] = home
        }
        return word
    }

    /// Writes the value word of each staged key, 0 for those that are not there.
    @inline(__always)
    private func probe(
        _ half: UnsafeMutablePointer<UInt64>, count: Int, mapWord: UInt64,
        values: UnsafeMutablePointer<UInt64>
    ) {
        var open: UInt64 = 0
        for item in 0..<count {
            let tag = SlotWord.tag(ofHigh: half[item &+ Self.group])
            let line = slots.line(half[item &+ 2 &* Self.group])
            let found = slots.probe(line: line, low: half[item], tag: tag)
            values[item] = found.value
            open |= found.open &<< UInt64(item)
            // Which of both will be wanted can't be guessed; the other one is at hand then, and costs little.
            consent_prefetch_read(line + Int(truncatingIfNeeded: found.open &* 64))
            consent_prefetch_read(profiles.record(found.value))
        }
        while open != 0 {
            let item = open.trailingZeroBitCount
            open &= open &- 1
            let tag = SlotWord.tag(ofHigh: half[item &+ Self.group])
            let line = slots.line(half[item &+ 2 &* Self.group] &+ 1)
            // Few keys are farther from home than this, and few misses are led on: one by one.
            let found = slots.probe(line: line, low: half[item], tag: tag).value
            values[item] = found != 0 ? found : slots.find(low: half[item], tag: tag)
            consent_prefetch_read(profiles.record(values[item]))
        }
        // A miss stands unless the map has moved meanwhile.
        if slots.loadMapWord() == mapWord { return }
        for item in 0..<count where values[item] == 0 {
            values[item] = slots.find(low: half[item], tag: SlotWord.tag(ofHigh: half[item &+ Self.group]))
        }
    }

    @inline(__always)
    private func answer(
        _ source: some CheckSource, from start: Int, count: Int, staged half: UnsafeMutablePointer<UInt64>,
        values: UnsafeMutablePointer<UInt64>, reasons: UnsafeMutablePointer<UInt8>,
        untilDays: UnsafeMutablePointer<UInt16>
    ) {
        for item in 0..<count {
            let query = source.query(start &+ item)
            let value = values[item]
            let cell: FoundCell
            if value & SlotWord.profileMask == ProfileReader.overflowReference {
                cell = FoundCell(
                    overflowOutcome(
                        low: half[item], high: half[item &+ Self.group], channel: query.channel,
                        purpose: query.purpose))
            } else {
                cell = profiles.find(source.cell(start &+ item), value)
            }
            let answer = table.answer(
                cell, isService: query.isService, today: query.today, now: query.now,
                noticeInvalidFrom: notices.invalidFrom(UInt16(truncatingIfNeeded: cell.noticeOrdinal)))
            reasons[start &+ item] = answer.reason
            untilDays[start &+ item] = answer.untilDay
        }
    }

    /// The outcome of one cell; nil if the contact point is not there.
    func outcome(low: UInt64, high: UInt64, channel: UInt8, purpose: UInt8) -> CellOutcome? {
        let value = slots.find(low: low, tag: SlotWord.tag(ofHigh: high))
        if value == 0 { return nil }
        if value & SlotWord.profileMask == ProfileReader.overflowReference {
            return overflowOutcome(low: low, high: high, channel: channel, purpose: purpose)
        }
        return profiles.find(CellPlace(channel: channel, purpose: purpose), value).outcome
    }

    /// The outcome of a contact point whose slot said "overflow".
    ///
    /// If the overflow table has it no more, its slot names a profile by now. It could be back in overflow by
    /// the time that the slot is read, so this repeats; each round takes two writes to this very contact
    /// point within nanoseconds. After 64 rounds, or for a key that only shares 80 bits with one in the
    /// table, nothing is on file.
    @inline(never)
    private func overflowOutcome(low: UInt64, high: UInt64, channel: UInt8, purpose: UInt8) -> CellOutcome {
        for _ in 0..<64 {
            if let found = overflow.outcome(low: low, high: high, channel: channel, purpose: purpose) {
                return found
            }
            let value = slots.find(low: low, tag: SlotWord.tag(ofHigh: high))
            if value & SlotWord.profileMask != ProfileReader.overflowReference {
                return profiles.find(CellPlace(channel: channel, purpose: purpose), value).outcome
            }
        }
        return CellOutcome(code: 0)
    }
}
