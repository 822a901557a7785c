// erase, retire-lapsed, export, dump, journal: a person's rights, and what an operator hands over or keeps.

import ArgumentParser
import ConsentClient

struct EraseCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "erase", abstract: "Erases a person's data at one controller; the denial stays.",
        discussion: """
            Shows what goes and asks; off a terminal it needs --yes. With --restrict-until the personal parts \
            are first only withheld from everyone but an administrator, and destroyed at the start of the \
            first UTC day that begins no earlier.
            """)
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @OptionGroup var who: SubjectOptions
    @Option(help: ArgumentHelp("Withhold until then, and destroy only after.", valueName: "time"))
    var restrictUntil: String?
    @Option(help: ArgumentHelp("Id of the event; again with the same id changes nothing.", valueName: "hex"))
    var eventId: String?
    @Flag(help: "Do not ask.") var yes = false

    func validate() throws {
        _ = try time(restrictUntil, "--restrict-until")
        if let eventId {
            guard [UInt8](hexadecimal: eventId).flatMap(EventID.init(bytes:)) != nil else {
                throw ValidationError("--event-id is 32 hexadecimal digits")
            }
        }
    }

    func run(_ client: ConsentClient) async throws {
        guard yes || Terminal.isInputTerminal else {
            throw CommandFailure(.usage, "an erasure cannot be taken back: off a terminal it needs --yes")
        }
        let catalogue = try await CatalogueView(client)
        var erasure = Erasure(
            controller: try catalogue.controller(controller), subject: try who.subject(mayBeSeveral: true))
        erasure.restrictUntil = try time(restrictUntil, "--restrict-until")
        erasure.eventID = eventId.flatMap { [UInt8](hexadecimal: $0) }.flatMap(EventID.init(bytes:))
        try await show(erasure, client, catalogue)
        if !yes {
            let answer = Terminal.ask("Erase? Type yes: ")
            guard answer == "yes" else { throw CommandFailure(.denied, "nothing was erased") }
        }
        try report(try await client.erase(erasure), json: connection.json)
    }

    /// What goes, to stderr.
    private func show(_ erasure: Erasure, _ client: ConsentClient, _ catalogue: CatalogueView) async throws {
        var subjects = [erasure.subject]
        if case .contacts(let contacts) = erasure.subject { subjects = contacts.map { .contacts([$0]) } }
        var events = 0
        var keys = Set<RecipientKey>()
        for subject in subjects {
            for try await event in try client.history(controller: erasure.controller, of: subject)
            where event.kind != .erase && !event.isErased {
                events += 1
                if let key = event.key { keys.insert(key) }
            }
        }
        let fate = erasure.restrictUntil.map { "withheld until \($0.rfc3339), then destroyed" } ?? "destroyed"
        Terminal.error(
            """
            The personal parts of \(counted(events, "event")) about \(counted(keys.count, "contact point")) \
            at \(catalogue.name(erasure.controller)) are \(fate).
            The denial stays: no list that is imported can bring the person back.

            """)
    }
}

struct RetireLapsedCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire-lapsed",
        abstract: "Destroys personal parts that neither a consent nor a proof needs; the denial stays.",
        discussion: """
            Concerns contact points of which nothing has been in force for the proof period: no consent, no \
            waiting double opt-in, retention over, and no refusal since. Counts first and asks; off a \
            terminal it needs --yes.
            """)
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @Option(help: ArgumentHelp("Months for which proof is kept once nothing is in force.", valueName: "n"))
    var proofMonths: UInt16 = 36
    @Flag(help: "Only count.") var dryRun = false
    @Flag(help: "Do not ask.") var yes = false

    func validate() throws {
        guard proofMonths > 0 else { throw ValidationError("--proof-months is 1 at least") }
        guard !dryRun || !yes else { throw ValidationError("give --dry-run or --yes") }
    }

    func run(_ client: ConsentClient) async throws {
        guard dryRun || yes || Terminal.isInputTerminal else {
            throw CommandFailure(
                .usage, "what is destroyed does not come back: off a terminal it needs --yes or --dry-run")
        }
        let catalogue = try await CatalogueView(client)
        let id = try catalogue.controller(controller)
        let found = try await total(client, id, dryRun: true)
        let summary =
            "\(counted(found.events, "event")) about \(found.contacts) of "
            + counted(found.examined, "contact point")
        guard !dryRun else { return report(found, summary + " would be retired\n") }
        Terminal.error(
            "The personal parts of \(summary) at \(catalogue.name(id)) are destroyed. The denial stays.\n")
        if !yes && found.contacts > 0 {
            guard Terminal.ask("Destroy? Type yes: ") == "yes" else {
                throw CommandFailure(.denied, "nothing was destroyed")
            }
        }
        let done = try await total(client, id, dryRun: false)
        report(
            done,
            "\(counted(done.events, "event")) about \(counted(done.contacts, "contact point")) retired\n")
    }

    /// All steps together.
    private func total(
        _ client: ConsentClient, _ id: ControllerID, dryRun: Bool
    ) async throws -> RetirementStep {
        var sum = RetirementStep()
        var progress = Progress(unit: "contact points")
        repeat {
            let step = try await client.retireLapsed(
                controller: id, proofMonths: proofMonths, dryRun: dryRun, after: sum.next)
            sum.examined += step.examined
            sum.contacts += step.contacts
            sum.events += step.events
            sum.next = step.next
            progress.show(sum.examined)
        } while sum.next != nil
        progress.end()
        return sum
    }

    private func report(_ step: RetirementStep, _ text: String) {
        guard connection.json else { return Terminal.output(text) }
        printLine(
            .members([
                "dryRun": .bool(dryRun), "examined": .unsigned(UInt64(step.examined)),
                "contacts": .unsigned(UInt64(step.contacts)), "events": .unsigned(UInt64(step.events)),
            ]))
    }
}

/// Where a stream of bytes goes.
struct OutputOptions: ParsableArguments {
    @Option(help: ArgumentHelp("File to write, for its owner alone (default: stdout).", valueName: "file"))
    var out: String?

    /// Writes a stream; on an error the file does not appear.
    /// - Returns: bytes written.
    func write(_ chunks: ChunkSequence) async throws -> UInt64 {
        var size: UInt64 = 0
        guard let out else {
            for try await chunk in chunks {
                Terminal.output(String(decoding: chunk.bytes, as: UTF8.self))
                size += UInt64(chunk.bytes.count)
            }
            return size
        }
        var file = try OutputFile(out)
        var progress = Progress(unit: "bytes")
        for try await chunk in chunks {
            try file.write(chunk.bytes)
            size += UInt64(chunk.bytes.count)
            progress.show(Int(size))
        }
        progress.end()
        try file.finish()
        return size
    }

    /// Says what was written, where it went into a file.
    func report(_ size: UInt64, json: Bool) {
        guard let out else { return }
        if json { return printLine(.members(["file": .string(out), "bytes": .unsigned(size)])) }
        Terminal.output("\(size) bytes written to \(out)\n")
    }
}

struct ExportCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "All that is on file about a person, as JSON.",
        discussion: """
            json has every event with its wording and proof; kantara is a list of Kantara Consent Receipts \
            1.1; iso27560 is a list of consent records after ISO/IEC TS 27560.
            """)
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @Option(help: "json, kantara or iso27560.") var format = "json"
    @OptionGroup var output: OutputOptions
    @OptionGroup var who: SubjectOptions

    func validate() throws {
        guard ExportFormat(rawValue: format) != nil else {
            throw ValidationError("--format \"\(format)\" is not one of json, kantara, iso27560")
        }
    }

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let chunks = try client.export(
            controller: try catalogue.controller(controller), of: try who.subject(),
            format: ExportFormat(rawValue: format) ?? .json)
        output.report(try await output.write(chunks), json: connection.json)
    }
}

struct DumpCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump", abstract: "Every event of a controller as JSON lines, with notices and a head.")
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @OptionGroup var output: OutputOptions

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let chunks = client.dump(controller: try catalogue.controller(controller))
        output.report(try await output.write(chunks), json: connection.json)
    }
}

struct JournalCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal", abstract: "Refusals and erasures since a sequence, for consentd restore.",
        discussion: """
            Keep it apart from the backup. It holds recipient keys and no address; the file is for its owner \
            alone.
            """)
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Begin after this sequence: that of the backup, or less.", valueName: "seq"))
    var from: UInt64
    @OptionGroup var output: OutputOptions

    func run(_ client: ConsentClient) async throws {
        output.report(try await output.write(client.journal(after: from)), json: connection.json)
    }
}

/// A number with its noun.
private func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
