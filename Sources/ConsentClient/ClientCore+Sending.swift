// From the waiting queues to the connection: which calls go out, alone or as one batch, in one write a turn.
//
// Invariant: a call that is sent is in the table before its bytes leave, and no longer in a queue.

import ConsentDomain
import NIOCore
import WireProtocol

extension ClientCore {
    /// Sends what waits, as far as the connection takes calls, in one write.
    func pump() {
        askedSincePump = 0
        guard case .open(let connection) = link, connection.state.phase == .open else { return }
        let now = NIODeadline.now()
        while let stream = waitingStreams.first {
            guard let number = beginCall(connection) else { break }
            waitingStreams.removeFirst()
            send(stream, as: number, connection, now)
        }
        while var call = waitingCalls.first {
            guard call.body.count <= connection.state.agreement.bodyBytesMax else {
                waitingCalls.removeFirst()
                let limit = connection.state.agreement.bodyBytesMax
                wakeups.add(call, .failure(.invalidRequest(Self.tooLong(call.body.count, limit: limit))))
                continue
            }
            guard let number = beginCall(connection) else { break }
            waitingCalls.removeFirst()
            call.attempts += 1
            send(call, as: number, connection, now)
        }
        if !waitingChecks.isEmpty { sendChecks(connection, now) }
        flush(connection)
    }

    static func tooLong(_ bytes: Int, limit: Int) -> String {
        "the request takes \(bytes) bytes and the server accepts \(limit): split it"
    }

    /// A stream number for one more call; nil when the connection takes no more now.
    private func beginCall(_ connection: Connection) -> UInt32? {
        connection.state.beginCall { table.isTaken($0) }
    }

    func flush(_ connection: Connection) {
        guard writer.count > 0 else { return }
        connection.send(&writer)
    }

    // MARK: Calls and streams

    private func send(_ call: WaitingCall, as stream: UInt32, _ connection: Connection, _ now: NIODeadline) {
        let frame = writer.beginFrame(
            .request, code: call.method, stream: stream, value: call.deadline.microsecondsLeft(now))
        writer.append(call.body.span.bytes)
        writer.endFrame(frame, compressIfUseful: connection.state.agreement.allowsCompression)
        table.insert(.unary(call), at: stream)
    }

    private func send(_ call: WaitingStream, as stream: UInt32, _ connection: Connection, _ now: NIODeadline)
    {
        let frame = writer.beginFrame(
            .request, code: call.method, stream: stream, value: call.deadline.microsecondsLeft(now))
        writer.append(call.body.span.bytes)
        writer.endFrame(frame)
        table.insert(.stream(call), at: stream)
        streamNumbers[call.id] = stream
    }

    func grantCredit(_ id: UInt64, _ count: UInt32) {
        guard case .open(let connection) = link, let stream = streamNumbers[id] else { return }
        writer.appendFrame(.credit, stream: stream, value: count)
        flush(connection)
    }

    // MARK: Checks

    private func sendChecks(_ connection: Connection, _ now: NIODeadline) {
        guard connection.state.inFlight < connection.state.agreement.inFlightMax else { return }
        swap(&spare.checks, &waitingChecks)
        if configuration.coalescesChecks && spare.checks.count >= configuration.coalescingMin {
            sendCoalesced(connection, now)
        } else {
            for position in spare.checks.indices { sendAlone(position, connection, now) }
        }
        spare.checks.removeAll(keepingCapacity: true)
    }

    private func sendCoalesced(_ connection: Connection, _ now: NIODeadline) {
        spare.keys.removeAll(keepingCapacity: true)
        for check in spare.checks {
            spare.keys.append(check.goesAlone ? .max : Coalescing.groupKey(check.question, check.contact))
        }
        spare.coalescing.divide(
            spare.keys, min: configuration.coalescingMin,
            max: coalescedMax(connection.state.agreement.bodyBytesMax))
        for group in spare.coalescing.groups {
            let first = Int(spare.coalescing.positions[group.lowerBound])
            if group.count == 1 || spare.keys[first] == .max {
                for place in group { sendAlone(Int(spare.coalescing.positions[place]), connection, now) }
            } else if let stream = beginCall(connection) {
                sendTogether(group, as: stream, now)
            } else {
                for place in group {
                    waitingChecks.append(spare.checks[Int(spare.coalescing.positions[place])])
                }
            }
        }
    }

    /// Most items of a coalesced batch: what fits even when every address has its longest form.
    private func coalescedMax(_ bodyBytesMax: Int) -> Int {
        let room = bodyBytesMax - Wire.CheckBatchRequest.fixedByteCount - 4
        return max(2, min(Coalescing.itemsMax, room / (Wire.Limits.addressBytesMax + 4)))
    }

    /// One check in a frame of its own; it waits on where the connection takes no more.
    private func sendAlone(_ position: Int, _ connection: Connection, _ now: NIODeadline) {
        var check = spare.checks[position]
        guard let stream = beginCall(connection) else { return waitingChecks.append(check) }
        check.attempts += 1
        let frame = writer.beginFrame(
            .request, code: Wire.Method.check.rawValue, stream: stream,
            value: check.deadline.microsecondsLeft(now))
        writer.appendCheck(check.question, check.contact)
        writer.endFrame(frame)
        table.insert(.check(check), at: stream)
        unanswered += 1
    }

    /// One batch for many callers. The server works as long as the most patient of them waits; the others
    /// give up here, each at its own deadline.
    private func sendTogether(_ group: Range<Int>, as stream: UInt32, _ now: NIODeadline) {
        let batch = spare.takeBatch()
        let first = spare.checks[Int(spare.coalescing.positions[group.lowerBound])]
        var question = first.question
        var latest = NIODeadline.uptimeNanoseconds(0)
        for place in group {
            var check = spare.checks[Int(spare.coalescing.positions[place])]
            check.attempts += 1
            latest = max(latest, check.deadline.at)
            question.minimumSequence = max(question.minimumSequence, check.question.minimumSequence)
            batch.checks.append(check)
        }
        let frame = writer.beginFrame(
            .request, code: Wire.Method.checkBatch.rawValue, stream: stream,
            value: Deadline.microsecondsLeft(until: latest, now))
        let contacts = batch.checks.lazy.map { $0?.contact }
        switch first.contact {
        case .key:
            let keys = contacts.map { contact in
                if case .key(let key)? = contact { key } else { RecipientKey(low: 0, high: 0) }
            }
            writer.appendBatch(question, keys: keys, want: [.reasons, .validity])
        case .address:
            let addresses = contacts.map { contact in
                if case .address(let address)? = contact { address } else { "" }
            }
            writer.appendBatch(question, addresses: addresses, want: [.reasons, .validity])
        }
        writer.endFrame(frame)
        table.insert(.batch(batch), at: stream)
        unanswered += batch.checks.count
    }
}
