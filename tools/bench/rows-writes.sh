# T9, T10: durable writes, and checks beside them, on a copy of the register. Sourced by run.sh.

# writes FILE ARGUMENT… : a run of durable grants to people who were not there before. Afterwards the derived rows
# catch up, so that the peer's turn is not disturbed.
writes() {
    local file=$1
    shift
    generate write --duration "$duration" --warm-up "$warm_up" --closed --seed "$RANDOM" --withdraw-ratio 0 \
        --json "$file" "$@" && settle
}

grants() { pgbench "$1" tools/bench/postgres/insert.sql 64 "$2"; }

T9_ours() { writes "$1" --connections 64 --in-flight 1; }
T9_peer() { grants "$1" "${duration%s}"; }
T9P_ours() { writes "$1" --connections 4 --in-flight 16; }
T9P_peer() { grants "$1" "${duration%s}"; }

# What was acknowledged counts over the minute and the time that the derived rows took after it.
T9S_ours() {
    local from figures=$1.minute duration=$sustained warm_up=0s
    from=$EPOCHREALTIME
    writes "$figures" --connections 4 --in-flight 16 || return 1
    awk -v from="${from/,/.}" -v to="${EPOCHREALTIME/,/.}" -v requests="$(json_number requests <"$figures")" \
        -v client="$(json_number client <"$figures")" -v server="$(json_number server <"$figures")" \
        -v seconds="$(json_number durationSeconds <"$figures")" 'BEGIN {
            printf "{\"requests\": %d, \"writesPerSecond\": %.1f, \"durationSeconds\": %.3f, \"errors\": 0, ",
                requests, requests / (to - from), seconds
            printf "\"drainSeconds\": %.3f, \"cpuSeconds\": {\"client\": %s, \"server\": %s}}\n", to - from - seconds,
                client, server
        }' >"$1"
}
T9S_peer() { grants "$1" "${sustained%s}"; }

measure_writes() {
    local id
    need_postgres
    copy_register
    serve "$register_for_writes" --loops 1
    settle # what the cold starts have left to be replayed
    for id in T9 T9P; do wanted "$id" && alternate "$id" "$rounds"; done
    wanted T9S && alternate T9S 1
    stop postgres INT
}

# T10: the latency of checks at a moderate rate, in an open loop, with and without writes. The server has one core, of
# which the writes take the half, and the generator one that nobody else uses, or it could not keep its schedule.
beside=(--keys digest --connections 50 --rate 5000 --seed 1 --verify --questions 65536)
T10_ours() {
    generate mixed "${beside[@]}" --write-rate 20000 --duration 5s --warm-up "$warm_up" --json "$1" && settle
}
T10_peer() { generate check "${beside[@]}" --duration 5s --warm-up "$warm_up" --json "$1"; }

measure_mixed() {
    copy_register
    serve "$register_for_writes" --loops 1
    settle
    alternate T10 "$rounds"
    stop consentd
}
