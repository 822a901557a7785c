// The slots: from a contact point's key to its profile and day.
//
// A line is 64 bytes and holds four slots; a slot is two words:
//
//     0  u64 key     the low 64 bits of the slot key; its upper 32 bits choose the home line
//     8  u64 value   bits 0…23 profile (0: the slot is empty), 24…39 anchor day,
//                    40…55 the low 16 bits of the key's high half, 56…63 a quarter of the line's filter
//
// Identity is 80 bits, position included. With 10⁸ contact points, the chance that any two of them share
// these is 4·10⁻⁹, and that a key which is not there matches one of them is 8·10⁻¹⁷ a question. (Keys are a
// keyed PRF's output: nobody without the secret can aim.)
//
// Home and displacement. line = (h32 × lines) >> 32, so keys stand roughly in the order of their h32. A key
// whose home line is full goes to the next line with a free slot. Each line's 32-bit filter has, for each key
// that was pushed past it, the bit numbered by 5 bits of that key: one clear bit ends a search.
//
// Growth (SlotTable+Growth.swift) turns the table from `lines` to `nextLines` in place, one old home line at
// a time from the top down. The *map word* says how far it is:
//
//     bits 0…39 boundary: keys with an old home ≥ boundary have moved; 40…63 index into the list of sizes
//
// Invariants, by which readers need no lock:
//  A. The writer stores a key word only into an empty slot, after emptying it and before filling it; all
//     three stores are releases.
//  B. A key's slot only ever moves up: it moves when its new home is above its slot. So no key comes back
//     to a slot that it left. Moving = copy to a new slot, then store the map word, then empty the old slot.
//  C. At all times, for each key, all lines from its home (by the map word) up to its slot have its filter
//     bit.
//
// A hit is right: a reader loads key, value, key. If both keys equal the one sought and the value is not
// empty and has its 16 bits, the value belongs to that key. An earlier key's value was emptied before the
// first load's key was stored (A). A later key's value came after that key (A): the second load would see it
// or a still later one, and by B never the sought one again.
//
// A miss is right if the key's home is the same before and after the search: by B, C its slot then did not
// move and every line up to it led on. If the home changed the reader searches again; homes only go up, one
// step for each growth, so this ends. A paused writer keeps nobody waiting.

import CPlatform
import ConsentDomain

/// Fields of a slot's value word.
enum SlotWord {
    static let profileMask: UInt64 = 0xFF_FFFF
    static let dayShift: UInt64 = 24
    static let tagShift: UInt64 = 40
    static let filterShift: UInt64 = 56
    static let filterMask: UInt64 = 0xFF << filterShift

    @inline(__always)
    static func tag(ofHigh high: UInt64) -> UInt64 { high & 0xFFFF }

    /// A value word without filter bits.
    @inline(__always)
    static func make(profile: UInt32, day: UInt16, tag: UInt64) -> UInt64 {
        UInt64(profile) | UInt64(day) << dayShift | tag << tagShift
    }

    /// The tag of a value word.
    @inline(__always)
    static func tag(of value: UInt64) -> UInt64 { (value >> tagShift) & 0xFFFF }

    /// The slot of a line that holds the filter bit of a tag.
    @inline(__always)
    static func filterSlot(_ tag: UInt64) -> UInt64 { (tag >> 3) & 3 }

    /// The value word with only the filter bit of a tag.
    @inline(__always)
    static func filterBit(_ tag: UInt64) -> UInt64 { 1 &<< (filterShift &+ (tag & 7)) }
}

/// The map word, with the sizes that it names.
struct SlotMap {
    var lines: UInt64
    var nextLines: UInt64
    var boundary: UInt64

    /// Home line of a key.
    @inline(__always)
    func home(_ low: UInt64) -> UInt64 {
        let hash = low >> 32
        let old = (hash &* lines) >> 32
        return old >= boundary ? (hash &* nextLines) >> 32 : old
    }
}

/// What readers see of the table; see SlotTable+Probe.swift for what they do with it.
struct SlotReader: @unchecked Sendable {
    /// Line 0.
    let base: UnsafeMutableRawPointer
    /// The map word, on a line of its own.
    let mapWord: UnsafeMutableRawPointer
    /// Line counts of all growth steps; written once.
    let sizes: UnsafeMutablePointer<UInt64>

    /// No key is farther from its home than this; it bounds every search.
    static let displacementLimit: UInt64 = 512

    @inline(__always)
    func loadMapWord() -> UInt64 { consent_atomic_load_acquire_u64(mapWord) }

    @inline(__always)
    func map(_ word: UInt64) -> SlotMap {
        let index = Int(truncatingIfNeeded: word >> 40)
        return SlotMap(lines: sizes[index], nextLines: sizes[index &+ 1], boundary: word & (1 << 40 - 1))
    }
}

/// The writer's side. One thread at a time.
struct SlotTable: ~Copyable {
    let reader: SlotReader
    var region: MemoryRegion
    let sizeCount: Int
    var sizeIndex = 0
    /// Old home lines from here on have moved; equals the line count when no growth is under way.
    var boundary: UInt64
    /// During growth: lines from here on were made ready for moved keys.
    var readyFrom: UInt64 = 0
    /// Lines below `repairEnd`, from `repairNext` on, may have filter bits that stand for no key.
    var repairNext: UInt64 = 0
    var repairEnd: UInt64 = 0
    private(set) var recipients = 0
    var displacementMax: UInt64 = 0
    /// Entries of the old home line that moves; kept to avoid allocations.
    var moving: [(offset: Int, key: UInt64, value: UInt64)] = []
    var targets: [Int] = []

    /// Growth starts when more than this share of the slots is taken.
    static let loadMax = 0.83
    static let lineByteCount = 64
    private static let linesMin: UInt64 = 16

    init(initialCapacity: Int, maxCapacity: Int, hugePages: Bool) throws(IndexError) {
        let linesMax = Self.lines(for: max(maxCapacity, initialCapacity, 1))
        var list = [Self.lines(for: max(initialCapacity, 1))]
        while let last = list.last, last < linesMax {
            list.append(min(last + Self.growth(of: last), linesMax))
        }
        sizeCount = list.count
        let slack = Int(SlotReader.displacementLimit) + 1
        var region = try MemoryRegion(
            reserving: (Int(linesMax) + slack) * Self.lineByteCount, hugePages: hugePages)
        try region.commit((Int(list[0]) + slack) * Self.lineByteCount)
        // The last size stands twice, so that a map word always has a next size.
        let sizes = UnsafeMutablePointer<UInt64>.allocate(capacity: list.count + 1)
        for (index, size) in list.enumerated() { (sizes + index).initialize(to: size) }
        (sizes + list.count).initialize(to: linesMax)
        let mapWord = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 128)
        boundary = list[0]
        consent_atomic_store_release_u64(mapWord, boundary)
        reader = SlotReader(base: region.base, mapWord: mapWord, sizes: sizes)
        self.region = region
    }

    deinit {
        reader.mapWord.deallocate()
        reader.sizes.deallocate()
    }

    var lines: UInt64 { reader.sizes[sizeIndex] }
    var isGrowing: Bool { boundary != lines }
    var map: SlotMap { SlotMap(lines: lines, nextLines: reader.sizes[sizeIndex + 1], boundary: boundary) }

    /// Lines that hold a number of recipients at the highest load.
    static func lines(for capacity: Int) -> UInt64 {
        max(UInt64((Double(capacity) / (4 * loadMax)).rounded(.up)) + 1, linesMin)
    }

    /// Lines that a growth adds. Small steps keep a large table full, at the price of moving keys more often.
    private static func growth(of lines: UInt64) -> UInt64 {
        lines < 1 << 18 ? max(lines / 8, 2) : lines / 16
    }

    func storeMapWord() {
        consent_atomic_store_release_u64(reader.mapWord, UInt64(sizeIndex) << 40 | boundary)
    }

    // MARK: One slot, by its byte offset from line 0

    @inline(__always)
    func key(at offset: Int) -> UInt64 { consent_atomic_load_relaxed_u64(reader.base + offset) }

    @inline(__always)
    func value(at offset: Int) -> UInt64 { consent_atomic_load_relaxed_u64(reader.base + offset + 8) }

    @inline(__always)
    func store(value: UInt64, at offset: Int) {
        consent_atomic_store_release_u64(reader.base + offset + 8, value)
    }

    /// Gives an occupied slot another profile and day.
    func replace(at offset: Int, value: UInt64) {
        store(value: value | self.value(at: offset) & SlotWord.filterMask, at: offset)
    }

    /// The offset of a key's slot, or nil.
    func locate(low: UInt64, tag: UInt64) -> Int? {
        let first = map.home(low)
        for line in first...first + SlotReader.displacementLimit {
            let start = Int(line) * Self.lineByteCount
            for offset in stride(from: start, to: start + Self.lineByteCount, by: 16)
            where key(at: offset) == low {
                let value = value(at: offset)
                if value & SlotWord.profileMask != 0 && SlotWord.tag(of: value) == tag { return offset }
            }
            let filter = value(at: start + Int(SlotWord.filterSlot(tag)) * 16)
            if filter & SlotWord.filterBit(tag) == 0 { return nil }
        }
        return nil
    }

    /// The offset of the first free slot for a key with this home, or nil if there is none within the limit.
    func freeSlot(home: UInt64, except taken: [Int] = []) -> Int? {
        let start = Int(home) * Self.lineByteCount
        let end = start + (Int(SlotReader.displacementLimit) + 1) * Self.lineByteCount
        for offset in stride(from: start, to: end, by: 16)
        where value(at: offset) & SlotWord.profileMask == 0 && !taken.contains(offset) {
            return offset
        }
        return nil
    }

    /// Fills a free slot with a key that is not in the table: filters first, key, then value (invariants A,
    /// C).
    mutating func fill(offset: Int, home: UInt64, key: UInt64, value: UInt64) {
        let line = UInt64(offset / Self.lineByteCount)
        if line > home {
            let tag = SlotWord.tag(of: value)
            for passed in home..<line {
                let place = Int(passed) * Self.lineByteCount + Int(SlotWord.filterSlot(tag)) * 16
                store(value: self.value(at: place) | SlotWord.filterBit(tag), at: place)
            }
            displacementMax = max(displacementMax, line - home)
        }
        consent_atomic_store_release_u64(reader.base + offset, key)
        replace(at: offset, value: value & ~SlotWord.filterMask)
    }

    /// Counts a recipient that `fill` has added.
    mutating func countRecipient() { recipients += 1 }
}
