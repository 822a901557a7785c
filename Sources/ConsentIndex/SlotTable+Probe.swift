// How readers search the slots: one key at a time with a checked answer, or a group of keys in one line each.
//
// The proof that both are right while the writer works is in SlotTable.swift. The order of the loads matters
// and is part of it: key (acquire), value (acquire), key again.

import CPlatform

extension SlotReader {
    /// The value word of a key, or 0 if it is not there. Right at some moment during the call.
    func find(low: UInt64, tag: UInt64) -> UInt64 {
        var word = loadMapWord()
        var home = map(word).home(low)
        while true {
            let value = walk(from: home, low: low, tag: tag)
            if value != 0 { return value }
            let latest = loadMapWord()
            if latest == word { return 0 }
            let latestHome = map(latest).home(low)
            if latestHome == home { return 0 }
            word = latest
            home = latestHome
        }
    }

    /// Searches from a home line on, as far as the filters lead.
    private func walk(from home: UInt64, low: UInt64, tag: UInt64) -> UInt64 {
        var line = line(home)
        for _ in 0...Self.displacementLimit {
            for slot in 0..<4 {
                let place = line + slot &* 16
                guard consent_atomic_load_acquire_u64(place) == low else { continue }
                let value = consent_atomic_load_acquire_u64(place + 8)
                if value & SlotWord.profileMask != 0 && SlotWord.tag(of: value) == tag
                    && consent_atomic_load_relaxed_u64(place) == low
                {
                    return value
                }
            }
            let filter = consent_atomic_load_acquire_u64(
                line + 8 + Int(truncatingIfNeeded: SlotWord.filterSlot(tag)) &* 16)
            if filter & SlotWord.filterBit(tag) == 0 { return 0 }
            line += 64
        }
        return 0
    }

    /// The address of a line.
    @inline(__always)
    func line(_ number: UInt64) -> UnsafeRawPointer {
        UnsafeRawPointer(base) + Int(truncatingIfNeeded: number) &* 64
    }

    /// Looks into one line only, without branches.
    ///
    /// `value` is the key's value word, or 0. `open` is 1 if this line does not decide: the next one may, or
    /// the slot changed meanwhile or holds half of the key.
    @inline(__always)
    func probe(line: UnsafeRawPointer, low: UInt64, tag: UInt64) -> (value: UInt64, open: UInt64) {
        let matches: UInt64 =
            (consent_atomic_load_acquire_u64(line) == low ? 1 : 0)
            | (consent_atomic_load_acquire_u64(line + 16) == low ? 2 : 0)
            | (consent_atomic_load_acquire_u64(line + 32) == low ? 4 : 0)
            | (consent_atomic_load_acquire_u64(line + 48) == low ? 8 : 0)
        // Without a match, the word that is loaded is the one with the filter bit: the bit set above the four
        // stands for its slot.
        let filterSlot = SlotWord.filterSlot(tag)
        let slot = (matches | 16 &<< filterSlot).trailingZeroBitCount & 3
        let isMatch = (matches &+ 15) &>> 4
        let place = line + slot &* 16
        let value = consent_atomic_load_acquire_u64(place + 8)
        let again = consent_atomic_load_relaxed_u64(place)
        let isSame = consent_opaque_u64((SlotWord.tag(of: value) ^ tag) | (again ^ low) == 0 ? 1 : 0)
        let isTaken: UInt64 = value & SlotWord.profileMask != 0 ? 1 : 0
        let hit = isMatch & isSame & isTaken
        let leadsOn = value &>> (SlotWord.filterShift &+ (tag & 7)) & 1
        return (value & (0 &- hit), (leadsOn | isMatch) & ~hit)
    }
}
