#!/usr/bin/env bash
# Fuzzes what reads bytes of others, with libFuzzer and the address sanitizer (tools/fuzz/README.md).
#
#     frames     a connection's bytes, as the server reads them, whole and in pieces
#     messages   every message of the schema: decoded, written back, decoded again
#     snapshot   the index's flat snapshot, and the index that comes of it
#     schema     the schema's parser, checker and renderers
#     sheet      the CSV of imports, its header and its rows
#
# Each target first has to find a fault that is planted in it, in FAULT_SECONDS (60) at most. Then it runs RUNS inputs,
# or until its seconds are over, two targets at a time. Ends with a table, with the edges that the corpus reaches of
# each message type, and with `N passed, N failed`; a failed one says how to repeat it. The frames are those whose header
# had its checksum; each is read twice, in two cuts.
#
# ONLY=frames,schema    runs some                    SEED=     repeats a run
# RUNS=                 inputs of each target        SECONDS_MAX= seconds of each at most (280; messages 120, others 50)
# KEEP=1                puts what is new into tools/fuzz/corpus, minimised; commit what it leaves there
set -uo pipefail
cd "$(dirname "$0")/../.."

case ${1:-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac

swift=${SWIFT:-swift}
only=${ONLY:-frames,messages,snapshot,schema,sheet}
seed=${SEED:-$((RANDOM * 32768 + RANDOM + 1))}
build=.build/fuzz
work=$build/work
fuzz=$build/release/fuzz

# One input may take 10 s, one allocation 32 MiB (a body of 4 MiB doubles its buffer on the way), all of it 1 GiB.
limits=(-timeout=10 -malloc_limit_mb=32 -rss_limit_mb=1024)
# The sanitizer notes no stacks of allocations here, which is a quarter faster; who repeats a crash gets them.
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=quarantine_size_mb=16:malloc_context_size=0:max_malloc_fill_size=0

# seconds TARGET: how long it runs at most. The two lanes below are equally long.
seconds() {
    case $1 in frames) echo "${SECONDS_MAX:-280}" ;; messages) echo "${SECONDS_MAX:-120}" ;; *) echo "${SECONDS_MAX:-50}" ;; esac
}

# input_bytes TARGET: longest input that is made.
input_bytes() { case $1 in schema) echo 4096 ;; *) echo 1024 ;; esac }

# planted TARGET: from the seeds alone, it finds what is planted. Prints after how many inputs.
planted() {
    local log=$work/$1.planted
    FUZZ_FAULT=1 FUZZ_TARGET=$1 "$fuzz" "${limits[@]}" -seed="$seed" -max_len="$(input_bytes "$1")" \
        -max_total_time="${FAULT_SECONDS:-60}" -artifact_prefix="$work/planted-$1-" ${dictionary[$1]:-} \
        "$work/planted-corpus/$1" "$work/seeds/$1" >"$log" 2>&1
    sed -n "s/^finding: the planted fault of $1, input \([0-9]*\)$/\1/p" "$log"
}

# fuzz_target TARGET: the planted fault, then the run. Leaves a line of the table in work/TARGET.row.
fuzz_target() {
    local name=$1 log=$work/$1.log code found began=$SECONDS
    local runs past frames edges rate share verdict=ok crashes=0
    mkdir -p "$work/corpus/$name" "$work/seeds/$name" "$work/planted-corpus/$name" "$work/failures/$name"
    FUZZ_TARGET=$name FUZZ_SEEDS=$work/seeds/$name "$fuzz" || return 1
    found=$(planted "$name")
    local kept=()
    for folder in "tools/fuzz/failures/$name" "tools/fuzz/corpus/$name" "$work/seeds/$name"; do
        [ -d "$folder" ] && kept+=("$folder")
    done
    began=$SECONDS
    FUZZ_TARGET=$name "$fuzz" "${limits[@]}" -seed="$seed" -max_len="$(input_bytes "$name")" -runs="${RUNS:--1}" \
        -max_total_time="$(seconds "$name")" -artifact_prefix="$work/failures/$name/" ${dictionary[$name]:-} \
        -print_final_stats=1 "$work/corpus/$name" "${kept[@]}" >"$log" 2>&1
    code=$?
    runs=$(sed -n "s/^fuzz: $name runs=\([0-9]*\) past=.*/\1/p" "$log")
    past=$(sed -n "s/^fuzz: $name runs=.* past=\([0-9]*\) .*/\1/p" "$log")
    frames=$(sed -n "s/^fuzz: $name runs=.* frames=\([0-9]*\)$/\1/p" "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | tr -dc 0-9)
    rate=$((${runs:-0} / (SECONDS > began ? SECONDS - began : 1)))
    share=$((${past:-0} * 100 / (${runs:-0} > 0 ? runs : 1)))
    [ -n "$found" ] || verdict="FAILED: the planted fault was not found"
    case $name in frames | snapshot) [ "$share" -ge 50 ] || verdict="FAILED: under 50 % past the checksums" ;; esac
    if [ "$code" -ne 0 ]; then
        crashes=1
        verdict="FAILED: $(grep -m 1 -E '^finding: |ERROR: ' "$log")"
    fi
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "${runs:-0}" "${frames:-0}" "$rate" "$share" \
        "${edges:-0}" "${found:--}" "$crashes" "$verdict" >"$work/$name.row"
    echo "$name: ${runs:-0} inputs, $rate a second, ${edges:-0} edges, $verdict" >&2
}

# edges_by_type: what the corpus reaches of each message type, and that each of them is decoded at all.
edges_by_type() {
    FUZZ_EDGES=1 FUZZ_TARGET=messages "$fuzz" -runs=0 "$work/corpus/messages" "$work/seeds/messages" 2>/dev/null |
        sed -n "s/^edges: //p" >"$build/edges.txt"
    printf '\nEdges that the inputs of each message type reach; inputs; how many of them decode (%s):\n' "$build/edges.txt"
    column -c 150 "$build/edges.txt" 2>/dev/null || cat "$build/edges.txt"
    [ -s "$build/edges.txt" ] && ! grep -q ' taken=0$' "$build/edges.txt"
}

# keep TARGET: the corpus of the repository and what this run adds to it, as far as it reaches edges that the seeds and
# the rest of it do not.
keep() {
    local name=$1 folder=$work/keep/$1
    rm -rf "$folder" && mkdir -p "$folder" "tools/fuzz/corpus/$name"
    cp "$work/seeds/$name"/* "$folder/"
    FUZZ_TARGET=$name "$fuzz" -merge=1 -use_counters=0 -max_len="$(input_bytes "$name")" "$folder" \
        "tools/fuzz/corpus/$name" "$work/corpus/$name" >"$work/$name.keep" 2>&1 || return 1
    rm -f "$folder"/seed-* "tools/fuzz/corpus/$name"/*
    cp "$folder"/* "tools/fuzz/corpus/$name/" || return 1
    echo "tools/fuzz/corpus/$name: $(ls "tools/fuzz/corpus/$name" | wc -l) inputs" >&2
}

declare -A dictionary=([schema]=-dict=tools/fuzz/schema.dict [sheet]=-dict=tools/fuzz/sheet.dict)

echo "Fuzzing $only; SEED=$seed repeats this run. Building into $build." >&2
mkdir -p "$build"
if ! "$swift" build -c release --package-path tools/fuzz --scratch-path "$build" >"$build/build.log" 2>&1; then
    tail -n 40 "$build/build.log" >&2
    exit 1
fi
rm -rf "$work" && mkdir -p "$work"

# Two lanes, for two cores; each is a group of processes, which ends as one.
groups=()
trap 'for group in "${groups[@]}"; do kill -- "-$group"; done 2>/dev/null; exit 130' INT TERM
set -m
for lane in "frames" "messages snapshot schema sheet"; do
    (for name in $lane; do case ,$only, in *,$name,*) fuzz_target "$name" ;; esac; done) &
    groups+=($!)
done
set +m
wait
groups=()

passed=0 failed=0 inputs=0 all_frames=0
printf '\n%-10s %12s %12s %9s %8s %7s %14s %8s  %s\n' \
    target inputs frames a_second past_% edges planted_found crashes verdict
for name in ${only//,/ }; do
    if ! IFS=$'\t' read -r _ runs frames rate share edges found crashes verdict <"$work/$name.row"; then
        echo "error: ONLY=$name did not run; the targets are at the top of $0" >&2
        failed=$((failed + 1))
        continue
    fi
    printf '%-10s %12s %12s %9s %8s %7s %14s %8s  %s\n' "$name" "$runs" "$frames" "$rate" "$share" "$edges" "$found" \
        "$crashes" "$verdict"
    inputs=$((inputs + runs))
    all_frames=$((all_frames + frames))
    if [ "$verdict" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    for input in "$work/failures/$name"/*; do
        [ -e "$input" ] || continue
        echo "  repeat: FUZZ_TARGET=$name SWIFT_BACKTRACE=enable=no $fuzz $input"
        echo "  once it is mended: mkdir -p tools/fuzz/failures/$name && cp $input tools/fuzz/failures/$name/"
    done
done
case ,$only, in *,messages,*) edges_by_type || { echo "error: a message type was never decoded" >&2; failed=$((failed + 1)); } ;; esac
if [ -n "${KEEP:-}" ]; then for name in ${only//,/ }; do keep "$name" || failed=$((failed + 1)); done; fi

echo "fuzz: $inputs inputs, $all_frames frames in them, $passed targets passed, $failed failed"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
