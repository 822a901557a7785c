#!/usr/bin/env bash
# Kills the server under write load again and again, and audits the register after each restart.
#
# ROUNDS (25) kills, at moments drawn from SEED (printed; the same seed kills at the same moments). After each
# restart every event that was acknowledged must be in the register, at its sequence, and the sequence must be dense.
# ONLY=crash runs this test, the only one so far. Ends with a table and `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/../.."

only=${ONLY:-crash}
rounds=${ROUNDS:-25}
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
if [ "$only" != crash ]; then
    echo "error: ONLY=$only: there is one test, crash" >&2
    exit 64
fi

mkdir -p .build
echo "Killing the server $rounds times; SEED=$seed repeats this run."
CONSENTD_CRASH_ROUNDS=$rounds CONSENTD_CRASH_SEED=$seed FILTER=ReliabilityTests \
    tools/scripts/test.sh >.build/reliability.log 2>&1
code=$?
[ "$code" -eq 0 ] || tail -n 40 .build/reliability.log
figure=$(sed -n 's/^crash: //p' .build/reliability.log | tail -n 1)
printf '\n%-10s %-60s %-14s %s\n' test figure seed verdict
printf '%-10s %-60s %-14s %s\n' crash "${figure:-$rounds rounds}" "$seed" "$([ "$code" -eq 0 ] && echo ok || echo FAILED)"
tail -n 1 .build/reliability.log
exit "$code"
