// Beginning a new epoch of recipient keys, while no daemon runs.
//
// The secret of epoch N lies in recipient.key.N beside recipient.key. None is ever replaced: a contact point
// keeps the key under which it was first seen, so every secret is needed as long as the register. The
// register takes the new one up when it is opened next; it then insists on it.

import ConsentDomain

enum RecipientKeyRotation {
    /// Epochs at most: an address that is not known is looked up under each.
    static let epochCountMax = 16

    /// Names of the secrets after the first, by epoch, without a gap.
    static func laterKeyNames(in path: String) throws(StateFolderError) -> [String] {
        let prefix = "recipient.key."
        let epochs = try StateFolder.names(in: path).compactMap { name in
            name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count)) : nil
        }.sorted()
        let names = epochs.map { "\(prefix)\($0)" }
        for (place, epoch) in epochs.enumerated() where epoch != place + 2 {
            throw .badFile(
                path: "\(path)/\(names[place])",
                expected: "the secret of an epoch whose predecessor, \(prefix)\(place + 2), lies beside it")
        }
        guard epochs.count < epochCountMax else {
            throw .badFile(
                path: "\(path)/\(names[epochCountMax - 1])", expected: "\(epochCountMax) epochs at most")
        }
        return names
    }
}

extension StateFolder {
    /// Begins a new epoch: contact points that are new get their keys under a new secret.
    /// - Returns: number of the epoch.
    public borrowing func rotateRecipientKey() throws(StateFolderError) -> UInt16 {
        let epoch = keyring.epoch + 1
        let file = "\(path)/recipient.key.\(epoch)"
        guard epoch <= RecipientKeyRotation.epochCountMax else {
            throw .badFile(path: file, expected: "\(RecipientKeyRotation.epochCountMax) epochs at most")
        }
        do throws(RegisterError) {
            // Opened first, so that a register that does not fit its keys is found out before there is one
            // more.
            _ = try SQLiteRegister(
                path: registerPath, keyring: keyring, logKey: logKey, options: RegisterOptions())
            try FileSystem.create(file, Self.line(FileSystem.randomBytes(32)), permissions: 0o600)
        } catch {
            throw .register(error)
        }
        return epoch
    }
}
