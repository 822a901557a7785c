# T7 and T8: memory and cold start. Sourced by run.sh.

# T7: what the population adds to the resident memory of a server without one.
measure_memory() {
    local empty=$folder/empty-register bytes strings packed
    need_redis
    stop consentd
    serve "$register" --loops 1
    bytes=$(resident_bytes consentd)
    rm -rf "$empty"
    serve "$empty" --loops 1 --init
    bytes=$(awk -v all="$bytes" -v empty="$(resident_bytes consentd)" -v n="$recipients" \
        'BEGIN { print (all - empty) / n }')
    stop consentd
    strings=$(redis_memory)
    pack_hashes
    packed=$(redis_memory)
    # A Redis without keys holds less than a byte a key; what it says of its own allocations stands for the rest.
    T7_ours() { echo "{\"figure\": $bytes}" >"$1"; }
    T7_peer() { each "$((packed - strings))" >"$1"; }
    T7S_ours() { T7_ours "$1"; }
    T7S_peer() { each "$strings" >"$1"; }
    for id in T7 T7S; do wanted "$id" && alternate "$id" 1; done
    redis redis -n 1 FLUSHDB >/dev/null
}

# each BYTES : a figure, bytes a recipient.
each() { awk -v bytes="$1" -v n="$recipients" 'BEGIN { printf "{\"figure\": %.2f}\n", bytes / n }'; }

redis_memory() { redis redis INFO memory | tr -d '\r' | sed -n 's,^used_memory:,,p'; }

# pack_hashes : the same keys once more, as hashes of some 76 fields in Redis's packed form (listpack), in database 1.
pack_hashes() {
    redis redis EVAL "
        local cursor = '0'
        repeat
            redis.call('SELECT', 0)
            local page = redis.call('SCAN', cursor, 'COUNT', 1000)
            redis.call('SELECT', 1)
            for _, key in ipairs(page[2]) do
                local bucket = key:sub(1, 2) .. (key:byte(3) < 128 and 'a' or 'b')
                redis.call('HSET', bucket, key:sub(3), '1')
            end
            cursor = page[1]
        until cursor == '0'" 0 >/dev/null
}

# T8: the state after a crash, from the disk to the first right answer. Run on all cores, as shipped.
probe=probe@mail.example
measure_starts() {
    local id
    need_redis
    copy_register
    serve "$register_for_writes" --loops 1
    add_probe
    stop consentd
    redis redis SET "$probe" 1 >/dev/null
    redis redis SAVE >/dev/null
    for id in T8 T8R; do wanted "$id" && alternate "$id" "$rounds"; done
    # Redis goes on with its keys, the server's core and warm pages.
}

# add_probe : one person more, whose consent is asked for at each start.
add_probe() {
    local notice
    ctl controller put --id 900001 --code bench --name Bench
    ctl purpose put --id 61 --code bench-news --title News --class marketing
    notice=$(echo "I agree to news by e-mail." | ctl notice put --locale en --channels email --purposes bench-news \
        --controllers bench --text - --box unticked --terms-separate --withdrawal-explained --data-use-explained |
        grep -oE '[0-9a-f]{64}' | head -n 1)
    ctl grant --controller bench --channels email --purposes bench-news --notice "$notice" --source widget \
        --act ticked-box --email "$probe"
} >"$folder/probe.log" 2>&1

# crash : records 100,000 events that no state row holds yet, and kills the server.
crash() {
    local writer
    serve "$register_for_writes" --loops 1
    generate write --connections 4 --in-flight 64 --duration 60s --warm-up 0s 2>/dev/null &
    writer=$!
    wait_until 60 eval 'ctl stats --json >"$folder/stats.json" && [ "$(lag)" -ge 100000 ]'
    stop consentd KILL
    wait "$writer"
}

# T8_ours FILE [WITHOUT] : one start; WITHOUT is removed before it.
T8_ours() {
    local from
    crash
    rm -f "${2:-}"
    forget "$register_for_writes"
    from=$EPOCHREALTIME
    serve "$register_for_writes" --loops 1
    wait_until 120 ctl check --controller bench --channel email --purpose bench-news "$probe" || return 1
    seconds_since "$from" >"$1"
    stop consentd
}

# Without its snapshot the index is built from the state rows.
T8R_ours() { T8_ours "$1" "$register_for_writes/index.snapshot"; }

T8_peer() {
    local from
    stop redis KILL
    forget "$data/redis"
    from=$EPOCHREALTIME
    start_redis redis "$data/redis"
    wait_until 120 eval 'redis redis GET "$probe" | grep -qx 1' || return 1
    seconds_since "$from" >"$1"
}

# The same start as T8's peer of this round, where that was measured.
T8R_peer() { cp "${1/T8R/T8}" "$1" 2>/dev/null || T8_peer "$1"; }

seconds_since() {
    awk -v from="${1/,/.}" -v to="${EPOCHREALTIME/,/.}" 'BEGIN { printf "{\"figure\": %.3f}\n", to - from }'
}
