// The receipt of one batch: what was asked and answered, hashed and signed on the event loop.
//
// It is made from the keys that were looked up and from the answer as it was written, so that it cannot say
// anything else than the response that carries it. A signature takes about 30 µs, and hashing 16 bytes a
// contact point.

import ConsentDomain
import ConsentProof
import WireProtocol

extension CheckHandler {
    /// Digest of the keys of a batch. A batch of addresses that was answered without a look at them has
    /// zeros for keys.
    static func keysDigest(
        _ scratch: CheckScratch, _ request: Wire.CheckBatchRequestView, _ isLookedUp: Bool
    ) -> [UInt8] {
        if request.keyMode == .key { return request.keys.withUnsafeBytes { CheckReceipt.digest($0) } }
        let count = Int(request.count)
        if isLookedUp { return scratch.withOwnKeys(count) { CheckReceipt.digest($0) } }
        return [UInt8](repeating: 0, count: count * 16).withUnsafeBytes { CheckReceipt.digest($0) }
    }

    /// Makes the receipt of a batch; nil where the log key would not sign.
    /// - Parameters:
    ///   - keys: digest of the keys, as they were looked up.
    ///   - allow: digest of the bitmap that the answer has.
    static func receipt(
        _ connection: Connection, _ question: Question, count: Int, sequence: UInt64, whole: Wire.Decision,
        keys: [UInt8], allow: [UInt8]
    ) -> [UInt8]? {
        let core = connection.core
        var receipt = CheckReceipt(
            incarnation: core.identity.incarnation.bytes, keys: keys, allow: allow,
            reasons: connection.scratch.withReasons(count) { CheckReceipt.digest($0) })
        receipt.sequence = sequence
        receipt.time = connection.gathered.now.microseconds
        receipt.controller = question.controller
        receipt.channel = question.channel
        receipt.purpose = question.purpose
        receipt.purposeClass = question.statedClass
        receipt.count = UInt32(count)
        receipt.whole = whole.rawValue
        receipt.minimumSequence = question.minSequence
        do throws(ProofError) {
            try receipt.sign(by: core.logKey)
        } catch {
            core.logger.error("a receipt was not signed", metadata: ["error": "\(error)"])
            return nil
        }
        return receipt.encoded
    }
}
