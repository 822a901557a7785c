// Goal: the catalogue takes in what is valid, names what is not, and is the same at each replay.
// Method: a table of refused changes; replay of events; the guard over every pair of conditions.

import ConsentDomain
import Testing

struct CatalogueTests {
    static func event(_ kind: EventKind, _ payload: [UInt8], sequence: UInt64) -> ConsentEvent {
        var event = ConsentEvent(kind: kind, occurredAt: .epoch, recordedAt: .epoch)
        event.sequence = sequence
        event.payload = payload
        return event
    }

    static func catalogue(controllers: [Controller], purposes: [Purpose], notices: [Notice]) -> Catalogue {
        var catalogue = Catalogue()
        let events =
            controllers.map { (EventKind.controllerPut, $0.encoded) }
            + purposes.map { (.purposePut, $0.encoded) }
            + notices.map { (.noticePut, $0.encoded) }
        for (kind, payload) in events {
            do {
                try catalogue.apply(event(kind, payload, sequence: catalogue.sequence + 1))
            } catch {
                Issue.record(error)
            }
        }
        return catalogue
    }

    static let base: Catalogue = {
        var closed = Controller(id: ControllerID(rawValue: 2), code: "closed", name: "Fermé")
        closed.closed = true
        var retired = Purpose(id: purpose(3), code: "old", title: "Ancien", purposeClass: .marketing)
        retired.retired = true
        return catalogue(
            controllers: [Controller(id: ControllerID(rawValue: 1), code: "salon", name: "Salon"), closed],
            purposes: [
                Purpose(id: purpose(1), code: "reminder", title: "Rappels", purposeClass: .service),
                Purpose(id: purpose(2), code: "offers", title: "Offres", purposeClass: .marketing), retired,
            ],
            notices: [notice()])
    }()

    static func controller(_ change: (inout Controller) -> Void = { _ in }) -> Controller {
        var controller = Controller(id: ControllerID(rawValue: 1), code: "salon", name: "Salon")
        change(&controller)
        return controller
    }

    static func notice(_ change: (inout Notice) -> Void = { _ in }) -> Notice {
        var notice = Notice(
            locale: "fr", text: "Oui", channels: ChannelSet([.email]), purposes: purposes(2),
            controllers: [ControllerID(rawValue: 1)])
        change(&notice)
        return notice
    }

    @Test func controllerChanges() throws {
        let base = Self.base
        #expect(try base.change(putting: Self.controller()) == .unchanged)
        let renamed = Self.controller { $0.name = "Autre" }
        #expect(try base.change(putting: renamed) == .changed(payload: renamed.encoded))
        let cases: [((inout Controller) -> Void, CatalogueError)] = [
            ({ $0.id = ControllerID(rawValue: 0) }, .badControllerID),
            ({ $0.code = "" }, .badCode(thing: "controller 1", code: "")),
            ({ $0.code = "Salon" }, .badCode(thing: "controller 1", code: "Salon")),
            ({ $0.code = "-a" }, .badCode(thing: "controller 1", code: "-a")),
            ({ $0.code = "é" }, .badCode(thing: "controller 1", code: "é")),
            (
                { $0.code = String(repeating: "a", count: 65) },
                .badCode(thing: "controller 1", code: String(repeating: "a", count: 65))
            ),
            ({ $0.code = "closed" }, .duplicateCode(thing: "controller 1", code: "closed", holder: 2)),
            ({ $0.name = "" }, .emptyText(thing: "controller 1", field: "name")),
            ({ $0.country = "fr" }, .badCountry(thing: "controller 1", field: "country", value: "fr")),
            ({ $0.region = "FRA" }, .badCountry(thing: "controller 1", field: "region", value: "FRA")),
            ({ $0.region = "IT" }, .unknownRegion(thing: "controller 1", region: "IT")),
            ({ $0.retentionMonths = 0 }, .badMonths(thing: "controller 1", field: "retention", months: 0)),
            (
                { $0.validityMonths = 1_201 },
                .badMonths(thing: "controller 1", field: "validity", months: 1_201)
            ),
            ({ $0.doubleOptIn = .all }, .badChannels(thing: "controller 1")),
            (
                { $0.recipients = String(repeating: "x", count: 1_025) },
                .textTooLong(
                    thing: "controller 1", field: "recipients", byteCount: 1_025, byteCountMax: 1_024)
            ),
            (
                {
                    $0.id = ControllerID(rawValue: 2); $0.code = "closed"
                }, .reopened(thing: "controller 2")
            ),
        ]
        for (change, expected) in cases {
            let error = #expect(throws: CatalogueError.self) {
                try base.change(putting: Self.controller(change))
            }
            #expect(error == expected)
            #expect(error?.description.contains(";") == true || error?.description.contains(":") == true)
        }
    }

    @Test func purposeChanges() throws {
        let base = Self.base
        func put(_ number: UInt8, _ code: String, _ purposeClass: PurposeClass, title: String = "Offres")
            throws -> CatalogueChange
        {
            try base.change(
                putting: Purpose(id: purpose(number), code: code, title: title, purposeClass: purposeClass))
        }
        #expect(try put(2, "offers", .marketing) == .unchanged)
        #expect(try put(2, "offers", .marketing, title: "Promos") != .unchanged)
        #expect(throws: CatalogueError.classChanged(thing: "purpose 2")) { try put(2, "offers", .service) }
        #expect(throws: CatalogueError.reopened(thing: "purpose 3")) { try put(3, "old", .marketing) }
        #expect(throws: CatalogueError.duplicateCode(thing: "purpose 9", code: "old", holder: 3)) {
            try put(9, "old", .marketing)
        }
        #expect(throws: CatalogueError.emptyText(thing: "purpose 2", field: "title")) {
            try put(2, "offers", .marketing, title: "")
        }
    }

    @Test func noticeChanges() throws {
        let base = Self.base
        #expect(try base.change(putting: Self.notice()) == .unchanged)
        #expect(try base.change(putting: Self.notice { $0.text = "Non" }) != .unchanged)
        #expect(
            try base.change(putting: Self.notice { $0.text = String(repeating: "x", count: 65_536) })
                != .unchanged)
        let cases: [((inout Notice) -> Void, CatalogueError)] = [
            ({ $0.text = "" }, .emptyText(thing: "notice fr", field: "text")),
            (
                {
                    $0.locale = ""; $0.version = "v2"
                }, .emptyText(thing: "notice v2", field: "locale")
            ),
            (
                { $0.text = String(repeating: "x", count: 65_537) },
                .textTooLong(thing: "notice fr", field: "text", byteCount: 65_537, byteCountMax: 65_536)
            ),
            ({ $0.channels = [] }, .badChannels(thing: "notice fr")),
            ({ $0.channels = .all }, .badChannels(thing: "notice fr")),
            ({ $0.purposes = [] }, .noPurposes(thing: "notice fr")),
            ({ $0.purposes = [.all, purposes(2)] }, .noPurposes(thing: "notice fr")),
            ({ $0.purposes = purposes(9) }, .unknownPurpose(thing: "notice fr", purpose: 9)),
            ({ $0.controllers = [] }, .noControllers(thing: "notice fr")),
            (
                { $0.controllers = [ControllerID(rawValue: 7)] },
                .unknownController(thing: "notice fr", controller: 7)
            ),
        ]
        for (change, expected) in cases {
            let error = #expect(throws: CatalogueError.self) { try base.change(putting: Self.notice(change)) }
            #expect(error == expected)
        }
    }

    @Test func invalidations() throws {
        var catalogue = Self.base
        let id = Self.notice().id
        func change(_ effective: Int64, _ id: NoticeID = id, reason: String = "r") throws -> CatalogueChange {
            try catalogue.change(
                invalidating: NoticeInvalidation(
                    id: id, reason: reason, effective: Timestamp(rawValue: effective)))
        }
        #expect(throws: CatalogueError.unknownNotice(Digest32.zero.hex)) { try change(0, .zero) }
        guard case .changed(let payload) = try change(50) else {
            Issue.record("a first invalidation is a change")
            return
        }
        try catalogue.apply(Self.event(.noticeInvalidated, payload, sequence: catalogue.sequence + 1))
        #expect(catalogue.notices[id]?.invalidatedFrom == Timestamp(rawValue: 50))
        #expect(catalogue.notices[id]?.invalidatedReason == "r")
        #expect(try change(50) == .unchanged)
        #expect(try change(40) != .unchanged)
        #expect(throws: CatalogueError.alreadyInvalidated(id.hex, from: Timestamp(rawValue: 50))) {
            try change(60)
        }
        #expect(try catalogue.change(putting: Self.notice()) == .unchanged)
    }

    @Test func ordinalsFollowTheOrderOfRecording() throws {
        var catalogue = Self.base
        #expect(catalogue.notice(ordinal: 1)?.id == Self.notice().id)
        for (number, text) in ["b", "a", "b"].enumerated() {
            let notice = Self.notice { $0.text = text }
            try catalogue.apply(Self.event(.noticePut, notice.encoded, sequence: 100 + UInt64(number)))
        }
        #expect(catalogue.noticeOrdinals.count == 3)
        #expect(catalogue.notice(ordinal: 2)?.text == "b")
        #expect(catalogue.notice(ordinal: 3)?.text == "a")
        #expect(catalogue.notice(ordinal: 3)?.ordinal == 3)
        #expect(catalogue.notice(ordinal: 0) == nil)
        #expect(catalogue.notice(ordinal: 4) == nil)
        #expect(catalogue.sequence == 102)
    }

    @Test func replayAndLookups() throws {
        var catalogue = Self.base
        #expect(catalogue.controller(code: "salon")?.id.rawValue == 1)
        #expect(catalogue.purpose(code: "offers")?.id == purpose(2))
        #expect(catalogue.controller(code: "x") == nil)
        let renamed = Self.controller { $0.code = "salon-b" }
        try catalogue.apply(Self.event(.controllerPut, renamed.encoded, sequence: 1))
        #expect(catalogue.controller(code: "salon") != nil, "an event that was taken in is skipped")
        try catalogue.apply(Self.event(.grant, [1, 2, 3], sequence: 200))
        try catalogue.apply(Self.event(.controllerPut, renamed.encoded, sequence: 201))
        #expect(catalogue.controller(code: "salon") == nil)
        #expect(catalogue.controller(code: "salon-b")?.id.rawValue == 1)
        #expect(throws: CanonicalFormError.self) {
            try catalogue.apply(Self.event(.purposePut, [9], sequence: 202))
        }
        #expect(catalogue.sequence == 201)
    }

    static let guardCases:
        [(
            controller: UInt32, channel: UInt8, purpose: UInt8, claimed: UInt8, kind: UInt8,
            answer: CheckGuardAnswer
        )] = [
            (1, 1, 2, 0, 0, .proceed(isService: false)), (1, 1, 2, 2, 1, .proceed(isService: false)),
            (1, 1, 1, 0, 0, .proceed(isService: true)), (1, 2, 1, 1, 2, .proceed(isService: true)),
            (1, 1, 9, 0, 0, .deny(.unknownPurpose)), (1, 1, 0, 0, 0, .deny(.unknownPurpose)),
            (1, 1, 255, 0, 0, .deny(.unknownPurpose)), (1, 1, 3, 0, 0, .deny(.retiredPurpose)),
            (9, 1, 2, 0, 0, .deny(.unknownController)), (9, 1, 1, 0, 0, .deny(.unknownController)),
            (0, 1, 2, 0, 0, .deny(.unknownController)), (2, 1, 2, 0, 0, .deny(.closedController)),
            (2, 1, 1, 0, 0, .deny(.closedController)), (1, 1, 2, 1, 0, .deny(.classMismatch)),
            (1, 1, 1, 2, 0, .deny(.classMismatch)), (1, 1, 2, 3, 0, .deny(.classMismatch)),
            (1, 0, 2, 0, 0, .deny(.badChannel)), (1, 7, 2, 0, 0, .deny(.badChannel)),
            (1, 1, 2, 0, 2, .deny(.badChannel)), (1, 4, 2, 0, 3, .proceed(isService: false)),
            (9, 0, 9, 1, 9, .deny(.unknownPurpose)), (9, 0, 2, 1, 9, .deny(.unknownController)),
            (1, 0, 2, 1, 9, .deny(.classMismatch)),
        ]

    @Test(arguments: guardCases.indices)
    func guardAnswers(index: Int) {
        let (controller, channel, number, claimed, kind, expected) = Self.guardCases[index]
        let answer = CheckGuard(Self.base).answer(
            controller: controller, channel: channel, purpose: number, claimedClass: claimed,
            contactKind: kind)
        #expect(answer == expected)
    }
}
