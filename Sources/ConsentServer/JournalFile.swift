// The journal: what denies after a sequence, kept apart from the backups, and replayed when one is restored,
// so that no refusal between the backup and the loss is forgotten: refusals, erasures, and the controllers
// and purposes that were put, since those may be closed or retired.
//
// JSON lines, bytes in hexadecimal:
//
//     {"type":"journal","version":1,"incarnation":…,"after":N}
//     {"type":"event","sequence":…,"leaf":…,"personal":…,"salt":…,"payload":…}      one a refusal
//     {"type":"end","events":…,"sequence":M,"head":{…,"encoded":…},"signature":…}
//
// The signature is the log key's seal (FileSeal.swift) over all lines before the last.
//
// Invariant: a journal is replayed only whole and unchanged: its last line is there, counts its events, and
// its head, of size M and the first line's incarnation, and its signature are those of the register's own
// log key.

import ConsentDomain
import ConsentProof
import ConsentWire
import Foundation

/// Why a journal cannot be replayed.
public enum JournalError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file cannot be read.
    case unreadable(path: String)
    /// A line is none of a journal.
    case badLine(number: Int)
    /// The last line is missing, or does not fit what stands before it.
    case incomplete
    /// The head is not signed by this deployment's log key.
    case badSignature
    /// The journal was written by another register than the backup.
    case otherIncarnation
    /// The journal begins after the backup ends.
    case gap(backup: UInt64, journalAfter: UInt64)
    /// The journal ends before what the lost register is known to have acknowledged.
    case endsBefore(last: UInt64, journalEnd: UInt64)

    /// What is wrong and the remedy.
    public var description: String {
        switch self {
        case .unreadable(let path): "\(path) cannot be read: name the file that consentctl journal wrote"
        case .badLine(let number): "line \(number) is none of a journal: get the journal again"
        case .incomplete: "the journal ends early: name one that consentctl journal wrote to its end"
        case .badSignature:
            "the journal was changed, or is not signed by log.key: name the journal of this deployment"
        case .otherIncarnation: "the journal is of another register than the backup: name the one of the same"
        case .gap(let backup, let after):
            "the backup ends at \(backup) and the journal begins after \(after): name one that begins earlier"
        case .endsBefore(let last, let end):
            "the journal ends at sequence \(end) and the lost register had acknowledged \(last): name a later "
                + "journal, or accept the loss with --accept-loss"
        }
    }
}

/// A journal that was read whole.
struct JournalFile {
    let incarnation: [UInt8]
    let after: UInt64
    /// Last sequence that it covers.
    let sequence: UInt64
    let events: [ConsentEvent]

    /// Whether events of a kind are in a journal.
    static func covers(_ kind: EventKind) -> Bool {
        kind.isRefusal || kind == .controllerPut || kind == .purposePut
    }

    // MARK: Writing

    static func header(incarnation: [UInt8], after: UInt64) -> [UInt8] {
        JSONValue.members([
            "type": .string("journal"), "version": .unsigned(1), "incarnation": .hex(incarnation),
            "after": .unsigned(after),
        ]).text + [0x0A]
    }

    static func line(_ event: ConsentEvent) -> [UInt8] {
        let members: [EventText.Member] = [
            .init("type", .string("event")), .init("sequence", .unsigned(event.sequence)),
        ]
        return JSONValue.object(members + EventText.bytes(event)).text + [0x0A]
    }

    /// - Parameter signature: over all lines before, and the head.
    static func end(events: UInt64, head: SignedHead, signature: [UInt8]) -> [UInt8] {
        JSONValue.members([
            "type": .string("end"), "events": .unsigned(events), "sequence": .unsigned(head.treeSize),
            "head": EventText.head(head), "signature": .hex(signature),
        ]).text + [0x0A]
    }

    // MARK: Reading

    /// One line of a journal.
    private struct Line: Decodable {
        struct Head: Decodable { let encoded: String }
        let type: String
        let version: Int?
        let incarnation: String?
        let after: UInt64?
        let sequence: UInt64?
        let leaf: String?
        let personal: String?
        let salt: String?
        let payload: String?
        let events: Int?
        let head: Head?
        let signature: String?
    }

    /// Reads a file and checks that it is whole.
    /// - Parameter key: the public half of the deployment's log key.
    init(path: String, key: LogPublicKey) throws(JournalError) {
        guard let data = FileManager.default.contents(atPath: path) else { throw .unreadable(path: path) }
        var found: [ConsentEvent] = []
        var first: Line?
        var last: Line?
        var seal = FileSeal(.journal)
        for (position, bytes) in data.split(separator: 0x0A).enumerated() {
            let number = position + 1
            guard last == nil, let line = try? JSONDecoder().decode(Line.self, from: Data(bytes)) else {
                throw .badLine(number: number)
            }
            switch line.type {
            case "journal" where position == 0 && line.version == 1: first = line
            case "event" where first != nil:
                guard let event = Self.event(line) else { throw .badLine(number: number) }
                found.append(event)
            case "end" where first != nil: last = line
            default: throw .badLine(number: number)
            }
            if last == nil {
                seal.update(Array(bytes) + [0x0A])
            }
        }
        guard let first, let last, last.events == found.count, let sequence = last.sequence,
            let after = first.after, let incarnation = first.incarnation.flatMap(Hexadecimal.bytes),
            let encoded = last.head.flatMap({ Hexadecimal.bytes(of: $0.encoded) }),
            let head = try? SignedHead(decoding: encoded), head.treeSize == sequence,
            let signature = last.signature.flatMap(Hexadecimal.bytes)
        else { throw .incomplete }
        guard head.isSigned(by: key), head.incarnation == incarnation,
            seal.isSigned(signature, with: head, by: key)
        else { throw .badSignature }
        self.incarnation = incarnation
        self.after = after
        self.sequence = sequence
        events = found
    }

    /// The event of a line; nil where its parts do not fit its leaf.
    private static func event(_ line: Line) -> ConsentEvent? {
        guard let leaf = line.leaf.flatMap(Hexadecimal.bytes), var event = try? ConsentEvent(leaf: leaf),
            event.sequence == line.sequence, covers(event.kind),
            let personal = line.personal.flatMap(Hexadecimal.bytes),
            let salt = line.salt.flatMap(Hexadecimal.bytes),
            let payload = line.payload.flatMap(Hexadecimal.bytes)
        else { return nil }
        if !personal.isEmpty {
            guard let part = try? PersonalPart(decoding: personal) else { return nil }
            event.personal = part
            event.salt = salt
            guard event.isCommitted else { return nil }
        }
        if !payload.isEmpty {
            guard event.payloadDigest == .sha256(payload) else { return nil }
            event.payload = payload
        }
        return event
    }
}
