// Golden scenarios: whose consent it is, to what, and how far a refusal reaches. Scenario.swift explains the
// lines.

let goldenScopes = """
    # no record means no
    check 2026-02-01 A/email email news -> noRecord

    # a grant allows what it names
    2026-01-10T09:00 A/email grant email news
    check 2026-01-10T09:00 A/email email news -> consent

    # consent belongs to a controller: a yes to A says nothing about B
    2026-01-10 A/email grant email news
    check 2026-02-01 B/email email news -> noRecord

    # grant email, check SMS: another contact point
    2026-01-10 A/email grant email news
    check 2026-02-01 A/phone sms news -> noRecord

    # both, with a phone and an e-mail
    2026-01-10 A/email grant email news
    2026-01-10 A/phone grant sms news
    check 2026-02-01 A/email email news -> consent
    check 2026-02-01 A/phone sms news -> consent

    # grant SMS, check WhatsApp on the same phone
    2026-01-10 A/phone grant sms news
    check 2026-02-01 A/phone whatsapp news -> otherChannel

    # grant news, check offers
    2026-01-10 A/email grant email news
    check 2026-02-01 A/email email offers -> otherPurpose

    # a grant next door that has ended is no neighbour
    2026-01-10 A/email grant email news until 2026-02-01
    check 2026-02-01 A/email email offers -> noRecord

    # grants never inherit: a grant of all purposes gives none
    2026-01-10 A/email grant email all
    check 2026-02-01 A/email email news -> noRecord

    # grants never inherit: a grant of all channels gives none
    2026-01-10 A/email grant all news
    check 2026-02-01 A/email email news -> noRecord

    # a channel that does not fit the address gets nothing
    2026-01-10 A/email grant sms news
    check 2026-02-01 A/email sms news -> badChannel
    check 2026-02-01 A/email sms reminder -> badChannel

    # transactional and marketing are different classes: a service message needs no consent
    check 2026-02-01 A/email email reminder -> service

    # legal refusals never stop a service message
    2026-01-10 A/email object all all
    2026-01-11 A/email complaint email
    2026-01-12 A/email withdraw email reminder
    check 2026-02-01 A/email email reminder -> service
    check 2026-02-01 A/email email news -> complaint

    # an undeliverable address stops both classes
    2026-01-10 A/email grant email news
    2026-01-11 A/email bounce email
    check 2026-02-01 A/email email reminder -> undeliverable
    check 2026-02-01 A/email email news -> undeliverable

    # a bounce belongs to its channel
    2026-01-10 A/phone grant sms,whatsapp news
    2026-01-11 A/phone bounce sms
    check 2026-02-01 A/phone sms news -> undeliverable
    check 2026-02-01 A/phone whatsapp news -> consent

    # a bounce belongs to its controller
    2026-01-10 B/email grant email news
    2026-01-11 A/email bounce email
    check 2026-02-01 B/email email news -> consent

    # a bounce that is cleared
    2026-01-10 A/email grant email news
    2026-01-11 A/email bounce email
    2026-01-12 A/email deliverabilityCleared email
    check 2026-02-01 A/email email news -> consent

    # a bounce and its clearance at the same microsecond: undeliverable
    2026-01-11 A/email bounce email
    2026-01-11 A/email deliverabilityCleared email
    check 2026-02-01 A/email email reminder -> undeliverable

    # a check that states another class is denied
    2026-01-10 A/email grant email news
    check 2026-02-01 A/email email news class service -> classMismatch
    check 2026-02-01 A/email email reminder class marketing -> classMismatch
    check 2026-02-01 A/email email news class marketing -> consent
    check 2026-02-01 A/email email reminder class service -> service

    # an unknown purpose
    2026-01-10 A/email grant email parties
    check 2026-02-01 A/email email parties -> unknownPurpose

    # an unknown controller
    check 2026-02-01 nobody/email email news -> unknownController

    # denials survive deletion: a retired purpose says no, whatever was granted
    2026-01-10 A/email grant email news
    2026-01-20 catalogue retire news
    check 2026-02-01 A/email email news -> retiredPurpose

    # a retired purpose does not touch its neighbours
    2026-01-10 A/email grant email news,offers
    2026-01-20 catalogue retire news
    check 2026-02-01 A/email email offers -> consent

    # denials survive deletion: a closed controller says no
    2026-01-10 A/email grant email news
    2026-01-20 catalogue close A
    check 2026-02-01 A/email email news -> closedController
    check 2026-02-01 A/email email reminder -> closedController
    check 2026-02-01 B/email email news -> noRecord

    # a withdrawal takes what it names
    2026-01-10 A/email grant email news,offers
    2026-01-20 A/email withdraw email news
    check 2026-02-01 A/email email news -> withdrawn
    check 2026-02-01 A/email email offers -> consent

    # refusals always inherit: of all purposes
    2026-01-10 A/email grant email news,offers
    2026-01-20 A/email refuse email all
    check 2026-02-01 A/email email news -> refused
    check 2026-02-01 A/email email offers -> refused

    # a refusal of ALL, then a new purpose
    2026-01-10 A/email refuse all all
    2026-01-20 catalogue add parties
    check 2026-02-01 A/email email parties -> refused

    # a refusal of ALL channels for one purpose
    2026-01-10 A/phone grant sms,whatsapp news,offers
    2026-01-20 A/phone withdraw all news
    check 2026-02-01 A/phone sms news -> withdrawn
    check 2026-02-01 A/phone whatsapp news -> withdrawn
    check 2026-02-01 A/phone sms offers -> consent

    # a refusal that names nothing means ALL
    2026-01-10 A/email grant email news
    2026-01-20 A/email withdraw
    check 2026-02-01 A/email email news -> withdrawn

    # a refusal of ALL, unless the person granted that very cell later
    2026-01-10 A/email refuse all all
    2026-01-20 A/email grant email news
    check 2026-02-01 A/email email news -> consent
    check 2026-02-01 A/email email offers -> refused

    # a complaint covers email, for all purposes
    2026-01-10 A/email grant email news,offers
    2026-01-20 A/email complaint email news
    check 2026-02-01 A/email email news -> complaint
    check 2026-02-01 A/email email offers -> complaint

    # STOP covers SMS, for all purposes, and no other channel
    2026-01-10 A/phone grant sms,whatsapp news,offers
    2026-01-20 A/phone withdraw sms news keyword
    check 2026-02-01 A/phone sms news -> stop
    check 2026-02-01 A/phone sms offers -> stop
    check 2026-02-01 A/phone whatsapp news -> consent

    # an objection covers ALL unless narrowed
    2026-01-10 A/phone grant sms,whatsapp news
    2026-01-20 A/phone object
    check 2026-02-01 A/phone sms news -> objected
    check 2026-02-01 A/phone whatsapp news -> objected

    # an objection that is narrowed
    2026-01-10 A/phone grant sms,whatsapp news
    2026-01-20 A/phone object sms news
    check 2026-02-01 A/phone sms news -> objected
    check 2026-02-01 A/phone whatsapp news -> consent

    # revoked by the controller
    2026-01-10 A/email grant email news
    2026-01-20 A/email revoke email news
    check 2026-02-01 A/email email news -> revoked
    check 2026-02-01 A/email email offers -> noRecord

    # a consent that is declared invalid
    2026-01-10 A/email grant email news
    2026-01-20 A/email invalidate email news
    check 2026-02-01 A/email email news -> invalid

    # invalidate leaves cells without a grant as they are
    2026-01-10 A/email refuse email news
    2026-01-20 A/email invalidate all all
    check 2026-02-01 A/email email news -> refused
    check 2026-02-01 A/email email offers -> noRecord

    # all kinds of contact point: a push token and a postal address
    2026-01-10 A/opaque grant push news
    check 2026-02-01 A/opaque push news -> consent
    check 2026-02-01 A/opaque post news -> otherChannel

    """
