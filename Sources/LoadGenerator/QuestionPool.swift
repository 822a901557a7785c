// The questions of a check run, encoded before the clock starts.
//
// Why: what the generator does per request comes out of the server's share of the machine. A question is a
// whole frame whose stream number and header checksum alone are filled in when it is sent; the expected
// answer stands beside it as the very bytes that the answer must hold, so that verifying a batch is two
// comparisons of memory.
//
//   frames        | header, body | header, body | …      starts[q] ..< starts[q + 1]
//   reasons       one byte an item, `itemsPerQuestion` a question
//   allowBits     a bitmap a question, as in CheckBatchResponse
//   subjects      recipient number << 1 | miss, an item; purposes: one byte a question
//
// Invariant: immutable after it was built; all threads read it.

import CPlatform
import WireProtocol

/// How a question names its contact points.
package enum QuestionKeys: String, CaseIterable, Sendable {
    /// 16-byte keys, fetched with the method Keys before the clock starts.
    case digest
    /// Addresses.
    case raw
}

/// What the questions of a run are like.
package struct QuestionShape: Hashable, Sendable {
    /// Items a question; 1: the method Check, more: CheckBatch.
    package var itemsPerQuestion = 1
    /// Keys or addresses.
    package var keys = QuestionKeys.digest
    /// Share of items that are about seeded recipients, 0…1.
    package var hitRatio = 0.9
    /// Exponent of a Zipf distribution over recipients; nil: uniform.
    package var zipf: Double?
    /// Items of the pool in all; questions repeat after that.
    package var items = 1 << 20
    /// Only the first so many recipients are asked about.
    package var recipients = 1
    /// Whether answers are compared, which asks batches for reasons too.
    package var verifies = false
    /// Deadline of each request in microseconds; 0: none.
    package var deadlineMicroseconds: UInt32 = 0

    /// Single checks by key.
    package init() {}
}

/// One question before it is encoded: items that share controller, kind and purpose.
package struct QuestionGroup: Sendable {
    /// Number of the controller.
    package var controller: UInt32
    /// Kind, and with it the channel.
    package var kind: RecipientKind
    /// Purpose of each question in the group; a batch has one.
    package var purposes: [UInt8]
    /// Recipient number << 1 | 1 for a miss.
    package var subjects: [Int]
}

/// Chooses what is asked.
package struct QuestionPicker {
    private let population: Population
    private let shape: QuestionShape
    private var generator: SeededGenerator
    private var zipf: [Int: ZipfSampler] = [:]

    /// Items of one group of single questions: enough for one request for keys.
    package static let singlesPerGroup = 1_024

    /// - Parameters:
    ///   - population: what is on the server.
    ///   - shape: what questions are like.
    ///   - seed: the run's seed.
    package init(population: Population, shape: QuestionShape, seed: UInt64) {
        self.population = population
        self.shape = shape
        generator = SeededGenerator(seed: seed ^ 0x7069_636b)
    }

    /// The next group: one batch, or a thousand single questions.
    package mutating func next() -> QuestionGroup {
        let isBatch = shape.itemsPerQuestion > 1
        let count = isBatch ? shape.itemsPerQuestion : QuestionPicker.singlesPerGroup
        let (controller, kind) = pool()
        let size = population.poolCount(controllerIndex: controller, kind: kind, limit: shape.recipients)
        var group = QuestionGroup(
            controller: Population.firstController + UInt32(controller), kind: kind, purposes: [],
            subjects: [])
        group.purposes = (0..<(isBatch ? 1 : count)).map { _ in purpose() }
        group.subjects.reserveCapacity(count)
        for _ in 0..<count {
            let isHit = generator.unit() < shape.hitRatio
            let recipient = population.recipient(
                controllerIndex: controller, kind: kind, position: position(in: size))
            group.subjects.append(recipient << 1 | (isHit ? 0 : 1))
        }
        return group
    }

    /// A controller and kind, each as likely as it has recipients.
    private mutating func pool() -> (controller: Int, kind: RecipientKind) {
        let recipient = generator.below(shape.recipients)
        return (population.controllerIndex(of: recipient), population.kind(of: recipient))
    }

    /// One question in twenty is about a service message.
    private mutating func purpose() -> UInt8 {
        generator.below(20) == 0 ? PopulationPurpose.service.id : UInt8(1 + generator.below(3))
    }

    private mutating func position(in size: Int) -> Int {
        guard let exponent = shape.zipf else { return generator.below(size) }
        let sampler = zipf[size] ?? ZipfSampler(count: size, exponent: exponent)
        zipf[size] = sampler
        return Scramble.place(sampler.next(&generator), in: size, seed: population.seed)
    }
}

/// Encoded questions with their expected answers.
package final class QuestionPool: Sendable {
    /// Number of questions.
    package let count: Int
    /// Items a question.
    package let itemsPerQuestion: Int
    /// The population asked about.
    package let population: Population
    /// Day for which the expected answers hold.
    package let today: Int
    /// Bytes of a question's bitmap.
    package let bitmapBytes: Int

    let frames: [UInt8]
    let starts: [Int]
    let reasons: [UInt8]
    let allowBits: [UInt8]
    let subjects: [Int]
    let purposes: [UInt8]

    init(builder: QuestionPoolBuilder) {
        count = builder.starts.count - 1
        itemsPerQuestion = builder.shape.itemsPerQuestion
        population = builder.population
        today = builder.today
        bitmapBytes = builder.bitmapBytes
        frames = builder.frames
        starts = builder.starts
        reasons = builder.reasons
        allowBits = builder.allowBits
        subjects = builder.subjects
        purposes = builder.purposes
    }

    /// Appends a question's frame under a stream number.
    @inline(__always)
    func append(_ question: Int, stream: UInt32, to writer: inout FrameWriter) {
        let range = starts[question]..<starts[question + 1]
        let start = writer.count
        frames.withUnsafeBytes { all in
            writer.append(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: all[range])))
        }
        writer.address(start, toStream: stream)
    }

    /// The expected reason of an item on a day.
    package func expectedReason(question: Int, item: Int, today: Int) -> UInt8 {
        let subject = subjects[question * itemsPerQuestion + item]
        let purpose = purposes[question]
        if subject & 1 == 1 { return Population.expectedReasonOfMiss(purpose: purpose) }
        return population.expectedReason(of: subject >> 1, purpose: purpose, today: today)
    }

    /// Which item this is, without an address: for messages about wrong answers.
    package func describe(question: Int, item: Int) -> String {
        let subject = subjects[question * itemsPerQuestion + item]
        let number = subject >> 1
        return (subject & 1 == 1 ? "an address never seeded (\(number))" : "recipient \(number)")
            + " of controller \(population.controller(of: number)), channel \(population.kind(of: number)), "
            + "purpose \(purposes[question])"
    }
}

extension FrameWriter {
    /// Gives a frame that was copied as a whole another stream number, and seals its header again.
    @inline(__always)
    mutating func address(_ start: Int, toStream stream: UInt32) {
        store(stream, at: start + 8)
        let checksum = withMutableBytes(at: start, count: FrameHeader.sealedByteCount) {
            consent_crc32c(0, $0.baseAddress, $0.count)
        }
        store(checksum, at: start + FrameHeader.sealedByteCount)
    }
}
