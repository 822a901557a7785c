// Goal: a backup is whole whatever is written meanwhile, damage to it is found, and a restored register
// says that it is one. Method: real files; commits between the steps of a backup; a byte of the backup
// changed; restore, then the same comparison as for any register.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Foundation
import Testing

@Suite struct BackupTests {
    private static func filled(_ count: Int) throws -> (TestRegister, EventMaker, RegisterModel) {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 21)
        var model = RegisterModel(test.keys)
        for _ in 0..<count { model.append(try test.register.stage(maker.random(people: 50)).event) }
        try test.register.commit()
        return (test, maker, model)
    }

    @Test func aBackupTakesInWhatIsCommittedMeanwhile() throws {
        var (test, maker, model) = try Self.filled(1_000)
        let register = try test.register
        let path = test.folder.file("backup.db")
        let backup = try RegisterBackup(of: register, to: path)
        var steps = 0
        while try !backup.step(pages: 4) {
            steps += 1
            for _ in 0..<5 { model.append(try register.stage(maker.random(people: 50)).event) }
            try register.commit()
            if steps == 3 { _ = try register.flushDerived(budget: .microseconds(200)) }
            if steps == 5 { try register.checkpoint(truncating: true) }
            #expect(!FileManager.default.fileExists(atPath: path), "half a backup has the final name")
            try #require(steps < 1_000)
        }
        #expect(steps > 5)
        let summary = try backup.publish()
        #expect(summary.sequence == register.lastSequence && summary.root == model.frontier.root)
        #expect(try RegisterBackup.verify(path) == summary)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(!FileManager.default.fileExists(atPath: path + ".partial"))

        let restored = test.folder.file("restored.db")
        #expect(
            try SQLiteRegister.restore(
                backup: path, to: restored, keyring: test.keys.keyring, logKey: test.keys.logKey) == summary)
        let copy = try SQLiteRegister(path: restored, keyring: test.keys.keyring, logKey: test.keys.logKey)
        #expect(copy.restorePending && copy.incarnation != register.incarnation)
        #expect(!register.restorePending)
        try RegisterContractTests.compare(copy, model, "restored")
    }

    @Test func acceptingTheLossIsAnEventAndIsRemembered() throws {
        let (test, _, _) = try Self.filled(20)
        let path = test.folder.file("backup.db")
        try test.register.backup(to: path)
        let restored = test.folder.file("restored.db")
        try SQLiteRegister.restore(
            backup: path, to: restored, keyring: test.keys.keyring, logKey: test.keys.logKey)
        func open() throws -> SQLiteRegister {
            try SQLiteRegister(path: restored, keyring: test.keys.keyring, logKey: test.keys.logKey)
        }
        var copy: SQLiteRegister? = try open()
        #expect(copy?.restorePending == true)
        copy = nil
        copy = try open()
        #expect(copy?.restorePending == true, "a restart does not accept it")
        let now = Timestamp(microseconds: 1_800_000_000_000_000)
        let event = try copy?.acceptLoss(now: now, client: "operator")
        #expect(event?.kind == .restored && event?.sequence == 21)
        #expect(copy?.restorePending == false)
        copy = nil
        copy = try open()
        #expect(copy?.restorePending == false)
        #expect(try copy?.event(21)?.client == "operator")
    }

    @Test func nothingIsOverwritten() throws {
        let (test, _, _) = try Self.filled(5)
        let path = test.folder.file("backup.db")
        try test.register.backup(to: path)
        #expect(throws: RegisterError.exists(path: path)) { try test.register.backup(to: path) }
        #expect(throws: RegisterError.exists(path: test.path)) {
            try SQLiteRegister.restore(
                backup: path, to: test.path, keyring: test.keys.keyring, logKey: test.keys.logKey)
        }
        // A name that is taken while the backup runs stays with whoever took it.
        let late = test.folder.file("late.db")
        let backup = try RegisterBackup(of: test.register, to: late)
        while try !backup.step() {}
        try Data("mine".utf8).write(to: URL(fileURLWithPath: late))
        #expect(throws: RegisterError.exists(path: late)) { try backup.publish() }
        #expect(try Data(contentsOf: URL(fileURLWithPath: late)) == Data("mine".utf8))
        #expect(!FileManager.default.fileExists(atPath: late + ".partial"))
    }

    @Test func aBackupThatIsGivenUpLeavesNothing() throws {
        let (test, _, _) = try Self.filled(300)
        let path = test.folder.file("backup.db")
        var backup: RegisterBackup? = try RegisterBackup(of: test.register, to: path)
        #expect(try backup?.step(pages: 1) == false)
        backup = nil
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: test.folder.path).allSatisfy {
                !$0.contains("backup")
            })
        try test.register.backup(to: path)
    }

    @Test func damageToABackupIsFound() throws {
        let (test, _, _) = try Self.filled(100)
        try test.register.backup(to: test.folder.file("backup.db"))
        let whole = try Data(contentsOf: URL(fileURLWithPath: test.folder.file("backup.db")))
        let marker = try #require(whole.range(of: Data("browser 1".utf8)))
        try test.folder.patch("backup.db") { $0[marker.lowerBound] ^= 1 }
        #expect(throws: RegisterError.self) { try RegisterBackup.verify(test.folder.file("backup.db")) }
        #expect(throws: RegisterError.self) {
            try SQLiteRegister.restore(
                backup: test.folder.file("backup.db"), to: test.folder.file("restored.db"),
                keyring: test.keys.keyring, logKey: test.keys.logKey)
        }
        #expect(!FileManager.default.fileExists(atPath: test.folder.file("restored.db")))
        try Data(whole.prefix(whole.count / 2)).write(to: URL(fileURLWithPath: test.folder.file("half.db")))
        #expect(throws: RegisterError.self) { try RegisterBackup.verify(test.folder.file("half.db")) }
        try Data("no database at all, but long enough to be read as one".utf8)
            .write(to: URL(fileURLWithPath: test.folder.file("text.db")))
        #expect(throws: RegisterError.self) { try RegisterBackup.verify(test.folder.file("text.db")) }
    }

    @Test func aBackupIsRestoredWithItsOwnKeysOnly() throws {
        let (test, _, _) = try Self.filled(5)
        let path = test.folder.file("backup.db")
        try test.register.backup(to: path)
        let other = try TestKeys(secretByte: 1, logByte: 2)
        let target = test.folder.file("restored.db")
        #expect(throws: RegisterError.otherRecipientKey) {
            try SQLiteRegister.restore(
                backup: path, to: target, keyring: other.keyring, logKey: test.keys.logKey)
        }
        #expect(throws: RegisterError.otherLogKey) {
            try SQLiteRegister.restore(
                backup: path, to: target, keyring: test.keys.keyring, logKey: other.logKey)
        }
        #expect(!FileManager.default.fileExists(atPath: target))
    }
}
