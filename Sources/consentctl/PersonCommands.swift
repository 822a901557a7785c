// preferences, history: what is on file about a person.

import ArgumentParser
import ConsentClient

struct PreferencesCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "preferences", abstract: "State of every channel and purpose of one person.")
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @OptionGroup var who: SubjectOptions

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let preferences = try await client.preferences(
            controller: try catalogue.controller(controller), of: try who.subject())
        if connection.json { return printDocument(Self.json(preferences, catalogue)) }
        if preferences.contacts.isEmpty { Terminal.output("Nothing is on file.\n") }
        for (position, contact) in preferences.contacts.enumerated() {
            if position > 0 { Terminal.output("\n") }
            Terminal.output(
                (contact.kind.map(Names.contactKind) ?? "contact point")
                    + " \(contact.key.bytes.hexadecimal)\n\n"
            )
            var table = Table(
                "CHANNEL", "PURPOSE", "STATE", "ALLOWED", "REASON", "SINCE", "VALID UNTIL", "EVENT")
            for cell in contact.preferences {
                table.add(
                    cell.channel.map(Names.channel) ?? "?", cell.purpose.map(catalogue.name) ?? "?",
                    cell.state.map(Names.state) ?? "?",
                    cell.decision == .allow ? "yes" : cell.decision == .deny ? "no" : "unknown",
                    Names.reason(cell.reasonCode), cell.since.text, cell.validUntil.text,
                    cell.event == 0 ? "-" : String(cell.event))
            }
            table.print()
        }
    }

    private static func json(_ preferences: Preferences, _ catalogue: CatalogueView) -> JSON {
        .members([
            "sequence": .unsigned(preferences.sequence), "now": .time(preferences.now),
            "contacts": .array(
                preferences.contacts.map { contact in
                    .members([
                        "key": .string(contact.key.bytes.hexadecimal),
                        "kind": .optional(contact.kind.map(Names.contactKind)),
                        "preferences": .array(contact.preferences.map { json($0, catalogue) }),
                    ])
                }),
        ])
    }

    private static func json(_ cell: Preference, _ catalogue: CatalogueView) -> JSON {
        .members([
            "channel": .optional(cell.channel.map(Names.channel)),
            "purpose": .optional(cell.purpose.map(catalogue.name)),
            "state": .optional(cell.state.map(Names.state)),
            "decision": .string(Names.decision(cell.decision)),
            "reason": .string(Names.reason(cell.reasonCode)), "code": .unsigned(UInt64(cell.reasonCode)),
            "since": .time(cell.since), "validUntil": .time(cell.validUntil), "event": .unsigned(cell.event),
        ])
    }
}

struct HistoryCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Every event of a contact point or reference, oldest first.")
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @Flag(help: "Also print the exact text that the person was shown.") var wording = false
    @OptionGroup var who: SubjectOptions

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let events = try client.history(
            controller: try catalogue.controller(controller), of: try who.subject(), wording: wording)
        var table = eventTable()
        var wordings: [(UInt64, String, String)] = []
        for try await event in events {
            if connection.json {
                printLine(json(event, catalogue))
            } else {
                add(event, to: &table, catalogue)
                if !event.wording.isEmpty { wordings.append((event.sequence, event.locale, event.wording)) }
            }
        }
        if connection.json { return }
        if table.isEmpty { return Terminal.output("Nothing is on file.\n") }
        table.print()
        for (sequence, locale, wording) in wordings {
            Terminal.output("\nShown with event \(sequence) (\(locale)):\n\(wording)\n")
        }
    }
}
