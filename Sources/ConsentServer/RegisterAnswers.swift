// Answers that need the register: Preferences, Explain, Proof, Head. Run on the writer thread.

import ConsentDomain
import ConsentProof
import ConsentRegister
import ConsentWire
import WireProtocol

enum RegisterAnswers {
    // MARK: Preferences

    /// Every channel × active purpose of a contact point, or of each contact point of a reference.
    static func preferences(
        _ writer: RegisterWriter, controller: ControllerID, subject: ReadHandler.Subject
    ) throws(RegisterError) -> Result<Wire.PreferencesResponse, CallFailure> {
        let now = writer.core.clock.now
        var response = Wire.PreferencesResponse(
            sequence: writer.core.index.publishedSequence, now: now.microseconds, contacts: [])
        switch subject {
        case .slot(let slot, let kind):
            let state = try writer.register.state(for: slot)
            guard let kind = state?.kind ?? kind else {
                return .failure(
                    CallFailure(
                        .invalidArgument, "nothing is on file under this key: state the kind of contact point"
                    ))
            }
            response.contacts = [
                contact(
                    writer, slot: slot, state ?? ContactState(controller: controller, kind: kind),
                    controller: controller, now: now)
            ]
        case .reference(let reference):
            let slots = try writer.register.contacts(reference: reference)
            guard !slots.isEmpty else {
                return .failure(CallFailure(.notFound, "no contact point is recorded under this reference"))
            }
            for slot in slots {
                guard let state = try writer.register.state(for: slot) else { continue }
                response.contacts.append(contact(writer, slot: slot, state, controller: controller, now: now))
            }
        }
        return .success(response)
    }

    private static func contact(
        _ writer: RegisterWriter, slot: SlotKey, _ state: ContactState, controller: ControllerID,
        now: Timestamp
    ) -> Wire.ContactPreferences {
        let ground = DecisionGround(writer, now: now)
        var preferences: [Wire.Preference] = []
        for channel in state.kind.channels.named {
            for purpose in ground.catalogue.purposes.values.sorted(by: { $0.id < $1.id })
            where !purpose.retired {
                let cell = ground.answer(state, channel, purpose.id)
                preferences.append(
                    Wire.Preference(
                        channel: Wire.Channel(channel), purpose: purpose.id.rawValue,
                        state: Wire.CellState(rawValue: cell.stateCode),
                        decision: Wire.Decision(cell.reason.decision),
                        reason: Wire.Reason(cell.reason), since: cell.since.microseconds,
                        validUntil: cell.validUntil, event: cell.sequence))
            }
        }
        return Wire.ContactPreferences(
            key: Wire.Bytes16(writer.core.keyring.recipientKey(of: slot, controller: controller)),
            kind: Wire.ContactKind(state.kind), preferences: preferences)
    }

    // MARK: Explain

    /// The decision with the events that decide it and their wording, newest first.
    static func explain(
        _ writer: RegisterWriter, _ request: Wire.ExplainRequest, subject: ReadHandler.Subject
    ) throws(RegisterError) -> Wire.ExplainResponse {
        let now = writer.core.clock.now
        var response = Wire.ExplainResponse()
        response.sequence = writer.core.index.publishedSequence
        response.now = now.microseconds
        let controller = ControllerID(rawValue: request.controller)
        guard let channel = Channel(request.channel), let purpose = PurposeID(rawValue: request.purpose),
            case .slot(let slot, let kind) = subject
        else {
            response.denyUnknown(request.channel)
            return response
        }
        let state =
            try writer.register.state(for: slot)
            ?? ContactState(controller: controller, kind: kind ?? channel.contactKind)
        let cell = DecisionGround(writer, now: now).answer(
            state, channel, purpose, statedClass: request.class.rawValue)
        response.decision = Wire.Decision(cell.reason.decision)
        response.reason = Wire.Reason(cell.reason)
        response.validUntil = cell.validUntil
        response.events = try PastAnswers.decidingEvents(
            writer, cell, controller, purpose, known: writer.register.lastSequence,
            in: writer.register.catalogue)
        return response
    }

    /// An event as readers see it.
    /// - Parameter isAdministrator: whether the reader may see what an erasure restricts.
    static func record(
        _ writer: RegisterWriter, _ event: ConsentEvent, withWording: Bool, isAdministrator: Bool = false
    ) -> Wire.EventRecord {
        Wire.EventRecord(
            writer.register.shown(event, isAdministrator: isAdministrator),
            notice: withWording ? event.notice.flatMap { writer.register.catalogue.notices[$0] } : nil)
    }

    // MARK: Proof

    /// All that is needed to verify one event offline.
    static func proof(
        _ writer: RegisterWriter, _ request: Wire.ProofRequest, subject: ReadHandler.Subject?,
        isAdministrator: Bool, claim: ControllerClaim
    ) throws(RegisterError) -> Result<Wire.ProofResponse, CallFailure> {
        let register = writer.register
        var sequence = request.sequence
        if case .slot(let slot, _)? = subject {
            sequence = try newestGrant(writer, slot, request) ?? 0
            if sequence == 0 {
                return .failure(
                    CallFailure(
                        .notFound, "no grant is on file for this contact point: see consentctl history"))
            }
        }
        guard sequence > 0,
            let event = try register.event(sequence).map({
                register.shown($0, isAdministrator: isAdministrator)
            }), claim.covers(event, in: register.catalogue)
        else {
            return .failure(
                CallFailure(
                    .notFound,
                    "no event has sequence \(sequence); the register is at \(register.lastSequence)"))
        }
        let head = try register.signedHead(now: writer.core.clock.now)
        let path = try register.inclusionProof(sequence: sequence, treeSize: head.treeSize)
        var response = Wire.ProofResponse()
        response.leaf = event.leaf
        if let personal = event.personal {
            response.personal = personal.encoded
            response.salt = event.salt
            response.opening = writer.core.keyring.opening(personal.eventID)
        }
        if let id = event.notice, let notice = register.catalogue.notices[id] {
            response.notice = notice.encoded
        }
        response.path = path.compactMap { Wire.Bytes32($0.bytes) }
        response.head = Wire.SignedHead(head)
        response.event = record(writer, event, withWording: true, isAdministrator: isAdministrator)
        return .success(response)
    }

    /// Sequence of the newest grant (or confirmation) of a contact point that covers the channel and purpose
    /// asked for, where they are.
    private static func newestGrant(
        _ writer: RegisterWriter, _ slot: SlotKey, _ request: Wire.ProofRequest
    ) throws(RegisterError) -> UInt64? {
        for sequence in try writer.register.sequences(of: slot).reversed() {
            guard let event = try writer.register.event(sequence) else { continue }
            guard event.kind == .grant || event.kind == .renew || event.kind == .confirm else { continue }
            if let channel = Channel(request.channel), !event.channels.covers(channel) { continue }
            if let purpose = PurposeID(rawValue: request.purpose), !event.purposes.covers(purpose) {
                continue
            }
            return event.kind == .confirm && event.refersTo != 0 ? event.refersTo : sequence
        }
        return nil
    }

    // MARK: Head

    static func head(
        _ writer: RegisterWriter, since: UInt64, keptUntil: Timestamp?
    ) throws(RegisterError) -> Result<Wire.HeadResponse, CallFailure> {
        let head: SignedHead
        if let keptUntil {
            guard let kept = try writer.register.keptHead(until: keptUntil) else {
                return .failure(CallFailure(.notFound, "no head was kept until \(keptUntil.rfc3339)"))
            }
            head = kept
        } else {
            head = try writer.register.signedHead(now: writer.core.clock.now)
        }
        guard since <= head.treeSize else {
            return .failure(
                CallFailure(
                    .failedPrecondition,
                    "the log has \(head.treeSize) events, fewer than \(since): this is not the log that you saw"
                ))
        }
        var response = Wire.HeadResponse(head: Wire.SignedHead(head), consistency: [])
        if since > 0 {
            let proof = try writer.register.consistencyProof(from: since, to: head.treeSize)
            response.consistency = proof.compactMap { Wire.Bytes32($0.bytes) }
        }
        return .success(response)
    }
}

extension DecisionGround {
    /// The present.
    init(_ writer: RegisterWriter, now: Timestamp) {
        self.init(
            catalogue: writer.register.catalogue, checkGuard: writer.core.board.current.checkGuard,
            blocking: Reason(rawValue: writer.core.serving.blockingReason), now: now)
    }
}

extension Wire.SignedHead {
    init(_ head: SignedHead) {
        self.init(
            treeSize: head.treeSize, root: Wire.Bytes32(head.root.bytes) ?? Wire.Bytes32(), time: head.time,
            incarnation: Wire.Bytes16(head.incarnation) ?? Wire.Bytes16(), keyId: head.keyID,
            signature: head.signature)
    }
}

extension Wire.ExplainResponse {
    /// Denies a question about a channel or a purpose that has no domain value.
    mutating func denyUnknown(_ channel: Wire.Channel) {
        let denial: Reason = Channel(channel) == nil ? .badChannel : .unknownPurpose
        decision = Wire.Decision(denial.decision)
        reason = Wire.Reason(denial)
    }
}
