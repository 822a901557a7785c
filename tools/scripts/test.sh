#!/usr/bin/env bash
# Runs the tests in a release build and ends with one plain line: `N passed, N failed`.
#
# Exit status 1 when a test failed, when a run ended early, and when no test ran at all: silence is no success.
# The build is the one of `swift build -c release` (tests need no testable imports: they use `package`).
# FILTER is handed to `swift test --filter`. LOG: where the whole output goes, too.
# SKIP_BUILD=1: it is built already, and others may run beside it; `swift test` would lock them out.
set -uo pipefail
cd "$(dirname "$0")/../.."

log=${LOG:-.build/test.log}
mkdir -p .build

run=("${SWIFT:-swift}" test -c release --disable-testable-imports)
[ -n "${SKIP_BUILD:-}" ] && run=(env NO_COLOR=1 .build/release/consentdPackageTests.xctest --testing-library swift-testing)
[ -n "${FILTER:-}" ] && run+=(--filter "$FILTER")

# Many tests start programs that keep the cores busy. All at once they would starve each other.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:-3}

"${run[@]}" 2>&1 | tee "$log"
awk -v status="${PIPESTATUS[0]}" -f tools/scripts/test-summary.awk "$log"
