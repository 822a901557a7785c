// Goal: whatever call to a file fails, once or from then on, nobody is allowed by it and nothing that was
// acknowledged is lost: a write is refused and not executed, or the register says that it has failed and
// writes no more. No sync that failed is tried again. With space back, writes resume.
// Method: one workload, again and again, on a disk that fails its Nth call, for every N; what a server would
// do with the error; then the disk is well again and the register is opened anew and audited.
// CONSENTD_IOERR_POINTS and CONSENTD_IOERR_SEED lengthen and repeat it.

import CSQLite
import ConsentProof
import ConsentRegister
import Foundation
import TestRandomness
import Testing

@Suite struct DiskErrorTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test func noCallThatFailsDoesHarm() throws {
        let wanted = Int(Self.number("CONSENTD_IOERR_POINTS") ?? 150)
        let seed = Self.number("CONSENTD_IOERR_SEED") ?? UInt64.random(in: 1...1_000_000)
        let whole = try DiskErrorTrial(.none, seed: seed)
        #expect(whole.findings.isEmpty, "\(whole.findings)")
        let calls = whole.callCount
        let every = max(1, calls * 3 / wanted)
        var (points, refused, failed, place) = (0, 0, 0, Int(seed) % every)
        while place < calls * 3 {
            let faults: [DiskErrorTrial.Fault] = [.once(place / 3), .forEver(place / 3), .full(place / 3)]
            let trial = try DiskErrorTrial(faults[place % 3], seed: seed)
            for finding in trial.findings { Issue.record("\(finding) (\(faults[place % 3]), seed \(seed))") }
            points += 1
            refused += trial.refusedCount
            failed += trial.hasFailed ? 1 : 0
            place += every
        }
        #expect(refused > 0 && failed > 0, "no call that failed came to anything: the test shows nothing")
        print(
            "ioerr: \(points) failures of \(calls) calls, \(refused) steps refused, \(failed) registers stopped, 0 "
                + "lost")
    }

    @Test func aRefusalThatIsTakenForADoneWriteIsFoundOut() throws {
        let calls = try DiskErrorTrial(.none, seed: 3).callCount
        let findings = try stride(from: 0, to: calls, by: 9).flatMap {
            try DiskErrorTrial(.full($0), seed: 3, acknowledgesRefusals: true).findings
        }
        #expect(findings.contains { $0.contains("lost") }, "\(findings)")
    }
}

/// One workload on a disk with one fault.
struct DiskErrorTrial {
    enum Fault {
        case none
        /// The call of that number fails.
        case once(Int)
        /// It does, and all after it.
        case forEver(Int)
        /// From it on there is no room for writes, for a while.
        case full(Int)
    }

    private(set) var callCount = 0
    private(set) var refusedCount = 0
    private(set) var hasFailed = false
    private(set) var findings: [String] = []

    private static let steps: [DiskWorkload.Step] = [
        .batch, .notice, .withdrawal, .flushPart, .batch, .erasure, .flush, .checkpoint, .withdrawal, .head,
        .backup, .batch, .truncation, .restart, .batch, .withdrawal, .flush, .erasure, .checkpoint, .restart,
        .batch, .withdrawal,
    ]
    /// Calls without room.
    private static let fullCallCount = 60

    /// Runs the workload.
    /// - Parameter acknowledgesRefusals: a mistake on purpose, for the test of the test.
    init(_ fault: Fault, seed: UInt64, acknowledgesRefusals: Bool = false) throws {
        let keys = try TestKeys()
        let disk = try TestDisk()
        let workload = try DiskWorkload(path: disk.file("register.db"), keys: keys, seed: seed)
        let meter = DiskMeter(fault, fullCallCount: Self.fullCallCount)
        disk.decide = { meter.decide($0) }
        for step in Self.steps {
            do throws(RegisterError) {
                try workload.run(step)
            } catch {
                if acknowledgesRefusals { workload.keepAttempted() }
                guard workload.recover(from: error) else {
                    hasFailed = true
                    if case .none = fault { findings.append("a disk without a fault: \(error)") }
                    try check(isStopped: error, workload)
                    break
                }
                refusedCount += 1
                try checkStates(workload)
            }
        }
        try resume(workload, meter)
        workload.close()
        if meter.syncsAgain > 0 { findings.append("a sync that failed was tried again") }
        callCount = meter.count
        disk.decide = nil
        try audit(workload)
    }

    /// With room again, a register that goes on takes writes.
    private mutating func resume(_ workload: DiskWorkload, _ meter: DiskMeter) throws {
        guard !hasFailed, case .full = meter.fault else { return }
        meter.end()
        do throws(RegisterError) {
            try workload.run(.withdrawal)
        } catch {
            findings.append("writes do not resume: \(error)")
        }
    }

    /// A register that may not go on says so.
    private mutating func check(isStopped error: RegisterError, _ workload: DiskWorkload) throws {
        guard error.isFatal, let register = workload.register else { return }
        var maker = workload.maker
        do throws(RegisterError) {
            _ = try register.stage(maker.event(.grant, person: 1))
            findings.append("a register takes writes after \(error)")
        } catch {
            guard error != .stopped else { return }
            findings.append("a register that failed says \(error)")
        }
    }

    /// Whoever is answered is answered by what was acknowledged.
    private mutating func checkStates(_ workload: DiskWorkload) throws {
        guard let register = workload.register else { return }
        for (slot, state) in workload.model.states {
            // An error is no answer.
            guard let found = try? register.state(for: slot) else { continue }
            if found != state { findings.append("after a refusal the state of \(slot) is another") }
        }
    }

    private mutating func audit(_ workload: DiskWorkload) throws {
        do {
            let acknowledged = UInt64(workload.model.events.count)
            var models = workload.models
            var last = acknowledged
            if let attempted = workload.attempted {
                last = UInt64(attempted.events.count)
                models[last] = attempted
            }
            let register = try SQLiteRegister(
                path: workload.path, keyring: workload.keys.keyring, logKey: workload.keys.logKey)
            let head = try workload.keys.logKey.head(of: workload.model, register.incarnation)
            let finding = try DiskAudit.finding(
                register, acknowledged: Acknowledged(sequence: acknowledged, head: head, erased: []),
                models: models, last: last)
            if let finding { findings.append("\(finding)") }
        } catch {
            findings.append("the register does not open: \(error)")
        }
    }
}

/// Counts calls, and fails those that a fault says.
final class DiskMeter {
    let fault: DiskErrorTrial.Fault
    private let fullCallCount: Int
    private(set) var count = 0
    /// Syncs of files of the register whose sync had failed.
    private(set) var syncsAgain = 0
    private var hasEnded = false
    private var unsynced = Set<String>()

    init(_ fault: DiskErrorTrial.Fault, fullCallCount: Int) {
        self.fault = fault
        self.fullCallCount = fullCallCount
    }

    /// Nothing fails any more.
    func end() { hasEnded = true }

    func decide(_ call: TestDisk.Call) -> TestDisk.Decision {
        defer { count += 1 }
        if call.kind == .sync, unsynced.contains(call.name) { syncsAgain += 1 }
        guard !hasEnded, let code = code(of: call) else { return .happens }
        if call.kind == .sync, !call.name.contains("backup") { unsynced.insert(call.name) }
        // Half of a write may be there.
        return .fails(code, written: call.kind == .write ? call.count / 2 : 0)
    }

    private func code(of call: TestDisk.Call) -> Int32? {
        switch fault {
        case .none: return nil
        case .once(let number): return count == number ? Self.code(call.kind) : nil
        case .forEver(let number): return count >= number ? Self.code(call.kind) : nil
        case .full(let number):
            return call.kind == .write && count >= number && count < number + fullCallCount
                ? SQLITE_FULL : nil
        }
    }

    private static func code(_ kind: TestDisk.Kind) -> Int32 {
        switch kind {
        case .open: SQLITE_CANTOPEN
        case .read: SQLITE_IOERR | 1 << 8
        case .write: SQLITE_IOERR | 3 << 8
        case .sync: SQLITE_IOERR | 4 << 8
        case .truncate: SQLITE_IOERR | 6 << 8
        case .size: SQLITE_IOERR | 7 << 8
        case .delete: SQLITE_IOERR | 10 << 8
        case .access: SQLITE_IOERR | 13 << 8
        }
    }
}

extension LogSigningKey {
    /// The head of a model's log.
    func head(of model: RegisterModel, _ incarnation: [UInt8]) throws -> SignedHead {
        try SignedHead(
            treeSize: UInt64(model.events.count), root: model.frontier.root, time: 0,
            incarnation: incarnation,
            key: self)
    }
}
