#!/usr/bin/env bash
# consentd on a real network: two network namespaces stand for two machines, joined by a cable of their own. What the
# tests on loopback cannot show: that an address which others can reach is refused without TLS, for clients and for
# probes; that a client with a certificate gets through, and that a stranger gets a TLS alert and not one byte more.
#
# Needs root, Linux, and the programs of `make build`. Ends with `namespace: FIGURE`; exit status 1 when anything was
# not as it should be. Invariant: whatever it made (namespaces, server, folder) is gone when it ends, however it ends.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tools/scripts/packages.sh
. tools/scripts/lib.sh

if [ "$(id -u)" -ne 0 ]; then
    echo "error: network namespaces need root. Type: sudo make reliability ONLY=namespace" >&2
    exit 77
fi
install_missing "iproute2 tool:ip" "openssl tool:openssl" "curl tool:curl" || exit 69

bin=$PWD/.build/release
[ -x "$bin/consentd" ] || { echo "error: $bin/consentd is missing: type \`make build\`" >&2; exit 69; }
folder=$(mktemp -d)
near=consentd-near-$$ far=consentd-far-$$ # the server's machine and the clients'
host=10.79.0.1
port=7447 admin_port=7448
passed=0 failed=0

clean_up() {
    stop_leftover_server
    ip netns del "$near" 2>/dev/null
    ip netns del "$far" 2>/dev/null
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The interfaces have addresses in their own namespaces alone, so that this machine's are left as they are.
{
    ip netns add "$near" && ip netns add "$far" &&
        ip link add "cn$$" netns "$near" type veth peer name "cf$$" netns "$far" &&
        ip -n "$near" addr add "$host/24" dev "cn$$" && ip -n "$far" addr add 10.79.0.2/24 dev "cf$$" &&
        ip -n "$near" link set "cn$$" up && ip -n "$far" link set "cf$$" up && ip -n "$near" link set lo up
} || { echo "error: this system does not let root make network namespaces" >&2; exit 69; }

# expect WHAT WANTED GOT : counts it, and says it.
expect() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        printf 'ok      %s (%s)\n' "$1" "$3"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s: %s, not %s\n' "$1" "$3" "$2"
        [ ! -s "$folder/said" ] || tail -n 5 "$folder/said"
    fi
}

# refused WHAT WORDS ARGUMENT… : a start that must end with 78 and these words.
refused() {
    local what=$1 words=$2
    shift 2
    timeout 20 ip netns exec "$near" "$bin/consentd" serve --state-dir "$folder/none" --init "$@" >"$folder/said" 2>&1
    expect "$what is refused" 78 $?
    grep -q -e "$words" "$folder/said"
    expect "and the words name the remedy" 0 $?
}

from_far() { timeout 20 ip netns exec "$far" "$@"; }

# list ARGUMENT… : the exit code of a call over the network.
list() {
    from_far "$bin/consentctl" controller list --server "$host:$port" "$@" >"$folder/said" 2>&1
    echo $?
}

# received ARGUMENT… : the kinds of what the server sends to a client of openssl's that says hello in a way that any
# client with a certificate gets an answer to: TLS messages by name, contents of encrypted records by their number.
received() {
    { printf 'CONSENT1 this is no hello, and long enough to be told so'; sleep 1; } |
        from_far openssl s_client -connect "$host:$port" -CAfile "$folder/certs/ca.pem" -tls1_3 -msg -no_ign_eof \
            "$@" >"$folder/said" 2>&1
    awk '
        /^<<< .*InnerContent/ { getline; print "content " $1; next }
        /^<<< / { sub(/^<<< [^,]*, /, ""); sub(/ \[length.*/, ""); print }' "$folder/said" | sort -u >"$folder/kinds"
}

# What a record may hold besides the application's bytes (0x17): alerts (0x15) and the handshake (0x16).
only_tls() { ! grep -vxE 'RecordHeader|Handshake|ChangeCipherSpec|Alert|content 1[456]' "$folder/kinds"; }

CERTS=$folder/certs NAMES=$host tools/scripts/dev-certs.sh >"$folder/said" 2>&1 &&
    CERTS=$folder/others CLIENTS=newsletter tools/scripts/dev-certs.sh >>"$folder/said" 2>&1 ||
    { cat "$folder/said" >&2; exit 70; }
tls=(--tls-cert "$folder/certs/server.pem" --tls-key "$folder/certs/server.key")
mutual=(--client-ca "$folder/certs/ca.pem")
ours=(--ca "$folder/certs/ca.pem" --cert "$folder/certs/newsletter.pem" --key "$folder/certs/newsletter.key")
theirs=(--ca "$folder/certs/ca.pem" --cert "$folder/others/newsletter.pem" --key "$folder/others/newsletter.key")

refused "an address that others can reach, in plain," "--tls-cert" --listen "$host:$port"
refused "TLS that anyone may speak" "--client-ca" --listen "$host:$port" "${tls[@]}"
refused "an address for probes that others can reach, in plain," "--admin 127.0.0.1:$admin_port" \
    --listen 127.0.0.1:0 --admin "$host:$admin_port"

start_server ip netns exec "$near" "$bin/consentd" serve --state-dir "$folder/state" --init --quiet \
    --listen "$host:$port" --admin "$host:$admin_port" "${tls[@]}" "${mutual[@]}" ||
    { cat "$folder/server.log" >&2; echo "error: the server did not start" >&2; exit 70; }

expect "a client with a certificate is served" 0 "$(list "${ours[@]}")"
expect "one without is not let in" 77 "$(list --ca "$folder/certs/ca.pem")"
expect "nor is one of another authority" 77 "$(list "${theirs[@]}")"
expect "nor is one that speaks in plain" 69 "$(list)"

received
only_tls
expect "without a certificate there is nothing but TLS" 0 $?
grep -qx Alert "$folder/kinds"
expect "and an alert" 0 $?
received -cert "$folder/others/newsletter.pem" -key "$folder/others/newsletter.key"
only_tls
expect "with one of another authority there is nothing but TLS" 0 $?
grep -qx Alert "$folder/kinds"
expect "and an alert" 0 $?
# The planted fault: whoever is let in gets an answer, which the same look must find.
received -cert "$folder/certs/newsletter.pem" -key "$folder/certs/newsletter.key"
only_tls >/dev/null
expect "an answer would be seen" 1 $?

# In plain: an alert's record (0x15), or the end.
first=$(from_far bash -c "exec 3<>/dev/tcp/$host/$port; printf 'CONSENT1%64s' >&3; timeout 5 head -c 1 <&3 | od -An -tx1")
expect "plain bytes get an alert or the end" yes "$(case "${first// /}" in 15 | '') echo yes ;; *) echo "0x$first" ;; esac)"

# The probes.
probe() { from_far curl -s -S --max-time 10 --cacert "$folder/certs/ca.pem" "$@" >"$folder/said" 2>&1; }
shown=(--cert "$folder/certs/newsletter.pem" --key "$folder/certs/newsletter.key")
probe "${shown[@]}" "https://$host:$admin_port/readyz"
expect "probes are answered over TLS" "0 serving" "$? $(cat "$folder/said")"
probe "${shown[@]}" "https://$host:$admin_port/metrics" && grep -q '^consentd_checks_total' "$folder/said"
expect "and so are metrics" 0 $?
probe "https://$host:$admin_port/metrics"
expect "not without a certificate" 0 "$(grep -c consentd_ "$folder/said")"
probe "http://$host:$admin_port/metrics"
expect "nor in plain" 0 "$(grep -c consentd_ "$folder/said")"

stop_server TERM
expect "SIGTERM ends the server" 0 "$server_code"

echo "namespace: $passed of $((passed + failed)) right, between two addresses on a network of their own"
[ "$failed" -eq 0 ]
