#!/usr/bin/env bash
# Counts the instructions that the server spends on a check, without the kernel's: singles by key and by address in
# bursts of 16, batches of 100 keys and of 100 addresses. valgrind counts; it is installed where it is missing.
#
# Each kind runs with CHECKS (2000) checks and with three times as many; the difference is the cost of checks alone.
# OUT=folder keeps callgrind's files, for callgrind_annotate.
set -uo pipefail
cd "$(dirname "$0")/../../.."

checks=${CHECKS:-2000}
folder=${OUT:-.build/instructions}
mkdir -p "$folder"
if ! command -v valgrind >/dev/null; then
    [ "$(id -u)" -eq 0 ] || { echo "error: type this first: sudo apt-get install valgrind" >&2; exit 1; }
    apt-get install -y -qq --no-install-recommends valgrind >"$folder/install.log" 2>&1 || {
        tail -n 5 "$folder/install.log" >&2
        exit 1
    }
fi
# valgrind cannot read all of what debuggers are told; the names of functions stay.
strip -g -o "$folder/instruction-count" .build/release/instruction-count || exit 1

# count MODE CHECKS : instructions in the connection's handler.
count() {
    local file=$folder/$1-$2.callgrind
    valgrind --tool=callgrind --callgrind-out-file="$file" --collect-atstart=no \
        --toggle-collect='*ConsentServer10Connection*channelRead7context4data*TW' \
        --toggle-collect='*ConsentServer10Connection*channelReadComplete7context*TW' \
        "$folder/instruction-count" "$1" "$2" >"$folder/$1-$2.log" 2>&1 || {
        tail -n 5 "$folder/$1-$2.log" >&2
        return 1
    }
    awk '/^(summary|totals):/ { print $2; exit }' "$file"
}

printf '%-10s %22s\n' check "instructions a check"
for mode in single raw batch raw-batch; do
    few=$(count "$mode" "$checks") && many=$(count "$mode" $((3 * checks))) || exit 1
    awk -v mode="$mode" -v few="$few" -v many="$many" -v checks="$checks" \
        'BEGIN { printf "%-10s %22.0f\n", mode, (many - few) / (2 * checks) }'
done
