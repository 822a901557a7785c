// Scripted answers that many tests share. The fake register allows keys and addresses by a rule that tests
// can compute themselves: a key is allowed when its low word is even, an address when its length is even.

import ConsentClient
import WireProtocol

enum Answers {
    static let question = CheckQuestion(
        controller: ControllerID(rawValue: 7), channel: .email, purpose: PurposeID(rawValue: 3) ?? purposeOne)
    private static let purposeOne = PurposeSet(rawValue: 2).named[0]

    static func key(_ number: UInt64) -> Contact { .key(RecipientKey(low: number, high: ~number)) }

    /// Answers Check and CheckBatch by the rule; other methods with UNIMPLEMENTED.
    static func byRule(_ call: FakeCall, sequence: UInt64 = 10) {
        switch call.method {
        case .check: check(call, sequence: sequence)
        case .checkBatch: batch(call, sequence: sequence)
        default: call.fail(.unimplemented)
        }
    }

    static func check(_ call: FakeCall, sequence: UInt64) {
        guard let view = try? Wire.CheckRequestView(call.body.span.bytes) else {
            return call.fail(.invalidArgument)
        }
        let isAllowed =
            view.keyMode == .key ? view.key.word0 % 2 == 0 : Int(view.addressLength).isMultiple(of: 2)
        guard view.minSequence <= sequence else {
            return call.respond(response(.indeterminate, .notFresh, sequence))
        }
        call.respond(response(isAllowed ? .allow : .deny, isAllowed ? .consent : .withdrawn, sequence))
    }

    static func response(_ decision: Wire.Decision, _ reason: Wire.Reason, _ sequence: UInt64)
        -> Wire.CheckResponse
    {
        Wire.CheckResponse(
            sequence: sequence, now: 1_000, validUntil: decision == .allow ? 86_400_000_000 : 0,
            decision: decision,
            reason: reason)
    }

    static func batch(_ call: FakeCall, sequence: UInt64) {
        guard let view = try? Wire.CheckBatchRequestView(call.body.span.bytes) else {
            return call.fail(.invalidArgument)
        }
        let count = Int(view.count)
        let isFresh = view.minSequence <= sequence
        var allowed: [Bool] = []
        for index in 0..<count {
            if view.keyMode == .key {
                allowed.append(view.keys.load(UInt64.self, at: index * 16) % 2 == 0)
            } else {
                let length =
                    view.offsets.load(UInt32.self, at: index * 4 + 4)
                    - view.offsets.load(UInt32.self, at: index * 4)
                allowed.append(length.isMultiple(of: 2))
            }
        }
        let response = Wire.CheckBatchResponse(
            sequence: sequence, now: 1_000, count: UInt32(count), want: view.want,
            whole: isFresh ? .deny : .indeterminate)
        var writer = FrameWriter()
        let columns = response.beginEncoding(into: &writer)
        for (index, isAllowed) in allowed.enumerated() {
            if isFresh && isAllowed {
                writer.withMutableBytes(at: columns.allow.lowerBound + index / 8, count: 1) {
                    $0[0] |= 1 << UInt8(index % 8)
                }
            }
            if !columns.reasons.isEmpty {
                let reason: Wire.Reason = !isFresh ? .notFresh : isAllowed ? .consent : .withdrawn
                writer.store(reason.rawValue, at: columns.reasons.lowerBound + index)
            }
            if !columns.validDays.isEmpty && isFresh && isAllowed {
                writer.store(UInt16(1), at: columns.validDays.lowerBound + index * 2)
            }
        }
        call.respond(bytes: writer.withBytes { Array($0) })
    }

    static func quick(_ change: (inout ConsentClient.Configuration) -> Void = { _ in })
        -> ConsentClient.Configuration
    {
        var configuration = ConsentClient.Configuration()
        configuration.reconnectBase = .milliseconds(5)
        configuration.connectTimeout = .seconds(2)
        configuration.timeout = .seconds(5)
        change(&configuration)
        return configuration
    }
}
