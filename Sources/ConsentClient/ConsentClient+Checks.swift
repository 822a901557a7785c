// Checks and keys. A check's caller gets an answer whatever happens, and every doubt is a no.

import ConsentDomain
import NIOCore
import WireProtocol

extension ConsentClient {
    /// May this be sent to this contact point now?
    ///
    /// Never throws: without an answer in time the decision is `.indeterminate`, the reason `.unavailable`,
    /// `cause` says why, and `isAllowed` is false. The answer holds for now: ask right before sending.
    ///
    /// - Parameters:
    ///   - question: controller, channel, purpose, class, minimum sequence.
    ///   - contact: an address (at most 320 bytes) or a recipient key.
    ///   - timeout: time for the answer; nil: the configuration's, or the method's own (1 s).
    public func check(
        _ question: CheckQuestion, _ contact: Contact, timeout: Duration? = nil
    ) async -> CheckAnswer {
        if case .address(let address) = contact, address.utf8.count > Wire.Limits.addressBytesMax {
            return CheckAnswer(failure: .invalidRequest(Self.addressTooLong))
        }
        let core = core
        let onLoop = core.loop.inEventLoop
        let id = core.makeID()
        let deadline = Deadline(after: timeout.map { TimeAmount($0) } ?? core.checkTimeout)
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let check = WaitingCheck(
                    id: id, question: question, contact: contact, deadline: deadline,
                    runsOnPool: !onLoop && withUnsafeCurrentTask { $0?.unownedTaskExecutor == nil },
                    continuation: continuation)
                core.submit(check, onLoop: onLoop, isCancelled: Task.isCancelled)
            }
        } onCancel: {
            core.cancel(id)
        }
    }

    /// The same question about up to 65,536 recipient keys at once.
    ///
    /// Never throws: without an answer nothing is allowed and `cause` says why.
    ///
    /// - Parameters:
    ///   - keys: from `keys`; answers come in the same order.
    ///   - detail: what to return beside the decisions; less is faster.
    ///   - timeout: time for the answer; nil: the configuration's, or the method's own (5 s).
    public func checkBatch(
        _ question: CheckQuestion, keys: [RecipientKey], detail: BatchDetail = [.reasons, .validity],
        timeout: Duration? = nil
    ) async -> BatchAnswer {
        guard keys.count <= Wire.Limits.batchItemsMax else {
            return BatchAnswer(count: keys.count, failure: .invalidRequest(Self.batchTooLong(keys.count)))
        }
        var writer = FrameWriter(minimumCapacity: Wire.CheckBatchRequest.fixedByteCount + keys.count * 16)
        writer.appendBatch(question, keys: keys, want: detail)
        return await batch(writer.withBytes { Array($0) }, count: keys.count, timeout)
    }

    /// The same question about up to 65,536 addresses at once. An address that cannot be normalised is an
    /// item error: it is not allowed, and `itemErrors` says why.
    ///
    /// Never throws: without an answer nothing is allowed and `cause` says why.
    ///
    /// - Parameters:
    ///   - addresses: UTF-8, at most 320 bytes each, 4 MiB together; answers come in the same order.
    ///   - detail: what to return beside the decisions; less is faster.
    ///   - timeout: time for the answer; nil: the configuration's, or the method's own (5 s).
    public func checkBatch(
        _ question: CheckQuestion, addresses: [String], detail: BatchDetail = [.reasons, .validity],
        timeout: Duration? = nil
    ) async -> BatchAnswer {
        guard addresses.count <= Wire.Limits.batchItemsMax else {
            return BatchAnswer(
                count: addresses.count, failure: .invalidRequest(Self.batchTooLong(addresses.count)))
        }
        var writer = FrameWriter(
            minimumCapacity: Wire.CheckBatchRequest.fixedByteCount + addresses.count * 32)
        writer.appendBatch(question, addresses: addresses, want: detail)
        return await batch(writer.withBytes { Array($0) }, count: addresses.count, timeout)
    }

    /// Recipient keys of addresses, to be stored and checked with instead of the addresses.
    ///
    /// - Parameters:
    ///   - addresses: UTF-8, up to 65,536; keys come in the same order.
    ///   - controller: keys are per controller.
    ///   - kind: what the addresses are.
    ///   - timeout: nil: the configuration's, or the method's own (5 s).
    /// - Throws: any `ConsentClientError`. An address that cannot be normalised is not an error of the call.
    public func keys(
        of addresses: [String], controller: ControllerID, kind: ContactKind, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> RecipientKeys {
        guard addresses.count <= Wire.Limits.batchItemsMax else {
            throw .invalidRequest(Self.batchTooLong(addresses.count))
        }
        var writer = FrameWriter(minimumCapacity: 64 + addresses.count * 32)
        writer.appendKeysRequest(addresses, controller: controller, kind: kind)
        let body = try await call(.keys, writer.withBytes { Array($0) }, timeout: timeout)
        do throws(WireError) {
            return try RecipientKeys(decoding: body.span.bytes, expecting: addresses.count)
        } catch {
            throw .malformedAnswer("\(error)")
        }
    }

    private func batch(_ body: [UInt8], count: Int, _ timeout: Duration?) async -> BatchAnswer {
        do throws(ConsentClientError) {
            let response = try await call(.checkBatch, body, timeout: timeout)
            do throws(WireError) {
                let answer = try BatchAnswer(decoding: response.span.bytes, expecting: count)
                core.noteSequence(answer.sequence)
                return answer
            } catch {
                return BatchAnswer(count: count, failure: .malformedAnswer("\(error)"))
            }
        } catch {
            return BatchAnswer(count: count, failure: error)
        }
    }

    private static let addressTooLong = "an address has at most \(Wire.Limits.addressBytesMax) bytes"

    private static func batchTooLong(_ count: Int) -> String {
        "\(count) items in one request, the limit is \(Wire.Limits.batchItemsMax): split it"
    }
}

extension RecipientKeys {
    init(decoding body: RawSpan, expecting count: Int) throws(WireError) {
        let view = try Wire.KeysResponseView(body)
        guard Int(view.count) == count else { throw .badCount(count: Int(view.count), limit: count) }
        let column = view.keys
        let errorColumn = view.errors
        epoch = view.epoch
        keys = (0..<count).map { position in
            RecipientKey(
                low: column.load(UInt64.self, at: position * 16),
                high: column.load(UInt64.self, at: position * 16 + 8))
        }
        errors = [:]
        for position in 0..<Int(view.errorCount) {
            let error = Wire.ItemError(unchecked: errorColumn, at: position * Wire.ItemError.byteCount)
            guard Int(error.index) < count else {
                throw .overLimit(name: "index", value: Int(error.index), limit: count)
            }
            keys[Int(error.index)] = nil
            errors[Int(error.index)] = RefusalNote(item: error)
        }
    }
}
