# PostgreSQL as a peer: a cluster of its own, tuned, durable; pgbench loads it. Sourced by run.sh.
#
# PostgreSQL refuses to run as root, so where root benches, its programs run as the user `postgres`, and the cluster
# lies in /var/tmp when that user cannot reach the benchmark's folder.

postgres_bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -n 1)
postgres_options=(
    -c shared_buffers=4GB -c max_connections=100 -c jit=off -c autovacuum=off
    -c fsync=on -c synchronous_commit=on -c full_page_writes=on
    -c max_wal_size=16GB -c checkpoint_timeout=15min -c wal_buffers=64MB
)
options_text=${postgres_options[*]}
settings[PostgreSQL]="${options_text//-c /}; TCP on loopback, pgbench -M prepared"

as_postgres=()
if [ "$(id -u)" -eq 0 ]; then as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups); fi

need_postgres() {
    [ -n "${pids[postgres]:-}" ] && return
    local cluster=$data/postgres
    if [ "$(id -u)" -eq 0 ]; then
        install -d -m 0700 -o postgres "$cluster"
        "${as_postgres[@]}" test -w "$cluster" 2>/dev/null || {
            cluster=/var/tmp/consentd-bench-postgres-$recipients
            install -d -m 0700 -o postgres "$cluster"
        }
    fi
    [ -e "$cluster/loaded" ] || make_cluster "$cluster"
    start_postgres "$cluster"
    if [ ! -e "$cluster/loaded" ]; then
        say "Loading $recipients recipients into PostgreSQL, once."
        psql -d postgres -qc 'CREATE DATABASE loaded' >"$folder/schema.log" 2>&1 &&
            psql -d loaded -q -v recipients="$recipients" -v ON_ERROR_STOP=1 -f tools/bench/postgres/schema.sql \
                >>"$folder/schema.log" 2>&1 || fail "PostgreSQL did not take its tables: see $folder/schema.log"
        touch "$cluster/loaded"
    fi
    # A copy, which rows may write to, with what they read in memory.
    {
        psql -d postgres -qc 'DROP DATABASE IF EXISTS bench' &&
            psql -d postgres -qc 'CREATE DATABASE bench TEMPLATE loaded STRATEGY file_copy' &&
            psql -d bench -qc "CREATE EXTENSION pg_prewarm" &&
            psql -d bench -c "SELECT relname, pg_prewarm(oid) FROM pg_class
                WHERE relname IN ('state', 'state_pkey', 'event_pkey', 'event_by_key')"
    } >"$folder/prewarm.log" 2>&1 || fail "PostgreSQL did not copy its tables: see $folder/prewarm.log"
}

make_cluster() {
    find "$1" -mindepth 1 -delete
    "${as_postgres[@]}" "$postgres_bin/initdb" -D "$1" -A trust -U postgres --no-instructions \
        >"$folder/initdb.log" 2>&1 || fail "initdb failed: see $folder/initdb.log"
}

start_postgres() {
    PGPORT=$(free_port)
    export PGPORT PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=bench
    spawn postgres "${as_postgres[@]}" "$postgres_bin/postgres" -D "$1" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= "${postgres_options[@]}"
    wait_until 60 alive_and postgres "$postgres_bin/pg_isready" -q ||
        fail "PostgreSQL did not start: see $folder/postgres.log"
}

psql() { "$postgres_bin/psql" -X "$@"; }

# pgbench FILE SCRIPT CLIENTS SECONDS : a run of transactions by pgbench on the load generator's core; its figures are
# left in FILE with the keys of consent-load. Processor time of the server is its core's, since it is many processes.
pgbench() {
    local file=$1 script=$2 clients=$3 seconds=$4 before after
    "${on_client[@]}" "$postgres_bin/pgbench" -n -M prepared -c "$clients" -j 1 -T 1 -f "$script" \
        -D recipients="$recipients" >/dev/null 2>&1 # connections, plans and pages are warm after this
    before=$(core_seconds 0)
    "${on_client[@]}" "$postgres_bin/pgbench" -n -M prepared -c "$clients" -j 1 -T "$seconds" -f "$script" \
        -D recipients="$recipients" >"$folder/pgbench.out" 2>&1 || { tail -n 5 "$folder/pgbench.out" >&2; return 1; }
    after=$(core_seconds 0)
    awk -v before="$before" -v after="$after" '
        /^number of transactions actually processed/ { count = $NF }
        /^number of failed/ { failed = $5 }
        /^tps/ { rate = $3 }
        END {
            split(before, from, " ")
            split(after, to, " ")
            printf "{\"requests\": %d, \"errors\": %d, \"durationSeconds\": %.6f, ", count, failed, count / rate
            printf "\"checksPerSecond\": %.1f, \"writesPerSecond\": %.1f, ", rate, rate
            printf "\"cpuSeconds\": {\"server\": %.3f, \"waiting\": %.3f}}\n", to[1] - from[1], to[2] - from[2]
        }' "$folder/pgbench.out" >"$file"
}

# core_seconds CORE : seconds that it worked, and that it waited for the disk, so far.
core_seconds() {
    awk -v core="cpu$1" -v tick="$(getconf CLK_TCK)" \
        '$1 == core { printf "%.3f %.3f\n", ($2 + $3 + $4 + $7 + $8) / tick, $6 / tick }' /proc/stat
}
