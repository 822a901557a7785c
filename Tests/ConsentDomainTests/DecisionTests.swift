// Goal: each outcome has its reason, and only a consent or the class service allows.
// Method: every code, with and without an end, undeliverable, service, and a notice that was invalidated.

import ConsentDomain
import Testing

struct DecisionTests {
    static let today = day(2026, 3, 29)

    static func reason(
        _ outcome: CellOutcome, isService: Bool = false, noticeInvalidFrom: Int64 = .max
    ) -> Reason? {
        let query = CheckQuery(
            channel: 1, purpose: 2, isService: isService, today: today.rawValue,
            now: today.start.rawValue + 1)
        return Reason(rawValue: query.reason(for: outcome, noticeInvalidFrom: noticeInvalidFrom))
    }

    @Test(arguments: [
        (CellState.none, Reason.noRecord), (.refused, .refused), (.withdrawn, .withdrawn),
        (.objected, .objected),
        (.revoked, .revoked), (.invalid, .invalid), (.reassigned, .reassigned), (.unproven, .unproven),
        (.erased, .erased), (.complaint, .complaint), (.stop, .stop), (.granted, .consent),
        (.pending, .lapsed),
    ])
    func reasons(state: CellState, expected: Reason) {
        let outcome = CellOutcome(code: state.rawValue)
        #expect(Self.reason(outcome) == expected)
        #expect(Self.reason(outcome, isService: true) == .service)
        let gone = CellOutcome(code: state.rawValue, isUndeliverable: true)
        #expect(Self.reason(gone) == .undeliverable)
        #expect(Self.reason(gone, isService: true) == .undeliverable)
    }

    @Test func ends() {
        let today = Self.today.rawValue
        #expect(Self.reason(CellOutcome(code: 2, untilDay: today)) == .expired)
        #expect(Self.reason(CellOutcome(code: 2, untilDay: today + 1)) == .consent)
        #expect(Self.reason(CellOutcome(code: 1, untilDay: today)) == .lapsed)
        #expect(Self.reason(CellOutcome(code: 1, untilDay: today + 1)) == .pending)
        let now = Self.today.start.rawValue + 1
        #expect(Self.reason(CellOutcome(code: 2), noticeInvalidFrom: now) == .noticeInvalidated)
        #expect(Self.reason(CellOutcome(code: 2), noticeInvalidFrom: now + 1) == .consent)
        #expect(Self.reason(CellOutcome(code: 2, untilDay: today), noticeInvalidFrom: now) == .expired)
    }

    @Test func unknownCodesDeny() {
        for code in 13...255 as ClosedRange<UInt8> {
            #expect(Self.reason(CellOutcome(code: code))?.decision == .deny)
        }
    }

    @Test func onlyConsentAndServiceAllow() {
        #expect(Reason.allCases.filter { $0.decision == .allow } == [.consent, .service])
        for reason in Reason.allCases { #expect(reason.coarse.decision == reason.decision) }
        let coarse = Set(Reason.allCases.map(\.coarse))
        #expect(coarse.isDisjoint(with: [.erased, .complaint, .stop, .otherChannel, .otherPurpose]))
    }
}
