// Golden scenarios: what becomes known late, and where the domain page leaves two readings. Scenario.swift
// explains the lines.

let goldenLate = """
    # a refusal between request and click that becomes known after both
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-12 A/email confirm email news of 1
    2026-01-11 A/email withdraw email news recorded 2026-01-13
    check 2026-02-01 A/email email news -> withdrawn

    # a refusal before the request that becomes known after the click
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-12 A/email confirm email news of 1
    2026-01-09 A/email withdraw email news recorded 2026-01-13
    check 2026-02-01 A/email email news -> consent

    # a refusal between grant and renewal that becomes known after both
    2026-01-10 A/email grant email news
    2026-01-20 A/email renew email news until 2027-01-20
    2026-01-15 A/email withdraw email news recorded 2026-01-21
    check 2026-02-01 A/email email news -> withdrawn

    # a confirmation keeps its own day when what it extended is beaten
    2026-01-10 A/email grant email news until 2030-01-10
    2026-02-10 A/email grant email news asked 2026-02-17
    2026-02-11 A/email confirm email news of 2 until 2027-02-11
    check 2027-02-10 A/email email news -> consent
    2026-01-20 A/email withdraw email news recorded 2026-02-12
    check 2027-02-10 A/email email news -> consent
    check 2027-02-11 A/email email news -> expired

    # a grant that becomes known after its renewal
    2026-01-20 A/email renew email news until 2027-01-20
    2026-01-10 A/email grant email news until 2026-06-01 recorded 2026-01-25
    check 2026-12-01 A/email email news -> consent

    # an invalidation covers grants from before it that become known later
    2026-01-20 A/email invalidate email all
    2026-01-10 A/email grant email news recorded 2026-01-25
    check 2026-02-01 A/email email news -> invalid
    check 2026-02-01 A/email email offers -> noRecord

    # a grant after an invalidation
    2026-01-20 A/email invalidate email all
    2026-01-21 A/email grant email news
    check 2026-02-01 A/email email news -> consent

    # a grant that becomes known after its retention had ended before the last contact
    2026-01-10 A/email contactSeen keep 2029-01-10
    2020-01-10 A/email grant email news import keep 2023-01-10 recorded 2026-01-20
    check 2026-02-01 A/email email news -> expired

    # a grant that becomes known late and whose retention reaches the contacts on file
    2026-01-10 A/email contactSeen keep 2029-01-10
    2024-01-10 A/email grant email news import keep 2027-01-10 recorded 2026-01-20
    check 2028-02-01 A/email email news -> consent

    # a contact that becomes known late undoes no end of retention that was met without it
    2026-01-10 A/email grant email news keep 2027-01-10
    2027-02-01 A/email contactSeen keep 2028-02-01
    2027-01-05 A/email contactSeen keep 2028-01-05 recorded 2027-02-02
    check 2027-02-03 A/email email news -> expired

    # a bounce that becomes known after a clearance counts, whenever it occurred
    2026-01-20 A/email deliverabilityCleared email
    2026-01-10 A/email bounce email recorded 2026-01-21
    check 2026-02-01 A/email email reminder -> undeliverable

    # a click from before what waits does nothing
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-09 A/email confirm email news of 1 recorded 2026-01-11
    check 2026-01-12 A/email email news -> pending

    """

let goldenReadings = """
    # a request that waits for a confirmation is no contact of the person
    2026-01-10 A/email grant email news keep 2026-06-01
    2026-05-01 A/email grant email news asked 2026-05-08 keep 2029-05-01
    check 2026-06-01 A/email email news -> expired

    # retention is counted from the last contact, by the policy of its time
    2026-01-10 A/email grant email news keep 2029-01-10
    2026-02-10 A/email contactSeen keep 2027-02-10
    check 2027-02-09 A/email email news -> consent
    check 2027-02-10 A/email email news -> expired

    # a consent that has expired may be renewed: the renewal passes the gate like a grant
    2026-01-10 A/email grant email news until 2026-06-01
    2026-07-01 A/email renew email news until 2027-07-01
    check 2026-07-02 A/email email news -> consent

    # a consent without an end takes the end of its renewal
    2026-01-10 A/email grant email news
    2026-02-01 A/email renew email news until 2027-02-01
    check 2027-02-01 A/email email news -> expired

    # double opt-in asked when the consent has expired: still expired, then confirmed
    2026-01-10 A/email grant email news until 2026-06-01
    2026-07-01 A/email grant email news asked 2026-07-08
    check 2026-07-02 A/email email news -> expired
    2026-07-03 A/email confirm email news of 2 until 2027-07-03
    check 2026-07-04 A/email email news -> consent

    # a second request falls with the first that it joined
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-14 A/email grant email news asked 2026-01-21
    2026-01-12 A/email withdraw email news recorded 2026-01-15
    2026-01-16 A/email confirm email news of 2
    check 2026-01-17 A/email email news -> withdrawn

    # one click confirms what both requests asked
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-14 A/email grant email news asked 2026-01-21
    2026-01-15 A/email confirm email news of 2 until 2026-06-15
    2026-01-16 A/email confirm email news of 1 until 2027-01-16
    check 2026-06-15 A/email email news -> expired

    # invalidate takes a request that waits along
    2026-01-10 A/email grant email news asked 2026-01-17
    2026-01-11 A/email invalidate email news
    2026-01-12 A/email confirm email news of 1
    check 2026-01-13 A/email email news -> invalid

    # a refusal on file is named before an invalidation
    2026-01-10 A/email withdraw email news
    2026-01-11 A/email grant email news
    2026-01-12 A/email invalidate email news
    check 2026-02-01 A/email email news -> withdrawn

    # what a grant lifted speaks again when the grant is gone: an objection
    2026-01-10 A/email object
    2026-01-20 A/email grant email news
    2026-01-25 A/email withdraw email news
    check 2026-02-01 A/email email news -> objected

    # what a grant lifted speaks again when the grant is gone: an erasure
    2026-01-10 A/email erase
    2026-01-20 A/email grant email news
    2026-01-25 A/email withdraw email news
    check 2026-02-01 A/email email news -> erased

    # a narrowed objection is the cell's own: a refusal of ALL is named first
    2026-01-10 A/email refuse
    2026-01-20 A/email object email news
    check 2026-02-01 A/email email news -> refused

    # of refusals that reach further than the cell the last is named
    2026-01-10 A/email object
    2026-01-20 A/email refuse email all
    check 2026-02-01 A/email email news -> refused

    # a number reassigned where nothing was granted
    2026-01-10 A/phone reassigned sms
    2026-01-11 A/phone deliverabilityCleared sms
    check 2026-02-01 A/phone sms news -> reassigned

    # a clearance lifts no more than it names
    2026-01-10 A/phone bounce sms,whatsapp
    2026-01-11 A/phone deliverabilityCleared
    check 2026-02-01 A/phone sms reminder -> undeliverable
    2026-01-12 A/phone deliverabilityCleared sms
    check 2026-02-01 A/phone sms reminder -> service
    check 2026-02-01 A/phone whatsapp reminder -> undeliverable
    2026-01-13 A/phone deliverabilityCleared all
    check 2026-02-01 A/phone whatsapp reminder -> service

    # a consent under an invalidated notice is no neighbour
    2026-01-10 A/phone grant sms news notice 1
    check 2026-02-01 A/phone whatsapp news -> otherChannel
    check 2026-02-01 A/phone sms offers -> otherPurpose
    2026-01-20 catalogue invalidate 1
    check 2026-02-01 A/phone whatsapp news -> noRecord
    check 2026-02-01 A/phone sms offers -> noRecord

    # what a whole request fails by: the first of purpose, controller, class and channel
    2026-01-20 catalogue close A
    check 2026-02-01 A/email sms parties class service -> unknownPurpose
    check 2026-02-01 A/email sms news class service -> closedController
    check 2026-02-01 B/email sms news class service -> classMismatch
    check 2026-02-01 B/email sms news -> badChannel

    # what a number means has no time of its own: a purpose that was added later
    2026-01-10 A/email refuse
    2026-01-20 catalogue add parties
    check 2026-01-15 A/email email parties known 2026-01-19 -> unknownPurpose
    check 2026-01-15 A/email email parties known 2026-01-20 -> refused

    # several keys of one contact point: an event that only says so changes nothing
    2026-01-10 A/email grant email news
    2026-01-11 A/email rekeyed
    check 2026-02-01 A/email email news -> consent
    2026-01-12 A/email withdraw
    2026-01-13 A/email rekeyed
    check 2026-02-01 A/email email news -> withdrawn

    """
