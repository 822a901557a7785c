// The questions of a `callers` run in the form in which the client library takes them, and what callers
// counted.
//
// Why decoded beforehand: what a caller does between two checks comes out of the client's share of the
// machine. One cursor for all callers, so that tasks which ask together ask neighbouring questions.

import ConsentClient
import ConsentDomain
import Synchronization
import WireProtocol

/// Questions of a pool, decoded.
package final class CallerQuestions: Sendable {
    /// One question and the answer that the population implies for the pool's day.
    package struct Item: Sendable {
        /// What is asked.
        package let question: CheckQuestion
        /// About whom.
        package let contact: Contact
        /// The reason's number.
        package let expectedReason: UInt8
        /// Whether that allows.
        package let isAllowed: Bool
        /// Its number in the pool.
        package let number: Int
    }

    let pool: QuestionPool
    /// In the order in which they are asked.
    package let items: [Item]
    private let cursor = Atomic<Int>(0)

    /// - Parameters:
    ///   - pool: single questions.
    ///   - sorted: by controller, channel and purpose, as a campaign asks; else as the pool has them.
    package init(_ pool: QuestionPool, sorted: Bool) throws(LoadError) {
        self.pool = pool
        var items: [Item] = []
        items.reserveCapacity(pool.count)
        do throws(WireError) {
            for number in 0..<pool.count { items.append(try Self.item(pool, number)) }
        } catch {
            throw .lost("a question that this program encoded cannot be read: \(error)")
        }
        if sorted { items.sort { Self.order($0) < Self.order($1) } }
        self.items = items
    }

    /// The next question's place in `items`.
    package func take() -> Int {
        let number = cursor.wrappingAdd(1, ordering: .relaxed).oldValue
        return Int(UInt(bitPattern: number) % UInt(items.count))
    }

    private static func order(_ item: Item) -> UInt64 {
        UInt64(item.question.controller.rawValue) << 16 | UInt64(item.question.channel.rawValue) << 8
            | UInt64(item.question.purpose.rawValue)
    }

    private static func item(_ pool: QuestionPool, _ number: Int) throws(WireError) -> Item {
        let body = Array(pool.frames[pool.starts[number] + FrameHeader.byteCount..<pool.starts[number + 1]])
        let view = try Wire.CheckRequestView(body.span.bytes)
        guard let channel = Channel(rawValue: view.channel.rawValue),
            let purpose = PurposeID(rawValue: view.purpose)
        else { throw .badCount(count: Int(view.purpose), limit: 255) }
        let address = view.address
        let contact: Contact =
            view.keyMode == .key
            ? .key(RecipientKey(low: view.key.word0, high: view.key.word1))
            : .address(String(decoding: address.array(0..<address.byteCount), as: UTF8.self))
        return Item(
            question: CheckQuestion(
                controller: ControllerID(rawValue: view.controller), channel: channel, purpose: purpose),
            contact: contact, expectedReason: pool.reasons[number], isAllowed: pool.allowBits[number] == 1,
            number: number)
    }
}

/// What all callers counted.
final class CallerTally: Sendable {
    private struct State {
        var statistics = RunStatistics()
        var firstFailure: String?
    }

    private let state = Mutex(State())

    var statistics: RunStatistics { state.withLock { $0.statistics } }
    var firstFailure: String? { state.withLock { $0.firstFailure } }

    func add(_ nanoseconds: [UInt64], wrong: Int) {
        state.withLock { state in
            state.statistics.requests += nanoseconds.count
            state.statistics.units += nanoseconds.count
            state.statistics.wrong += wrong
            for sample in nanoseconds { state.statistics.service.record(nanoseconds: sample) }
        }
    }

    func add(_ error: ConsentClientError) {
        state.withLock { state in
            switch error {
            case .rejected(let rejection): state.statistics.errors[rejection.status.rawValue, default: 0] += 1
            case .timedOut: state.statistics.errors[Status.deadlineExceeded.rawValue, default: 0] += 1
            case .overloaded: state.statistics.errors[Status.resourceExhausted.rawValue, default: 0] += 1
            default: state.statistics.unanswered += 1
            }
            if state.firstFailure == nil { state.firstFailure = "\(error)" }
        }
    }
}

/// What one caller counted and has not handed over: the tally is locked once in so many answers.
struct CallerSamples {
    private static let held = 256

    private let tally: CallerTally
    private var nanoseconds: [UInt64] = []
    private var wrong = 0

    init(_ tally: CallerTally) {
        self.tally = tally
        nanoseconds.reserveCapacity(Self.held)
    }

    mutating func record(nanoseconds sample: UInt64, isWrong: Bool) {
        nanoseconds.append(sample)
        if isWrong { wrong += 1 }
        if nanoseconds.count == Self.held { flush() }
    }

    mutating func failed(_ error: ConsentClientError) { tally.add(error) }

    mutating func flush() {
        tally.add(nanoseconds, wrong: wrong)
        nanoseconds.removeAll(keepingCapacity: true)
        wrong = 0
    }
}
