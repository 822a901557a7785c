// The two canonical byte forms of an event (drawn on top of ConsentEvent.swift), both ways.
//
// Invariant: the leaf holds no byte of the personal part but its commitment, so destroying the personal part
// changes no leaf.

extension ConsentEvent {
    /// The digests that a leaf carries, in its order.
    public struct LeafDigests: Hashable, Sendable {
        /// Id of the notice shown.
        public var notice: Digest32?
        /// Memo read by staff.
        public var memo: Digest32?
        /// Commitment to the personal part.
        public var commitment: Digest32?
        /// SHA-256 of the payload of a catalogue event.
        public var payload: Digest32?
    }

    /// The digests that the leaf carries.
    public var leafDigests: LeafDigests {
        LeafDigests(
            notice: notice, memo: memo, commitment: commitment,
            payload: payload.isEmpty ? payloadDigest : .sha256(payload))
    }

    /// The leaf: what the log's tree commits to.
    public var leaf: [UInt8] {
        let digests = leafDigests
        var present: UInt8 = 0
        if digests.notice != nil { present |= 1 }
        if digests.memo != nil { present |= 2 }
        if digests.commitment != nil { present |= 4 }
        if digests.payload != nil { present |= 8 }
        let clientCount = client.utf8.count
        precondition(clientCount <= Int(UInt16.max), "client name of \(clientCount) bytes")
        var writer = CanonicalWriter(reserving: 72 + 32 * present.nonzeroBitCount + clientCount)
        writer.append(1 as UInt8)
        writer.append(kind.rawValue)
        writer.append(contactKind?.rawValue ?? 0)
        writer.append(via.rawValue)
        writer.append(source.rawValue)
        writer.append(act.rawValue)
        writer.append(attestations.rawValue)
        writer.append(0 as UInt8)
        writer.append(sequence)
        writer.append(occurredAt.rawValue)
        writer.append(recordedAt.rawValue)
        writer.append(purposes.rawValue)
        writer.append(refersTo)
        writer.append(controller.rawValue)
        writer.append(channels.rawValue)
        writer.append(pendingChannels.rawValue)
        writer.append(keyEpoch)
        writer.append(noticeOrdinal)
        writer.append(validityDay.rawValue)
        writer.append(retentionDay.rawValue)
        writer.append(lapseDay.rawValue)
        writer.append(UInt16(clientCount))
        writer.append(present)
        writer.append(zeros: 3)
        if let notice = digests.notice { writer.append(notice) }
        if let memo = digests.memo { writer.append(memo) }
        if let commitment = digests.commitment { writer.append(commitment) }
        if let payload = digests.payload { writer.append(payload) }
        writer.append(utf8Of: client)
        return writer.bytes
    }

    /// Reads a leaf. Payload, personal part and salt are kept elsewhere and stay empty; `payloadDigest` is
    /// set where the leaf names a payload.
    public init(leaf: [UInt8]) throws(CanonicalFormError) {
        var reader = CanonicalReader(leaf, form: "leaf")
        let version = try reader.read(UInt8.self)
        guard version == 1 else { throw reader.bad("version", version) }
        let kind: EventKind = try reader.value("kind")
        let rawContactKind = try reader.read(UInt8.self)
        let contactKind = ContactKind(rawValue: rawContactKind)
        guard contactKind != nil || rawContactKind == 0 else {
            throw reader.bad("contact kind", rawContactKind)
        }
        let via: Via = try reader.value("via")
        let source: Source = try reader.value("source")
        let act: Act = try reader.value("act")
        let attestations = try reader.read(UInt8.self)
        guard attestations & ~Attestations.all.rawValue == 0 else {
            throw reader.bad("attestations", attestations)
        }
        try reader.zeros("zero byte", count: 1)
        let sequence: UInt64 = try reader.read()
        self.init(
            kind: kind, occurredAt: Timestamp(rawValue: try reader.read()),
            recordedAt: Timestamp(rawValue: try reader.read()))
        self.contactKind = contactKind
        self.via = via
        self.source = source
        self.act = act
        self.attestations = Attestations(rawValue: attestations)
        self.sequence = sequence
        purposes = PurposeSet(rawValue: try reader.read())
        refersTo = try reader.read()
        controller = ControllerID(rawValue: try reader.read())
        channels = ChannelSet(rawValue: try reader.read())
        pendingChannels = ChannelSet(rawValue: try reader.read())
        keyEpoch = try reader.read()
        noticeOrdinal = try reader.read()
        validityDay = Day(rawValue: try reader.read())
        retentionDay = Day(rawValue: try reader.read())
        lapseDay = Day(rawValue: try reader.read())
        let clientCount = Int(try reader.read(UInt16.self))
        let present: UInt8 = try reader.read()
        guard present < 16 else { throw reader.bad("digests present", present) }
        try reader.zeros("zero bytes", count: 3)
        if present & 1 != 0 { notice = try reader.digest() }
        if present & 2 != 0 { memo = try reader.digest() }
        if present & 4 != 0 { commitment = try reader.digest() }
        if present & 8 != 0 { payloadDigest = try reader.digest() }
        client = try reader.text("client", count: clientCount)
        try reader.finish()
    }

    /// SHA-256(salt ‖ personal part).
    public static func commitment(salt: [UInt8], personal: PersonalPart) -> Digest32 {
        PersonalSeal(personal, salt: salt).commitment
    }

    /// Attaches a personal part with its salt (16 random bytes) and commits to both.
    public mutating func attach(_ personal: PersonalPart, salt: [UInt8]) {
        attach(personal, PersonalSeal(personal, salt: salt))
    }

    /// Attaches a personal part with the seal that was made of it.
    public mutating func attach(_ personal: PersonalPart, _ seal: PersonalSeal) {
        self.personal = personal
        salt = seal.salt
        commitment = seal.commitment
    }

    /// Whether the personal part that the event carries is the one that it commits to.
    public var isCommitted: Bool {
        guard let personal else { return true }
        return commitment == Self.commitment(salt: salt, personal: personal)
    }
}

/// A personal part's bytes with the salt and the commitment to both. Made apart from the event, so that the
/// thread that reads a request can hash, and not the one that writes the register.
public struct PersonalSeal: Hashable, Sendable {
    /// 16 random bytes.
    public let salt: [UInt8]
    /// The personal part's canonical form.
    public let encoded: [UInt8]
    /// SHA-256(salt ‖ personal part).
    public let commitment: Digest32

    /// Seals a personal part.
    public init(_ personal: PersonalPart, salt: [UInt8]) {
        self.salt = salt
        encoded = personal.encoded
        commitment = .sha256(salt, encoded)
    }
}

extension PersonalPart {
    /// The canonical form.
    public var encoded: [UInt8] {
        let textCount =
            reference.utf8.count + staff.utf8.count + evidence.ip.utf8.count + evidence.userAgent.utf8.count
            + evidence.url.utf8.count + evidence.templateValues.utf8.count
        var writer = CanonicalWriter(reserving: 100 + textCount)
        writer.append(1 as UInt8)
        writer.append(zeros: 7)
        writer.append(low: key.low, high: key.high)
        writer.append(low: eventID.low, high: eventID.high)
        writer.append(low: contentMAC.low, high: contentMAC.high)
        writer.append(addressCommitment)
        writer.append(text: reference)
        writer.append(text: staff)
        writer.append(text: evidence.ip)
        writer.append(text: evidence.userAgent)
        writer.append(text: evidence.url)
        writer.append(text: evidence.templateValues)
        return writer.bytes
    }

    /// Reads the canonical form.
    public init(decoding bytes: [UInt8]) throws(CanonicalFormError) {
        var reader = CanonicalReader(bytes, form: "personal part")
        let version = try reader.read(UInt8.self)
        guard version == 1 else { throw reader.bad("version", version) }
        try reader.zeros("zero bytes", count: 7)
        let key = RecipientKey(low: try reader.read(), high: try reader.read())
        let eventID = EventID(low: try reader.read(), high: try reader.read())
        let contentMAC = EventID(low: try reader.read(), high: try reader.read())
        self.init(key: key, eventID: eventID, contentMAC: contentMAC, addressCommitment: try reader.digest())
        reference = try reader.text("reference")
        staff = try reader.text("staff")
        evidence.ip = try reader.text("ip")
        evidence.userAgent = try reader.text("user agent")
        evidence.url = try reader.text("url")
        evidence.templateValues = try reader.text("template values")
        try reader.finish()
    }
}

extension EventID {
    /// 16 bytes: `low`, then `high`, little-endian.
    public var bytes: [UInt8] {
        var writer = CanonicalWriter(reserving: 16)
        writer.append(low: low, high: high)
        return writer.bytes
    }

    /// Reads 16 bytes; nil for another count.
    public init?(bytes: [UInt8]) {
        guard let (low, high) = pairOfWords(bytes) else { return nil }
        self.init(low: low, high: high)
    }
}

extension RecipientKey {
    /// 16 bytes: `low`, then `high`, little-endian.
    public var bytes: [UInt8] { EventID(low: low, high: high).bytes }

    /// Reads 16 bytes; nil for another count.
    public init?(bytes: [UInt8]) {
        guard let (low, high) = pairOfWords(bytes) else { return nil }
        self.init(low: low, high: high)
    }
}

private func pairOfWords(_ bytes: [UInt8]) -> (UInt64, UInt64)? {
    guard bytes.count == 16 else { return nil }
    return bytes.withUnsafeBytes {
        (
            UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
            UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }
}
