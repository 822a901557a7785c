// Turns the writes of one group into events: idempotency first, then the gate, then one event a contact
// point.
//
// Runs on the writer thread, within one transaction of the register. A write that is refused stages nothing;
// what is staged is folded at once, so a later write of the same group is judged by it.

import ConsentDomain
import ConsentRegister
import ConsentWire
import WireProtocol

/// Executes the writes of one group.
struct WriteExecutor {
    let register: SQLiteRegister
    let core: ServerCore
    /// The time at which the group is recorded.
    let now: Timestamp
    /// Events staged so far, in the order of their sequences.
    private(set) var stagedEvents: [ConsentEvent] = []
    /// Writes and rows refused so far.
    var refusedCount = 0
    /// What the index is to hold of the contact points that changed, in the order of the changes.
    private(set) var changedProfiles: [(slot: SlotKey, profile: ContactProfile)] = []
    /// Whether the catalogue changed.
    var changedCatalogue = false
    /// The last live draft that was accepted. Sign-ups of one group mostly differ in their address alone, and
    /// the gate asks the same catalogue at the same time.
    private var acceptedDraft: GrantDraft?

    /// - Parameter eventCountMax: events that the group may stage.
    init(register: SQLiteRegister, core: ServerCore, now: Timestamp, eventCountMax: Int) {
        self.register = register
        self.core = core
        self.now = now
        stagedEvents.reserveCapacity(eventCountMax)
        changedProfiles.reserveCapacity(eventCountMax)
    }

    /// Executes one job.
    mutating func execute(_ job: WriteJob) throws(RegisterError) -> Completion {
        switch job.operation {
        case .write(let command):
            let response = try wireResponse(try execute(command), of: command)
            return Completion(job.call) { response.encode(into: &$0) }
        case .importRows(let rows, let dryRun):
            let response = try importRows(rows, dryRun: dryRun)
            return Completion(job.call) { response.encode(into: &$0) }
        case .retireLapsed(let step):
            let response = try retire(step)
            return Completion(job.call) { response.encode(into: &$0) }
        case .putController, .putPurpose, .putNotice, .invalidateNotice:
            return try changeCatalogue(job)
        }
    }

    // MARK: One write

    /// What became of a write.
    enum Outcome {
        case refused([RefusalFinding])
        /// Places in `stagedEvents`.
        case recorded(Range<Int>)
        case repeated([ConsentEvent])
    }

    /// One contact point with the channels that it gets.
    struct Target {
        var subject: WriteSubject
        var channels: ChannelSet
    }

    mutating func execute(
        _ command: WriteCommand, dryRun: Bool = false
    ) throws(RegisterError) -> Outcome {
        if let earlier = try earlierResult(of: command) { return earlier }
        if command.kind == .confirm { return try confirm(command) }
        var command = command
        completeScope(&command)
        let refusals = try self.refusals(of: &command)
        guard refusals.isEmpty else { return .refused(refusals) }
        switch try targets(of: command) {
        case .failure(let failure): return .refused(failure.refusals)
        case .success(let targets):
            if dryRun { return .recorded(0..<0) }
            if command.kind == .erase { return try erase(command, targets) }
            // What a list says of an erased person is kept by the key alone.
            let isBare =
                command.via == .import && command.kind.isRefusal ? try isErasedForGood(command) : false
            for target in targets {
                var target = target
                if isBare { target.subject = target.subject.withoutTexts }
                try stage(event(of: command, target), target.subject)
            }
            return .recorded(stagedCount - targets.count..<stagedCount)
        }
    }

    /// The result of an earlier write with the same event id, if there was one.
    private func earlierResult(of command: WriteCommand) throws(RegisterError) -> Outcome? {
        if isCertainlyNew(command) { return nil }
        var events: [ConsentEvent] = []
        var position = 0
        // There are gaps where no channel fitted a contact point, so all named ones are asked for.
        while true {
            if let sequence = try register.sequence(of: command.eventID.forContact(position)) {
                let found = try event(sequence)
                guard let event = found, let personal = event.personal else {
                    // A refusal was heard, whatever became of its personal part.
                    if command.kind.isRefusal, let found { return .repeated([found]) }
                    return .refused([RefusalFinding(.erased)])
                }
                guard personal.contentMAC == command.contentMAC else {
                    return .refused([RefusalFinding(.eventIDReused)])
                }
                events.append(event)
            } else if position + 1 >= command.contacts.count {
                return events.isEmpty ? nil : .repeated(events)
            }
            position += 1
        }
    }

    /// Whether no event can have the write's id: the id is of the content, so an event of that id is about
    /// one of the same contact points, and none of them is on file.
    private func isCertainlyNew(_ command: WriteCommand) -> Bool {
        guard command.isNamedByContent, !command.contacts.isEmpty else { return false }
        return !command.contacts.contains { register.mayHold($0.slot) }
    }

    /// Widens a refusal's scope where nothing or something unknown is named: it is never turned away.
    private func completeScope(_ command: inout WriteCommand) {
        guard command.kind != .grant && command.kind != .renew && command.kind != .confirm else { return }
        if command.channels.isEmpty {
            switch (command.kind, command.source) {
            case (.complaint, _): command.channels = ChannelSet([.email])
            case (.withdraw, .smsKeyword): command.channels = ChannelSet([.sms])
            default: command.channels = .all
            }
        }
        let known = PurposeSet(register.catalogue.purposes.keys)
        if command.purposes.isEmpty || !command.purposes.subtracting(.all).isSubset(of: known) {
            command.purposes = .all
        }
    }

    /// What is wrong with a write; all that apply. May turn an import without proof into an unproven one.
    mutating func refusals(of command: inout WriteCommand) throws(RegisterError) -> [RefusalFinding] {
        if command.kind == .grant || command.kind == .renew {
            let draft = try draft(of: command)
            if draft == acceptedDraft { return [] }
            switch GrantGate.verdict(draft, catalogue: register.catalogue, now: now) {
            case .accepted:
                if draft.via == .live { acceptedDraft = draft }
                return []
            case .unproven:
                command.kind = .unprovenImport
                return []
            case .refused(let findings): return findings
            }
        }
        var findings = command.badContacts.prefix(1).map {
            RefusalFinding(.badAddress, subject: $0.problem.map { "\($0)" } ?? "")
        }
        if command.kind == .deliverabilityCleared && command.hasUnknownChannel {
            findings.append(RefusalFinding(.notSpecific, subject: "unknown channel"))
        }
        if command.contacts.isEmpty && command.badContacts.isEmpty && command.reference.isEmpty {
            findings.append(RefusalFinding(.badAddress, subject: "no address and no reference"))
        }
        // A list brings nothing of an erased person back onto the file, except that they refused, by the key
        // alone: a grant that the person gave after the erasure, and that arrives late, must find the
        // refusals that came after it.
        if command.via == .import, !command.kind.isRefusal, try isErasedForGood(command) {
            findings.append(RefusalFinding(.erased))
        }
        if register.catalogue.controllers[command.controller] == nil {
            findings.append(
                RefusalFinding(.unknownController, subject: "controller \(command.controller.rawValue)"))
        }
        return findings
    }

    private func draft(of command: WriteCommand) throws(RegisterError) -> GrantDraft {
        var draft = GrantDraft(controller: command.controller)
        draft.contacts = command.contacts.map { DraftContact(kind: $0.kind) }
        if !command.badContacts.isEmpty { draft.contacts += command.badContacts }
        draft.channels = command.channels
        draft.hasUnknownChannel = command.hasUnknownChannel
        draft.purposes = command.purposes
        draft.hasUnknownPurpose = command.hasUnknownPurpose
        draft.notice = command.notice
        draft.source = command.source
        draft.act = command.act
        draft.occurredAt = command.occurredAt
        draft.reference = command.reference
        draft.staff = command.staff
        draft.memo = command.memo
        draft.attestations = command.attestations
        draft.via = command.via
        draft.evidence = command.evidence
        draft.isErased = command.via == .import ? try isErased(command) : false
        return draft
    }

    private func isErased(_ command: WriteCommand) throws(RegisterError) -> Bool {
        for contact in command.contacts {
            if try register.state(for: contact.slot)?.erasure != nil { return true }
        }
        return false
    }

    /// The contact points that a write reaches, each with the channels that fit it.
    private func targets(
        of command: WriteCommand
    ) throws(RegisterError) -> Result<[Target], ImportRowCommand.RowError> {
        let isByReference = command.contacts.isEmpty
        let subjects = isByReference ? try subjectsOfReference(command) : command.contacts
        guard !subjects.isEmpty else {
            return .failure(.init(refusals: [RefusalFinding(.unknownReference)]))
        }
        var targets = Self.targets(subjects, command.channels)
        if targets.isEmpty, command.kind == .complaint || command.source == .smsKeyword,
            command.kind.isRefusal
        {
            // A complaint about an address that gets no e-mail is about what the address does get.
            targets = Self.targets(subjects, .all)
        }
        guard !targets.isEmpty else {
            return .failure(
                .init(refusals: [RefusalFinding(.badAddress, subject: "no address fits the channels named")]))
        }
        guard isByReference else { return .success(targets) }
        // Numbered without gaps: a repetition finds the events by counting.
        for position in targets.indices {
            targets[position].subject = subject(
                of: targets[position].subject.slot, targets[position].subject.kind,
                epoch: targets[position].subject.keyEpoch, command,
                controller: command.controller, position: position)
        }
        return .success(targets)
    }

    private static func targets(_ subjects: [WriteSubject], _ channels: ChannelSet) -> [Target] {
        subjects.compactMap { subject in
            let fitting = channels.isAll ? ChannelSet.all : channels.intersection(subject.kind.channels)
            return fitting.isEmpty ? nil : Target(subject: subject, channels: fitting)
        }
    }

    /// Every contact point recorded under a reference. Their addresses are not known here, so the events
    /// carry the key alone and no address commitment.
    private func subjectsOfReference(_ command: WriteCommand) throws(RegisterError) -> [WriteSubject] {
        let reference = core.keyring.referenceKey(controller: command.controller, command.reference)
        var subjects: [WriteSubject] = []
        for slot in try register.contacts(reference: reference) {
            guard let state = try register.state(for: slot) else { continue }
            subjects.append(
                subject(
                    of: slot, state.kind, epoch: state.keyEpoch, command, controller: command.controller,
                    position: 0))
        }
        return subjects
    }

    func subject(
        of slot: SlotKey, _ kind: ContactKind, epoch: UInt16, _ command: WriteCommand,
        controller: ControllerID, position: Int
    ) -> WriteSubject {
        var personal = PersonalPart(
            key: core.keyring.recipientKey(of: slot, controller: controller),
            eventID: command.eventID.forContact(position), contentMAC: command.contentMAC,
            addressCommitment: .zero)
        personal.reference = command.reference
        personal.staff = command.staff
        personal.evidence = command.evidence
        return WriteSubject(kind: kind, keyEpoch: epoch, slot: slot, personal: personal)
    }

    // MARK: Events

    func event(of command: WriteCommand, _ target: Target) -> ConsentEvent {
        // A future time is clamped: the gate has refused grants that claim one.
        var event = ConsentEvent(
            kind: command.kind, occurredAt: occurrence(of: command), recordedAt: now)
        event.controller = command.controller
        event.contactKind = target.subject.kind
        event.keyEpoch = target.subject.keyEpoch
        event.channels = target.channels
        event.purposes = command.purposes
        event.via = command.via
        event.source = command.source
        event.act = command.act
        event.attestations = command.attestations
        event.memo = command.memo
        event.client = command.client
        if let id = command.notice, let notice = register.catalogue.notices[id] {
            event.notice = id
            event.noticeOrdinal = notice.ordinal
        }
        event.personal = target.subject.personal
        if let controller = register.catalogue.controllers[command.controller] {
            setDays(of: &event, controller)
        }
        return event
    }

    /// When a write's act happened, which is not after now.
    func occurrence(of command: WriteCommand) -> Timestamp {
        min(command.occurredAt ?? (command.kind.isRefusal ? now : command.arrivedAt), now)
    }

    /// Fixes the days on which what the event gives comes to an end, by the controller's policy of today.
    private func setDays(of event: inout ConsentEvent, _ controller: Controller) {
        let day = event.occurredAt.day
        switch event.kind {
        case .grant, .renew, .confirm:
            event.retentionDay = day.adding(months: Int(controller.retentionMonths))
            if controller.validityMonths > 0 {
                event.validityDay = day.adding(months: Int(controller.validityMonths))
            }
        case .contactSeen: event.retentionDay = day.adding(months: Int(controller.retentionMonths))
        default: break
        }
        let confirmed = event.via == .import && event.act == .confirmationClick
        if event.kind == .grant && !confirmed {
            event.pendingChannels = event.channels.intersection(controller.doubleOptIn)
            if !event.pendingChannels.isEmpty {
                event.lapseDay = day.adding(days: core.limits.doubleOptInDays)
            }
        }
    }

    /// Stages an event about a contact point.
    mutating func stage(_ event: ConsentEvent, _ subject: WriteSubject) throws(RegisterError) {
        let staged = try register.stage(event, seal: subject.seal)
        if let profile = staged.profile { changedProfiles.append((subject.slot, profile)) }
        stagedEvents.append(staged.event)
    }

    /// Stages an event about no contact point.
    /// - Returns: its sequence.
    mutating func stage(_ event: ConsentEvent) throws(RegisterError) -> UInt64 {
        let staged = try register.stage(event)
        stagedEvents.append(staged.event)
        return staged.event.sequence
    }

    /// Events staged so far.
    var stagedCount: Int { stagedEvents.count }

    /// An event of the register or of this group.
    func event(_ sequence: UInt64) throws(RegisterError) -> ConsentEvent? {
        if let first = stagedEvents.first?.sequence, sequence >= first {
            // The sequence may be anyone's, so it is compared before it is made a position.
            let position = sequence - first
            return position < UInt64(stagedEvents.count) ? stagedEvents[Int(position)] : nil
        }
        return try register.event(sequence)
    }

    // MARK: Answers

    private mutating func wireResponse(
        _ outcome: Outcome, of command: WriteCommand
    ) throws(RegisterError) -> Wire.WriteResponse {
        var response = Wire.WriteResponse()
        switch outcome {
        case .refused(let refusals):
            refusedCount += 1
            response.status = .refused
            response.refusals = refusals.map(detail)
        case .recorded(let places): try fill(&response, .recorded, stagedEvents[places])
        case .repeated(let events): try fill(&response, .repeated, events[...])
        }
        return response
    }

    private func fill(
        _ response: inout Wire.WriteResponse, _ status: Wire.WriteStatus, _ events: ArraySlice<ConsentEvent>
    ) throws(RegisterError) {
        response.status = status
        var waits = false
        for place in events.indices {
            let sequence = events[place].sequence
            response.sequence = max(response.sequence, sequence)
            response.sequences.append(sequence)
            response.eventIds.append(
                events[place].personal.map { Wire.Bytes16($0.eventID) } ?? Wire.Bytes16())
            waits = waits || !events[place].pendingChannels.isEmpty
        }
        guard waits else { return }
        for event in events { response.tokens.append(try token(of: event)) }
    }

    /// The token that confirms an event; empty where nothing is pending.
    private func token(of event: ConsentEvent) throws(RegisterError) -> [UInt8] {
        guard !event.pendingChannels.isEmpty, let personal = event.personal,
            let state = try register.state(
                for: core.keyring.slotKey(personal.key, controller: event.controller)),
            Self.isPending(event, in: state, at: now)
        else { return [] }
        return core.keyring.confirmationToken(grant: personal.eventID, sequence: event.sequence)
    }

    func detail(_ finding: RefusalFinding) -> Wire.RefusalDetail {
        Wire.RefusalDetail(
            code: Wire.Refusal(finding.refusal), sentence: finding.sentence(locale: "en"),
            subject: finding.subject)
    }
}
