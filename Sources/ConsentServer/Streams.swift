// Server-streaming calls: History, Watch, Backup.
//
// A stream keeps a position, never an open statement. It sends while it has credit and its connection takes
// output, then it rests until a credit frame or the writable socket wakes it; nothing is buffered for it
// meanwhile.
//
// State is split by thread: the connection's loop owns credit (in ServerConnectionState) and calls `resume`;
// the writer thread owns the position and reads. `grant` carries credit over: items that may be sent without
// asking.

import Synchronization
import WireProtocol

/// What a connection knows of its open stream. Called on the event loop.
protocol ServerStream: AnyObject, Sendable {
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
        var credit = 0
        var isQueued = false
        var isEnded = false
        var drains = false
    }

    let call: CallContext
    private let pipeline: CommitPipeline
    private let shared: Mutex<Shared>
    private let followsCommits: Bool
    // Writer thread only.
    private var isFollowing = false
    private let source: any StreamSource
    /// Items of one step at most.
    private static let stepItemsMax = 64

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

    func resume() {
        let connection = call.connection
        guard connection.isWritable else { return }
        let added = Int(connection.state.takeAllCredit(call.stream))
        schedule(adding: added)
    }

    func cancel() {
        shared.withLock { $0.isEnded = true }
        call.connection.eventLoop.execute { [self] in
            guard call.connection.state.isOpen(call.stream) else { return }
            call.connection.complete(Completion(call, kind: .end, .cancelled, "cancelled by the caller"))
            call.connection.flushOutput()
        }
    }

    func drain() {
        shared.withLock { $0.drains = true }
        schedule(adding: 0)
    }

    // MARK: Any thread

    /// Has the writer thread continue, if there is something it may do.
    func schedule(adding credit: Int) {
        let mustQueue = shared.withLock { shared in
            shared.credit += credit
            guard !shared.isEnded, !shared.isQueued, shared.credit > 0 || shared.drains else { return false }
            shared.isQueued = true
            return true
        }
        guard mustQueue else { return }
        if pipeline.enqueue(self) != .queued {
            shared.withLock { $0.isQueued = false }
            finish(.unavailable, "the server is busy or stopping: try again later")
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
        let (credit, drains, isEnded) = shared.withLock { ($0.credit, $0.drains, $0.isEnded) }
        if isEnded { return false }
        if followsCommits && !isFollowing {
            isFollowing = true
            writer.add(self)
        }
        let limit = min(credit, Self.stepItemsMax)
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
        Completion.deliver(items.map { Completion(call, kind: .item, encode: $0) })
    }

    /// Whether to stay in the queue.
    private func settle(sent: Int, moreNow: Bool) -> Bool {
        shared.withLock { shared in
            shared.credit -= sent
            shared.isQueued = moreNow && shared.credit > 0 && !shared.isEnded
            return shared.isQueued
        }
    }
}
