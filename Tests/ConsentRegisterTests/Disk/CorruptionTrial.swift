// One small register, its files, and what every question to it is answered: opened again and again with a
// change in one file.

import CScrub
import ConsentDomain
import ConsentProof
import ConsentRegister
import Foundation
import TestRandomness

/// A register whose files are changed.
struct CorruptionTrial {
    enum Target: CaseIterable {
        /// All is in the database file, and the last events are not in the derived rows.
        case database
        /// Some commits are in the write-ahead log only.
        case log
        case backup
        /// Beside the database: how far the register has come.
        case mark
    }

    let target: Target
    /// Makes the checksum of a changed page right again: a mistake on purpose, for the test of the test.
    var sealsAgain = false
    /// Leaves out what tells a log that was cut from one that ended: a mistake on purpose, likewise.
    var leavesOutMark = false
    private(set) var findings: [String] = []
    private(set) var foundCount = 0
    private(set) var harmlessCount = 0

    private let keys: TestKeys
    private let disk: TestDisk
    private var files: [String: [UInt8]] = [:]
    private let model: RegisterModel
    private var answers = RegisterAnswers()

    /// File that is changed.
    private var name: String {
        switch target {
        case .database, .backup: "register.db"
        case .log: "register.db-wal"
        case .mark: "register.db-mark"
        }
    }
    var byteCount: Int { files[name]?.count ?? 0 }
    init(_ target: Target, seed: UInt64) throws {
        self.target = target
        keys = try TestKeys()
        disk = try TestDisk()
        let workload = try DiskWorkload(path: disk.file("register.db"), keys: keys, seed: seed)
        let before: [DiskWorkload.Step] = [
            .batch, .notice, .batch, .batch, .erasure, .batch, .batch, .flush, .head, .erasure, .withdrawal,
        ]
        for step in before { try workload.run(step) }
        try workload.run(.truncation)
        for step in [.batch, .withdrawal, .batch] as [DiskWorkload.Step] { try workload.run(step) }
        if target == .backup { try workload.run(.backup) }
        // The log as it is now; closing the register ends it.
        if target == .log || target == .mark { files["register.db-wal"] = disk.bytes(of: "register.db-wal") }
        if target == .database { try workload.run(.truncation) }
        files["register.db-mark"] = disk.bytes(of: "register.db-mark")
        files["register.db"] = disk.bytes(of: target == .backup ? "register.db.backup" : "register.db")
        workload.close()
        model = workload.model
        let made = try open()
        answers = RegisterAnswers(made, model)
    }

    /// Place of some bytes in the file after another place; nil: there are none.
    func place(of part: [UInt8], after place: Int) -> Int? {
        let bytes = files[name] ?? []
        let range = Data(bytes).range(of: Data(part), in: min(place + 1, bytes.count)..<bytes.count)
        return range?.lowerBound
    }

    /// Opens the register with a change, and compares what it answers.
    mutating func open(_ note: String, _ change: (inout [UInt8]) -> Void) throws {
        var changed = files
        var bytes = changed[name] ?? []
        change(&bytes)
        if sealsAgain { Self.seal(&bytes) }
        changed[name] = bytes
        if leavesOutMark { changed["register.db-mark"] = nil }
        try put(changed)
        do throws(RegisterError) {
            if target == .backup { _ = try RegisterBackup.verify(disk.file(name)) }
            let register = try open()
            try compare(register, note)
        } catch {
            foundCount += 1
        }
    }

    private mutating func compare(_ register: SQLiteRegister, _ note: String) throws(RegisterError) {
        let found = RegisterAnswers(register, model)
        if let wrong = found.wrong(answers) {
            findings.append("a wrong answer: \(wrong), \(note)")
        } else if found.parts.count < answers.parts.count {
            foundCount += 1
        } else {
            harmlessCount += 1
        }
    }

    private func open() throws(RegisterError) -> SQLiteRegister {
        try SQLiteRegister(path: disk.file("register.db"), keyring: keys.keyring, logKey: keys.logKey)
    }

    private func put(_ files: [String: [UInt8]]) throws {
        for name in ["register.db", "register.db-wal", "register.db-journal", "register.db-mark"] {
            try? FileManager.default.removeItem(atPath: disk.file(name))
            guard let bytes = files[name] else { continue }
            try Data(bytes).write(to: URL(fileURLWithPath: disk.file(name)))
        }
    }

    private static func seal(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { bytes in
            for page in 0..<bytes.count / 4096 {
                let start = bytes.baseAddress.map { $0 + page * 4096 }
                consent_page_seal(start?.assumingMemoryBound(to: UInt8.self), 4096, UInt32(page + 1))
            }
        }
    }
}

/// What a register answers to everything that it can be asked; questions that gave an error are not in it.
struct RegisterAnswers {
    private(set) var parts: [String: AnyHashable] = [:]

    init() {}

    init(_ register: SQLiteRegister, _ model: RegisterModel) {
        take("sequence") { register.lastSequence }
        take("incarnation") { register.incarnation }
        take("marks") { [register.isTestRegister, register.restorePending] }
        take("last time") { register.lastRecordedAt }
        take("erasures") { register.pendingErasureCount }
        take("catalogue") { register.catalogue.notices }
        take("root") { try register.signedHead(now: .epoch).root }
        take("kept head") { try register.keptHead(until: .distantFuture)?.encoded }
        take("rows") {
            var rows: [SlotKey: [UInt8]] = [:]
            try register.forEachStateRow { key, _, record in rows[key] = [UInt8](record) }
            return rows
        }
        for event in model.events {
            let sequence = event.sequence
            take("event \(sequence)") { try register.event(sequence).map(EventIdentity.init) }
            take("proof \(sequence)") {
                try register.inclusionProof(sequence: sequence, treeSize: register.lastSequence)
            }
        }
        for slot in model.states.keys {
            take("state \(slot)") { try register.state(for: slot) }
            take("events of \(slot)") { try register.sequences(of: slot) }
        }
        for id in model.ids.keys { take("id \(id)") { try register.sequence(of: id) } }
        for reference in model.references.keys {
            take("reference \(reference)") { try register.contacts(reference: reference) }
        }
    }

    /// The first question that is answered, and not as in `right`; nil: there is none.
    func wrong(_ right: RegisterAnswers) -> String? {
        parts.first { right.parts[$0.key] != $0.value }?.key
    }

    private mutating func take(_ question: String, _ answer: () throws -> some Hashable) {
        if let answer = try? answer() { parts[question] = AnyHashable(answer) }
    }
}
