// Golden scenarios: order by occurrence, clocks apart, imports, numbers that change hands. Scenario.swift
// explains the lines.

let goldenOrder = """
    # same-microsecond grant and withdrawal: the refusal wins
    2026-01-10T09:00:00.000001 A/email grant email news
    2026-01-10T09:00:00.000001 A/email withdraw email news
    check 2026-02-01 A/email email news -> withdrawn

    # same-microsecond withdrawal and grant, recorded the other way round: the refusal wins
    2026-01-10T09:00:00.000001 A/email withdraw email news
    2026-01-10T09:00:00.000001 A/email grant email news
    check 2026-02-01 A/email email news -> withdrawn

    # a grant one microsecond after a withdrawal lifts it
    2026-01-10T09:00:00.000001 A/email withdraw email news
    2026-01-10T09:00:00.000002 A/email grant email news
    check 2026-02-01 A/email email news -> consent

    # out of order: an older grant recorded after a withdrawal
    2026-01-20 A/email withdraw email news
    2026-01-10 A/email grant email news recorded 2026-01-25
    check 2026-02-01 A/email email news -> withdrawn

    # out of order: an older withdrawal recorded after a grant
    2026-01-20 A/email grant email news
    2026-01-10 A/email withdraw email news recorded 2026-01-25
    check 2026-02-01 A/email email news -> consent

    # a device ten seconds behind withdraws
    2026-01-10T09:00:00 A/email grant email news
    2026-01-10T08:59:50 A/email withdraw email news recorded 2026-01-10T09:00:01
    check 2026-02-01 A/email email news -> withdrawn

    # clocks differ by five minutes exactly: the refusal wins
    2026-01-10T09:05:00 A/email grant email news
    2026-01-10T09:00:00 A/email withdraw email news recorded 2026-01-10T09:06
    check 2026-02-01 A/email email news -> withdrawn

    # clocks differ by five minutes and a microsecond: the grant is later
    2026-01-10T09:05:00.000001 A/email grant email news
    2026-01-10T09:00:00 A/email withdraw email news recorded 2026-01-10T09:06
    check 2026-02-01 A/email email news -> consent

    # the doubt between clocks is for a refusal that is recorded later, not for one on file
    2026-01-10T09:00:00 A/email withdraw email news
    2026-01-10T09:00:01 A/email grant email news
    check 2026-02-01 A/email email news -> consent

    # a refusal is never turned away: a future time is clamped to now
    2026-03-01 A/email withdraw email news recorded 2026-01-10
    2026-01-20 A/email grant email news
    check 2026-02-01 A/email email news -> consent

    # a refusal of the future counts from now
    2026-01-05 A/email grant email news
    2026-03-01 A/email withdraw email news recorded 2026-01-10
    check 2026-01-11 A/email email news -> withdrawn

    # repeated events change nothing
    2026-01-10 A/email grant email news
    2026-01-20 A/email withdraw email news
    2026-01-20 A/email withdraw email news
    2026-01-10 A/email grant email news recorded 2026-01-21
    check 2026-02-01 A/email email news -> withdrawn

    # the person granted anew after a withdrawal
    2026-01-10 A/email grant email news
    2026-01-20 A/email withdraw email news
    2026-01-25 A/email grant email news
    check 2026-02-01 A/email email news -> consent

    # import of an older grant after a withdrawal
    2026-01-20 A/email withdraw email news
    2026-01-10 A/email grant email news import recorded 2026-01-25
    check 2026-02-01 A/email email news -> withdrawn

    # an import lifts no refusal, however late it claims to be
    2026-01-10 A/email withdraw email news
    2026-01-25 A/email grant email news import
    check 2026-02-01 A/email email news -> withdrawn

    # an import that claims source=widget is an import
    2026-01-10 A/email object
    2026-01-25 A/email grant email news import widget
    check 2026-02-01 A/email email news -> objected

    # a refusal that is recorded later beats an import, even one that occurred long after it
    2026-01-25 A/email grant email news import
    2026-01-01 A/email withdraw email news recorded 2026-01-26
    check 2026-02-01 A/email email news -> withdrawn

    # an import with proof grants where nothing is against it
    2026-01-10 A/email grant email news import
    check 2026-02-01 A/email email news -> consent

    # a refusal that ends an import leaves the later live grant
    2026-01-10 A/email grant email news
    2026-01-20 A/email grant email news import
    2026-01-01 A/email withdraw email news recorded 2026-01-25
    check 2026-02-01 A/email email news -> consent

    # an import without proof is kept and denies
    2026-01-10 A/email unprovenImport email news import
    check 2026-02-01 A/email email news -> unproven

    # an import without proof changes nothing over any other state
    2026-01-05 A/email grant email news
    2026-01-06 A/email refuse email offers
    2026-01-10 A/email unprovenImport email news,offers import
    check 2026-02-01 A/email email news -> consent
    check 2026-02-01 A/email email offers -> refused

    # a grant after an import without proof
    2026-01-10 A/email unprovenImport email news import
    2026-01-20 A/email grant email news
    check 2026-02-01 A/email email news -> consent

    # a refusal after an import without proof
    2026-01-10 A/email unprovenImport email news import
    2026-01-20 A/email refuse all all
    check 2026-02-01 A/email email news -> refused

    # number reassigned: every grant ends and the channel is undeliverable
    2026-01-10 A/phone grant sms news
    2026-01-20 A/phone reassigned sms
    check 2026-02-01 A/phone sms news -> undeliverable
    check 2026-02-01 A/phone sms reminder -> undeliverable

    # number reassigned, then cleared: only the delivery comes back
    2026-01-10 A/phone grant sms news
    2026-01-20 A/phone reassigned sms
    2026-01-25 A/phone deliverabilityCleared sms
    check 2026-02-01 A/phone sms news -> reassigned
    check 2026-02-01 A/phone sms reminder -> service

    # number reassigned, cleared, and granted by its new holder
    2026-01-10 A/phone grant sms news,offers
    2026-01-20 A/phone reassigned sms
    2026-01-25 A/phone deliverabilityCleared sms
    2026-01-26 A/phone grant sms news
    check 2026-02-01 A/phone sms news -> consent
    check 2026-02-01 A/phone sms offers -> reassigned

    # a grant of the former holder that arrives after the reassignment
    2026-01-20 A/phone reassigned sms
    2026-01-10 A/phone grant sms news recorded 2026-01-21
    2026-01-25 A/phone deliverabilityCleared sms
    check 2026-02-01 A/phone sms news -> reassigned

    """
