// The items of one streaming call between the event loop, which appends them, and one consumer, which takes
// them.
//
// Credits bound it: the server sends at most `window` items that the consumer has not taken, and gets new
// credit each time half of the window has been taken.
//
// Invariant: at most one consumer waits, and it waits only while there is no item and no end.

import NIOCore
import Synchronization

/// Items of a stream, bounded by credits.
final class ItemQueue: Sendable {
    /// Items that may be on their way or waiting.
    static let window: UInt32 = 64

    private struct State {
        var items = CircularBuffer<[UInt8]>()
        var end: ConsentClientError??
        var taken: UInt32 = 0
        var consumer: UnsafeContinuation<[UInt8]?, any Error>?
    }

    private let state = Mutex(State())

    // MARK: Event loop

    /// Appends an item.
    func append(_ item: [UInt8]) {
        let consumer: UnsafeContinuation<[UInt8]?, any Error>? = state.withLock { state in
            if state.end != nil { return nil }
            guard let consumer = state.consumer else {
                state.items.append(item)
                return nil
            }
            state.consumer = nil
            state.taken += 1
            return consumer
        }
        consumer?.resume(returning: item)
    }

    /// No more items; nil: all came. Items not taken yet are still handed out.
    func finish(_ error: ConsentClientError?) {
        let consumer: UnsafeContinuation<[UInt8]?, any Error>? = state.withLock { state in
            if state.end != nil { return nil }
            state.end = .some(error)
            defer { state.consumer = nil }
            return state.consumer
        }
        guard let consumer else { return }
        if let error { consumer.resume(throwing: error) } else { consumer.resume(returning: nil) }
    }

    // MARK: Consumer

    /// The next item, nil after the last.
    func next() async throws(ConsentClientError) -> [UInt8]? {
        do {
            return try await withUnsafeThrowingContinuation { continuation in
                let result: Result<[UInt8]?, ConsentClientError>? = state.withLock { state in
                    if let item = state.items.popFirst() {
                        state.taken += 1
                        return .success(item)
                    }
                    if let end = state.end { return end.map(Result.failure) ?? .success(nil) }
                    precondition(state.consumer == nil, "a stream has one consumer")
                    state.consumer = continuation
                    return nil
                }
                if let result { continuation.resume(with: result.mapError { $0 as any Error }) }
            }
        } catch let error as ConsentClientError {
            throw error
        } catch {
            throw .connectionLost(why: "\(error)")
        }
    }

    /// The credit to give for items taken since the last time; 0 while it is not worth a frame.
    func takeCredit() -> UInt32 {
        state.withLock { state in
            guard state.taken >= Self.window / 2, state.end == nil else { return 0 }
            defer { state.taken = 0 }
            return state.taken
        }
    }
}
