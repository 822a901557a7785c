// notice: the exact messages that people are shown.

import ArgumentParser
import ConsentClient

struct NoticeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notice", abstract: "The exact messages that people are shown.",
        subcommands: [Put.self, List.self, Show.self, Invalidate.self])

    struct Put: ClientCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes a notice and prints its id, the SHA-256 of its canonical form.")
        @OptionGroup var connection: ConnectionOptions
        @Option(help: "Locale, such as fr-FR.") var locale: String
        @Option(help: ArgumentHelp("Channels that the text names, such as email,sms.", valueName: "channels"))
        var channels: String
        @Option(help: ArgumentHelp("Purposes that the text names.", valueName: "codes")) var purposes: String
        @Option(help: ArgumentHelp("Controllers that the text names.", valueName: "codes")) var controllers:
            String
        @Option(help: ArgumentHelp("File with the exact text; - for stdin.", valueName: "file")) var text:
            String
        @Option(help: "How the box stands before the person acts: none, unticked or preticked.") var box =
            "none"
        @Flag(help: "The text stands apart from the terms of sale.") var termsSeparate = false
        @Flag(help: "The text says how to withdraw.") var withdrawalExplained = false
        @Flag(help: "The text says how data is used.") var dataUseExplained = false
        @Flag(help: "Acceptance is a condition of the service: such a notice never makes a consent.")
        var conditional = false
        @Option(help: "URL of the policy.") var policyUrl = ""
        @Option(help: "Version.") var version = ""
        @Option(help: ArgumentHelp("Time from which it may be shown.", valueName: "time")) var validFrom:
            String?

        func validate() throws {
            _ = try consentctl.channels(channels, mayBeAll: false)
            _ = try named(box, "--box", Names.box) as BoxDefault
            _ = try time(validFrom, "--valid-from")
        }

        func run(_ client: ConsentClient) async throws {
            let bytes = try Files.readAll(text)
            guard var wording = String(validating: bytes, as: UTF8.self) else {
                throw CommandFailure(.badData, "\(text) is not UTF-8")
            }
            if wording.hasSuffix("\n") { wording.removeLast() }
            let catalogue = try await CatalogueView(client)
            var notice = Notice(
                locale: locale, text: wording, channels: try consentctl.channels(channels, mayBeAll: false),
                purposes: try catalogue.purposes(purposes, mayBeAll: false),
                controllers: try words(controllers).map(catalogue.controller).sorted())
            notice.box = try named(box, "--box", Names.box)
            notice.termsSeparate = termsSeparate
            notice.withdrawalExplained = withdrawalExplained
            notice.dataUseExplained = dataUseExplained
            notice.conditional = conditional
            notice.policyURL = policyUrl
            notice.version = version
            notice.validFrom = try time(validFrom, "--valid-from") ?? .epoch
            let change = try await client.putNotice(notice)
            if connection.json { return report(change, "notice", json: true) }
            Terminal.output((change.notice ?? notice.id).bytes.hexadecimal + "\n")
            if change.isUnchanged { Terminal.error("the notice was on file already\n") }
        }
    }

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the notices.")
        @OptionGroup var connection: ConnectionOptions

        func run(_ client: ConsentClient) async throws {
            let catalogue = try await CatalogueView(client)
            if connection.json {
                return printDocument(
                    .array(catalogue.listing.notices.map { NoticeCommand.json($0, catalogue) }))
            }
            var table = Table("ID", "LOCALE", "VERSION", "CHANNELS", "PURPOSES", "BOX", "STATE")
            for entry in catalogue.listing.notices {
                let notice = entry.notice
                table.add(
                    entry.id.bytes.hexadecimal, notice.locale, notice.version.isEmpty ? "-" : notice.version,
                    names(notice.channels).joined(separator: ","),
                    catalogue.names(notice.purposes).joined(separator: ","), Names.box(notice.box),
                    notice.invalidatedFrom == .distantFuture ? "valid" : "invalidated")
            }
            table.print()
        }
    }

    struct Show: ClientCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a notice with its exact text.")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "Id of the notice.") var id: String

        func validate() throws { _ = try digest(id, "the id") }

        func run(_ client: ConsentClient) async throws {
            let id = try digest(id, "the id")
            let listing = try await client.catalogue(texts: true, notice: id)
            guard let entry = listing.notices.first(where: { $0.id == id }) else {
                throw CommandFailure(.badData, "no notice has this id: see consentctl notice list")
            }
            let catalogue = try await CatalogueView(client)
            if connection.json { return printDocument(NoticeCommand.json(entry, catalogue)) }
            let notice = entry.notice
            var facts = Facts()
            facts.add("id", id.bytes.hexadecimal)
            facts.add("locale", notice.locale)
            facts.add("channels", names(notice.channels).joined(separator: ", "))
            facts.add("purposes", catalogue.names(notice.purposes).joined(separator: ", "))
            facts.add("controllers", notice.controllers.map(catalogue.name).joined(separator: ", "))
            facts.add("box", Names.box(notice.box))
            facts.add("separate from terms", notice.termsSeparate ? "yes" : "no")
            facts.add("withdrawal explained", notice.withdrawalExplained ? "yes" : "no")
            facts.add("data use explained", notice.dataUseExplained ? "yes" : "no")
            facts.add("condition of the service", notice.conditional ? "yes" : "no")
            if notice.invalidatedFrom != .distantFuture {
                facts.add(
                    "invalidated from", "\(notice.invalidatedFrom.rfc3339): \(notice.invalidatedReason)")
            }
            facts.print()
            Terminal.output("\n" + notice.text + "\n")
        }
    }

    struct Invalidate: ClientCommand {
        static let configuration = CommandConfiguration(
            abstract: "Invalidates a notice: consents given under it deny.")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "Id of the notice.") var id: String
        @Option(help: "Why.") var reason: String
        @Option(
            help: ArgumentHelp(
                "Time from which it is invalid (default: from the beginning).", valueName: "time"))
        var effective: String?

        func validate() throws {
            _ = try digest(id, "the id")
            _ = try time(effective, "--effective")
        }

        func run(_ client: ConsentClient) async throws {
            let change = try await client.invalidateNotice(
                try digest(id, "the id"), reason: reason, effective: try time(effective, "--effective"))
            report(change, "invalidation", json: connection.json)
        }
    }

    static func json(_ entry: CataloguedNotice, _ catalogue: CatalogueView) -> JSON {
        let notice = entry.notice
        return .members([
            "id": .id(entry.id), "ordinal": .unsigned(UInt64(notice.ordinal)),
            "locale": .string(notice.locale),
            "version": .string(notice.version), "channels": .strings(names(notice.channels)),
            "purposes": .strings(catalogue.names(notice.purposes)),
            "controllers": .strings(notice.controllers.map(catalogue.name)),
            "box": .string(Names.box(notice.box)),
            "termsSeparate": .bool(notice.termsSeparate),
            "withdrawalExplained": .bool(notice.withdrawalExplained),
            "dataUseExplained": .bool(notice.dataUseExplained), "conditional": .bool(notice.conditional),
            "policyUrl": .string(notice.policyURL), "validFrom": .time(notice.validFrom),
            "invalidatedFrom": notice.invalidatedFrom == .distantFuture
                ? .null : .time(notice.invalidatedFrom),
            "invalidatedReason": .string(notice.invalidatedReason), "text": .string(notice.text),
        ])
    }
}
