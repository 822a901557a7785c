#!/usr/bin/env bash
# Types every block of RUNBOOK.md, in order, against real programs in folders of its own. Stops at the first that fails.
#
# BIN is the folder of the programs. Ends with `N blocks of the runbooks done`.
set -euo pipefail
cd "$(dirname "$0")/../.."
page=$PWD/tools/operations/RUNBOOK.md
export PATH=${BIN:-$PWD/.build/release}:$PATH
command -v jq >/dev/null || { echo "error: jq is missing: apt-get install jq" >&2; exit 69; }

home=$(mktemp -d)
STATE=$home/state
SAFE=$home/safe
UNIT=unit
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$home"' EXIT
mkdir "$SAFE"
cd "$home"

# unit start|stop|reload NAME: what systemctl does.
unit() {
    case $1 in
        start)
            : >"$home/out"
            consentd serve --state-dir "$STATE" --listen "${SERVER:-127.0.0.1:0}" --quiet \
                ${CREDENTIALS:+--credentials "$CREDENTIALS"} ${INIT:-} >"$home/out" &
            server=$!
            for _ in $(seq 100); do
                grep -q listening "$home/out" && return 0
                kill -0 "$server" || return 1
                sleep 0.1
            done
            return 1
            ;;
        stop)
            kill "$server"
            wait "$server"
            server=
            ;;
        reload)
            kill -HUP "$server"
            sleep 1
            ;;
    esac
}

INIT="--init" unit start consentd
SERVER=$(sed -n 's/^listening on //p' "$home/out")
consentctl controller put --id 7 --code salon-lyon --name "Salon Lyon" --server "$SERVER" \
    --token-file "$STATE/admin.token" >/dev/null
consentctl purpose put --id 2 --code promotions --title Promotions --class marketing --server "$SERVER" \
    --token-file "$STATE/admin.token" >/dev/null
for name in anna ben; do
    consentctl refuse --controller salon-lyon "$name@example.fr" --server "$SERVER" >/dev/null 2>&1
done

count=0
block=
while IFS= read -r line; do
    case $line in
        '```sh') block=" " ;;
        '```')
            [ -n "$block" ] || continue
            count=$((count + 1))
            printf '+%s' "$block" | sed 's/^+ *//; s/^/+ /'
            eval "$block"
            block=
            ;;
        *) [ -n "$block" ] && block+=$line$'\n' ;;
    esac
done <"$page"
unit stop consentd
echo "$count blocks of the runbooks done"
