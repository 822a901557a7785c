// A near cache of denials, kept right by a watch: a service that asks about the same people again and again
// hears "no" without a round trip. An allow always comes from the server.
//
// A denial that is too old withholds a message; it never sends one. So nothing here can make a wrong yes, and
// what has to be shown is that a denial does not outlive what lifts it by more than the watch's delay:
//
// - An event about a contact point drops all of its entries; one that may concern anybody (catalogue, key
//   epoch, restore) drops every entry.
// - An answer is kept only if it reflects every event that the watch has passed already. Otherwise the event
//   that makes it wrong may be behind the watch, and nothing would drop it.
// - Entries are used only while the watch lives: something, a heartbeat at least, came within `staleAfter`.
//
// Invariant: each entry reflects every event about its contact point up to `complete`.

import ConsentDomain
import Synchronization

/// Answers checks by recipient key from the denials that it has heard, and asks the server for all else.
///
/// Addresses are always asked about at the server: only it knows which contact point they are. The client
/// needs the scope `watch`; without it, and whenever the watch is broken, every check goes to the server.
public final class RecentDenials: Sendable {
    /// What a cache did and holds.
    public struct Statistics: Hashable, Sendable {
        /// Checks answered without the server.
        public var hits: UInt64 = 0
        /// Checks that the server answered.
        public var misses: UInt64 = 0
        /// Denials held.
        public var entries = 0
        /// Every event up to this sequence was taken into account.
        public var complete: UInt64 = 0
        /// Whether entries are used: the watch has been heard of lately.
        public var isLive = false
    }

    private let client: ConsentClient
    private let table: DenialTable
    private let watching: Task<Void, Never>

    /// Begins to watch.
    /// - Parameters:
    ///   - client: whom to ask, and whose watch to follow; kept until `close`.
    ///   - capacity: most denials held, 2 at least; about 150 bytes each. The longest unused go first.
    ///   - staleAfter: silence of the watch after which entries are not used. The server's heartbeats come
    ///     every
    ///     10 s unless it was told otherwise.
    public init(_ client: ConsentClient, capacity: Int = 100_000, staleAfter: Duration = .seconds(30)) {
        self.client = client
        let table = DenialTable(capacity: max(2, capacity), staleAfter: staleAfter)
        self.table = table
        watching = Task { await Self.watch(client, table) }
    }

    deinit { watching.cancel() }

    /// Ends the watch. From then on every check goes to the server.
    public func close() async {
        watching.cancel()
        await watching.value
    }

    /// What it did and holds.
    public var statistics: Statistics { table.statistics }

    /// As `ConsentClient.check`; a denial may come from memory, with the `sequence` that it reflects and the
    /// `now` at which the server gave it.
    public func check(
        _ question: CheckQuestion, _ contact: Contact, timeout: Duration? = nil
    ) async -> CheckAnswer {
        guard case .key(let key) = contact else {
            return await client.check(question, contact, timeout: timeout)
        }
        if let answer = table.answer(to: question, about: key) { return answer }
        let answer = await client.check(question, contact, timeout: timeout)
        table.keep(answer, to: question, about: key)
        return answer
    }

    // MARK: Watch

    /// Follows the register until it is cancelled; begins anew, with nothing held, after every error.
    private static func watch(_ client: ConsentClient, _ table: DenialTable) async {
        while !Task.isCancelled {
            if let server = client.server {
                let start = WatchPosition(incarnation: server.incarnation, after: server.sequence)
                table.begin(at: server.sequence)
                await follow(client.watch(from: start), table)
                table.end()
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    private static func follow(_ changes: WatchSequence, _ table: DenialTable) async {
        do {
            for try await change in changes { table.note(change) }
        } catch {
            // Begun again by the caller: a gap, another register, a missing scope all read as "not live".
        }
    }
}

/// The entries of a cache and what its watch has seen.
package final class DenialTable: Sendable {
    /// What a check is about, apart from contact point and minimum sequence.
    private struct Cell: Hashable {
        let controller: ControllerID
        let channel: Channel
        let purpose: PurposeID
        let purposeClass: PurposeClass?

        init(_ question: CheckQuestion) {
            controller = question.controller
            channel = question.channel
            purpose = question.purpose
            purposeClass = question.purposeClass
        }
    }

    /// The denials of one contact point; few.
    private typealias Denials = [Cell: CheckAnswer]

    private struct State {
        /// Used lately; when it is half of the capacity it becomes `older`, and that is dropped.
        var recent: [RecipientKey: Denials] = [:]
        var older: [RecipientKey: Denials] = [:]
        var recentCount = 0
        var complete: UInt64 = 0
        var lastNews: ContinuousClock.Instant?
        var hits: UInt64 = 0
        var misses: UInt64 = 0

        mutating func removeAll() {
            recent.removeAll()
            older.removeAll()
            recentCount = 0
        }

        mutating func remove(_ key: RecipientKey) {
            recentCount -= recent.removeValue(forKey: key)?.count ?? 0
            older.removeValue(forKey: key)
        }
    }

    private let state = Mutex(State())
    private let capacity: Int
    private let staleAfter: Duration

    package init(capacity: Int, staleAfter: Duration) {
        self.capacity = capacity
        self.staleAfter = staleAfter
    }

    // MARK: Checks

    /// The denial on file; nil: ask the server.
    package func answer(to question: CheckQuestion, about key: RecipientKey) -> CheckAnswer? {
        let cell = Cell(question)
        return state.withLock { state in
            guard isLive(state), question.minimumSequence <= state.complete else {
                state.misses += 1
                return nil
            }
            if var found = state.recent[key]?[cell] {
                state.hits += 1
                found.sequence = max(found.sequence, state.complete)
                return found
            }
            guard var found = state.older[key]?[cell] else {
                state.misses += 1
                return nil
            }
            state.hits += 1
            insert(found, cell, key, &state)
            found.sequence = max(found.sequence, state.complete)
            return found
        }
    }

    /// Holds an answer of the server, if it is a denial that no event behind the watch may have lifted.
    package func keep(_ answer: CheckAnswer, to question: CheckQuestion, about key: RecipientKey) {
        guard answer.decision == .deny, answer.cause == nil else { return }
        let cell = Cell(question)
        state.withLock { state in
            guard state.lastNews != nil, answer.sequence >= state.complete else { return }
            insert(answer, cell, key, &state)
        }
    }

    private func insert(_ answer: CheckAnswer, _ cell: Cell, _ key: RecipientKey, _ state: inout State) {
        if state.recent[key, default: [:]].updateValue(answer, forKey: cell) == nil { state.recentCount += 1 }
        guard state.recentCount >= capacity / 2 else { return }
        state.older = state.recent
        state.recent.removeAll(keepingCapacity: true)
        state.recentCount = 0
    }

    // MARK: Watch

    /// The watch begins after a sequence; nothing is held.
    package func begin(at sequence: UInt64) {
        state.withLock { state in
            state.removeAll()
            state.complete = sequence
            state.lastNews = nil
        }
    }

    /// The watch has ended.
    package func end() {
        state.withLock { state in
            state.removeAll()
            state.lastNews = nil
        }
    }

    /// Takes a change, or a heartbeat, into account.
    package func note(_ change: WatchChange) {
        state.withLock { state in
            if !change.isHeartbeat {
                // An erased event names nobody. It lifts no denial that counts: an erasure follows it.
                if let event = change.event, !event.isErased {
                    if let key = event.key, event.kind != .rekeyed {
                        state.remove(key)
                    } else {
                        state.removeAll()
                    }
                }
            }
            state.complete = max(state.complete, change.sequence)
            state.lastNews = .now
        }
    }

    package var statistics: RecentDenials.Statistics {
        state.withLock { state in
            var statistics = RecentDenials.Statistics()
            statistics.hits = state.hits
            statistics.misses = state.misses
            statistics.entries =
                state.recentCount + state.older.values.reduce(0) { $0 + $1.count }
            statistics.complete = state.complete
            statistics.isLive = isLive(state)
            return statistics
        }
    }

    private func isLive(_ state: State) -> Bool {
        guard let lastNews = state.lastNews else { return false }
        return ContinuousClock.now - lastNews < staleAfter
    }
}
