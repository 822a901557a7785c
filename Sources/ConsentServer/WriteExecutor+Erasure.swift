// Erasures as events: one a contact point, which is its tombstone from then on.
//
// The event keeps the key and nothing else that names the person: no reference, no evidence. Where nothing
// is left to destroy, nothing is appended; where nothing was ever on file, the tombstone is, so that a list
// cannot bring the person in later.

import ConsentDomain
import ConsentRegister

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
        var events: [ConsentEvent] = []
        for target in due {
            var event = event(of: command, target)
            event.retentionDay = restriction
            if var personal = event.personal {
                personal.reference = ""
                personal.staff = ""
                personal.evidence = Evidence()
                event.personal = personal
            }
            events.append(try stage(event, target.subject))
        }
        return .recorded(events)
    }

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
