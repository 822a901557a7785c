// The server's time: the wall clock, but it never goes back.
//
// Why: a consent that has been answered as expired must not come back to life when the clock is set back, and
// the times of events ascend with their numbers. A clock that was set forward by mistake therefore denies
// more until the next start, and never allows more.

import CPlatform
import ConsentDomain
import Synchronization

/// now = max(wall clock, last recorded_at, times given out before). Of the last it keeps one a second and the
/// first of each day, since consents end with days; over a restart one a minute and the first of each day
/// (Sources/ConsentRegister/EndMark.swift).
final class ServerClock: Sendable {
    private let floor: Atomic<Int64>

    init(after lastKnownTime: Timestamp) {
        floor = Atomic(lastKnownTime.microseconds)
    }

    /// Microseconds since the Unix epoch.
    @inline(__always)
    var now: Timestamp {
        let wall = Self.wall
        let floor = floor.load(ordering: .relaxed)
        if wall - floor < Self.second && wall / Self.day == floor / Self.day {
            return Timestamp(microseconds: max(wall, floor))
        }
        return raised(to: wall)
    }

    /// Time does not go back behind this.
    func recorded(at time: Timestamp) {
        _ = raised(to: time.microseconds)
    }

    @inline(never)
    private func raised(to time: Int64) -> Timestamp {
        Timestamp(microseconds: floor.max(time, ordering: .relaxed).newValue)
    }

    private static let second: Int64 = 1_000_000
    private static let day: Int64 = 86_400_000_000
    private static var wall: Int64 { Int64(consent_wall_nanoseconds() / 1000) }

    // MARK: Start

    /// Refuses a clock that is more than a day behind the time that the register was last in use.
    static func check(against lastKnownTime: Timestamp) throws(ServerFailure) {
        let now = Timestamp(microseconds: wall)
        guard now.microseconds < lastKnownTime.microseconds - day else { return }
        throw ServerFailure(
            exitCode: 78,
            message:
                "the clock says \(now.rfc3339), more than a day before the register was last in use "
                + "(\(lastKnownTime.rfc3339)): set the clock; if it is right and was wrong then, start with "
                + "--accept-clock, and time stands still until the last event's")
    }
}
