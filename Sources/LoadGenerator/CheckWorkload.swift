// Checks: takes questions from the pool in turn and compares the answers.

import Synchronization
import WireProtocol

/// What wrong answers looked like; shared by all connections, kept short.
package final class WrongAnswers: Sendable {
    private let samples = Mutex<[String]>([])

    /// How many are described; the rest is only counted.
    package static let samplesMax = 5

    /// None yet.
    package init() {}

    /// The descriptions, first come first.
    package var descriptions: [String] { samples.withLock { $0 } }

    /// Describes one, unless there are enough.
    func add(_ text: @autoclosure () -> String) {
        samples.withLock { if $0.count < WrongAnswers.samplesMax { $0.append(text()) } }
    }
}

/// One connection's checks.
package final class CheckWorkload: Workload {
    private let pool: QuestionPool
    private let verifies: Bool
    private let wrongAnswers: WrongAnswers
    private var next: Int
    private var questions: [Int]

    /// - Parameters:
    ///   - pool: what is asked, in turn.
    ///   - connection: number of the connection; each starts elsewhere in the pool.
    ///   - connections: number of connections.
    ///   - inFlight: requests in flight.
    ///   - verifies: whether answers are compared with the model.
    ///   - wrongAnswers: where wrong ones are described.
    package init(
        pool: QuestionPool, connection: Int, connections: Int, inFlight: Int, verifies: Bool,
        wrongAnswers: WrongAnswers
    ) {
        self.pool = pool
        self.verifies = verifies
        self.wrongAnswers = wrongAnswers
        next = pool.count * connection / connections
        questions = Array(repeating: 0, count: inFlight)
    }

    package func appendRequest(slot: Int, stream: UInt32, to writer: inout FrameWriter) -> Bool {
        questions[slot] = next
        pool.append(next, stream: stream, to: &writer)
        next += 1
        if next == pool.count { next = 0 }
        return true
    }

    package func judge(slot: Int, status: Status, payload: RawSpan) -> Reply {
        guard status == .ok else { return .failed }
        let question = questions[slot]
        return pool.itemsPerQuestion == 1
            ? judgeSingle(question, payload) : judgeBatch(question, payload)
    }

    // MARK: Single

    @inline(__always)
    private func judgeSingle(_ question: Int, _ payload: RawSpan) -> Reply {
        guard payload.byteCount == Wire.CheckResponse.byteCount else { return .failed }
        guard verifies else { return .answered(units: 1, wrong: 0) }
        let answer = Wire.CheckResponse(unchecked: payload, at: 0)
        let expected = pool.reasons[question]
        if answer.reason.rawValue == expected && answer.decision.rawValue == pool.allowBits[question] {
            return .answered(units: 1, wrong: 0)
        }
        let isRight = isRight(
            question, 0, reason: answer.reason.rawValue, decision: answer.decision.rawValue, now: answer.now)
        return .answered(units: 1, wrong: isRight ? 0 : 1)
    }

    // MARK: Batch

    private func judgeBatch(_ question: Int, _ payload: RawSpan) -> Reply {
        let view: Wire.CheckBatchResponseView
        do throws(WireError) {
            view = try Wire.CheckBatchResponseView(payload)
        } catch {
            return .failed
        }
        let items = pool.itemsPerQuestion
        guard view.count == UInt32(items) else { return .failed }
        guard verifies else { return .answered(units: items, wrong: 0) }
        guard view.reasons.byteCount == items else { return .failed }
        if view.errorCount == 0 && view.whole == .deny
            && view.reasons.isEqual(to: pool.reasons, from: question * items)
            && view.allow.isEqual(to: pool.allowBits, from: question * pool.bitmapBytes)
        {
            return .answered(units: items, wrong: 0)
        }
        var wrong = 0
        for item in 0..<items {
            let bit = view.allow.load(UInt8.self, at: item >> 3) >> UInt8(item & 7) & 1
            let decision = view.whole == .indeterminate ? view.whole.rawValue : bit
            let reason = view.reasons.load(UInt8.self, at: item)
            if !isRight(question, item, reason: reason, decision: decision, now: view.now) { wrong += 1 }
        }
        return .answered(units: items, wrong: wrong)
    }

    // MARK: In doubt

    /// The slow comparison: the finer form of a reason is right too, and so is what midnight changed.
    @inline(never)
    private func isRight(_ question: Int, _ item: Int, reason: UInt8, decision: UInt8, now: Int64) -> Bool {
        let today = CalendarDays.day(ofMicroseconds: now)
        let expected = pool.expectedReason(question: question, item: item, today: today)
        let isAllowed: UInt8 = ExpectedReason.isAllow(expected) ? 1 : 0
        if ExpectedReason.coarse(reason) == expected && decision == isAllowed { return true }
        wrongAnswers.add(
            "\(pool.describe(question: question, item: item)): expected "
                + CheckWorkload.describe(isAllowed, expected) + ", got "
                + CheckWorkload.describe(decision, reason)
        )
        return false
    }

    private static func describe(_ decision: UInt8, _ reason: UInt8) -> String {
        let decision = Wire.Decision(rawValue: decision).name ?? "decision \(decision)"
        return decision + " " + (Wire.Reason(rawValue: reason).name ?? "reason \(reason)")
    }
}
