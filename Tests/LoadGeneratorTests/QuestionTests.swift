// Goal: encoded questions are what the server reads, expected answers stand beside them, and the judge
// accepts right answers only.
//
// Method: the generated decoders read the frames back; answers are made from the model, then spoilt one at
// a time.

import LoadGenerator
import Testing
import WireProtocol

@Suite struct QuestionTests {
    static let today = 20_781

    static func pool(_ adjust: (inout QuestionShape) -> Void) throws -> (QuestionPool, QuestionShape) {
        let population = try Population(seed: 5, recipients: 4_000, controllers: 10, anchorDay: today)
        var shape = QuestionShape()
        shape.recipients = population.recipients
        shape.items = 2_048
        shape.verifies = true
        adjust(&shape)
        var builder = QuestionPoolBuilder(population: population, shape: shape, today: today)
        var picker = QuestionPicker(population: population, shape: shape, seed: 9)
        for _ in 0..<builder.groupCount {
            let group = picker.next()
            // A key of a recipient is its subject number, for lack of a server.
            let keys = group.subjects.flatMap { subject in
                withUnsafeBytes(of: UInt64(subject).littleEndian) { Array($0) }
                    + [UInt8](repeating: 7, count: 8)
            }
            builder.add(group, keys: shape.keys == .digest ? keys : nil)
        }
        return (builder.finish(seed: 9), shape)
    }

    static func workload(_ pool: QuestionPool, wrong: WrongAnswers = WrongAnswers()) -> CheckWorkload {
        CheckWorkload(
            pool: pool, connection: 0, connections: 1, inFlight: 1, verifies: true, wrongAnswers: wrong)
    }

    /// Reads the frame that a workload sends next.
    static func send<R>(
        _ workload: CheckWorkload, stream: UInt32 = 77, _ read: (FrameHeader, RawSpan) throws -> R
    ) throws -> R {
        var writer = FrameWriter()
        #expect(workload.appendRequest(slot: 0, stream: stream, to: &writer))
        var reader = FrameReader(bodyBytesMax: 1 << 22)
        let frame = try #require(try reader.next(writer.bytes))
        #expect(reader.consumed == writer.count && frame.header.stream == stream)
        try frame.header.verifyBody(writer.bytes.extracting(frame.body))
        return try read(frame.header, writer.bytes.extracting(frame.body))
    }

    static func judge(_ workload: CheckWorkload, _ answer: (inout FrameWriter) -> Void) -> Reply {
        var writer = FrameWriter()
        answer(&writer)
        return workload.judge(slot: 0, status: .ok, payload: writer.bytes)
    }

    @Test(arguments: QuestionKeys.allCases) func singles(_ keys: QuestionKeys) throws {
        let (pool, _) = try Self.pool { $0.keys = keys }
        let workload = Self.workload(pool)
        var allows = 0
        for question in 0..<pool.count {
            let (purpose, channel) = try Self.send(workload) { header, body in
                #expect(header.code == Wire.Method.check.rawValue)
                let view = try Wire.CheckRequestView(body)
                #expect(view.keyMode == (keys == .digest ? .key : .raw))
                #expect((view.address.byteCount > 0) == (keys == .raw))
                return (view.purpose, view.channel)
            }
            #expect(channel == .email || channel == .sms)
            let expected = pool.expectedReason(question: question, item: 0, today: Self.today)
            if purpose == 4 { #expect(expected == ExpectedReason.service) }
            let allow: UInt8 = ExpectedReason.isAllow(expected) ? 1 : 0
            allows += Int(allow)
            func answer(_ reason: UInt8, _ decision: UInt8) -> Reply {
                Self.judge(workload) {
                    Wire.CheckResponse(
                        now: Int64(Self.today) * 86_400_000_000, decision: Wire.Decision(rawValue: decision),
                        reason: Wire.Reason(rawValue: reason)
                    ).encode(into: &$0)
                }
            }
            #expect(answer(expected, allow) == .answered(units: 1, wrong: 0))
            #expect(answer(expected, 1 - allow) == .answered(units: 1, wrong: 1))
            #expect(answer(expected == 1 ? 2 : 1, allow) == .answered(units: 1, wrong: 1))
            if expected == ExpectedReason.noRecord {
                #expect(answer(98, 0) == .answered(units: 1, wrong: 0), "the finer form is right too")
            }
        }
        #expect((pool.count / 4...pool.count * 3 / 4).contains(allows), "\(allows) allows of \(pool.count)")
    }

    @Test(arguments: [2, 7, 8, 100], QuestionKeys.allCases)
    func batches(_ count: Int, _ keys: QuestionKeys) throws {
        let (pool, _) = try Self.pool {
            $0.itemsPerQuestion = count
            $0.keys = keys
            $0.items = 10 * count
        }
        let wrong = WrongAnswers()
        let workload = Self.workload(pool, wrong: wrong)
        #expect(pool.count == 10)
        for question in 0..<pool.count {
            try Self.send(workload) { header, body in
                #expect(header.code == Wire.Method.checkBatch.rawValue)
                let view = try Wire.CheckBatchRequestView(body)
                #expect(view.count == UInt32(count) && view.want == 1)
                #expect(view.keys.byteCount == (keys == .digest ? 16 * count : 0))
            }
            let reasons = (0..<count).map {
                pool.expectedReason(question: question, item: $0, today: Self.today)
            }
            func answer(
                flip: Int? = nil, reason: (item: Int, value: UInt8)? = nil, whole: Wire.Decision = .deny
            )
                -> Reply
            {
                Self.judge(workload) { writer in
                    let columns = Wire.CheckBatchResponse(
                        now: Int64(Self.today) * 86_400_000_000, count: UInt32(count), want: 1, whole: whole
                    ).beginEncoding(into: &writer)
                    for (item, value) in reasons.enumerated() {
                        writer.store(value, at: columns.reasons.lowerBound + item)
                        guard ExpectedReason.isAllow(value) != (flip == item) else { continue }
                        let place = columns.allow.lowerBound + item / 8
                        writer.store(
                            writer.bytes.load(UInt8.self, at: place) | 1 << UInt8(item % 8), at: place)
                    }
                    if let reason { writer.store(reason.value, at: columns.reasons.lowerBound + reason.item) }
                }
            }
            #expect(answer() == .answered(units: count, wrong: 0))
            #expect(answer(flip: count - 1) == .answered(units: count, wrong: 1))
            let other: UInt8 = reasons[0] == 82 ? 64 : 82
            #expect(answer(reason: (0, other)) == .answered(units: count, wrong: 1))
            #expect(answer(whole: .indeterminate) == .answered(units: count, wrong: count))
        }
        #expect(wrong.descriptions.count == WrongAnswers.samplesMax)
        for text in wrong.descriptions { #expect(!text.contains("@") && !text.contains("+33")) }
    }

    @Test func malformedAnswersAreErrors() throws {
        let (pool, _) = try Self.pool { $0.itemsPerQuestion = 8 }
        let workload = Self.workload(pool)
        try Self.send(workload) { _, _ in }
        #expect(Self.judge(workload) { $0.append(UInt32(0)) } == .failed)
        #expect(
            Self.judge(workload) { Wire.CheckBatchResponse(count: 7, want: 1).encode(into: &$0) } == .failed,
            "another count")
        #expect(
            Self.judge(workload) { Wire.CheckBatchResponse(count: 8).encode(into: &$0) } == .failed,
            "no reasons")
        #expect(workload.judge(slot: 0, status: .unavailable, payload: RawSpan()) == .failed)
    }

    @Test func midnightIsNotAWrongAnswer() throws {
        // The pool was built for one day; an answer of a much later day has more expired consents, rightly
        // so.
        let (pool, _) = try Self.pool { $0.items = 4_096 }
        let workload = Self.workload(pool)
        let later = Self.today + 400
        var changed = 0
        for question in 0..<pool.count {
            try Self.send(workload) { _, _ in }
            let reason = pool.expectedReason(question: question, item: 0, today: later)
            if reason != pool.expectedReason(question: question, item: 0, today: Self.today) { changed += 1 }
            let reply = Self.judge(workload) {
                Wire.CheckResponse(
                    now: Int64(later) * 86_400_000_000 + 5,
                    decision: ExpectedReason.isAllow(reason) ? .allow : .deny,
                    reason: Wire.Reason(rawValue: reason)
                ).encode(into: &$0)
            }
            #expect(reply == .answered(units: 1, wrong: 0))
        }
        #expect(changed > 100)
    }

    @Test(arguments: [0.0, 0.5, 0.9, 1.0]) func hitRatio(_ ratio: Double) throws {
        let population = try Population(seed: 5, recipients: 4_000, controllers: 10, anchorDay: Self.today)
        var shape = QuestionShape()
        shape.recipients = 2_000
        shape.hitRatio = ratio
        var picker = QuestionPicker(population: population, shape: shape, seed: 1)
        let subjects = (0..<20).flatMap { _ in picker.next().subjects }
        let hits = Double(subjects.count { $0 & 1 == 0 }) / Double(subjects.count)
        #expect(abs(hits - ratio) < 0.02)
        #expect(subjects.allSatisfy { $0 >> 1 < 2_000 })
    }

    @Test func zipfAsksSomeMoreThanOthers() throws {
        let population = try Population(seed: 5, recipients: 4_000, controllers: 1, anchorDay: Self.today)
        var shape = QuestionShape()
        shape.recipients = 4_000
        func distinct(_ exponent: Double?) -> Int {
            shape.zipf = exponent
            var picker = QuestionPicker(population: population, shape: shape, seed: 1)
            return Set((0..<4).flatMap { _ in picker.next().subjects.map { $0 >> 1 } }).count
        }
        #expect(distinct(1.2) < distinct(nil) / 2)
    }
}
