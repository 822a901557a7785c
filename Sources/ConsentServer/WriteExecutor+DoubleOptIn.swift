// The second step of a double opt-in: the token names the grant, and the gate runs again.

import ConsentDomain
import ConsentRegister

extension WriteExecutor {
    /// Confirms a double opt-in: the token names the grant, and the gate runs again.
    mutating func confirm(_ command: WriteCommand) throws(RegisterError) -> Outcome {
        guard let sequence = RecipientKeyring.sequence(ofToken: command.token),
            let grant = try event(sequence), grant.kind == .grant, let personal = grant.personal,
            core.keyring.verify(token: command.token, grant: personal.eventID, sequence: sequence),
            command.claim.covers(grant.controller, in: register.catalogue)
        else { return .refused([RefusalFinding(.badToken)]) }
        let slot = core.keyring.slotKey(personal.key, controller: grant.controller)
        if let earlier = try confirmation(of: sequence, slot) { return .repeated([earlier]) }
        guard let kind = grant.contactKind, let state = try register.state(for: slot) else {
            return .refused([RefusalFinding(.badToken)])
        }
        let occurredAt = occurrence(of: command)
        guard Self.isPending(grant, in: state, at: occurredAt) else {
            return .refused([RefusalFinding(.badToken)])
        }

        var draft = GrantDraft(controller: grant.controller)
        draft.contacts = [DraftContact(kind: kind)]
        draft.channels = grant.pendingChannels
        draft.purposes = grant.purposes
        draft.notice = grant.notice
        draft.source = grant.source
        draft.act = grant.act
        draft.occurredAt = occurredAt
        draft.reference = personal.reference
        draft.evidence = command.evidence
        if grant.attestations == .all {
            draft.staff = personal.staff
            draft.memo = grant.memo
            draft.attestations = grant.attestations
        }
        let findings = GrantGate.findings(draft, catalogue: register.catalogue, now: now)
        guard findings.isEmpty else { return .refused(findings) }

        var confirmed = command
        confirmed.controller = grant.controller
        confirmed.purposes = grant.purposes
        confirmed.notice = grant.notice
        confirmed.reference = personal.reference
        let target = Target(
            subject: subject(
                of: slot, kind, epoch: state.keyEpoch, confirmed, controller: grant.controller, position: 0),
            channels: grant.pendingChannels)
        var event = event(of: confirmed, target)
        event.refersTo = sequence
        event.source = grant.source
        try stage(event, target.subject)
        return .recorded(stagedCount - 1..<stagedCount)
    }

    /// Whether a grant's cells wait for a confirmation. A second grant does not restart the wait of the
    /// first, and its token confirms what waits.
    static func isPending(
        _ grant: ConsentEvent, in state: ContactState, at time: Timestamp
    ) -> Bool {
        state.cells.contains { cell in
            guard let pending = cell.pending else { return false }
            return pending.sequence <= grant.sequence && time >= pending.occurredAt
                && time >= grant.occurredAt && time.day < pending.untilDay
                && grant.pendingChannels.covers(cell.channel) && grant.purposes.covers(cell.purpose)
        }
    }

    /// An earlier confirmation of the same grant.
    private func confirmation(of grant: UInt64, _ slot: SlotKey) throws(RegisterError) -> ConsentEvent? {
        for sequence in try register.sequences(of: slot) where sequence > grant {
            if let event = try event(sequence), event.kind == .confirm, event.refersTo == grant {
                return event
            }
        }
        return nil
    }
}
