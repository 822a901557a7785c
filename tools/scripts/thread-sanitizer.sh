#!/usr/bin/env bash
# Runs suites under the thread sanitizer, which looks for data races: each report fails.
#
# First the race that is planted in SanitizerTests must be reported, through the same build and options.
#
# `suites` lists what runs: the index under its readers and its writer, the register, proofs, and the replay of what
# fuzzing found. Left out are
#   - whatever connects a client: Swift 6.3 tells the sanitizer of each `inout` access, also of an empty struct such as
#     SystemRandomNumberGenerator, which has no address; the sanitizer then reads at a wild one, and the process ends;
#     and it takes a task's frame, used again after a continuation, for a race, as it cannot see into the task's queue;
#   - suites that walk thousands of faults or random cases, which take many minutes under it;
#   - what counts time, memory or allocations, and what starts programs.
# FILTER= runs others. Builds in a folder of its own. `make reliability ONLY=tsan` runs this.
set -uo pipefail
cd "$(dirname "$0")/../.."

swift=${SWIFT:-swift}
build=.build/thread-sanitizer
reports=$PWD/$build/reports
log=$build/test.log
mutex=$PWD/$build/mutex.so
sanitized=(-c release --sanitize=thread --scratch-path "$build")

register='Backup|EndMark|KeptHead|LogKeyRotation|RegisterContract|RegisterExamination|RegisterProof|StateFolder'
suites="ConsentIndexTests\.ConcurrencyTests|ConsentRegisterTests\.($register)Tests"
suites=${FILTER:-$suites|(ConsentProof|ConsentWire|Fuzz)Tests\.}

# Reports go to files, since tests read what programs print.
export TSAN_OPTIONS=log_path=$reports/report:exitcode=66:history_size=4 SWIFT_BACKTRACE=enable=no
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:-3}

# run_tests ARGUMENT...: into the log; the reports of this run alone are there afterwards.
run_tests() {
    rm -rf "$reports" && mkdir -p "$reports"
    LD_PRELOAD=$mutex "$swift" test --skip-build --disable-xctest "${sanitized[@]}" "$@" >"$log" 2>&1
}

mkdir -p "$build"
began=$SECONDS
if ! "$swift" build --build-tests "${sanitized[@]}" >"$build/build.log" 2>&1; then
    tail -n 40 "$build/build.log" >&2
    exit 1
fi
clang -O2 -shared -fPIC -Wall -Wextra -Werror -o "$mutex" tools/thread-sanitizer/mutex.c || exit 1
built=$((SECONDS - began))

CONSENTD_SANITIZER_FAULT=thread run_tests --filter SanitizerTests
if ! grep -qs twoThreadsWriteOneNumber "$reports"/*; then
    tail -n 20 "$log" >&2
    echo "error: the planted race was not reported" >&2
    exit 1
fi

began=$SECONDS
run_tests --filter "$suites"
summary=$(awk -v status=$? -f tools/scripts/test-summary.awk "$log")
code=$?
found=$(cat "$reports"/* 2>/dev/null | grep -c '^WARNING: ThreadSanitizer')
grep -hE '^✘|recorded an issue' "$log" | head -n 30
cat "$reports"/* 2>/dev/null | head -n 200 | "$swift" demangle --simplified
echo "$summary" | head -n -1
echo "tsan: ${summary##*$'\n'}, $found reports; built in $built s, ran in $((SECONDS - began)) s"
[ "$code" -eq 0 ] && [ "$found" -eq 0 ]
