# What the scripts that start a server share. Sourced, never run.
#
# Needs `bin` (folder of the programs) and `folder` (for logs). Invariant: `server_pid` is empty or names a process
# that this script started; `stop_server` and the EXIT trap end it by that number and nothing else.

server=
server_pid=
server_code=

# start_server COMMAND ARGUMENT… : starts it and waits for its line `listening on HOST:PORT`, left in `server`.
# Returns 1 when it ends before that, or says nothing for 60 seconds.
start_server() {
    : >"$folder/server.out" # now: the line of a server before this one must not be taken for the new one's
    "$@" >"$folder/server.out" 2>"$folder/server.log" &
    server_pid=$!
    local waited
    for ((waited = 0; waited < 3000; waited++)); do
        server=$(sed -n 's/^listening on //p' "$folder/server.out")
        [ -n "$server" ] && return 0
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.02
    done
    return 1
}

# stop_server SIGNAL : ends the server and leaves its exit code in `server_code`.
stop_server() {
    kill "-$1" "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
    server_code=$?
    server_pid=
}

stop_leftover_server() {
    if [ -n "$server_pid" ] && kill -0 "$server_pid" 2>/dev/null; then stop_server TERM; fi
}

# json_number KEY : the first number under that key in the JSON on stdin.
json_number() { grep -oE "\"$1\" *: *-?[0-9.]+([eE][-+]?[0-9]+)?" | head -n 1 | sed 's/.*: *//'; }

# json_text KEY : the first text under that key in the JSON on stdin.
json_text() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" | head -n 1; }
