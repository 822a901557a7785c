// The server's time: the wall clock, but never earlier than the last recorded event.

import CPlatform
import ConsentDomain
import Synchronization

/// now = max(wall clock, last recorded_at).
final class ServerClock: Sendable {
    private let floor: Atomic<Int64>

    init(lastRecordedAt: Timestamp) {
        floor = Atomic(lastRecordedAt.microseconds)
    }

    /// Microseconds since the Unix epoch.
    @inline(__always)
    var now: Timestamp {
        let wall = Int64(consent_wall_nanoseconds() / 1000)
        return Timestamp(microseconds: max(wall, floor.load(ordering: .relaxed)))
    }

    /// Writer thread only: time does not go back behind this.
    func recorded(at time: Timestamp) {
        if time.microseconds > floor.load(ordering: .relaxed) {
            floor.store(time.microseconds, ordering: .relaxed)
        }
    }
}
