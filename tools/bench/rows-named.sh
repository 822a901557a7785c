# T11, and the long rows that run only by name: T12, an import; T2H, checks after a longer history. Sourced by run.sh.

import_rows=${IMPORT_ROWS:-1000000}
history=${HISTORY:-2000000}

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
            else {
                printf "grant,salon,email,promotions|newsletter,customer%d@mail.example,", n
                printf ",C-%d,%s,widget,ticked-box,%s\n", i, time, notice
            }
        }
    }'
}

# T11: what a longer run of the server allocates more than a shorter one, by the checks that it answers more. What
# connecting and preparing allocate is the same in both. The figure is the larger of singles' and batches'.
measure_allocations() {
    local counts=$folder/allocations launcher
    launcher=(env LD_PRELOAD="$PWD/$bin/libAllocationCounter.so" ALLOCATION_COUNTS="$PWD/$counts")
    [ -e "$bin/libAllocationCounter.so" ] || fail "$bin/libAllocationCounter.so is missing: type \`make build\`"
    rm -f "$counts"
    stop consentd
    serve "$register" --loops 1
    alternate T11 1
    stop consentd
}
T11_ours() {
    local singles batches
    singles=$(allocations_each "$1" --connections 50 --in-flight 16)
    batches=$(allocations_each "$1" "${batch_100[@]}")
    say "T11: allocations a check: singles $singles, batches $batches"
    awk -v a="$singles" -v b="$batches" \
        'BEGIN { if (a != "" && b != "") printf "{\"figure\": %s}\n", (a > b ? a : b) }' >"$1"
}

# allocations_each FILE ARGUMENT… : allocations a check of such runs.
allocations_each() {
    local file=$1 warm_up=0s duration=1s before between after short
    shift
    checks "$file" "$@" || return 1 # buffers have grown to their size after this
    before=$(allocations)
    checks "$file" "$@" || return 1
    short=$(json_number checks <"$file")
    between=$(allocations)
    duration=4s checks "$file" "$@" || return 1
    after=$(allocations)
    awk -v more="$((after - between - (between - before)))" -v checks="$(($(json_number checks <"$file") - short))" \
        'BEGIN { if (checks > 0) printf "%.6f", (more > 0 ? more / checks : 0) }'
}

allocations() { od -An -t u8 -N 8 "$folder/allocations" | tr -d ' '; }

# processor_seconds PID : what a process has used so far, user and system.
processor_seconds() { awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) / tick }' "/proc/$1/stat" 2>/dev/null; }

# T12: rows a second of a file's import into a register of its own, on all cores.
T12_ours() {
    local state=$folder/register-for-import notice before
    rm -rf "$state"
    serve "$state" --init
    ctl controller put --id 7 --code salon --name Salon --region FR >"$folder/T12.log" 2>&1
    ctl purpose put --id 3 --code promotions --title Promotions --class marketing >>"$folder/T12.log" 2>&1
    ctl purpose put --id 4 --code newsletter --title Newsletter --class marketing >>"$folder/T12.log" 2>&1
    notice=$(echo "I agree to offers and news by e-mail and SMS." | ctl notice put --locale en --channels email,sms \
        --purposes promotions,newsletter --controllers salon --text - --box unticked --terms-separate \
        --withdrawal-explained --data-use-explained | grep -oE '[0-9a-f]{64}' | head -n 1)
    csv_rows "$import_rows" "$notice" >"$folder/rows.csv"
    say "Importing $import_rows rows."
    before=$(processor_seconds "${pids[consentd]}")
    ctl import "$folder/rows.csv" --quiet --json >"$folder/T12.json" 2>>"$folder/T12.log" || return 1
    awk -v rows="$(json_number recorded <"$folder/T12.json")" -v seconds="$(json_number seconds <"$folder/T12.json")" \
        -v server="$(processor_seconds "${pids[consentd]}")" -v before="$before" 'BEGIN {
            printf "{\"figure\": %.0f, \"requests\": %d, \"durationSeconds\": %s, \"cpuSeconds\": {\"server\": %.2f}}\n",
                rows / seconds, rows, seconds, server - before
        }' >"$1"
    stop consentd
    rm -rf "$state" "$folder/rows.csv"
}

# history_rows COUNT : contacts of a thousand people, each at a second of its own.
history_rows() {
    awk -v count="$1" 'BEGIN {
        print "event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice"
        for (i = 0; i < count; i++) {
            printf "contact-seen,history,email,promotions,person%d@mail.example,,,", i % 1000
            printf "%04d-%02d-%02dT%02d:%02d:%02dZ,salon,,\n", 2010 + int(i / 29030400), 1 + int(i / 2419200) % 12,
                1 + int(i / 86400) % 28, int(i / 3600) % 24, int(i / 60) % 60, i % 60
        }
    }'
}

# T2H: T2, the history, T2 again: what a check costs must not grow with the log.
T2H_ours() { T2_ours "$1"; }
T2H_peer() { T2_ours "$1"; }
measure_history() {
    local round
    copy_register
    serve "$register_for_writes" --loops 1
    settle
    for ((round = 1; round <= rounds; round++)); do measure T2H peer "$round"; done
    ctl controller put --id 900002 --code history --name History >"$folder/T2H.log" 2>&1
    ctl purpose put --id 62 --code promotions --title Promotions --class marketing >>"$folder/T2H.log" 2>&1
    say "Recording $history events more."
    history_rows "$history" >"$folder/history.csv"
    ctl import "$folder/history.csv" --quiet >>"$folder/T2H.log" 2>&1 || fail "the import failed: see $folder/T2H.log"
    rm -f "$folder/history.csv"
    settle
    for ((round = 1; round <= rounds; round++)); do measure T2H ours "$round"; progress T2H "$round"; done
}
