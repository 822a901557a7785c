// Goal: a register that lost events at its end says so and is not opened; whoever accepts that goes on under
// a new incarnation; a mark that is merely old, or of another register, is no obstacle. And a clock that is
// set back while no process runs is known to have been later.

import ConsentDomain
import ConsentRegister
import Foundation
import Testing

@Suite struct EndMarkTests {
    private static let mark = "register.db-mark"

    /// A register with three events, of which the last is in the write-ahead log alone, cut off.
    private static func cutOff() throws -> (register: TestRegister, log: Data) {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 1)
        for person in 0..<2 { _ = try test.register.stage(maker.event(.grant, person: person)) }
        try test.register.commit()
        try test.register.checkpoint(truncating: true)
        _ = try test.register.stage(maker.event(.withdraw, person: 0))
        try test.register.commit()
        let log = try Data(contentsOf: URL(fileURLWithPath: test.folder.file("register.db-wal")))
        let database = try Data(contentsOf: URL(fileURLWithPath: test.path))
        test.close()
        // As it was before the process ended by itself.
        try database.write(to: URL(fileURLWithPath: test.path))
        try log.write(to: URL(fileURLWithPath: test.folder.file("register.db-wal")))
        return (test, log)
    }

    @Test(arguments: ["cut", "changed", "removed"]) func aLostEndIsNotOpened(_ how: String) throws {
        let (test, log) = try Self.cutOff()
        switch how {
        case "cut": try test.folder.patch("register.db-wal") { $0.removeLast(8) }
        case "changed": try test.folder.patch("register.db-wal") { $0[$0.count - 8] ^= 1 }
        default: try FileManager.default.removeItem(atPath: test.folder.file("register.db-wal"))
        }
        let error = #expect(throws: RegisterError.lostEnd(marked: 3, last: 2)) { try test.register }
        let why = "\(try #require(error))"
        #expect(
            why.contains("restore the last backup")
                && why.contains("consentd restore --state-dir DIR --accept-loss"),
            "\(why)")
        // It stays refused, and what was in the log stays there.
        #expect(throws: RegisterError.lostEnd(marked: 3, last: 2)) { try test.register }
        let left = try? Data(contentsOf: URL(fileURLWithPath: test.folder.file("register.db-wal")))
        #expect(how == "removed" || (left?.count ?? 0) >= log.count - 8, "the log was thrown away")
    }

    @Test func whoAcceptsTheLossGoesOnUnderAnotherIncarnation() throws {
        let (test, _) = try Self.cutOff()
        try test.folder.patch("register.db-wal") { $0.removeLast(8) }
        test.options.acceptsLostEnd = true
        let incarnation = try test.register.incarnation
        #expect(try test.register.lastSequence == 2 && test.register.restorePending)
        try test.register.acceptLoss(now: .epoch, client: "test")
        test.close()
        test.options.acceptsLostEnd = false
        #expect(try test.register.lastSequence == 3 && !test.register.restorePending)
        #expect(try test.register.incarnation == incarnation)
    }

    @Test func aWholeLogIsOpened() throws {
        let (test, log) = try Self.cutOff()
        #expect(!log.isEmpty)
        test.options.acceptsLostEnd = true
        let register = try test.register
        #expect(
            register.lastSequence == 3 && !register.restorePending, "nothing is lost, and nothing to accept")
    }

    @Test func anOlderMarkAndNoneAreNoObstacle() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 1)
        let before = try Data(contentsOf: URL(fileURLWithPath: test.folder.file(Self.mark)))
        for person in 0..<3 {
            _ = try test.register.stage(maker.event(.grant, person: person))
            try test.register.commit()
        }
        let after = try Data(contentsOf: URL(fileURLWithPath: test.folder.file(Self.mark)))
        #expect(before != after && before.count == after.count)
        for bytes in [before, nil] {
            test.close()
            try FileManager.default.removeItem(atPath: test.folder.file(Self.mark))
            try bytes?.write(to: URL(fileURLWithPath: test.folder.file(Self.mark)))
            #expect(try test.register.lastSequence == 3)
        }
        // A start brings it up to date.
        test.close()
        try FileManager.default.removeItem(atPath: test.path)
        try SQLiteRegister.create(path: test.path, keyring: test.keys.keyring, logKey: test.keys.logKey)
        #expect(try test.register.lastSequence == 0, "another register's mark says nothing of this one")
    }

    @Test func aTornSlotLeavesTheOther() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 1)
        for person in 0..<4 {
            _ = try test.register.stage(maker.event(.grant, person: person))
            try test.register.commit()
        }
        test.close()
        for slot in 0..<2 {
            let whole = try Data(contentsOf: URL(fileURLWithPath: test.folder.file(Self.mark)))
            try test.folder.patch(Self.mark) { $0[512 * slot + 24] ^= 1 }
            #expect(try test.register.lastSequence == 4)
            test.close()
            try whole.write(to: URL(fileURLWithPath: test.folder.file(Self.mark)))
        }
        for length in [0, 39] {
            try test.folder.patch(Self.mark) { $0 = $0.prefix(length) }
            #expect(throws: RegisterError.lostEnd(marked: nil, last: 4)) { try test.register }
        }
    }

    @Test func timesThatWereGivenOutAreKnown() throws {
        let test = try TestRegister()
        let day = Timestamp(microseconds: 86_400_000_000 * 21_000)
        let later = Timestamp(microseconds: day.microseconds + 3_600_000_000)
        try test.register.noteTime(later)
        // Less than a minute later nothing is written.
        try test.register.noteTime(Timestamp(microseconds: later.microseconds + 1_000_000))
        test.close()
        #expect(try test.register.lastKnownTime == later)
        // Neither a commit nor a clock that was set back takes it away.
        try test.register.noteTime(day)
        var maker = EventMaker(test.keys, seed: 1)
        _ = try test.register.stage(maker.event(.grant, person: 1))
        try test.register.commit()
        test.close()
        #expect(try test.register.lastKnownTime == later)
        try test.register.forgetNotedTime()
        test.close()
        let register = try test.register
        #expect(register.lastKnownTime == register.lastRecordedAt && register.lastRecordedAt < later)
    }
}
