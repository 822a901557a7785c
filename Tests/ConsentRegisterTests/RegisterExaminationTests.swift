// Goal: an examination finds nothing in a sound register, and each kind of change that leaves the pages
// sound. Method: a register with all kinds of events, flushed in part; one statement of SQL between two
// openings, through the layer that seals what it writes.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Testing

@Suite struct RegisterExaminationTests {
    private static func filled() throws -> TestRegister {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 31)
        let register = try test.register
        for index in 0..<700 {
            _ = try register.stage(index == 9 ? maker.notice("Bonjour") : maker.random(people: 60))
            if index % 70 == 69 { try register.commit() }
            if index == 559 { while try !register.flushDerived(budget: .seconds(1)) {} }
        }
        try register.commit()
        try register.finishErasures(now: DiskWorkload.later)
        try register.keepHead(now: DiskWorkload.later)
        return test
    }

    private static func examine(_ test: TestRegister) throws -> RegisterExamination {
        try test.register.examine(keys: [test.keys.logKey.publicKey])
    }

    @Test func aSoundRegisterHasNoFindings() throws {
        let test = try Self.filled()
        for _ in 0..<2 {
            let found = try Self.examine(test)
            #expect(found.findings.isEmpty, "\(found.findings)")
            #expect(found.eventCount == 700 && found.contactCount > 100 && found.headCount == 1)
            try test.reopen()
            while try !test.register.flushDerived(budget: .seconds(1)) {}
        }
    }

    @Test(arguments: [
        (
            "DROP TRIGGER event_update; UPDATE event SET leaf = (SELECT leaf FROM event WHERE seq = 7) WHERE seq = 8",
            RegisterExamination.Part.log
        ),
        (
            "DELETE FROM contact_event WHERE seq = (SELECT max(seq) FROM contact_event WHERE seq < 500)",
            .contacts
        ),
        ("DELETE FROM event_id WHERE seq = (SELECT min(seq) FROM personal)", .events),
        ("UPDATE event_id SET seq = seq + 1 WHERE seq = (SELECT min(seq) FROM personal)", .events),
        ("DELETE FROM reference", .events),
        (
            "DROP TRIGGER personal_update; UPDATE personal SET body = zeroblob(9) WHERE seq = (SELECT min(seq) FROM personal)",
            .events
        ),
        ("UPDATE state SET row = (SELECT row FROM state LIMIT 1)", .contacts),
        ("DELETE FROM state WHERE key = (SELECT key FROM contact_event WHERE seq = 4)", .contacts),
        ("DROP TRIGGER head_update; UPDATE head SET body = zeroblob(160)", .heads),
    ])
    func aChangeIsFound(_ sql: String, _ part: RegisterExamination.Part) throws {
        let test = try Self.filled()
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        try test.runSQL(sql)
        let found = try Self.examine(test)
        #expect(found.findingCount > 0)
        #expect(found.findings.contains { $0.part == part }, "\(found.findings)")
    }

    @Test func aKeyOfAnotherRegisterSignsNothingHere() throws {
        let test = try Self.filled()
        let other = try TestKeys(logByte: 3)
        let found = try test.register.examine(keys: [other.logKey.publicKey])
        #expect(found.findings.map(\.part) == [.heads])
    }
}
