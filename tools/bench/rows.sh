# The rows: what is measured, against whom, and what is wanted. Sourced by run.sh.
#
# Kinds: `ratio` ours over the peer's, at least the floor; `faster` the peer's seconds over ours, at least the floor;
# `penalty` ours over the peer's, at most the floor; `most` ours itself, at most the floor; `least` ours itself, at
# least the floor; `info` no floor. Rows without `default` run only when ONLY names them.
# Each row ID has a function ID_ours, and ID_peer where there is a peer, in this file or in rows-*.sh.

# id | work | peer | unit | kind | floor | goal | when
rows=(
    "T1|CheckBatch of 100, 16-byte keys|Redis MGET of 100|checks/s|ratio|9|13|default"
    "T1S|CheckBatch of 100, 16-byte keys|Redis SMISMEMBER of 100|checks/s|ratio|9|13|named"
    "T1M|CheckBatch of 100, 16-byte keys|memcached get of 100|checks/s|info|||default"
    "T2|CheckBatch of 1,000, 16-byte keys|gRPC C++ batch of 1,000|checks/s|ratio|7|9.5|default"
    "T2P|CheckBatch of 1,000, 16-byte keys|gRPC C++, packed keys, look-ahead|checks/s|info|||default"
    "T3|CheckBatch of 100, raw addresses|Redis MGET of 100|checks/s|ratio|5|8|default"
    "T4|Check, 50 connections x 16 in flight|Redis GET, pipeline 16|checks/s|ratio|1.5|2|default"
    "T5|Check, 50 connections x 1 in flight|Redis GET|checks/s|ratio|0.95|1.15|default"
    "T5M|Check, 50 connections x 1 in flight|memcached get|checks/s|info|||default"
    "T5P|Check, 50 connections x 1 in flight|PostgreSQL prepared SELECT|checks/s|info|||default"
    "T6|Check, 50 callers on one connection|gRPC C++ unary, 50 in flight|checks/s|ratio|5|6.5|default"
    "T6L|the same, on the client's event loop|gRPC C++ unary, 50 in flight|checks/s|ratio|8|11|default"
    "L1|T1 with 2 loops, both cores shared|T1 with 1 loop, a core each|checks/s|info|||default"
    "L4|T4 with 2 loops, both cores shared|T4 with 1 loop, a core each|checks/s|info|||default"
    "TLS|T1 over TLS, certificates both ways|T1 in plain|checks/s|info|||default"
    "TLSP|T4 over TLS|T4 in plain|checks/s|info|||default"
    "TLSL|T5 over TLS|T5 in plain|checks/s|info|||default"
    "T7|resident bytes a contact point|Redis packed hashes|bytes|most|26|22|default"
    "T7S|resident bytes a contact point|Redis strings|bytes|info|||default"
    "T8|cold start to the first right answer|Redis RDB load|seconds|faster|5|12|default"
    "T8R|the same from state rows alone|Redis RDB load|seconds|faster|2.5|4|default"
    "T9|durable grants, 64 connections x 1|PostgreSQL, 64 clients|grants/s|ratio|1.5|2.5|default"
    "T9P|durable grants, 4 connections x 16|PostgreSQL, 64 clients|grants/s|ratio|2|3.5|default"
    "T9S|the same for 60 s, then drained|PostgreSQL, 64 clients, 60 s|grants/s|ratio|1|1.5|default"
    "T10|p99.9 of checks beside 20,000 writes/s|the same, quiet|us p99.9|penalty|2|1.3|default"
    "T11|heap allocations a check||allocations|most|0.01|0|default"
    "T12|consentctl import, all proofs kept||rows/s|least|50000||named"
    "T2H|T2 with a longer history|T2 before|checks/s|ratio|0.9|1|named"
)

# field ID NAME : a field of a row.
field() {
    local line id work peer unit kind floor goal when
    for line in "${rows[@]}"; do
        IFS='|' read -r id work peer unit kind floor goal when <<<"$line"
        [ "$id" = "$1" ] && { printf '%s' "${!2}"; return; }
    done
    return 1
}

# wanted ID : whether it is to run.
wanted() {
    if [ "$only" != ",," ]; then [[ "$only" == *",$1,"* ]]; else [ "$1" = SWEEP ] || [ "$(field "$1" when)" = default ]; fi
}

# wants ID… : whether any of them is to run.
wants() {
    local id
    for id in "$@"; do wanted "$id" && return; done
    return 1
}

# Shapes in which each side was found fastest here: requests in flight are many enough to keep the server's core busy.
batch_100=(--batch 100 --connections 4 --in-flight 8)
batch_1000=(--batch 1000 --connections 4 --in-flight 4)
redis_100=(--batch 100 --connections 8 --in-flight 2)

redis_checks() { checks "$@" --peer redis --peer-address "${address[redis]}" --server-pid "${pids[redis]}"; }
memcached_checks() {
    checks "$@" --peer memcached --peer-address "${address[memcached]}" --server-pid "${pids[memcached]}"
}

T1_ours() { checks "$@" "${batch_100[@]}"; }
T1_peer() { redis_checks "$1" "${redis_100[@]}"; }
T1S_ours() { T1_ours "$1"; }
T1S_peer() {
    checks "$1" "${redis_100[@]}" --peer redis --peer-command smismember --peer-address "${address[redis_sets]}" \
        --server-pid "${pids[redis_sets]}"
}
T1M_ours() { T1_ours "$1"; }
T1M_peer() { memcached_checks "$1" "${redis_100[@]}"; }
T2_ours() { checks "$1" "${batch_1000[@]}"; }
T2_peer() { grpc_checks "$1" --batch 1000 --in-flight 16; }
T2P_ours() { T2_ours "$1"; }
T2P_peer() { grpc_checks "$1" --batch 1000 --in-flight 16 --packed; }
T3_ours() { checks "$1" "${batch_100[@]}" --keys raw; }
T3_peer() { T1_peer "$1"; }
T4_ours() { checks "$@" --connections 50 --in-flight 16; }
T4_peer() { redis_checks "$1" --connections 50 --in-flight 16; }
T5_ours() { checks "$@" --connections 50 --in-flight 1; }
T5_peer() { redis_checks "$1" --connections 50 --in-flight 1; }
T5M_ours() { T5_ours "$1"; }
T5M_peer() { memcached_checks "$1" --connections 50 --in-flight 1; }
T5P_ours() { T5_ours "$1"; }
T5P_peer() { pgbench "$1" tools/bench/postgres/select.sql 50 "${duration%s}"; }
T6_ours() {
    generate callers --callers 50 --keys digest --verify --seed 1 --duration "$duration" --warm-up "$warm_up" \
        --questions "$questions" --json "$1" "${@:2}"
}
T6_peer() { grpc_checks "$1" --in-flight 50; }
T6L_ours() { T6_ours "$1" --on-loop; }
T6L_peer() { T6_peer "$1"; }

# measure_select : T5P, after Redis, memcached and gRPC have given their memory back.
measure_select() {
    need_postgres
    serve "$register" --loops 1
    alternate T5P "$rounds"
}

# need_for ID : starts what the row needs. consentd last, and the pages of its register warm.
need_for() {
    case "$1" in
        T1 | T3 | T4 | T5) need_redis ;;
        T1S) need_redis_sets ;;
        T1M | T5M) need_memcached ;;
        T2 | T2P | T6 | T6L) need_grpc ;;
    esac
    serve "$register" --loops 1
}

# measure_checks : the rows that only ask.
measure_checks() {
    local id
    for id in T1 T1S T3 T4 T5 T2 T2P T6 T6L T1M T5M; do
        wanted "$id" || continue
        need_for "$id"
        alternate "$id" "$rounds"
    done
}

# measure_loops : L1 and L4. A server has its loops from its start, so both rows take turns under each.
L1_ours() { T1_ours "$1"; }
L1_peer() { T1_ours "$1"; }
L4_ours() { T4_ours "$1"; }
L4_peer() { T4_ours "$1"; }
measure_loops() {
    local round
    for ((round = 1; round <= 2; round++)); do
        on_all_cores measure_under ours "$round" --loops 2
        measure_under peer "$round" --loops 1
        for id in L1 L4; do wanted "$id" && progress "$id" "$round"; done
    done
}

measure_under() {
    local side=$1 round=$2 id
    serve "$register" "$3" "$4"
    for id in L1 L4; do wanted "$id" && measure "$id" "$side" "$round"; done
}

# measure_tls : TLS, TLSP and TLSL. A server has TLS from its start, so the rows take turns under each.
over_tls=(--ca "$folder/certs/ca.pem" --cert "$folder/certs/newsletter.pem" --key "$folder/certs/newsletter.key")
TLS_ours() { T1_ours "$1" "${over_tls[@]}"; }
TLS_peer() { T1_ours "$1"; }
TLSP_ours() { T4_ours "$1" "${over_tls[@]}"; }
TLSP_peer() { T4_ours "$1"; }
TLSL_ours() { T5_ours "$1" "${over_tls[@]}"; }
TLSL_peer() { T5_ours "$1"; }
measure_tls() {
    local round id
    CERTS=$folder/certs tools/scripts/dev-certs.sh >"$folder/certs.log" 2>&1 ||
        fail "no certificates were made: see $folder/certs.log"
    for ((round = 1; round <= rounds; round++)); do
        serve "$register" --loops 1 --tls-cert "$folder/certs/server.pem" --tls-key "$folder/certs/server.key" \
            --client-ca "$folder/certs/ca.pem"
        for id in TLS TLSP TLSL; do wanted "$id" && measure "$id" ours "$round"; done
        serve "$register" --loops 1
        for id in TLS TLSP TLSL; do wanted "$id" && measure "$id" peer "$round" && progress "$id" "$round"; done
    done
}

# The sweep: 50 requests in flight, whatever the size of a batch.
sweep_sizes=(1 2 5 10 20 50 100 300 1000 3000 10000)
measure_sweep() {
    local size duration=0.7s warm_up=0.3s file
    need_redis
    need_grpc
    serve "$register" --loops 1
    for size in "${sweep_sizes[@]}"; do
        file=$folder/runs/sweep-$size
        checks "$file-ours.json" --batch "$size" --connections 50 --in-flight 1
        redis_checks "$file-redis.json" --batch "$size" --connections 50 --in-flight 1
        grpc_checks "$file-grpc.json" --batch "$size" --in-flight 50
        [ "$size" -eq 1 ] || grpc_checks "$file-packed.json" --batch "$size" --in-flight 50 --packed
        printf '%s\t%s\t%s\t%s\t%s\n' "$size" "$(json_number checksPerSecond <"$file-ours.json")" \
            "$(json_number checksPerSecond <"$file-redis.json")" "$(json_number checksPerSecond <"$file-grpc.json")" \
            "$(cat "$file-packed.json" 2>/dev/null | json_number checksPerSecond)" >>"$folder/sweep.tsv"
        say "sweep, batch of $size: $(tail -n 1 "$folder/sweep.tsv" | cut -f 2- | tr '\t' ' ')"
    done
}
