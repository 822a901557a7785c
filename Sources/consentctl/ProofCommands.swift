// proof, verify, head: what the register can prove.

import ArgumentParser
import ConsentClient
import ConsentDomain
import ConsentProof

struct ProofCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "proof", abstract: "Proof of one event: its exact wording, and that the log holds it.",
        discussion:
            "By --event, or the newest grant of an address. The file verifies offline: consentctl verify.")
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Sequence of the event.", valueName: "seq")) var event: UInt64?
    @Option(help: ArgumentHelp("Code of the controller (with an address).", valueName: "code"))
    var controller: String?
    @Option(help: "Channel (with an address; default: any).") var channel: String?
    @Option(help: ArgumentHelp("Purpose (with an address; default: any).", valueName: "code")) var purpose:
        String?
    @Option(help: ArgumentHelp("File to write the proof to.", valueName: "file")) var out: String?
    @OptionGroup var who: SubjectOptions

    func validate() throws {
        if let channel { _ = try named(channel, "--channel", Names.channel) as Channel }
        if event == 0 { throw ValidationError("--event is a sequence from 1") }
        if event == nil && controller == nil {
            throw ValidationError("name the event: --event SEQ, or --controller CODE and an address")
        }
    }

    func run(_ client: ConsentClient) async throws {
        let catalogue = try await CatalogueView(client)
        let proof = try await client.proof(of: try subject(catalogue))
        let file = ProofFile(proof).json(event: json(proof.event, catalogue))
        if let out { try OutputFile.write(file.pretty + "\n", to: out) }
        if connection.json { return printDocument(file) }
        var facts = Facts()
        facts.add("event", String(proof.event.sequence))
        facts.add("kind", Names.kind(proof.event.kindCode))
        facts.add("controller", catalogue.name(proof.event.controller))
        if !proof.event.channels.isEmpty {
            facts.add("channels", names(proof.event.channels).joined(separator: ", "))
        }
        if !proof.event.purposes.isEmpty {
            facts.add("purposes", catalogue.names(proof.event.purposes).joined(separator: ", "))
        }
        facts.add("occurred at", proof.event.occurredAt.rfc3339)
        facts.add("recorded at", proof.event.recordedAt.rfc3339)
        if let act = proof.event.act, act != .none { facts.add("act", Names.act(act)) }
        if let notice = proof.event.notice { facts.add("notice", notice.bytes.hexadecimal) }
        facts.add("log head", "\(proof.head.treeSize) events, root \(proof.head.root.bytes.hexadecimal)")
        facts.add("path", "\(proof.path.count) hashes")
        facts.print()
        let wording = (try? Notice(decoding: proof.notice))?.text ?? ""
        if !wording.isEmpty { Terminal.output("\nThe person was shown:\n\(wording)\n") }
        if let out { Terminal.error("written to \(out)\n") }
    }

    private func subject(_ catalogue: CatalogueView) throws -> ConsentClient.ProofSubject {
        if let event { return .event(event) }
        let channel = try channel.map { try named($0, "--channel", Names.channel) as Channel }
        return .newestGrant(
            try catalogue.controller(controller ?? ""), try who.subject(), channel,
            try purpose.map(catalogue.purpose))
    }
}

struct HeadCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "head", abstract: "A signed head of the log, to be published or kept elsewhere.")
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Also prove that the log of this size is a prefix.", valueName: "size"))
    var since: UInt64 = 0
    @Option(help: ArgumentHelp("The last head that was kept until then, not a new one.", valueName: "time"))
    var kept: String?
    @Option(help: ArgumentHelp("File to write the head to.", valueName: "file")) var out: String?

    func validate() throws { _ = try time(kept, "--kept") }

    func run(_ client: ConsentClient) async throws {
        let head = try await client.head(since: since, keptUntil: try time(kept, "--kept"))
        let document = HeadFile(head, since: since).json
        if let out { try OutputFile.write(document.pretty + "\n", to: out) }
        if connection.json { return printDocument(document) }
        var facts = Facts()
        facts.add("tree size", String(head.head.treeSize))
        facts.add("root", head.head.root.bytes.hexadecimal)
        facts.add("time", Timestamp(microseconds: head.head.time).rfc3339)
        facts.add("incarnation", head.head.incarnation.hexadecimal)
        facts.add("key id", head.head.keyID.hexadecimal)
        facts.add("signature", head.head.signature.hexadecimal)
        facts.print()
        for hash in head.consistency { Terminal.output("consistency \(hash.hexadecimal)\n") }
        if let out { Terminal.error("written to \(out)\n") }
    }
}
