// Goal: no fault loses or changes what was committed, and each is named. Method: real files. Triggers,
// formats and keys are tried with a plain connection between two openings; a full disk is SQLite's page
// limit; a crash is a copy of the files in the middle of the work, opened elsewhere; damage is one byte
// changed at a time.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Foundation
import TestRandomness
import Testing

enum TemporaryFolderBytes {
    static func of(_ path: String) throws -> Bytes {
        Bytes(data: try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    struct Bytes {
        let data: Data
        func range(of text: String) -> Range<Int>? { data.range(of: Data(text.utf8)) }
    }
}

@Suite struct RegisterFaultTests {
    private static func filled(_ count: Int, seed: UInt64 = 1) throws -> (
        TestRegister, EventMaker, RegisterModel
    ) {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: seed)
        var model = RegisterModel(test.keys)
        let register = try test.register
        for index in 0..<count {
            model.append(try register.stage(maker.random(people: 50)).event)
            if index % 50 == 49 { try register.commit() }
        }
        try register.commit()
        return (test, maker, model)
    }

    @Test(arguments: [
        ("UPDATE event SET leaf = x'00' WHERE seq = 1", "events are append-only"),
        ("DELETE FROM event WHERE seq = 1", "events are append-only"),
        ("UPDATE payload SET body = x'00'", "payloads are append-only"),
        ("DELETE FROM payload", "payloads are append-only"),
        ("UPDATE personal SET body = x'00' WHERE seq = 1", "personal parts are never changed"),
    ])
    func triggersForbidChanges(_ sql: String, _ words: String) throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 1)
        _ = try test.register.stage(maker.event(.grant, person: 1))
        _ = try test.register.stage(maker.notice("Bonjour"))
        try test.register.commit()
        let failure = #expect(throws: SQLFailure.self) { try test.runSQL(sql) }
        #expect(failure?.description == words)
        #expect(try test.reopen().lastSequence == 2)
    }

    @Test func aDestroyedPersonalPartLeavesTheLogAsItIs() throws {
        let (test, _, model) = try Self.filled(300)
        let head = try test.register.signedHead(now: .epoch)
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        let sequence = UInt64(77)
        try test.runSQL("DELETE FROM personal WHERE seq = \(sequence)")
        let register = try test.reopen()
        let event = try #require(try register.event(sequence))
        #expect(event.personal == nil && event.commitment == model.events[76].commitment)
        #expect(event.leaf == model.events[76].leaf)
        #expect(try register.signedHead(now: .epoch) == head)
        let proof = try register.inclusionProof(sequence: sequence, treeSize: 300)
        #expect(
            MerkleProof.verifyInclusion(
                leafHash: TreeHash.leaf(event.leaf), leafIndex: sequence - 1, treeSize: 300, root: head.root,
                proof: proof))
    }

    @Test func aNewerFormatAndAnotherDatabaseAreRefused() throws {
        let test = try TestRegister()
        try test.runSQL("PRAGMA user_version=99")
        do {
            try test.reopen()
            Issue.record("a register of format 99 was opened")
        } catch RegisterError.newerThanProgram(found: 99, known: 1..<99) {
            // As it should be.
        }
        try test.runSQL("PRAGMA application_id=5")
        #expect(throws: RegisterError.notARegister(applicationID: 5)) { try test.reopen() }
        let missing = test.folder.file("nothing.db")
        #expect(throws: RegisterError.missing(path: missing)) {
            try SQLiteRegister(path: missing, keyring: test.keys.keyring, logKey: test.keys.logKey)
        }
        #expect(throws: RegisterError.exists(path: test.path)) {
            try SQLiteRegister.create(path: test.path, keyring: test.keys.keyring, logKey: test.keys.logKey)
        }
    }

    @Test func otherKeysAreRefused() throws {
        let test = try TestRegister()
        test.close()
        let other = try TestKeys(secretByte: 8, logByte: 10)
        #expect(throws: RegisterError.otherRecipientKey) {
            try SQLiteRegister(path: test.path, keyring: other.keyring, logKey: test.keys.logKey)
        }
        #expect(throws: RegisterError.otherLogKey) {
            try SQLiteRegister(path: test.path, keyring: test.keys.keyring, logKey: other.logKey)
        }
    }

    @Test func aSecondConnectionIsKeptOut() throws {
        let test = try TestRegister()
        #expect(throws: RegisterError.inUse) {
            try SQLiteRegister(path: test.path, keyring: test.keys.keyring, logKey: test.keys.logKey)
        }
        let failure = #expect(throws: SQLFailure.self) { try rawSQL(test.path, "SELECT * FROM event") }
        #expect(failure?.description == "database is locked")
        #expect(try test.register.lastSequence == 0)
    }

    @Test func aFullDiskRollsBackAndWritesResume() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 3)
        var model = RegisterModel(test.keys)
        try Self.meetTheLimit(try test.register, &maker, &model)
        try RegisterContractTests.compare(try test.reopen(), model, "after a restart")
    }

    private static func meetTheLimit(
        _ register: SQLiteRegister, _ maker: inout EventMaker, _ model: inout RegisterModel
    ) throws {
        model.append(try register.stage(maker.event(.grant, person: 1)).event)
        try register.commit()
        try register.limitPages(to: 120)
        var failures = 0
        for person in 0..<2_000 where failures == 0 {
            var batch: [ConsentEvent] = []
            for _ in 0..<20 { batch.append(try register.stage(maker.event(.grant, person: person)).event) }
            do {
                try register.commit()
                for event in batch { model.append(event) }
            } catch {
                guard case .full = error else { throw error }
                #expect(error.isRetryable && !error.isFatal)
                failures += 1
            }
        }
        #expect(failures == 1, "the page limit was never met")
        try RegisterContractTests.compare(register, model, "after the failure")
        #expect(throws: RegisterError.self) { while try !register.flushDerived(budget: .seconds(1)) {} }
        try RegisterContractTests.compare(register, model, "after a flush that failed")
        try register.limitPages(to: 1 << 30)
        model.append(try register.stage(maker.event(.withdraw, person: 1)).event)
        try register.commit()
        while try !register.flushDerived(budget: .seconds(1)) {}
        try RegisterContractTests.compare(register, model, "with space again")
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func aCrashLosesNothingThatWasCommitted(seed: UInt64) throws {
        // Files are copied while the register is open and in any state of flush and checkpoint.
        let (test, start, before) = try Self.filled(600, seed: seed)
        var (maker, model) = (start, before)
        var generator = SeededGenerator(seed: seed)
        let register = try test.register
        for round in 0..<12 {
            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                model.append(try register.stage(maker.random(people: 50)).event)
            }
            try register.commit()
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: _ = try register.flushDerived(budget: .zero)
            case 1: _ = try register.flushDerived(budget: .microseconds(300))
            case 2: try register.checkpoint(truncating: false)
            default: break
            }
            // Staged events are not committed and must not come back.
            let lost = try register.stage(maker.random(people: 50)).event
            let crashed = try TemporaryFolder()
            for name in ["register.db", "register.db-wal"]
            where FileManager.default.fileExists(atPath: test.folder.file(name)) {
                // Opening the live file here would drop its locks, so the copy is made by another process.
                try copyWithAnotherProcess(test.folder.file(name), crashed.file(name))
            }
            let revived = try SQLiteRegister(
                path: crashed.file("register.db"), keyring: test.keys.keyring, logKey: test.keys.logKey)
            try RegisterContractTests.compare(revived, model, "seed \(seed), round \(round)")
            #expect(try revived.event(lost.sequence) == nil)
            register.rollback()
        }
    }

    private func copyWithAnotherProcess(_ source: String, _ target: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/cp")
        process.arguments = [source, target]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    @Test func everyChangedByteOfAStateRowIsFound() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 2)
        _ = try test.register.stage(maker.event(.grant, person: 1))
        try test.register.commit()
        while try !test.register.flushDerived(budget: .zero) {}
        var length = 0
        try test.register.forEachStateRow { _, _, record in length = record.count + 8 }
        #expect(length > 24)
        for place in 1...length {
            // SQLite has no operator that changes one byte, so the row is put together around it.
            let change = """
                UPDATE state SET row = CAST(substr(row, 1, \(place - 1)) || \
                CASE substr(row, \(place), 1) WHEN x'00' THEN x'01' ELSE x'00' END || \
                substr(row, \(place + 1)) AS BLOB)
                """
            try test.runSQL("CREATE TABLE kept AS SELECT * FROM state; \(change)")
            try test.reopen()
            #expect(throws: RegisterError.self, "byte \(place)") {
                try test.register.forEachStateRow { _, _, _ in }
            }
            #expect(throws: RegisterError.self, "byte \(place)") {
                try test.register.state(for: maker.slot(1))
            }
            try test.runSQL("DELETE FROM state; INSERT INTO state SELECT * FROM kept; DROP TABLE kept")
        }
        try test.reopen().forEachStateRow { _, _, _ in }
    }

    @Test func aRowUnderAnotherKeyIsFound() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 2)
        _ = try test.register.stage(maker.event(.grant, person: 1))
        try test.register.commit()
        while try !test.register.flushDerived(budget: .zero) {}
        try test.runSQL("UPDATE state SET key = x'000102030405060708090A0B0C0D0E0F'")
        let register = try test.reopen()
        #expect(throws: RegisterError.self) { try register.forEachStateRow { _, _, _ in } }
    }

    @Test(arguments: [10, 300, 590])
    func aChangedEventIsNeverProven(_ sequence: UInt64) throws {
        let (test, _, _) = try Self.filled(600)
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        // The client's last letter: the leaf stays readable, so only the tree can tell.
        try test.runSQL(
            """
            DROP TRIGGER event_update;
            UPDATE event SET leaf = CAST(substr(leaf, 1, length(leaf) - 1) || x'21' AS BLOB)
                WHERE seq = \(sequence)
            """)
        guard sequence <= 512 else {
            // Leaves after the last complete block are hashed at each start.
            #expect(throws: RegisterError.self) { try test.reopen() }
            return
        }
        let register = try test.reopen()
        #expect(throws: RegisterError.self) { try register.checkLeaf(sequence) }
        #expect(throws: RegisterError.self) { try register.inclusionProof(sequence: sequence, treeSize: 600) }
        let neighbour: UInt64 = sequence > 256 ? 1 : 257
        #expect(try !register.inclusionProof(sequence: neighbour, treeSize: 600).isEmpty)
    }

    @Test(arguments: [
        ("DELETE FROM tree_block WHERE block = 1", "block 1"),
        ("UPDATE tree_block SET root = zeroblob(32) WHERE block = 0", "another root"),
        ("DROP TRIGGER event_delete; DELETE FROM event WHERE seq = 600", "event 600 was committed"),
        ("DROP TRIGGER event_delete; DELETE FROM event WHERE seq = 550", "event 550 is missing"),
        ("UPDATE meta SET value = x'00' WHERE name = 'derived'", "derived"),
        ("DELETE FROM meta WHERE name = 'incarnation'", "incarnation"),
    ])
    func damageIsNamedAtTheStart(_ sql: String, _ words: String) throws {
        let (test, _, _) = try Self.filled(600)
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        try test.runSQL(sql)
        let error = #expect(throws: RegisterError.self) { try test.reopen() }
        #expect("\(try #require(error))".contains(words), "\(String(describing: error))")
    }

    @Test func derivedRowsCanBeMadeAnewFromTheEvents() throws {
        let (test, _, model) = try Self.filled(700)
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        try test.runSQL(
            """
            DELETE FROM state; DELETE FROM event_id; DELETE FROM contact_event; DELETE FROM reference;
            DELETE FROM tree_block; DELETE FROM meta WHERE name = 'derived'
            """)
        test.options.replayDirtyCountMax = 20
        let register = try test.reopen()
        try RegisterContractTests.compare(register, model, "made anew")
        #expect(register.derivedSequence > 0, "a long replay writes what it has")
    }

    /// Format 3 had state rows of another form; a register of it opens, and its rows are made anew.
    @Test func rowsOfAnEarlierFormAreMadeAnew() throws {
        let (test, _, model) = try Self.filled(300)
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        try test.runSQL("UPDATE state SET row = zeroblob(40); PRAGMA user_version = 3")
        let register = try test.reopen()
        try RegisterContractTests.compare(register, model, "made anew")
    }

    @Test func theWriteAheadLogStaysSmallAndIsEmptiedOnDemand() throws {
        let (test, _, _) = try Self.filled(200)
        let register = try test.register
        #expect(register.walBytes > 0)
        #expect(try !register.checkpointIfDue())
        try register.checkpoint(truncating: true)
        #expect(register.walBytes == 0)
        let size = try FileManager.default.attributesOfItem(atPath: test.path + "-wal")[.size] as? Int
        #expect(size == 0)
    }
}
