#!/usr/bin/env bash
# The long tests: `crash` kills the server under write load again and again, and between two steps at places that
# have names, and audits the register after each restart; `powerloss` loses what was not synced at thousands of
# places of a workload; `ioerr` fails each of its calls to a file; `corrupt` changes bytes of the files; `erasure` kills
# under erasures, and searches the files for what was erased; `import` kills either side of an import, and finishes it
# by the same command; `model` holds fold, index and the questions about the past against a naive model of the law;
# `race` lets readers race the index's writer; `withdraw` times withdrawals beside a dump; `access` calls what one may
# not.
# Of the network and of time: `hostile` sets peers that mean harm beside good ones; `drain` replaces the daemon under
# load; `overload` asks for ten times what it can do; `pause` stops it, and sets its clock; `limits` takes its
# descriptors away; `soak` looks for what grows; `linearizability` searches histories of calls for one that no register
# allows, over kills and pauses.
#
# crash: ROUNDS (100) kills, at moments drawn from SEED (printed; the same seed kills at the same moments), and as many
# at failpoints, each of them in turn. After each restart every event that was acknowledged must be in the register,
# at its sequence, and the sequence must be dense. erasure: ROUNDS (25) kills.
# powerloss: POINTS (3600) losses of power; ioerr: every call to a file, failing once, for ever, and for lack of space;
# corrupt: FLIPS (800) changed bytes in each of database, log, backup and mark, and each length of their last 64 KiB.
# import: IMPORT_ROWS (400000) rows, killed at a moment drawn from SEED: each must be in the register once. The memory
# of consentctl is watched over five times as many.
# model: COMPARISONS (1000000) comparisons over random logs drawn from SEED on.
# withdraw: withdrawals one after the other, alone and while another connection reads a dump of EVENTS (200000) grants.
# race: readers of the index race its writer under the thread sanitizer, in a build of its own.
# hostile: 1,000 peers that dribble, 500 that never read, 10,000 connects, 1,000,000 wrong frames drawn from SEED.
# drain: REPLACEMENTS (50) of the daemon. linearizability: FAULTS (60) kills and pauses. pause: 20 stops.
# soak: SOAK_SECONDS (600) seconds. access: CALLS (100000) calls of clients with few rights.
# tsan, asan: suites under the thread and the address sanitizer (tools/scripts/sanitizer.sh).
# fuzz: all fuzzers, as long as two cores take for 280 seconds (tools/scripts/fuzz.sh).
# namespace: a server and its clients on two machines, as far as the kernel can pretend; needs root, and is left out
# where that is missing and ONLY does not name it.
#
# Rows that time nothing run first, in three lanes, one of which mostly waits for the disk; then the others, each with the
# machine for itself.
# ONLY= names those to run. Ends with a table and `N passed, N failed`; a row's whole output is in
# .build/reliability/NAME.log.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tools/scripts/packages.sh

case ${1:-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac

lanes=("crash erasure import" "powerloss ioerr corrupt model access" "race tsan asan")
alone="soak fuzz hostile drain overload withdraw pause limits linearizability"
[ "$(id -u)" -ne 0 ] && [ -z "${ONLY:-}" ] || alone+=" namespace"
only=${ONLY:-${lanes[*]} $alone}
kills=${ROUNDS:-100}
rounds=${ROUNDS:-25}
points=${POINTS:-3600}
flips=${FLIPS:-800}
calls=${CALLS:-100000}
comparisons=${COMPARISONS:-1000000}
import_rows=${IMPORT_ROWS:-400000}
events=${EVENTS:-200000}
replacements=${REPLACEMENTS:-50}
faults=${FAULTS:-60}
soak_seconds=${SOAK_SECONDS:-600}
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}

# Where nothing comes of a real disk: the layer under SQLite that these tests have decides what is kept.
in_memory=TMPDIR=${TMPDIR:-/tmp}
[ -w /dev/shm ] && in_memory=TMPDIR=/dev/shm

rows=.build/reliability
rm -rf "$rows" && mkdir -p "$rows"

# run_test NAME LINE VARIABLE=VALUE...: runs the test with these variables. It is built already: lanes do not build.
run_test() { run "$1" "$2" env SKIP_BUILD=1 LOG="$rows/$1.test.log" "${@:3}" tools/scripts/test.sh; }

# run NAME LINE COMMAND...: runs it; the last line that it prints after `NAME: ` is its figure. Its row of the table is
# left in a file.
run() {
    local name=$1 line=$2 log=$rows/$1.log began=$SECONDS figure verdict=ok
    shift 2
    echo "$name: $line"
    "$@" >"$log" 2>&1 || verdict=FAILED
    figure=$(sed -n "s/^$name: //p" "$log" | tail -n 1)
    printf '%-15s %5d  %-6s  %s\n' "$name" $((SECONDS - began)) "$verdict" "${figure:--}" >"$rows/$name.row"
    [ "$verdict" = ok ] || tail -n 40 "$log"
    echo "$name: $verdict after $((SECONDS - began)) s: ${figure:-no figure}"
}

# race : in memory that the sanitizer watches, with few profiles and with as many as there are.
race() {
    local sanitized=(-c release --sanitize=thread --scratch-path .build/thread-sanitizer) profiles
    swift build "${sanitized[@]}" --product index-bench || return 1
    for profiles in 300 1000000; do
        TSAN_OPTIONS=halt_on_error=1 .build/thread-sanitizer/release/index-bench race \
            --seed "$seed" --writes 500000 --profiles "$profiles" || return 1
    done
}

# run_fault NAME SUITE LINE VARIABLE=VALUE...: runs a suite of the tests of the network and of time.
run_fault() {
    run_test "$1" "$3" FILTER="ReliabilityTests.$2" CONSENTD_FAULT_SEED="$seed" "${@:4}"
}

# start NAME: the test of this name.
start() {
    local name=$1
    case "$name" in
        crash)
            run_test crash "Killing the server $kills times" FILTER=ReliabilityTests.CrashTests \
                CONSENTD_CRASH_ROUNDS="$kills" CONSENTD_CRASH_SEED="$seed"
            run_test failpoint "Killing the server $kills times at failpoints" \
                FILTER=ReliabilityTests.FailpointTests \
                CONSENTD_FAILPOINT_ROUNDS="$kills" CONSENTD_CRASH_SEED="$seed"
            ;;
        powerloss)
            run_test powerloss "Losing power $points times" FILTER=ConsentRegisterTests.PowerLossTests "$in_memory" \
                CONSENTD_POWERLOSS_POINTS="$points" CONSENTD_POWERLOSS_SEED="$seed"
            ;;
        ioerr)
            run_test ioerr "Failing every call to a file" FILTER=ConsentRegisterTests.DiskErrorTests "$in_memory" \
                CONSENTD_IOERR_POINTS=1000000 CONSENTD_IOERR_SEED="$seed"
            ;;
        corrupt)
            run_test corrupt "Changing $flips bytes of each file" \
                FILTER="ConsentRegisterTests.CorruptionTests|ConsentIndexTests.SnapshotTests" \
                "$in_memory" CONSENTD_CORRUPT_FLIPS="$flips" CONSENTD_CORRUPT_STEP=1 CONSENTD_CORRUPT_SEED="$seed"
            ;;
        erasure)
            run_test erasure "Killing the server $rounds times while it erases" \
                FILTER=ReliabilityTests.ErasureCrashTests \
                CONSENTD_CRASH_ROUNDS="$rounds" CONSENTD_CRASH_SEED="$seed"
            ;;
        import)
            run_test import "Killing both sides of an import of $import_rows rows" \
                FILTER=ReliabilityTests.ImportTests CONSENTD_IMPORT_ROWS="$import_rows" CONSENTD_IMPORT_SEED="$seed"
            ;;
        model)
            run_test model "Comparing $comparisons answers with the model's" FILTER=ModelTests.DifferentialTests \
                CONSENTD_MODEL_COMPARISONS="$comparisons" CONSENTD_MODEL_SEED="$seed"
            ;;
        race)
            run race "Readers racing the index's writer under the thread sanitizer" race
            ;;
        withdraw)
            run_test withdraw "Withdrawing beside a dump of $events grants" \
                FILTER=ReliabilityTests.WithdrawalTests CONSENTD_WITHDRAW_EVENTS="$events"
            ;;
        hostile)
            run_fault hostile HostileTests "Peers that mean harm beside good ones" CONSENTD_HOSTILE_PERCENT=100
            ;;
        drain)
            run_fault drain RestartTests "Replacing the daemon $replacements times under load" \
                CONSENTD_DRAIN_ROUNDS="$replacements"
            ;;
        overload)
            run_fault overload OverloadTests "Asking for ten times the capacity" CONSENTD_OVERLOAD_SECONDS=5
            ;;
        pause)
            run_fault pause PauseTests "Stopping the daemon, and setting its clock" CONSENTD_PAUSE_ROUNDS=20
            ;;
        limits)
            run_fault limits LimitTests "More connections than descriptors"
            ;;
        soak)
            run_fault soak SoakTests "Load for $soak_seconds seconds" CONSENTD_SOAK_SECONDS="$soak_seconds"
            ;;
        linearizability)
            run_fault linearizability LinearizabilityTests "Histories of cells over $faults kills and pauses" \
                CONSENTD_LINEARIZABILITY_ROUNDS="$faults"
            ;;
        access)
            run_test access "Calling what one may not, $calls times" FILTER=IntegrationTests.AccessMatrixTests \
                CONSENTD_ACCESS_CALLS="$calls" CONSENTD_ACCESS_SEED="$seed"
            ;;
        tsan)
            run tsan "Suites under the thread sanitizer" tools/scripts/sanitizer.sh thread
            ;;
        asan)
            run asan "All suites under the address sanitizer" tools/scripts/sanitizer.sh address
            ;;
        fuzz)
            run fuzz "Fuzzing what reads bytes of others" env ONLY= SEED="$seed" tools/scripts/fuzz.sh
            ;;
        namespace)
            run namespace "A server on a network" tools/scripts/namespaces.sh
            ;;
    esac
}

# lane NAME...: one test after the other, as far as they are asked for.
lane() { for name in "$@"; do case " ${only//,/ } " in *" $name "*) start "$name" ;; esac; done; }

for name in ${only//,/ }; do
    case " ${lanes[*]} $alone " in
        *" $name "*) ;;
        *)
            echo "error: ONLY=$name is none of ${lanes[*]} $alone" >&2
            exit 64
            ;;
    esac
done
case " ${only//,/ } " in
    *" pause "*) install_missing "faketime file:/usr/lib/*/faketime/libfaketimeMT.so.1" || exit 1 ;;
esac

echo "Fault tests; SEED=$seed repeats this run."
"${SWIFT:-swift}" build -c release --build-tests >"$rows/build.log" 2>&1 || {
    tail -n 40 "$rows/build.log"
    exit 1
}
# Each lane is a group of processes, which ends as one.
groups=()
trap 'for group in "${groups[@]}"; do kill -- "-$group"; done 2>/dev/null; exit 130' INT TERM
set -m
for line in "${lanes[@]}"; do
    # shellcheck disable=SC2086 # names
    lane $line &
    groups+=($!)
done
set +m
wait
groups=()
# shellcheck disable=SC2086 # names
lane $alone

printf '\n%-15s %5s  %-6s  %s\n' test s verdict "figure (SEED=$seed)"
cat "$rows"/*.row
failed=$(cat "$rows"/*.row | awk '$3 != "ok"' | wc -l)
echo "$(($(cat "$rows"/*.row | wc -l) - failed)) passed, $failed failed; $((SECONDS / 60)) min"
[ "$failed" -eq 0 ]
