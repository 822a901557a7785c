// Answers from their wire form to the values that callers get. A number that this library does not know
// becomes nil, or the most cautious value, never an error and never an allow.

import ConsentDomain
import ConsentProof
import ConsentWire
import WireProtocol

extension ContactPreferences {
    init(wire: Wire.ContactPreferences) {
        key = RecipientKey(wire.key)
        kind = ContactKind(wire.kind)
        preferences = wire.preferences.map(Preference.init(wire:))
    }
}

extension Preference {
    init(wire: Wire.Preference) {
        channel = Channel(wire.channel)
        purpose = PurposeID(rawValue: wire.purpose)
        state = CellState(rawValue: wire.state.rawValue)
        reason = Reason(wire.reason)
        reasonCode = wire.reason.rawValue
        decision = CheckAnswer.decision(wire.decision.rawValue, reason)
        since = wire.since == 0 ? nil : Timestamp(microseconds: wire.since)
        validUntil =
            decision == .allow && wire.validUntil != 0 ? Timestamp(microseconds: wire.validUntil) : nil
        event = wire.event
    }
}

extension RefusalNote {
    init(wire: Wire.RefusalDetail) {
        self.init(code: wire.code.rawValue, sentence: wire.sentence, subject: wire.subject)
    }
}

extension Explanation {
    init(wire: Wire.ExplainResponse) {
        self.init(
            answer: CheckAnswer(
                decision: wire.decision.rawValue, reason: wire.reason.rawValue, sequence: wire.sequence,
                now: Timestamp(microseconds: wire.now), validUntil: wire.validUntil),
            events: wire.events.map(RecordedEvent.init(wire:)))
    }
}

extension RecordedEvent {
    init(wire: Wire.EventRecord) {
        sequence = wire.sequence
        kind = EventKind(rawValue: wire.kind.rawValue)
        kindCode = wire.kind.rawValue
        controller = ControllerID(rawValue: wire.controller)
        key = wire.key.map { RecipientKey($0) }
        contactKind = ContactKind(wire.contactKind)
        channels = ChannelSet(rawValue: wire.channels)
        purposes = PurposeSet(rawValue: wire.purposes)
        pendingChannels = ChannelSet(rawValue: wire.pendingChannels)
        occurredAt = Timestamp(microseconds: wire.occurredAt)
        recordedAt = Timestamp(microseconds: wire.recordedAt)
        via = Via(rawValue: wire.via.rawValue)
        source = Source(rawValue: wire.source.rawValue)
        act = Act(rawValue: wire.act.rawValue)
        notice = wire.notice.map { Digest32($0) }
        memo = wire.memo.map { Digest32($0) }
        attestations = Attestations(rawValue: wire.attestations)
        client = wire.client
        staff = wire.staff
        eventID = wire.eventId.map { EventID($0) }
        reference = wire.reference
        evidence = wire.evidence.map { Evidence($0) } ?? Evidence()
        validityDay = Day(rawValue: wire.validityDay)
        retentionDay = Day(rawValue: wire.retentionDay)
        lapseDay = Day(rawValue: wire.lapseDay)
        refersTo = wire.refersTo
        wording = wire.wording
        locale = wire.locale
        isErased = wire.erased
    }
}

extension SignedHead {
    init(wire: Wire.SignedHead) throws(ConsentClientError) {
        var bytes = SignedHead.label
        while bytes.count < 24 { bytes.append(0) }
        withUnsafeBytes(of: wire.treeSize.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: wire.root.bytes)
        withUnsafeBytes(of: wire.time.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: wire.incarnation.bytes + wire.keyId + wire.signature)
        do throws(ProofError) {
            self = try SignedHead(decoding: bytes)
        } catch {
            throw .malformedAnswer("\(error)")
        }
    }
}

extension CatalogueListing {
    init(wire: Wire.CatalogueResponse) throws(CatalogueMappingError) {
        sequence = wire.sequence
        controllers = []
        purposes = []
        notices = []
        for controller in wire.controllers { controllers.append(try Controller(controller)) }
        for purpose in wire.purposes { purposes.append(try Purpose(purpose)) }
        for entry in wire.notices {
            var notice = try Notice(entry)
            notice.ordinal = entry.ordinal
            notice.invalidatedFrom =
                entry.invalidatedFrom.map(Timestamp.init(microseconds:)) ?? .distantFuture
            notice.invalidatedReason = entry.invalidatedReason
            notices.append(CataloguedNotice(id: entry.id.map { Digest32($0) } ?? .zero, notice: notice))
        }
    }
}

extension ServerStats {
    init(wire: Wire.StatsResponse) {
        state = ServingState(rawValue: wire.state.rawValue) ?? .notServing
        sequence = wire.sequence
        incarnation = wire.incarnation.bytes
        recipients = wire.recipients
        events = wire.events
        profiles = wire.profiles
        indexBytes = wire.indexBytes
        hugePageBytes = wire.hugePageBytes
        walBytes = wire.walBytes
        uptime = .microseconds(Int64(clamping: wire.uptime))
        startTime = .microseconds(Int64(clamping: wire.startTime))
        connections = wire.connections
        checks = wire.checks
        allows = wire.allows
        writes = wire.writes
        refusals = wire.refusals
        commits = wire.commits
        rejectedFrames = wire.rejectedFrames
        derivedSequence = wire.derivedSequence
        cpuTime = .microseconds(Int64(clamping: wire.cpuTime))
        residentBytes = wire.residentBytes
        isTestRegister = wire.testRegister
        loops = wire.loops
        version = wire.version
        stageTime = .microseconds(Int64(clamping: wire.stageTime))
        commitTime = .microseconds(Int64(clamping: wire.commitTime))
        publishTime = .microseconds(Int64(clamping: wire.publishTime))
        flushTime = .microseconds(Int64(clamping: wire.flushTime))
        snapshotSequence = wire.snapshotSequence
    }
}
