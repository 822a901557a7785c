// A naive model of the law: the list of all that was ever recorded, scanned anew for each question. Written
// from the domain page and sharing nothing with the fold, the index or the answers about the past but the
// types of their values, so that a misreading in one of them shows as a difference.
//
// Invariant: it keeps no state between questions. Where the page leaves two readings, it takes the one that
// denies.

import ConsentDomain

/// Everything on file, in the order in which it was recorded.
struct Model {
    var entries: [Entry] = []

    /// The decision, by the page's list: the first hit wins.
    func answer(_ asked: Question) -> Reason {
        // 1. is about bytes and rights.
        // 2. is about a whole server: a log in memory is always fresh.
        // 3. Purpose, controller, class, each as it stood at that time.
        let catalogue = catalogue(at: asked.at, asked.known)
        guard let purposeClass = catalogue.purposes[asked.purpose] else { return .unknownPurpose }
        if catalogue.retired.contains(asked.purpose) { return .retiredPurpose }
        guard catalogue.open.contains(asked.subject.controller) else {
            return catalogue.closed.contains(asked.subject.controller)
                ? .closedController : .unknownController
        }
        if let stated = asked.purposeClass, stated != purposeClass { return .classMismatch }
        // A channel takes one kind of contact point. (The page does not place this; nothing is on file
        // there.)
        guard asked.channel.contactKind == asked.subject.kind else { return .badChannel }

        let file = ModelFile(
            entries.filter { asked.known.includes($0) }, of: asked.subject, at: asked.at.microseconds)
        // 4. An address that takes no messages takes none of either class.
        if file.isUndeliverable(asked.channel) { return .undeliverable }
        // 5. A service message needs no consent.
        if purposeClass == .service { return .service }
        // 6, 7. The cell.
        if let reason = ModelCell(asked.channel, asked.purpose, in: file).reason { return reason }
        // 8. Nothing on file; whether a consent in force stands next door.
        return neighbour(of: asked, in: file)
    }

    /// The same purpose on another channel of the contact point, then another purpose on the same channel.
    private func neighbour(of asked: Question, in file: ModelFile) -> Reason {
        for channel in Channel.allCases where channel != asked.channel {
            guard channel.contactKind == asked.subject.kind else { continue }
            if ModelCell(channel, asked.purpose, in: file).reason == .consent { return .otherChannel }
        }
        for raw in 1...63 as ClosedRange<UInt8> {
            guard let purpose = PurposeID(rawValue: raw), purpose != asked.purpose else { continue }
            if ModelCell(asked.channel, purpose, in: file).reason == .consent { return .otherPurpose }
        }
        return .noRecord
    }

    private struct CatalogueThen {
        var purposes: [PurposeID: PurposeClass] = [:]
        var retired: Set<PurposeID> = []
        var open: Set<ControllerID> = []
        var closed: Set<ControllerID> = []
    }

    /// Closing and retiring count from when they are recorded, for good. What a number means has no time of
    /// its own: what is known of it now holds for the past too, or else nothing that was imported with an
    /// earlier date could be asked about. The page leaves that open.
    private func catalogue(at time: Timestamp, _ known: Knowledge) -> CatalogueThen {
        var then = CatalogueThen()
        for entry in entries where known.includes(entry) {
            guard case .change(let change) = entry.content else { continue }
            let hasCome = entry.recordedAt <= time
            switch change {
            case .open(let id): then.open.insert(id)
            case .close(let id) where hasCome:
                then.open.remove(id)
                then.closed.insert(id)
            case .add(let id, let purposeClass): then.purposes[id] = purposeClass
            case .retire(let id) where hasCome: then.retired.insert(id)
            case .close, .retire: break
            case .publish, .invalidate: break
            }
        }
        return then
    }
}
