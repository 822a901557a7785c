# consentd under measurement. Sourced by run.sh.
#
# Two registers: `$data/register` is filled once and only ever read by checks; rows that write have a copy of it.

register=$data/register
register_for_writes=$folder/register-for-writes
launcher=() # what consentd is started by, for instance env with variables

# on_all_cores COMMAND… : servers and load generators that it starts are not pinned.
on_all_cores() {
    local on_server=() on_client=()
    "$@"
}

# serve STATE ARGUMENT… : starts consentd on the server's core, unless it serves that register already.
serve() {
    local state=$1
    shift
    if [ "${served:-}" = "$state $*" ] && [ -n "${pids[consentd]:-}" ]; then return; fi
    stop consentd
    spawn consentd "${launcher[@]}" "$bin/consentd" serve --state-dir "$state" --listen 127.0.0.1:0 "$@"
    wait_until 120 alive_and consentd listens consentd ||
        fail "consentd did not start within two minutes: see $folder/consentd.log"
    served="$state $*"
    serving=$state
}

ctl() {
    "${on_client[@]}" "$bin/consentctl" "$@" --server "${address[consentd]}" --token-file "$serving/admin.token"
}

# generate MODE ARGUMENT… : the load generator against consentd; a failure is shown.
generate() {
    local mode=$1
    shift
    "${on_client[@]}" "$bin/consent-load" "$mode" --server "${address[consentd]}" \
        --token-file "$serving/admin.token" "$@" >"$folder/generator.log" 2>&1 && return
    echo "consent-load $mode failed:" >&2
    tail -n 5 "$folder/generator.log" >&2
    return 1
}

# checks FILE ARGUMENT… : a run of checks by the load generator; its report is left in FILE.
checks() {
    local file=$1
    shift
    generate check --seed 1 --duration "$duration" --warm-up "$warm_up" --verify --questions "$questions" \
        --json "$file" "$@"
}

# fill_register : the population that all rows ask about, made once and kept.
fill_register() {
    [ -e "$data/filled" ] && return
    rm -rf "$data"
    mkdir -p "$data"
    serve "$register" --loops 2 --init --test-register
    say "Filling a register with $recipients recipients, once; later runs use it again."
    generate seed --recipients "$recipients" --seed 1 --bulk || exit 1
    settle
    stop consentd
    touch "$data/filled"
}

# copy_register : a copy that rows may write to.
copy_register() {
    [ -d "$register_for_writes" ] && return
    stop consentd
    say "Copying the register for the rows that write."
    cp -a --reflink=auto "$register" "$register_for_writes"
    sync "$register_for_writes"/* # or the first fsync of a commit would write all of it
}

# settle : waits until the derived rows have caught up with the events.
settle() {
    local waited
    for ((waited = 0; waited < 600; waited++)); do
        ctl stats --json >"$folder/stats.json"
        [ "$(lag)" -eq 0 ] && return
        sleep 0.2
    done
    say "The derived rows did not catch up within two minutes."
}

# lag : events that a start would have to replay, as of the last `ctl stats`.
lag() {
    echo $(($(json_number sequence <"$folder/stats.json") - $(json_number derivedSequence <"$folder/stats.json")))
}
