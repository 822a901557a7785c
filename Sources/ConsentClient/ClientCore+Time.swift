// Deadlines, cancellations and silence. One timer a client, set to the earliest thing that can happen: most
// calls are answered long before their deadline and never touch it.

import NIOCore
import WireProtocol

extension ClientCore {
    /// Makes sure that the timer fires by `deadline`.
    func scheduleExpiry(_ deadline: NIODeadline) {
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        let task = loop.scheduleTask(deadline: deadline) { self.expire() }
        timer = (deadline, task)
    }

    /// Ends what is over, sends what was parked until now, and sets the timer anew.
    private func expire() {
        timer = nil
        let now = NIODeadline.now()
        endCalls { deadline, _ in
            deadline.at <= now ? .timedOut(after: deadline.limit) : nil
        }
        let due = parked.filter { $0.due <= now }
        parked.removeAll { $0.due <= now }
        for (_, call) in due { requeue(call) }
        if case .open(let connection) = link { checkSilence(connection, now) }
        pump()
        finishTurn()
        if let next = nextEvent() { scheduleExpiry(max(next, now + .milliseconds(1))) }
    }

    /// The tasks that wait for these calls were cancelled.
    func giveUp(_ ids: Set<UInt64>) {
        endCalls { _, id in ids.contains(id) ? .cancelled : nil }
    }

    /// Ends every call for which `reason` gives an error, wherever it is.
    func endCalls(_ reason: (Deadline, UInt64) -> ConsentClientError?) {
        waitingChecks.removeAll { check in
            guard let error = reason(check.deadline, check.id) else { return false }
            wakeups.add(check, CheckAnswer(failure: error))
            return true
        }
        waitingCalls.removeAll { call in
            guard let error = reason(call.deadline, call.id) else { return false }
            wakeups.add(call, .failure(error))
            return true
        }
        waitingStreams.removeAll { stream in
            guard let error = reason(stream.deadline, stream.id) else { return false }
            stream.items.finish(error)
            return true
        }
        parked.removeAll { endCall($0.call, reason) }
        guard case .open(let connection) = link else { return }
        var ended: [UInt32] = []
        table.forEach { stream, call in
            if endCall(call, reason) { ended.append(stream) }
        }
        for stream in ended {
            if case .stream(let ended)? = table[stream] { streamNumbers[ended.id] = nil }
            abandon(stream, connection)
        }
        flush(connection)
    }

    /// Ends one call where `reason` gives an error; of a batch, the callers that it names.
    ///
    /// - Returns: whether nobody waits for the call any more.
    private func endCall(
        _ call: CallInFlight, _ reason: (Deadline, UInt64) -> ConsentClientError?
    ) -> Bool {
        switch call {
        case .abandoned: return false
        case .check(let check):
            guard let error = reason(check.deadline, check.id) else { return false }
            wakeups.add(check, CheckAnswer(failure: error))
        case .unary(let waiting):
            guard let error = reason(waiting.deadline, waiting.id) else { return false }
            wakeups.add(waiting, .failure(error))
        case .stream(let stream):
            guard let error = reason(stream.deadline, stream.id) else { return false }
            stream.items.finish(error)
        case .batch(let batch):
            var isLeft = false
            for position in batch.checks.indices {
                guard let check = batch.checks[position] else { continue }
                if let error = reason(check.deadline, check.id) {
                    wakeups.add(check, CheckAnswer(failure: error))
                    batch.checks[position] = nil
                } else {
                    isLeft = true
                }
            }
            return !isLeft
        }
        return true
    }

    /// The next time at which something is over, due or too silent.
    private func nextEvent() -> NIODeadline? {
        var next = NIODeadline.distantFuture
        for check in waitingChecks { next = min(next, check.deadline.at) }
        for call in waitingCalls { next = min(next, call.deadline.at) }
        for stream in waitingStreams { next = min(next, stream.deadline.at) }
        for (due, call) in parked { next = min(next, due, call.deadline) }
        table.forEach { _, call in next = min(next, call.deadline) }
        if case .open(let connection) = link { next = min(next, silenceDeadline(connection)) }
        return next == .distantFuture ? nil : next
    }

    // MARK: Silence

    private func silenceDeadline(_ connection: Connection) -> NIODeadline {
        (connection.pingedAt ?? connection.heardAt) + TimeAmount(configuration.keepAlive)
    }

    /// Pings a server that was silent for long; gives a connection up whose ping was not answered.
    private func checkSilence(_ connection: Connection, _ now: NIODeadline) {
        if let pingedAt = connection.pingedAt, connection.heardAt > pingedAt { connection.pingedAt = nil }
        guard silenceDeadline(connection) <= now else { return }
        if connection.pingedAt != nil {
            connection.down(
                .connectionLost(why: "the server did not answer for \(configuration.keepAlive * 2)"))
        } else {
            connection.pingedAt = now
            writer.appendFrame(.ping, value: 1)
            flush(connection)
        }
    }
}
