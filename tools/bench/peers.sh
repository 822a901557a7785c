# The peers: settings, start, the same population. Sourced by run.sh.
#
# Each `need_…` starts its peer and loads it, once a run. Settings stand here alone, and `settings` says them in the
# report. A peer gets the settings in which it was found fastest here, within what its users would call safe.

declare -A settings=(
    [Redis]='--save "" --appendonly no, one I/O thread; keys of 16 bytes, values of 1'
    [memcached]='-t 1 -m 3072 -R 1000; keys in text, values of 1'
    [gRPC]='C++ -O2, asynchronous, one thread a side; server: arenas, flat table half full; client: minimal stack'
)

# Redis: strings, as MGET reads them. The file that it saves is kept for cold starts and for later runs.
need_redis() {
    [ -n "${pids[redis]:-}" ] && return
    start_redis redis "$data/redis"
    wait_until 120 alive_and redis redis_answers redis ||
        fail "redis-server did not load its file: see $folder/redis.out"
    [ -s "$data/redis/dump.rdb" ] && return
    say "Loading the same keys into Redis, once."
    serve "$register" --loops 1
    generate seed --recipients "$recipients" --seed 1 --peer redis --peer-address "${address[redis]}" || exit 1
    redis redis SAVE >/dev/null
}

# start_redis NAME FOLDER
start_redis() {
    local port
    port=$(free_port)
    mkdir -p "$2"
    spawn "$1" redis-server --bind 127.0.0.1 --port "$port" --dir "$2" --save '' --appendonly no \
        --hash-max-listpack-entries 256
    address[$1]=127.0.0.1:$port
}

# redis NAME COMMAND…
redis() {
    local name=$1
    shift
    redis-cli -h 127.0.0.1 -p "${address[$name]#*:}" "$@"
}

# need_redis_sets : the same keys as sets of those that are allowed, as SMISMEMBER reads them.
need_redis_sets() {
    [ -n "${pids[redis_sets]:-}" ] && return
    start_redis redis_sets "$data/redis-sets"
    wait_until 10 alive_and redis_sets redis_answers redis_sets ||
        fail "redis-server did not start: see $folder/redis_sets.out"
    say "Loading the same keys into sets of another Redis."
    serve "$register" --loops 1
    generate seed --recipients "$recipients" --seed 1 --peer redis --peer-command smismember \
        --peer-address "${address[redis_sets]}" || exit 1
}

redis_answers() { redis "$1" PING | grep -q PONG; }

need_memcached() {
    [ -n "${pids[memcached]:-}" ] && return
    local port
    port=$(free_port)
    spawn memcached memcached -u nobody -l 127.0.0.1 -p "$port" -U 0 -t 1 -m 3072 -R 1000 -c 1024
    address[memcached]=127.0.0.1:$port
    wait_until 10 alive_and memcached eval "(exec 3<>/dev/tcp/127.0.0.1/$port)" ||
        fail "memcached did not start: see $folder/memcached.log"
    say "Loading the same keys into memcached."
    serve "$register" --loops 1
    generate seed --recipients "$recipients" --seed 1 --peer memcached --peer-address "${address[memcached]}" || exit 1
}

need_grpc() {
    [ -n "${pids[grpc]:-}" ] && return
    spawn grpc "$tools/grpc-server" "$recipients"
    wait_until 60 alive_and grpc listens grpc || fail "the gRPC server did not start: see $folder/grpc.log"
}

# grpc_checks FILE ARGUMENT… : a run of checks by the gRPC client.
grpc_checks() {
    local file=$1
    shift
    "${on_client[@]}" "$tools/grpc-client" "${address[grpc]}" --recipients "$recipients" --warm-up "${warm_up%s}" \
        --duration "${duration%s}" --server-pid "${pids[grpc]}" "$@" >"$file" 2>"$folder/generator.log" && return
    echo "grpc-client failed:" >&2
    tail -n 5 "$folder/generator.log" "$file" >&2
    return 1
}
