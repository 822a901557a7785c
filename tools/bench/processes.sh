# The servers under measurement: started, found, stopped. Sourced by run.sh.
#
# Invariant: `pids` names only processes that this benchmark started, and `stop_all` ends each by its number.

declare -A pids=() address=()

# The server has the first core and the load generator the second; on one core there is nothing to pin.
if [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
    on_server=(taskset -c 0) on_client=(taskset -c 1)
else
    on_server=() on_client=()
    echo "Server and load generator share a core here: the figures mean little." >&2
fi

# free_port : a port on which nothing listens.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# spawn NAME COMMAND… : starts a server on its core; what it says goes to NAME.out and NAME.log.
spawn() {
    local name=$1
    shift
    : >"$folder/$name.out" # now: the line of a server before this one must not be taken for the new one's
    "${on_server[@]}" "$@" >"$folder/$name.out" 2>"$folder/$name.log" &
    pids[$name]=$!
}

# wait_until SECONDS COMMAND… : runs the command every 5 ms until it succeeds; 1 when it did not in time.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.005
    done
}

# alive_and NAME COMMAND… : the command, as long as the server lives; fails for good when it has ended.
alive_and() {
    kill -0 "${pids[$1]}" 2>/dev/null || fail "$1 ended at its start: $(cat "$folder/$1.out" "$folder/$1.log" | tail -n 3)"
    "${@:2}"
}

# listens NAME : whether its line `listening on HOST:PORT` has come; the address is left in `address`.
listens() {
    address[$1]=$(sed -n 's/^listening on //p' "$folder/$1.out")
    [ -n "${address[$1]}" ]
}

# stop NAME [SIGNAL] : ends it and waits for its end.
stop() {
    local pid=${pids[$1]:-}
    [ -n "$pid" ] || return 0
    kill "-${2:-TERM}" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    unset "pids[$1]" "address[$1]"
}

stop_all() {
    local name
    for name in "${!pids[@]}"; do
        # PostgreSQL's other signal would wait for its clients.
        if [ "$name" = postgres ]; then stop postgres INT; else stop "$name"; fi
    done
}

# resident_bytes NAME : memory that it holds.
resident_bytes() { awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/${pids[$1]}/status"; }

# forget FOLDER : takes the folder's files out of the page cache, which needs no privilege.
forget() {
    sync "$1"/* 2>/dev/null
    find "$1" -type f -exec dd if={} iflag=nocache count=0 status=none \;
}

# fail WORDS… : ends the benchmark; heard even where a command's own words are hushed.
exec 9>&2
fail() {
    echo "error: $*" >&9
    exit 1
}

say() { printf '[%4d s] %s\n' "$SECONDS" "$*" >&2; }
