// Verifies dumps and journals: JSON lines, one at a time, in memory that does not grow with the file.
//
// Of a dump, the log's tree proves each event: that it is in the log under the head, with this personal part
// and these words. That it holds all events of its controller up to the head, no tree can prove without all
// leaves: that is attested by the register's seal at its end, together with the openings.
//
// Of a journal each event's parts must fit its leaf; all else rests on the seal.

import ConsentDomain
import ConsentProof
import ConsentWire

/// Verifies a file of JSON lines.
package struct LineVerifier {
    private enum Form {
        case dump(DumpVerifier)
        case journal(JournalVerifier)
    }

    private let keys: [LogPublicKey]
    private var form: Form?
    private var lineNumber = 0
    private var summary: VerifiedEvents?

    /// - Parameter keys: public keys of the log, those before a rotation included.
    package init(keys: [LogPublicKey]) { self.keys = keys }

    /// Whether a file that begins with this line is a dump or a journal.
    package static func takes(firstLine line: [UInt8]) -> Bool {
        let type = (try? JSON(parsing: line))?["type"]?.text
        return type == "dump" || type == "journal"
    }

    /// Verifies the next line; an empty one counts and says nothing.
    /// - Throws: the first thing that is wrong, with the number of its line.
    package mutating func take(_ line: [UInt8]) throws(VerificationFailure) {
        lineNumber += 1
        guard line.contains(where: { $0 != 0x20 && !(0x09...0x0D).contains($0) }) else { return }
        try VerificationFailure.at("line \(lineNumber)") { () throws(VerificationFailure) in
            let json: JSON
            do throws(JSONError) { json = try JSON(parsing: line) } catch { throw .wrong("\(error)") }
            guard let value = JSONValue(json) else { throw .wrong("it holds a fraction") }
            guard summary == nil else { throw .wrong("the file goes on behind its end") }
            try take(json, value)
        }
    }

    private mutating func take(_ json: JSON, _ value: JSONValue) throws(VerificationFailure) {
        let stated = json["sequence"]?.unsignedValue.map { " (event \($0))" } ?? ""
        let place = "line \(lineNumber)" + (json["type"]?.text == "event" ? stated : "")
        summary = try VerificationFailure.at(place) { () throws(VerificationFailure) in
            switch form {
            case .dump(var dump):
                form = nil
                defer { form = .dump(dump) }
                return try dump.take(json, value, line: lineNumber)
            case .journal(var journal):
                form = nil
                defer { form = .journal(journal) }
                return try journal.take(json, value, keys)
            case nil where json["type"]?.text == "journal": form = .journal(try JournalVerifier(json, value))
            case nil: form = .dump(try DumpVerifier(json, value, keys))
            }
            return nil
        }
    }

    /// What the file has shown.
    /// - Throws: where its end was not reached.
    package func finish() throws(VerificationFailure) -> VerifiedEvents {
        guard let summary else {
            throw .wrong("the file ends early: after line \(lineNumber) there is no line of type \"end\"")
        }
        return summary
    }
}

/// The lines of a dump.
private struct DumpVerifier {
    private var verifier: LogVerifier
    private let first: JSON
    private let controller: ControllerID
    private var summary: VerifiedEvents
    /// Events of the catalogue, until all are there; then their words are checked.
    private var decrees: [(line: Int, json: JSON, found: LogVerifier.Found)] = []
    private var isCatalogueWhole = false
    private var notices = Set<NoticeID>()
    private var lastDecree: UInt64 = 0
    private var lastEvent: UInt64 = 0
    private var seal = FileSeal(.dump)

    init(_ json: JSON, _ value: JSONValue, _ keys: [LogPublicKey]) throws(VerificationFailure) {
        guard json["type"]?.text == "dump", json["version"]?.unsignedValue == 1,
            let id = json["controller"]?["id"]?.unsignedValue.flatMap({ UInt32(exactly: $0) })
        else { throw .unreadable("it does not begin a dump of version 1") }
        verifier = try LogVerifier(head: json["head"], keys: keys)
        first = json
        controller = ControllerID(rawValue: id)
        summary = VerifiedEvents(head: verifier.head)
        seal.update(value.text + [0x0A])
    }

    /// - Returns: what the dump has shown, at its end.
    mutating func take(
        _ json: JSON, _ value: JSONValue, line: Int
    ) throws(VerificationFailure) -> VerifiedEvents? {
        switch json["type"]?.text {
        case "event": try takeEvent(json, line)
        case "notice": try takeNotice(json)
        case "end": return try end(json)
        default: throw .wrong("its type is none of a dump")
        }
        seal.update(value.text + [0x0A])
        return nil
    }

    private static let eventType = JSONValue.Member("type", .string("event"))

    private mutating func takeEvent(_ json: JSON, _ line: Int) throws(VerificationFailure) {
        let found = try verifier.event(json)
        let event = found.event
        summary.count(event)
        if event.kind.isCatalogue {
            guard !isCatalogueWhole else { throw .wrong("the catalogue's events come first") }
            try follow(event, &lastDecree)
            try verifier.apply(event)
            decrees.append((line, json, found))
        } else {
            try closeCatalogue()
            try verifier.checkWords(json, found, first: [Self.eventType])
            guard event.controller == controller || event.kind == .restored else {
                throw .wrong("it is about controller \(event.controller.rawValue)")
            }
            try follow(event, &lastEvent)
        }
    }

    private func follow(_ event: ConsentEvent, _ last: inout UInt64) throws(VerificationFailure) {
        guard event.sequence > last else { throw .wrong("it stands behind a later one, or twice") }
        last = event.sequence
    }

    /// Once all of the catalogue's events are there: their words, and those of the first line.
    private mutating func closeCatalogue() throws(VerificationFailure) {
        guard !isCatalogueWhole else { return }
        isCatalogueWhole = true
        for (line, json, found) in decrees {
            try VerificationFailure.at("line \(line) (event \(found.event.sequence))") {
                () throws(VerificationFailure) in
                try verifier.checkWords(json, found, first: [Self.eventType])
            }
        }
        decrees = []
        guard let controller = verifier.catalogue.controllers[controller] else {
            throw VerificationFailure(
                isUnreadable: false, problem: "controller: no event of the catalogue is about its number",
                place: "line 1")
        }
        summary.controller = controller
        let head = first["head"].flatMap { JSONValue($0) } ?? .null
        let words = JSONValue.members([
            "type": .string("dump"), "version": .unsigned(1), "controller": EventText.controller(controller),
            "sequence": .unsigned(verifier.head.treeSize), "head": head,
        ])
        try VerificationFailure.at("line 1") { () throws(VerificationFailure) in
            try LogVerifier.compare(first, words)
        }
    }

    private mutating func takeNotice(_ json: JSON) throws(VerificationFailure) {
        try closeCatalogue()
        guard let id = json["id"]?.text.flatMap({ Digest32(hex: $0) }),
            let notice = verifier.catalogue.notices[id], notices.insert(id).inserted
        else { throw .wrong("no event of the catalogue made a notice with this id, or it stands twice") }
        let words: [JSONValue.Member] = [.init("type", .string("notice"))] + EventText.notice(notice)
        try LogVerifier.compare(json, .object(words))
    }

    private mutating func end(_ json: JSON) throws(VerificationFailure) -> VerifiedEvents {
        try closeCatalogue()
        let missing = verifier.catalogue.notices.keys.filter { !notices.contains($0) }.map(\.hex).min()
        if let missing { throw .wrong("the notice \(missing) is missing") }
        let signature = try LogVerifier.bytes(json, "signature")
        try LogVerifier.compare(
            json,
            .members([
                "type": .string("end"), "events": .unsigned(summary.eventCount),
                "sequence": .unsigned(verifier.head.treeSize), "signature": .hex(signature),
            ]))
        guard seal.isSigned(signature, with: verifier.head, by: verifier.key) else {
            throw .wrong(
                "the signature does not cover this dump; every line holds, so lines were left out, or an "
                    + "opening or the signature was altered")
        }
        return summary
    }
}

/// The lines of a journal.
private struct JournalVerifier {
    private let incarnation: String?
    private var count: UInt64 = 0
    private var erasedCount: UInt64 = 0
    private var lastSequence: UInt64
    private var seal = FileSeal(.journal)

    init(_ json: JSON, _ value: JSONValue) throws(VerificationFailure) {
        guard json["version"]?.unsignedValue == 1, let after = json["after"]?.unsignedValue else {
            throw .unreadable("it does not begin a journal of version 1")
        }
        incarnation = json["incarnation"]?.text
        lastSequence = after
        seal.update(value.text + [0x0A])
    }

    mutating func take(
        _ json: JSON, _ value: JSONValue, _ keys: [LogPublicKey]
    ) throws(VerificationFailure) -> VerifiedEvents? {
        switch json["type"]?.text {
        case "event":
            let event = try LogVerifier.event(bytes: json)
            let words: [JSONValue.Member] = [
                .init("type", .string("event")), .init("sequence", .unsigned(event.sequence)),
            ]
            try LogVerifier.compare(json, .object(words + EventText.bytes(event)))
            guard event.sequence > lastSequence else {
                throw .wrong("it stands behind a later one, or twice")
            }
            lastSequence = event.sequence
            count += 1
            if event.commitment != nil && event.personal == nil { erasedCount += 1 }
            seal.update(value.text + [0x0A])
            return nil
        case "end": return try end(json, keys)
        default: throw .wrong("its type is none of a journal")
        }
    }

    private func end(_ json: JSON, _ keys: [LogPublicKey]) throws(VerificationFailure) -> VerifiedEvents {
        let verifier = try LogVerifier(head: json["head"], keys: keys)
        let head = verifier.head
        guard head.incarnation.hexadecimal == incarnation else {
            throw .wrong("the head is of another register than the first line")
        }
        let signature = try LogVerifier.bytes(json, "signature")
        try LogVerifier.compare(
            json,
            .members([
                "type": .string("end"), "events": .unsigned(count), "sequence": .unsigned(head.treeSize),
                "head": json["head"].flatMap { JSONValue($0) } ?? .null, "signature": .hex(signature),
            ]))
        guard seal.isSigned(signature, with: head, by: verifier.key) else {
            throw .wrong("the signature does not cover this journal: something before it was altered")
        }
        return VerifiedEvents(head: head, eventCount: count, erasedCount: erasedCount)
    }
}
