// check, explain, keys: questions about single cells.

import ArgumentParser
import ConsentClient

/// Which cell a question is about.
struct CellOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @Option(help: "Channel, such as email or sms.") var channel: String
    @Option(help: ArgumentHelp("Code of the purpose.", valueName: "code")) var purpose: String
    @Option(
        name: .customLong("class"), help: "Class that the message is believed to have: service or marketing.")
    var purposeClass: String?

    func validate() throws {
        _ = try named(channel, "--channel", Names.channel) as Channel
        if let purposeClass { _ = try named(purposeClass, "--class", Names.purposeClass) as PurposeClass }
    }

    func question(_ catalogue: CatalogueView) throws -> CheckQuestion {
        CheckQuestion(
            controller: try catalogue.controller(controller),
            channel: try named(channel, "--channel", Names.channel), purpose: try catalogue.purpose(purpose),
            purposeClass: try purposeClass.map { try named($0, "--class", Names.purposeClass) })
    }
}

struct CheckCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "May a message be sent to these addresses now?",
        discussion: """
            A line each, separated by tabs: position (from 1), allow or deny or indeterminate, reason, \
            valid until, sequence. Exit status 2 if any is indeterminate, else 1 if any is denied, else 0.
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var cell: CellOptions
    @Option(
        help: ArgumentHelp(
            "Answer indeterminate unless the register has reached this sequence.", valueName: "n"))
    var minSeq: UInt64 = 0
    @Option(
        help: ArgumentHelp(
            "Write a signed receipt of question and answer: consentctl verify.", valueName: "file"))
    var receipt: String?
    @Flag(help: "Read addresses from stdin, one a line.") var stdin = false
    @Argument(help: ArgumentHelp("Addresses; better read from stdin.", valueName: "address"))
    var addresses: [String] = []

    /// Addresses of one request: large enough to be fast, small enough to show progress.
    private static let batchCount = 1_000

    func run(_ client: ConsentClient) async throws {
        let named = addresses.filter { $0 != "-" }
        let all = named + (stdin || named.count < addresses.count ? try Terminal.inputLines() : [])
        guard !all.isEmpty else { throw CommandFailure(.usage, "name at least one address, or use --stdin") }
        var question = try cell.question(try await CatalogueView(client))
        question.minimumSequence = minSeq
        var worst: ExitStatus?
        var file = ReceiptFile(checks: [])
        for start in stride(from: 0, to: all.count, by: Self.batchCount) {
            let part = Array(all[start..<min(start + Self.batchCount, all.count)])
            let batch = await client.checkBatch(
                question, addresses: part,
                detail: receipt == nil ? [.reasons, .validity] : [.reasons, .validity, .receipt])
            if case .rejected? = batch.cause, let cause = batch.cause { throw CommandFailure(cause) }
            if let cause = batch.cause { Terminal.error("consentctl: \(cause)\n") }
            if receipt != nil { file.checks.append(try await kept(batch, part, question, client)) }
            for index in part.indices {
                let answer = batch.answer(index)
                print(answer, batch.itemErrors[index], position: start + index + 1)
                if answer.isAllowed { continue }
                if answer.decision == .indeterminate { worst = .indeterminate }
                if worst == nil { worst = .denied }
            }
        }
        if let receipt { try OutputFile.write(file.json.pretty + "\n", to: receipt) }
        if let worst { throw CommandFailure(worst) }
    }

    /// A batch with its receipt and the keys that the receipt is about.
    private func kept(
        _ batch: BatchAnswer, _ addresses: [String], _ question: CheckQuestion, _ client: ConsentClient
    ) async throws -> ReceiptFile.Check {
        guard let receipt = batch.receipt else {
            throw CommandFailure(.unavailable, "there is no answer, so there is no receipt: try again")
        }
        let none = RecipientKey(low: 0, high: 0)
        let made = try await client.keys(
            of: addresses, controller: question.controller, kind: question.channel.contactKind)
        var check = ReceiptFile.Check(receipt: receipt, batch, keys: made.keys.map { $0 ?? none })
        if !check.namesItsKeys {
            // Answered without a look at the addresses: the receipt is about no keys.
            check.keys = addresses.map { _ in none }
        }
        return check
    }

    private func print(_ answer: CheckAnswer, _ error: RefusalNote?, position: Int) {
        let decision =
            answer.isAllowed ? "allow" : answer.decision == .indeterminate ? "indeterminate" : "deny"
        let reason = error.map { Names.refusal($0.code) } ?? Names.reason(answer.reasonCode)
        if connection.json {
            printLine(
                .members([
                    "position": .integer(Int64(position)), "decision": .string(decision),
                    "reason": .string(reason),
                    "code": .unsigned(UInt64(answer.reasonCode)), "validUntil": .time(answer.validUntil),
                    "sequence": .unsigned(answer.sequence), "now": .time(answer.now),
                ]))
        } else {
            Terminal.output(
                "\(position)\t\(decision)\t\(reason)\t\(answer.validUntil.text)\t\(answer.sequence)\n")
        }
    }
}

struct ExplainCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Why is the answer what it is? With the events that decide it.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var cell: CellOptions
    @OptionGroup var who: SubjectOptions

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let channel: Channel = try named(cell.channel, "--channel", Names.channel)
        let explanation = try await client.explain(
            try cell.question(catalogue), try who.subject().kinded(channel))
        try report(explanation, catalogue, json: connection.json)
    }
}

struct KeysCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Recipient keys of addresses, to be stored in their place.",
        discussion: "A line each, separated by tabs: position (from 1), key (or a dash), epoch or the reason."
    )
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Code of the controller.", valueName: "code")) var controller: String
    @OptionGroup var language: LanguageOptions
    @Option(help: "email, phone or opaque (default: email for addresses with @, else phone).") var kind:
        String?
    @OptionGroup var who: SubjectOptions

    func validate() throws { if let kind { _ = try named(kind, "--kind", Names.contactKind) as ContactKind } }

    func run(_ client: ConsentClient) async throws {
        guard case .contacts(let contacts) = try who.subject(mayBeSeveral: true) else {
            throw CommandFailure(.usage, "keys are made from addresses, not from a reference")
        }
        let controller = try await CatalogueView(client).controller(controller)
        let stated = try kind.map { try named($0, "--kind", Names.contactKind) as ContactKind }
        var lines: [(key: RecipientKey?, epoch: UInt16, note: RefusalNote?)] = Array(
            repeating: (nil, 0, nil), count: contacts.count)
        for kind in ContactKind.allCases {
            let positions = contacts.indices.filter {
                (stated ?? (contacts[$0].address.contains("@") ? .email : .phone)) == kind
            }
            for start in stride(from: 0, to: positions.count, by: 1_000) {
                let part = Array(positions[start..<min(start + 1_000, positions.count)])
                let keys = try await client.keys(
                    of: part.map { contacts[$0].address }, controller: controller, kind: kind)
                for (index, position) in part.enumerated() {
                    lines[position] = (keys.keys[index], keys.epoch, keys.errors[index])
                }
            }
        }
        for (index, line) in lines.enumerated() { print(line, position: index + 1) }
        if lines.contains(where: { $0.key == nil }) { throw CommandFailure(.badData) }
    }

    private func print(_ line: (key: RecipientKey?, epoch: UInt16, note: RefusalNote?), position: Int) {
        let key = line.key.map { $0.bytes.hexadecimal }
        if connection.json {
            printLine(
                .members([
                    "position": .integer(Int64(position)), "key": .optional(key),
                    "epoch": .unsigned(UInt64(line.epoch)),
                    "error": .optional(line.note?.sentence(locale: language.sentences)),
                ]))
        } else {
            let note = line.note?.sentence(locale: language.sentences)
            Terminal.output("\(position)\t\(key ?? "-")\t\(note ?? String(line.epoch))\n")
        }
    }
}
