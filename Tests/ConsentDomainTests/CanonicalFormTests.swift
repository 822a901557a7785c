// Goal: canonical bytes are exactly as drawn, read back to the same value, and hostile bytes never trap a
// decoder. Method: vectors spelled out byte by byte; round trips of random values; random, cut and flipped
// bytes.

import ConsentDomain
import TestRandomness
import Testing

struct CanonicalFormTests {
    static let digestOnes = Digest32([UInt8](repeating: 0x11, count: 32)) ?? .zero
    static let digestTwos = Digest32([UInt8](repeating: 0x22, count: 32)) ?? .zero

    @Test func leafVector() throws {
        var event = ConsentEvent(
            kind: .grant, occurredAt: Timestamp(rawValue: 0x0102_0304_0506_0708),
            recordedAt: Timestamp(rawValue: -2))
        event.sequence = 9
        event.contactKind = .phone
        event.via = .import
        event.source = .salon
        event.act = .signature
        event.attestations = .all
        event.purposes = purposes(3, 63)
        event.refersTo = 7
        event.controller = ControllerID(rawValue: 0xAABB_CCDD)
        event.channels = [ChannelSet([.sms]), ChannelSet([.whatsapp])]
        event.pendingChannels = ChannelSet([.sms])
        event.keyEpoch = 0x0201
        event.noticeOrdinal = 0x0403
        event.validityDay = Day(rawValue: 0x0605)
        event.retentionDay = Day(rawValue: 0x0807)
        event.lapseDay = Day(rawValue: 0x0A09)
        event.client = "é1"
        event.notice = Self.digestOnes
        event.commitment = Self.digestTwos
        let expected =
            "0101020103051f00" + "0900000000000000" + "0807060504030201" + "feffffffffffffff"
            + "0800000000000080" + "0700000000000000" + "ddccbbaa" + "4400" + "0400" + "0102" + "0304"
            + "0506"
            + "0708" + "090a" + "0300" + "05" + "000000" + String(repeating: "11", count: 32)
            + String(repeating: "22", count: 32) + "c3a931"
        #expect(Hexadecimal.text(of: event.leaf) == expected)
        #expect(try ConsentEvent(leaf: event.leaf) == event)
    }

    @Test func personalPartVector() throws {
        var part = PersonalPart(
            key: RecipientKey(low: 1, high: 2), eventID: EventID(low: 3, high: 4),
            contentMAC: EventID(low: 5, high: 6), addressCommitment: Self.digestOnes)
        part.reference = "R1"
        part.evidence.url = "ü"
        let word = { (number: Int) in "0\(number)00000000000000" }
        let expected =
            "0100000000000000" + (1...6).map(word).joined() + String(repeating: "11", count: 32)
            + "0200" + "5231" + "0000" + "0000" + "0000" + "0200" + "c3bc" + "0000"
        #expect(Hexadecimal.text(of: part.encoded) == expected)
        #expect(try PersonalPart(decoding: part.encoded) == part)
        // SHA-256 of the salt ‖ the bytes above, computed elsewhere.
        let commitment = ConsentEvent.commitment(salt: [UInt8](repeating: 0x33, count: 16), personal: part)
        #expect(commitment.hex == "beb1d73c18b2fc2dbe6a21d262819e6700b4759337421689b1138cd91739de27")
    }

    @Test func noticeVector() throws {
        var notice = Notice(
            locale: "fr", text: "Oui", channels: ChannelSet([.email]), purposes: purposes(2),
            controllers: [ControllerID(rawValue: 9), ControllerID(rawValue: 1), ControllerID(rawValue: 9)])
        notice.withdrawalExplained = true
        notice.termsSeparate = true
        notice.box = .unticked
        notice.version = "v1"
        notice.policyURL = "u"
        notice.validFrom = Timestamp(rawValue: 256)
        let expected =
            "01090100" + "0200" + "0200" + "0400000000000000" + "0001000000000000" + "01000000" + "09000000"
            + "0200" + "6672" + "0200" + "7631" + "0100" + "75" + "03000000" + "4f7569"
        #expect(Hexadecimal.text(of: notice.encoded) == expected)
        #expect(notice.id.hex == "1ef9b000b435bc29ff27e0f5ebeccd38cdc9ea2029a1f3eafc897f9b6a6b052e")
        // What is no part of the form changes no id; what is, does.
        var other = notice
        other.ordinal = 7
        other.invalidatedFrom = .epoch
        #expect(other.id == notice.id)
        other.text = "Oui "
        #expect(other.id != notice.id)
    }

    @Test func roundTrips() throws {
        var random = SeededGenerator(seed: 1)
        for round in 0..<500 {
            let event = random.event()
            #expect(try ConsentEvent(leaf: event.leaf) == event, "round \(round)")
            let part = random.personalPart()
            #expect(try PersonalPart(decoding: part.encoded) == part, "round \(round)")
            let controller = random.controller()
            #expect(try Controller(decoding: controller.encoded) == controller, "round \(round)")
            let purpose = Purpose(
                id: purpose(.random(in: 1...63, using: &random)), code: random.text(), title: random.text(),
                purposeClass: random.pick(PurposeClass.allCases))
            #expect(try Purpose(decoding: purpose.encoded) == purpose, "round \(round)")
            let notice = random.notice()
            #expect(try Notice(decoding: notice.encoded) == notice, "round \(round)")
            let invalidation = NoticeInvalidation(
                id: random.digest(), reason: random.text(),
                effective: Timestamp(rawValue: .random(in: .min ... .max, using: &random)))
            #expect(try NoticeInvalidation(decoding: invalidation.encoded) == invalidation, "round \(round)")
        }
    }

    @Test func payloadIsCommittedByItsHash() throws {
        var random = SeededGenerator(seed: 2)
        var event = random.event(.noticePut)
        event.payload = random.notice().encoded
        let read = try ConsentEvent(leaf: event.leaf)
        #expect(read.payload.isEmpty)
        #expect(read.payloadDigest == .sha256(event.payload))
        #expect(read.leaf == event.leaf)
    }

    @Test func destroyingThePersonalPartKeepsTheLeaf() {
        var random = SeededGenerator(seed: 3)
        var event = random.event(.grant)
        event.attach(random.personalPart(), salt: random.bytes(16))
        let leaf = event.leaf
        #expect(event.isCommitted)
        event.personal?.staff += "x"
        #expect(!event.isCommitted)
        event.personal = nil
        event.salt = []
        #expect(event.leaf == leaf)
    }

    /// Decodes and encodes again; what is accepted must come back byte for byte, so each value has one
    /// encoding.
    static let recoders: [(name: String, recode: @Sendable ([UInt8]) throws -> [UInt8])] = [
        ("leaf", { try ConsentEvent(leaf: $0).leaf }),
        ("personal part", { try PersonalPart(decoding: $0).encoded }),
        ("controller", { try Controller(decoding: $0).encoded }),
        ("purpose", { try Purpose(decoding: $0).encoded }),
        ("notice", { try Notice(decoding: $0).encoded }),
        ("invalidation", { try NoticeInvalidation(decoding: $0).encoded }),
        ("state", { try ContactState(decoding: $0).encoded }),
    ]

    @Test func hostileBytes() {
        var random = SeededGenerator(seed: 4)
        var acceptedCount = 0
        for round in 0..<400 {
            let samples = [
                random.event().leaf, random.personalPart().encoded, random.controller().encoded,
                random.notice().encoded, random.bytes(.random(in: 0...200, using: &random)),
                [1] + random.bytes(.random(in: 0...200, using: &random)),
            ]
            for sample in samples {
                var flipped = sample
                if !flipped.isEmpty {
                    flipped[Int.random(in: flipped.indices, using: &random)] ^=
                        UInt8(1) << UInt8.random(in: 0...7, using: &random)
                }
                let cut = Array(sample.prefix(.random(in: 0...sample.count, using: &random)))
                for bytes in [sample, flipped, cut, sample + [0]] {
                    for (name, recode) in Self.recoders {
                        guard let again = try? recode(bytes) else { continue }
                        acceptedCount += 1
                        #expect(again == bytes, "\(name), round \(round)")
                    }
                }
            }
        }
        #expect(acceptedCount > 1_000)
    }

    @Test func errorsNameTheForm() {
        #expect(throws: CanonicalFormError.truncated(form: "leaf", needed: 1, available: 0)) {
            try ConsentEvent(leaf: [])
        }
        #expect(throws: CanonicalFormError.badValue(form: "purpose", field: "version", value: 2)) {
            try Purpose(decoding: [2, 1, 1, 0, 0, 0, 0, 0])
        }
        #expect(throws: CanonicalFormError.badValue(form: "purpose", field: "id", value: 64)) {
            try Purpose(decoding: [1, 64, 1, 0, 0, 0, 0, 0])
        }
        #expect(throws: CanonicalFormError.trailingBytes(form: "purpose", count: 1)) {
            try Purpose(decoding: [1, 1, 1, 0, 0, 0, 0, 0, 0])
        }
        #expect(throws: CanonicalFormError.badText(form: "purpose", field: "code")) {
            try Purpose(decoding: [1, 1, 1, 0, 1, 0, 0xFF, 0, 0])
        }
    }
}
