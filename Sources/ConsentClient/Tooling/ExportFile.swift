// Verifies an export: all that is on file about a person, as one JSON document.
//
// Proven by the log's tree, event by event: that it is in the log under the head, with this personal part and
// these words. Attested by the register's seal over the document: that these are all events about the person
// up to the head, the preferences, and the openings of the address commitments.

import ConsentDomain
import ConsentProof
import ConsentWire

/// What a file of many events has shown.
package struct VerifiedEvents: Hashable, Sendable {
    /// The head that all of it stands under.
    package var head: SignedHead
    /// Whose events: code, name and number; nil: those of the whole register.
    package var controller: Controller?
    /// Events of the catalogue and others.
    package var eventCount: UInt64 = 0
    /// Of these, events whose personal part was erased, or is withheld.
    package var erasedCount: UInt64 = 0

    mutating func count(_ event: ConsentEvent) {
        eventCount += 1
        if event.commitment != nil && event.personal == nil { erasedCount += 1 }
    }
}

package enum ExportFile {
    package static let format = "consentd 1"
    private static let members = [
        "time", "sequence", "controller", "contacts", "events", "catalogue", "notices", "head", "signature",
    ]

    /// Verifies a document offline.
    /// - Parameter keys: public keys of the log, those before a rotation included.
    /// - Throws: the first thing that is wrong.
    package static func verify(
        _ document: JSON, keys: [LogPublicKey]
    ) throws(VerificationFailure) -> VerifiedEvents {
        guard document["export"]?.text == format else {
            throw .unreadable("this is not an export: its member export is not \"\(format)\"")
        }
        for name in members where document[name] == nil { throw .wrong("\(name) is missing") }
        var verifier = try LogVerifier(head: document["head"], keys: keys)
        var summary = VerifiedEvents(head: verifier.head)
        let controller = try provenController(document, &verifier, &summary)
        summary.controller = controller
        let shown = try checkEvents(document, verifier, controller, &summary)
        let notices = Set(shown.compactMap(\.notice)).compactMap { verifier.catalogue.notices[$0] }
            .sorted { $0.ordinal < $1.ordinal }
        try LogVerifier.compare(
            document["notices"] ?? .null, .array(notices.map { .object(EventText.notice($0)) }), "notices")
        try checkSeal(document, verifier, controller)
        return summary
    }

    /// Reads the catalogue's events, and the controller that they make.
    private static func provenController(
        _ document: JSON, _ verifier: inout LogVerifier, _ summary: inout VerifiedEvents
    ) throws(VerificationFailure) -> Controller {
        let elements = document["catalogue"]?.elements ?? []
        var last: UInt64 = 0
        var decrees: [LogVerifier.Found] = []
        for (position, element) in elements.enumerated() {
            try VerificationFailure.at("catalogue, element \(position + 1)") {
                () throws(VerificationFailure) in
                let found = try verifier.event(element)
                guard found.event.kind.isCatalogue, found.event.sequence > last else {
                    throw .wrong("event \(found.event.sequence) does not belong there")
                }
                last = found.event.sequence
                try verifier.apply(found.event)
                summary.count(found.event)
                decrees.append(found)
            }
        }
        // Names may have changed since: the words are those of the catalogue at the head.
        for (position, element) in elements.enumerated() {
            let place = "catalogue, element \(position + 1) (event \(decrees[position].event.sequence))"
            try VerificationFailure.at(place) { () throws(VerificationFailure) in
                try verifier.checkWords(element, decrees[position])
            }
        }
        let id = document["controller"]?["id"]?.unsignedValue.flatMap { UInt32(exactly: $0) }
        guard let controller = id.flatMap({ verifier.catalogue.controllers[ControllerID(rawValue: $0)] })
        else { throw .wrong("controller: no event of the catalogue is about its number") }
        return controller
    }

    private static func checkEvents(
        _ document: JSON, _ verifier: LogVerifier, _ controller: Controller,
        _ summary: inout VerifiedEvents
    ) throws(VerificationFailure) -> [ConsentEvent] {
        let keys = Set((document["contacts"]?.elements ?? []).compactMap { $0["key"]?.text })
        var shown: [ConsentEvent] = []
        for (position, element) in (document["events"]?.elements ?? []).enumerated() {
            let stated = element["sequence"]?.unsignedValue.map { " (event \($0))" } ?? ""
            try VerificationFailure.at("events, element \(position + 1)\(stated)") {
                () throws(VerificationFailure) in
                let found = try verifier.event(element)
                try verifier.checkWords(element, found)
                guard found.event.sequence > shown.last?.sequence ?? 0 else {
                    throw .wrong("it stands behind a later one, or twice")
                }
                guard found.event.controller == controller.id else {
                    throw .wrong("it is about controller \(found.event.controller.rawValue)")
                }
                if let key = found.event.personal?.key.bytes.hexadecimal, !keys.isEmpty, !keys.contains(key) {
                    throw .wrong("it is about a contact point that contacts do not name")
                }
                shown.append(found.event)
                summary.count(found.event)
            }
        }
        return shown
    }

    /// The rest: what is beside the events, and the seal over all.
    private static func checkSeal(
        _ document: JSON, _ verifier: LogVerifier, _ controller: Controller
    ) throws(VerificationFailure) {
        let head = verifier.head
        let signature = try LogVerifier.bytes(document, "signature")
        guard case .object(let members)? = JSONValue(document) else {
            throw .wrong("the document holds a fraction")
        }
        func own(_ name: String) -> JSONValue { members.first { $0.name == name }?.value ?? .null }
        let expected = JSONValue.members([
            "export": .string(format), "time": .string(Timestamp(microseconds: head.time).rfc3339),
            "sequence": .unsigned(head.treeSize), "controller": EventText.controller(controller),
            "contacts": own("contacts"), "events": own("events"), "catalogue": own("catalogue"),
            "notices": own("notices"), "head": own("head"), "signature": .hex(signature),
        ])
        try LogVerifier.compare(document, expected)
        var seal = FileSeal(.export)
        seal.update(compact: JSONValue.object(members.filter { $0.name != "signature" }).text)
        guard seal.isSigned(signature, with: head, by: verifier.key) else {
            throw .wrong(
                "signature: it does not cover this document; every event holds, so events were left out, or "
                    + "contacts, an opening or the signature was altered")
        }
    }
}
