// controller, purpose, notice: the catalogue.

import ArgumentParser
import ConsentClient

/// Prints what became of a change to the catalogue.
func report(_ change: CatalogueChange, _ what: String, json: Bool) {
    if json {
        printLine(
            .members([
                "sequence": .unsigned(change.sequence), "unchanged": .bool(change.isUnchanged),
                "notice": .id(change.notice),
            ]))
    } else {
        Terminal.error(
            "\(what) \(change.isUnchanged ? "is on file already" : "recorded") at sequence "
                + "\(change.sequence)\n"
        )
    }
}

struct ControllerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller", abstract: "Whose consents there are.",
        subcommands: [Put.self, List.self, Close.self])

    struct Put: ClientCommand {
        static let configuration = CommandConfiguration(abstract: "Writes a controller.")
        @OptionGroup var connection: ConnectionOptions
        @Option(help: "Number, fixed for ever.") var id: UInt32
        @Option(help: "Code: lower-case letters, digits and dashes.") var code: String
        @Option(help: "Legal name.") var name: String
        @Option(help: "salon, marketplace or brand.") var kind = "salon"
        @Option(help: "Country, two letters.") var country = ""
        @Option(help: "How to reach it.") var contact = ""
        @Option(help: "Region whose national phone numbers are understood, two letters.") var region = ""
        @Option(help: ArgumentHelp("Channels with double opt-in.", valueName: "channels")) var doubleOptIn:
            String?
        @Option(help: "Months after the last contact until consents end.") var retentionMonths: UInt16 = 36
        @Option(help: "Months after the grant until a consent ends; 0: no such policy.") var validityMonths:
            UInt16 = 0
        @Flag(help: "Grants must carry a customer reference.") var referenceRequired = false
        @Option(help: "Jurisdiction.") var jurisdiction = ""
        @Option(help: "Where data is stored.") var storageLocation = ""
        @Option(help: "Who receives data.") var recipients = ""
        @Option(help: "How to withdraw.") var withdrawalMethod = ""

        func validate() throws {
            _ = try named(kind, "--kind", Names.controllerKind) as ControllerKind
            _ = try channels(doubleOptIn, mayBeAll: false)
        }

        func run(_ client: ConsentClient) async throws {
            var controller = Controller(id: ControllerID(rawValue: id), code: code, name: name)
            controller.kind = try named(kind, "--kind", Names.controllerKind)
            controller.country = country
            controller.contact = contact
            controller.region = region.uppercased()
            controller.doubleOptIn = try channels(doubleOptIn, mayBeAll: false)
            controller.retentionMonths = retentionMonths
            controller.validityMonths = validityMonths
            controller.referenceRequired = referenceRequired
            controller.jurisdiction = jurisdiction
            controller.storageLocation = storageLocation
            controller.recipients = recipients
            controller.withdrawalMethod = withdrawalMethod
            report(try await client.putController(controller), "controller \(code)", json: connection.json)
        }
    }

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the controllers.")
        @OptionGroup var connection: ConnectionOptions

        func run(_ client: ConsentClient) async throws {
            let listing = try await client.catalogue()
            if connection.json {
                return printDocument(.array(listing.controllers.map(Self.json)))
            }
            var table = Table("ID", "CODE", "NAME", "KIND", "REGION", "DOUBLE OPT-IN", "RETENTION", "STATE")
            for controller in listing.controllers {
                let optIn = names(controller.doubleOptIn).joined(separator: ",")
                table.add(
                    String(controller.id.rawValue), controller.code, controller.name,
                    Names.controllerKind(controller.kind),
                    controller.region.isEmpty ? "-" : controller.region,
                    optIn.isEmpty ? "-" : optIn, "\(controller.retentionMonths) months",
                    controller.closed ? "closed" : "open")
            }
            table.print()
        }

        private static func json(_ controller: Controller) -> JSON {
            .members([
                "id": .unsigned(UInt64(controller.id.rawValue)), "code": .string(controller.code),
                "name": .string(controller.name), "kind": .string(Names.controllerKind(controller.kind)),
                "country": .string(controller.country), "contact": .string(controller.contact),
                "region": .string(controller.region), "doubleOptIn": .strings(names(controller.doubleOptIn)),
                "retentionMonths": .unsigned(UInt64(controller.retentionMonths)),
                "validityMonths": .unsigned(UInt64(controller.validityMonths)),
                "referenceRequired": .bool(controller.referenceRequired),
                "jurisdiction": .string(controller.jurisdiction),
                "storageLocation": .string(controller.storageLocation),
                "recipients": .string(controller.recipients),
                "withdrawalMethod": .string(controller.withdrawalMethod), "closed": .bool(controller.closed),
            ])
        }
    }

    struct Close: ClientCommand {
        static let configuration = CommandConfiguration(
            abstract: "Closes a controller for good: every check about it denies.")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "Code of the controller.") var code: String

        func run(_ client: ConsentClient) async throws {
            let listing = try await client.catalogue()
            guard var controller = listing.controllers.first(where: { $0.code == code }) else {
                throw CommandFailure(.badData, Tooling.noController(code))
            }
            controller.closed = true
            report(try await client.putController(controller), "closing \(code)", json: connection.json)
        }
    }
}

struct PurposeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purpose", abstract: "What messages are for.",
        subcommands: [Put.self, List.self, Retire.self])

    struct Put: ClientCommand {
        static let configuration = CommandConfiguration(abstract: "Writes a purpose.")
        @OptionGroup var connection: ConnectionOptions
        @Option(help: "Number, 1…63, fixed for ever.") var id: UInt8
        @Option(help: "Code: lower-case letters, digits and dashes.") var code: String
        @Option(help: "Title.") var title: String
        @Option(name: .customLong("class"), help: "service or marketing, fixed for ever.") var purposeClass:
            String

        func validate() throws {
            _ = try named(purposeClass, "--class", Names.purposeClass) as PurposeClass
            guard PurposeID(rawValue: id) != nil else {
                throw ValidationError("--id is a number from 1 to 63")
            }
        }

        func run(_ client: ConsentClient) async throws {
            guard let id = PurposeID(rawValue: id) else { return }
            let purpose = Purpose(
                id: id, code: code, title: title,
                purposeClass: try named(purposeClass, "--class", Names.purposeClass))
            report(try await client.putPurpose(purpose), "purpose \(code)", json: connection.json)
        }
    }

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the purposes.")
        @OptionGroup var connection: ConnectionOptions

        func run(_ client: ConsentClient) async throws {
            let listing = try await client.catalogue()
            if connection.json {
                return printDocument(
                    .array(
                        listing.purposes.map { purpose in
                            .members([
                                "id": .unsigned(UInt64(purpose.id.rawValue)), "code": .string(purpose.code),
                                "title": .string(purpose.title),
                                "class": .string(Names.purposeClass(purpose.purposeClass)),
                                "retired": .bool(purpose.retired),
                            ])
                        }))
            }
            var table = Table("ID", "CODE", "CLASS", "STATE", "TITLE")
            for purpose in listing.purposes {
                table.add(
                    String(purpose.id.rawValue), purpose.code, Names.purposeClass(purpose.purposeClass),
                    purpose.retired ? "retired" : "active", purpose.title)
            }
            table.print()
        }
    }

    struct Retire: ClientCommand {
        static let configuration = CommandConfiguration(
            abstract: "Retires a purpose for good: every check for it denies.")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "Code of the purpose.") var code: String

        func run(_ client: ConsentClient) async throws {
            let listing = try await client.catalogue()
            guard var purpose = listing.purposes.first(where: { $0.code == code }) else {
                throw CommandFailure(.badData, Tooling.noPurpose(code))
            }
            purpose.retired = true
            report(try await client.putPurpose(purpose), "retiring \(code)", json: connection.json)
        }
    }
}
