// Builds a QuestionPool: picks groups, encodes each question's frame, works out its expected answer.
//
// Single questions come in groups about one controller, since keys are fetched so; they are shuffled at the
// end, so that neighbours on the wire are not neighbours in the catalogue.

import WireProtocol

/// A pool in the making.
package struct QuestionPoolBuilder {
    let population: Population
    let shape: QuestionShape
    let today: Int
    let bitmapBytes: Int

    private(set) var frames: [UInt8] = []
    private(set) var starts: [Int] = [0]
    private(set) var reasons: [UInt8] = []
    private(set) var allowBits: [UInt8] = []
    private(set) var subjects: [Int] = []
    private(set) var purposes: [UInt8] = []

    /// - Parameters:
    ///   - population: what is on the server.
    ///   - shape: what questions are like.
    ///   - today: the server's day, for which expected answers are worked out.
    package init(population: Population, shape: QuestionShape, today: Int) {
        self.population = population
        self.shape = shape
        self.today = today
        bitmapBytes = shape.itemsPerQuestion > 1 ? (shape.itemsPerQuestion + 7) / 8 : 1
    }

    /// Groups that fill the pool.
    package var groupCount: Int {
        let perGroup = shape.itemsPerQuestion > 1 ? shape.itemsPerQuestion : QuestionPicker.singlesPerGroup
        return max(1, (shape.items + perGroup - 1) / perGroup)
    }

    /// The addresses of a group, one after the other, and where each starts and the last one ends.
    package func addresses(of group: QuestionGroup) -> (bytes: [UInt8], offsets: [UInt32]) {
        var bytes: [UInt8] = []
        var offsets: [UInt32] = [0]
        bytes.reserveCapacity(group.subjects.count * 32)
        withUnsafeTemporaryAllocation(byteCount: Population.addressBytesMax, alignment: 1) { scratch in
            for subject in group.subjects {
                let count = population.writeAddress(
                    of: subject >> 1, space: subject & 1 == 1 ? .missing : .seeded, into: scratch)
                bytes.append(contentsOf: scratch[..<count])
                offsets.append(UInt32(bytes.count))
            }
        }
        return (bytes, offsets)
    }

    /// Adds a group's questions.
    ///
    /// - Parameters:
    ///   - group: what is asked.
    ///   - keys: 16 bytes an item, in order; nil: by address.
    package mutating func add(_ group: QuestionGroup, keys: [UInt8]?) {
        precondition(keys.map { $0.count == 16 * group.subjects.count } ?? true, "a key is missing")
        if shape.itemsPerQuestion > 1 {
            addBatch(group, keys: keys)
        } else {
            addSingles(group, keys: keys)
        }
    }

    /// The pool. Single questions are shuffled.
    package func finish(seed: UInt64) -> QuestionPool {
        precondition(starts.count > 1, "a pool without a question")
        guard shape.itemsPerQuestion == 1 else { return QuestionPool(builder: self) }
        var generator = SeededGenerator(seed: seed ^ 0x7368_7566)
        var shuffled = QuestionPoolBuilder(population: population, shape: shape, today: today)
        shuffled.frames.reserveCapacity(frames.count)
        for question in (0..<starts.count - 1).shuffled(using: &generator) {
            shuffled.frames.append(contentsOf: frames[starts[question]..<starts[question + 1]])
            shuffled.starts.append(shuffled.frames.count)
            shuffled.reasons.append(reasons[question])
            shuffled.allowBits.append(allowBits[question])
            shuffled.subjects.append(subjects[question])
            shuffled.purposes.append(purposes[question])
        }
        return QuestionPool(builder: shuffled)
    }

    // MARK: Encoding

    private mutating func addSingles(_ group: QuestionGroup, keys: [UInt8]?) {
        let (bytes, offsets) = keys == nil ? addresses(of: group) : ([], [])
        var writer = FrameWriter(minimumCapacity: group.subjects.count * 96)
        for (item, subject) in group.subjects.enumerated() {
            let frame = writer.beginFrame(
                .request, code: Wire.Method.check.rawValue, stream: 1, value: shape.deadlineMicroseconds)
            var request = Wire.CheckRequest(
                controller: group.controller, channel: Wire.Channel(rawValue: group.kind.channel),
                purpose: group.purposes[item])
            if let keys {
                request.key = Wire.Bytes16(keys[16 * item..<16 * item + 16]) ?? Wire.Bytes16()
                request.encode(into: &writer)
            } else {
                let range = Int(offsets[item])..<Int(offsets[item + 1])
                request.keyMode = .raw
                request.addressLength = UInt32(range.count)
                fill(request.beginEncoding(into: &writer).address, of: &writer, with: bytes[range])
            }
            writer.endFrame(frame)
            expect(subject, purpose: group.purposes[item])
            allowBits.append(ExpectedReason.isAllow(reasons[reasons.count - 1]) ? 1 : 0)
            purposes.append(group.purposes[item])
            starts.append(frames.count + writer.count)
        }
        writer.withBytes { frames.append(contentsOf: $0) }
    }

    private mutating func addBatch(_ group: QuestionGroup, keys: [UInt8]?) {
        let count = group.subjects.count
        var request = Wire.CheckBatchRequest(
            controller: group.controller, channel: Wire.Channel(rawValue: group.kind.channel),
            purpose: group.purposes[0], want: shape.verifies ? 1 : 0, count: UInt32(count))
        var writer = FrameWriter(minimumCapacity: 64 + 64 * count)
        let frame = writer.beginFrame(
            .request, code: Wire.Method.checkBatch.rawValue, stream: 1, value: shape.deadlineMicroseconds)
        if let keys {
            fill(request.beginEncoding(into: &writer).keys, of: &writer, with: keys[...])
        } else {
            let (bytes, offsets) = addresses(of: group)
            request.keyMode = .raw
            request.addressBytes = UInt32(bytes.count)
            let columns = request.beginEncoding(into: &writer)
            for (item, offset) in offsets.enumerated() {
                writer.store(offset, at: columns.offsets.lowerBound + 4 * item)
            }
            fill(columns.addresses, of: &writer, with: bytes[...])
        }
        writer.endFrame(frame)
        writer.withBytes { frames.append(contentsOf: $0) }
        starts.append(frames.count)
        purposes.append(group.purposes[0])

        var bitmap = [UInt8](repeating: 0, count: bitmapBytes)
        for (item, subject) in group.subjects.enumerated() {
            expect(subject, purpose: group.purposes[0])
            if ExpectedReason.isAllow(reasons[reasons.count - 1]) {
                bitmap[item >> 3] |= 1 << UInt8(item & 7)
            }
        }
        allowBits.append(contentsOf: bitmap)
    }

    private mutating func expect(_ subject: Int, purpose: UInt8) {
        subjects.append(subject)
        reasons.append(
            subject & 1 == 1
                ? Population.expectedReasonOfMiss(purpose: purpose)
                : population.expectedReason(of: subject >> 1, purpose: purpose, today: today))
    }

    private func fill(_ range: Range<Int>, of writer: inout FrameWriter, with bytes: ArraySlice<UInt8>) {
        writer.withMutableBytes(at: range.lowerBound, count: range.count) { $0.copyBytes(from: bytes) }
    }
}
