// Golden scenarios: double opt-in. Scenario.swift explains the lines; `asked DAY` is a grant that lapses on
// DAY.

let goldenDoubleOptIn = """
    # double opt-in asked
    2026-01-10 A/email grant email news asked 2026-01-17
    check 2026-01-11 A/email email news -> pending

    # double opt-in confirmed
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-12 A/email confirm email news of 1
    check 2026-02-01 A/email email news -> consent

    # double opt-in lapsed
    2026-01-10 A/email grant email news asked 2026-01-17
    check 2026-01-16T23:59:59.999999 A/email email news -> pending
    check 2026-01-17 A/email email news -> lapsed

    # a click in the last microsecond before the lapse
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-16T23:59:59.999999 A/email confirm email news of 1
    check 2026-02-01 A/email email news -> consent

    # a click after the lapse does nothing
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-17 A/email confirm email news of 1
    check 2026-02-01 A/email email news -> lapsed

    # a token for another address does nothing
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-10 B/email grant email news asked 2026-01-17
    2026-01-12 A/email confirm email news of 1
    check 2026-01-13 A/email email news -> consent
    check 2026-01-13 B/email email news -> pending

    # a token that is older than what waits does nothing
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-12 A/email withdraw email news
    2026-01-13 A/email grant email news asked 2026-01-20
    2026-01-14 A/email confirm email news of 1
    check 2026-01-15 A/email email news -> pending

    # double opt-in confirmed after a withdrawal
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-11 A/email withdraw email news
    2026-01-12 A/email confirm email news of 1
    check 2026-02-01 A/email email news -> withdrawn

    # double opt-in confirmed after a refusal of ALL
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-11 A/email refuse
    2026-01-12 A/email confirm email news of 1
    check 2026-02-01 A/email email news -> refused

    # double opt-in confirmed after the number was reassigned
    2026-01-10 A/phone grant sms news asked 2026-01-17
    2026-01-11 A/phone reassigned sms
    2026-01-11 A/phone deliverabilityCleared sms recorded 2026-01-12
    2026-01-12 A/phone confirm sms news of 1
    2026-01-13 A/phone deliverabilityCleared sms
    check 2026-02-01 A/phone sms news -> reassigned

    # double opt-in while granted stays granted
    2026-01-10 A/email grant email news
    2026-01-20 A/email grant email news asked 2026-01-27
    check 2026-01-21 A/email email news -> consent
    check 2026-02-21 A/email email news -> consent

    # double opt-in while granted: the confirmation extends it
    2026-01-10 A/email grant email news until 2027-01-10
    2026-12-20 A/email grant email news asked 2026-12-27
    2026-12-21 A/email confirm email news of 2 until 2027-12-21
    check 2027-06-01 A/email email news -> consent
    check 2027-12-21 A/email email news -> expired

    # double opt-in while granted: the confirmation only extends it
    2026-01-10 A/email grant email news until 2028-01-10
    2026-02-01 A/email grant email news asked 2026-02-08
    2026-02-02 A/email confirm email news of 2 until 2026-06-01
    check 2027-06-01 A/email email news -> consent

    # double opt-in after an objection: pending, then granted
    2026-01-10 A/email object
    2026-01-20 A/email grant email news asked 2026-01-27
    check 2026-01-21 A/email email news -> pending
    2026-01-22 A/email confirm email news of 2
    check 2026-02-01 A/email email news -> consent
    check 2026-02-01 A/email email offers -> objected

    # a second grant does not restart the first token's lapse
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-14 A/email grant email news asked 2026-01-21
    2026-01-18 A/email confirm email news of 1
    check 2026-01-19 A/email email news -> lapsed

    # after the lapse a new grant asks again
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-20 A/email grant email news asked 2026-01-27
    check 2026-01-21 A/email email news -> pending
    2026-01-22 A/email confirm email news of 2
    check 2026-01-23 A/email email news -> consent

    # a token is good once: a second click after a withdrawal does nothing
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-11 A/email confirm email news of 1
    2026-01-12 A/email withdraw email news
    2026-01-13 A/email confirm email news of 1
    check 2026-01-14 A/email email news -> withdrawn

    # grants never inherit: a confirmation of ALL confirms nothing that it does not name
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-11 A/email confirm all news of 1
    check 2026-01-12 A/email email news -> pending

    # a pending request gives its neighbours nothing
    2026-01-10 A/email grant email news asked 2026-01-17
    check 2026-01-11 A/email email offers -> noRecord

    # a confirmation is under the notice that was shown when it was asked
    2026-01-10 A/email grant email news asked 2026-01-17 notice 3
    2026-01-11 A/email confirm email news of 1
    2026-01-20 catalogue invalidate 3
    check 2026-02-01 A/email email news -> noticeInvalidated

    # an import that is confirmed stays an import against a refusal
    2026-01-05 A/email grant email news import asked 2026-01-12
    2026-01-06 A/email confirm email news of 1
    2026-01-02 A/email withdraw email news recorded 2026-01-07
    check 2026-01-08 A/email email news -> withdrawn

    """
