#!/usr/bin/env bash
# Measures the server with consent-load against the floors below, prints a table and writes .build/bench/report.json.
#
# One server on one core and one load generator on another, a test register with RECIPIENTS recipients (1,000,000),
# DURATION a row (10s). ONLY=T1,T4 runs some rows. Floors are for two cores of a small shared machine. T12 imports
# IMPORT_ROWS rows (1,000,000) of a CSV file into a register of its own, and is free to use both cores. T2H measures T2
# before and after HISTORY events (2,000,000) more were recorded of a thousand people: what it costs must not grow with
# the log.
# Exit status 1 when a row is below its floor, when an answer was wrong, or when a run was not valid.
set -uo pipefail
cd "$(dirname "$0")/../.."

bin=.build/release
folder=.build/bench
state=$folder/state
recipients=${RECIPIENTS:-1000000}
import_rows=${IMPORT_ROWS:-1000000}
history=${HISTORY:-2000000}
duration=${DURATION:-10s}
only=,${ONLY:-},
. tools/scripts/lib.sh
trap stop_leftover_server EXIT
trap 'exit 130' INT

# id | what | unit | floor | higher or lower is better
rows=(
    "T1|CheckBatch of 100, keys|checks/s|6000000|higher"
    "T2|CheckBatch of 1,000, keys|checks/s|10000000|higher"
    "T4|Check, 50 connections x 16 in flight|checks/s|700000|higher"
    "T5|Check, 50 connections x 1 in flight|checks/s|80000|higher"
    "T7|index, bytes a recipient|bytes|40|lower"
    "T8|start until it serves|seconds|2|lower"
    "T9P|durable grants, 64 in flight|grants/s|20000|higher"
    "T2H|T2 with a longer history, of T2 before|ratio|0.9|higher"
    "T12|consentctl import, all proofs kept|rows/s|50000|higher"
)

wanted() { [ "$only" = ",," ] || [[ "$only" == *",$1,"* ]]; }

# The server has the first core and the load generator the second; on one core there is nothing to pin.
if [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
    on_server=(taskset -c 0)
    on_client=(taskset -c 1)
else
    on_server=() on_client=()
    echo "Server and load generator share a core here: the figures mean little." >&2
fi

serve() {
    start_server "${on_server[@]}" "$bin/consentd" serve --state-dir "$state" --listen 127.0.0.1:0 --loops 1 "$@" || {
        echo "error: the server did not start:" >&2
        tail -n 5 "$folder/server.log" >&2
        exit 1
    }
}

# load ID MODE ARGUMENT… : one run; its report is left in $folder/ID.json, what it said in $folder/ID.log.
load() {
    local id=$1 mode=$2
    shift 2
    "${on_client[@]}" "$bin/consent-load" "$mode" --server "$server" --token-file "$state/admin.token" \
        --seed 1 --duration "$duration" --warm-up 2s --closed --json "$folder/$id.json" "$@" \
        >"$folder/$id.log" 2>&1
    local code=$?
    [ "$code" -eq 0 ] || { echo "$id: consent-load ended with exit code $code:"; tail -n 5 "$folder/$id.log"; } >&2
    return "$code"
}

rm -rf "$folder"
mkdir -p "$folder"
for line in "${rows[@]}"; do
    wanted "${line%%|*}" || continue
    some=yes
    [ "${line%%|*}" = T12 ] || on_recipients=yes
done
[ -n "${some:-}" ] || { echo "error: ONLY=$ONLY names no row" >&2; exit 64; }

ctl() { "$bin/consentctl" "$@" --server "$server" --token-file "$state/admin.token"; }

# processor_seconds PID : what a process has used so far, user and system.
processor_seconds() { awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) / tick }' "/proc/$1/stat" 2>/dev/null; }

# csv_rows COUNT NOTICE : grants, of which one in twenty is by SMS, and as many refusals; each of a person of its own.
csv_rows() {
    awk -v count="$1" -v notice="$2" 'BEGIN {
        print "event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice"
        for (i = 1; i <= count; i++) {
            n = i * 7919 % 1000000007
            time = sprintf("2025-%02d-%02dT%02d:%02d:%02d+01:00", 1 + n % 12, 1 + n % 28, n % 24, n % 60, n * 7 % 60)
            if (i % 20 == 0) printf "refuse,salon,all,all,customer%d@mail.example,,C-%d,%s,salon,,\n", n, i, time
            else if (i % 20 == 1)
                printf "grant,salon,sms,promotions,,+336%08d,C-%d,%s,salon,ticked-box,%s\n", i, i, time, notice
            else
                printf "grant,salon,email,promotions|newsletter,customer%d@mail.example,,C-%d,%s,widget,ticked-box,%s\n",
                    n, i, time, notice
        }
    }'
}

# T12: imports a file, and leaves rows/s, the CPU seconds of both sides and the most memory of consentctl.
measure_import() {
    local state=$folder/import-state on_server=() notice before after client resident=0 now=0 pid
    serve --init
    {
        ctl controller put --id 7 --code salon --name Salon --region FR
        ctl purpose put --id 3 --code promotions --title Promotions --class marketing
        ctl purpose put --id 4 --code newsletter --title Newsletter --class marketing
    } >"$folder/T12.log" 2>&1
    notice=$(echo "I agree to offers and news by e-mail and SMS." | ctl notice put --locale en --channels email,sms \
        --purposes promotions,newsletter --controllers salon --text - --box unticked --terms-separate \
        --withdrawal-explained --data-use-explained | grep -oE '[0-9a-f]{64}' | head -n 1)
    csv_rows "$import_rows" "$notice" >"$folder/rows.csv"
    echo "Importing $import_rows rows..."
    before=$(processor_seconds "$server_pid")
    "$bin/consentctl" import "$folder/rows.csv" --quiet --json --server "$server" --token-file "$state/admin.token" \
        >"$folder/T12.json" 2>>"$folder/T12.log" &
    pid=$!
    # Read while it runs: what it uses in its last twentieth of a second is not seen.
    while kill -0 "$pid" 2>/dev/null; do
        now=$(processor_seconds "$pid")
        client=${now:-$client}
        now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null)
        resident=${now:-$resident}
        sleep 0.05
    done
    wait "$pid" || { echo "T12: consentctl import failed:"; tail -n 5 "$folder/T12.log"; } >&2
    after=$(processor_seconds "$server_pid")
    stop_server TERM
    awk -v rows="$(json_number recorded <"$folder/T12.json")" -v seconds="$(json_number seconds <"$folder/T12.json")" \
        'BEGIN { if (seconds > 0) printf "%.0f\n", rows / seconds }' >"$folder/T12.txt"
    import_figures=$(awk -v rows="$import_rows" -v client="$client" -v server="$after" -v before="$before" \
        -v kilobytes="$resident" 'BEGIN {
            printf "{\"rows\": %d, \"cpuSecondsPerMillion\": {\"client\": %.2f, \"server\": %.2f}, ", rows,
                client * 1e6 / rows, (server - before) * 1e6 / rows
            printf "\"clientResidentBytesMax\": %d}", kilobytes * 1024
        }')
    rm -rf "$state" "$folder/rows.csv"
}
import_figures=null
if wanted T12; then measure_import; fi

if [ -n "${on_recipients:-}" ]; then
    serve --init --test-register
    echo "Filling a test register with $recipients recipients..."
    "${on_client[@]}" "$bin/consent-load" seed --server "$server" --token-file "$state/admin.token" \
        --recipients "$recipients" --seed 1 --bulk >"$folder/seed.log" 2>&1 || {
        tail -n 5 "$folder/seed.log" >&2
        exit 1
    }
fi

# measure ID : runs the row and prints its figure; nothing when it failed.
measure() {
    local checks=(--recipients "$recipients" --keys digest --verify)
    case "$1" in
        T1) load T1 check "${checks[@]}" --batch 100 --connections 4 --in-flight 8 && json_number checksPerSecond <"$folder/T1.json" ;;
        T2) load T2 check "${checks[@]}" --batch 1000 --connections 4 --in-flight 4 && json_number checksPerSecond <"$folder/T2.json" ;;
        T4) load T4 check "${checks[@]}" --connections 50 --in-flight 16 && json_number checksPerSecond <"$folder/T4.json" ;;
        T5) load T5 check "${checks[@]}" --connections 50 --in-flight 1 && json_number checksPerSecond <"$folder/T5.json" ;;
        T7)
            ctl stats --json >"$folder/stats.json" || return
            awk -v bytes="$(json_number indexBytes <"$folder/stats.json")" \
                -v recipients="$(json_number recipients <"$folder/stats.json")" \
                'BEGIN { if (recipients > 0) printf "%.2f\n", bytes / recipients }'
            ;;
        T9P)
            load T9P write --connections 4 --in-flight 16 --withdraw-ratio 0 || return
            awk -v requests="$(json_number requests <"$folder/T9P.json")" \
                -v seconds="$(json_number durationSeconds <"$folder/T9P.json")" \
                'BEGIN { if (seconds > 0) printf "%.0f\n", requests / seconds }'
            ;;
    esac
}

# history_rows COUNT : contacts of a thousand people, each at a second of its own.
history_rows() {
    awk -v count="$1" 'BEGIN {
        print "event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice"
        for (i = 0; i < count; i++)
            printf "contact-seen,history,email,promotions,person%d@mail.example,,,%04d-%02d-%02dT%02d:%02d:%02dZ,salon,,\n",
                i % 1000, 2010 + int(i / 29030400), 1 + int(i / 2419200) % 12, 1 + int(i / 86400) % 28,
                int(i / 3600) % 24, int(i / 60) % 60, i % 60
    }'
}

# T2H: T2, the history, T2 again; leaves the ratio.
measure_history() {
    local before after events
    settle
    before=$(measure T2) || return
    {
        ctl controller put --id 900001 --code history --name History
        ctl purpose put --id 61 --code promotions --title Promotions --class marketing
    } >"$folder/T2H.log" 2>&1
    echo "Recording $history events more..." >&2
    history_rows "$history" >"$folder/history.csv"
    "${on_client[@]}" "$bin/consentctl" import "$folder/history.csv" --quiet --server "$server" \
        --token-file "$state/admin.token" >>"$folder/T2H.log" 2>&1 || { tail -n 5 "$folder/T2H.log" >&2; return 1; }
    rm -f "$folder/history.csv"
    settle
    after=$(measure T2) || return
    events=$(ctl stats --json | json_number sequence)
    echo "T2H: $before checks/s before, $after with $events events on file" >&2
    awk -v before="$before" -v after="$after" 'BEGIN { printf "%.3f\n", after / before }' >"$folder/T2H.txt"
}

# Waits until the derived rows have caught up with the events but for 100,000, as they do within seconds of a bulk
# load: a start replays what is left.
settle() {
    local waited
    for ((waited = 0; waited < 240; waited++)); do
        ctl stats --json >"$folder/stats.json"
        awk -v sequence="$(json_number sequence <"$folder/stats.json")" \
            -v derived="$(json_number derivedSequence <"$folder/stats.json")" \
            'BEGIN { exit sequence - derived > 100000 }' && return
        sleep 0.5
    done
    echo "The derived rows did not catch up within two minutes; T8 includes their replay." >&2
}

# busy ID : the share of its time that the server's core worked in a run; empty where there was no run.
busy() {
    [ -s "$folder/$1.json" ] || return
    awk -v cpu="$(json_number server <"$folder/$1.json")" -v all="$(json_number durationSeconds <"$folder/$1.json")" \
        'BEGIN { if (all > 0) printf "%.2f\n", cpu / all }'
}

# T8: from the program's start to its line `listening on`, with every recipient in the register.
measure_start() {
    settle
    stop_server TERM
    local from=$EPOCHREALTIME
    serve
    awk -v from="${from/,/.}" -v to="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%.3f\n", to - from }' >"$folder/T8.txt"
}
if wanted T8; then measure_start; fi

printf '\n%-4s %-38s %14s %14s %12s  %s\n' id work measured floor "server busy" verdict
failures=0
json_rows=
for line in "${rows[@]}"; do
    IFS='|' read -r id work unit floor better <<<"$line"
    wanted "$id" || continue
    case "$id" in
        T2H) measure_history && ours=$(cat "$folder/T2H.txt") || ours= ;;
        T8 | T12) ours=$(cat "$folder/$id.txt") ;;
        *) ours=$(measure "$id") ;;
    esac
    verdict=$(awk -v ours="${ours:-none}" -v floor="$floor" -v better="$better" 'BEGIN {
        if (ours == "none") print "FAILED"
        else print (better == "higher" ? ours + 0 >= floor : ours + 0 <= floor) ? "ok" : "BELOW FLOOR"
    }')
    [ "$verdict" = ok ] || failures=$((failures + 1))
    share=$(busy "$id")
    printf '%-4s %-38s %14s %14s %12s  %s\n' "$id" "$work" \
        "$(awk -v n="${ours:-0}" 'BEGIN { printf((n >= 1000 ? "%.0f" : "%.2f"), n) }')" "$floor" "$share" "$verdict"
    json_rows+="${json_rows:+,}
    {\"id\": \"$id\", \"work\": \"$work\", \"unit\": \"$unit\", \"ours\": ${ours:-null}, \"peer\": null, \"peerName\": null,"
    json_rows+=" \"busy\": ${share:-null}, \"peerBusy\": null, \"ratio\": null, \"floor\": $floor, \"goal\": null, \"verdict\": \"$verdict\"}"
done
stop_leftover_server

machine=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)
cat >"$folder/report.json" <<JSON
{
  "machine": "${machine:-$(uname -m)}, $(nproc) cores",
  "commit": "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)",
  "recipients": $recipients,
  "import": $import_figures,
  "rows": [$json_rows
  ]
}
JSON
if [ "$import_figures" != null ]; then printf '\nT12: %s\n' "$import_figures"; fi
printf '\nA server that was busy for much less than 1.00 shared its core with other programs, or waited for the client.\n'
printf 'Report: %s\n' "$folder/report.json"
[ "$failures" -eq 0 ]
