// What the server sends: answers to callers, and what a failed call comes to.

import ConsentDomain
import NIOCore
import Synchronization
import WireProtocol

extension ClientCore {
    // MARK: Frames

    /// One frame. Callers are not woken up here but when the read is worked through.
    func received(_ header: FrameHeader, _ body: RawSpan, on connection: Connection) {
        switch connection.state.received(header) {
        case .ignore: break
        case .welcome: welcome(header, body, connection)
        case .response, .end: ended(header, body, connection)
        case .item: item(header, body, connection)
        case .pong(let value):
            writer.appendFrame(.pong, value: value)
            flush(connection)
        case .pongReceived: connection.pingedAt = nil
        case .goaway: goaway(header, body, connection)
        case .fail(let error): connection.fail(error)
        }
    }

    /// All frames of a read were worked through.
    func readEnded() {
        turn()
    }

    private func ended(_ header: FrameHeader, _ body: RawSpan, _ connection: Connection) {
        guard let call = table.remove(header.stream) else { return }
        connection.state.endCall()
        unanswered -= call.checkCount
        if case .stream(let stream) = call { streamNumbers[stream.id] = nil }
        if case .abandoned = call { return }
        do throws(WireError) {
            try header.withPayload(
                of: body, bodyBytesMax: connection.state.agreement.bodyBytesMax, scratch: &inflated
            ) { payload throws(WireError) in
                if header.status == .ok {
                    try succeeded(call, payload)
                } else {
                    let error = try Self.rejection(header, payload)
                    failed(call, .rejected(error))
                }
            }
        } catch {
            failed(call, .malformedAnswer("\(error)"))
        }
    }

    private func succeeded(_ call: CallInFlight, _ payload: RawSpan) throws(WireError) {
        budget.succeeded()
        switch call {
        case .check(let check):
            let response = try Wire.CheckResponse(decoding: payload)
            noteSequence(response.sequence)
            wakeups.add(
                check,
                CheckAnswer(
                    decision: response.decision.rawValue, reason: response.reason.rawValue,
                    sequence: response.sequence, now: Timestamp(microseconds: response.now),
                    validUntil: response.validUntil))
        case .batch(let batch):
            try answer(batch, payload)
            spare.keep(batch)
        case .unary(let call): wakeups.add(call, .success(payload.array(0..<payload.byteCount)))
        case .stream(let stream): stream.items.finish(nil)
        case .abandoned: break
        }
    }

    /// Answers to coalesced checks.
    private func answer(_ batch: CheckBatch, _ payload: RawSpan) throws(WireError) {
        let view = try Wire.CheckBatchResponseView(payload)
        let count = batch.checks.count
        let allow = view.allow
        let reasons = view.reasons
        let days = view.validDays
        guard Int(view.count) == count, view.errorCount == 0, view.receiptLength == 0,
            reasons.byteCount == count, days.byteCount == 2 * count
        else {
            let answers = try BatchAnswer(decoding: payload, expecting: count)
            noteSequence(answers.sequence)
            for position in 0..<count { answer(batch.checks[position], answers.answer(position)) }
            return
        }
        noteSequence(view.sequence)
        let whole = BatchAnswer.whole(view)
        for position in 0..<count {
            answer(
                batch.checks[position],
                CheckAnswer(
                    whole: whole,
                    isSet: allow.load(UInt8.self, at: position >> 3) & 1 << UInt8(position & 7) != 0,
                    reason: reasons.load(UInt8.self, at: position),
                    day: days.load(UInt16.self, at: 2 * position), sequence: view.sequence,
                    now: Timestamp(microseconds: view.now)))
        }
    }

    /// One of them. A check that was held back only by another caller's minimum sequence goes out again.
    private func answer(_ check: WaitingCheck?, _ answer: CheckAnswer) {
        guard var check else { return }
        if answer.reason == .notFresh, check.question.minimumSequence <= answer.sequence, !check.goesAlone {
            check.goesAlone = true
            waitingChecks.append(check)
        } else {
            wakeups.add(check, answer)
        }
    }

    private func item(_ header: FrameHeader, _ body: RawSpan, _ connection: Connection) {
        guard case .stream(let stream)? = table[header.stream] else { return }
        do throws(WireError) {
            try header.withPayload(
                of: body, bodyBytesMax: connection.state.agreement.bodyBytesMax, scratch: &inflated
            ) { payload throws(WireError) in
                stream.items.append(payload.array(0..<payload.byteCount))
            }
        } catch {
            stream.items.finish(.malformedAnswer("\(error)"))
            abandon(header.stream, connection)
        }
    }

    static func rejection(_ header: FrameHeader, _ payload: RawSpan) throws(WireError) -> Rejection {
        let detail = payload.byteCount == 0 ? Wire.ErrorDetail() : try Wire.ErrorDetail(decoding: payload)
        return Rejection(
            status: header.status, message: detail.message,
            retryAfter: detail.retryAfter > 0 ? .microseconds(Int64(clamping: detail.retryAfter)) : nil,
            notExecuted: header.flags.contains(.notExecuted),
            refusals: detail.refusals.map { RefusalNote(wire: $0) })
    }

    func noteSequence(_ sequence: UInt64) { highestSequence.max(sequence, ordering: .relaxed) }

    // MARK: Failed calls

    /// A call came back without an answer: it is sent again where the rules allow, else its caller hears of
    /// it.
    func failed(_ call: CallInFlight, _ error: ConsentClientError) {
        let now = NIODeadline.now()
        func again(_ isIdempotent: Bool, _ attempts: Int, _ deadline: Deadline) -> Bool {
            deadline.at > now && closing.isEmpty
                && RetryRule.maySendAgain(
                    after: error, isIdempotent: isIdempotent, attempts: attempts,
                    attemptsMax: configuration.attemptsMax)
                && budget.takeRepeat()
        }
        switch call {
        case .check(let check):
            if again(true, check.attempts, check.deadline) {
                park(call, attempts: check.attempts, error, now)
            } else {
                wakeups.add(check, CheckAnswer(failure: error))
            }
        case .batch(let batch):
            for case let check? in batch.checks { failed(.check(check), error) }
        case .unary(var waiting):
            if again(waiting.isIdempotent, waiting.attempts, waiting.deadline) {
                if !error.isNotExecuted { waiting.isInDoubt = true }
                park(.unary(waiting), attempts: waiting.attempts, error, now)
            } else {
                wakeups.add(waiting, .failure(waiting.isInDoubt ? error.inDoubt : error))
            }
        case .stream(let stream): stream.items.finish(error)
        case .abandoned: break
        }
    }

    /// Holds a call until it is sent again: after a broken connection as soon as there is another, after a
    /// refusal by an overloaded server when it said, or after a pause that doubles.
    private func park(_ call: CallInFlight, attempts: Int, _ error: ConsentClientError, _ now: NIODeadline) {
        guard case .rejected(let rejection) = error else { return requeue(call) }
        var pause = Backoff(base: .milliseconds(10), limit: .seconds(1))
        var generator = SystemRandomNumberGenerator()
        var wait = Duration.zero
        for _ in 0..<max(attempts, 1) { wait = pause.next(using: &generator) }
        let due = now + TimeAmount(max(wait, rejection.retryAfter ?? .zero))
        parked.append((due, call))
        scheduleExpiry(due)
    }

    func requeue(_ call: CallInFlight) {
        switch call {
        case .check(let check): waitingChecks.append(check)
        case .unary(let waiting): waitingCalls.append(waiting)
        case .batch(let batch): waitingChecks.append(contentsOf: batch.checks.lazy.compactMap { $0 })
        case .stream(let stream): waitingStreams.append(stream)
        case .abandoned: break
        }
    }

    /// Nobody waits for this stream any more: the server hears of it, the number stays taken until it
    /// answers.
    func abandon(_ stream: UInt32, _ connection: Connection) {
        unanswered -= table[stream]?.checkCount ?? 0
        table.replace(stream, by: .abandoned)
        writer.appendFrame(.cancel, stream: stream)
    }
}
