// The state folder of a daemon: the register, its keys and the lock that keeps a second daemon out.
//
//     register.db     the register (SQLite, with register.db-wal beside it)
//     register.db-mark  how far the register has come (EndMark.swift)
//     recipient.key   64 hexadecimal digits: the secret of the recipient keys; lost with it: every look-up
//     log.key         Ed25519 key that signs heads, PKCS #8 PEM        log.pub   its public half
//     log.pub.d/      public halves of log keys that were replaced
//     admin.token     64 hexadecimal digits: the first credential
//     deployment.id   32 hexadecimal digits: names this deployment
//     lock            held with flock while a daemon runs
//
// Invariant: the folder is for its owner alone (0700), and so are all files but log.pub; otherwise nothing
// is opened.

import ConsentDomain
import ConsentProof
import Glibc

/// Why a state folder cannot be used. The daemon ends with exit code 78.
public enum StateFolderError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no such folder.
    case missing(path: String)
    /// The folder is empty and was not to be made anew.
    case empty(path: String)
    /// The folder was to be made anew and holds something.
    case notEmpty(path: String)
    /// Others than its owner can enter the folder.
    case enteredByOthers(path: String, permissions: UInt32)
    /// Others than its owner can read or change a key, token or register.
    case readByOthers(path: String, permissions: UInt32)
    /// Another daemon uses the folder.
    case inUse(path: String)
    /// A file is missing or is not what it should be.
    case badFile(path: String, expected: String)
    /// The register or a call to the system failed.
    case register(RegisterError)

    /// What is wrong and the remedy.
    public var description: String {
        switch self {
        case .missing(let path): "there is no state folder \(path): start with --init to make it"
        case .empty(let path):
            "the state folder \(path) is empty: start with --init to make a new register in it"
        case .notEmpty(let path):
            "--init makes a new register, and \(path) is not empty: leave --init out, or name another folder"
        case .enteredByOthers(let path, let permissions):
            "others can enter the state folder \(path) (mode \(Self.octal(permissions))): chmod 700 \(path)"
        case .readByOthers(let path, let permissions):
            "others can read \(path) (mode \(Self.octal(permissions))): chmod 600 \(path)"
        case .inUse(let path):
            "another consentd runs on the state folder \(path): stop it, or name another folder"
        case .badFile(let path, let expected):
            "\(path) is missing or damaged (expected \(expected)): put it back from where keys are kept"
        case .register(let error): error.description
        }
    }

    private static func octal(_ permissions: UInt32) -> String {
        let digits = String(permissions, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}

/// An open and locked state folder. It is unlocked when this value ends.
public struct StateFolder: ~Copyable {
    /// Path of the folder.
    public let path: String
    /// Made from the folder's recipient keys: recipient.key for epoch 1, recipient.key.N for epoch N.
    public let keyring: RecipientKeyring
    /// Signs heads and receipts.
    public let logKey: LogSigningKey
    /// 16 bytes that name the deployment.
    public let deploymentID: [UInt8]
    /// 32 bytes: the token of the first credential.
    public let adminToken: [UInt8]
    private let lock: Int32

    /// Path of the register in the folder.
    public var registerPath: String { path + "/register.db" }

    /// Opens and locks a folder, and reads its keys. The register is opened by `SQLiteRegister(folder:)`.
    public init(path: String) throws(StateFolderError) {
        guard FileSystem.isFolder(path) else { throw .missing(path: path) }
        let permissions = FileSystem.permissions(path) ?? 0
        guard permissions & 0o077 == 0 else { throw .enteredByOthers(path: path, permissions: permissions) }
        guard try Self.names(in: path).contains(where: { $0 != "lock" }) else { throw .empty(path: path) }
        let lock = try Self.takeLock(path)
        let keys: Keys
        do throws(StateFolderError) {
            try Self.finishRotation(of: path)
            keys = try Keys(of: path)
        } catch {
            close(lock)
            throw error
        }
        self.path = path
        self.lock = lock
        keyring = keys.keyring
        logKey = keys.logKey
        deploymentID = keys.deploymentID
        adminToken = keys.adminToken
    }

    /// What the folder's small files hold.
    private struct Keys {
        let keyring: RecipientKeyring
        let logKey: LogSigningKey
        let deploymentID: [UInt8]
        let adminToken: [UInt8]

        init(of path: String) throws(StateFolderError) {
            let later = try RecipientKeyRotation.laterKeyNames(in: path)
            let secrets =
                ["recipient.key", "log.key", "admin.token", "register.db", "register.db-wal"] + later
            for name in secrets {
                let file = "\(path)/\(name)"
                guard let permissions = FileSystem.permissions(file) else { continue }
                guard permissions & 0o077 == 0 else {
                    throw .readByOthers(path: file, permissions: permissions)
                }
            }
            let secret = try StateFolder.hexadecimal("\(path)/recipient.key", byteCount: 32)
            guard var keyring = try? RecipientKeyring(secret: secret, epoch: 1) else {
                throw .badFile(path: "\(path)/recipient.key", expected: "64 hexadecimal digits")
            }
            for name in later {
                let secret = try StateFolder.hexadecimal("\(path)/\(name)", byteCount: 32)
                guard (try? keyring.beginEpoch(secret: secret)) != nil else {
                    throw .badFile(path: "\(path)/\(name)", expected: "64 hexadecimal digits")
                }
            }
            self.keyring = keyring
            logKey = try StateFolder.logKey("\(path)/log.key")
            let publicPath = "\(path)/log.pub"
            guard (try? LogPublicKey(pem: StateFolder.text(publicPath))) == logKey.publicKey else {
                throw .badFile(path: publicPath, expected: "the public half of log.key")
            }
            deploymentID = try StateFolder.hexadecimal("\(path)/deployment.id", byteCount: 16)
            adminToken = try StateFolder.hexadecimal("\(path)/admin.token", byteCount: 32)
        }
    }

    deinit { close(lock) }

    /// Makes a folder with new keys and an empty register.
    /// - Parameters:
    ///   - path: of a folder that is empty or does not exist; its parent must.
    ///   - isTestRegister: whether load tests may write to the register.
    public static func initialise(path: String, isTestRegister: Bool = false) throws(StateFolderError) {
        do throws(RegisterError) {
            try makeFolder(path)
            let keyring: RecipientKeyring
            let logKey = LogSigningKey()
            let secret = FileSystem.randomBytes(32)
            do {
                keyring = try RecipientKeyring(secret: secret, epoch: 1)
            } catch {
                throw .corrupt("\(error)")
            }
            try FileSystem.create(
                "\(path)/deployment.id", line(FileSystem.randomBytes(16)), permissions: 0o600)
            try FileSystem.create("\(path)/recipient.key", line(secret), permissions: 0o600)
            try FileSystem.create("\(path)/log.key", [UInt8](logKey.pem.utf8), permissions: 0o600)
            try FileSystem.create("\(path)/log.pub", [UInt8](logKey.publicKey.pem.utf8), permissions: 0o644)
            try FileSystem.create("\(path)/admin.token", line(FileSystem.randomBytes(32)), permissions: 0o600)
            // Last, so that a folder that was half made has no register and is never taken for one.
            try SQLiteRegister.create(
                path: "\(path)/register.db", keyring: keyring, logKey: logKey, isTestRegister: isTestRegister)
        } catch {
            if case .exists = error { throw .notEmpty(path: path) }
            throw .register(error)
        }
    }

    /// Makes the register of this folder from a backup; the folder has keys and no register.
    /// - Parameter backup: path of a backup.
    /// - Returns: what the backup holds.
    @discardableResult
    public borrowing func restore(backup: String) throws(StateFolderError) -> BackupSummary {
        do throws(RegisterError) {
            return try SQLiteRegister.restore(
                backup: backup, to: registerPath, keyring: keyring, logKey: logKey,
                formerLogKeyIDs: formerLogKeyIDs())
        } catch {
            throw .register(error)
        }
    }

    // MARK: Parts

    /// Makes the folder itself, or makes sure that it is empty and for its owner alone.
    private static func makeFolder(_ path: String) throws(RegisterError) {
        if mkdir(path, 0o700) == 0 { return try FileSystem.syncFolder(of: path) }
        guard errno == EEXIST, FileSystem.isFolder(path) else {
            throw .system(action: "make the folder", path: path, code: errno)
        }
        guard try FileSystem.names(in: path).isEmpty else { throw .exists(path: path) }
        guard chmod(path, 0o700) == 0 else {
            throw .system(action: "set the permissions of", path: path, code: errno)
        }
    }

    static func names(in path: String) throws(StateFolderError) -> [String] {
        do throws(RegisterError) {
            return try FileSystem.names(in: path)
        } catch {
            throw .register(error)
        }
    }

    private static func takeLock(_ folder: String) throws(StateFolderError) -> Int32 {
        let path = folder + "/lock"
        let lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw .register(.system(action: "open", path: path, code: errno)) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(lock)
            if code == EWOULDBLOCK { throw .inUse(path: folder) }
            throw .register(.system(action: "lock", path: path, code: code))
        }
        return lock
    }

    private static func text(_ path: String) throws(StateFolderError) -> String {
        guard let bytes = try? FileSystem.read(path) else {
            throw .badFile(path: path, expected: "a readable file")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexadecimal(_ path: String, byteCount: Int) throws(StateFolderError) -> [UInt8] {
        let line =
            try text(path).split(separator: "\n", omittingEmptySubsequences: true).first.map(String.init)
            ?? ""
        guard let bytes = Hexadecimal.bytes(of: line), bytes.count == byteCount else {
            throw .badFile(path: path, expected: "\(2 * byteCount) hexadecimal digits")
        }
        return bytes
    }

    private static func logKey(_ path: String) throws(StateFolderError) -> LogSigningKey {
        guard let key = try? LogSigningKey(pem: text(path)) else {
            throw .badFile(path: path, expected: "an Ed25519 key in PKCS #8 PEM")
        }
        return key
    }

    static func line(_ bytes: [UInt8]) -> [UInt8] { [UInt8](Hexadecimal.text(of: bytes).utf8) + [10] }
}

extension SQLiteRegister {
    /// Opens the register of a folder. The folder must stay open as long as the register.
    public convenience init(
        folder: borrowing StateFolder, options: RegisterOptions = RegisterOptions()
    ) throws(StateFolderError) {
        do throws(RegisterError) {
            try self.init(
                path: folder.registerPath, keyring: folder.keyring, logKey: folder.logKey, options: options)
        } catch {
            throw .register(error)
        }
    }
}
