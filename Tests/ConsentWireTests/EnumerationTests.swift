// Goal: wire numbers and domain values are the same numbers, so that mapping by raw value is right.
// Method: every case of each domain enum is compared with the wire enum of the same name, both ways.

import ConsentDomain
import ConsentWire
import Testing
import WireProtocol

@Suite struct EnumerationTests {
    /// Compares raw values by name; `extra` are wire names without a domain value.
    private func compare<Domain: CaseIterable & RawRepresentable, Number: FixedWidthInteger>(
        _ domain: Domain.Type, _ wire: [(name: String?, number: Number)], extra: Set<String> = []
    ) where Domain.RawValue == Number {
        let domainNumbers = Dictionary(
            uniqueKeysWithValues: Domain.allCases.map { (plain("\($0)"), $0.rawValue) })
        var wireNumbers: [String: Number] = [:]
        for (name, number) in wire {
            guard let name, !extra.contains(name) else { continue }
            wireNumbers[plain(name)] = number
        }
        #expect(domainNumbers == wireNumbers, "\(Domain.self)")
    }

    /// A name without underscores and capitals: `other_channel` and `otherChannel` are the same.
    private func plain(_ name: String) -> String { name.replacing("_", with: "").lowercased() }

    @Test func everyEnumerationAgrees() {
        compare(Channel.self, Wire.Channel.known.map { ($0.name, $0.rawValue) }, extra: ["all"])
        compare(
            ContactKind.self, Wire.ContactKind.known.map { ($0.name, $0.rawValue) }, extra: ["unspecified"])
        compare(
            PurposeClass.self, Wire.PurposeClass.known.map { ($0.name, $0.rawValue) },
            extra: ["as_catalogued"])
        compare(Decision.self, Wire.Decision.known.map { ($0.name, $0.rawValue) })
        compare(Reason.self, Wire.Reason.known.map { ($0.name, $0.rawValue) }, extra: ["none"])
        compare(CellState.self, Wire.CellState.known.map { ($0.name, $0.rawValue) })
        compare(EventKind.self, Wire.EventKind.known.map { ($0.name, $0.rawValue) }, extra: ["none"])
        compare(Source.self, Wire.Source.known.map { ($0.name, $0.rawValue) })
        compare(Act.self, Wire.Act.known.map { ($0.name, $0.rawValue) })
        compare(Via.self, Wire.Via.known.map { ($0.name, $0.rawValue) })
        compare(BoxDefault.self, Wire.BoxDefault.known.map { ($0.name, $0.rawValue) })
        compare(ControllerKind.self, Wire.ControllerKind.known.map { ($0.name, $0.rawValue) })
        compare(Refusal.self, Wire.Refusal.known.map { ($0.name, $0.rawValue) }, extra: ["none"])
    }

    @Test func anUnknownNumberNeverAllows() {
        for raw in UInt8.min...UInt8.max {
            let decision = Decision(Wire.Decision(rawValue: raw))
            #expect(decision == .allow ? raw == 1 : true)
            if let reason = Reason(Wire.Reason(rawValue: raw)) {
                #expect((reason.decision == .allow) == (1...15).contains(raw))
            }
        }
    }

    @Test func anUnknownChannelOrPurposeMeansAllInARefusalAndNothingInAGrant() {
        let unknown = Wire.Channel(rawValue: 200)
        #expect(ChannelSet([unknown], unknownMeansAll: true) == .all)
        #expect(ChannelSet([unknown], unknownMeansAll: false) == nil)
        #expect(ChannelSet([.sms, .email], unknownMeansAll: false) == ChannelSet([Channel.email, .sms]))
        #expect(PurposeSet([64], unknownMeansAll: true) == .all)
        #expect(PurposeSet([64], unknownMeansAll: false) == nil)
        #expect(PurposeSet([0], unknownMeansAll: false) == .all)
        #expect(PurposeSet([3, 4], unknownMeansAll: false)?.wireList == [3, 4])
    }

    @Test func theCatalogueSurvivesTheWire() throws {
        var controller = Controller(id: ControllerID(rawValue: 7), code: "salon-lyon", name: "Salon Lyon")
        controller.country = "FR"
        controller.contact = "contact page"
        controller.kind = .brand
        controller.region = "FR"
        controller.doubleOptIn = ChannelSet([Channel.email, .whatsapp])
        controller.retentionMonths = 24
        controller.validityMonths = 13
        controller.referenceRequired = true
        controller.jurisdiction = "France"
        controller.storageLocation = "Lyon"
        controller.recipients = "none"
        controller.withdrawalMethod = "a link in each message"
        controller.closed = true
        #expect(try Controller(Wire.Controller(controller)) == controller)

        let purposeID = try #require(PurposeID(rawValue: 63))
        var purpose = Purpose(
            id: purposeID, code: "promotions", title: "Promotions", purposeClass: .marketing)
        purpose.retired = true
        #expect(try Purpose(Wire.Purpose(purpose)) == purpose)

        var notice = Notice(
            locale: "fr-FR", text: "J'accepte.", channels: ChannelSet([Channel.sms]),
            purposes: PurposeSet([purposeID]),
            controllers: [controller.id])
        notice.withdrawalExplained = true
        notice.dataUseExplained = true
        notice.policyURL = "https://example.fr/privacy"
        notice.conditional = true
        notice.box = .preticked
        notice.termsSeparate = true
        notice.version = "3"
        notice.validFrom = Timestamp(microseconds: 12)
        #expect(try Notice(Wire.Notice(notice, id: notice.id, withText: true)) == notice)
    }
}
