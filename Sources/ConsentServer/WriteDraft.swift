// A write while its fields are collected on the event loop: checked for size, cleared of what may not be
// kept, normalised, keyed and hashed.

import ConsentDomain
import ConsentWire
import WireProtocol

/// A write while its fields are collected.
struct WriteDraft {
    let connection: Connection
    let kind: EventKind
    let controller: ControllerID
    var via = Via.live
    var eventID: Wire.Bytes16?
    var contacts: [Wire.WriteContact] = []
    var channels = ChannelSet()
    var purposes = PurposeSet()
    var hasUnknownChannel = false
    var hasUnknownPurpose = false
    var notice: Wire.Bytes32?
    var source = Wire.Source.unspecified
    var act = Wire.Act.none
    var occurredAt: Int64?
    var reference = ""
    var staff = ""
    var memo: Wire.Bytes32?
    var attestations: UInt8 = 0
    var evidence: Wire.Evidence?
    var token: [UInt8] = []
    var restrictUntil: Int64?

    init(_ connection: Connection, _ kind: EventKind, controller: UInt32) {
        self.connection = connection
        self.kind = kind
        self.controller = ControllerID(rawValue: controller)
    }

    mutating func setCells(_ channels: [Wire.Channel], _ purposes: [UInt8], unknownMeansAll: Bool) {
        if let set = ChannelSet(channels, unknownMeansAll: unknownMeansAll) {
            self.channels = set
        } else {
            hasUnknownChannel = true
        }
        if let set = PurposeSet(purposes, unknownMeansAll: unknownMeansAll) {
            self.purposes = set
        } else {
            hasUnknownPurpose = true
        }
    }

    /// Normalises, keys and hashes.
    func finished() throws(WireError) -> WriteCommand {
        var copy = self
        copy.dropWhatMayNotBeKept()
        return try copy.made()
    }

    /// Whether what may not be kept or claimed is left out, and the write taken all the same: of everything
    /// but consents.
    var dropsClaims: Bool { kind != .grant && kind != .renew && kind != .confirm }

    /// A refusal is never turned away for what comes with it: texts that may not be kept, and claims that the
    /// caller may not make, are left out.
    private mutating func dropWhatMayNotBeKept() {
        guard dropsClaims else { return }
        let client = connection.access.client.definition
        if !client.claims(source) { source = .unspecified }
        if !client.actors.covers(staff) { staff = "" }
        let limit = Wire.Limits.textBytesMax
        if staff.utf8.count > limit { staff = "" }
        if reference.utf8.count > limit && !contacts.isEmpty { reference = "" }
        if let evidence,
            TextRules.problem(evidence: Evidence(evidence), reference: "", staff: "") != nil
        {
            self.evidence = nil
        }
    }

    private func made() throws(WireError) -> WriteCommand {
        try check("contacts", contacts.count, Wire.Limits.contactsMax)
        let limit = Wire.Limits.textBytesMax
        try check("reference", reference.utf8.count, limit)
        try check("staff", staff.utf8.count, limit)
        if let evidence {
            try check("ip", evidence.ip.utf8.count, limit)
            try check("user_agent", evidence.userAgent.utf8.count, limit)
            try check("url", evidence.url.utf8.count, limit)
            try check("template_values", evidence.templateValues.utf8.count, limit)
        }
        var addresses: [ContactAddress] = []
        var problems: [DraftContact] = []
        for contact in contacts {
            let isEmail = contact.address.utf8.contains(UInt8(ascii: "@"))
            let kind = ContactKind(contact.kind) ?? (isEmail ? .email : .phone)
            do throws(AddressError) {
                addresses.append(
                    try ContactAddress(
                        kind: kind, text: contact.address, region: kind == .phone ? region : nil))
            } catch {
                problems.append(DraftContact(kind: kind, problem: error))
            }
        }
        let mac = contentMAC(addresses)
        var command = WriteCommand(
            kind: kind, controller: controller, eventID: eventID.map(EventID.init) ?? mac, contentMAC: mac,
            contacts: [])
        command.badContacts = problems
        command.reference = reference
        command.channels = channels
        command.purposes = purposes
        command.hasUnknownChannel = hasUnknownChannel
        command.hasUnknownPurpose = hasUnknownPurpose
        command.source = Source(rawValue: source.rawValue) ?? .unspecified
        command.act = Act(rawValue: act.rawValue) ?? .none
        command.via = via
        command.occurredAt = Timestamp(wire: occurredAt)
        command.notice = notice.map(Digest32.init)
        command.staff = staff
        command.memo = memo.map(Digest32.init)
        command.attestations = Attestations(rawValue: attestations)
        command.evidence = evidence.map { Evidence($0).truncated } ?? Evidence()
        command.token = token
        command.restrictUntil = Timestamp(wire: restrictUntil)
        command.client = connection.access.clientName
        command.claim = connection.access.client.definition.controllers
        command.arrivedAt = connection.core.clock.now
        command.contacts = addresses.enumerated().map { subject($1, of: command, position: $0) }
        return command
    }

    /// Region whose national phone numbers the controller's writes may hold.
    private var region: PhoneRegion? {
        connection.catalogue.catalogue.controllers[controller].flatMap { PhoneRegion(code: $0.region) }
    }

    private func subject(_ address: ContactAddress, of command: WriteCommand, position: Int) -> WriteSubject {
        let keyring = connection.core.keyring
        let index = connection.core.index
        let (key, epoch) = address.normalised.withUnsafeBytes {
            keyring.home(controller: controller, kind: address.kind, normalised: $0) { index.contains($0) }
        }
        let eventID = command.eventID.forContact(position)
        var personal = PersonalPart(
            key: key, eventID: eventID, contentMAC: command.contentMAC,
            addressCommitment: RecipientKeyring.addressCommitment(
                opening: keyring.opening(eventID), kind: address.kind, normalised: address.normalised))
        personal.reference = reference
        personal.staff = staff
        personal.evidence = command.evidence
        return WriteSubject(
            kind: address.kind, keyEpoch: epoch, slot: keyring.slotKey(key, controller: controller),
            personal: personal, seal: PersonalSeal(personal, salt: connection.salts.next()))
    }

    /// MAC of what makes two writes the same. A write without a time of its own and without an id is never
    /// the same as another: two withdrawals by the same person on two days are two events.
    private func contentMAC(_ addresses: [ContactAddress]) -> EventID {
        let isAnonymous = eventID == nil && occurredAt == nil
        var writer = FrameWriter(minimumCapacity: 512)
        writer.append(kind.rawValue)
        writer.append(via.rawValue)
        writer.append(controller.rawValue)
        writer.append(channels.rawValue)
        writer.append(purposes.rawValue)
        writer.append(source.rawValue)
        writer.append(act.rawValue)
        writer.append(attestations)
        writer.append(occurredAt ?? 0)
        writer.append(isAnonymous ? UInt64.random(in: 1...UInt64.max) : 0)
        for address in addresses {
            writer.append(UInt32(1 + address.normalised.count))
            writer.append(address.kind.rawValue)
            writer.append(address.normalised.span.bytes)
        }
        writer.append(part: notice)
        writer.append(part: memo)
        writer.append(part: reference)
        writer.append(part: staff)
        writer.append(UInt32(token.count))
        writer.append(token.span.bytes)
        if let restrictUntil {
            writer.append(UInt32(8))
            writer.append(restrictUntil)
        }
        return writer.withBytes { connection.core.keyring.contentMAC($0) }
    }

    private func check(_ name: String, _ value: Int, _ limit: Int) throws(WireError) {
        guard value <= limit else { throw .overLimit(name: name, value: value, limit: limit) }
    }
}

extension FrameWriter {
    /// Appends a part of a content with its byte count in front; nothing where it is absent.
    fileprivate mutating func append(part digest: Wire.Bytes32?) {
        append(UInt32(digest == nil ? 0 : 32))
        guard let digest else { return }
        let offset = appendUninitialized(32)
        digest.store(in: &self, at: offset)
    }

    fileprivate mutating func append(part text: String) {
        append(UInt32(text.utf8.count))
        append(text.utf8.span.bytes)
    }
}

extension EventID {
    /// The id of the event about one of several contact points: the first has the write's own; the others
    /// keep its first six bytes (the time of a UUIDv7) and differ in the rest.
    func forContact(_ position: Int) -> EventID {
        guard position > 0 else { return self }
        let digest = Digest32.sha256(bytes, [UInt8(truncatingIfNeeded: position)])
        return EventID(bytes: Array(bytes.prefix(6)) + digest.bytes.prefix(10)) ?? self
    }
}
