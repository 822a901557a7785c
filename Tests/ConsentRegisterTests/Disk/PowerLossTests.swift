// Goal: whenever the power goes, the register opens again with every acknowledged event, no half batch and a
// log that extends the head that was acknowledged; who withdrew is not allowed, who was erased is in no file.
// Method: a workload on a disk that records each change; for every place in that record and three ways to
// lose what was not synced the files as they would be, opened anew and audited against the model; now and
// then the power goes a second time while the register is opened, or the process is killed first, and what
// the next start finds is acknowledged before the power goes. CONSENTD_POWERLOSS_POINTS and
// CONSENTD_POWERLOSS_SEED lengthen and repeat it. With commits that do not wait for the disk, the same
// audit must find events that are lost.

import ConsentRegister
import Foundation
import TestRandomness
import Testing

@Suite struct PowerLossTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test func nothingAcknowledgedIsLost() throws {
        let wanted = Int(Self.number("CONSENTD_POWERLOSS_POINTS") ?? 240)
        let seed = Self.number("CONSENTD_POWERLOSS_SEED") ?? UInt64.random(in: 1...1_000_000)
        var trial = PowerLossTrial()
        var round: UInt64 = 0
        while trial.points < wanted {
            try trial.run(seed: seed &+ round, points: wanted - trial.points)
            round += 1
        }
        for finding in trial.findings { Issue.record("\(finding)") }
        #expect(
            trial.secondLosses > 0 && trial.kills > 0 && trial.acknowledged > 0, "the test shows nothing")
        print(
            "powerloss: \(trial.points) losses of power (\(trial.secondLosses) twice, \(trial.kills) after a kill), "
                + "\(trial.acknowledged) acknowledged events, 0 lost")
    }

    @Test func startsThatDoNotSyncAreFoundOut() throws {
        var trial = PowerLossTrial()
        trial.settlesLog = false
        for seed: UInt64 in 7..<12 { try trial.run(seed: seed, points: 240) }
        #expect(trial.lossCount > 0, "what a killed process left survives: the test cannot see a loss")
    }

    @Test func commitsThatDoNotWaitAreFoundOut() throws {
        var trial = PowerLossTrial()
        trial.waitsForDisk = false
        try trial.run(seed: 7, points: 240)
        #expect(trial.lossCount > 0, "events that were never synced survive: the test cannot see a loss")
    }
}

/// Losses of power at all places of a workload, and what was found after them.
struct PowerLossTrial {
    var waitsForDisk = true
    var settlesLog = true
    private(set) var points = 0
    private(set) var secondLosses = 0
    private(set) var kills = 0
    /// Acknowledged events that there were at the points together.
    private(set) var acknowledged: UInt64 = 0
    private(set) var lossCount = 0
    private(set) var findings: [String] = []

    private static let stepCount = 90

    /// What was acknowledged after so many changes.
    private struct Mark {
        let changeCount: Int
        let acknowledged: Acknowledged
    }

    /// What was done, and what of it was acknowledged when.
    private final class Record {
        let seed: UInt64
        let keys: TestKeys
        let workload: DiskWorkload
        var changes: [DiskChange] = []
        var marks: [Mark] = []

        init(seed: UInt64, waitsForDisk: Bool) throws {
            self.seed = seed
            keys = try TestKeys()
            let disk = try TestDisk()
            let recorder = try DiskRecorder(disk)
            workload = try DiskWorkload(path: disk.file("register.db"), keys: keys, seed: seed)
            workload.options.waitsForDisk = waitsForDisk
            workload.onAcknowledgement = { [unowned self] register throws(RegisterError) in
                let head = try register.signedHead(now: .epoch)
                marks.append(
                    Mark(
                        changeCount: recorder.changes.count,
                        acknowledged: Acknowledged(
                            sequence: register.lastSequence, head: head, erased: workload.erased)))
            }
            try workload.onAcknowledgement(try workload.opened())
            for _ in 0..<PowerLossTrial.stepCount { try workload.run(workload.nextStep()) }
            changes = recorder.changes
            workload.close()
            recorder.stop()
            workload.onAcknowledgement = { _ in }
        }

        /// The register that a folder holds.
        func opened(on disk: TestDisk, settlesLog: Bool = true) throws(RegisterError) -> SQLiteRegister {
            var options = RegisterOptions()
            options.settlesLog = settlesLog
            return try SQLiteRegister(
                path: disk.file("register.db"), keyring: keys.keyring, logKey: keys.logKey, options: options)
        }
    }

    /// Records a workload and loses power at up to so many points of it.
    mutating func run(seed: UInt64, points pointsMax: Int) throws {
        let record = try Record(seed: seed, waitsForDisk: waitsForDisk)
        var random = SeededGenerator(seed: seed)
        let first = record.marks[0].changeCount
        let every = max(1, (record.changes.count - first) * PowerLoss.losses.count / pointsMax)
        var turn = random.below(every)
        var state = DiskState()
        var mark = 0
        let disk = try TestDisk()
        for (place, change) in record.changes.enumerated() {
            state.apply(change)
            while mark + 1 < record.marks.count, record.marks[mark + 1].changeCount <= place + 1 { mark += 1 }
            guard place + 1 >= first else { continue }
            for loss in PowerLoss.losses {
                turn += 1
                guard turn % every == 0 else { continue }
                try lose(record, place, mark, state.image(loss, &random), "\(loss)", on: disk, &random)
                acknowledged += record.marks[mark].acknowledged.sequence
                points += 1
                guard points % 4 == 0 else { continue }
                try kill(record, place, mark, state, then: loss, on: disk, &random)
            }
        }
    }

    /// Opens what a loss of power has left, and audits it.
    private mutating func lose(
        _ record: Record, _ place: Int, _ mark: Int, _ image: [String: [UInt8]], _ loss: String,
        on disk: TestDisk, _ random: inout SeededGenerator
    ) throws {
        try put(image, on: disk)
        let recorder = try DiskRecorder(disk)
        let found = recorder.changes.count
        var finding = audit(record, mark, on: disk)
        let changes = recorder.changes
        recorder.stop()
        var note = loss
        if finding == nil, points % 8 == 0, changes.count > found {
            var state = DiskState()
            let end = found + random.below(changes.count - found)
            for change in changes[...end] { state.apply(change) }
            let second = PowerLoss.losses[random.below(PowerLoss.losses.count)]
            try put(state.image(second, &random), on: disk)
            finding = audit(record, mark, on: disk)
            note += ", then \(second) while it is opened"
            secondLosses += 1
        }
        guard let finding else { return }
        if case .lost = finding { lossCount += 1 }
        findings.append("\(finding) (seed \(record.seed), change \(place), \(note))")
    }

    /// Kills the process, lets a start read what it has left, and takes that for acknowledged, as whoever
    /// asks again is told that it is; then loses power.
    private mutating func kill(
        _ record: Record, _ place: Int, _ mark: Int, _ before: DiskState, then loss: PowerLoss,
        on disk: TestDisk, _ random: inout SeededGenerator
    ) throws {
        var state = before
        try put(state.image(.keep, &random), on: disk)
        let recorder = try DiskRecorder(disk)
        var acknowledged = record.marks[mark].acknowledged
        do {
            let register = try record.opened(on: disk, settlesLog: settlesLog)
            acknowledged.sequence = register.lastSequence
            acknowledged.head = try register.signedHead(now: .epoch)
            for change in recorder.changes {
                // What is found is there for the process alone: it is as pending as it was.
                if case .found = change { continue }
                state.apply(change)
            }
            recorder.stop()
        }
        try put(state.image(loss, &random), on: disk)
        kills += 1
        let last = acknowledged.sequence
        guard let finding = audit(record, acknowledged, last: last, on: disk) else { return }
        if case .lost = finding { lossCount += 1 }
        findings.append("\(finding) (seed \(record.seed), change \(place), killed, then \(loss))")
    }

    private func put(_ image: [String: [UInt8]], on disk: TestDisk) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: disk.folder.path) {
            try FileManager.default.removeItem(atPath: disk.file(name))
        }
        for (name, bytes) in image where !name.contains("backup") {
            try Data(bytes).write(to: URL(fileURLWithPath: disk.file(name)))
        }
    }

    private func audit(_ record: Record, _ mark: Int, on disk: TestDisk) -> DiskAudit.Finding? {
        let acknowledged = record.marks[mark].acknowledged
        let next = record.marks[mark...].first { $0.acknowledged.sequence > acknowledged.sequence }
        return audit(
            record, acknowledged, last: next?.acknowledged.sequence ?? acknowledged.sequence, on: disk)
    }

    /// - Parameter last: sequence that the commit under way would have led to.
    private func audit(
        _ record: Record, _ acknowledged: Acknowledged, last: UInt64, on disk: TestDisk
    ) -> DiskAudit.Finding? {
        do {
            // What is erased is gone before anything is opened.
            for name in ["register.db", "register.db-wal", "register.db-journal"] {
                guard let bytes = disk.bytes(of: name) else { continue }
                if let remnant = DiskAudit.remnants(of: acknowledged.erased, in: bytes) {
                    return .other("\(remnant) is erased, and in \(name)")
                }
            }
            let register = try record.opened(on: disk)
            if let finding = try DiskAudit.finding(
                register, acknowledged: acknowledged, models: record.workload.models, last: last)
            {
                return finding
            }
            // It goes on: the next write is taken.
            var maker = record.workload.maker
            _ = try register.stage(maker.event(.withdraw, person: 1))
            register.rollback()
            return nil
        } catch {
            return .other("the register does not open: \(error)")
        }
    }
}
