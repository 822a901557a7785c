// A receipt file: what a register answered before something was sent, readable by people, and checked with
// nothing but the log's public key.
//
//   format "consentd receipt 1"
//   checks, each:
//     receipt        the signed receipt (PROTOCOL.md), hex
//     keys           recipient keys in the order of the question, hex; zeros where an address had none
//     allow          bitmap of the answer, hex
//     reasons        one byte each, hex; empty where they were not asked for
//     items          what the bitmap and the reasons say, for people; verification never looks at it
//
// Invariant: `verify` trusts the key alone. It never says that an item was allowed unless the receipt does.

import ConsentDomain
import ConsentProof

/// The first thing that is wrong with a file that is verified.
package struct VerificationFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file cannot be read as what it says it is; otherwise it was read and does not hold.
    package var isUnreadable: Bool
    /// What is wrong.
    package var problem: String
    /// Line or part of the file; nil: it is one thing.
    package var place: String?

    /// Where and what.
    package var description: String { place.map { "\($0): \(problem)" } ?? problem }

    static func unreadable(_ why: String) -> Self { Self(isUnreadable: true, problem: why) }
    static func wrong(_ why: String) -> Self { Self(isUnreadable: false, problem: why) }

    /// Runs a part of a verification and names its place, unless the failure names a closer one.
    static func at<Value>(
        _ place: @autoclosure () -> String, _ body: () throws(VerificationFailure) -> Value
    ) throws(VerificationFailure) -> Value {
        do throws(VerificationFailure) {
            return try body()
        } catch {
            var failure = error
            failure.place = error.place ?? place()
            throw failure
        }
    }
}

/// Receipts with the questions and answers that they are about.
package struct ReceiptFile: Hashable, Sendable {
    package static let format = "consentd receipt 1"

    /// One batch.
    package struct Check: Hashable, Sendable {
        package var receipt: [UInt8]
        package var keys: [RecipientKey]
        package var allow: [UInt8]
        package var reasons: [UInt8]

        /// A batch that was answered, with its receipt.
        /// - Parameter keys: in the order of the question; zeros where an address has none.
        package init(receipt: CheckReceipt, _ answer: BatchAnswer, keys: [RecipientKey]) {
            self.init(receipt: receipt.encoded, keys: keys, allow: answer.allow, reasons: answer.reasons)
        }

        /// Whether the receipt is about these keys.
        package var namesItsKeys: Bool {
            let digest = keys.flatMap(\.bytes).withUnsafeBytes { CheckReceipt.digest($0) }
            return (try? CheckReceipt(decoding: receipt))?.keysDigest == digest
        }

        package init(receipt: [UInt8], keys: [RecipientKey], allow: [UInt8], reasons: [UInt8]) {
            self.receipt = receipt
            self.keys = keys
            self.allow = allow
            self.reasons = reasons
        }
    }

    package var checks: [Check]

    package init(checks: [Check]) { self.checks = checks }

    // MARK: JSON

    /// The file's content.
    package var json: JSON {
        .members(["format": .string(Self.format), "checks": .array(checks.map(Self.json))])
    }

    private static func json(_ check: Check) -> JSON {
        let items = check.keys.indices.map { position -> JSON in
            .members([
                "position": .integer(Int64(position + 1)),
                "decision": .string(check.isAllowed(position) ? "allow" : "deny"),
                "reason": .optional(check.reasons.isEmpty ? nil : Names.reason(check.reasons[position])),
            ])
        }
        return .members([
            "receipt": .string(check.receipt.hexadecimal),
            "keys": .array(check.keys.map { .string($0.bytes.hexadecimal) }),
            "allow": .string(check.allow.hexadecimal), "reasons": .string(check.reasons.hexadecimal),
            "items": .array(items),
        ])
    }

    /// Reads a file's content.
    package init(parsing document: JSON) throws(VerificationFailure) {
        guard document["format"]?.text == Self.format else {
            throw .unreadable("this is not a receipt file: its format is not \"\(Self.format)\"")
        }
        checks = []
        for check in document["checks"]?.elements ?? [] {
            var keys: [RecipientKey] = []
            for element in check["keys"]?.elements ?? [] {
                guard let bytes = element.text.flatMap([UInt8].init(hexadecimal:)), bytes.count == 16,
                    let key = RecipientKey(bytes: bytes)
                else { throw .unreadable("a key of the receipt file is not 32 hexadecimal digits") }
                keys.append(key)
            }
            checks.append(
                Check(
                    receipt: try Self.bytes(check, "receipt"), keys: keys,
                    allow: try Self.bytes(check, "allow"), reasons: try Self.bytes(check, "reasons")))
        }
        guard !checks.isEmpty else { throw .unreadable("the receipt file holds no receipt") }
    }

    private static func bytes(_ json: JSON, _ name: String) throws(VerificationFailure) -> [UInt8] {
        guard let bytes = json[name]?.text.flatMap([UInt8].init(hexadecimal:)) else {
            throw .unreadable("\(name) of the receipt file is not hexadecimal digits")
        }
        return bytes
    }

    // MARK: Verification

    /// Verifies all receipts offline.
    /// - Parameter keys: public keys of the log, those before a rotation included.
    /// - Returns: the receipts, in the order of the file.
    /// - Throws: the first thing that is wrong.
    package func verify(keys: [LogPublicKey]) throws(VerificationFailure) -> [CheckReceipt] {
        var receipts: [CheckReceipt] = []
        for (position, check) in checks.enumerated() {
            guard checks.count > 1 else { return [try check.verify(keys: keys)] }
            let place = "receipt \(position + 1) of \(checks.count)"
            receipts.append(
                try VerificationFailure.at(place) { () throws(VerificationFailure) in
                    try check.verify(keys: keys)
                })
        }
        return receipts
    }
}

extension ReceiptFile.Check {
    /// Whether the bitmap of the answer allows an item.
    package func isAllowed(_ position: Int) -> Bool {
        position >= 0 && position >> 3 < allow.count && allow[position >> 3] & 1 << UInt8(position & 7) != 0
    }

    /// Verifies one receipt and that keys, bitmap and reasons are those that it is about.
    package func verify(keys publicKeys: [LogPublicKey]) throws(VerificationFailure) -> CheckReceipt {
        let receipt: CheckReceipt
        do throws(ProofError) {
            receipt = try CheckReceipt(decoding: self.receipt)
        } catch {
            throw .unreadable("\(error)")
        }
        guard let key = publicKeys.first(where: { $0.keyID == receipt.keyID }) else {
            throw .wrong(
                "the receipt is signed by key \(receipt.keyID.hexadecimal), not by a given key ("
                    + publicKeys.map(\.keyID.hexadecimal).joined(separator: ", ") + ")")
        }
        guard receipt.isSigned(by: key) else {
            throw .wrong("the receipt's signature is wrong: the receipt was altered")
        }
        guard Int(receipt.count) == keys.count, allow.count == (keys.count + 7) / 8 else {
            throw .wrong(
                "the receipt is about \(receipt.count) contact points; the file has \(keys.count) keys and a "
                    + "bitmap of \(allow.count) bytes")
        }
        let keyBytes = keys.flatMap(\.bytes)
        guard keyBytes.withUnsafeBytes({ CheckReceipt.digest($0) }) == receipt.keysDigest else {
            throw .wrong("the keys are not those that were asked about: their hash is another one")
        }
        guard allow.withUnsafeBytes({ CheckReceipt.digest($0) }) == receipt.allowDigest else {
            throw .wrong("the bitmap is not the one that was answered: its hash is another one")
        }
        guard reasons.isEmpty || reasons.withUnsafeBytes({ CheckReceipt.digest($0) }) == receipt.reasonsDigest
        else { throw .wrong("the reasons are not those that were answered: their hash is another one") }
        return receipt
    }
}
