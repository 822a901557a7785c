// Goal: an erasure leaves no byte of the personal parts in the database or its log, keeps the denial and
// every proof, is finished after a crash at any step, and a restriction hides first and destroys on its day.
// Method: canary texts, event ids and references written through the register's own interface, then the
// files searched for their bytes; random populations with a seed; the register's files copied between the
// steps to stand for a crash.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Foundation
import Testing

@Suite struct ErasureTests {
    static let later = Timestamp(microseconds: 1_760_000_000_000_000)

    /// All bytes of the register's database and log.
    private static func bytes(_ test: TestRegister) throws -> Data {
        var all = try Data(contentsOf: URL(fileURLWithPath: test.path))
        let log = test.path + "-wal"
        if FileManager.default.fileExists(atPath: log) {
            all += try Data(contentsOf: URL(fileURLWithPath: log))
        }
        return all
    }

    private static func erase(_ maker: inout EventMaker, person: Int, until: Day = .none) -> ConsentEvent {
        var event = maker.event(.erase, person: person)
        event.channels = .all
        event.purposes = .all
        event.retentionDay = until
        event.personal?.evidence = Evidence()
        return event
    }

    /// A grant whose personal part has texts that are found nowhere else.
    private static func canary(_ maker: inout EventMaker, person: Int) -> ConsentEvent {
        var event = maker.event(.grant, person: person, reference: "canary-reference-\(person)-")
        event.personal?.staff = "canary-staff-\(person)-"
        event.personal?.evidence.userAgent = "canary-agent-\(person)-"
        event.personal?.evidence.url = "https://canary.example/\(person)/"
        event.personal?.addressCommitment = .sha256(Array("canary commitment \(person)".utf8))
        event.personal?.contentMAC = EventID(low: maker.generator.next(), high: maker.generator.next())
        return event
    }

    /// Everything of a personal part that must be gone, by name. The recipient key stays: it is the
    /// tombstone.
    private static func traces(_ event: ConsentEvent, _ keys: TestKeys) throws -> [(String, Data)] {
        let personal = try #require(event.personal)
        return [
            ("reference", Data(personal.reference.utf8)), ("staff", Data(personal.staff.utf8)),
            ("agent", Data(personal.evidence.userAgent.utf8)), ("url", Data(personal.evidence.url.utf8)),
            ("event id", Data(personal.eventID.bytes)), ("content mac", Data(personal.contentMAC.bytes)),
            ("address commitment", Data(personal.addressCommitment.bytes)), ("salt", Data(event.salt)),
            (
                "reference key",
                Data(keys.keyring.referenceKey(controller: event.controller, personal.reference).bytes)
            ),
        ]
    }

    @Test(arguments: [false, true]) func nothingOfThePersonIsLeftInTheFiles(isFlushed: Bool) throws {
        let test = try TestRegister()
        // Not a constant: one that is held would keep the file locked when it is opened again.
        var register: SQLiteRegister { get throws { try test.register } }
        var maker = EventMaker(test.keys, seed: 71)
        var grants: [ConsentEvent] = []
        for person in 0..<40 {
            grants.append(try register.stage(Self.canary(&maker, person: person)).event)
        }
        try register.commit()
        if isFlushed { while try !register.flushDerived(budget: .seconds(1)) {} }
        let leaves = grants.map(\.leaf)
        let before = try Self.bytes(test)
        for (name, trace) in try Self.traces(grants[7], test.keys)
        where isFlushed || name != "reference key" {
            #expect(before.range(of: trace) != nil, "\(name) is not found before: the search is wrong")
        }

        let erase = try register.stage(Self.erase(&maker, person: 7)).event
        try register.commit()
        #expect(try register.pendingErasureCount == 1)
        #expect(try register.finishErasures(now: Self.later) == 1)
        #expect(try register.pendingErasureCount == 0)
        let after = try Self.bytes(test)
        for (name, trace) in try Self.traces(grants[7], test.keys) {
            #expect(after.range(of: trace) == nil, "\(name) is still there")
        }
        for (name, trace) in try Self.traces(grants[8], test.keys)
        where isFlushed || name != "reference key" {
            #expect(after.range(of: trace) != nil, "\(name) of a neighbour is gone")
        }

        // The denial stays, and so do the leaf, the proofs and the neighbours.
        func check(_ register: SQLiteRegister) throws {
            let slot = maker.slot(7)
            #expect(try register.state(for: slot)?.erasure?.sequence == erase.sequence)
            #expect(try register.sequences(of: slot) == [erase.sequence])
            #expect(
                try register.contacts(controller: ControllerID(rawValue: 1), reference: "canary-reference-7-")
                    .isEmpty)
            let blank = try #require(try register.event(8))
            #expect(blank.personal == nil && blank.leaf == leaves[7] && blank.commitment != nil)
            #expect(try register.event(erase.sequence)?.personal?.key == maker.recipientKey(7))
            let eventID = try #require(grants[7].personal?.eventID)
            #expect(try register.sequence(of: eventID) == 8, "a repeated write would be taken for a new one")
            #expect(try register.event(9)?.personal == grants[8].personal)
            let head = try register.signedHead(now: Self.later)
            for sequence in [1, 8, 9, erase.sequence] {
                let leaf = try #require(try register.event(sequence)).leaf
                #expect(
                    MerkleProof.verifyInclusion(
                        leafHash: TreeHash.leaf(leaf), leafIndex: sequence - 1, treeSize: head.treeSize,
                        root: head.root,
                        proof: try register.inclusionProof(sequence: sequence, treeSize: head.treeSize)))
            }
        }
        try check(register)
        while try !register.flushDerived(budget: .seconds(1)) {}
        try check(register)
        try check(try test.reopen())
        let flushed = try Self.bytes(test)
        for (name, trace) in try Self.traces(grants[7], test.keys) {
            #expect(flushed.range(of: trace) == nil, "\(name) came back with the derived rows")
        }
    }

    /// Many people in random order: b-trees split and merge, and no stale copy of a cell may stay behind.
    @Test(arguments: [UInt64(72), 172, 272])
    func noStaleCopyStaysWherePagesSplitAndMerge(seed: UInt64) throws {
        let test = try TestRegister()
        let register = try test.register
        var maker = EventMaker(test.keys, seed: seed)
        var grants: [ConsentEvent] = []
        for person in 0..<6_000 {
            // Random ids, so that look-ups are inserted and deleted all over their trees.
            var event = Self.canary(&maker, person: person)
            event.personal?.eventID = EventID(low: maker.generator.next(), high: maker.generator.next())
            grants.append(try register.stage(event).event)
            if person % 500 == 499 {
                try register.commit()
                while try !register.flushDerived(budget: .milliseconds(5)) {}
            }
        }
        var people = Array(0..<6_000)
        people.shuffle(using: &maker.generator)
        let erased = people.prefix(1_500)
        for (position, person) in erased.enumerated() {
            _ = try register.stage(Self.erase(&maker, person: person))
            guard position % 50 == 49 else { continue }
            try register.commit()
            #expect(try register.finishErasures(now: Self.later) == 50)
        }
        let after = try Self.bytes(test)
        // One pass over the files: every window of 16 bytes against the ids and reference keys of the erased.
        var ids = Set<EventID>()
        var references = Set<EventID>()
        for person in erased {
            let personal = try #require(grants[person].personal)
            ids.insert(personal.eventID)
            let key = test.keys.keyring.referenceKey(
                controller: grants[person].controller, personal.reference)
            references.insert(EventID(low: key.low, high: key.high))
        }
        var found = (ids: 0, references: 0)
        after.withUnsafeBytes { bytes in
            for offset in 0...(bytes.count - 16) {
                let low = UInt64(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                let high = UInt64(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
                let window = EventID(low: low, high: high)
                if ids.contains(window) { found.ids += 1 }
                if references.contains(window) { found.references += 1 }
            }
        }
        #expect(found == (0, 0), "seed \(seed): ids, reference keys of erased people in the files: \(found)")
        let text = String(decoding: after, as: UTF8.self)
        let agents = text.matches(of: /canary-agent-(\d+)-/).compactMap { Int($0.output.1) }
        let gone = Set(erased)
        #expect(agents.allSatisfy { !gone.contains($0) }, "seed \(seed)")
        #expect(Set(agents).count == 4_500)
    }

    @Test func aRestartFinishesAnErasureThatWasCutOff() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 73)
        let grant = try test.register.stage(Self.canary(&maker, person: 1)).event
        try test.register.commit()
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        _ = try test.register.stage(Self.erase(&maker, person: 1))
        try test.register.commit()
        // The process ends between the commit and the destruction.
        try test.reopen()
        var register: SQLiteRegister { get throws { try test.register } }
        #expect(try register.pendingErasureCount == 1)
        #expect(try register.state(for: maker.slot(1))?.erasure != nil, "the denial counts from the commit")
        let event = try #require(try register.event(grant.sequence))
        #expect(event.personal != nil)
        #expect(try register.isRestricted(event))
        #expect(try register.shown(event, isAdministrator: false).personal == nil)
        #expect(try register.finishErasures(now: Self.later) == 1)
        for (name, trace) in try Self.traces(grant, test.keys) {
            #expect(try Self.bytes(test).range(of: trace) == nil, "\(name) is still there")
        }
        #expect(try test.reopen().pendingErasureCount == 0)
    }

    @Test func anErasureCutOffBeforeItsRowIsClearedIsDoneAgain() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 74)
        let grant = try test.register.stage(Self.canary(&maker, person: 1)).event
        let erase = try test.register.stage(Self.erase(&maker, person: 1)).event
        try test.register.commit()
        try test.register.finishErasures(now: Self.later)
        // As if the process had ended before the last step.
        try test.runSQL("INSERT INTO pending_erasure (seq, due) VALUES (\(erase.sequence), 0)")
        let register = try test.reopen()
        #expect(register.pendingErasureCount == 1)
        #expect(try register.finishErasures(now: Self.later) == 0)
        #expect(register.pendingErasureCount == 0)
        #expect(try register.event(grant.sequence)?.personal == nil)
        #expect(try register.state(for: maker.slot(1))?.erasure?.sequence == erase.sequence)
    }

    @Test func aRestrictionHidesFirstAndDestroysOnItsDay() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 75)
        let grant = try test.register.stage(Self.canary(&maker, person: 1)).event
        let day = Day(rawValue: 21_000)
        _ = try test.register.stage(Self.erase(&maker, person: 1, until: day))
        let other = try test.register.stage(Self.canary(&maker, person: 2)).event
        try test.register.commit()
        for isReopened in [false, true] {
            let register = isReopened ? try test.reopen() : try test.register
            let before = day.start.adding(microseconds: -1)
            #expect(!register.hasErasuresDue(now: before))
            #expect(try register.finishErasures(now: before) == 0)
            #expect(register.pendingErasureCount == 1)
            let event = try #require(try register.event(grant.sequence))
            #expect(register.shown(event, isAdministrator: true).personal == grant.personal)
            let blank = register.shown(event, isAdministrator: false)
            #expect(blank.personal == nil && blank.salt.isEmpty && blank.leaf == grant.leaf)
            #expect(try register.state(for: maker.slot(1))?.erasure != nil)
            #expect(!register.isRestricted(try #require(try register.event(other.sequence))))
        }
        let register = try test.register
        #expect(register.hasErasuresDue(now: day.start))
        #expect(try register.finishErasures(now: day.start) == 1)
        for (name, trace) in try Self.traces(grant, test.keys) {
            #expect(try Self.bytes(test).range(of: trace) == nil, "\(name) is still there")
        }
    }

    @Test func whatIsRecordedAfterTheErasureStays() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 76)
        _ = try test.register.stage(maker.event(.grant, person: 1, reference: "same"))
        _ = try test.register.stage(Self.erase(&maker, person: 1))
        let again = try test.register.stage(maker.event(.grant, person: 1, reference: "same")).event
        try test.register.commit()
        #expect(try test.register.finishErasures(now: Self.later) == 1)
        for isReopened in [false, true] {
            let register = isReopened ? try test.reopen() : try test.register
            #expect(try register.event(3)?.personal == again.personal)
            #expect(try register.sequences(of: maker.slot(1)) == [2, 3])
            #expect(
                try register.contacts(controller: ControllerID(rawValue: 1), reference: "same")
                    == [maker.slot(1)])
            #expect(try register.hasAnythingToErase(maker.slot(1), isRestriction: false))
        }
    }

    /// Random logs with erasures finished at random moments, flushed and reopened in between: the register
    /// answers as a model whose events before an erasure are blank.
    @Test(arguments: [UInt64(77), 78, 79]) func randomErasuresLeaveWhatTheModelSays(seed: UInt64) throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: seed)
        var events: [ConsentEvent] = []
        var lastErase: [SlotKey: UInt64] = [:]
        for round in 0..<60 {
            for _ in 0..<20 {
                let event = try test.register.stage(maker.random(people: 30)).event
                events.append(event)
                if event.kind == .erase, let personal = event.personal {
                    lastErase[test.keys.keyring.slotKey(personal.key, controller: event.controller)] =
                        event.sequence
                }
            }
            try test.register.commit()
            if Bool.random(using: &maker.generator) {
                _ = try test.register.flushDerived(budget: .microseconds(300))
            }
            if round % 3 == 2 { try test.register.finishErasures(now: Self.later) }
            if round % 7 == 6 { try test.reopen() }
        }
        try test.register.finishErasures(now: Self.later)
        for isReopened in [false, true] {
            let register = isReopened ? try test.reopen() : try test.register
            var states: [SlotKey: ContactState] = [:]
            var sequences: [SlotKey: [UInt64]] = [:]
            for event in events {
                guard let personal = event.personal, let kind = event.contactKind else { continue }
                let slot = test.keys.keyring.slotKey(personal.key, controller: event.controller)
                states[slot, default: ContactState(controller: event.controller, kind: kind)].apply(event)
                let isGone = event.kind != .erase && event.sequence < lastErase[slot] ?? 0
                if !isGone { sequences[slot, default: []].append(event.sequence) }
                #expect(
                    try register.event(event.sequence)?.personal == (isGone ? nil : personal), "seed \(seed)")
            }
            for (slot, state) in states {
                #expect(try register.state(for: slot) == state, "seed \(seed)")
                #expect(try register.sequences(of: slot) == sequences[slot] ?? [], "seed \(seed)")
            }
        }
    }
}
