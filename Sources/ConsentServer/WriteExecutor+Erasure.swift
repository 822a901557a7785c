// Erasures as events: one a contact point, which is its tombstone from then on.
//
// The event keeps the key and nothing else that names the person: no reference, no evidence. Where nothing
// is left to destroy, nothing is appended; where nothing was ever on file, the tombstone is, so that a list
// cannot bring the person in later.

import ConsentDomain
import ConsentRegister
import WireProtocol

extension WriteExecutor {
    /// Erases contact points, all or none of them.
    mutating func erase(_ command: WriteCommand, _ targets: [Target]) throws(RegisterError) -> Outcome {
        let restriction = restrictionEnd(of: command)
        var seen = Set<SlotKey>()
        var due: [Target] = []
        for target in targets where seen.insert(target.subject.slot).inserted {
            if try register.hasAnythingToErase(target.subject.slot, isRestriction: restriction != .none) {
                due.append(target)
            }
        }
        guard !due.isEmpty else {
            var earlier: [ConsentEvent] = []
            for slot in seen {
                guard let sequence = try register.state(for: slot)?.erasure?.sequence,
                    let event = try event(sequence)
                else { continue }
                earlier.append(event)
            }
            return .repeated(earlier.sorted { $0.sequence < $1.sequence })
        }
        for target in due {
            var bare = target
            bare.subject = target.subject.withoutTexts
            var event = event(of: command, bare)
            event.retentionDay = restriction
            try stage(event, bare.subject)
        }
        return .recorded(stagedCount - due.count..<stagedCount)
    }

    // MARK: What has lapsed

    /// Erases the contact points of one page that have been quiet long enough: the denial stays.
    mutating func retire(_ step: RetireLapsed) throws(RegisterError) -> Wire.RetireLapsedResponse {
        var response = Wire.RetireLapsedResponse()
        // What is searched is written behind the commits, so it is brought up to date first, step by step.
        if step.after == nil, try !register.flushDerived(budget: .milliseconds(20)) {
            response.next = RetireLapsed.beginning
            return response
        }
        let page = try register.contacts(
            of: step.controller, after: step.after, rowCount: RetireLapsed.rowsMax)
        var next = page.end
        for slot in page.keys {
            guard response.contacts < UInt32(RetireLapsed.contactsMax) else { break }
            response.examined += 1
            next = slot == page.keys.last ? page.end : slot
            guard let state = try register.state(for: slot),
                state.isQuiet(forMonths: step.proofMonths, on: now.day),
                try register.hasAnythingToErase(slot, isRestriction: false)
            else { continue }
            response.contacts += 1
            response.events += UInt64(try register.personalPartCount(of: slot))
            if !step.isDryRun { try retire(slot, state, step) }
        }
        // Half a key: whole ones of other controllers' contact points are not for the caller.
        response.next = next?.high
        return response
    }

    private mutating func retire(
        _ slot: SlotKey, _ state: ContactState, _ step: RetireLapsed
    ) throws(RegisterError) {
        // The same contact point in the same state gets the same id.
        let key = core.keyring.recipientKey(of: slot, controller: step.controller)
        let id = core.keyring.contentMAC(
            Array("retire lapsed \(state.lastSequence) ".utf8) + key.bytes)
        var command = WriteCommand(
            kind: .erase, controller: step.controller, eventID: id, contentMAC: id, contacts: [])
        command.channels = .all
        command.purposes = .all
        command.client = step.client
        let subject = subject(
            of: slot, state.kind, epoch: state.keyEpoch, command, controller: step.controller, position: 0)
        try stage(event(of: command, Target(subject: subject, channels: .all)), subject)
    }

    // MARK: Parts

    /// The day at whose start what is restricted is destroyed: the first that begins no earlier than asked;
    /// `.none`: at once.
    private func restrictionEnd(of command: WriteCommand) -> Day {
        guard let until = command.restrictUntil, until > now else { return .none }
        let day = until.day
        return day.start == until ? day : day.adding(days: 1)
    }

    /// Whether a contact point of a write is erased and no grant came after that.
    func isErasedForGood(_ command: WriteCommand) throws(RegisterError) -> Bool {
        for contact in command.contacts {
            guard let state = try register.state(for: contact.slot), state.erasure != nil else { continue }
            if state.cells.allSatisfy({ $0.grants.isEmpty && $0.pending == nil }) { return true }
        }
        return false
    }
}

extension PersonalPart {
    /// Leaves the key, the id and the commitments.
    mutating func removeTexts() {
        reference = ""
        staff = ""
        evidence = Evidence()
    }
}
