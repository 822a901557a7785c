# Side by side: runs ours and the peer in turn, and keeps what each run came to. Sourced by run.sh.
#
# A row ID is measured by the functions ID_ours FILE and ID_peer FILE, each of which leaves one JSON document with the
# keys of consent-load in FILE. Invariant: `$runs` holds one line a run:
#   id, side, round, figure, client seconds and server seconds a million, bytes on the wire each, busy, ok or why not

runs=$folder/runs.tsv

# alternate ID ROUNDS : A/B/A/B; a ratio is that of neighbours, so that what the machine does to both cancels out. Rows
# for information have one round.
alternate() {
    local id=$1 rounds=$2 round side
    if [ "$(field "$id" kind)" = info ]; then rounds=1; fi
    for ((round = 1; round <= rounds; round++)); do
        for side in ours peer; do
            declare -F "${id}_$side" >/dev/null && measure "$id" "$side" "$round"
        done
        progress "$id" "$round"
    done
}

# measure ID SIDE ROUND
measure() {
    local file=$folder/runs/$1-$2-$3.json verdict=ok
    rm -f "$file"
    "${1}_$2" "$file" || verdict=failed
    [ -s "$file" ] || { verdict=failed; echo '{}' >"$file"; }
    awk -v id="$1" -v side="$2" -v round="$3" -v unit="$(field "$1" unit)" -v verdict="$verdict" \
        -f "$here/figures.awk" "$file" >>"$runs"
}

# progress ID ROUND : what the round came to.
progress() {
    say "$(awk -F '\t' -v id="$1" -v round="$2" '
        $1 == id && $3 == round { figure[$2] = $4; if ($9 != "ok") why = why " " $2 ": " $9 }
        END {
            line = sprintf("%s round %d: ours %.6g", id, round, figure["ours"])
            if ("peer" in figure) line = line sprintf(", peer %.6g", figure["peer"])
            print line why
        }' "$runs")"
}
