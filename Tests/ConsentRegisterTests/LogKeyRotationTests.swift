// Goal: after the log key is replaced, old heads still verify under the old key, today's log extends them,
// and no interruption leaves a folder that cannot be opened. Method: a state folder whose key is replaced
// twice; the files of each moment put back by hand.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Foundation
import Testing

@Suite struct LogKeyRotationTests {
    private let now = Timestamp(microseconds: 1_760_000_000_000_000)

    private func append(_ count: Int, to path: String, seed: UInt64) throws -> SignedHead {
        let folder = try StateFolder(path: path)
        let register = try SQLiteRegister(folder: folder)
        var maker = EventMaker(try TestKeys(), seed: seed)
        for person in 0..<count { _ = try register.stage(maker.event(.bounce, person: person)) }
        try register.commit()
        return try register.signedHead(now: now)
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test func oldHeadsVerifyUnderTheOldKey() throws {
        let temporary = try TemporaryFolder()
        let path = temporary.file("state")
        try StateFolder.initialise(path: path)
        let oldKey = try LogPublicKey(pem: text(path + "/log.pub"))
        let oldHead = try append(20, to: path, seed: 1)
        for _ in 0..<2 {
            let before = try LogPublicKey(pem: text(path + "/log.pub"))
            let folder = try StateFolder(path: path)
            let key = try folder.rotateLogKey(now: now)
            #expect(key != before)
            #expect(try LogPublicKey(pem: text(path + "/log.pub")) == key)
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: path + "/log.pub.d")
        #expect(names.count == 2)
        let archived = try names.map { try LogPublicKey(pem: text("\(path)/log.pub.d/\($0)")) }
        #expect(archived.contains(oldKey))
        let newHead = try append(20, to: path, seed: 2)
        #expect(oldHead.isSigned(by: oldKey) && !newHead.isSigned(by: oldKey))
        #expect(newHead.isSigned(by: try LogPublicKey(pem: text(path + "/log.pub"))))
        let folder = try StateFolder(path: path)
        let register = try SQLiteRegister(folder: folder)
        let kept = try #require(try register.keptHead(until: .distantFuture))
        #expect(kept.isSigned(by: oldKey) && kept.treeSize == 20 && kept.root == oldHead.root)
        #expect(
            MerkleProof.verifyConsistency(
                oldSize: 20, oldRoot: kept.root, newSize: 40, newRoot: newHead.root,
                proof: try register.consistencyProof(from: 20, to: 40)))
    }

    @Test func anInterruptedReplacementIsFinishedOrForgotten() throws {
        let temporary = try TemporaryFolder()
        let path = temporary.file("state")
        try StateFolder.initialise(path: path)
        _ = try append(5, to: path, seed: 1)
        let oldPrivate = try text(path + "/log.key")
        let oldPublic = try text(path + "/log.pub")
        // A key that the register does not name is forgotten.
        let stray = LogSigningKey().pem
        func write(_ text: String, _ name: String) throws {
            try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
            #expect(
                FileManager.default.createFile(
                    atPath: "\(path)/\(name)", contents: Data(text.utf8),
                    attributes: [.posixPermissions: 0o600]))
        }
        try write(stray, "log.key.next")
        _ = try append(1, to: path, seed: 2)
        #expect(try text(path + "/log.key") == oldPrivate)
        #expect(!FileManager.default.fileExists(atPath: path + "/log.key.next"))
        // One that it names is put in place, from each moment on.
        do {
            let folder = try StateFolder(path: path)
            _ = try folder.rotateLogKey(now: now)
        }
        let newPrivate = try text(path + "/log.key")
        let newPublic = try text(path + "/log.pub")
        for (key, pub) in [(oldPrivate, oldPublic), (newPrivate, oldPublic), (newPrivate, newPublic)] {
            try write(newPrivate, "log.key.next")
            try write(key, "log.key")
            try write(pub, "log.pub")
            _ = try append(1, to: path, seed: 3)
            #expect(try text(path + "/log.key") == newPrivate && text(path + "/log.pub") == newPublic)
        }
        // Without it, the old key is refused.
        try write(oldPrivate, "log.key")
        try write(oldPublic, "log.pub")
        #expect(throws: StateFolderError.register(.otherLogKey)) { try append(1, to: path, seed: 4) }
    }

    @Test func aBackupFromBeforeIsRestored() throws {
        let temporary = try TemporaryFolder()
        let path = temporary.file("state")
        try StateFolder.initialise(path: path)
        let head = try append(30, to: path, seed: 1)
        let backup = temporary.file("backup.db")
        do {
            let folder = try StateFolder(path: path)
            let register = try SQLiteRegister(folder: folder)
            try register.backup(to: backup)
        }
        do {
            let folder = try StateFolder(path: path)
            _ = try folder.rotateLogKey(now: now)
        }
        for name in ["register.db", "register.db-wal"] {
            try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
        }
        let folder = try StateFolder(path: path)
        let summary = try folder.restore(backup: backup)
        #expect(summary.sequence == 30 && summary.root == head.root)
        let register = try SQLiteRegister(folder: folder)
        #expect(try register.signedHead(now: now).root == head.root)
    }
}
