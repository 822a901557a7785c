// verify, of files of many events: exports, dumps and journals. Lines are read one at a time.

import ConsentClient
import ConsentDomain
import ConsentProof

extension VerifyCommand {
    /// A file of many events.
    enum EventFile: String {
        case export, dump, journal
    }

    /// Verifies a file of JSON lines, of which the first has been read.
    func verify(_ first: [UInt8], _ rest: inout LineReader, _ publicKeys: [LogPublicKey]) throws {
        guard !addressStdin else { throw CommandFailure(.usage, "--address-stdin goes with a proof") }
        var verifier = LineVerifier(keys: publicKeys)
        try verifier.take(first)
        while let line = try rest.next() { try verifier.take(line) }
        let summary = try verifier.finish()
        print(summary, summary.controller == nil ? .journal : .dump)
    }

    func print(_ summary: VerifiedEvents, _ file: EventFile) {
        let head = summary.head
        if json {
            return printDocument(
                .members([
                    "valid": .bool(true), "file": .string(file.rawValue),
                    "controller": .optional(summary.controller?.code),
                    "events": .unsigned(summary.eventCount),
                    "erased": .unsigned(summary.erasedCount), "completeness": .string("attested"),
                    "head": ProofFile.json(head),
                ]))
        }
        Terminal.output(file == .journal ? "Attested by the register's signature:\n\n" : "Proven:\n\n")
        var facts = Facts()
        facts.add("file", file.rawValue)
        if let controller = summary.controller {
            facts.add("controller", "\(controller.name) (\(controller.code))")
        }
        facts.add(
            "events",
            file == .journal
                ? "\(summary.eventCount), each with the parts that its leaf commits to"
                : "\(summary.eventCount), each in the log, with the words and the parts that were recorded")
        if summary.erasedCount > 0 {
            facts.add("erased", "\(summary.erasedCount) of them: what was recorded about the person is gone")
        }
        facts.add("log head", "\(head.treeSize) events, root \(head.root.bytes.hexadecimal)")
        facts.add("signed at", Timestamp(microseconds: head.time).rfc3339)
        facts.print()
        switch file {
        case .export:
            Terminal.output(
                "\nAttested by the register's signature, not proven by the log: that these are all events about "
                    + "the person up to event \(head.treeSize), and the preferences.\n")
        case .dump:
            Terminal.output(
                "\nAttested by the register's signature, not proven by the log: that these are all events of "
                    + "the controller up to event \(head.treeSize).\n")
        case .journal: break
        }
    }
}

/// Lines of a file, without their ends, in memory of the longest one.
struct LineReader: ~Copyable {
    private let file: InputFile
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false

    init(_ file: InputFile) { self.file = file }

    /// The next line; nil at the end.
    mutating func next() throws -> [UInt8]? {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                defer { position = end + 1 }
                return Array(buffer[position..<end])
            }
            searched = buffer.count
            guard !isAtEnd else {
                defer { position = buffer.count }
                return position < buffer.count ? Array(buffer[position...]) : nil
            }
            let piece = try file.next()
            isAtEnd = piece.isEmpty
            searched -= position
            buffer.removeSubrange(..<position)
            position = 0
            buffer += piece
        }
    }

    /// All that is left, behind a line that was read.
    mutating func rest(after line: [UInt8]) throws -> [UInt8] {
        var bytes = line + [0x0A] + buffer[position...]
        while true {
            let piece = try file.next()
            if piece.isEmpty { return bytes }
            bytes += piece
        }
    }
}
