// Questions as the bytes of their requests, straight into the connection's writer.

import ConsentDomain
import WireProtocol

extension RefusalNote {
    /// Why one item of a batch could not be checked or keyed.
    init(item error: Wire.ItemError) {
        self.init(code: error.code.rawValue)
        isItem = true
        sentence = sentence(locale: "en")
    }
}

extension FrameWriter {
    /// Appends the body of a Check.
    mutating func appendCheck(_ question: CheckQuestion, _ contact: Contact) {
        var request = Wire.CheckRequest(
            minSequence: question.minimumSequence, controller: question.controller.rawValue,
            channel: Wire.Channel(rawValue: question.channel.rawValue), purpose: question.purpose.rawValue,
            class: Wire.PurposeClass(rawValue: question.purposeClass?.rawValue ?? 0))
        switch contact {
        case .key(let key):
            request.keyMode = .key
            request.key = Wire.Bytes16(word0: key.low, word1: key.high)
            _ = request.beginEncoding(into: &self)
        case .address(let address):
            var address = address
            address.withUTF8 { bytes in
                request.keyMode = .raw
                request.addressLength = UInt32(bytes.count)
                let columns = request.beginEncoding(into: &self)
                fill(columns.address, with: UnsafeRawBufferPointer(bytes))
            }
        }
    }

    /// Appends the body of a CheckBatch by keys; the minimum sequence is that of the question.
    mutating func appendBatch(
        _ question: CheckQuestion, keys: some Collection<RecipientKey>, want: BatchDetail
    ) {
        let request = Self.batch(question, mode: .key, want: want, count: keys.count, addressBytes: 0)
        let columns = request.beginEncoding(into: &self)
        withMutableBytes(at: columns.keys.lowerBound, count: columns.keys.count) { bytes in
            var offset = 0
            for key in keys {
                bytes.storeBytes(of: key.low.littleEndian, toByteOffset: offset, as: UInt64.self)
                bytes.storeBytes(of: key.high.littleEndian, toByteOffset: offset + 8, as: UInt64.self)
                offset += 16
            }
        }
    }

    /// Appends the body of a CheckBatch by addresses.
    mutating func appendBatch(
        _ question: CheckQuestion, addresses: some Collection<String>, want: BatchDetail
    ) {
        let byteCount = addresses.reduce(0) { $0 + $1.utf8.count }
        let request = Self.batch(
            question, mode: .raw, want: want, count: addresses.count, addressBytes: byteCount)
        let columns = request.beginEncoding(into: &self)
        fillTexts(addresses, offsets: columns.offsets, bytes: columns.addresses)
    }

    /// Appends the body of a Keys request.
    mutating func appendKeysRequest(_ addresses: [String], controller: ControllerID, kind: ContactKind) {
        let request = Wire.KeysRequest(
            controller: controller.rawValue, kind: Wire.ContactKind(rawValue: kind.rawValue),
            count: UInt32(addresses.count),
            addressBytes: UInt32(addresses.reduce(0) { $0 + $1.utf8.count }))
        let columns = request.beginEncoding(into: &self)
        fillTexts(addresses, offsets: columns.offsets, bytes: columns.addresses)
    }

    private static func batch(
        _ question: CheckQuestion, mode: Wire.KeyMode, want: BatchDetail, count: Int, addressBytes: Int
    ) -> Wire.CheckBatchRequest {
        Wire.CheckBatchRequest(
            minSequence: question.minimumSequence, controller: question.controller.rawValue,
            channel: Wire.Channel(rawValue: question.channel.rawValue), purpose: question.purpose.rawValue,
            class: Wire.PurposeClass(rawValue: question.purposeClass?.rawValue ?? 0), keyMode: mode,
            want: want.intersection([.reasons, .validity, .receipt]).rawValue,
            count: UInt32(count), addressBytes: UInt32(addressBytes))
    }

    private mutating func fillTexts(
        _ texts: some Collection<String>, offsets: Range<Int>, bytes: Range<Int>
    ) {
        var position = offsets.lowerBound
        var end = 0
        store(UInt32(0), at: position)
        for text in texts {
            var text = text
            text.withUTF8 { utf8 in
                fill(
                    bytes.lowerBound + end..<bytes.lowerBound + end + utf8.count,
                    with: UnsafeRawBufferPointer(utf8))
                end += utf8.count
            }
            position += 4
            store(UInt32(end), at: position)
        }
    }

    private mutating func fill(_ range: Range<Int>, with bytes: UnsafeRawBufferPointer) {
        withMutableBytes(at: range.lowerBound, count: range.count) { $0.copyMemory(from: bytes) }
    }
}
