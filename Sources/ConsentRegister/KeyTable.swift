// A hash table of 128-bit keys that keeps them in the order of their coming.
//
// Why not a Dictionary: an import adds three keys a row to tables of up to a million. Here growing hashes
// nothing anew from scattered entries but goes along the keys, an entry is found without touching more than
// one line of memory, and taking back what came last (a rollback) takes it out for good.
//
//     places   a power of two of words, 0: free; else 32 bits of the key's hash, then 1 + its place in `keys`
//     keys     in the order of their coming; a key that was dropped stays until the table goes
//     values   beside them; nil: dropped
//
// The hash is a sum of the words times random odd numbers of the table's own, of which the top bits count:
// nobody who chooses event ids can aim at a place.
//
// Invariant: at least half of the places are free; every key is found from its home by going on to the next
// place until a free one. The key that came last has no other behind it on its way, so it may be taken out at
// once.

import ConsentDomain

/// Two words that tell keys apart.
package protocol KeyWords: Equatable, Sendable {
    var low: UInt64 { get }
    var high: UInt64 { get }
}

extension SlotKey: KeyWords {}
extension EventID: KeyWords {}
extension RecipientKey: KeyWords {}

/// Values by their keys.
package struct KeyTable<Key: KeyWords, Value> {
    /// Every key that came and was not taken back, dropped ones included.
    package private(set) var keys: [Key] = []
    private var values: [Value?] = []
    private var places: [UInt64] = Array(repeating: 0, count: 16)
    private var shift: UInt64 = 60
    private let factors = (UInt64.random(in: 0...UInt64.max) | 1, UInt64.random(in: 0...UInt64.max) | 1)
    /// Number of values.
    package private(set) var count = 0

    /// An empty table.
    package init() {}

    /// The value of a key.
    package subscript(key: Key) -> Value? { find(key).flatMap { values[$0] } }

    /// Sets a value.
    /// - Returns: the one before.
    @discardableResult
    package mutating func updateValue(_ value: Value, forKey key: Key) -> Value? {
        if let place = find(key) {
            let before = values[place]
            values[place] = value
            if before == nil { count += 1 }
            return before
        }
        if (keys.count + 1) * 2 > places.count { grow() }
        keys.append(key)
        values.append(value)
        count += 1
        insert(key, UInt64(keys.count))
        return nil
    }

    /// Takes back what `updateValue` did last with a key. Changes are taken back in the reverse of their
    /// order.
    /// - Parameter before: what it returned.
    package mutating func restore(_ key: Key, to before: Value?) {
        guard let place = find(key) else { preconditionFailure("a key that never came") }
        values[place] = before
        guard before == nil else { return }
        count -= 1
        guard place == keys.count - 1 else { return }
        places[home(of: key).place(of: UInt64(keys.count), in: places)] = 0
        keys.removeLast()
        values.removeLast()
    }

    /// Lets go of a value.
    package mutating func drop(_ key: Key) {
        guard let place = find(key), values[place] != nil else { return }
        values[place] = nil
        count -= 1
    }

    /// Lends every key and its value.
    package func forEach<Failure: Error>(_ body: (Key, Value) throws(Failure) -> Void) throws(Failure) {
        for place in keys.indices {
            if let value = values[place] { try body(keys[place], value) }
        }
    }

    // MARK: Places

    /// Where a key is looked for first, and the part of its hash that stands there.
    private struct Home {
        var place: Int
        let tag: UInt64

        /// The place of an entry that is in the table.
        func place(of number: UInt64, in places: [UInt64]) -> Int {
            var place = place
            while places[place] & 0xFFFF_FFFF != number { place = (place + 1) & (places.count - 1) }
            return place
        }
    }

    @inline(__always)
    private func home(of key: Key) -> Home {
        let hash = key.low &* factors.0 &+ key.high &* factors.1
        return Home(place: Int(hash >> shift), tag: hash << 32)
    }

    @inline(__always)
    private func find(_ key: Key) -> Int? {
        let home = home(of: key)
        let mask = places.count - 1
        return places.withUnsafeBufferPointer { places in
            var place = home.place
            // A free place ends the way, and half of them are free.
            while places[place] != 0 {
                let word = places[place]
                if word & ~0xFFFF_FFFF == home.tag {
                    let entry = Int(word & 0xFFFF_FFFF) - 1
                    if keys[entry] == key { return entry }
                }
                place = (place + 1) & mask
            }
            return nil
        }
    }

    /// - Parameter number: 1 + the key's place in `keys`.
    private mutating func insert(_ key: Key, _ number: UInt64) {
        precondition(number <= 0xFFFF_FFFF, "more keys than a table holds")
        let home = home(of: key)
        var place = home.place
        while places[place] != 0 { place = (place + 1) & (places.count - 1) }
        places[place] = home.tag | number
    }

    private mutating func grow() {
        places = Array(repeating: 0, count: places.count * 2)
        shift -= 1
        for place in keys.indices { insert(keys[place], UInt64(place) + 1) }
    }
}
