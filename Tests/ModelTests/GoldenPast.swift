// Golden scenarios: what was in force at one time, as known at another. Scenario.swift explains the lines.

let goldenPast = """
    # notice invalidated: known before says yes, known after no
    2026-01-10 A/email grant email news notice 1
    2026-01-20 catalogue invalidate 1
    check 2026-01-15 A/email email news known 2026-01-19 -> consent
    check 2026-01-15 A/email email news known 2026-01-20 -> noticeInvalidated

    # notice invalidated from a time on: in force until then, whenever it is asked
    2026-01-10 A/email grant email news notice 1
    2026-03-01 catalogue invalidate 1 from 2026-02-01
    check 2026-01-31 A/email email news known 2026-03-02 -> consent
    check 2026-02-01 A/email email news known 2026-03-02 -> noticeInvalidated
    check 2026-02-15 A/email email news known 2026-02-15 -> consent

    # a withdrawal that was recorded late
    2026-01-10 A/email grant email news
    2026-01-20 A/email withdraw email news recorded 2026-01-25
    check 2026-01-21 A/email email news known 2026-01-24 -> consent
    check 2026-01-21 A/email email news known 2026-01-25 -> withdrawn
    check 2026-01-19 A/email email news known 2026-01-25 -> consent

    # before the first grant nothing was on file
    2026-01-10 A/email grant email news
    check 2026-01-09T23:59:59.999999 A/email email news known 2026-02-01 -> noRecord
    check 2026-01-10 A/email email news known 2026-02-01 -> consent

    # known by sequence
    2026-01-10 A/email grant email news
    2026-01-10 A/email withdraw email news
    check 2026-02-01 A/email email news known #0 -> noRecord
    check 2026-02-01 A/email email news known #1 -> consent
    check 2026-02-01 A/email email news known #2 -> withdrawn

    # a consent that has expired since was in force then
    2026-01-10 A/email grant email news until 2026-03-01
    check 2026-02-01 A/email email news known 2026-04-01 -> consent
    check 2026-03-01 A/email email news known 2026-04-01 -> expired

    # a purpose that was retired later
    2026-01-10 A/email grant email news
    2026-01-20 catalogue retire news
    check 2026-01-15 A/email email news known 2026-02-01 -> consent
    check 2026-01-20 A/email email news known 2026-02-01 -> retiredPurpose
    check 2026-01-20 A/email email news known 2026-01-19 -> consent

    # an erasure answers for all time before it
    2026-01-10 A/email grant email news
    2026-01-20 A/email erase
    check 2026-01-15 A/email email news known 2026-01-19 -> consent
    check 2026-01-15 A/email email news known 2026-01-20 -> erased

    # a double opt-in between question and click
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-12 A/email confirm email news of 1
    check 2026-01-11 A/email email news known 2026-02-01 -> pending
    check 2026-01-12 A/email email news known 2026-02-01 -> consent

    # a refusal of ALL and a purpose that was added later
    2026-01-10 A/email refuse all all
    2026-01-20 catalogue add parties
    check 2026-01-15 A/email email parties known 2026-01-15 -> unknownPurpose
    check 2026-01-20 A/email email parties known 2026-02-01 -> refused

    """
