// Check and CheckBatch.
//
// No await, allocation, lock or SQL on the way: a request is read in place, the index is probed, the answer
// is written into the connection's output. Single checks by key that come in one read burst are gathered and
// go through the index's kernel together.

import CPlatform
import ConsentDomain
import ConsentIndex
import ConsentProof
import ConsentWire
import WireProtocol

enum CheckHandler {
    // MARK: Single

    /// Answers a single check, or gathers it for `answerGathered`.
    @inline(__always)
    static func check(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.CheckRequestView(body)
        let question = Question(
            controller: request.controller, channel: request.channel.rawValue, purpose: request.purpose,
            statedClass: request.class.rawValue, minSequence: request.minSequence)
        guard request.keyMode == .key else { return try checkAddress(connection, header, request, question) }
        switch verdict(connection, question) {
        case .settled(let reason): settle(connection, header, question, reason: reason)
        case .look(let constant, let isService):
            connection.gathered.append(
                SlotQuery(
                    key: SlotKey(
                        low: request.key.word0 ^ constant.low, high: request.key.word1 ^ constant.high),
                    channel: question.channel, purpose: question.purpose, isService: isService),
                stream: header.stream)
            if connection.gathered.isFull { answerGathered(connection) }
        }
    }

    /// A single check by address.
    private static func checkAddress(
        _ connection: Connection, _ header: FrameHeader, _ request: Wire.CheckRequestView,
        _ question: Question
    ) throws(WireError) {
        guard request.keyMode == .raw else {
            throw .overLimit(name: "key_mode", value: Int(request.keyMode.rawValue), limit: 1)
        }
        guard Int(request.addressLength) <= Wire.Limits.addressBytesMax else {
            throw .overLimit(
                name: "address_length", value: Int(request.addressLength), limit: Wire.Limits.addressBytesMax)
        }
        switch verdict(connection, question) {
        case .settled(let reason): settle(connection, header, question, reason: reason)
        case .look(let constant, let isService):
            let normaliser = AddressKeyer(connection, question)
            let result = request.address.withUnsafeBytes { normaliser.key(of: $0) }
            switch result {
            case .failure(let error): connection.reject(header.stream, .invalidArgument, "\(error)")
            case .success(let key):
                connection.gathered.append(
                    SlotQuery(
                        key: SlotKey(low: key.low ^ constant.low, high: key.high ^ constant.high),
                        channel: question.channel, purpose: question.purpose, isService: isService),
                    stream: header.stream)
                if connection.gathered.isFull { answerGathered(connection) }
            }
        }
    }

    /// Answers the single checks gathered in this read burst.
    static func answerGathered(_ connection: Connection) {
        let count = connection.gathered.count
        guard count > 0 else { return }
        let core = connection.core
        let sequence = core.index.publishedSequence
        let now = connection.gathered.now
        let finer = connection.access.scopes.contains(.read)
        var allows = 0
        var misses = 0
        connection.gathered.resolve(core.index) { stream, reason, untilDay in
            let shown = finer ? reason : ReasonTable.coarse(reason)
            if ReasonTable.isAllow(reason) { allows += 1 }
            if reason == Reason.noRecord.rawValue { misses += 1 }
            append(
                to: &connection.output, stream, sequence: sequence, now: now, reason: shown,
                untilDay: untilDay)
        }
        core.metrics.checks.count(count)
        core.metrics.allows.count(allows)
        if connection.access.isMetered { connection.chargeMisses(misses) }
    }

    /// Answers one check that was decided without the index.
    @inline(never)
    private static func settle(
        _ connection: Connection, _ header: FrameHeader, _ question: Question, reason: UInt8
    ) {
        // A controller that the caller may act for is found in its catalogue: only here it may be another's.
        guard connection.mayActFor(question.controller, header) else { return }
        let core = connection.core
        core.metrics.checks.count()
        if ReasonTable.decision(reason) == Wire.Decision.indeterminate.rawValue {
            core.metrics.indeterminates.count()
        }
        append(
            to: &connection.output, header.stream, sequence: core.index.publishedSequence,
            now: connection.gathered.now, reason: reason, untilDay: 0)
    }

    @inline(__always)
    private static func append(
        to output: inout FrameWriter, _ stream: UInt32, sequence: UInt64, now: Timestamp, reason: UInt8,
        untilDay: UInt16
    ) {
        let frame = output.beginFrame(.response, stream: stream)
        Wire.CheckResponse(
            sequence: sequence, now: now.microseconds, validUntil: ReasonTable.microseconds(day: untilDay),
            decision: Wire.Decision(rawValue: ReasonTable.decision(reason)),
            reason: Wire.Reason(rawValue: reason)
        ).encode(into: &output)
        output.endFrame(frame)
    }

    // MARK: Batch

    /// Answers a batch.
    static func checkBatch(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError)
    {
        let request = try Wire.CheckBatchRequestView(body)
        let count = Int(request.count)
        guard count <= Wire.Limits.batchItemsMax else {
            throw .overLimit(name: "count", value: count, limit: Wire.Limits.batchItemsMax)
        }
        guard request.keyMode.rawValue <= 1 else {
            throw .overLimit(name: "key_mode", value: Int(request.keyMode.rawValue), limit: 1)
        }
        guard request.want & ~WantBits.served == 0 else {
            connection.reject(
                header.stream, .unimplemented,
                "want \(request.want) has a bit that is not known here: ask for bits 0 to 2 only")
            return
        }
        let question = Question(
            controller: request.controller, channel: request.channel.rawValue, purpose: request.purpose,
            statedClass: request.class.rawValue, minSequence: request.minSequence)
        guard !connection.access.isMetered || connection.admitChecks(count, header) else { return }
        let core = connection.core
        let sequence = core.index.publishedSequence
        let scratch = connection.scratch
        scratch.errors.removeAll(keepingCapacity: true)
        var whole = Wire.Decision.deny
        var isLookedUp = false
        switch verdict(connection, question) {
        case .settled(let reason):
            guard connection.mayActFor(question.controller, header) else { return }
            scratch.fill(count, reason: reason)
            if ReasonTable.decision(reason) == Wire.Decision.indeterminate.rawValue {
                whole = .indeterminate
                core.metrics.indeterminates.count(count)
            }
        case .look(let constant, let isService):
            isLookedUp = true
            let query = CheckQuery(
                channel: question.channel, purpose: question.purpose, isService: isService,
                today: connection.gathered.today, now: connection.gathered.now.microseconds)
            if request.keyMode == .key {
                request.keys.withUnsafeBytes { keys in
                    scratch.check(core.index, keys: keys, count: count, constant: constant, query: query)
                }
            } else {
                scratch.keyAddresses(request, AddressKeyer(connection, question))
                scratch.checkOwnKeys(core.index, count: count, constant: constant, query: query)
            }
        }
        if connection.access.isMetered { connection.chargeMisses(scratch.missCount(count)) }
        if !connection.access.scopes.contains(.read) { scratch.makeCoarse(count) }
        let wantsReceipt = request.want & WantBits.receipt != 0
        write(
            connection, header.stream, question, sequence: sequence, count: count, want: request.want,
            whole: whole, keysDigest: wantsReceipt ? keysDigest(scratch, request, isLookedUp) : nil)
    }

    /// - Parameter keysDigest: of the keys that were looked up, for a receipt; nil: none is wanted.
    private static func write(
        _ connection: Connection, _ stream: UInt32, _ question: Question, sequence: UInt64, count: Int,
        want: UInt8, whole: Wire.Decision, keysDigest: [UInt8]?
    ) {
        let scratch = connection.scratch
        let frame = connection.output.beginFrame(.response, stream: stream)
        let columns = Wire.CheckBatchResponse(
            sequence: sequence, now: connection.gathered.now.microseconds,
            earliestExpiry: ReasonTable.microseconds(day: scratch.earliestDay(count)), count: UInt32(count),
            errorCount: UInt32(scratch.errors.count),
            receiptLength: keysDigest == nil ? 0 : UInt32(CheckReceipt.byteCount), want: want, whole: whole
        ).beginEncoding(into: &connection.output)
        let allows = scratch.writeBits(count, at: columns.allow, of: &connection.output)
        if want & WantBits.reasons != 0 {
            scratch.writeReasons(count, at: columns.reasons, of: &connection.output)
        }
        if want & WantBits.validDays != 0 {
            scratch.writeDays(count, at: columns.validDays, of: &connection.output)
        }
        for (position, error) in scratch.errors.enumerated() {
            let offset = columns.errors.lowerBound + position * Wire.ItemError.byteCount
            connection.output.store(error.index, at: offset)
            connection.output.store(error.code.rawValue, at: offset + 4)
        }
        if let keysDigest {
            let allow = connection.output.withMutableBytes(
                at: columns.allow.lowerBound, count: columns.allow.count
            ) { CheckReceipt.digest(UnsafeRawBufferPointer($0)) }
            guard
                let receipt = receipt(
                    connection, question, count: count, sequence: sequence, whole: whole, keys: keysDigest,
                    allow: allow)
            else {
                connection.output.abandonFrame(frame)
                return connection.reject(
                    stream, .internal,
                    "the log key could not sign a receipt: ask without one, and check log.key")
            }
            connection.output.withMutableBytes(at: columns.receipt.lowerBound, count: receipt.count) {
                $0.copyBytes(from: receipt)
            }
        }
        if connection.takeBackIfTooLong(frame) {
            return connection.reject(stream, .resourceExhausted, connection.tooLongMessage)
        }
        connection.output.endFrame(frame)
        connection.core.metrics.checks.count(count)
        connection.core.metrics.allows.count(allows)
    }

    // MARK: The part of a decision about the whole request

    /// What a request asks, as raw numbers.
    struct Question {
        var controller: UInt32
        var channel: UInt8
        var purpose: UInt8
        var statedClass: UInt8
        var minSequence: UInt64
    }

    enum Verdict {
        /// This reason holds for every contact point.
        case settled(reason: UInt8)
        /// The index decides; recipient keys are XORed with the constant.
        case look(constant: SlotKey, isService: Bool)
    }

    /// Freshness first, then controller, purpose, class and channel.
    @inline(__always)
    static func verdict(_ connection: Connection, _ question: Question) -> Verdict {
        let core = connection.core
        if question.minSequence > core.index.publishedSequence {
            return .settled(reason: Reason.notFresh.rawValue)
        }
        let blocking = core.serving.blockingReason
        let answer = connection.catalogue.checkGuard.answer(
            controller: question.controller, channel: question.channel, purpose: question.purpose,
            claimedClass: question.statedClass)
        switch answer {
        case .deny(let reason): return .settled(reason: reason.rawValue)
        case .proceed(let isService):
            if blocking != 0 && !isService { return .settled(reason: blocking) }
            guard let constant = connection.catalogue.slotConstant(of: question.controller)
            else {
                return .settled(reason: Reason.unknownController.rawValue)
            }
            return .look(constant: constant, isService: isService)
        }
    }
}

/// Bits of `CheckBatchRequest.want`.
enum WantBits {
    static let reasons: UInt8 = 1 << 0
    static let validDays: UInt8 = 1 << 1
    static let receipt: UInt8 = 1 << 2
    static let served = reasons | validDays | receipt
}

/// What a reason's number means, without making a `Reason` of it.
enum ReasonTable {
    @inline(__always)
    static func isAllow(_ reason: UInt8) -> Bool { reason &- 1 < 15 }

    /// Raw value of the decision.
    @inline(__always)
    static func decision(_ reason: UInt8) -> UInt8 { isAllow(reason) ? 1 : reason &- 16 < 16 ? 2 : 0 }

    /// Start of a day in microseconds; 0 for no day.
    @inline(__always)
    static func microseconds(day: UInt16) -> Int64 { Int64(day) &* 86_400_000_000 }

    /// The coarser form of a reason.
    static func coarse(_ reason: UInt8) -> UInt8 { Reason(rawValue: reason)?.coarse.rawValue ?? reason }
}
