#!/usr/bin/env bash
# Measures consentd beside what one would otherwise use, prints a table and writes .build/bench/report.json.
#
#   tools/bench/run.sh          (make bench: builds first)
#   ONLY=T1,T4,SWEEP            some rows; T1S, T12 and T2H run only so
#   RECIPIENTS=10000000         contact points; DURATION=2s a run; ROUNDS=3 a row; SUSTAINED=60s for T9S
#   FRESH=yes                   fills the register and the peers again; otherwise they are kept in .build/bench/data-N
#
# Exit status 1 when a row is below its floor or failed. README.md in this folder says what is fair, and what each
# file does.
set -uo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
cd "$here/../.." || exit 70
here=tools/bench

bin=.build/release
folder=.build/bench
tools=$folder/tools
recipients=${RECIPIENTS:-10000000}
duration=${DURATION:-2s}
warm_up=0.5s
rounds=${ROUNDS:-3}
sustained=${SUSTAINED:-60s}
questions=$((recipients < 1048576 ? recipients : 1048576))
data=$folder/data-$recipients
only=,${ONLY:-},

. tools/scripts/lib.sh
for part in processes ours peers postgres pairs rows rows-memory rows-writes rows-named; do
    . "$here/$part.sh"
done

# Every name in ONLY is a row.
for id in ${only//,/ }; do
    [ "$id" = SWEEP ] || field "$id" id >/dev/null || {
        echo "error: $id is no row. Rows: SWEEP $(printf '%s\n' "${rows[@]}" | cut -d '|' -f 1 | xargs)" >&2
        exit 64
    }
done
for program in consentd consentctl consent-load; do
    [ -x "$bin/$program" ] || fail "$bin/$program is missing: type \`make build\`"
done

"$here/install.sh" "$tools" || exit 1
trap stop_all EXIT
trap 'exit 130' INT TERM
rm -rf "$folder/runs" "$folder"/*.tsv "$register_for_writes"
[ -z "${FRESH:-}" ] || rm -rf "$data"
mkdir -p "$folder/runs"
: >"$runs"
: >"$folder/sweep.tsv"

# stolen : seconds of processor time that the machine's host took so far, and seconds in all.
stolen() {
    awk -v tick="$(getconf CLK_TCK)" '
        $1 == "cpu" { for (n = 2; n <= 9; n++) all += $n; print $9 / tick, all / tick }' /proc/stat
}
stolen >"$folder/stolen.before"
"$tools/calibrate" "$folder" >"$folder/calibration.json" || fail "the calibration failed"
say "calibration: $(tr -d '{}"' <"$folder/calibration.json")"

if wants T1 T1S T1M T2 T2P T3 T4 T5 T5M T5P T6 T6L L1 L4 TLS TLSP TLSL SWEEP T7 T7S T8 T8R T9 T9P T9S T10; then
    fill_register
    serve "$register" --loops 1
    ctl stats --json >"$folder/population.json"
fi
wants T1 T1S T1M T2 T2P T3 T4 T5 T5M T6 T6L && measure_checks
wants SWEEP && measure_sweep
wants L1 L4 && measure_loops
wants TLS TLSP TLSL && measure_tls
wants T7 T7S && measure_memory
wants T8 T8R && on_all_cores measure_starts
stop redis
stop redis_sets
stop memcached
stop grpc
wants T5P && measure_select
wants T9 T9P T9S && measure_writes
wants T10 && measure_mixed
wants T11 && measure_allocations
wants T12 && on_all_cores alternate T12 1
wants T2H && measure_history
stop_all
rm -rf "$register_for_writes" "$folder/empty-register"
stolen >"$folder/stolen.after"

. "$here/report.sh"
