// Goal: a daemon starts on its own folder and on no other, and what is wrong is named with its remedy.
// Method: each condition is brought about in a folder of its own.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Foundation
import Testing

@Suite struct StateFolderTests {
    private static func initialised(isTest: Bool = false) throws -> (TemporaryFolder, String) {
        let folder = try TemporaryFolder()
        let path = folder.file("state")
        try StateFolder.initialise(path: path, isTestRegister: isTest)
        return (folder, path)
    }

    private static func setMode(_ mode: Int, _ path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private static func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    /// The error of opening a folder, nil where it opens.
    private static func failure(_ path: String) -> StateFolderError? {
        do throws(StateFolderError) {
            _ = try StateFolder(path: path)
            return nil
        } catch {
            return error
        }
    }

    @Test func aNewFolderHasKeysAndAnEmptyRegister() throws {
        let (_folder, path) = try Self.initialised(isTest: true)
        #expect(try Self.mode(path) == 0o700)
        for name in ["register.db", "recipient.key", "log.key", "admin.token", "deployment.id"] {
            #expect(try Self.mode(path + "/" + name) == 0o600, "\(name)")
        }
        let folder = try StateFolder(path: path)
        #expect(folder.deploymentID.count == 16 && folder.adminToken.count == 32)
        let register = try SQLiteRegister(folder: folder)
        #expect(register.lastSequence == 0 && register.isTestRegister && !register.restorePending)
        #expect(register.incarnation.count == 16)
        let publicKey = try LogPublicKey(pem: String(contentsOfFile: path + "/log.pub", encoding: .utf8))
        #expect(try register.signedHead(now: .epoch).isSigned(by: publicKey))
        _ = _folder
    }

    @Test func twoFoldersShareNothing() throws {
        let (_first, firstPath) = try Self.initialised()
        let (_second, secondPath) = try Self.initialised()
        for name in ["recipient.key", "log.key", "admin.token", "deployment.id"] {
            #expect(
                try String(contentsOfFile: firstPath + "/" + name, encoding: .utf8)
                    != String(contentsOfFile: secondPath + "/" + name, encoding: .utf8), "\(name)")
        }
        _ = (_first, _second)
    }

    @Test func initRefusesAFolderThatIsNotEmpty() throws {
        let (_folder, path) = try Self.initialised()
        #expect(throws: StateFolderError.notEmpty(path: path)) { try StateFolder.initialise(path: path) }
        let register = try SQLiteRegister(folder: StateFolder(path: path))
        #expect(register.lastSequence == 0)
        _ = _folder
    }

    @Test func anEmptyOrMissingFolderIsNotMadeByItself() throws {
        let folder = try TemporaryFolder()
        #expect(Self.failure(folder.path) == .empty(path: folder.path))
        #expect(Self.failure(folder.file("none")) == .missing(path: folder.file("none")))
        try StateFolder.initialise(path: folder.path)
        #expect(Self.failure(folder.path) == nil)
    }

    @Test func aSecondDaemonIsKeptOut() throws {
        let (_folder, path) = try Self.initialised()
        do {
            let first = try StateFolder(path: path)
            #expect(Self.failure(path) == .inUse(path: path))
            #expect("\(StateFolderError.inUse(path: path))".contains("another consentd"))
            _ = first.deploymentID
        }
        #expect(Self.failure(path) == nil, "the lock ends with the folder")
        _ = _folder
    }

    @Test func openPermissionsAreRefused() throws {
        let (_folder, path) = try Self.initialised()
        try Self.setMode(0o750, path)
        #expect(Self.failure(path) == .enteredByOthers(path: path, permissions: 0o750))
        #expect("\(try #require(Self.failure(path)))".contains("mode 0750"))
        try Self.setMode(0o700, path)
        for name in ["recipient.key", "log.key", "admin.token", "register.db"] {
            try Self.setMode(0o640, path + "/" + name)
            #expect(Self.failure(path) == .readByOthers(path: path + "/" + name, permissions: 0o640))
            try Self.setMode(0o600, path + "/" + name)
        }
        #expect(Self.failure(path) == nil)
        _ = _folder
    }

    @Test(arguments: ["recipient.key", "log.key", "log.pub", "admin.token", "deployment.id"])
    func aMissingOrDamagedFileIsNamed(_ name: String) throws {
        let (_folder, path) = try Self.initialised()
        let file = path + "/" + name
        try Data("nonsense\n".utf8).write(to: URL(fileURLWithPath: file))
        try Self.setMode(0o600, file)
        guard case .badFile(file, _) = Self.failure(file.replacing("/" + name, with: "")) else {
            Issue.record("\(String(describing: Self.failure(path)))")
            return
        }
        try FileManager.default.removeItem(atPath: file)
        guard case .badFile(file, _) = Self.failure(path) else {
            Issue.record("\(String(describing: Self.failure(path)))")
            return
        }
        _ = _folder
    }

    @Test func keysOfAnotherDeploymentAreRefused() throws {
        let (_first, firstPath) = try Self.initialised()
        let (_second, secondPath) = try Self.initialised()
        func replace(_ names: [String]) throws {
            for name in names {
                try FileManager.default.removeItem(atPath: secondPath + "/" + name)
                try FileManager.default.copyItem(
                    atPath: firstPath + "/" + name, toPath: secondPath + "/" + name)
            }
        }
        try replace(["log.key", "log.pub"])
        #expect(throws: StateFolderError.register(.otherLogKey)) {
            _ = try SQLiteRegister(folder: StateFolder(path: secondPath))
        }
        try replace(["recipient.key"])
        #expect(throws: StateFolderError.register(.otherRecipientKey)) {
            _ = try SQLiteRegister(folder: StateFolder(path: secondPath))
        }
        _ = (_first, _second)
    }

    @Test func aFolderWithoutItsRegisterSaysSoAndTakesABackup() throws {
        let (_folder, path) = try Self.initialised()
        let backup = _folder.file("backup.db")
        do {
            let folder = try StateFolder(path: path)
            try SQLiteRegister(folder: folder).backup(to: backup)
        }
        try FileManager.default.removeItem(atPath: path + "/register.db")
        let folder = try StateFolder(path: path)
        #expect(throws: StateFolderError.register(.missing(path: path + "/register.db"))) {
            _ = try SQLiteRegister(folder: folder)
        }
        try folder.restore(backup: backup)
        #expect(try SQLiteRegister(folder: folder).restorePending)
        #expect(throws: StateFolderError.register(.exists(path: path + "/register.db"))) {
            try folder.restore(backup: backup)
        }
    }
}
