// Changes to a table's encoding that keep its lengths right: a mutation of bytes alone would seldom get past
// the first of them.
//
//     field     u16 id << 3 | size class; 1 << class bytes, or with class 6 a u32 length and so many bytes
//     list      the content of a field: u32 count, then elements, which here state their lengths as well

import TestRandomness

/// One table, in an input or in a field of another.
struct TableForm {
    private(set) var bytes: [UInt8]
    /// Each field that is whole: its tag's place, and its content.
    private var fields: [(tag: Int, content: Range<Int>, isSized: Bool)] = []

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        var offset = 0
        while offset + 2 <= bytes.count {
            let sizeClass = bytes[offset] & 7
            let isSized = sizeClass == 6
            guard sizeClass != 7, !isSized || offset + 6 <= bytes.count else { return }
            let start = offset + (isSized ? 6 : 2)
            let count = isSized ? Int(bytes.number(UInt32.self, at: offset + 2)) : 1 << Int(sizeClass)
            guard count <= bytes.count - start else { return }
            fields.append((offset, start..<start + count, isSized))
            offset = start + count
        }
    }

    /// Changes one field, or something in it.
    mutating func mutate(
        byteCountMax: Int, depth: Int = 0, using random: inout SeededGenerator, _ mutation: Mutation
    ) {
        guard !fields.isEmpty else { return mutation(&bytes, byteCountMax) }
        let field = fields[random.below(fields.count)]
        var content = Array(bytes[field.content])
        let room = max(1, byteCountMax - bytes.count + content.count)
        switch random.below(depth < 3 && field.isSized ? 8 : 3) {
        case 0:
            bytes.removeSubrange(field.tag..<field.content.upperBound)
            return
        case 1, 2:
            mutation(&content, field.isSized ? room : content.count)
            if !field.isSized { content += Array(repeating: 0, count: field.content.count - content.count) }
        case 3, 4:
            var table = TableForm(content)
            table.mutate(byteCountMax: room, depth: depth + 1, using: &random, mutation)
            content = table.bytes
        default:
            var list = ListForm(content)
            list.mutate(byteCountMax: room, depth: depth + 1, using: &random, mutation)
            content = list.bytes
        }
        bytes.replaceSubrange(field.content, with: content)
        if field.isSized { bytes.store(UInt32(content.count), at: field.tag + 2) }
    }
}

/// A list whose elements state their lengths.
private struct ListForm {
    private var elements: [[UInt8]] = []
    private let original: [UInt8]

    init(_ bytes: [UInt8]) {
        original = bytes
        var offset = 4
        while offset + 4 <= bytes.count {
            let count = Int(bytes.number(UInt32.self, at: offset))
            guard count <= bytes.count - offset - 4 else {
                elements = []
                return
            }
            elements.append(Array(bytes[(offset + 4)..<(offset + 4 + count)]))
            offset += 4 + count
        }
    }

    /// Repeats, drops or changes an element.
    mutating func mutate(
        byteCountMax: Int, depth: Int, using random: inout SeededGenerator, _ mutation: Mutation
    ) {
        guard !elements.isEmpty else {
            elements = [[]]
            return
        }
        let place = random.below(elements.count)
        switch random.below(4) {
        case 0: elements.append(elements[place])
        case 1: elements.remove(at: place)
        default:
            var table = TableForm(elements[place])
            table.mutate(byteCountMax: byteCountMax, depth: depth, using: &random, mutation)
            elements[place] = table.bytes
        }
    }

    var bytes: [UInt8] {
        if elements.isEmpty && original.count < 4 { return original }
        var bytes: [UInt8] = [0, 0, 0, 0]
        bytes.store(UInt32(elements.count), at: 0)
        for element in elements {
            let start = bytes.count
            bytes += [0, 0, 0, 0] + element
            bytes.store(UInt32(element.count), at: start)
        }
        return bytes
    }
}
