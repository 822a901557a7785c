// Goal: a backup holds what the register held, leaves nothing behind, and a register restored from it allows
// no marketing before somebody has accepted what may be missing.
// Method: the real programs on state folders that are copied as an operator would copy them.

import ConsentClient
import Foundation
import TestSupport
import Testing
import WireProtocol

@Suite struct BackupTests {
    /// A new folder with the key files of another.
    private func keys(of state: String, in path: String) throws -> String {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        for name in ["recipient.key", "log.key", "log.pub", "admin.token", "deployment.id"] {
            try FileManager.default.copyItem(atPath: "\(state)/\(name)", toPath: "\(path)/\(name)")
        }
        return path
    }

    private func stop(_ daemon: DaemonUnderTest) {
        daemon.program.signal(SIGTERM)
        let end = daemon.program.wait()
        #expect(end.code == 0, "\(end.errors)")
    }

    @Test func aRestoredRegisterAllowsNothingBeforeItsLossIsAccepted() async throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        var daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        let address = daemon.address
        let client = try await daemon.admin { $0.reconnectBase = .milliseconds(5) }
        let salon = try await Salon(client)
        _ = try await client.grant(
            salon.grant(["kept@example.fr", "+33612345678"], channels: [.email, .sms]))
        let file = folder.file("backup.db")
        let made = try ProgramUnderTest.run(
            "consentctl", ["backup", file, "--server", address, "--token-file", state + "/admin.token"])
        #expect(made.code == 0, "\(made.errors)")
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        // What comes after the backup is what a restore loses.
        _ = try await client.withdraw(salon.refusal("kept@example.fr"))
        let before = try await client.stats()
        stop(daemon)

        let restored = try keys(of: state, in: folder.file("restored"))
        let run = try ProgramUnderTest.run("consentd", ["restore", file, "--state-dir", restored])
        #expect(run.code == 0 && run.errors.contains("--accept-loss"), "\(run.errors)")
        // Never over a register that is there.
        #expect(try ProgramUnderTest.run("consentd", ["restore", file, "--state-dir", state]).code == 78)

        // The same address, another register: a client that knew the old one takes nothing from it.
        daemon = try DaemonUnderTest(stateFolder: restored, ["--listen", address])
        #expect(daemon.address == address)
        let answer = await client.check(salon.question(.email), .address("kept@example.fr"))
        #expect(!answer.isAllowed && answer.cause != nil)
        await #expect(throws: ConsentClientError.self) { _ = try await client.stats(timeout: .seconds(2)) }
        await client.close()

        let fresh = try await daemon.admin()
        let stats = try await fresh.stats()
        #expect(stats.incarnation != before.incarnation && stats.sequence < before.sequence)
        #expect(stats.state == .notServing)
        for channel in [Channel.email, .sms] {
            let question = salon.question(channel)
            let contact = Contact.address(channel == .email ? "kept@example.fr" : "+33612345678")
            let marketing = await fresh.check(question, contact)
            #expect(marketing.decision == .indeterminate && marketing.reason == .restored)
            #expect(await fresh.check(salon.question(channel, salon.reminders), contact).reason == .service)
        }
        let batch = await fresh.checkBatch(
            salon.question(.email), addresses: ["kept@example.fr", "a@example.fr"])
        #expect(batch.whole == .indeterminate && batch.allowedCount == 0)
        let preferences = try await fresh.preferences(
            controller: salon.controller, of: .contacts([WriteContact("kept@example.fr")]))
        #expect(
            preferences.contacts.first?.preferences.allSatisfy {
                $0.decision != .allow || $0.reason == .service
            } == true)
        // Refusals are taken all the same, and a watch from the old register is refused.
        #expect(try await fresh.withdraw(salon.refusal("other@example.fr")).status == .recorded)
        let frames = try FrameClient(address)
        let watch = try frames.ask(
            .watch, 1,
            Wire.WatchRequest(incarnation: Wire.Bytes16(before.incarnation) ?? Wire.Bytes16(), after: 1))
        #expect(watch.status == .failedPrecondition)
        await fresh.close()
        stop(daemon)

        // The loss of an earlier restore may be accepted later, once, and only there.
        func restore(_ arguments: [String]) throws -> Int32 {
            try ProgramUnderTest.run("consentd", ["restore"] + arguments).code
        }
        #expect(try restore(["--state-dir", restored, "--accept-loss"]) == 0)
        #expect(try restore(["--state-dir", restored, "--accept-loss"]) == 78)
        #expect(try restore(["--state-dir", state, "--accept-loss"]) == 78)
        #expect(try restore(["--state-dir", restored]) == 64)

        let accepted = try keys(of: state, in: folder.file("accepted"))
        let loss = try ProgramUnderTest.run(
            "consentd", ["restore", file, "--state-dir", accepted, "--accept-loss"])
        #expect(loss.code == 0, "\(loss.errors)")
        daemon = try DaemonUnderTest(stateFolder: accepted)
        let last = try await daemon.admin()
        #expect(try await last.stats().state == .serving)
        #expect(await last.check(salon.question(.email), .address("kept@example.fr")).reason == .consent)
        #expect(await last.check(salon.question(.sms), .address("+33612345678")).reason == .consent)
        #expect(await last.check(salon.question(.email), .address("nobody@example.fr")).reason == .noRecord)
        await last.close()
        stop(daemon)
    }

    @Test func backupsLeaveNothingBehind() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        func leftOvers() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: server.stateFolder).filter {
                $0.contains("backup")
            }
        }
        for part in 0..<3 {
            let rows = (0..<2_000).map { number in
                ImportRow(
                    kind: .withdraw, controller: salon.controller,
                    contacts: [WriteContact("bulk\(part)x\(number)@example.fr")])
            }
            #expect(try await client.importRows(rows).recorded == 2_000)
        }
        var size: UInt64 = 0
        var end: BackupChunk?
        for try await chunk in client.backup() {
            if chunk.head == nil { #expect(chunk.offset == size) }
            size += UInt64(chunk.bytes.count)
            if chunk.head != nil { end = chunk }
        }
        #expect(end?.totalBytes == size && size > 1 << 20)
        #expect(end?.head?.treeSize == (try await client.stats().sequence))
        #expect(try leftOvers() == [])

        // Cancelled at once, in the middle of the copy, and in the middle of the sending.
        let token = try String(contentsOfFile: server.stateFolder + "/admin.token", encoding: .utf8)
        let frames = try FrameClient(
            server.address, credential: Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8))
        for (stream, pause) in [(UInt32(1), 0), (2, 1), (3, 3), (4, 10), (5, 50)] {
            frames.call(.backup, stream, Wire.Empty())
            try await Task.sleep(for: .milliseconds(pause))
            frames.send(FrameClient.frame(.cancel, stream: stream))
            var last = try frames.answer(of: stream)
            while last.header.kind == .item { last = try frames.answer(of: stream) }
            #expect(last.header.kind == .end)
            #expect(try await client.withdraw(salon.refusal("after\(stream)@example.fr")).status == .recorded)
        }
        // A connection that goes away in the middle.
        try { () throws in
            let gone = try FrameClient(
                server.address, credential: Array(token.trimmingCharacters(in: .whitespacesAndNewlines).utf8))
            gone.call(.backup, 1, Wire.Empty())
        }()
        for _ in 0..<100 where try !leftOvers().isEmpty { try await Task.sleep(for: .milliseconds(20)) }
        #expect(try leftOvers() == [])
        #expect(try await client.withdraw(salon.refusal("last@example.fr")).status == .recorded)
        await client.close()
        await server.server.drain()
    }

    @Test func aStartRemovesWhatACrashLeft() async throws {
        let server = try await TestServer.start()
        await server.server.drain()
        let names = ["outgoing-backup-3-1.db", "outgoing-backup-4-1.db.partial"]
        for name in names {
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: server.stateFolder + "/" + name))
        }
        let own = server.stateFolder + "/backup-of-mine.db"
        try Data([1]).write(to: URL(fileURLWithPath: own))
        let again = try await server.restarted()
        for name in names {
            #expect(!FileManager.default.fileExists(atPath: server.stateFolder + "/" + name))
        }
        #expect(FileManager.default.fileExists(atPath: own))
        await again.server.drain()
        // A second stop returns at once.
        await again.server.drain()
    }
}
