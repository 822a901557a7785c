// The questions to a peer: chosen as those to consentd are, encoded before the clock starts, each beside the
// bytes of its right answer.
//
// Invariant: immutable after it was built; all threads read it.

import WireProtocol

/// Encoded questions with their right answers.
package final class PeerQuestionPool: Sendable {
    /// Number of questions.
    package let count: Int
    /// Items a question.
    package let itemsPerQuestion: Int
    /// How they are encoded.
    package let format: PeerFormat
    fileprivate let frames: [UInt8]
    fileprivate let starts: [Int]
    fileprivate let answers: [UInt8]
    fileprivate let answerStarts: [Int]

    /// Prepares questions.
    ///
    /// - Parameters:
    ///   - population: what the peer holds.
    ///   - shape: what questions are like.
    ///   - format: how they are encoded.
    ///   - seed: the run's seed; with equal shapes the recipients are those of a run against consentd.
    package init(population: Population, shape: QuestionShape, format: PeerFormat, seed: UInt64) {
        let items = shape.itemsPerQuestion
        itemsPerQuestion = items
        self.format = format
        var frames: [UInt8] = []
        var starts = [0]
        var answers: [UInt8] = []
        var answerStarts = [0]
        var picker = QuestionPicker(population: population, shape: shape, seed: seed)
        while starts.count - 1 < max(1, shape.items / items) {
            let group = picker.next()
            let keys = group.subjects.map { subject in
                population.peerKey(of: subject >> 1, space: subject & 1 == 1 ? .missing : .seeded)
            }
            let values = group.subjects.map { subject in
                subject & 1 == 1 ? nil : population.peerValue(of: subject >> 1)
            }
            for (number, first) in stride(from: 0, to: keys.count, by: items).enumerated() {
                let part = first..<first + items
                let purpose = group.purposes[number]
                format.appendQuestion(about: Array(keys[part]), purpose: purpose, to: &frames)
                format.appendAnswer(
                    about: Array(keys[part]), values: Array(values[part]), purpose: purpose, to: &answers)
                starts.append(frames.count)
                answerStarts.append(answers.count)
            }
        }
        count = starts.count - 1
        self.frames = frames
        self.starts = starts
        self.answers = answers
        self.answerStarts = answerStarts
    }
}

/// One connection's checks against a peer.
package final class PeerChecks: PeerRequests {
    private let pool: PeerQuestionPool
    private let verifies: Bool
    private let wrongAnswers: WrongAnswers
    @exclusivity(unchecked) private var upcoming: Int
    @exclusivity(unchecked) private var questions: [Int]

    /// - Parameters:
    ///   - pool: what is asked, in turn.
    ///   - connection: number of the connection; each starts elsewhere in the pool.
    ///   - plan: the run's plan.
    ///   - verifies: whether answers that are not the right ones count as wrong.
    ///   - wrongAnswers: where wrong ones are described.
    package init(
        pool: PeerQuestionPool, connection: Int, plan: RunPlan, verifies: Bool, wrongAnswers: WrongAnswers
    ) {
        self.pool = pool
        self.verifies = verifies
        self.wrongAnswers = wrongAnswers
        upcoming = pool.count * connection / plan.connections
        questions = Array(repeating: 0, count: plan.inFlight)
    }

    @inline(__always)
    package func appendRequest(slot: Int, to writer: inout FrameWriter) -> Bool {
        questions[slot] = upcoming
        let range = pool.starts[upcoming]..<pool.starts[upcoming + 1]
        pool.frames.withUnsafeBytes { all in
            writer.append(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: all[range])))
        }
        upcoming += 1
        if upcoming == pool.count { upcoming = 0 }
        return true
    }

    @inline(__always)
    package func answer(slot: Int) -> PeerAnswer {
        let question = questions[slot]
        return PeerAnswer(
            bytes: pool.answers, range: pool.answerStarts[question]..<pool.answerStarts[question + 1],
            parts: 0, units: pool.itemsPerQuestion)
    }

    package func judge(slot: Int, answer: RawSpan) -> Reply {
        let items = pool.itemsPerQuestion
        guard verifies else { return .answered(units: items, wrong: 0) }
        let question = questions[slot]
        let range = pool.answerStarts[question]..<pool.answerStarts[question + 1]
        let right = pool.answers.withUnsafeBytes { all in
            pool.format.values(in: RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: all[range])))
        }
        let got = pool.format.values(in: answer)
        // memcached leaves out what it does not hold: then the count alone says how many are missing.
        let differing = zip(right, got).filter { $0 != $1 }.count
        let wrong = max(1, right.count == got.count ? differing : abs(right.count - got.count))
        wrongAnswers.add("question \(question): \(wrong) of \(items) items differ from what was loaded")
        return .answered(units: items, wrong: min(wrong, items))
    }
}

/// One connection's share of loading a peer.
package final class PeerLoading: PeerRequests {
    /// Recipients of one request.
    static let recipientsPerRequest = 100

    private let population: Population
    private let format: PeerFormat
    private var left: Range<Int>
    private var answers: [PeerAnswer]

    /// - Parameters:
    ///   - population: what is loaded.
    ///   - format: how it is asked for later.
    ///   - range: recipients of this connection's share.
    ///   - inFlight: requests in flight.
    package init(population: Population, format: PeerFormat, range: Range<Int>, inFlight: Int) {
        self.population = population
        self.format = format
        left = range
        let none = PeerAnswer(bytes: [], range: 0..<0, parts: 0, units: 0)
        answers = Array(repeating: none, count: inFlight)
    }

    package func appendRequest(slot: Int, to writer: inout FrameWriter) -> Bool {
        guard !left.isEmpty else { return false }
        let end = min(left.lowerBound + PeerLoading.recipientsPerRequest, left.upperBound)
        let recipients = left.lowerBound..<end
        left = end..<left.upperBound
        var request: [UInt8] = []
        var answer: [UInt8] = []
        format.appendWrite(
            recipients.map { population.peerKey(of: $0, space: .seeded) },
            values: recipients.map { population.peerValue(of: $0) }, to: &request, answer: &answer)
        request.withUnsafeBytes { writer.append(RawSpan(_unsafeBytes: $0)) }
        let parts = answer.count { $0 == UInt8(ascii: "\n") }
        answers[slot] = PeerAnswer(
            bytes: answer, range: 0..<answer.count, parts: parts, units: recipients.count)
        return true
    }

    package func answer(slot: Int) -> PeerAnswer { answers[slot] }

    /// Members of a set that were there before count as loaded; everything else was an error already.
    package func judge(slot: Int, answer: RawSpan) -> Reply {
        .answered(units: answers[slot].units, wrong: 0)
    }
}
