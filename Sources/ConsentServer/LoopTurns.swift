// Whose turn it is on a loop: connections that asked for more than one turn's share of output.
//
// A task that a task submits runs before the loop looks at its sockets again. Were each connection to submit
// its own next turn, a loop would come back to those who ask little only when all of those who ask much are
// done. So they stand in one line, and the loop looks at its sockets after every few turns.
//
// Everything here belongs to one loop.

import NIOCore

/// The line of a loop.
final class LoopTurns: @unchecked Sendable {
    private let loop: any EventLoop
    private var line = CircularBuffer<Connection>()
    private var turnsLeft = turnsPerLook
    private var isScheduled = false

    /// Turns between two looks at the sockets.
    private static let turnsPerLook = 4
    /// Long enough not to have passed when the loop is done with the turn that began it; then it looks.
    private static let look = TimeAmount.microseconds(20)

    init(of loop: any EventLoop) {
        self.loop = loop
    }

    /// Puts a connection at the end of the line. It must not stand there already.
    func lineUp(_ connection: Connection) {
        line.append(connection)
        schedule()
    }

    private func schedule() {
        guard !isScheduled, !line.isEmpty else { return }
        isScheduled = true
        if turnsLeft > 0 {
            loop.execute { self.giveTurn() }
        } else {
            loop.scheduleTask(in: Self.look) {
                self.turnsLeft = Self.turnsPerLook
                self.giveTurn()
            }
        }
    }

    private func giveTurn() {
        isScheduled = false
        turnsLeft -= 1
        line.popFirst()?.takeTurn()
        schedule()
    }
}
