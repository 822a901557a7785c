#!/usr/bin/env bash
# Runs suites under a sanitizer: `address` looks for memory used after it was freed, or beside where it is; `thread` for
# data races. Each report fails, the one of a program that a test starts as well.
#
# First what is planted in SanitizerTests must be reported, through the same build and options.
#
# `address` runs all suites but what counts or limits memory or time, which the sanitizer itself takes; what brings about
# cores and the runtime's crash reports, which it prevents; and what sets clocks: libfaketime asks for memory before there
# is any.
#
# `thread` runs the index under its readers and its writer, the register, proofs, and the replay of what fuzzing found.
# Left out are
#   - whatever connects a client: Swift 6.3 tells the sanitizer of each `inout` access, also of an empty struct such as
#     SystemRandomNumberGenerator, which has no address; the sanitizer then reads at a wild one, and the process ends;
#     and it takes a task's frame, used again after a continuation, for a race, as it cannot see into the task's queue;
#   - suites that walk thousands of faults or random cases, which take many minutes under it;
#   - what counts time, memory or allocations, and what starts programs.
#
#     tools/scripts/sanitizer.sh address|thread        FILTER= runs others, SKIP= leaves out others
#
# Builds in a folder of its own, .build/address-sanitizer or .build/thread-sanitizer.
set -uo pipefail
cd "$(dirname "$0")/../.."

kind=${1:-}
swift=${SWIFT:-swift}
build=.build/$kind-sanitizer
reports=$PWD/$build/reports
log=$build/test.log
sanitized=(-c release "--sanitize=$kind" --scratch-path "$build")
options="log_path=$reports/report:exitcode=66"
preload=

case $kind in
    address)
        suites=${FILTER:-}
        measures='LimitTests|MemoryTests|AllocationTests|nothingGrowsWithTime|memoryDoesNotGrowWithTheFile'
        crashes='aCoreThatIsAllowedHoldsAddresses|aReportThatIsAllowedShowsRegisters'
        skip=${SKIP-$measures|rightAnswersAreRight|checksKeepTheirRate|$crashes|PauseTests}
        # What a test or a program has not freed when it ends is no fault here: Swift's runtime keeps what it made.
        export ASAN_OPTIONS=$options:detect_leaks=0
        planted=oneBytePastTheEndIsRead
        ;;
    thread)
        register='Backup|EndMark|KeptHead|LogKeyRotation|RegisterContract|RegisterExamination|RegisterProof|StateFolder'
        suites="ConsentIndexTests\.ConcurrencyTests|ConsentRegisterTests\.($register)Tests"
        suites=${FILTER:-$suites|(ConsentProof|ConsentWire|Fuzz)Tests\.}
        skip=${SKIP-}
        export TSAN_OPTIONS=$options:history_size=4
        planted=twoThreadsWriteOneNumber
        preload=$PWD/$build/mutex.so
        ;;
    *)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
        case $kind in -h | --help) exit 0 ;; *) exit 64 ;; esac
        ;;
esac
# A report stands in a file, since tests read what programs print; a trace by the runtime would take minutes.
export SWIFT_BACKTRACE=enable=no
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:-3}

# run_tests ARGUMENT...: into the log; the reports of this run alone are there afterwards.
run_tests() {
    rm -rf "$reports" && mkdir -p "$reports"
    LD_PRELOAD=$preload "$swift" test --skip-build --disable-xctest "${sanitized[@]}" "$@" >"$log" 2>&1
}

mkdir -p "$build"
began=$SECONDS
if ! "$swift" build --build-tests "${sanitized[@]}" >"$build/build.log" 2>&1; then
    tail -n 40 "$build/build.log" >&2
    exit 1
fi
if [ -n "$preload" ]; then
    clang -O2 -shared -fPIC -Wall -Wextra -Werror -o "$preload" tools/thread-sanitizer/mutex.c || exit 1
fi
built=$((SECONDS - began))

CONSENTD_SANITIZER_FAULT=$kind run_tests --filter SanitizerTests
if ! grep -qs "$planted" "$reports"/*; then
    tail -n 20 "$log" >&2
    echo "error: what is planted was not reported" >&2
    exit 1
fi

began=$SECONDS
run_tests ${suites:+--filter "$suites"} ${skip:+--skip "$skip"}
summary=$(awk -v status=$? -f tools/scripts/test-summary.awk "$log")
code=$?
found=$(cat "$reports"/* 2>/dev/null | grep -cE '(WARNING|ERROR): (Thread|Address)Sanitizer')
grep -hE '^✘|recorded an issue' "$log" | head -n 30
cat "$reports"/* 2>/dev/null | head -n 200 | "$swift" demangle --simplified
echo "$summary" | head -n -1
echo "${kind:0:1}san: ${summary##*$'\n'}, $found reports; built in $built s, ran in $((SECONDS - began)) s"
[ "$code" -eq 0 ] && [ "$found" -eq 0 ]
