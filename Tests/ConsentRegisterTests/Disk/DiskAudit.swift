// Whether a register holds what was acknowledged, and nothing else: the audit of the disk's fault tests.

import ConsentDomain
import ConsentProof
import ConsentRegister
import FaultyDisk

/// What a workload had acknowledged at some moment.
struct Acknowledged {
    var sequence: UInt64
    var head: SignedHead
    /// Marks that are in no file any more.
    var erased: Set<String>
}

enum DiskAudit {
    enum Finding: Hashable, CustomStringConvertible {
        /// The register has fewer events than were acknowledged.
        case lost(Int)
        /// Anything else.
        case other(String)

        var description: String {
            switch self {
            case .lost(let count): "\(count) acknowledged events are lost"
            case .other(let what): what
            }
        }
    }

    /// What is wrong with a register that was opened after a fault; nil: nothing.
    /// - Parameters:
    ///   - models: what the register may hold, by the last sequence of each commit.
    ///   - last: sequence that the commit under way would have led to.
    static func finding(
        _ register: SQLiteRegister, acknowledged: Acknowledged, models: [UInt64: RegisterModel], last: UInt64
    ) throws(RegisterError) -> Finding? {
        let sequence = register.lastSequence
        guard sequence >= acknowledged.sequence else { return .lost(Int(acknowledged.sequence - sequence)) }
        guard sequence <= last else { return .other("events come from nowhere: \(sequence) of \(last)") }
        guard let model = models[sequence] else {
            return .other("half a batch: the log ends with event \(sequence)")
        }
        try register.finishErasures(now: DiskWorkload.later)
        if let difference = try difference(register, model) { return .other(difference) }
        let head = try register.signedHead(now: .epoch)
        let size = acknowledged.head.treeSize
        let proof = try register.consistencyProof(from: size, to: sequence)
        guard
            MerkleProof.verifyConsistency(
                oldSize: size, oldRoot: acknowledged.head.root, newSize: sequence, newRoot: head.root,
                proof: proof)
        else { return .other("the log does not extend the head that was acknowledged") }
        return nil
    }

    /// The first answer of a register that is not the model's; nil: there is none.
    static func difference(_ register: SQLiteRegister, _ model: RegisterModel) throws(RegisterError)
        -> String?
    {
        guard register.lastSequence == UInt64(model.events.count) else {
            return "\(register.lastSequence) events in place of \(model.events.count)"
        }
        let events = try register.events(after: 0, limit: .max)
        for (found, wanted) in zip(events, model.events) where EventIdentity(found) != EventIdentity(wanted) {
            return "event \(wanted.sequence) is another"
        }
        guard events.count == model.events.count else { return "events are missing" }
        let ids = events.compactMap { $0.personal?.eventID }
        guard Set(ids).count == ids.count else { return "an event is there twice" }
        guard try register.signedHead(now: .epoch).root == model.frontier.root else {
            return "the root is another"
        }
        return try differenceOfContacts(register, model)
    }

    private static func differenceOfContacts(
        _ register: SQLiteRegister, _ model: RegisterModel
    ) throws(RegisterError) -> String? {
        for (slot, state) in model.states {
            let found = try register.state(for: slot)
            if allows(found) && !allows(state) { return "a denial is lost: \(slot) is allowed" }
            guard found == state else { return "the state of \(slot) is another" }
            guard try register.sequences(of: slot) == model.sequences[slot] else {
                return "the events of \(slot) are others"
            }
        }
        for (id, sequence) in model.ids where try register.sequence(of: id) != sequence {
            return "an event id names another event than \(sequence)"
        }
        for (reference, slots) in model.references
        where try register.contacts(reference: reference) != slots.sorted() {
            return "a reference reaches other contact points"
        }
        var rows: [SlotKey: ContactProfile] = [:]
        try register.forEachStateRow { key, anchorDay, record in
            rows[key] = ContactProfile(record: [UInt8](record), anchorDay: anchorDay)
        }
        guard rows == model.states.mapValues(\.profile) else { return "the rows for the index are others" }
        guard register.catalogue.noticeOrdinals == model.catalogue.noticeOrdinals,
            register.catalogue.sequence == model.catalogue.sequence
        else { return "the catalogue is another" }
        return nil
    }

    /// Whether anything in a state gives.
    private static func allows(_ state: ContactState?) -> Bool {
        state?.cells.contains { $0.denial == nil && !$0.grants.isEmpty } ?? false
    }

    /// Marks that are in the bytes of a file although their people were erased.
    static func remnants(of erased: Set<String>, in bytes: [UInt8]) -> String? {
        erased.first { bytes.contains($0) }
    }
}

/// What of an event is stored, to be compared.
struct EventIdentity: Hashable {
    let leaf: [UInt8]
    let salt: [UInt8]
    let personal: [UInt8]?
    let payload: [UInt8]

    init(_ event: ConsentEvent) {
        leaf = event.leaf
        salt = event.salt
        personal = event.personal?.encoded
        payload = event.payload
    }
}

extension [UInt8] {
    /// Whether a text is somewhere in the bytes.
    func contains(_ text: String) -> Bool {
        let part = [UInt8](text.utf8)
        return withUnsafeBytes { bytes in
            part.withUnsafeBytes { part in
                guard let start = bytes.baseAddress, let wanted = part.baseAddress else { return false }
                return faulty_disk_contains(start, bytes.count, wanted, part.count) != 0
            }
        }
    }
}
