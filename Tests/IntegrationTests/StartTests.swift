// Goal: a daemon that must not start says why and what to do, and ends with the right code.
// Method: the real program on folders that are prepared to be wrong, each in one way.

import CScrub
import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct StartTests {
    /// Runs `consentd serve` to its end; after ten seconds it is killed, which is another code.
    private func serve(_ arguments: [String]) throws -> (code: Int32, errors: String) {
        let program = try ProgramUnderTest("consentd", ["serve"] + arguments)
        let id = program.id
        let watchdog = DispatchWorkItem { kill(id, SIGKILL) }
        DispatchQueue.global().asyncAfter(deadline: .now() + 10, execute: watchdog)
        let (code, _, errors) = program.wait()
        watchdog.cancel()
        return (code, errors)
    }

    private func serve(_ state: String, _ arguments: [String] = []) throws -> (code: Int32, errors: String) {
        try serve(["--state-dir", state, "--listen", "127.0.0.1:0"] + arguments)
    }

    /// A state folder that a server has made and left.
    private func madeFolder() async throws -> (folder: TemporaryFolder, state: String) {
        let server = try await TestServer.start()
        await server.server.drain()
        return (server.folder, server.stateFolder)
    }

    private func setPermissions(_ path: String, _ permissions: Int) throws {
        try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: path)
    }

    @Test func aFolderHasOneDaemon() throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let first = try DaemonUnderTest(stateFolder: state, ["--init"])
        let second = try serve(state)
        #expect(second.code == 78 && second.errors.contains("another consentd runs on the state folder"))
        // Killed, it leaves nothing that keeps the next one out.
        first.program.signal(SIGKILL)
        _ = first.program.wait()
        _ = try DaemonUnderTest(stateFolder: state)
    }

    @Test func aDaemonMayBeStoppedAsSoonAsItServes() throws {
        let folder = try TemporaryFolder()
        for round in 0..<5 {
            let daemon = try DaemonUnderTest(
                stateFolder: folder.file("state"), round == 0 ? ["--init"] : [])
            daemon.program.signal(SIGTERM)
            #expect(daemon.program.wait().code == 0)
        }
    }

    @Test func aRegisterIsMadeOnlyOnRequestAndNeverOverAnother() async throws {
        let folder = try TemporaryFolder()
        let missing = try serve(folder.file("missing"))
        #expect(missing.code == 78 && missing.errors.contains("--init"))
        let empty = folder.file("empty")
        try FileManager.default.createDirectory(
            atPath: empty, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let refused = try serve(empty)
        #expect(refused.code == 78 && refused.errors.contains("--init"))
        let (made, state) = try await madeFolder()
        let again = try serve(state, ["--init"])
        #expect(again.code == 78 && again.errors.contains("is not empty"))
        #expect(FileManager.default.fileExists(atPath: made.file("state/register.db")))
    }

    @Test func secretsThatOthersCanReadAreRefused() async throws {
        let (made, state) = try await madeFolder()
        try setPermissions(state, 0o750)
        let entered = try serve(state)
        #expect(entered.code == 78 && entered.errors.contains("chmod 700"))
        try setPermissions(state, 0o700)
        for name in ["recipient.key", "log.key", "admin.token", "register.db"] {
            try setPermissions("\(state)/\(name)", 0o640)
            let refused = try serve(state)
            #expect(refused.code == 78 && refused.errors.contains("\(name)"), "\(name)")
            #expect(refused.errors.contains("chmod 600"), "\(name)")
            try setPermissions("\(state)/\(name)", 0o600)
        }
        // Put right, it serves.
        _ = try DaemonUnderTest(stateFolder: state)
        withExtendedLifetime(made) {}
    }

    @Test func otherKeysAreRefused() async throws {
        let (made, state) = try await madeFolder()
        let (other, otherState) = try await madeFolder()
        func replacing(_ names: [String], _ expected: String) throws {
            for name in names {
                try FileManager.default.moveItem(atPath: "\(state)/\(name)", toPath: made.file(name))
                try FileManager.default.copyItem(atPath: "\(otherState)/\(name)", toPath: "\(state)/\(name)")
            }
            let refused = try serve(state)
            #expect(refused.code == 78 && refused.errors.contains(expected), "\(names): \(refused.errors)")
            for name in names {
                try FileManager.default.removeItem(atPath: "\(state)/\(name)")
                try FileManager.default.moveItem(atPath: made.file(name), toPath: "\(state)/\(name)")
            }
        }
        try replacing(["recipient.key"], "put back its recipient.key")
        try replacing(["log.key"], "log.pub")
        try replacing(["log.key", "log.pub"], "put back its log.key")
        for name in ["recipient.key", "log.key", "deployment.id"] {
            try FileManager.default.moveItem(atPath: "\(state)/\(name)", toPath: made.file(name))
            let refused = try serve(state)
            #expect(refused.code == 78 && refused.errors.contains("is missing or damaged"), "\(name)")
            try FileManager.default.moveItem(atPath: made.file(name), toPath: "\(state)/\(name)")
        }
        withExtendedLifetime(other) {}
    }

    @Test func aRegisterThatLostItsEndIsRefusedUntilTheLossIsAccepted() async throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        let client = try await daemon.admin()
        let salon = try await Salon(client)
        let granted = try await client.grant(salon.grant(["kept@example.fr"], channels: [.email]))
        daemon.program.standStill()
        let log = try Data(contentsOf: URL(fileURLWithPath: "\(state)/register.db-wal"))
        daemon.program.signal(SIGCONT)
        let withdrawal = try await client.withdraw(salon.refusal("kept@example.fr"))
        let before = try await client.stats().incarnation
        await client.close()
        daemon.program.signal(SIGKILL)
        _ = daemon.program.wait()
        // The log as it was before the withdrawal: each of its commits is whole.
        try log.write(to: URL(fileURLWithPath: "\(state)/register.db-wal"))

        let refused = try serve(state)
        let last = try #require(granted.sequences.last)
        #expect(refused.code == 78, "\(refused)")
        #expect(refused.errors.contains("event \(withdrawal.sequence) was committed"), "\(refused.errors)")
        #expect(refused.errors.contains("ends with event \(last)"), "\(refused.errors)")
        #expect(
            refused.errors.contains("consentd restore --state-dir DIR --accept-loss"), "\(refused.errors)")

        let accepted = try ProgramUnderTest.run(
            "consentd", ["restore", "--state-dir", state, "--accept-loss"])
        #expect(accepted.code == 0 && accepted.output.contains("loss accepted"), "\(accepted)")
        let again = try DaemonUnderTest(stateFolder: state)
        let second = try await ConsentClient.connect(to: again.address)
        #expect(try await second.stats().incarnation != before, "who kept a position has to be told")
        #expect(await second.check(salon.question(.email), .address("kept@example.fr")).isAllowed)
        await second.close()
    }

    @Test func aRegisterOfANewerProgramIsRefused() async throws {
        let (made, state) = try await madeFolder()
        let database = try FileHandle(forUpdating: URL(fileURLWithPath: state + "/register.db"))
        let page = [UInt8](try #require(try database.read(upToCount: 4_096)))
        // SQLite's user version: bytes 60 to 63 of the file, big-endian.
        var newer = page
        newer.replaceSubrange(60..<64, with: [0, 0, 3, 231])
        consent_page_seal(&newer, 4_096, 1)
        try database.seek(toOffset: 0)
        try database.write(contentsOf: Data(newer))
        let refused = try serve(state)
        #expect(refused.code == 78 && refused.errors.contains("format 999"), "\(refused.errors)")
        try database.seek(toOffset: 0)
        try database.write(contentsOf: Data(page))
        try database.close()
        // Put right, it serves.
        _ = try DaemonUnderTest(stateFolder: state)
        withExtendedLifetime(made) {}
    }

    @Test func addressesAndFlagsAreChecked() throws {
        let folder = try TemporaryFolder()
        let daemon = try DaemonUnderTest(stateFolder: folder.file("state"), ["--init"])
        let taken = try serve(["--state-dir", folder.file("second"), "--init", "--listen", daemon.address])
        #expect(taken.code == 69 && taken.errors.contains("is in use"), "\(taken.errors)")
        for flags in [
            ["--log-level", "loud"], ["--loops", "0"], ["--listen", "nowhere"], ["--test-register"],
            ["--unknown"], ["--listen", "127.0.0.1:70000"], ["--limit", "streams-max=none"],
            ["--limit", "x=1"],
        ] {
            let refused = try serve(["--state-dir", folder.file("fourth")] + flags)
            #expect(refused.code == 64, "\(flags)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.file("fourth")))
    }

    @Test func doorsThatAnyoneCouldComeInByStayShut() throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let certificates = try TestCertificates(in: folder.file("certs"))
        let pair = [
            "--tls-cert", certificates.file("server.pem"), "--tls-key", certificates.file("server.key"),
        ]
        let everywhere = ["--state-dir", state, "--init", "--listen", "0.0.0.0:0"]
        let plain = try serve(everywhere)
        #expect(plain.code == 78 && plain.errors.contains("--tls-cert"), "\(plain.errors)")
        let anonymous = try serve(everywhere + pair)
        #expect(anonymous.code == 78 && anonymous.errors.contains("--client-ca"), "\(anonymous.errors)")
        let metrics = try serve(
            ["--state-dir", state, "--init", "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"])
        #expect(metrics.code == 78 && metrics.errors.contains("metrics would be plain"), "\(metrics.errors)")
        for half in [["--tls-cert", "x.pem"], ["--client-ca", "x.pem"]] {
            let refused = try serve(["--state-dir", state, "--init", "--listen", "127.0.0.1:0"] + half)
            #expect(refused.code == 78 && refused.errors.contains("tls-key"), "\(refused.errors)")
        }
        try setPermissions(certificates.file("server.key"), 0o644)
        let readable = try serve(everywhere + pair + ["--client-ca", certificates.file("ca.pem")])
        #expect(readable.code == 78 && readable.errors.contains("chmod 600"), "\(readable.errors)")
        let credentials = folder.file("credentials.yaml")
        try Credentials.write("clients: []\n", to: credentials)
        try setPermissions(credentials, 0o640)
        let shared = try serve(
            ["--state-dir", state, "--init", "--listen", "127.0.0.1:0", "--credentials", credentials])
        #expect(shared.code == 78 && shared.errors.contains("chmod 600"), "\(shared.errors)")
        // Nothing was made on the way.
        #expect(!FileManager.default.fileExists(atPath: state))
    }
}
