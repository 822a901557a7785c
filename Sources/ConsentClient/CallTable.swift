// The calls in flight of one connection, by stream number.
//
// A ring of slots, `stream & mask`: a number whose slot is taken is simply not given out, which is right
// because stream numbers need not be dense. Looking up an answer is one load and one comparison, nothing is
// hashed.
//
// Invariant: a slot whose `stream` is not 0 holds a call; occupied slots are at most half of all, so a free
// one is found after few steps.

/// Calls by stream number.
package struct CallTable<Call> {
    private struct Slot {
        var stream: UInt32 = 0
        var call: Call?
    }

    private var slots: [Slot]
    private let mask: Int
    /// Calls held.
    package private(set) var count = 0

    /// - Parameter callsMax: most calls held at a time.
    package init(callsMax: Int) {
        var size = 16
        while size < callsMax * 2 { size *= 2 }
        slots = Array(repeating: Slot(), count: size)
        mask = size - 1
    }

    /// Whether the number cannot be given out now.
    package func isTaken(_ stream: UInt32) -> Bool { slots[Int(stream) & mask].stream != 0 }

    /// Holds a call under a number that is not taken.
    package mutating func insert(_ call: Call, at stream: UInt32) {
        let index = Int(stream) & mask
        precondition(stream != 0 && slots[index].stream == 0, "the stream number is taken")
        slots[index] = Slot(stream: stream, call: call)
        count += 1
    }

    /// The call under a number, nil when there is none.
    package subscript(_ stream: UInt32) -> Call? {
        let slot = slots[Int(stream) & mask]
        return slot.stream == stream ? slot.call : nil
    }

    /// Puts another call in the place of the one under this number.
    package mutating func replace(_ stream: UInt32, by call: Call) {
        let index = Int(stream) & mask
        guard slots[index].stream == stream else { return }
        slots[index].call = call
    }

    /// Takes a call out; nil when there is none.
    package mutating func remove(_ stream: UInt32) -> Call? {
        let index = Int(stream) & mask
        guard stream != 0, slots[index].stream == stream else { return nil }
        count -= 1
        slots[index].stream = 0
        return slots[index].call.take()
    }

    /// Takes all calls out, in the order in which they began (numbers may have started again at 1: by
    /// distance).
    package mutating func removeAll() -> [(stream: UInt32, call: Call)] {
        var all: [(stream: UInt32, call: Call)] = []
        for index in slots.indices where slots[index].stream != 0 {
            if let call = slots[index].call { all.append((slots[index].stream, call)) }
            slots[index] = Slot()
        }
        count = 0
        guard let first = all.first?.stream else { return [] }
        return all.sorted { Int32(bitPattern: $0.stream &- first) < Int32(bitPattern: $1.stream &- first) }
    }

    /// Visits every call.
    package func forEach(_ body: (UInt32, Call) -> Void) {
        for slot in slots where slot.stream != 0 {
            if let call = slot.call { body(slot.stream, call) }
        }
    }
}
