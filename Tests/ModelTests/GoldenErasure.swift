// Golden scenarios: erasure and what stays of it. Scenario.swift explains the lines.

let goldenErasure = """
    # erased: the denial is kept
    2026-01-10 A/email grant email news
    2026-01-20 A/email erase
    check 2026-02-01 A/email email news -> erased
    check 2026-02-01 A/email email offers -> erased

    # an erasure where nothing was on file
    2026-01-20 A/email erase
    check 2026-02-01 A/email email news -> erased

    # an erasure does not stop a service message
    2026-01-20 A/email erase
    check 2026-02-01 A/email email reminder -> service

    # an erasure is per controller
    2026-01-10 A/email grant email news
    2026-01-10 B/email grant email news
    2026-01-20 A/email erase
    check 2026-02-01 B/email email news -> consent

    # erased, re-imported: a keyed tombstone still says no
    2026-01-20 A/email erase
    2026-01-25 A/email grant email news import
    check 2026-02-01 A/email email news -> erased

    # erased, re-imported, granted anew
    2026-01-20 A/email erase
    2026-01-25 A/email grant email news import
    2026-01-28 A/email grant email news
    check 2026-02-01 A/email email news -> consent
    check 2026-02-01 A/email email offers -> erased

    # erased, then asked anew by double opt-in
    2026-01-20 A/email erase
    2026-01-25 A/email grant email news asked 2026-02-01
    check 2026-01-26 A/email email news -> pending
    2026-01-27 A/email confirm email news of 2
    check 2026-02-01 A/email email news -> consent

    # later refusals leave it erased
    2026-01-20 A/email erase
    2026-01-25 A/email withdraw email news
    check 2026-02-01 A/email email news -> erased

    # a grant from before the erasure that arrives after it
    2026-01-20 A/email erase
    2026-01-19 A/email grant email news recorded 2026-01-21
    check 2026-02-01 A/email email news -> erased

    # an erasure of all denials keeps the tombstone against a late grant
    2026-01-05 A/email object
    2026-01-20 A/email erase
    2026-01-10 A/email grant email news recorded 2026-01-22
    check 2026-02-01 A/email email news -> erased

    # erased twice, granted in between
    2026-01-10 A/email erase
    2026-01-15 A/email grant email news
    2026-01-20 A/email erase
    check 2026-02-01 A/email email news -> erased

    # a token from before the erasure does nothing
    2026-01-18 A/email grant email news asked 2026-01-25
    2026-01-20 A/email erase
    2026-01-21 A/email confirm email news of 1
    check 2026-02-01 A/email email news -> erased

    # a bounce from before the erasure is forgotten with the rest
    2026-01-10 A/email bounce email
    2026-01-20 A/email erase
    check 2026-02-01 A/email email reminder -> service

    # an erasure counts from when it was recorded
    2026-01-20 A/email erase recorded 2026-01-25
    2026-01-22 A/email grant email news recorded 2026-01-26
    check 2026-02-01 A/email email news -> erased

    # an import without proof of an erased person
    2026-01-20 A/email erase
    2026-01-25 A/email unprovenImport email news import
    check 2026-02-01 A/email email news -> erased

    """
