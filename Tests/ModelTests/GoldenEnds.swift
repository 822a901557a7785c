// Golden scenarios: validity, retention, renewal, notices. Scenario.swift explains the lines.

let goldenEnds = """
    # expiry at exactly T: allowed until the last microsecond of the day before
    2026-01-10 A/email grant email news until 2026-03-01
    check 2026-02-28T23:59:59.999999 A/email email news -> consent
    check 2026-03-01T00:00 A/email email news -> expired

    # 29 February plus 36 months ends on 28 February
    2028-02-29 A/email grant email news until 2031-02-28
    check 2031-02-27T23:59:59.999999 A/email email news -> consent
    check 2031-02-28 A/email email news -> expired

    # dates past 2038
    2038-01-20 A/email grant email news until 2041-01-20
    check 2041-01-19T23:59 A/email email news -> consent
    check 2041-01-20 A/email email news -> expired

    # without a policy nor retention a consent has no end
    2026-01-10 A/email grant email news
    check 2100-01-01 A/email email news -> consent

    # allowed until the earlier of validity and retention: retention
    2026-01-10 A/email grant email news until 2028-01-10 keep 2027-01-10
    check 2027-01-09T23:59 A/email email news -> consent
    check 2027-01-10 A/email email news -> expired

    # allowed until the earlier of validity and retention: validity
    2026-01-10 A/email grant email news until 2027-01-10 keep 2028-01-10
    check 2027-01-10 A/email email news -> expired

    # contact seen moves the retention day
    2026-01-10 A/email grant email news keep 2027-01-10
    2026-06-10 A/email contactSeen keep 2027-06-10
    check 2027-06-09T23:59 A/email email news -> consent
    check 2027-06-10 A/email email news -> expired

    # contact seen does not move validity: a booking does not renew
    2026-01-10 A/email grant email news until 2027-01-10 keep 2027-01-10
    2026-06-10 A/email contactSeen keep 2027-06-10
    check 2027-01-10 A/email email news -> expired

    # a contact after retention has ended does not bring the consent back
    2026-01-10 A/email grant email news keep 2027-01-10
    2027-01-10 A/email contactSeen keep 2028-01-10
    check 2027-02-01 A/email email news -> expired

    # a contact on the last day of retention keeps the consent
    2026-01-10 A/email grant email news keep 2027-01-10
    2027-01-09T23:59:59.999999 A/email contactSeen keep 2028-01-09
    check 2028-01-08 A/email email news -> consent

    # a grant for another purpose after retention has ended does not bring the old one back
    2026-01-10 A/email grant email news keep 2027-01-10
    2027-03-01 A/email grant email offers keep 2028-03-01
    check 2027-04-01 A/email email news -> expired
    check 2027-04-01 A/email email offers -> consent

    # a new grant after retention has ended counts
    2026-01-10 A/email grant email news keep 2027-01-10
    2027-03-01 A/email grant email news keep 2028-03-01
    check 2027-04-01 A/email email news -> consent

    # contact seen makes no consent
    2026-01-10 A/email contactSeen keep 2029-01-10
    check 2026-02-01 A/email email news -> noRecord

    # a renewal moves validity to a later day
    2026-01-10 A/email grant email news until 2027-01-10
    2026-12-01 A/email renew email news until 2027-12-01
    check 2027-11-30 A/email email news -> consent
    check 2027-12-01 A/email email news -> expired

    # a renewal never moves validity to an earlier day
    2026-01-10 A/email grant email news until 2027-01-10
    2026-02-01 A/email renew email news until 2026-06-01
    check 2026-07-01 A/email email news -> consent

    # a renewal where nothing was granted does nothing
    2026-01-10 A/email renew email news until 2027-01-10
    check 2026-02-01 A/email email news -> noRecord

    # a renewal after a withdrawal does nothing
    2026-01-10 A/email grant email news
    2026-01-20 A/email withdraw email news
    2026-01-25 A/email renew email news
    check 2026-02-01 A/email email news -> withdrawn

    # a renewal covers its own cells only
    2026-01-10 A/email grant email news,offers until 2027-01-10
    2026-12-01 A/email renew email news until 2027-12-01
    check 2027-02-01 A/email email news -> consent
    check 2027-02-01 A/email email offers -> expired

    # grants never inherit: a renewal of ALL renews nothing that it does not name
    2026-01-10 A/email grant email news until 2027-01-10
    2026-12-01 A/email renew email all until 2027-12-01
    2026-12-02 A/email renew all news until 2027-12-02
    check 2027-01-10 A/email email news -> expired

    # notice invalidated from the beginning: every grant under it, and no other
    2026-01-10 A/email grant email news notice 1
    2026-01-10 A/email grant email offers notice 2
    2026-01-10 B/email grant email news notice 1
    2026-01-20 catalogue invalidate 1
    check 2026-02-01 A/email email news -> noticeInvalidated
    check 2026-02-01 B/email email news -> noticeInvalidated
    check 2026-02-01 A/email email offers -> consent

    # notice invalidated with an effective time to come
    2026-01-10 A/email grant email news notice 1
    2026-01-20 catalogue invalidate 1 from 2026-03-01T12:00
    check 2026-03-01T11:59:59.999999 A/email email news -> consent
    check 2026-03-01T12:00 A/email email news -> noticeInvalidated

    # a grant under another notice after the invalidation
    2026-01-10 A/email grant email news notice 1
    2026-01-20 catalogue invalidate 1
    2026-01-25 A/email grant email news notice 2
    check 2026-02-01 A/email email news -> consent

    # an invalidated notice does not touch a service message
    2026-01-10 A/email grant email news notice 1
    2026-01-20 catalogue invalidate 1
    check 2026-02-01 A/email email reminder -> service

    # an imported renewal lifts no refusal of the past
    2026-01-05 A/email withdraw email news
    2026-01-10 A/email grant email news until 2026-09-01
    2026-01-20 A/email renew email news import until 2030-01-01
    check 2026-09-01 A/email email news -> expired

    """
