// Goal: whatever stands behind `RegisterStore` answers as the plain list of its events says, at every point
// of a write, a flush and a restart. Method: random events (seeded) go into the register and into a model;
// after each kind of step all look-ups, all events, all state rows and the head are compared.

import ConsentDomain
import ConsentProof
import ConsentRegister
import TestRandomness
import Testing

@Suite struct RegisterContractTests {
    /// Compares everything that the register answers with the model.
    static func compare(_ register: any RegisterStore, _ model: RegisterModel, _ note: Comment) throws {
        #expect(register.lastSequence == UInt64(model.events.count), note)
        #expect(try register.events(after: 0, limit: .max) == model.events, note)
        #expect(try register.signedHead(now: .epoch).root == model.frontier.root, note)
        #expect(register.lastRecordedAt == model.events.last?.recordedAt ?? .epoch, note)
        for (slot, state) in model.states {
            #expect(try register.state(for: slot) == state, note)
            #expect(try register.sequences(of: slot) == model.sequences[slot], note)
        }
        for (id, sequence) in model.ids { #expect(try register.sequence(of: id) == sequence, note) }
        for (reference, slots) in model.references {
            #expect(try register.contacts(reference: reference) == slots.sorted(), note)
        }
        var rows: [SlotKey: ContactProfile] = [:]
        try register.forEachStateRow { key, anchorDay, record in
            rows[key] = ContactProfile(record: [UInt8](record), anchorDay: anchorDay)
        }
        #expect(rows == model.states.mapValues(\.profile), note)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func answersAsItsEventsSay(seed: UInt64) throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: seed)
        var model = RegisterModel(test.keys)
        var generator = SeededGenerator(seed: seed &* 1_000)
        for round in 0..<24 {
            for _ in 0..<Int.random(in: 1...60, using: &generator) {
                model.append(try test.register.stage(maker.random(people: 40)).event)
            }
            try test.register.commit()
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: while try !test.register.flushDerived(budget: .milliseconds(1)) {}
            case 1: _ = try test.register.flushDerived(budget: .zero)
            case 2: try test.reopen()
            case 3: try test.register.checkpoint(truncating: round % 2 == 0)
            default: break
            }
            try Self.compare(try test.register, model, "seed \(seed), round \(round)")
        }
    }

    @Test func stagedEventsAreSeenAndARollbackForgetsThem() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 4)
        var model = RegisterModel(test.keys)
        try Self.stageAndRollBack(try test.register, &maker, &model)
        try Self.compare(try test.reopen(), model, "after a restart")
    }

    private static func stageAndRollBack(
        _ register: SQLiteRegister, _ maker: inout EventMaker, _ model: inout RegisterModel
    ) throws {
        model.append(try register.stage(maker.event(.grant, person: 1, reference: "A")).event)
        try register.commit()

        let withdrawal = try register.stage(maker.event(.withdraw, person: 1))
        let other = try register.stage(maker.event(.grant, person: 2, reference: "A"))
        let notice = try register.stage(maker.notice("Bonjour"))
        #expect(withdrawal.event.sequence == 2 && other.event.sequence == 3 && notice.event.sequence == 4)
        let withdrawn = try register.state(for: maker.slot(1))
        #expect(withdrawn?.cells.first?.denial?.state == .withdrawn)
        #expect(withdrawn?.profile == withdrawal.profile)
        #expect(try register.sequences(of: maker.slot(1)) == [1, 2])
        #expect(try register.sequence(of: #require(other.event.personal).eventID) == 3)
        #expect(try register.contacts(controller: ControllerID(rawValue: 1), reference: "A").count == 2)
        #expect(register.catalogue.notices.count == 1)
        #expect(register.lastSequence == 1, "what is staged is not appended")
        #expect(try register.event(2) == nil)

        register.rollback()
        #expect(register.catalogue.notices.isEmpty)
        try Self.compare(register, model, "after the rollback")
        model.append(try register.stage(maker.event(.refuse, person: 3)).event)
        #expect(model.events[1].sequence == 2, "sequences stay dense")
        try register.commit()
        try Self.compare(register, model, "after the next commit")
    }

    @Test func severalEventsOfOneContactPointInOneCommit() throws {
        let test = try TestRegister()
        let register = try test.register
        var maker = EventMaker(test.keys, seed: 5)
        var model = RegisterModel(test.keys)
        for kind in [EventKind.grant, .withdraw, .grant, .object] {
            model.append(try register.stage(maker.event(kind, person: 1)).event)
        }
        try register.commit()
        try Self.compare(register, model, "committed")
        while try !register.flushDerived(budget: .zero) {}
        try Self.compare(register, model, "flushed")
    }

    @Test func anEventIDNamesItsFirstEventBeforeAndAfterAFlush() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 6)
        let id = EventID(low: 11, high: 22)
        _ = try test.register.stage(maker.event(.grant, person: 1, id: id))
        #expect(try test.register.sequence(of: id) == 1)
        try test.register.commit()
        #expect(try test.register.sequence(of: id) == 1)
        while try !test.register.flushDerived(budget: .zero) {}
        #expect(try test.register.dirtyCount == 0)
        #expect(try test.register.sequence(of: id) == 1)
        _ = try test.register.stage(maker.event(.grant, person: 2, id: id))
        try test.register.commit()
        while try !test.register.flushDerived(budget: .zero) {}
        try test.reopen()
        #expect(try test.register.sequence(of: id) == 1)
        #expect(try test.register.sequence(of: EventID(low: 1, high: 1)) == nil)
    }

    @Test func theCatalogueIsRebuiltAndItsTextsAreStoredDeflated() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 7)
        let text = String(
            repeating: "Nous utilisons votre adresse pour vous envoyer nos offres. ", count: 200)
        let staged = try test.register.stage(maker.notice(text))
        _ = try test.register.stage(maker.notice("x"))
        try test.register.commit()
        let register = try test.reopen()
        #expect(register.catalogue.noticeOrdinals.count == 2)
        let id = try #require(register.catalogue.noticeOrdinals.first)
        #expect(register.catalogue.notices[id]?.text == text)
        #expect(register.noticeBytes(id) == staged.event.payload)
        #expect(Digest32.sha256(try #require(register.noticeBytes(id))) == id)
        #expect(try register.event(1)?.payload == staged.event.payload)
        try register.checkpoint(truncating: true)
        let bytes = try TemporaryFolderBytes.of(test.path)
        #expect(bytes.range(of: "offres. Nous utilisons") == nil, "the text lies in the file as it is")
    }

    @Test func recordingTimesNeverGoBack() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 8)
        let first = try test.register.stage(maker.event(.grant, person: 1)).event
        var late = maker.event(.withdraw, person: 1)
        late.recordedAt = Timestamp(microseconds: 5)
        #expect(try test.register.stage(late).event.recordedAt == first.recordedAt)
        try test.register.commit()
        #expect(try test.register.stage(late).event.recordedAt == first.recordedAt)
    }

    @Test func aHintSparesTheTableAndNeverHidesWhatIsInMemory() throws {
        let test = try TestRegister()
        let register = try test.register
        var maker = EventMaker(test.keys, seed: 9)
        _ = try register.stage(maker.event(.grant, person: 1))
        try register.commit()
        register.mayExist = { _ in false }
        #expect(try register.state(for: maker.slot(1)) != nil)
        while try !register.flushDerived(budget: .zero) {}
        #expect(try register.state(for: maker.slot(1)) == nil, "the table was asked")
        register.mayExist = { _ in true }
        #expect(try register.state(for: maker.slot(1)) != nil)
    }
}
