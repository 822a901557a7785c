#!/usr/bin/env bash
# Compares two builds of consentd by the server's processor time a check: T1 (batches of 100, 16-byte keys) and T4
# (50 connections x 16 in flight) of the table, without TLS.
#
#   BEFORE=FOLDER tools/bench/builds.sh     consentd and consent-load of the other build are in FOLDER
#   PAIRS=100  DURATION=700ms  RECIPIENTS=50000
#
# Both servers run all the time, each with its own register. The runs alternate, and with each pair also which is first.
# Printed are the median ratio of a pair, after to before, and between which two ratios the median lies at 95 %: no
# distribution is assumed. Few contact points, so that the index is in the processor's cache and hides no loss.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 70
here=tools/bench

case ${1:-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
before=${BEFORE:-}
if [ ! -x "$before/consentd" ] || [ ! -x "$before/consent-load" ]; then
    echo "error: BEFORE names a folder with consentd and consent-load of another build" >&2
    exit 64
fi

folder=.build/bench-builds
pairs=${PAIRS:-100}
duration=${DURATION:-700ms}
recipients=${RECIPIENTS:-50000}
. tools/scripts/lib.sh
. $here/processes.sh
trap stop_all EXIT
trap 'exit 130' INT TERM
rm -rf "$folder" && mkdir -p "$folder"

declare -A bin=([before]=$before [after]=.build/release)
declare -A options=([T1]="--batch 100 --keys digest" [T4]="--connections 50 --in-flight 16")

# generate SIDE MODE ARGUMENT… : the load generator of that build, against its server.
generate() {
    local side=$1 mode=$2
    shift 2
    "${on_client[@]}" "${bin[$side]}/consent-load" "$mode" --server "${address[$side]}" \
        --token-file "$folder/$side-register/admin.token" "$@" >"$folder/generator.log" 2>&1 && return
    tail -n 5 "$folder/generator.log" >&2
    return 1
}

for side in before after; do
    spawn "$side" "${bin[$side]}/consentd" serve --state-dir "$folder/$side-register" --listen 127.0.0.1:0 --loops 1 \
        --init --test-register
    wait_until 60 alive_and "$side" listens "$side" || fail "consentd ($side) did not start: see $folder/$side.log"
    generate "$side" seed --recipients "$recipients" --seed 1 --bulk || fail "the register ($side) could not be filled"
done

# run SIDE ROW : the server's seconds a million checks.
run() {
    local file=$folder/run.json
    # shellcheck disable=SC2086 # options
    generate "$1" check --seed 1 --duration "$duration" --warm-up 100ms --verify --questions "$recipients" \
        --json "$file" ${options[$2]} || return 1
    awk -v id="$2" -v side="$1" -v round=1 -v unit=checks/s -v verdict=ok -f $here/figures.awk "$file" |
        awk -F '\t' '$9 != "ok" { print $9 > "/dev/stderr"; exit 1 } { print $6 }'
}

for row in T1 T4; do
    for ((pair = 1; pair <= pairs; pair++)); do
        if ((pair % 2)); then order="before after"; else order="after before"; fi
        declare -A seconds=()
        for side in $order; do
            seconds[$side]=$(run "$side" "$row") || fail "a run of $row ($side) failed"
        done
        awk -v b="${seconds[before]}" -v a="${seconds[after]}" 'BEGIN { printf "%.5f %.4f %.4f\n", a / b, b, a }'
    done >"$folder/$row.ratios"
    sort -n "$folder/$row.ratios" | awk -v row="$row" '
        { ratio[NR] = $1; before += $2; after += $3 }
        END {
            low = int((NR - 1.96 * sqrt(NR)) / 2)
            if (low < 1) low = 1
            middle = (ratio[int((NR + 1) / 2)] + ratio[int(NR / 2) + 1]) / 2
            printf "%s: %d pairs, server CPU after to before: median %.3f, between %.3f and %.3f at 95 %%", row, NR,
                middle, ratio[low], ratio[NR - low + 1]
            printf " (%.4f and %.4f s a million on the whole)\n", before / NR, after / NR
        }'
done
