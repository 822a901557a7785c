#!/usr/bin/env bash
# Holds what operators are given against the tools that will read it: promtool for the alert rules and for what a real
# server shows at /metrics, systemd-analyze for the unit, and the metrics' own names for the dashboard.
#
# Ends with `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tools/scripts/packages.sh
install_missing "prometheus tool:promtool" "systemd tool:systemd-analyze" "curl tool:curl" "jq tool:jq" || exit 69

folder=$(mktemp -d)
passed=0
failed=0
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; rm -rf "$folder"' EXIT

# verdict NAME CODE: counts and prints it, with what was said where it failed.
verdict() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$1"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$1"
        cat "$folder/said"
    fi
}

promtool check rules tools/operations/alerts.yaml >"$folder/said" 2>&1
verdict "alert rules (promtool check rules)" $?

exposure=$(systemd-analyze security --offline=true tools/operations/consentd.service 2>&1 | tee "$folder/said" |
    sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
[ -n "$exposure" ] && awk -v level="$exposure" 'BEGIN { exit !(level <= 2.0) }'
verdict "unit (systemd-analyze security: ${exposure:-none}, at most 2.0)" $?

.build/release/consentd serve --state-dir "$folder/state" --init --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
    >"$folder/out" 2>"$folder/log" &
server=$!
for _ in $(seq 100); do grep -q listening "$folder/out" && break; sleep 0.1; done
admin=$(sed -n 's/.* admin=\([0-9.:]*\) .*/\1/p' "$folder/log")
curl -sSf "http://$admin/metrics" 2>"$folder/said" >"$folder/metrics"
verdict "a server shows its metrics" $?
promtool check metrics <"$folder/metrics" >"$folder/said" 2>&1
verdict "metrics (promtool check metrics)" $?

# Every consentd_ name in alerts and dashboard is one that a server shows, or has a reason and shows after its first event.
grep -ohE 'consentd_[a-z_]+' tools/operations/alerts.yaml tools/operations/dashboard.json | sort -u |
    sed -E 's/_(bucket|sum|count)$//' | sort -u >"$folder/used"
sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$folder/metrics" | sort -u >"$folder/shown"
echo consentd_certificate_expiry_timestamp_seconds >>"$folder/shown" # with TLS alone
sort -u -o "$folder/shown" "$folder/shown"
comm -23 "$folder/used" "$folder/shown" >"$folder/said"
[ ! -s "$folder/said" ]
verdict "names in alerts and dashboard are those of a server" $?

jq -e '.panels | length > 10' tools/operations/dashboard.json >"$folder/said" 2>&1
verdict "dashboard (jq)" $?

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
