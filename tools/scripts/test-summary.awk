# Reads what `swift test` printed (status=N is its exit status) and prints one line, `N passed, N failed`.
#
# It reads the summaries of both test libraries:
#   Executed 12 tests, with 1 failure (0 unexpected) in 0.1 (0.1) seconds      XCTest: the last one is the total
#   Test run with 80 tests in 9 suites passed after 1.2 seconds.               swift-testing
#   x Test name() failed after 0.1 seconds with 1 issue.                       swift-testing, each failed test
#
# Invariant: it ends with status 0 only when something ran, all of it ended, and nothing failed.

/Executed [0-9]+ tests?, with/ {
    xctest_skipped = 0
    for (i = 1; i < NF; i++) {
        if ($i == "Executed") xctest_run = $(i + 1)
        if ($(i + 1) ~ /^failures?$/) xctest_failed = $i
        if ($(i + 1) == "test" && $(i + 2) == "skipped" || $(i + 1) == "tests" && $(i + 2) == "skipped") xctest_skipped = $i
    }
    next
}

/Test run started/ { started++; next }

/Test run with [0-9]+ tests?/ {
    ended++
    for (i = 1; i < NF; i++) if ($i == "run" && $(i + 1) == "with") run += $(i + 2)
    next
}

# "Test case passing ..." lines tell of one argument of a test; the test's own line follows.
/ Test [^ ].* failed after [0-9.]+ seconds/ && !/ Test [Cc]ase / { failed++ }

END {
    failures = failed + xctest_failed
    passes = run + xctest_run - xctest_skipped - failures
    if (passes < 0) passes = 0
    if (started > ended) {
        print "The test process ended before its tests did."
        failures++
    } else if (status != 0 && failures == 0) {
        print "The tests did not build or did not run: see above."
        failures++
    } else if (passes + failures == 0) {
        print "No test ran."
        failures++
    }
    printf "%d passed, %d failed\n", passes, failures
    exit failures > 0
}
