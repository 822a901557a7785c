// Goal: a daemon that must not start says why and what to do, and ends with the right code.
// Method: the real program on folders that are prepared to be wrong, each in one way.

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

    /// A state folder that a daemon has made and left.
    private func madeFolder() throws -> (folder: TemporaryFolder, state: String) {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        daemon.program.signal(SIGTERM)
        let end = daemon.program.wait()
        try #require(end.code == 0, "\(end.errors)")
        return (folder, state)
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
        first.program.signal(SIGTERM)
        #expect(first.program.wait().code == 0)
        // Killed, it leaves nothing that keeps the next one out.
        let third = try DaemonUnderTest(stateFolder: state)
        third.program.signal(SIGKILL)
        _ = third.program.wait()
        let fourth = try DaemonUnderTest(stateFolder: state)
        fourth.program.signal(SIGTERM)
        #expect(fourth.program.wait().code == 0)
    }

    @Test func aRegisterIsMadeOnlyOnRequestAndNeverOverAnother() throws {
        let folder = try TemporaryFolder()
        let missing = try serve(folder.file("missing"))
        #expect(missing.code == 78 && missing.errors.contains("--init"))
        let empty = folder.file("empty")
        try FileManager.default.createDirectory(
            atPath: empty, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let refused = try serve(empty)
        #expect(refused.code == 78 && refused.errors.contains("--init"))
        let (made, state) = try madeFolder()
        let again = try serve(state, ["--init"])
        #expect(again.code == 78 && again.errors.contains("is not empty"))
        #expect(FileManager.default.fileExists(atPath: made.file("state/register.db")))
    }

    @Test func secretsThatOthersCanReadAreRefused() throws {
        let (made, state) = try madeFolder()
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
        let daemon = try DaemonUnderTest(stateFolder: state)
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
        withExtendedLifetime(made) {}
    }

    @Test func otherKeysAreRefused() throws {
        let (made, state) = try madeFolder()
        let (other, otherState) = try madeFolder()
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

    @Test func aRegisterOfANewerProgramIsRefused() throws {
        let (made, state) = try madeFolder()
        let database = try FileHandle(forUpdating: URL(fileURLWithPath: state + "/register.db"))
        // SQLite's user version: bytes 60 to 63 of the file, big-endian.
        try database.seek(toOffset: 60)
        let version = try #require(try database.read(upToCount: 4))
        try database.seek(toOffset: 60)
        try database.write(contentsOf: Data([0, 0, 3, 231]))
        let refused = try serve(state)
        #expect(refused.code == 78 && refused.errors.contains("format 999"), "\(refused.errors)")
        try database.seek(toOffset: 60)
        try database.write(contentsOf: version)
        try database.close()
        let daemon = try DaemonUnderTest(stateFolder: state)
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
        withExtendedLifetime(made) {}
    }

    @Test func addressesAndFlagsAreChecked() throws {
        let folder = try TemporaryFolder()
        let daemon = try DaemonUnderTest(stateFolder: folder.file("state"), ["--init"])
        let taken = try serve(["--state-dir", folder.file("second"), "--init", "--listen", daemon.address])
        #expect(taken.code == 69 && taken.errors.contains("is in use"), "\(taken.errors)")
        let open = try serve(["--state-dir", folder.file("third"), "--init", "--listen", "0.0.0.0:0"])
        #expect(open.code == 78 && open.errors.contains("loopback"))
        for flags in [
            ["--log-level", "loud"], ["--loops", "0"], ["--listen", "nowhere"], ["--test-register"],
            ["--unknown"], ["--listen", "127.0.0.1:70000"],
        ] {
            let refused = try serve(["--state-dir", folder.file("fourth")] + flags)
            #expect(refused.code == 64, "\(flags)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.file("fourth")))
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }
}
