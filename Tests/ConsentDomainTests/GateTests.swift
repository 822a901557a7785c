// Goal: each condition refuses with its own code; all that fail are listed; nothing missing counts as given.
// Method: one good draft, and one change for each condition.

import ConsentDomain
import Testing

struct GateTests {
    static let salon = ControllerID(rawValue: 1)
    static let now = time("2026-03-29T12:00:00Z")

    static let goodNotice: Notice = {
        var notice = Notice(
            locale: "fr", text: "J'accepte de recevoir les offres du salon par e-mail et SMS.",
            channels: ChannelSet([.email, .sms]), purposes: purposes(2, 3), controllers: [salon])
        notice.withdrawalExplained = true
        notice.dataUseExplained = true
        notice.termsSeparate = true
        notice.box = .unticked
        notice.validFrom = time("2026-01-01T00:00:00Z")
        return notice
    }()

    static func catalogue(_ change: (inout Controller) -> Void = { _ in }, notices: [Notice] = [])
        -> Catalogue
    {
        var salon = Controller(id: Self.salon, code: "salon-a", name: "Salon A")
        change(&salon)
        let purposes = [
            Purpose(id: purpose(1), code: "reminder", title: "Rappels", purposeClass: .service),
            Purpose(id: purpose(2), code: "offers", title: "Offres", purposeClass: .marketing),
            Purpose(id: purpose(3), code: "news", title: "Nouvelles", purposeClass: .marketing),
        ]
        var retired = Purpose(id: purpose(4), code: "old", title: "Ancien", purposeClass: .marketing)
        retired.retired = true
        return CatalogueTests.catalogue(
            controllers: [salon], purposes: purposes + [retired], notices: [goodNotice] + notices)
    }

    static func draft(_ change: (inout GrantDraft) -> Void = { _ in }) -> GrantDraft {
        var draft = GrantDraft(controller: salon)
        draft.contacts = [DraftContact(kind: .email), DraftContact(kind: .phone)]
        draft.channels = ChannelSet([.email, .sms])
        draft.purposes = purposes(2)
        draft.notice = goodNotice.id
        draft.source = .widget
        draft.act = .tickedBox
        draft.occurredAt = now
        change(&draft)
        return draft
    }

    static func refusals(_ draft: GrantDraft, _ catalogue: Catalogue = catalogue()) -> [Refusal] {
        GrantGate.refusals(draft, catalogue: catalogue, now: now)
    }

    @Test func goodDraftPasses() {
        #expect(Self.refusals(Self.draft()) == [])
        #expect(GrantGate.verdict(Self.draft(), catalogue: Self.catalogue(), now: Self.now) == .accepted)
        #expect(Self.refusals(Self.draft { $0.occurredAt = nil }) == [])
    }

    static let noticeCases: [(name: String, change: @Sendable (inout Notice) -> Void, expected: [Refusal])] =
        [
            ("conditional", { $0.conditional = true }, [.notFree]),
            ("channel not named", { $0.channels = ChannelSet([.email]) }, [.notSpecific]),
            ("purpose not named", { $0.purposes = purposes(3) }, [.notSpecific]),
            ("withdrawal not explained", { $0.withdrawalExplained = false }, [.notInformed]),
            ("data use not explained", { $0.dataUseExplained = false }, [.notInformed]),
            ("not yet valid", { $0.validFrom = now.adding(microseconds: 1) }, [.notInformed]),
            ("part of the terms", { $0.termsSeparate = false }, [.ambiguous]),
            ("ticked beforehand", { $0.box = .preticked }, [.notAffirmative]),
            ("valid from now", { $0.validFrom = now }, []),
            (
                "everything",
                {
                    $0.conditional = true
                    $0.purposes = purposes(3)
                    $0.dataUseExplained = false
                    $0.termsSeparate = false
                    $0.box = .preticked
                }, [.notFree, .notSpecific, .notInformed, .ambiguous, .notAffirmative]
            ),
        ]

    @Test(arguments: noticeCases.indices)
    func notices(index: Int) {
        let (name, change, expected) = Self.noticeCases[index]
        var notice = Self.goodNotice
        change(&notice)
        let catalogue = Self.catalogue(notices: [notice])
        #expect(Self.refusals(Self.draft { $0.notice = notice.id }, catalogue) == expected, "\(name)")
    }

    static let draftCases:
        [(name: String, change: @Sendable (inout GrantDraft) -> Void, expected: [Refusal])] = [
            ("no channel", { $0.channels = [] }, [.notSpecific]),
            ("all channels", { $0.channels = [.all, ChannelSet([.email, .sms])] }, [.notSpecific]),
            ("unknown channel", { $0.hasUnknownChannel = true }, [.notSpecific]),
            (
                "channel bit without a name", { $0.channels.formUnion(ChannelSet(rawValue: 1 << 9)) },
                [.notSpecific]
            ),
            ("no purpose", { $0.purposes = [] }, [.notSpecific]),
            ("all purposes", { $0.purposes = .all }, [.notSpecific]),
            ("no notice", { $0.notice = nil }, [.notInformed]),
            ("unknown notice", { $0.notice = .zero }, [.notInformed]),
            ("no act", { $0.act = .none }, [.ambiguous, .notAffirmative]),
            ("spoken without attestation", { $0.act = .spoken }, [.attestationMissing]),
            ("signed without attestation", { $0.act = .signature }, [.attestationMissing]),
            ("staff without attestation", { $0.staff = "Léa" }, [.attestationMissing]),
            (
                "staff with four attestations",
                {
                    $0.staff = "Léa"; $0.memo = Memo.french.id;
                    $0.attestations = [.free, .specific, .informed, .unambiguous]
                },
                [.attestationMissing]
            ),
            (
                "staff with an unknown memo",
                {
                    $0.staff = "Léa"; $0.memo = .zero; $0.attestations = .all
                },
                [.attestationMissing]
            ),
            (
                "staff with all",
                {
                    $0.staff = "Léa"; $0.act = .spoken; $0.memo = Memo.english.id; $0.attestations = .all
                },
                []
            ),
            ("a little ahead", { $0.occurredAt = now.adding(microseconds: 300_000_000) }, []),
            ("in the future", { $0.occurredAt = now.adding(microseconds: 300_000_001) }, [.inTheFuture]),
            ("no address", { $0.contacts = [] }, [.badAddress]),
            (
                "nine addresses", { $0.contacts += Array(repeating: DraftContact(kind: .email), count: 7) },
                [.badAddress]
            ),
            (
                "eight addresses", { $0.contacts += Array(repeating: DraftContact(kind: .email), count: 6) },
                []
            ),
            ("bad address", { $0.contacts[0].problem = .noAtSign }, [.badAddress]),
            ("channel without an address", { $0.contacts.removeLast() }, [.badAddress]),
            ("address without a channel", { $0.contacts.append(DraftContact(kind: .opaque)) }, [.badAddress]),
            (
                "unknown controller", { $0.controller = ControllerID(rawValue: 9) },
                [.notSpecific, .unknownController]
            ),
            ("unknown purpose", { $0.purposes = purposes(2, 9) }, [.notSpecific, .unknownPurpose]),
            ("retired purpose", { $0.purposes = purposes(2, 4) }, [.notSpecific, .unknownPurpose]),
            ("purpose number 64", { $0.hasUnknownPurpose = true }, [.unknownPurpose]),
            ("service purpose", { $0.purposes = purposes(1, 2) }, [.notSpecific, .wrongClass]),
            ("long staff name", { $0.reference = String(repeating: "x", count: 1_025) }, [.badText]),
            ("address in evidence", { $0.evidence.userAgent = "x jean@example.com" }, [.badText]),
            (
                "several at once",
                {
                    $0.act = .none; $0.purposes = purposes(1); $0.contacts = [];
                    $0.evidence.url = "https://a.fr/?m=1"
                },
                [.notSpecific, .ambiguous, .notAffirmative, .badAddress, .wrongClass, .badText]
            ),
        ]

    @Test(arguments: draftCases.indices)
    func drafts(index: Int) {
        let (name, change, expected) = Self.draftCases[index]
        #expect(Self.refusals(Self.draft(change)) == expected, "\(name)")
    }

    @Test func controllers() {
        #expect(Self.refusals(Self.draft(), Self.catalogue { $0.closed = true }) == [.unknownController])
        let strict = Self.catalogue { $0.referenceRequired = true }
        #expect(Self.refusals(Self.draft(), strict) == [.referenceRequired])
        #expect(Self.refusals(Self.draft { $0.reference = "R1" }, strict) == [])
    }

    @Test func invalidatedNotice() throws {
        var catalogue = Self.catalogue()
        for (effective, expected) in [
            (Self.now.adding(microseconds: 1), []), (Self.now, [.notInformed]), (.epoch, [.notInformed]),
        ]
            as [(Timestamp, [Refusal])]
        {
            var event = ConsentEvent(kind: .noticeInvalidated, occurredAt: Self.now, recordedAt: Self.now)
            event.sequence = catalogue.sequence + 1
            event.payload =
                NoticeInvalidation(id: Self.goodNotice.id, reason: "", effective: effective).encoded
            try catalogue.apply(event)
            #expect(Self.refusals(Self.draft(), catalogue) == expected)
            // A grant that occurred before is refused as well: it would deny from now on.
            let earlier = Self.draft { $0.occurredAt = Self.now.adding(microseconds: -1_000_000) }
            #expect(Self.refusals(earlier, catalogue) == expected)
        }
    }

    static let importCases:
        [(name: String, change: @Sendable (inout GrantDraft) -> Void, expected: [Refusal])] = [
            ("with proof", { _ in }, []),
            ("no notice", { $0.notice = nil }, [.unprovenImport]),
            ("no act", { $0.act = .none }, [.unprovenImport]),
            ("no time", { $0.occurredAt = nil }, [.unprovenImport]),
            ("staff without memo", { $0.staff = "Léa" }, [.unprovenImport]),
            ("unknown notice", { $0.notice = .zero }, [.notInformed]),
            ("erased", { $0.isErased = true }, [.erased]),
            (
                "no notice and a bad address",
                {
                    $0.notice = nil; $0.contacts[0].problem = .empty
                }, [.badAddress, .unprovenImport]
            ),
        ]

    @Test(arguments: importCases.indices)
    func imports(index: Int) {
        let (name, change, expected) = Self.importCases[index]
        var draft = Self.draft(change)
        draft.via = .import
        #expect(Self.refusals(draft) == expected, "\(name)")
        let verdict = GrantGate.verdict(draft, catalogue: Self.catalogue(), now: Self.now)
        switch verdict {
        case .accepted: #expect(expected.isEmpty)
        case .unproven: #expect(expected == [.unprovenImport])
        case .refused(let findings):
            #expect(findings.map(\.refusal) == expected && expected != [.unprovenImport])
        }
        // What makes an import unproven refuses a live grant, bar the time.
        if expected == [.unprovenImport], draft.occurredAt != nil {
            draft.via = .live
            #expect(!Self.refusals(draft).isEmpty, "\(name)")
        }
    }

    @Test func sentences() {
        for refusal in Refusal.allCases {
            for locale in ["fr", "fr-CH", "en", "de"] {
                let sentence = refusal.sentence(locale: locale)
                #expect(sentence.contains(":") && sentence.hasSuffix("."), "\(refusal) names no remedy")
            }
            #expect(refusal.sentence(locale: "fr") != refusal.sentence(locale: "en"))
            #expect(refusal.sentence(locale: "fr-CA") == refusal.sentence(locale: "fr"))
        }
        let findings = GrantGate.findings(
            Self.draft { $0.purposes = purposes(2, 9) }, catalogue: Self.catalogue(), now: Self.now)
        #expect(findings.last?.sentence(locale: "en").contains("purpose 9") == true)
    }

    @Test func memos() {
        #expect(Memo.all.count == 2 && Memo.ids.count == 2)
        #expect(Memo.current(locale: "fr-BE") == .french)
        #expect(Memo.current(locale: "en_GB") == .english)
        #expect(Memo.current(locale: "it") == .english)
        for memo in Memo.all {
            #expect(memo.id == .sha256(Array(memo.text.utf8)))
            for number in 1...5 { #expect(memo.text.contains("\n\(number). ")) }
            #expect(memo.text.contains("SMS") || memo.text.contains("text message"))
        }
    }

    static let evidence: [(text: String, isRefused: Bool)] = [
        ("", false), ("jean@example.com", true), ("mailto:jean@example.com", true),
        ("jean%40example.com", true),
        ("@media", false), ("a@b", false), ("@ 14.30", false), ("v@.x", false), ("Prénom @home", false),
        ("+33612345678", true), ("+33 6 12 34 56 78", true), ("06 12 34 56 78", true), ("0612345678", true),
        ("0033612345678", true), ("tel 0033 6 12 34 56 78", true), ("0000", false),
        ("06.12.34.56.78", true), ("tel 06-12-34-56-78.", true), ("12345678", false),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.6099.129 Safari/537.36", false),
        ("Version/0.0.12345.6789", false), ("192.168.10.0", false), ("2001:db8::", false),
        ("https://salon.example/rdv/2026-03-29", false), ("https://a.fr/x1-0123456789ab", false),
        ("GMT+0200", false),
        ("0123456789012", false), ("image/svg+xml", false),
    ]

    @Test(arguments: evidence)
    func evidenceTexts(text: String, isRefused: Bool) {
        var evidence = Evidence()
        evidence.userAgent = text
        #expect((TextRules.problem(evidence: evidence, reference: "", staff: "") != nil) == isRefused)
    }

    @Test func urlsAndReferences() {
        var evidence = Evidence()
        for url in ["https://a.fr/x?y", "https://a.fr/#x"] {
            evidence.url = url
            #expect(TextRules.problem(evidence: evidence, reference: "", staff: "") != nil)
        }
        // The operator's own numbers are the operator's business.
        #expect(TextRules.problem(evidence: Evidence(), reference: "0612345678", staff: "") == nil)
    }

    @Test(arguments: [
        ("192.168.10.77", "192.168.10.0"), ("8.8.8.8", "8.8.8.0"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("2001:DB8::1", "2001:db8::"), ("::1", "::"), ("fe80::", "fe80::"), ("", ""), ("1.2.3", ""),
        ("1.2.3.256", ""),
        ("1.2.3.+4", ""), ("jean@example.com", ""), ("1:2", ""), ("1:2:3", ""), ("2001:db8:xyz::", ""),
    ])
    func truncatedIPAddresses(ip: String, expected: String) {
        var evidence = Evidence()
        evidence.ip = ip
        evidence.userAgent = "agent"
        #expect(evidence.truncated.ip == expected)
        #expect(evidence.truncated.truncated == evidence.truncated)
        #expect(evidence.truncated.userAgent == "agent")
    }
}
