// watch, stats, wait, backup: the server itself.

import ArgumentParser
import ConsentClient

struct WatchCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Prints changes as they happen, until interrupted.")
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("Begin after this sequence (default: now).", valueName: "seq")) var from:
        UInt64?
    @Option(help: ArgumentHelp("Only this controller.", valueName: "code")) var controller: String?
    @Option(help: ArgumentHelp("End after this many changes.", valueName: "n")) var count: Int?
    @Flag(help: "Also print heartbeats.") var heartbeats = false

    func run(_ client: ConsentClient) async throws {
        var catalogue = try await CatalogueView(client)
        let after = from ?? client.server?.sequence ?? 0
        let only = try controller.map(catalogue.controller)
        var left = count ?? .max
        for try await change in client.watch(from: WatchPosition(after: after), controller: only) {
            if change.isHeartbeat {
                if heartbeats { printHeartbeat(change) }
                continue
            }
            if let kind = change.event?.kind, kind.isCatalogue { catalogue = try await CatalogueView(client) }
            printChange(change, catalogue)
            left -= 1
            if left <= 0 { return }
        }
    }

    private func printHeartbeat(_ change: WatchChange) {
        if connection.json {
            printLine(.members(["sequence": .unsigned(change.sequence), "heartbeat": .bool(true)]))
        } else {
            Terminal.output("\(change.sequence)\tcomplete\n")
        }
    }

    private func printChange(_ change: WatchChange, _ catalogue: CatalogueView) {
        guard let event = change.event else {
            if connection.json {
                printLine(.members(["sequence": .unsigned(change.sequence), "erased": .bool(true)]))
            } else {
                Terminal.output("\(change.sequence)\terased\n")
            }
            return
        }
        if connection.json { return printLine(json(event, catalogue)) }
        let cells = [
            String(change.sequence), event.recordedAt.rfc3339, Names.kind(event.kindCode),
            catalogue.name(event.controller), names(event.channels).joined(separator: ","),
            catalogue.names(event.purposes).joined(separator: ","),
        ]
        Terminal.output(cells.map { $0.isEmpty ? "-" : $0 }.joined(separator: "\t") + "\n")
    }
}

struct StatsCommand: ClientCommand {
    static let configuration = CommandConfiguration(commandName: "stats", abstract: "Counts of the server.")
    @OptionGroup var connection: ConnectionOptions

    func run(_ client: ConsentClient) async throws {
        let stats = try await client.stats()
        let values: [(String, String, JSON)] = [
            ("state", "state", .string(Names.serving(stats.state))),
            ("sequence", "sequence", .unsigned(stats.sequence)),
            ("incarnation", "incarnation", .string(stats.incarnation.hexadecimal)),
            ("recipients", "recipients", .unsigned(stats.recipients)),
            ("events", "events", .unsigned(stats.events)),
            ("profiles", "profiles", .unsigned(stats.profiles)),
            ("index bytes", "indexBytes", .unsigned(stats.indexBytes)),
            ("on huge pages", "hugePageBytes", .unsigned(stats.hugePageBytes)),
            ("WAL bytes", "walBytes", .unsigned(stats.walBytes)),
            ("uptime, s", "uptimeSeconds", .double(Self.seconds(stats.uptime))),
            ("start, s", "startSeconds", .double(Self.seconds(stats.startTime))),
            ("connections", "connections", .unsigned(stats.connections)),
            ("checks", "checks", .unsigned(stats.checks)), ("allowed", "allows", .unsigned(stats.allows)),
            ("writes", "writes", .unsigned(stats.writes)), ("refused", "refusals", .unsigned(stats.refusals)),
            ("commits", "commits", .unsigned(stats.commits)),
            ("rejected frames", "rejectedFrames", .unsigned(stats.rejectedFrames)),
            ("derived up to", "derivedSequence", .unsigned(stats.derivedSequence)),
            ("CPU, s", "cpuSeconds", .double(Self.seconds(stats.cpuTime))),
            ("resident bytes", "residentBytes", .unsigned(stats.residentBytes)),
            ("test register", "testRegister", .bool(stats.isTestRegister)),
            ("loops", "loops", .unsigned(UInt64(stats.loops))),
            ("version", "version", .string(stats.version)),
            (
                "events a commit", "eventsPerCommit",
                .double(stats.commits == 0 ? 0 : Double(stats.writes) / Double(stats.commits))
            ),
            ("staging, s", "stageSeconds", .double(Self.seconds(stats.stageTime))),
            ("committing, s", "commitSeconds", .double(Self.seconds(stats.commitTime))),
            ("publishing, s", "publishSeconds", .double(Self.seconds(stats.publishTime))),
            ("derived rows, s", "flushSeconds", .double(Self.seconds(stats.flushTime))),
            ("snapshot up to", "snapshotSequence", .unsigned(stats.snapshotSequence)),
        ]
        if connection.json {
            return printDocument(.object(values.map { JSON.Member(key: $0.1, value: $0.2) }))
        }
        var facts = Facts()
        for (name, _, value) in values { facts.add(name, value.text ?? value.line) }
        facts.print()
    }

    private static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds / 1_000_000_000_000) / 1e6
    }
}

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Waits until the server serves.",
        discussion: "Gives up after --timeout (default 60s) with exit status 69.")
    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Wait until the server answers checks.") var ready = false

    func validate() throws {
        guard ready else { throw ValidationError("say what to wait for: --ready") }
    }

    func run() async throws {
        let limit = try duration(connection.timeout, "--timeout") ?? .seconds(60)
        let end = ContinuousClock.now + limit
        var last = "nothing answered"
        var (address, configuration) = try connection.client()
        configuration.timeout = .seconds(2)
        while ContinuousClock.now < end {
            do {
                configuration.connectTimeout = min(.seconds(5), end - .now)
                let client = try await ConsentClient.connect(to: address, configuration: configuration)
                let health = try await client.health()
                await client.close()
                if health.state == .serving {
                    if connection.json {
                        printLine(
                            .members([
                                "state": .string(Names.serving(health.state)),
                                "sequence": .unsigned(health.sequence),
                            ]))
                    }
                    return
                }
                last = "the server is \(Names.serving(health.state)): \(health.message)"
            } catch {
                if case .handshake = error { throw CommandFailure(error) }
                last = "\(error)"
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw CommandFailure(.unavailable, "not ready within \(limit): \(last)")
    }
}

struct BackupCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copies the register into a file that its owner alone can read.",
        discussion: "The file is read back and compared. Restore it with consentd restore.")
    @OptionGroup var connection: ConnectionOptions
    @Argument(help: ArgumentHelp("File to write; it is replaced.", valueName: "file")) var file: String

    func run(_ client: ConsentClient) async throws {
        var output = try OutputFile(file)
        var digest = RunningDigest()
        var size: UInt64 = 0
        var end: BackupChunk?
        var progress = Progress(unit: "bytes")
        for try await chunk in client.backup() {
            guard chunk.offset == size || (chunk.bytes.isEmpty && chunk.head != nil) else {
                throw CommandFailure(
                    .internalError, "a piece of the backup is missing at byte \(size): try again")
            }
            try output.write(chunk.bytes)
            digest.add(chunk.bytes)
            size += UInt64(chunk.bytes.count)
            progress.show(Int(size))
            if chunk.head != nil { end = chunk }
        }
        progress.end()
        guard let head = end?.head, end?.totalBytes == size else {
            throw CommandFailure(.unavailable, "the backup ended early at \(size) bytes: try again")
        }
        try output.finish()
        try compare(digest, size)
        if connection.json {
            return printLine(
                .members([
                    "file": .string(file), "bytes": .unsigned(size), "sequence": .unsigned(head.treeSize),
                    "incarnation": .string(head.incarnation.hexadecimal),
                ]))
        }
        var facts = Facts()
        facts.add("file", file)
        facts.add("bytes", String(size))
        facts.add("sequence", String(head.treeSize))
        facts.add("incarnation", head.incarnation.hexadecimal)
        facts.print()
    }

    /// Opens the file again and compares every byte's digest with what came over the wire.
    private func compare(_ written: RunningDigest, _ size: UInt64) throws {
        let input = try InputFile(file)
        var read = RunningDigest()
        var count: UInt64 = 0
        var isDatabase: Bool?
        while true {
            let bytes = try input.next()
            if bytes.isEmpty { break }
            if isDatabase == nil { isDatabase = bytes.starts(with: "SQLite format 3\0".utf8) }
            read.add(bytes)
            count += UInt64(bytes.count)
        }
        guard read == written, count == size, isDatabase == true else {
            throw CommandFailure(
                .internalError, "\(file) does not read back as it was written: check the disk")
        }
    }
}

/// FNV-1a over a stream of bytes: enough to notice that a file does not read back as it was written.
struct RunningDigest: Equatable {
    private var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ bytes: [UInt8]) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    }
}
