// Events as readers see them.

import ConsentDomain
import WireProtocol

extension Wire.EventRecord {
    /// - Parameters:
    ///   - notice: the event's notice, where its wording is wanted.
    public init(_ event: ConsentEvent, notice: Notice? = nil) {
        self.init()
        sequence = event.sequence
        kind = Wire.EventKind(rawValue: event.kind.rawValue)
        controller = event.controller.rawValue
        key = event.personal.map { Wire.Bytes16($0.key) }
        contactKind = Wire.ContactKind(event.contactKind)
        channels = event.channels.rawValue
        purposes = event.purposes.rawValue
        occurredAt = event.occurredAt.microseconds
        recordedAt = event.recordedAt.microseconds
        via = Wire.Via(rawValue: event.via.rawValue)
        source = Wire.Source(rawValue: event.source.rawValue)
        act = Wire.Act(rawValue: event.act.rawValue)
        self.notice = event.notice.map(Wire.Bytes32.init)
        memo = event.memo.map(Wire.Bytes32.init)
        attestations = event.attestations.rawValue
        client = event.client
        staff = event.personal?.staff ?? ""
        eventId = event.personal.map { Wire.Bytes16($0.eventID) }
        reference = event.personal?.reference ?? ""
        if let evidence = event.personal?.evidence, !evidence.isEmpty {
            self.evidence = Wire.Evidence(evidence)
        }
        validityDay = event.validityDay.rawValue
        retentionDay = event.retentionDay.rawValue
        lapseDay = event.lapseDay.rawValue
        pendingChannels = event.pendingChannels.rawValue
        refersTo = event.refersTo
        wording = notice?.text ?? ""
        locale = notice?.locale ?? ""
        erased = event.commitment != nil && event.personal == nil
    }
}

extension Wire.Evidence {
    /// Field by field; an empty text is left out of the message.
    public init(_ evidence: Evidence) {
        self.init()
        ip = evidence.ip
        userAgent = evidence.userAgent
        url = evidence.url
        templateValues = evidence.templateValues
    }
}

extension Evidence {
    /// Field by field. Lengths (bytes of UTF-8) are judged later, by TextRules.
    public init(_ wire: Wire.Evidence) {
        self.init()
        ip = wire.ip
        userAgent = wire.userAgent
        url = wire.url
        templateValues = wire.templateValues
    }
}
