// Goal: no address is in any place that outlives the request that brought it: files of the register, backup,
// logs, probes, metrics, error texts, what passes on the network, what a crash leaves behind.
// Method: a real daemon that logs all it can, with TLS, behind a relay that keeps what passes; addresses
// found nowhere else go in through every door and with every mistake; then every place is searched for them
// in every spelling. What is kept on purpose, references and names of staff, must be found before the erasure
// and not after it. Planted: the same search over the same places, each with a canary written into it.

import ConsentClient
import Foundation
import TestRandomness
import TestSupport
import Testing

@Suite struct CanaryTests {
    /// A daemon with TLS that logs all it can into a file, and may leave cores in a folder.
    struct Home {
        let folder: TemporaryFolder
        let certificates: TestCertificates
        let program: ProgramUnderTest
        let address: String

        var state: String { folder.file("state") }
        var log: String { folder.file("log") }
        /// Where the daemon runs.
        var crash: String { folder.file("crash") }

        init(_ arguments: [String] = [], environment: [String: String] = [:]) throws {
            folder = try TemporaryFolder()
            certificates = try TestCertificates(in: folder.file("certs"))
            try FileManager.default.createDirectory(
                atPath: folder.file("crash"), withIntermediateDirectories: false)
            program = try ProgramUnderTest(
                "consentd",
                [
                    "serve", "--state-dir", folder.file("state"), "--init", "--test-register", "--listen",
                    "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "trace", "--tls-cert",
                    certificates.file("server.pem"), "--tls-key", certificates.file("server.key"),
                    "--client-ca", certificates.file("ca.pem"),
                ] + arguments, environment: environment,
                prelude: """
                    exec 2>'\(folder.file("log"))' && ulimit -c unlimited && cd '\(folder.file("crash"))'
                    """)
            let line = try #require(program.readLine())
            address = String(line.dropFirst("listening on ".count))
        }

        /// Where probes and metrics are, as the log says.
        func admin() throws -> String {
            let text = try String(contentsOfFile: log, encoding: .utf8)
            let field = try #require(text.firstRange(of: "admin="))
            return String(text[field.upperBound...].prefix { $0 != " " })
        }

        /// Files that a crash left.
        var cores: [String] { (try? FileManager.default.contentsOfDirectory(atPath: crash)) ?? [] }
    }

    /// Whether this system writes cores into the folder in which a program runs.
    static var coresAreFiles: Bool {
        let pattern = (try? String(contentsOfFile: "/proc/sys/kernel/core_pattern", encoding: .utf8)) ?? "|"
        return pattern.first.map { $0 != "|" && $0 != "/" && $0 != "\n" } ?? false
    }

    @Test func noAddressIsLeftAnywhere() async throws {
        // A report of the runtime would be asked for too.
        let home = try Home(environment: ["SWIFT_BACKTRACE": "enable=yes"])
        let relay = try RecordingRelay(to: home.address)
        let doors = try await CanaryDoors(home, through: relay.address)
        let state = home.state
        await doors.knock()
        try await doors.type()
        try await doors.shout()
        try probe(home, &doors.places)
        let early = home.folder.file("early-backup.db")
        try await doors.backup(to: early)
        doors.places.paths += [state, home.log, early, home.crash]
        let captured = relay.captured
        doors.places.note("network, towards the server", captured.towardsServer)
        doors.places.note("network, towards the client", captured.towardsClient)
        #expect(captured.towardsServer.count > 100_000 && captured.towardsClient.count > 100_000)
        try expectNothing(doors.places)

        // Kept on purpose: found in the register, and in nothing else that is written.
        await doors.leaveTexts()
        let kept = try doors.places.search()
        #expect(kept.contains { $0.hasPrefix(state) }, "the search does not find what is there")
        #expect(kept.allSatisfy { $0.hasPrefix(state + "/register.db") }, "\(kept)")
        await doors.erase()
        let late = home.folder.file("late-backup.db")
        try await doors.backup(to: late)
        doors.places.paths.append(late)
        try probe(home, &doors.places)
        try expectNothing(doors.places)

        // The memory is full of them now. A crash leaves none.
        await doors.knock()
        home.program.signal(SIGABRT)
        let end = await home.program.finished()
        #expect(end.code == -SIGABRT)
        doors.places.note("standard output", end.output.utf8)
        await doors.client.close()
        #expect(home.cores == [])
        let log = try String(contentsOfFile: home.log, encoding: .utf8)
        #expect(log.contains("audit=") && log.contains("serving") && !log.contains("Backtrac"))
        try expectNothing(doors.places)

        try await leaveASnapshot(home, doors.salon)
        #expect(FileManager.default.fileExists(atPath: state + "/index.snapshot"))
        try expectNothing(doors.places)
        try plant(doors.places)
        let bytes = captured.towardsServer.count + captured.towardsClient.count
        let places = doors.places.texts.count + doors.places.files.count
        print("canary: \(places) places in \(Canary.spellings.count) spellings, \(bytes) bytes of TLS: none")
    }

    private func expectNothing(
        _ places: CanaryPlaces, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let findings = try places.search()
        #expect(findings == [], sourceLocation: sourceLocation)
    }

    /// What the probes say, also to those who ask for what there is not.
    private func probe(_ home: Home, _ places: inout CanaryPlaces) throws {
        let admin = try home.admin()
        let address = Canary.emails[0]
        for request in [
            "GET /metrics", "GET /readyz", "GET /livez", "GET /metrics?of=\(address)", "GET /\(address)",
            "POST /\(address)", "\(address)",
        ] {
            let socket = try RawSocket(admin)
            socket.send(Array("\(request) HTTP/1.1\r\nHost: \(address)\r\n\r\n".utf8))
            var answer: [UInt8] = []
            while let byte = socket.receive(1) { answer += byte }
            places.note("HTTP", answer)
            if request == "GET /metrics" { #expect(answer.count > 1_000) }
        }
    }

    /// Starts the daemon anew, with as many contact points as a snapshot of the index is made for.
    private func leaveASnapshot(_ home: Home, _ salon: Salon) async throws {
        let daemon = try DaemonUnderTest(stateFolder: home.state)
        let rows = home.folder.file("many.csv")
        try ImportFile(salon).write(100_000, to: rows)
        let done = try await ProgramUnderTest(
            "consentctl",
            [
                "import", rows, "--quiet", "--server", daemon.address, "--token-file",
                home.state + "/admin.token",
            ]
        ).finished()
        #expect(done.code == 0, "\(done.errors)")
        daemon.program.signal(SIGTERM)
        #expect(await daemon.program.finished().code == 0)
    }

    // MARK: Planted faults

    /// The same search, with a canary in each place in turn.
    private func plant(_ places: CanaryPlaces) throws {
        var turn = 0
        func next() -> Canary.Spelling {
            turn += 1
            return Canary.spellings[turn * 31 % Canary.spellings.count]
        }
        for (place, data) in places.texts {
            var planted = CanaryPlaces()
            let spelling = next()
            planted.note(place, data + spelling.bytes)
            #expect(try planted.search().contains { $0.hasPrefix(place) }, "\(spelling.name) in \(place)")
        }
        for file in places.files {
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
            let spelling = next()
            // In the middle; nobody reads these files any more.
            try handle.seek(toOffset: try handle.seekToEnd() / 2)
            try handle.write(contentsOf: spelling.bytes)
            try handle.close()
            var planted = CanaryPlaces()
            planted.paths = [file]
            #expect(try planted.search().contains { $0.hasPrefix(file) }, "\(spelling.name) in \(file)")
        }
    }

    @Test func everySpellingIsFound() {
        var random = SeededGenerator(seed: 5)
        let noise = (0..<4_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        #expect(Canary.found(in: Data(noise)) == [])
        for spelling in Canary.spellings {
            let place = random.below(noise.count)
            let data = Data(noise[..<place] + spelling.bytes + noise[place...])
            #expect(Canary.found(in: data).contains(spelling.name), "\(spelling.name)")
        }
        for address in Canary.emails + Canary.phones {
            for text in [address, address.uppercased(), Data(address.utf8).base64EncodedString()] {
                #expect(Canary.found(in: Data(text.utf8)) != [], "\(text)")
            }
        }
    }

    @Test func aRelayShowsWhatIsPlain() async throws {
        let folder = try TemporaryFolder()
        let daemon = try DaemonUnderTest(stateFolder: folder.file("state"), ["--init"])
        let relay = try RecordingRelay(to: daemon.address)
        let client = try await ConsentClient.connect(to: relay.address)
        _ = await client.checkBatch(
            CheckQuestion(
                controller: ControllerID(rawValue: 7), channel: .email,
                purpose: try #require(PurposeID(rawValue: 3))), addresses: Canary.emails)
        #expect(Canary.found(in: relay.captured.towardsServer) != [])
        await client.close()
        daemon.program.signal(SIGTERM)
        #expect(await daemon.program.finished().code == 0)
    }

    /// What `--crash-dumps` lets through is what is found missing without it.
    @Test(.enabled(if: coresAreFiles, "cores go to a program or to another folder here"))
    func aCoreThatIsAllowedHoldsAddresses() async throws {
        let home = try Home(["--crash-dumps"], environment: ["SWIFT_BACKTRACE": "enable=no"])
        let doors = try await CanaryDoors(home)
        _ = await doors.client.checkBatch(doors.salon.question(.email), addresses: Canary.emails)
        home.program.signal(SIGABRT)
        #expect(await home.program.finished().code == -SIGABRT)
        await doors.client.close()
        #expect(home.cores.count == 1)
        var places = CanaryPlaces()
        places.paths = [home.crash]
        #expect(try places.search() != [], "the search does not find what is in a core")
    }

    /// So is the report of the runtime, which shows registers and the memory that they point to.
    @Test func aReportThatIsAllowedShowsRegisters() async throws {
        let home = try Home(
            ["--crash-dumps"],
            environment: ["SWIFT_BACKTRACE": "enable=yes,threads=crashed,symbolicate=off,images=none"])
        home.program.signal(SIGABRT)
        var report = ""
        for _ in 0..<600 where !report.contains("rip") && !report.contains("pc ") {
            try await Task.sleep(for: .milliseconds(100))
            report = try String(contentsOfFile: home.log, encoding: .utf8)
        }
        #expect(report.contains("Registers:"), "\(report)")
        home.program.signal(SIGKILL)
        _ = await home.program.finished()
    }
}
