// check-at and review: what the answer was, and what is due.

import ArgumentParser
import ConsentClient

struct CheckAtCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-at", abstract: "What was the answer at a time, as known then or now?",
        discussion: """
            A TIME is RFC 3339 with its offset, or @N for the moment at which event N was recorded. \
            --known-at leaves out all that was recorded later; without it, all that is known now counts.
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var cell: CellOptions
    @Option(help: ArgumentHelp("The time asked about.", valueName: "time")) var at: String
    @Option(help: ArgumentHelp("Only what was recorded by then, or up to event @N.", valueName: "time"))
    var knownAt: String?
    @OptionGroup var who: SubjectOptions

    func validate() throws {
        _ = try Self.point(at, "--at")
        if let knownAt { _ = try Self.point(knownAt, "--known-at") }
        if cell.purposeClass != nil {
            throw ValidationError("--class is for checks of now: check-at takes the class of the catalogue")
        }
    }

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let channel: Channel = try named(cell.channel, "--channel", Names.channel)
        let time: Timestamp
        switch try Self.point(at, "--at") {
        case .time(let stated): time = stated
        case .sequence(let sequence):
            time = try await client.proof(of: .event(sequence)).event.recordedAt
        }
        var known = KnownAt.now
        switch try knownAt.map({ try Self.point($0, "--known-at") }) {
        case nil: break
        case .time(let stated)?: known = .time(stated)
        case .sequence(let sequence)?: known = .sequence(sequence)
        }
        let explanation = try await client.checkAt(
            try cell.question(catalogue), try who.subject().kinded(channel), at: time, known: known)
        try report(
            explanation, catalogue, json: connection.json,
            extra: [("at", .time(time)), ("knownSequence", .unsigned(explanation.answer.sequence))])
    }

    private static func point(_ text: String, _ option: String) throws -> PointInRegister {
        guard let point = PointInRegister(text) else {
            throw ValidationError(
                "\(option) \"\(text)\" is not a time; write for example 2026-03-29T10:15:30+02:00, or @123")
        }
        return point
    }
}

extension Subject {
    /// The address as the kind that a channel takes.
    func kinded(_ channel: Channel) -> Subject {
        guard case .contacts(let contacts) = self else { return self }
        return .contacts(contacts.map { WriteContact($0.address, kind: channel.contactKind) })
    }
}

/// Prints an answer with the events that decide it; a denial ends the command with its status.
func report(
    _ explanation: Explanation, _ catalogue: CatalogueView, json asJSON: Bool,
    extra: [(String, JSON)] = []
) throws {
    let answer = explanation.answer
    let decision = answer.isAllowed ? "allow" : answer.decision == .indeterminate ? "indeterminate" : "deny"
    if asJSON {
        var members: [JSON.Member] = [
            JSON.Member(key: "decision", value: .string(decision)),
            JSON.Member(key: "reason", value: .string(Names.reason(answer.reasonCode))),
            JSON.Member(key: "code", value: .unsigned(UInt64(answer.reasonCode))),
            JSON.Member(key: "validUntil", value: .time(answer.validUntil)),
            JSON.Member(key: "sequence", value: .unsigned(answer.sequence)),
            JSON.Member(key: "now", value: .time(answer.now)),
        ]
        members += extra.map { JSON.Member(key: $0.0, value: $0.1) }
        members.append(
            JSON.Member(key: "events", value: .array(explanation.events.map { json($0, catalogue) })))
        printDocument(.object(members))
    } else {
        let until = answer.validUntil.map { " until \($0.rfc3339)" } ?? ""
        Terminal.output("\(decision): \(Names.reason(answer.reasonCode))\(until)\n")
        if explanation.events.isEmpty {
            Terminal.output("Nothing is on file that decides it.\n")
        } else {
            Terminal.output("\nDecided by, newest first:\n\n")
            var table = eventTable()
            for event in explanation.events { add(event, to: &table, catalogue) }
            table.print()
            for event in explanation.events where !event.wording.isEmpty {
                Terminal.output("\nShown with event \(event.sequence) (\(event.locale)):\n\(event.wording)\n")
            }
        }
    }
    if !answer.isAllowed {
        throw CommandFailure(answer.decision == .indeterminate ? .indeterminate : .denied)
    }
}

struct ReviewCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "review", abstract: "What is due, by customer reference.",
        discussion: """
            Consents that end, double opt-ins that lapse, imports without proof, consents under an \
            invalidated notice. --summary prints a text fit for a weekly reminder, without references.
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var language: LanguageOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @Option(help: ArgumentHelp("How far ahead.", valueName: "duration")) var within = "30d"
    @Flag(help: "Print a text instead of a table.") var summary = false

    func validate() throws { _ = try duration(within, "--within") }

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let id = try catalogue.controller(controller)
        let within = try duration(within, "--within") ?? .zero
        var entries: [ReviewEntry] = []
        var counts = ReviewSummary()
        for try await entry in client.review(controller: id, within: within) {
            if summary {
                counts.add(entry)
            } else if connection.json {
                printLine(Self.json(entry, catalogue))
            } else {
                entries.append(entry)
            }
        }
        if summary {
            let name = catalogue.listing.controllers.first { $0.id == id }?.name ?? controller
            return print(counts, name: name, days: Int(within.components.seconds / 86_400))
        }
        if connection.json { return }
        if entries.isEmpty { return Terminal.output("Nothing is due.\n") }
        var table = Table("REFERENCE", "WHAT", "DUE", "CHANNEL", "PURPOSE", "EVENT")
        for entry in entries.sorted(by: Self.precedes) {
            table.add(
                entry.reference.isEmpty ? "-" : entry.reference,
                Self.word(entry.kind, isFrench: language.isFrench), entry.due.text,
                entry.channel.map(Names.channel) ?? "?", entry.purpose.map(catalogue.name) ?? "?",
                String(entry.event))
        }
        table.print()
    }

    private func print(_ counts: ReviewSummary, name: String, days: Int) {
        let text = counts.text(name: name, days: days, locale: language.sentences)
        guard connection.json else { return Terminal.output(text + "\n") }
        let kinds = Reminder.Kind.allCases.map { kind -> JSON.Member in
            let (consents, people, first) = counts.figures(kind)
            return JSON.Member(
                key: Names.reason(kind.reason.rawValue),
                value: .members([
                    "consents": .integer(Int64(consents)), "people": .integer(Int64(people)),
                    "first": .time(first),
                ]))
        }
        printDocument(.object(kinds + [JSON.Member(key: "text", value: .string(text))]))
    }

    /// People in the order of their references, those without one last; then what is due first.
    private static func precedes(_ left: ReviewEntry, _ right: ReviewEntry) -> Bool {
        if left.reference != right.reference {
            return right.reference.isEmpty || (!left.reference.isEmpty && left.reference < right.reference)
        }
        return (left.due ?? .epoch, left.event) < (right.due ?? .epoch, right.event)
    }

    private static func word(_ kind: Reminder.Kind?, isFrench: Bool) -> String {
        switch kind {
        case .expiring: isFrench ? "expire" : "ends"
        case .lapsing: isFrench ? "confirmation attendue" : "lapses"
        case .unproven: isFrench ? "sans preuve" : "without proof"
        case .noticeInvalidated: isFrench ? "message invalidé" : "notice invalidated"
        case nil: "?"
        }
    }

    private static func json(_ entry: ReviewEntry, _ catalogue: CatalogueView) -> JSON {
        .members([
            "reference": .string(entry.reference),
            "reason": .optional(entry.kind.map { Names.reason($0.reason.rawValue) }),
            "due": .time(entry.due), "channel": .optional(entry.channel.map(Names.channel)),
            "purpose": .optional(entry.purpose.map(catalogue.name)), "event": .unsigned(entry.event),
            "key": .optional(entry.key.map { $0.bytes.hexadecimal }),
            "contactKind": .optional(entry.contactKind.map(Names.contactKind)),
        ])
    }
}
