// verify: proof files, receipts and heads, offline.
//
// Invariant: nothing is called proven but what follows from the given public keys.

import ArgumentParser
import ConsentClient
import ConsentDomain
import ConsentProof

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Verifies what the register handed over, offline, with the log's public key alone.",
        discussion: """
            The file tells what it is: from proof --out, check --receipt, head --out, export, dump or journal. \
            Of two heads, the older one first, it shows that the newer log extends the older one. Names the \
            first thing that is wrong, with exit status 1. After a rotation of the log key give the old key \
            too: --key may be repeated.

            Of an export or a dump, the log's tree proves each event: that it is in the log under the head, \
            and that its words and its personal part are those that were recorded. That no event was left \
            out cannot follow from a tree of which most leaves are others': it is attested by the signature \
            at the end, as are the preferences of an export. A journal rests on its signature alone.
            """)
    @Argument(help: ArgumentHelp("File to verify; two for two heads.", valueName: "file")) var files: [String]
    @Option(
        name: .customLong("key"),
        help: ArgumentHelp("The log's public key (log.pub); may be repeated.", valueName: "file"))
    var keys: [String]
    @Flag(help: "Also show that the event is about the address on stdin.") var addressStdin = false
    @Option(help: "Region whose national phone numbers are understood, two letters.") var region: String?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        if let region, PhoneRegion(code: region.uppercased()) == nil {
            throw ValidationError(
                "--region \"\(region)\" is not known; write the number with + and its country code")
        }
        if keys.isEmpty { throw ValidationError("name the log's public key: --key log.pub") }
        if files.count > 2 { throw ValidationError("name one file, or two heads") }
    }

    func run() throws {
        let publicKeys = try keys.map(Self.publicKey)
        do {
            var lines = LineReader(try InputFile(files[0]))
            let first = try lines.next() ?? []
            if files.count == 1, LineVerifier.takes(firstLine: first) {
                return try verify(first, &lines, publicKeys)
            }
            var contents = [try lines.rest(after: first)]
            if files.count == 2 { contents.append(try Files.readAll(files[1])) }
            let documents = try zip(files, contents).map { try Self.document($0, $1) }
            if documents[0].elements != nil {
                throw CommandFailure(
                    .badData,
                    "\(files[0]) is a list: consent receipts carry no proof; export --format json does")
            }
            let formats = documents.map { $0["format"]?.text }
            if files.count == 2 || formats[0] == HeadFile.format {
                try verifyHeads(try documents.map { try HeadFile(parsing: $0) }, publicKeys)
            } else if addressStdin, formats[0] != ProofFile.format {
                throw CommandFailure(
                    .usage, "--address-stdin goes with a proof: consentctl keys gives the key of an address")
            } else if documents[0]["export"] != nil {
                print(try ExportFile.verify(documents[0], keys: publicKeys), .export)
            } else if formats[0] == ReceiptFile.format {
                let file = try ReceiptFile(parsing: documents[0])
                print(file, try file.verify(keys: publicKeys))
            } else {
                try verifyProof(try ProofFile(parsing: contents[0]), publicKeys)
            }
        } catch let failure as ProofFailure {
            var isUnreadable = false
            if case .notAProof = failure { isUnreadable = true }
            throw failed("\(failure)", isUnreadable)
        } catch let failure as VerificationFailure {
            throw failed("\(failure)", failure.isUnreadable)
        }
    }

    private func failed(_ why: String, _ isUnreadable: Bool) -> CommandFailure {
        if json { printLine(.members(["valid": .bool(false), "failure": .string(why)])) }
        return isUnreadable
            ? CommandFailure(.badData, why) : CommandFailure(.denied, "NOT proven: \(why)")
    }

    private static func publicKey(_ path: String) throws -> LogPublicKey {
        do {
            return try LogPublicKey(pem: String(decoding: try Files.readAll(path), as: UTF8.self))
        } catch let error as ProofError {
            throw CommandFailure(.badData, "\(path): \(error)")
        }
    }

    private static func document(_ path: String, _ content: [UInt8]) throws -> JSON {
        do throws(JSONError) {
            return try JSON(parsing: content)
        } catch {
            throw CommandFailure(.badData, "\(path): \(error)")
        }
    }

    // MARK: Heads

    private func verifyHeads(_ heads: [HeadFile], _ publicKeys: [LogPublicKey]) throws {
        guard let newest = heads.last else { return }
        if heads.count == 2 {
            try heads[0].verify(extendedBy: heads[1], keys: publicKeys)
        } else {
            try newest.verify(keys: publicKeys)
        }
        if json {
            return printDocument(
                .members([
                    "valid": .bool(true), "head": ProofFile.json(newest.head),
                    "extends": heads.count == 2 ? .unsigned(heads[0].head.treeSize) : .null,
                ]))
        }
        Terminal.output("Proven:\n\n")
        var facts = Facts()
        facts.add("log head", "\(newest.head.treeSize) events, root \(newest.head.root.bytes.hexadecimal)")
        facts.add("signed at", Timestamp(microseconds: newest.head.time).rfc3339)
        if heads.count == 2 {
            facts.add(
                "extends",
                "the log of \(heads[0].head.treeSize) events, signed at "
                    + Timestamp(microseconds: heads[0].head.time).rfc3339)
            if heads[0].head.incarnation != newest.head.incarnation {
                facts.add("restored", "the register was restored from a backup in between")
            }
        } else if newest.since > 0 {
            facts.add("extends", "not compared: give the head of \(newest.since) events too")
        }
        facts.print()
    }

    // MARK: Receipts

    private func print(_ file: ReceiptFile, _ receipts: [CheckReceipt]) {
        if json {
            let checks = zip(file.checks, receipts).map { check, receipt -> JSON in
                .members([
                    "sequence": .unsigned(receipt.sequence),
                    "time": .time(Timestamp(microseconds: receipt.time)),
                    "controller": .unsigned(UInt64(receipt.controller)),
                    "channel": .optional(Channel(rawValue: receipt.channel).map(Names.channel)),
                    "purpose": .unsigned(UInt64(receipt.purpose)), "count": .unsigned(UInt64(receipt.count)),
                    "allowed": .integer(Int64(check.keys.indices.count { check.isAllowed($0) })),
                ])
            }
            return printDocument(.members(["valid": .bool(true), "checks": .array(checks)]))
        }
        Terminal.output("Proven:\n")
        for (check, receipt) in zip(file.checks, receipts) {
            Terminal.output("\n")
            var facts = Facts()
            facts.add("answered at", Timestamp(microseconds: receipt.time).rfc3339)
            facts.add("sequence", "\(receipt.sequence)")
            facts.add("controller", "number \(receipt.controller)")
            facts.add(
                "channel", Channel(rawValue: receipt.channel).map(Names.channel) ?? "\(receipt.channel)")
            facts.add("purpose", "number \(receipt.purpose)")
            facts.add(
                "allowed", "\(check.keys.indices.count { check.isAllowed($0) }) of \(receipt.count)")
            facts.print()
            Terminal.output("\n")
            for (position, key) in check.keys.enumerated() {
                let reason = check.reasons.isEmpty ? "-" : Names.reason(check.reasons[position])
                let decision = check.isAllowed(position) ? "allow" : "deny"
                Terminal.output("\(position + 1)\t\(key.bytes.hexadecimal)\t\(decision)\t\(reason)\n")
            }
        }
    }

    // MARK: Proofs

    private func verifyProof(_ proof: ProofFile, _ publicKeys: [LogPublicKey]) throws {
        var address: String?
        if addressStdin {
            guard let line = try Terminal.inputLines().first else {
                throw CommandFailure(.usage, "--address-stdin: there is no address on stdin")
            }
            address = line
        }
        let key = publicKeys.first { $0.keyID == proof.head.keyID } ?? publicKeys[0]
        print(
            try proof.verify(
                key: key, address: address, region: region.flatMap { PhoneRegion(code: $0.uppercased()) }),
            proof)
    }

    private func print(_ proven: ProvenEvent, _ proof: ProofFile) {
        let event = proven.event
        let purposes = event.purposes.isAll ? ["all"] : event.purposes.named.map { String($0.rawValue) }
        if json {
            return printDocument(
                .members([
                    "valid": .bool(true), "sequence": .unsigned(event.sequence),
                    "kind": .string(Names.kind(event.kind.rawValue)),
                    "controller": .unsigned(UInt64(event.controller.rawValue)),
                    "channels": .strings(names(event.channels)), "purposes": .strings(purposes),
                    "occurredAt": .time(event.occurredAt), "recordedAt": .time(event.recordedAt),
                    "notice": .id(event.notice), "wording": .optional(proven.notice?.text),
                    "personalPart": .bool(event.personal != nil), "address": .bool(proven.isAddressProven),
                    "head": ProofFile.json(proof.head),
                ]))
        }
        Terminal.output("Proven:\n\n")
        var facts = Facts()
        facts.add(
            "event",
            "\(event.sequence), \(Names.kind(event.kind.rawValue)), in a log of \(proof.head.treeSize)")
        facts.add("controller", "number \(event.controller.rawValue)")
        if !event.channels.isEmpty { facts.add("channels", names(event.channels).joined(separator: ", ")) }
        if !purposes.isEmpty {
            let word = purposes.count == 1 ? "number " : "numbers "
            facts.add("purposes", word + purposes.joined(separator: ", "))
        }
        facts.add("occurred at", event.occurredAt.rfc3339)
        facts.add("recorded at", event.recordedAt.rfc3339)
        if event.act != .none { facts.add("act", Names.act(event.act)) }
        facts.add("log head", "signed at \(Timestamp(microseconds: proof.head.time).rfc3339)")
        facts.add(
            "address",
            proven.isAddressProven
                ? "the one on stdin"
                : event.personal == nil ? "erased or none" : "not compared (--address-stdin)")
        facts.print()
        if let notice = proven.notice {
            Terminal.output("\nThe person was shown (\(notice.locale)):\n\(notice.text)\n")
        }
    }
}
