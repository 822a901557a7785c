// Goal: each event moves each state as the rules say.
// Method: short stories, one a rule or edge case; times are minutes.

import ConsentDomain
import TestRandomness
import Testing

struct FoldTests {
    @Test func grantCoversItsCellsOnly() {
        var story = Story()
        story.tell(.grant, 0)
        #expect(story.code() == .granted)
        #expect(story.code(.whatsapp) == CellState.none)
        #expect(story.code(.sms, 3) == CellState.none)
        func reason(_ channel: Channel, _ number: UInt8, invalid: UInt16? = nil) -> Reason {
            story.state.noRecordReason(
                channel: channel, purpose: purpose(number), today: day(2026, 3, 2)
            ) { $0 == invalid }
        }
        #expect(reason(.whatsapp, 2) == .otherChannel)
        #expect(reason(.sms, 3) == .otherPurpose)
        #expect(reason(.phone, 3) == .noRecord)
        #expect(reason(.whatsapp, 2, invalid: 0) == .noRecord, "a consent under an invalid notice is none")
    }

    @Test func channelsThatDoNotFitTheAddressGetNoConsent() {
        var story = Story(.email)
        story.tell(.grant, 0, channels: ChannelSet([.email, .sms]))
        #expect(story.code(.email) == .granted)
        #expect(story.code(.sms) == CellState.none)
    }

    @Test func grantOfAllChannelsOrPurposesGivesNothing() {
        var story = Story()
        story.tell(.grant, 0, channels: .all, purposes: .all)
        #expect(story.state.cells.isEmpty)
    }

    @Test(arguments: [
        (EventKind.refuse, CellState.refused), (.withdraw, .withdrawn), (.object, .objected),
        (.revoke, .revoked),
        (.complaint, .complaint),
    ])
    func denialEndsAndOnlyALaterGrantLifts(kind: EventKind, expected: CellState) {
        var story = Story()
        story.tell(kind, 0)
        #expect(story.code() == expected, "from none")
        story.tell(.grant, 60)
        #expect(story.code() == .granted, "a later act of the person")
        story.tell(kind, 120)
        #expect(story.code() == expected, "from granted")
        story.tell(.grant, 100)
        #expect(story.code() == expected, "a grant that arrives late")
        story.tellPending(180)
        #expect(story.code() == .pending)
        story.tell(kind, 181)
        #expect(story.code() == expected, "from pending")
    }

    /// Grant at minute 60; the denial occurs at `denial`. Recorded first, it must not be earlier; recorded
    /// after, it beats the grant unless it is earlier by more than five minutes.
    @Test(arguments: [
        (50, false, false), (54, false, false), (55, false, true), (59, false, true), (60, true, true),
        (61, true, true),
    ])
    func orderOfOccurrence(denial: Int, beatsWhenFirst: Bool, beatsWhenAfter: Bool) {
        var first = Story()
        first.tell(.withdraw, denial)
        first.tell(.grant, 60)
        #expect(first.code() == (beatsWhenFirst ? .withdrawn : .granted))
        var after = Story()
        after.tell(.grant, 60)
        after.tell(.withdraw, denial)
        #expect(after.code() == (beatsWhenAfter ? .withdrawn : .granted))
    }

    @Test func toleranceIsFiveMinutesToTheMicrosecond() {
        for (shift, expected) in [(0, CellState.withdrawn), (-1, .granted)] as [(Int64, CellState)] {
            var story = Story()
            story.tell(.grant, 60)
            story.tell(.withdraw, 55) { $0.occurredAt = $0.occurredAt.adding(microseconds: shift) }
            #expect(story.code() == expected)
        }
    }

    @Test func deviceTenSecondsBehindWithdraws() {
        var story = Story()
        story.tell(.grant, 10)
        story.tell(.withdraw, 10) { $0.occurredAt = $0.occurredAt.adding(microseconds: -10_000_000) }
        #expect(story.code() == .withdrawn)
    }

    @Test func futureTimesCountAsTheTimeOfRecording() {
        var story = Story()
        story.tell(.withdraw, 1_000, recorded: 10)
        story.tell(.grant, 11, recorded: 11)
        #expect(story.code() == .granted)
        story.tell(.grant, 1_000, recorded: 12)
        story.tell(.withdraw, 13, recorded: 13)
        #expect(story.code() == .withdrawn)
    }

    @Test func lateDenialLeavesAMuchLaterGrant() {
        var story = Story()
        story.tell(.grant, 100)
        story.tell(.refuse, 10)
        #expect(story.code() == .granted)
        // It is on file all the same: a grant from before it stays beaten.
        story.tell(.grant, 5)
        story.tell(.invalidate, 101)
        #expect(story.code() == .refused, "what the grant had lifted speaks again")
        story.tell(.grant, 6)
        #expect(story.code() == .refused)
    }

    @Test func importsNeverResurrect() {
        for denial in [EventKind.withdraw, .refuse, .object, .complaint, .revoke] {
            var story = Story()
            story.tell(denial, 0)
            story.tell(.grant, 500) {
                $0.via = .import; $0.source = .widget
            }
            #expect(story.code() != .granted, "\(denial) before an import that says widget")
            var after = Story()
            after.tell(.grant, 500) { $0.via = .import }
            #expect(after.code() == .granted)
            after.tell(denial, 0)
            #expect(after.code() != .granted, "\(denial) that occurred long before the imported grant")
        }
    }

    @Test func anImportThatEndsLeavesTheLiveGrantBelow() {
        var story = Story()
        story.tell(.grant, 100)
        story.tell(.grant, 200) {
            $0.via = .import; $0.validityDay = day(2027, 1, 1)
        }
        #expect(story.state.outcome(channel: .sms, purpose: purpose(2)).untilDay == day(2027, 1, 1).rawValue)
        story.tell(.withdraw, 50)
        #expect(story.code() == .granted)
        #expect(story.state.outcome(channel: .sms, purpose: purpose(2)).untilDay == 0)
        story.tell(.withdraw, 100)
        #expect(story.code() == .withdrawn)
    }

    @Test func refusalOfAllCoversWhatIsAddedLater() {
        var story = Story()
        story.tell(.grant, 0)
        story.tell(.object, 10, channels: [], purposes: [])
        for channel in Channel.allCases {
            for number in [1, 2, 40, 63] as [UInt8] { #expect(story.code(channel, number) == .objected) }
        }
        // Only the cell that is granted later is lifted.
        story.tell(.grant, 20, purposes: purposes(40))
        #expect(story.code(.sms, 40) == .granted)
        #expect(story.code(.sms, 41) == .objected)
        // A refusal of one purpose on all channels covers each channel.
        story.tell(.refuse, 30, channels: .all, purposes: purposes(40))
        #expect(story.code(.sms, 40) == .refused)
        #expect(story.code(.post, 40) == .refused)
        // The profile says so for channels that have no name yet.
        let bytes = story.state.profile.record
        let unnamed = bytes.withUnsafeBytes { record in
            record.baseAddress.map {
                ContactProfile.outcome(record: $0, anchorDay: 0, channel: 8, purpose: 40).code
            }
        }
        #expect(unnamed == CellState.refused.rawValue)
    }

    @Test func stopAndComplaintCoverEveryPurposeOfTheirChannel() {
        var story = Story()
        story.tell(.grant, 0, channels: ChannelSet([.sms, .whatsapp]), purposes: purposes(2, 3))
        story.tell(.withdraw, 1) { $0.source = .smsKeyword }
        #expect(story.code(.sms, 2) == .stop)
        #expect(story.code(.sms, 3) == .stop)
        #expect(story.code(.sms, 50) == .stop)
        #expect(story.code(.whatsapp, 3) == .granted)
        story.tell(.complaint, 2, channels: ChannelSet([.whatsapp]))
        #expect(story.code(.whatsapp, 3) == .complaint)
        #expect(story.code(.phone, 3) == CellState.none)
    }

    @Test func scopedDenialShowsBeforeTheCellsOwn() {
        var story = Story()
        story.tell(.withdraw, 50)
        story.tell(.object, 10, channels: .all, purposes: .all)
        #expect(story.code() == .objected)
        story.tell(.refuse, 20, channels: ChannelSet([.sms]), purposes: .all)
        #expect(story.code() == .refused, "the latest of those that cover the cell")
        story.tell(.refuse, 5, channels: .all, purposes: .all)
        #expect(story.code(.push) == .objected, "an earlier one changes nothing")
    }

    // MARK: Double opt-in

    @Test func confirmation() {
        var story = Story()
        let grant = story.tellPending(0)
        #expect(story.code() == .pending)
        #expect(story.reason(atMinute: 60) == .pending)
        story.tell(.confirm, 30) {
            $0.refersTo = grant; $0.noticeOrdinal = 4
        }
        #expect(story.code() == .granted)
        #expect(story.state.finding(channel: .sms, purpose: purpose(2)).since == Story.at(30))
        #expect(story.state.outcome(channel: .sms, purpose: purpose(2)).noticeOrdinal == 4)
    }

    @Test func confirmationComesTooLate() {
        let week = 7 * 24 * 60
        var story = Story()
        let grant = story.tellPending(0)
        #expect(story.reason(atMinute: week - 1) == .pending)
        #expect(story.reason(atMinute: week) == .lapsed)
        var inTime = story
        inTime.tell(.confirm, week - 1) { $0.refersTo = grant }
        #expect(inTime.code() == .granted)
        story.tell(.confirm, week) { $0.refersTo = grant }
        #expect(story.code() == .pending)
        // A new request restarts what has lapsed.
        story.tellPending(week + 1)
        #expect(story.reason(atMinute: week + 2) == .pending)
    }

    @Test func secondRequestDoesNotRestartTheLapse() {
        let week = 7 * 24 * 60
        var story = Story()
        story.tellPending(0)
        let second = story.tellPending(3 * 24 * 60)
        #expect(story.reason(atMinute: week) == .lapsed)
        // The second message's token confirms what both asked.
        story.tell(.confirm, 4 * 24 * 60) { $0.refersTo = second }
        #expect(story.code() == .granted)
    }

    @Test func confirmationAfterARefusalDoesNothing() {
        for refusal in [EventKind.refuse, .withdraw, .object, .complaint, .revoke, .invalidate, .reassigned] {
            var story = Story()
            let grant = story.tellPending(0)
            story.tell(refusal, 10)
            story.tell(.confirm, 20) { $0.refersTo = grant }
            #expect(story.code() != .granted, "\(refusal)")
        }
    }

    @Test func refusalBetweenClickAndItsArrival() {
        var story = Story()
        let grant = story.tellPending(0)
        story.tell(.confirm, 20) { $0.refersTo = grant }
        story.tell(.withdraw, 16)
        #expect(story.code() == .withdrawn)
    }

    @Test func confirmationOfAnotherGrantDoesNothing() {
        var story = Story()
        story.tell(.contactSeen, 0)
        story.tellPending(0)
        // None, one before the pending grant, one that is not yet recorded.
        for refersTo in [0, 1, 99] as [UInt64] {
            story.tell(.confirm, 5) { $0.refersTo = refersTo }
            #expect(story.code() == .pending, "\(refersTo)")
        }
        story.tell(.confirm, 5) { $0.refersTo = 2 }
        #expect(story.code() == .granted)
        var other = Story()
        let grant = other.tellPending(0)
        other.tell(.confirm, 5, purposes: purposes(3)) { $0.refersTo = grant }
        #expect(other.code() == .pending)
    }

    @Test func pendingWhileGrantedOnlyExtendsWhenConfirmed() {
        var story = Story()
        story.tell(.grant, 0) { $0.validityDay = day(2026, 6, 1) }
        let second = story.tellPending(60)
        #expect(story.code() == .granted)
        #expect(story.state.outcome(channel: .sms, purpose: purpose(2)).untilDay == day(2026, 6, 1).rawValue)
        story.tell(.confirm, 90) {
            $0.refersTo = second; $0.validityDay = day(2026, 9, 1)
        }
        #expect(story.state.outcome(channel: .sms, purpose: purpose(2)).untilDay == day(2026, 9, 1).rawValue)
        #expect(story.state.cells[0].pending == nil)
    }

    // MARK: Ends

    @Test func endsAtTheStartOfItsDay() {
        var story = Story()
        story.tell(.grant, 0) { $0.validityDay = day(2026, 3, 11) }
        let end = 10 * 24 * 60
        #expect(story.reason(atMinute: end - 1) == .consent)
        #expect(story.reason(atMinute: end) == .expired)
    }

    @Test func retentionAndValidityEndItWhicheverIsFirst() {
        var story = Story()
        story.tell(.grant, 0) {
            $0.validityDay = day(2027, 3, 1); $0.retentionDay = day(2026, 12, 1)
        }
        func until() -> UInt16 { story.state.outcome(channel: .sms, purpose: purpose(2)).untilDay }
        #expect(until() == day(2026, 12, 1).rawValue)
        story.tell(.contactSeen, 10) {
            $0.retentionDay = day(2027, 1, 1); $0.validityDay = day(2029, 1, 1)
        }
        #expect(until() == day(2027, 1, 1).rawValue)
        story.tell(.contactSeen, 10) { $0.retentionDay = day(2029, 1, 1) }
        #expect(until() == day(2027, 3, 1).rawValue, "validity does not move")
        story.tell(.contactSeen, 9) { $0.retentionDay = day(2026, 4, 1) }
        #expect(until() == day(2027, 3, 1).rawValue, "the last contact counts")
        story.tell(.contactSeen, 10) { $0.retentionDay = day(2026, 4, 1) }
        #expect(until() == day(2026, 4, 1).rawValue, "by the policy of its time")
        story.tell(.contactSeen, 11) { $0.retentionDay = day(2029, 1, 1) }
        story.tell(.renew, 20) { $0.validityDay = day(2028, 3, 1) }
        #expect(until() == day(2028, 3, 1).rawValue)
        story.tell(.withdraw, 21) { $0.retentionDay = day(2031, 1, 1) }
        #expect(story.state.contacts?.retentionDay == day(2029, 1, 1), "a refusal is no contact")
    }

    @Test func renewalNeedsAConsentThatStands() {
        var story = Story()
        story.tell(.renew, 0)
        #expect(story.code() == CellState.none)
        story.tellPending(1)
        story.tell(.renew, 2)
        #expect(story.code() == .pending)
        story.tell(.withdraw, 3)
        story.tell(.renew, 4)
        #expect(story.code() == .withdrawn)
        story.tell(.grant, 10) { $0.validityDay = day(2027, 1, 1) }
        story.tell(.renew, 11) { $0.validityDay = day(2026, 9, 1) }
        #expect(story.state.outcome(channel: .sms, purpose: purpose(2)).untilDay == day(2027, 1, 1).rawValue)
        story.tell(.withdraw, 10)
        #expect(story.code() == .withdrawn, "what the renewal rests on is gone")
    }

    @Test func importedRenewalDoesNotPassADenial() {
        var story = Story()
        story.tell(.withdraw, 0)
        story.tell(.grant, 10) { $0.validityDay = day(2026, 9, 1) }
        story.tell(.renew, 20) {
            $0.via = .import; $0.validityDay = day(2030, 1, 1)
        }
        #expect(story.state.outcome(channel: .sms, purpose: purpose(2)).untilDay == day(2026, 9, 1).rawValue)
    }

    @Test func noticeInvalidation() {
        var story = Story()
        story.tell(.grant, 0) { $0.noticeOrdinal = 7 }
        #expect(story.state.outcome(channel: .sms, purpose: purpose(2)).noticeOrdinal == 7)
        let from = Story.at(100).rawValue
        #expect(story.reason(atMinute: 99, noticeInvalidFrom: from) == .consent)
        #expect(story.reason(atMinute: 100, noticeInvalidFrom: from) == .noticeInvalidated)
    }

    // MARK: Invalid, reassigned, undeliverable, unproven

    @Test func invalidateHitsOnlyWhatStands() {
        var story = Story()
        story.tell(.invalidate, 0)
        #expect(story.code() == CellState.none)
        story.tell(.grant, 10, purposes: purposes(2, 3))
        story.tell(.withdraw, 11, purposes: purposes(3))
        story.tell(.invalidate, 12, channels: .all, purposes: .all)
        #expect(story.code(.sms, 2) == .invalid)
        #expect(story.code(.sms, 3) == .withdrawn)
        #expect(story.code(.sms, 4) == CellState.none)
        story.tell(.grant, 13)
        #expect(story.code() == .granted)
    }

    @Test func reassignedThenCleared() {
        var story = Story()
        story.tell(.grant, 0, channels: ChannelSet([.sms, .whatsapp]))
        story.tell(.reassigned, 10)
        #expect(story.code() == .reassigned)
        #expect(story.reason(atMinute: 11) == .undeliverable)
        #expect(story.reason(atMinute: 11, isService: true) == .undeliverable)
        #expect(story.reason(.whatsapp, atMinute: 11) == .consent)
        story.tell(.deliverabilityCleared, 20)
        #expect(story.reason(atMinute: 21) == .reassigned)
        #expect(story.reason(atMinute: 21, isService: true) == .service)
        // A consent of the person before, recorded late, stays ended; one of the new person stands.
        story.tell(.grant, 9)
        #expect(story.reason(atMinute: 21) == .reassigned)
        story.tell(.grant, 30)
        #expect(story.reason(atMinute: 31) == .consent)
    }

    @Test func bounces() {
        var story = Story()
        story.tell(.grant, 0, channels: ChannelSet([.sms, .whatsapp]))
        story.tell(.bounce, 10)
        #expect(story.code() == .granted)
        #expect(story.reason(atMinute: 11) == .undeliverable)
        story.tell(.deliverabilityCleared, 10)
        #expect(story.reason(atMinute: 11) == .undeliverable, "on a tie the bounce wins")
        story.tell(.deliverabilityCleared, 11, channels: ChannelSet([.whatsapp]))
        #expect(story.reason(atMinute: 12) == .undeliverable)
        story.tell(.deliverabilityCleared, 12)
        #expect(story.reason(atMinute: 13) == .consent)
        story.tell(.bounce, 20, channels: .all)
        #expect(story.state.undeliverable.map(\.channel) == [.sms, .phone, .whatsapp])
        let finding = story.state.finding(channel: .sms, purpose: purpose(2))
        #expect(finding.sequence == story.state.lastSequence)
        #expect(finding.since == Story.at(20))
    }

    @Test func unprovenImports() {
        var story = Story()
        story.tell(.unprovenImport, 0) { $0.via = .import }
        #expect(story.reason(atMinute: 1) == .unproven)
        story.tell(.grant, 2)
        #expect(story.code() == .granted)
        story.tell(.unprovenImport, 3)
        #expect(story.code() == .granted)
        for kind in [EventKind.grant, .withdraw, .erase] {
            var other = Story()
            other.tell(kind, 0)
            let before = other.state.profile
            other.tell(.unprovenImport, 1) { $0.via = .import }
            #expect(other.state.profile == before, "over \(kind)")
        }
        var scoped = Story()
        scoped.tell(.unprovenImport, 0)
        scoped.tell(.object, 1, channels: .all, purposes: .all)
        #expect(scoped.code() == .objected)
    }

    // MARK: Erasure

    @Test func erasure() {
        var story = Story()
        story.tell(.grant, 0, purposes: purposes(2, 3), recorded: 0)
        story.tell(.bounce, 1, recorded: 1)
        story.tell(.erase, 10, recorded: 10)
        #expect(story.code() == .erased)
        #expect(story.code(.post, 60) == .erased)
        #expect(story.state.contacts == nil)
        story.tell(.withdraw, 20, recorded: 20)
        story.tell(.object, 20, channels: .all, purposes: .all, recorded: 20)
        #expect(story.code() == .erased, "later refusals leave it erased")
        story.tell(.grant, 30, recorded: 31) { $0.via = .import }
        story.tell(.unprovenImport, 30, recorded: 31) { $0.via = .import }
        #expect(story.code() == .erased, "a re-imported list does not bring the person back")
        story.tell(.grant, 9, recorded: 32)
        #expect(story.code() == .erased, "a grant from before the erasure")
        story.tell(.grant, 19, recorded: 33)
        #expect(story.code() == .erased, "a grant from before a refusal that came after the erasure")
        story.tell(.grant, 40, recorded: 41)
        #expect(story.code(.sms, 2) == .granted)
        #expect(story.code(.sms, 3) == .erased)
        story.tell(.withdraw, 50, recorded: 50)
        #expect(story.code() == .erased)
    }

    @Test func erasedThenPending() {
        var story = Story()
        story.tell(.erase, 0, recorded: 0)
        let grant = story.tellPending(10)
        #expect(story.code() == .pending)
        story.tell(.confirm, 11) { $0.refersTo = grant }
        #expect(story.code() == .granted)
    }

    /// The keys of earlier events are destroyed: a rebuild sees the erasure and what comes after it, and must
    /// come to the same state, whatever was there before.
    @Test func foldStartsAtTheErasure() {
        var random = SeededGenerator(seed: 9)
        for round in 0..<500 {
            var story = Story()
            for _ in 0..<8 { random.tellSomething(&story) }
            story.tell(.erase, random.pick([100, 400, 900]), recorded: 900)
            for _ in 0..<5 { random.tellSomething(&story) }
            var rebuilt = ContactState(controller: story.state.controller, kind: story.state.kind)
            for event in story.events.dropFirst(8) { rebuilt.apply(event) }
            #expect(rebuilt == story.state, "seed 9, round \(round)")
        }
    }

    @Test func eventsFoldOnceAndCatalogueEventsNever() {
        var story = Story()
        story.tell(.grant, 0)
        story.tell(.withdraw, 10)
        let state = story.state
        for event in story.events { story.state.apply(event) }
        #expect(story.state == state)
        story.tell(.noticeInvalidated, 20)
        story.tell(.rekeyed, 21) { $0.keyEpoch = 5 }
        #expect(story.state.cells == state.cells)
        #expect(story.state.keyEpoch == 5)
        #expect(story.state.lastSequence == 4)
    }
}
