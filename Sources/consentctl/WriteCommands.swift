// grant, confirm, withdraw, refuse, object, bounce, complaint, memo: what is recorded about a person.

import ArgumentParser
import ConsentClient

/// Prints what became of a write; a refused one ends the command.
/// - Parameter locale: of the sentences; nil: the environment's, else English.
func report(_ result: WriteResult, json: Bool, locale: String? = nil) throws {
    let locale = locale ?? LanguageOptions.environment ?? "en"
    if json {
        printLine(
            .members([
                "sequence": .unsigned(result.sequence),
                "eventIds": .strings(result.eventIDs.map { $0.bytes.hexadecimal }),
                "status": .string(result.status.rawValue),
                "refusals": .array(
                    result.refusals.map { note in
                        .members([
                            "code": .string(Names.refusal(note.code)),
                            "sentence": .string(note.sentence(locale: locale)),
                        ])
                    }),
                "sequences": .array(result.sequences.map(JSON.unsigned)),
                "tokens": .strings(result.tokens.map(\.hexadecimal)),
            ]))
    } else if result.isDurable {
        let word = result.status == .repeated ? "was recorded before" : "recorded"
        Terminal.output("\(word) at sequence \(result.sequence)\n")
        for (position, token) in result.tokens.enumerated() where !token.isEmpty {
            Terminal.output("token of contact point \(position + 1): \(token.hexadecimal)\n")
        }
    } else {
        Terminal.error("consentctl: refused, nothing was recorded\n")
        for note in result.refusals {
            Terminal.error("  \(Names.refusal(note.code).uppercased()): \(note.sentence(locale: locale))\n")
        }
    }
    if !result.isDurable { throw CommandFailure(.badData) }
}

struct GrantCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant", abstract: "Records a consent of one person.",
        discussion: """
            With --staff on a terminal it shows the memo and asks for each of the five conditions; elsewhere \
            it needs --attest. With --stdin, addresses are read one a line: those with @ are e-mail, \
            others phone.
            """)
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @Option(help: ArgumentHelp("Channels agreed to, such as email,sms.", valueName: "channels")) var channels:
        String
    @Option(help: ArgumentHelp("Purposes agreed to.", valueName: "codes")) var purposes: String
    @Option(help: ArgumentHelp("Id of the notice that the person was shown.", valueName: "id")) var notice:
        String
    @Option(help: "Where it was collected, such as widget or salon.") var source: String
    @Option(help: "The act, such as ticked-box or signature.") var act: String
    @Option(help: ArgumentHelp("E-mail address (may be repeated).", valueName: "address")) var email:
        [String] = []
    @Option(help: ArgumentHelp("Phone number (may be repeated).", valueName: "number")) var phone: [String] =
        []
    @Option(help: ArgumentHelp("Other identifier (may be repeated).", valueName: "text")) var opaque:
        [String] = []
    @Flag(help: "Read addresses from stdin.") var stdin = false
    @Option(help: ArgumentHelp("The operator's own id of the person.", valueName: "ref")) var reference = ""
    @Option(help: ArgumentHelp("When (default: now).", valueName: "time")) var occurredAt: String?
    @Option(help: ArgumentHelp("Name of the event, 32 hexadecimal digits.", valueName: "hex")) var eventId:
        String?
    @Option(help: ArgumentHelp("Staff member who records it.", valueName: "name")) var staff = ""
    @Option(help: ArgumentHelp("Conditions that the staff member attests.", valueName: "list")) var attest:
        String?
    @OptionGroup var language: LanguageOptions

    func validate() throws {
        _ = try consentctl.channels(channels, mayBeAll: false)
        _ = try digest(notice, "--notice")
        _ = try named(source, "--source", Names.source) as Source
        _ = try named(act, "--act", Names.act) as Act
        _ = try time(occurredAt, "--occurred-at")
        _ = try eventID()
        _ = try attestations(attest)
        if attest != nil && staff.isEmpty { throw ValidationError("--attest needs --staff: who attests?") }
    }

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        var contacts =
            email.map { WriteContact($0, kind: .email) } + phone.map { WriteContact($0, kind: .phone) }
        contacts += opaque.map { WriteContact($0, kind: .opaque) }
        if stdin { contacts += try Terminal.inputLines().map { WriteContact($0) } }
        guard !contacts.isEmpty else {
            throw CommandFailure(.usage, "name a contact point: --email, --phone, --opaque or --stdin")
        }
        var grant = Grant(
            controller: try catalogue.controller(controller), contacts: contacts,
            channels: try consentctl.channels(channels, mayBeAll: false),
            purposes: try catalogue.purposes(purposes, mayBeAll: false),
            notice: try digest(notice, "--notice"))
        grant.source = try named(source, "--source", Names.source)
        grant.act = try named(act, "--act", Names.act)
        grant.occurredAt = try time(occurredAt, "--occurred-at")
        grant.reference = reference
        grant.eventID = try eventID()
        if !staff.isEmpty {
            grant.staff = staff
            (grant.memo, grant.attestations) = try await attested(client)
        }
        try report(try await client.grant(grant), json: connection.json, locale: language.sentences)
    }

    private func eventID() throws -> EventID? {
        guard let eventId else { return nil }
        guard let bytes = [UInt8](hexadecimal: eventId.replacing("-", with: "")),
            let id = EventID(bytes: bytes)
        else {
            throw ValidationError("--event-id is 32 hexadecimal digits")
        }
        return id
    }

    /// Shows the memo and asks for the five conditions, or takes them from --attest.
    private func attested(_ client: ConsentClient) async throws -> (Digest32, Attestations) {
        let memo = try await client.memo(locale: language.memo)
        if attest != nil { return (memo.id, try attestations(attest)) }
        guard Terminal.isInputTerminal && Terminal.isErrorTerminal && !stdin else {
            throw CommandFailure(
                .usage,
                "off a terminal a consent by staff needs --attest "
                    + Tooling.attestationNames.replacing(" ", with: "")
            )
        }
        Terminal.error(memo.text + "\n\n")
        let isFrench = memo.locale.hasPrefix("fr")
        let questions = isFrench ? Self.french : Self.english
        for (question, condition) in zip(questions, Names.attestations) {
            let answer = Terminal.ask("\(question) \(isFrench ? "[o/n]" : "[y/n]") ")?.lowercased() ?? ""
            guard ["y", "yes", "o", "oui"].contains(answer.trimmingASCIISpaces) else {
                throw CommandFailure(
                    .denied, "not attested (\(condition.name)): this is no consent, and nothing was recorded")
            }
        }
        return (memo.id, .all)
    }

    private static let english = [
        "Free: the person could say no and still get the service.",
        "Specific: the person chose these channels and these purposes.",
        "Informed: the person read what will be sent, how the data is used and how to withdraw.",
        "Unambiguous: it was asked apart from the terms of sale.",
        "Affirmative: the person acted; no box was ticked in advance.",
    ]
    private static let french = [
        "Libre : la personne pouvait refuser et obtenir quand même le service.",
        "Spécifique : la personne a choisi ces canaux et ces finalités.",
        "Éclairé : la personne a lu ce qui sera envoyé, l'usage des données et comment retirer son accord.",
        "Univoque : la question a été posée à part des conditions de vente.",
        "Acte positif : la personne a agi ; aucune case n'était cochée d'avance.",
    ]
}

struct ConfirmCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "confirm", abstract: "Confirms a double opt-in.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var language: LanguageOptions
    @Argument(help: "Token from the grant, in hexadecimal digits.") var token: String
    @Option(help: ArgumentHelp("When the person clicked (default: now).", valueName: "time")) var occurredAt:
        String?

    func validate() throws {
        guard [UInt8](hexadecimal: token) != nil else {
            throw ValidationError("a token is hexadecimal digits")
        }
        _ = try time(occurredAt, "--occurred-at")
    }

    func run(_ client: ConsentClient) async throws {
        let result = try await client.confirm(
            token: [UInt8](hexadecimal: token) ?? [], occurredAt: try time(occurredAt, "--occurred-at"))
        try report(result, json: connection.json, locale: language.sentences)
    }
}

/// What withdraw, refuse, object, bounce and complaint have in common.
struct RefusalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @Option(help: ArgumentHelp("Channels (default: all).", valueName: "channels")) var channels: String?
    @Option(help: ArgumentHelp("Purposes (default: all).", valueName: "codes")) var purposes: String?
    @Option(help: "Where it was collected.") var source = "unspecified"
    @Option(help: ArgumentHelp("When (default: now).", valueName: "time")) var occurredAt: String?
    @Option(help: ArgumentHelp("Staff member who records it.", valueName: "name")) var staff = ""
    @OptionGroup var language: LanguageOptions
    @OptionGroup var who: SubjectOptions

    func validate() throws {
        _ = try consentctl.channels(channels, mayBeAll: true)
        _ = try named(source, "--source", Names.source) as Source
        _ = try time(occurredAt, "--occurred-at")
    }

    /// The refusal; says on stderr what it covers where nothing narrows it.
    /// - Parameter all: what an unnarrowed one covers, in words; empty: say nothing.
    func notice(_ client: ConsentClient, all: String) async throws -> RefusalNotice {
        let catalogue = try await CatalogueView(client)
        var notice = RefusalNotice(
            controller: try catalogue.controller(controller), subject: try who.subject(mayBeSeveral: true))
        notice.channels = try consentctl.channels(channels, mayBeAll: true)
        notice.purposes = try catalogue.purposes(purposes, mayBeAll: true)
        notice.source = try named(source, "--source", Names.source)
        notice.occurredAt = try time(occurredAt, "--occurred-at")
        notice.staff = staff
        if !all.isEmpty && (notice.channels.isEmpty || notice.purposes.isEmpty) {
            let parts = [
                notice.channels.isEmpty ? "ALL channels" : nil,
                notice.purposes.isEmpty ? "ALL purposes" : nil,
            ].compactMap { $0 }
            Terminal.error("\(all) \(parts.joined(separator: " and ")), those added later included\n")
        }
        return notice
    }
}

struct WithdrawCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "withdraw", abstract: "Records that a person took consent back.",
        discussion: "Without --channels or --purposes it covers all of them, and says so.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var refusal: RefusalOptions

    func run(_ client: ConsentClient) async throws {
        let notice = try await refusal.notice(client, all: "withdrawing from")
        try report(
            try await client.withdraw(notice), json: connection.json, locale: refusal.language.sentences)
    }
}

struct RefuseCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "refuse", abstract: "Records that a person said no when asked.",
        discussion: "Without --channels or --purposes it covers all of them, and says so.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var refusal: RefusalOptions

    func run(_ client: ConsentClient) async throws {
        let notice = try await refusal.notice(client, all: "refusing")
        try report(
            try await client.refuse(notice), json: connection.json, locale: refusal.language.sentences)
    }
}

struct ObjectCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "object", abstract: "Records that a person objected to marketing.",
        discussion: "Without --channels or --purposes it covers all of them, and says so.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var refusal: RefusalOptions

    func run(_ client: ConsentClient) async throws {
        let notice = try await refusal.notice(client, all: "objecting to")
        try report(
            try await client.object(notice), json: connection.json, locale: refusal.language.sentences)
    }
}

struct BounceCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "bounce", abstract: "Records that messages to an address do not arrive.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var refusal: RefusalOptions

    func run(_ client: ConsentClient) async throws {
        let notice = try await refusal.notice(client, all: "")
        if notice.channels.isEmpty { Terminal.error("undeliverable on ALL channels of the address\n") }
        try report(
            try await client.record(.bounce, notice), json: connection.json,
            locale: refusal.language.sentences)
    }
}

struct ComplaintCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "complaint", abstract: "Records that a person reported a message as unwanted.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var refusal: RefusalOptions

    func run(_ client: ConsentClient) async throws {
        let notice = try await refusal.notice(client, all: "complaint covers")
        try report(
            try await client.record(.complaint, notice), json: connection.json,
            locale: refusal.language.sentences)
    }
}

struct MemoCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "memo", abstract: "What staff read before they confirm a consent.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var language: LanguageOptions

    func run(_ client: ConsentClient) async throws {
        let memo = try await client.memo(locale: language.memo)
        if connection.json {
            printDocument(
                .members(["id": .id(memo.id), "locale": .string(memo.locale), "text": .string(memo.text)]))
        } else {
            Terminal.output(memo.text + "\n")
            Terminal.error("memo \(memo.id.bytes.hexadecimal) (\(memo.locale))\n")
        }
    }
}
