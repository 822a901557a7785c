// The streaming methods as asynchronous sequences: history, backup, watch. Each iterator is one call; letting
// go of it cancels the call, and the server sends no more than the consumer takes (credits).
//
// Invariant of a watch: the sequences that it yields ascend, and none under its filter is left out, across
// reconnects too; where the server cannot promise that, the watch ends with an error.

import ConsentDomain
import ConsentProof
import ConsentWire
import WireProtocol

/// Events of a contact point or reference, oldest first.
public struct EventSequence: AsyncSequence, Sendable {
    let client: ConsentClient
    let request: Wire.HistoryRequest
    let timeout: Duration?

    /// One pass over the events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        /// Kept, so that the connection stays while the stream is read.
        let client: ConsentClient
        let stream: OpenStream

        /// The next event; nil after the last.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(ConsentClientError) -> RecordedEvent? {
            guard let body = try await stream.next() else { return nil }
            return RecordedEvent(wire: try ConsentClient.decode(body))
        }

        /// The next event; nil after the last.
        public mutating func next() async throws(ConsentClientError) -> RecordedEvent? {
            try await next(isolation: nil)
        }
    }

    /// Makes the call.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, stream: client.stream(.history, request, timeout: timeout))
    }
}

/// The pieces of a backup, in order.
public struct BackupSequence: AsyncSequence, Sendable {
    let client: ConsentClient

    /// One backup.
    public struct AsyncIterator: AsyncIteratorProtocol {
        /// Kept, so that the connection stays while the stream is read.
        let client: ConsentClient
        let stream: OpenStream

        /// The next piece; nil after the last.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(ConsentClientError) -> BackupChunk? {
            guard let body = try await stream.next() else { return nil }
            let item: Wire.BackupItem = try ConsentClient.decode(body)
            let isLast = item.head != nil
            return BackupChunk(
                offset: item.offset, bytes: item.bytes, totalBytes: isLast ? item.totalBytes : nil,
                head: try item.head.map { head throws(ConsentClientError) in try SignedHead(wire: head) })
        }

        /// The next piece; nil after the last.
        public mutating func next() async throws(ConsentClientError) -> BackupChunk? {
            try await next(isolation: nil)
        }
    }

    /// Makes the call.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, stream: client.stream(.backup, Wire.Empty(), timeout: nil))
    }
}

/// One change, or the news that there was none.
public struct WatchChange: Hashable, Sendable {
    /// Sequence of the event; in a heartbeat: the watch is complete through this sequence.
    public var sequence: UInt64
    /// The event; nil in a heartbeat, and where it was erased.
    public var event: RecordedEvent?
    /// Nothing happened; complete through `sequence`.
    public var isHeartbeat: Bool

    /// A change of these parts.
    package init(sequence: UInt64, event: RecordedEvent?, isHeartbeat: Bool) {
        self.sequence = sequence
        self.event = event
        self.isHeartbeat = isHeartbeat
    }
}

/// Where a watch begins.
public struct WatchPosition: Hashable, Sendable {
    /// Incarnation that `sequence` belongs to, 16 bytes; empty: the one that the client is connected to.
    public var incarnation: [UInt8]
    /// Changes after this sequence; 0: from the beginning.
    public var sequence: UInt64

    /// A position.
    public init(incarnation: [UInt8] = [], after sequence: UInt64) {
        self.incarnation = incarnation
        self.sequence = sequence
    }
}

extension ConsentClient {
    /// Changes as they happen, in order, resumed by itself when the connection is lost.
    ///
    /// - Parameters:
    ///   - position: where to begin: the incarnation and sequence of the last change that the caller has.
    ///   - controller: only this one; nil: all that the credential allows.
    /// - Returns: an endless sequence whose iteration throws `.registerChanged` where the register is another
    ///   one, `.watchGap` where changes were lost, and any other `ConsentClientError`.
    public func watch(from position: WatchPosition, controller: ControllerID? = nil) -> WatchSequence {
        WatchSequence(client: self, position: position, controller: controller)
    }
}

/// Changes as they happen; see `ConsentClient.watch`.
public struct WatchSequence: AsyncSequence, Sendable {
    let client: ConsentClient
    let position: WatchPosition
    let controller: ControllerID?

    /// One watch.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let client: ConsentClient
        let controller: ControllerID?
        let incarnation: [UInt8]
        /// Everything under the filter up to here was yielded.
        private(set) var complete: UInt64
        private var stream: OpenStream?

        init(client: ConsentClient, position: WatchPosition, controller: ControllerID?) {
            self.client = client
            self.controller = controller
            incarnation =
                position.incarnation.isEmpty ? client.server?.incarnation ?? [] : position.incarnation
            complete = position.sequence
        }

        /// The next change or heartbeat; nil when the server ended the watch.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(ConsentClientError) -> WatchChange? {
            while true {
                let stream = stream ?? open()
                self.stream = stream
                do throws(ConsentClientError) {
                    guard let body = try await stream.next() else { return nil }
                    if let change = try accept(try ConsentClient.decode(body)) { return change }
                } catch {
                    self.stream = nil
                    guard Self.canResume(after: error), !Task.isCancelled else { throw error }
                    do { try await Task.sleep(for: .milliseconds(50)) } catch { throw .cancelled }
                }
            }
        }

        /// The next change or heartbeat; nil when the server ended the watch.
        public mutating func next() async throws(ConsentClientError) -> WatchChange? {
            try await next(isolation: nil)
        }

        private func open() -> OpenStream {
            let request = Wire.WatchRequest(
                incarnation: Wire.Bytes16(incarnation) ?? Wire.Bytes16(), after: complete,
                controller: controller?.rawValue ?? 0)
            return client.stream(.watch, request, timeout: nil)
        }

        /// Checks that an item follows on what was yielded. An item that was yielded before is left out.
        private mutating func accept(_ item: Wire.WatchItem) throws(ConsentClientError) -> WatchChange? {
            if item.heartbeat {
                if item.previous > complete {
                    throw .watchGap(expectedAfter: complete, previous: item.previous)
                }
                complete = Swift.max(complete, item.sequence)
                return WatchChange(sequence: item.sequence, event: nil, isHeartbeat: true)
            }
            if item.sequence <= complete { return nil }
            if item.previous > complete { throw .watchGap(expectedAfter: complete, previous: item.previous) }
            complete = item.sequence
            return WatchChange(
                sequence: item.sequence, event: item.event.map(RecordedEvent.init(wire:)), isHeartbeat: false)
        }

        private static func canResume(after error: ConsentClientError) -> Bool {
            switch error {
            case .connectionLost: true
            case .rejected(let rejection): [.unavailable, .resourceExhausted].contains(rejection.status)
            default: false
            }
        }
    }

    /// Makes the call.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, position: position, controller: controller)
    }
}
