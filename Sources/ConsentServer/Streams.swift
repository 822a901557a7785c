// Server-streaming calls: History, Watch, Backup.
//
// A stream keeps a position, never an open statement. It sends while it has credit and its connection takes
// output, then it rests until a credit frame or the writable socket wakes it; nothing is buffered for it
// meanwhile but a window of items.
//
// State is split by thread: the connection's loop owns credit (in ServerConnectionState) and calls `resume`;
// the writer thread owns the position and reads. `schedule` carries credit over: items that may be sent
// without asking. Invariant: a stream that may do something is queued or is woken by what lets it.

import Synchronization
import WireProtocol

/// What a connection knows of its open stream. Called on the event loop.
protocol ServerStream: AnyObject, Sendable {
    /// The call that it answers.
    var call: CallContext { get }
    /// Credit came, or the socket is writable again.
    func resume()
    /// The client no longer wants it, or is gone.
    func cancel()
    /// The server is stopping: a stream without an end of its own ends now.
    func drain()
}

/// Reads one stream's items on the writer thread, in steps.
protocol StreamSource: AnyObject {
    /// Reads at most `limit` items.
    /// - Returns: the items' encoders, and whether the stream is at its end.
    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep
    /// Lets go of what it has of the register: the stream is over before its end. On the writer thread too.
    func abandon()
}

extension StreamSource {
    func abandon() {}
}

/// One step of a source.
enum StreamStep {
    /// Items; more may come at once.
    case items([@Sendable (inout FrameWriter) -> Void])
    /// Items, and nothing more until something is committed.
    case caughtUp([@Sendable (inout FrameWriter) -> Void])
    /// Items, and the end.
    case end([@Sendable (inout FrameWriter) -> Void])
    /// The stream cannot go on.
    case failed(Status, String)
}

/// One streaming call.
final class RegisterStream: ServerStream, RegisterTask, @unchecked Sendable {
    private struct Shared {
        /// Items that the client still takes.
        var credit = 0
        /// Items handed to the event loop that the socket has not taken yet.
        var inTransit = 0
        var isQueued = false
        /// Something changed since the step under way looked.
        var isSignalled = false
        var isEnded = false
        var drains = false

        /// Items that may be read now.
        var allowance: Int { max(0, min(credit, RegisterStream.windowItemsMax - inTransit)) }
    }

    let call: CallContext
    private let pipeline: CommitPipeline
    private let shared: Mutex<Shared>
    private let followsCommits: Bool
    // Writer thread only.
    private var isFollowing = false
    private let source: any StreamSource
    // Event loop only.
    private var unreleased = 0
    /// Items of one stream that wait for the socket at most.
    private static let windowItemsMax = 64

    /// - Parameters:
    ///   - credit: items that may be sent at first.
    ///   - source: read on the writer thread only.
    ///   - followsCommits: whether the stream is woken after each commit, and never ends by itself.
    init(
        call: CallContext, pipeline: CommitPipeline, credit: Int, followsCommits: Bool,
        source: sending any StreamSource
    ) {
        self.call = call
        self.followsCommits = followsCommits
        self.pipeline = pipeline
        self.source = source
        shared = Mutex(Shared(credit: credit))
    }

    // MARK: Event loop

    /// Begins, unless too many reads wait.
    func begin() {
        shared.withLock { $0.isQueued = true }
        guard pipeline.enqueue(self) != .queued else { return }
        finish(.unavailable, "too many reads are waiting, or the server is stopping: try again later")
    }

    func resume() {
        let connection = call.connection
        guard connection.isWritable else { return }
        let released = unreleased
        unreleased = 0
        schedule(adding: Int(connection.state.takeAllCredit(call.stream)), released: released)
    }

    func cancel() {
        let mustQueue = shared.withLock { shared in
            defer { shared.isQueued = true }
            shared.isEnded = true
            return !shared.isQueued
        }
        // The source may hold a part of the register, which only the writer thread may let go of.
        if mustQueue { _ = pipeline.enqueue(again: self) }
        // Nothing is left to answer when the connection is gone.
        guard call.connection.state.isOpen(call.stream) else { return }
        call.connection.eventLoop.execute { [self] in
            guard call.connection.streams[call.stream] === self else { return }
            call.connection.complete(Completion(call, kind: .end, .cancelled, "cancelled by the caller"))
            call.connection.flushOutput()
        }
    }

    func drain() {
        guard followsCommits else { return }
        shared.withLock { $0.drains = true }
        schedule(adding: 0)
    }

    /// Items left for the socket: more may be read, now or once the socket is writable.
    private func delivered(_ count: Int) {
        unreleased += count
        guard call.connection.isWritable else { return }
        let released = unreleased
        unreleased = 0
        schedule(adding: 0, released: released)
    }

    // MARK: Any thread

    /// Has the writer thread continue, if there is something it may do.
    /// - Parameters:
    ///   - credit: items more that the client takes.
    ///   - released: items of before that the socket has taken.
    func schedule(adding credit: Int, released: Int = 0) {
        let mustQueue = shared.withLock { shared in
            shared.credit += credit
            shared.inTransit -= released
            guard !shared.isEnded else { return false }
            if shared.isQueued {
                shared.isSignalled = true
                return false
            }
            guard shared.allowance > 0 || shared.drains else { return false }
            shared.isQueued = true
            return true
        }
        guard mustQueue else { return }
        if pipeline.enqueue(again: self) != .queued {
            shared.withLock { $0.isQueued = false }
            finish(.unavailable, "the server is stopping: try again later")
        }
    }

    /// Whether the stream has ended for good.
    var isEnded: Bool { shared.withLock { $0.isEnded } }

    private func finish(_ status: Status, _ message: String) {
        let wasOpen = shared.withLock { shared in
            defer { shared.isEnded = true }
            return !shared.isEnded
        }
        guard wasOpen else { return }
        Completion.deliver([
            status == .ok
                ? Completion(call, kind: .end) { _ in } : Completion(call, kind: .end, status, message)
        ])
    }

    // MARK: Writer thread

    func step(_ writer: RegisterWriter, until deadline: UInt64) -> Bool {
        let (limit, drains, isEnded) = shared.withLock { shared in
            shared.isSignalled = false
            return (shared.allowance, shared.drains, shared.isEnded)
        }
        if isEnded {
            source.abandon()
            return false
        }
        if followsCommits && !isFollowing {
            isFollowing = true
            writer.add(self)
        }
        let step = limit > 0 ? source.read(limit: limit, writer) : .caughtUp([])
        switch step {
        case .items(let items):
            send(items)
            return settle(sent: items.count, moreNow: true)
        case .caughtUp(let items):
            send(items)
            if drains {
                finish(.unavailable, "the server is stopping: watch again after the last sequence you have")
                return false
            }
            return settle(sent: items.count, moreNow: false)
        case .end(let items):
            send(items)
            finish(.ok, "")
            return false
        case .failed(let status, let message):
            finish(status, message)
            return false
        }
    }

    private func send(_ items: [@Sendable (inout FrameWriter) -> Void]) {
        guard !items.isEmpty else { return }
        shared.withLock { $0.inTransit += items.count }
        Completion.deliver(items.map { Completion(call, kind: .item, encode: $0) })
        // After them, on the same loop.
        call.connection.eventLoop.execute { [self] in delivered(items.count) }
    }

    /// Whether to stay in the queue.
    private func settle(sent: Int, moreNow: Bool) -> Bool {
        let (stays, isEnded) = shared.withLock { shared in
            shared.credit -= sent
            let goesOn = (moreNow || shared.isSignalled) && shared.allowance > 0
            shared.isQueued = !shared.isEnded && (goesOn || shared.drains)
            return (shared.isQueued, shared.isEnded)
        }
        if isEnded { source.abandon() }
        return stays
    }
}
