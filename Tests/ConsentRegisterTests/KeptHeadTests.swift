// Goal: heads that were kept can be shown later, verify, and today's log extends them; nothing is kept twice,
// changed or removed. Method: a register that grows between heads, opened again; its file edited by hand.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Testing

@Suite struct KeptHeadTests {
    private func time(_ second: Int64) -> Timestamp {
        Timestamp(microseconds: 1_760_000_000_000_000 + second * 1_000_000)
    }

    @Test func oldHeadsAreShownAndExtended() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 1)
        var kept: [SignedHead] = []
        for round in 0..<5 as Range<Int64> {
            for person in 0..<70 {
                _ = try test.register.stage(maker.event(.grant, person: person))
            }
            try test.register.commit()
            kept.append(try #require(try test.register.keepHead(now: time(round))))
            // Nothing was appended since.
            #expect(try test.register.keepHead(now: time(round).adding(microseconds: 1)) == nil)
        }
        try test.reopen()
        #expect(try test.register.keepHead(now: time(9)) == nil)
        #expect(try test.register.keptHead(until: time(-1)) == nil)
        for (round, head) in kept.enumerated() {
            #expect(head.treeSize == UInt64(70 * (round + 1)))
            #expect(try test.register.keptHead(until: time(Int64(round))) == head)
            #expect(head.isSigned(by: test.keys.logKey.publicKey))
            let proof = try test.register.consistencyProof(from: head.treeSize, to: 350)
            #expect(
                MerkleProof.verifyConsistency(
                    oldSize: head.treeSize, oldRoot: head.root, newSize: 350,
                    newRoot: try test.register.root(treeSize: 350), proof: proof))
        }
    }

    @Test func keptHeadsAreNeverChangedOrRemoved() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 2)
        _ = try test.register.stage(maker.event(.grant, person: 1))
        try test.register.commit()
        try test.register.keepHead(now: time(0))
        for sql in ["UPDATE head SET body = x'00'", "DELETE FROM head"] {
            #expect(throws: SQLFailure.self) { try test.runSQL(sql) }
        }
        #expect(try test.register.keptHead(until: time(1)) != nil)
    }

    // MARK: The past

    @Test func theLastSequenceKnownByATime() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 3)
        #expect(try test.register.sequence(recordedBy: .distantFuture) == 0)
        var recorded: [Timestamp] = []
        for person in 0..<40 {
            let event = try test.register.stage(maker.event(.grant, person: person)).event
            recorded.append(event.recordedAt)
        }
        try test.register.commit()
        for (position, time) in recorded.enumerated() {
            #expect(try test.register.sequence(recordedBy: time) == UInt64(position + 1))
            let before = time.adding(microseconds: -1)
            #expect(try test.register.sequence(recordedBy: before) == UInt64(position))
        }
    }

    @Test func theContactPointsOfAControllerPageByPage() throws {
        let test = try TestRegister()
        var maker = EventMaker(test.keys, seed: 4)
        for person in 0..<90 {
            let controller = UInt32(person % 3 + 1)
            _ = try test.register.stage(maker.event(.grant, person: person, controller: controller))
        }
        try test.register.commit()
        let expected = (0..<90).filter { $0 % 3 == 1 }.map { maker.slot($0, controller: 2) }.sorted()
        let controller = ControllerID(rawValue: 2)
        #expect(test.registerKeys(of: controller) == expected)
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        #expect(test.registerKeys(of: controller) == [])
        var found: [SlotKey] = []
        var position: SlotKey?
        repeat {
            let page = try test.register.contacts(of: controller, after: position, rowCount: 7)
            found += page.keys
            position = page.end
        } while position != nil
        #expect(found == expected)
    }
}

extension TestRegister {
    /// Contact points of a controller that are in memory alone.
    fileprivate func registerKeys(of controller: ControllerID) -> [SlotKey] {
        (try? register.unwrittenContacts(of: controller)) ?? []
    }
}
