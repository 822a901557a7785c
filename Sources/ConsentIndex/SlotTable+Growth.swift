// Growth of the slot table: by an eighth, a large one by a sixteenth, in place, a few lines with each write.
//
//     before    |0 ······· old lines ······· n|
//     during    |0 ··· old map ··· b|  stale  |r ······· new map ······· m|      b boundary, r readyFrom
//     after     |0 ··········· new map, the next growth's old lines ······ m|
//
// One step moves all keys whose old home is b - 1: they are copied into the new map's lines, the map word
// takes the new boundary, then the old copies are emptied. Between r and the old keys' last line nothing
// lives: before keys move into such lines their filters, left over from the old map, are cleared. A line so
// near to old keys that one could stand beyond it (only the lowest few hundred) keeps its bits, which costs
// speed but no answer, and is put right when growth is over.
//
// If a key finds no place, the step changes nothing and growth pauses: any boundary is a valid state.
//
// Readers never touch memory that a growth makes usable before it holds keys; it is populated ahead, in small
// pieces, by the writes before.

import CPlatform
import Failpoint

extension SlotTable {
    /// Old lines moved with each write while growth is under way.
    private static let linesPerWrite = 16
    /// Old lines moved at once while no writes come.
    private static let linesPerPause = 2_048
    /// Load from which the next size's memory is made ready: late, since it counts as used from then on, and
    /// early enough, since each eighth write brings in room for a thousand lines.
    private static let populateLoad = 0.82
    private static let populateByteCount = 1 << 16

    /// The part of growth that belongs to one write. Call before a search for a free slot.
    mutating func advance() {
        if isGrowing {
            for _ in 0..<Self.linesPerWrite where isGrowing {
                if !moveTopLine() { return }
            }
        } else {
            let slots = Double(lines * 4)
            if Double(recipients) > slots * Self.populateLoad {
                // A refusal of memory is not an error yet: there is room left, and the next write asks again.
                if recipients & 7 == 0, (try? commitNextSize()) != nil {
                    region.populate(next: Self.populateByteCount)
                }
                if Double(recipients) > slots * Self.loadMax { _ = try? beginGrowth() }
            } else if repairNext < repairEnd {
                repairFilter()
            }
        }
    }

    /// A part of a growth under way that belongs to no write.
    /// - Returns: whether there is more to do, and more can be done now.
    mutating func continueGrowth() -> Bool {
        for _ in 0..<Self.linesPerPause where isGrowing {
            if !moveTopLine() { return false }
        }
        return isGrowing
    }

    /// Makes room for `count` recipients in all. Slow; for the time before the index serves.
    mutating func reserve(_ count: Int) throws(IndexError) {
        let wanted = Self.lines(for: count)
        if recipients == 0 && !isGrowing {
            var index = sizeIndex
            while reader.sizes[index] < wanted && index + 1 < sizeCount { index += 1 }
            try commit(lines: reader.sizes[index])
            region.populate(next: region.committed)
            sizeIndex = index
            boundary = lines
            storeMapWord()
            return
        }
        while lines < wanted || isGrowing {
            if !isGrowing {
                guard try beginGrowth() else { return }
            }
            while isGrowing {
                if !moveTopLine() { return }
            }
        }
    }

    private mutating func commit(lines: UInt64) throws(IndexError) {
        try region.commit((Int(lines + SlotReader.displacementLimit) + 1) * Self.lineByteCount)
    }

    private mutating func commitNextSize() throws(IndexError) {
        try commit(lines: reader.sizes[min(sizeIndex + 1, sizeCount - 1)])
    }

    /// Returns false if the table has its last size.
    private mutating func beginGrowth() throws(IndexError) -> Bool {
        guard sizeIndex + 1 < sizeCount else { return false }
        try commitNextSize()
        let next = reader.sizes[sizeIndex + 1]
        readyFrom = next
        // Old keys pushed past the last old line may stand where new lines begin, in a small table.
        repairNext = 0
        if lines + displacementMax >= next { repairEnd = max(repairEnd, lines + displacementMax + 1) }
        moving.reserveCapacity(64)
        targets.reserveCapacity(64)
        boundary = lines
        // The map word stays as it is: this boundary says that nothing has moved.
        return moveTopLine()
    }

    /// Moves the keys of one old home line. Returns false, with nothing changed, if one finds no place.
    private mutating func moveTopLine() -> Bool {
        let home = boundary - 1
        let next = reader.sizes[sizeIndex + 1]
        makeReady(from: home * next / lines, oldHome: home)
        collect(oldHome: home)
        targets.removeAll(keepingCapacity: true)
        for entry in moving {
            guard let offset = freeSlot(home: newHome(entry.key), except: targets) else { return false }
            targets.append(offset)
        }
        for (entry, target) in zip(moving, targets) {
            fill(offset: target, home: newHome(entry.key), key: entry.key, value: entry.value)
        }
        Failpoint.growthStep.reached()
        boundary = home
        if boundary == 0 {
            sizeIndex += 1
            boundary = lines
        }
        storeMapWord()
        for entry in moving {
            store(value: value(at: entry.offset) & SlotWord.filterMask, at: entry.offset)
        }
        return true
    }

    private func newHome(_ key: UInt64) -> UInt64 { ((key >> 32) &* reader.sizes[sizeIndex + 1]) >> 32 }

    /// Clears the filters of lines that no key needs, from `first` up to those made ready before.
    private mutating func makeReady(from first: UInt64, oldHome: UInt64) {
        guard first < readyFrom else { return }
        for line in first..<readyFrom {
            if line <= oldHome + displacementMax {
                repairEnd = max(repairEnd, line + 1)
                continue
            }
            let start = Int(line) * Self.lineByteCount
            for offset in stride(from: start, to: start + Self.lineByteCount, by: 16) {
                let value = value(at: offset)
                if value != 0 { store(value: value & ~SlotWord.filterMask, at: offset) }
            }
        }
        readyFrom = first
    }

    /// Gathers into `moving` the entries with this old home whose new home lies above their slot.
    private mutating func collect(oldHome: UInt64) {
        moving.removeAll(keepingCapacity: true)
        let count = lines
        for line in oldHome...oldHome + displacementMax {
            let start = Int(line) * Self.lineByteCount
            var filter: UInt64 = 0
            for offset in stride(from: start, to: start + Self.lineByteCount, by: 16) {
                let value = value(at: offset)
                filter |= value
                guard value & SlotWord.profileMask != 0 else { continue }
                let key = key(at: offset)
                if ((key >> 32) &* count) >> 32 == oldHome && newHome(key) > line {
                    moving.append((offset, key, value))
                }
            }
            if filter & SlotWord.filterMask == 0 { break }
        }
    }

    /// Computes one line's filter anew from the keys that stand beyond it. Only while no growth is under way.
    private mutating func repairFilter() {
        let line = repairNext
        var bits: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        if displacementMax > 0 {
            let start = Int(line + 1) * Self.lineByteCount
            let usable = Int(lines + SlotReader.displacementLimit + 1) * Self.lineByteCount
            let end = min(start + Int(displacementMax) * Self.lineByteCount, usable)
            for offset in stride(from: start, to: max(start, end), by: 16) {
                let value = value(at: offset)
                guard value & SlotWord.profileMask != 0, map.home(key(at: offset)) <= line else { continue }
                let bit = SlotWord.filterBit(SlotWord.tag(of: value))
                switch SlotWord.filterSlot(SlotWord.tag(of: value)) {
                case 0: bits.0 |= bit
                case 1: bits.1 |= bit
                case 2: bits.2 |= bit
                default: bits.3 |= bit
                }
            }
        }
        let start = Int(line) * Self.lineByteCount
        for (index, bit) in [bits.0, bits.1, bits.2, bits.3].enumerated() {
            let value = value(at: start + index * 16)
            let repaired = value & ~SlotWord.filterMask | bit
            if repaired != value { store(value: repaired, at: start + index * 16) }
        }
        repairNext += 1
        if repairNext == repairEnd { repairEnd = 0 }
    }
}
