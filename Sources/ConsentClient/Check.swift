// The question "may this be sent to this contact point now?" and its answers.
//
// Invariant: `isAllowed` is true only for an answer that came from the server in time, with a decision and a
// reason that this library knows to be an allow. Everything else, unknown numbers included, reads as "do not
// send".

import ConsentDomain
import ConsentProof
import WireProtocol

/// What a check is about, apart from the contact point.
public struct CheckQuestion: Hashable, Sendable {
    /// Whose consent.
    public var controller: ControllerID
    /// What the message is sent through.
    public var channel: Channel
    /// What the message is for.
    public var purpose: PurposeID
    /// Class that the caller believes the message to be of; another one in the catalogue denies. Nil: as
    /// catalogued.
    public var purposeClass: PurposeClass?
    /// Answer indeterminate unless the register has reached this sequence (of a write); 0: any.
    public var minimumSequence: UInt64

    /// A question of these parts.
    public init(
        controller: ControllerID, channel: Channel, purpose: PurposeID, purposeClass: PurposeClass? = nil,
        minimumSequence: UInt64 = 0
    ) {
        self.controller = controller
        self.channel = channel
        self.purpose = purpose
        self.purposeClass = purposeClass
        self.minimumSequence = minimumSequence
    }
}

/// How a contact point is named in a question.
public enum Contact: Hashable, Sendable {
    /// The address as the person wrote it, UTF-8, at most 320 bytes; the server normalises it.
    case address(String)
    /// A key from `ConsentClient.keys`.
    case key(RecipientKey)
}

/// The answer to one check.
public struct CheckAnswer: Hashable, Sendable {
    /// The decision; a number that this library does not know is a denial.
    public var decision: Decision
    /// Why; nil for a number that this library does not know.
    public var reason: Reason?
    /// The reason's number as it came.
    public var reasonCode: UInt8
    /// Every event up to this sequence is reflected; 0 where the server gave no answer.
    public var sequence: UInt64
    /// The server's time of the answer; nil where the server gave no answer.
    public var now: Timestamp?
    /// When the consent ends unless renewed; nil: no end, or not allowed.
    public var validUntil: Timestamp?
    /// Why there is no answer from the server; nil where there is one.
    public var cause: ConsentClientError?

    /// Whether the message may be sent now. The only question that most callers need.
    public var isAllowed: Bool { decision == .allow && reason?.decision == .allow && cause == nil }

    /// An answer that came from the server.
    package init(
        decision: UInt8, reason: UInt8, sequence: UInt64, now: Timestamp, validUntil: Int64
    ) {
        self.reason = Reason(rawValue: reason)
        reasonCode = reason
        self.sequence = sequence
        self.now = now
        self.decision = Self.decision(decision, self.reason)
        self.validUntil =
            self.decision == .allow && validUntil != 0 ? Timestamp(microseconds: validUntil) : nil
    }

    /// One item of a batch, as a single check would have been answered.
    ///
    /// - Parameters:
    ///   - whole: `.deny`, or `.indeterminate` when nothing could be answered.
    ///   - isSet: the item's bit.
    ///   - day: on which the consent ends, since 1970-01-01; 0: none.
    init(whole: Decision, isSet: Bool, reason: UInt8, day: UInt16, sequence: UInt64, now: Timestamp) {
        let decision = whole != .deny ? whole : isSet ? .allow : .deny
        self.init(
            decision: decision.rawValue, reason: reason, sequence: sequence, now: now,
            validUntil: Int64(day) * 86_400_000_000)
    }

    /// No answer: do not send.
    init(failure: ConsentClientError) {
        decision = .indeterminate
        reason = .unavailable
        reasonCode = Reason.unavailable.rawValue
        sequence = 0
        cause = failure
    }

    /// What two numbers from the wire amount to: an allow needs both to say so.
    static func decision(_ decision: UInt8, _ reason: Reason?) -> Decision {
        switch (Decision(rawValue: decision), reason?.decision) {
        case (.allow?, .allow?): .allow
        case (.indeterminate?, _): .indeterminate
        default: .deny
        }
    }
}

/// What a batch returns beside the decisions.
public struct BatchDetail: OptionSet, Hashable, Sendable {
    /// The bits, as in the schema's `CheckBatchRequest.want`.
    public let rawValue: UInt8
    /// - Parameter rawValue: the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The reason of each item.
    public static let reasons = BatchDetail(rawValue: 1)
    /// The day on which each consent ends.
    public static let validity = BatchDetail(rawValue: 2)
    /// A receipt, signed with the log key, of what was asked and answered: see `ReceiptFile`.
    public static let receipt = BatchDetail(rawValue: 4)
}

/// The answers to a batch, in the order of the question.
public struct BatchAnswer: Sendable {
    /// Items asked about.
    public let count: Int
    /// `.indeterminate` when nothing could be answered, else `.deny`: what an item without an allow comes to.
    public let whole: Decision
    /// Every event up to this sequence is reflected; 0 where the server gave no answer.
    public let sequence: UInt64
    /// The server's time of the answer; nil where the server gave no answer.
    public let now: Timestamp?
    /// Earliest end among the allows; nil: none ends.
    public let earliestExpiry: Timestamp?
    /// Why there is no answer from the server; nil where there is one.
    public let cause: ConsentClientError?
    /// Items that could not be checked, by position: they are not allowed.
    public let itemErrors: [Int: RefusalNote]
    /// The receipt, where one was asked for. It is about this answer; whether the register's key signed it
    /// is for whoever holds the public key to say.
    public let receipt: CheckReceipt?
    /// Bit i is set where item i is allowed; empty where the server gave no answer.
    package let allow: [UInt8]
    /// One reason an item; empty where they were not asked for.
    package let reasons: [UInt8]
    let validDays: [UInt16]

    /// Whether the message may be sent to item `index` now.
    /// - Precondition: `0 ≤ index < count`.
    public func isAllowed(_ index: Int) -> Bool {
        precondition(index >= 0 && index < count, "no such item")
        guard cause == nil, whole == .deny, itemErrors[index] == nil,
            allow[index >> 3] & 1 << UInt8(index & 7) != 0
        else { return false }
        return reasons.isEmpty || Reason(rawValue: reasons[index])?.decision == .allow
    }

    /// Items that are allowed.
    public var allowedCount: Int { (0..<count).reduce(0) { $0 + (isAllowed($1) ? 1 : 0) } }

    /// The number of an item's reason; nil where reasons were not asked for, or the item could not be
    /// checked.
    public func reasonCode(_ index: Int) -> UInt8? {
        precondition(index >= 0 && index < count, "no such item")
        if cause != nil { return Reason.unavailable.rawValue }
        guard !reasons.isEmpty, itemErrors[index] == nil else { return nil }
        return reasons[index]
    }

    /// One item as a single check would have answered it. Needs `.reasons`, and `.validity` for `validUntil`;
    /// without reasons, a denial has the reason nil.
    public func answer(_ index: Int) -> CheckAnswer {
        precondition(index >= 0 && index < count, "no such item")
        if let cause { return CheckAnswer(failure: cause) }
        if let note = itemErrors[index] {
            let rejection = Rejection(status: .invalidArgument, message: note.sentence, refusals: [note])
            return CheckAnswer(failure: .rejected(rejection))
        }
        let isSet = allow[index >> 3] & 1 << UInt8(index & 7) != 0
        return CheckAnswer(
            whole: whole, isSet: isSet,
            reason: reasons.isEmpty ? (isSet ? Reason.consent.rawValue : 0) : reasons[index],
            day: validDays.isEmpty ? 0 : validDays[index], sequence: sequence, now: now ?? .epoch)
    }

    init(count: Int, failure: ConsentClientError) {
        self.count = count
        whole = .indeterminate
        sequence = 0
        now = nil
        earliestExpiry = nil
        cause = failure
        itemErrors = [:]
        receipt = nil
        allow = []
        reasons = []
        validDays = []
    }

    /// What an item without an allow comes to: anything but a denial is no answer.
    static func whole(_ view: Wire.CheckBatchResponseView) -> Decision {
        view.whole.rawValue == Decision.deny.rawValue ? .deny : .indeterminate
    }

    /// Reads a response's body. A response about another number of items is malformed.
    init(decoding body: RawSpan, expecting count: Int) throws(WireError) {
        let view = try Wire.CheckBatchResponseView(body)
        guard Int(view.count) == count else { throw .badCount(count: Int(view.count), limit: count) }
        self.count = count
        whole = Self.whole(view)
        sequence = view.sequence
        now = Timestamp(microseconds: view.now)
        earliestExpiry = view.earliestExpiry == 0 ? nil : Timestamp(microseconds: view.earliestExpiry)
        cause = nil
        let allowColumn = view.allow
        let reasonColumn = view.reasons
        let dayColumn = view.validDays
        let errorColumn = view.errors
        allow = allowColumn.array(0..<allowColumn.byteCount)
        reasons = reasonColumn.array(0..<reasonColumn.byteCount)
        validDays = (0..<dayColumn.byteCount / 2).map { dayColumn.load(UInt16.self, at: $0 * 2) }
        var errors: [Int: RefusalNote] = [:]
        for position in 0..<Int(view.errorCount) {
            let error = Wire.ItemError(unchecked: errorColumn, at: position * Wire.ItemError.byteCount)
            guard Int(error.index) < count else {
                throw .overLimit(name: "index", value: Int(error.index), limit: count)
            }
            errors[Int(error.index)] = RefusalNote(item: error)
        }
        itemErrors = errors
        receipt = try Self.receipt(view, allow: allow, reasons: reasons)
    }

    /// Reads the receipt of an answer. One that is about another answer makes the whole malformed.
    private static func receipt(
        _ view: Wire.CheckBatchResponseView, allow: [UInt8], reasons: [UInt8]
    ) throws(WireError) -> CheckReceipt? {
        let column = view.receipt
        guard column.byteCount > 0 else { return nil }
        guard let receipt = try? CheckReceipt(decoding: column.array(0..<column.byteCount)),
            receipt.sequence == view.sequence, receipt.time == view.now, receipt.count == view.count,
            receipt.whole == view.whole.rawValue,
            receipt.allowDigest == allow.withUnsafeBytes({ CheckReceipt.digest($0) }),
            reasons.isEmpty || receipt.reasonsDigest == reasons.withUnsafeBytes({ CheckReceipt.digest($0) })
        else { throw .badCount(count: column.byteCount, limit: CheckReceipt.byteCount) }
        return receipt
    }
}
