// Examining a register that no daemon uses: what is on disk, and what a start would make of it.

import ConsentDomain
import ConsentIndex
import ConsentProof
import ConsentRegister
import Logging

extension ConsentServer {
    /// Reads a register from its first to its last byte, fills an index as a start does, and compares both
    /// with what the events fold to. Nothing is changed but what every start changes: an upgrade is made, and
    /// what a crash has left in the write-ahead log is moved to the database.
    /// - Parameter onProgress: how much of a part is done, and of how much.
    /// - Throws: `StateFolderError`, `RegisterError` where there is nothing that could be examined.
    public static func checkRegister(
        stateFolder: String, onProgress: (RegisterExamination.Part, UInt64, UInt64) -> Void = { _, _, _ in }
    ) throws -> RegisterExamination {
        let folder = try StateFolder(path: stateFolder)
        var options = RegisterOptions()
        options.defersReplay = true
        let register = try SQLiteRegister(folder: folder, options: options)
        var quiet = Logger(label: "consentd")
        quiet.logLevel = .critical
        let index = try IndexStart(
            register, stateFolder: stateFolder, keyring: folder.keyring, logger: quiet
        ).index
        if !register.isReplayed { try register.replay() }
        // The index is what is examined here, so it may not answer for the tables.
        register.mayExist = nil
        let purposes = Array(register.catalogue.purposes.keys)
        var examination = register.examine(keys: folder.logKeys, onProgress: onProgress) { slot, profile in
            for channel in Channel.allCases {
                for purpose in purposes {
                    let found = index.outcome(slot, channel: channel.rawValue, purpose: purpose.rawValue)
                    guard found == profile.outcome(channel: channel, purpose: purpose) else {
                        return "the index answers otherwise than the fold"
                    }
                }
            }
            return nil
        }
        if UInt64(index.recipientCount) != examination.contactCount {
            examination.note(
                .contacts,
                "the index has \(index.recipientCount) contact points, the register \(examination.contactCount)"
            )
        }
        return examination
    }
}
