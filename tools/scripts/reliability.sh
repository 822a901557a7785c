#!/usr/bin/env bash
# The long tests: `crash` kills the server under write load again and again, and between two steps at places that
# have names, and audits the register after each restart; `powerloss` loses what was not synced at thousands of
# places of a workload; `ioerr` fails each of its calls to a file; `corrupt` changes bytes of the files; `erasure` does so under erasures, and searches the files for what was erased; `import` kills either side of
# an import, and finishes it by the same command; `model` holds fold, index and the questions about the past against
# a naive model of the law; `race` lets readers race the index's writer; `withdraw` times withdrawals beside a dump.
# Of the network and of time: `hostile` sets peers that mean harm beside good ones; `drain` replaces the daemon under
# load; `overload` asks for ten times what it can do; `pause` stops it, and sets its clock; `limits` takes its
# descriptors away; `soak` looks for what grows; `linearizability` searches histories of calls for one that no register
# allows, over kills and pauses.
#
# crash: ROUNDS (100) kills, at moments drawn from SEED (printed; the same seed kills at the same moments), and as many
# at failpoints, each of them in turn. After each restart every event that was acknowledged must be in the register,
# at its sequence, and the sequence must be dense. erasure: ROUNDS (25) kills.
# powerloss: POINTS (3600) losses of power; ioerr: every call to a file, failing once, for ever, and for lack of space;
# corrupt: FLIPS (800) changed bytes in each of database, log and backup, and their last 64 KiB cut off in small steps.
# import: IMPORT_ROWS (400000) rows, killed at a moment drawn from SEED: each must be in the register once. The memory
# of consentctl is watched over five times as many.
# model: COMPARISONS (1000000) comparisons over random logs drawn from SEED on.
# withdraw: withdrawals one after the other, alone and while another connection reads a dump of EVENTS (200000) grants.
# race: readers of the index race its writer under the thread sanitizer, in a build of its own.
# hostile: 1,000 peers that dribble, 500 that never read, 10,000 connects, 1,000,000 wrong frames drawn from SEED.
# drain: REPLACEMENTS (50) of the daemon. linearizability: FAULTS (60) kills and pauses. pause: 20 stops.
# soak: SOAK_SECONDS (600) seconds. access: CALLS (100000) calls of clients with few rights.
# tsan: suites under the thread sanitizer (tools/scripts/thread-sanitizer.sh).
# fuzz: all fuzzers, as long as two cores take for 280 seconds (tools/scripts/fuzz.sh).
# namespace: a server and its clients on two machines, as far as the kernel can pretend; needs root, and is left out
# where that is missing and ONLY does not name it.
# ONLY= names those to run; the line that begins with `tests=` lists them. Ends with a table and `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tools/scripts/packages.sh

tests=${ONLY:-crash powerloss ioerr corrupt erasure import model race withdraw hostile drain overload pause limits soak \
linearizability access fuzz tsan$([ "$(id -u)" -ne 0 ] || echo " namespace")}
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

mkdir -p .build
table=
passed=0
failed=0

# run_test NAME LINE VARIABLE=VALUE...: runs the test with these variables.
run_test() { run "$1" "$2" env "${@:3}" tools/scripts/test.sh; }

# run NAME LINE COMMAND...: runs it; the last line that it prints after `NAME: ` is its figure.
run() {
    local name=$1 line=$2 log=.build/reliability-$1.log code figure verdict=ok
    shift 2
    echo "$line; SEED=$seed repeats this run."
    "$@" >"$log" 2>&1
    code=$?
    if [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        verdict=FAILED
        tail -n 40 "$log"
    fi
    figure=$(sed -n "s/^$name: //p" "$log" | tail -n 1)
    table+=$(printf '%-15s %-60s %-14s %s' "$name" "${figure:--}" "$seed" "$verdict")$'\n'
}

# race : in memory that the sanitizer watches, with few profiles and with as many as there are.
race() {
    local sanitized=(-c release --sanitize=thread --scratch-path .build/thread-sanitizer) profiles
    swift build "${sanitized[@]}" --product index-bench || return 1
    for profiles in 300 1000000; do
        TSAN_OPTIONS=halt_on_error=1 .build/thread-sanitizer/release/index-bench race \
            --seed "$seed" --writes 1000000 --profiles "$profiles" || return 1
    done
}

# run_fault NAME SUITE LINE VARIABLE=VALUE...: runs a suite of the tests of the network and of time.
run_fault() {
    run_test "$1" "$3" FILTER="ReliabilityTests.$2" CONSENTD_FAULT_SEED="$seed" "${@:4}"
}

for name in ${tests//,/ }; do
    case "$name" in
        crash)
            run_test crash "Killing the server $kills times" FILTER=ReliabilityTests.CrashTests \
                CONSENTD_CRASH_ROUNDS="$kills" CONSENTD_CRASH_SEED="$seed"
            run_test failpoint "Killing the server $kills times at failpoints" \
                FILTER=ReliabilityTests.FailpointTests \
                CONSENTD_FAILPOINT_ROUNDS="$kills" CONSENTD_CRASH_SEED="$seed"
            ;;
        powerloss)
            run_test powerloss "Losing power $points times" FILTER=ConsentRegisterTests.PowerLossTests \
                CONSENTD_POWERLOSS_POINTS="$points" CONSENTD_POWERLOSS_SEED="$seed"
            ;;
        ioerr)
            run_test ioerr "Failing every call to a file" FILTER=ConsentRegisterTests.DiskErrorTests \
                CONSENTD_IOERR_POINTS=1000000 CONSENTD_IOERR_SEED="$seed"
            ;;
        corrupt)
            run_test corrupt "Changing $flips bytes of each file" \
                FILTER="ConsentRegisterTests.CorruptionTests|ConsentIndexTests.SnapshotTests" \
                CONSENTD_CORRUPT_FLIPS="$flips" CONSENTD_CORRUPT_STEP=11 CONSENTD_CORRUPT_SEED="$seed"
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
            install_missing "faketime file:/usr/lib/*/faketime/libfaketimeMT.so.1" || exit 1
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
            run tsan "Suites under the thread sanitizer" tools/scripts/thread-sanitizer.sh
            ;;
        fuzz)
            run fuzz "Fuzzing what reads bytes of others" env ONLY= SEED="$seed" tools/scripts/fuzz.sh
            ;;
        namespace)
            run namespace "A server on a network" tools/scripts/namespaces.sh
            ;;
        *)
            echo "error: ONLY=$name: see the top of $0" >&2
            exit 64
            ;;
    esac
done

printf '\n%-15s %-60s %-14s %s\n%s' test figure seed verdict "$table"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
