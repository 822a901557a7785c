// Every message of the schema: what decodes is written back in canonical form, and the canonical form is one.
//
//     u16 type   low half of the CRC32C of the message's name, so that an input keeps its meaning when the
//                schema grows; of no message: taken modulo their number
//     body       the encoding

import TestRandomness
import WireProtocol

/// The generated messages.
package enum MessageTarget: FuzzTarget {
    package static let name = "messages"

    static let typeByteCount = 2

    /// The two bytes that stand for each message, in the order of `Wire.messages`.
    package static let tags: [UInt16] = Wire.messages.map {
        UInt16(truncatingIfNeeded: checksum(Array($0.schemaName.utf8)))
    }
    private static let places = Dictionary(
        zip(tags, Wire.messages.indices), uniquingKeysWith: { first, _ in first })

    package static func run(_ input: RawSpan) throws(Finding) -> Outcome {
        guard input.byteCount >= typeByteCount else { return Outcome() }
        let tag: UInt16 = input.load(at: 0)
        let place = places[tag] ?? Int(tag) % Wire.messages.count
        let isTaken = try check(Wire.messages[place], input.extracting(droppingFirst: typeByteCount))
        return Outcome(isPast: isTaken, messageType: place)
    }

    /// Decodes a body and holds what came of it against the rules of encodings.
    /// - Returns: whether it decodes.
    static func check(_ type: any WireMessage.Type, _ body: RawSpan) throws(Finding) -> Bool {
        try checkOpened(type, body)
    }

    private static func checkOpened<Message: WireMessage>(
        _ type: Message.Type, _ body: RawSpan
    ) throws(Finding) -> Bool {
        var once = FrameWriter(minimumCapacity: 64)
        let message: Message?
        do throws(WireError) {
            message = try Message(decoding: body)
            try Message.recode(body, into: &once)
        } catch {
            // One of the two refused it: both must.
            guard (try? Message(decoding: body)) == nil else {
                throw Finding("\(Message.schemaName) decodes, but recode says: \(error)")
            }
            return false
        }
        guard once.count <= body.byteCount else {
            throw Finding(
                "\(Message.schemaName) of \(body.byteCount) bytes is \(once.count) in canonical form")
        }
        var twice = FrameWriter(minimumCapacity: 64)
        let again: Message
        do throws(WireError) {
            again = try Message(decoding: once.bytes)
            try Message.recode(once.bytes, into: &twice)
        } catch {
            throw Finding("\(Message.schemaName) in canonical form does not decode: \(error)")
        }
        guard again == message else {
            throw Finding("\(Message.schemaName) reads otherwise in canonical form")
        }
        guard once.bytes.array == twice.bytes.array else {
            throw Finding("\(Message.schemaName): the canonical form has another canonical form")
        }
        return true
    }

    /// The body alone: with the lengths in it kept right (tables), with its own length kept (structs and
    /// columns), or at will; now and then as another message.
    package static func mutate(
        _ input: inout [UInt8], byteCountMax: Int, using random: inout SeededGenerator, _ mutation: Mutation
    ) {
        var body = Array(input.dropFirst(typeByteCount))
        var tag: UInt16 = input.number(at: 0)
        if places[tag] == nil || random.below(16) == 0 { tag = tags[random.below(tags.count)] }
        let room = max(0, byteCountMax - typeByteCount)
        switch random.below(4) {
        case 0, 1:
            var table = TableForm(body)
            table.mutate(byteCountMax: room, using: &random, mutation)
            body = table.bytes
        case 2 where !body.isEmpty:
            let count = body.count
            mutation(&body, count)
            body += Array(repeating: 0, count: count - body.count)
        default: mutation(&body, room)
        }
        input = [0, 0] + body
        input.store(tag, at: 0)
    }

    package static func seeds(_ samples: Samples) -> [[UInt8]] {
        let places = Dictionary(uniqueKeysWithValues: zip(Wire.messages.map { $0.schemaName }, tags))
        return (samples.golden + samples.hostile).compactMap { sample in
            guard let tag = places[sample.message] else { return nil }
            var input: [UInt8] = [0, 0] + sample.bytes
            input.store(tag, at: 0)
            return input
        }
    }

    /// A Grant that has a contact point twice.
    package static func isPlanted(_ input: RawSpan, _ outcome: Outcome) -> Bool {
        guard outcome.isPast, let place = outcome.messageType, Wire.messages[place] == Wire.GrantRequest.self,
            let grant = try? Wire.GrantRequest(decoding: input.extracting(droppingFirst: typeByteCount))
        else { return false }
        return Set(grant.contacts).count < grant.contacts.count
    }
}
