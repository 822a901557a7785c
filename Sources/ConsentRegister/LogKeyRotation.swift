// Replacing the log key, while no daemon runs: heads that the old key signed still verify under it.
//
//     log.pub.d/<key id>.pub   public halves of the keys that were replaced
//     log.key.next             the new key, while it is being put in place
//
// The register's mark of its log key is what decides. Until it names the new key nothing has happened; from
// then on a start finishes what was left undone. Before, the old key signs a head that is kept, so that what
// was logged under it stays bound to it.
//
// Invariant: at each moment the register's mark and either log.key or log.key.next agree.

import ConsentDomain
import ConsentProof
import Glibc

extension StateFolder {
    /// Replaces the log key by a new one.
    /// - Parameter now: the time of the last head that the old key signs.
    /// - Returns: the new public key.
    public borrowing func rotateLogKey(now: Timestamp) throws(StateFolderError) -> LogPublicKey {
        let next = LogSigningKey()
        do throws(RegisterError) {
            try prepare(next, now: now)
        } catch {
            throw .register(error)
        }
        try Self.finishRotation(of: path)
        return next.publicKey
    }

    /// Up to the moment at which the register names the new key.
    private borrowing func prepare(_ next: LogSigningKey, now: Timestamp) throws(RegisterError) {
        let register = try SQLiteRegister(
            path: registerPath, keyring: keyring, logKey: logKey, options: RegisterOptions())
        try register.keepHead(now: max(now, register.lastRecordedAt))
        let former = path + "/log.pub.d"
        guard mkdir(former, 0o700) == 0 || errno == EEXIST else {
            throw .system(action: "make the folder", path: former, code: errno)
        }
        let file = "\(former)/\(Hexadecimal.text(of: logKey.publicKey.keyID)).pub"
        if !FileSystem.exists(file) {
            try FileSystem.create(file, [UInt8](logKey.publicKey.pem.utf8), permissions: 0o644)
        }
        try FileSystem.create(path + "/log.key.next", [UInt8](next.pem.utf8), permissions: 0o600)
        try register.setLogKey(next.publicKey)
    }

    /// Puts a new key in place where the register names it, and drops it where it does not.
    static func finishRotation(of path: String) throws(StateFolderError) {
        let nextPath = path + "/log.key.next"
        guard FileSystem.exists(nextPath) else { return }
        do throws(RegisterError) {
            let bytes = try FileSystem.read(nextPath)
            if let key = try? LogSigningKey(pem: String(decoding: bytes, as: UTF8.self)),
                try markedKeyID(path + "/register.db") == key.publicKey.keyID
            {
                try replace(path + "/log.key", by: [UInt8](key.pem.utf8), permissions: 0o600)
                try replace(path + "/log.pub", by: [UInt8](key.publicKey.pem.utf8), permissions: 0o644)
            }
            FileSystem.remove(nextPath)
            try FileSystem.syncFolder(of: nextPath)
        } catch {
            throw .register(error)
        }
    }

    /// Public halves of the log key and of those that it replaced.
    public var logKeys: [LogPublicKey] {
        let folder = path + "/log.pub.d/"
        return [logKey.publicKey]
            + formerNames().compactMap { name in
                let pem = (try? FileSystem.read(folder + name)) ?? []
                return try? LogPublicKey(pem: String(decoding: pem, as: UTF8.self))
            }
    }

    private borrowing func formerNames() -> [String] {
        let names = (try? FileSystem.names(in: path + "/log.pub.d")) ?? []
        return names.filter { $0.hasSuffix(".pub") }
    }

    /// Ids of the keys that were replaced, from the names of their files.
    borrowing func formerLogKeyIDs() -> [[UInt8]] {
        formerNames().compactMap { Hexadecimal.bytes(of: String($0.dropLast(4))) }
    }

    private static func markedKeyID(_ registerPath: String) throws(RegisterError) -> [UInt8]? {
        guard FileSystem.exists(registerPath) else { return nil }
        let database = try Database(path: registerPath, mode: .existing)
        try database.configure(cacheBytes: 1 << 20)
        return try Meta.readAll(database)[.logKeyID]
    }

    private static func replace(
        _ path: String, by bytes: [UInt8], permissions: mode_t
    ) throws(RegisterError) {
        let temporary = path + ".partial"
        FileSystem.remove(temporary)
        try FileSystem.create(temporary, bytes, permissions: permissions)
        guard rename(temporary, path) == 0 else {
            throw .system(action: "name", path: path, code: errno)
        }
        try FileSystem.syncFolder(of: path)
    }
}

extension SQLiteRegister {
    /// Marks the register as one whose heads another key signs. It is to be closed then.
    func setLogKey(_ key: LogPublicKey) throws(RegisterError) {
        try inTransaction("changing the log key") { () throws(RegisterError) in
            try Meta.logKeyID.write(key.keyID, by: statements.putMeta)
        }
        isStopped = true
    }
}
