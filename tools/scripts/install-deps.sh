#!/usr/bin/env bash
# Installs the system libraries that the build needs, when they are missing, and says so.
#
# Silent when nothing is missing, so that every make target can run it first. Where the user is not root it
# changes nothing: it prints the one command to type and exits 1.
set -euo pipefail

# package, and the file that shows that it is there
needed=(
    "pkg-config      tool:pkg-config"
    "libsqlite3-dev  header:sqlite3.h"
    "zlib1g-dev      header:zlib.h"
    "libidn2-dev     header:idn2.h"
)

has_header() {
    local folder
    for folder in /usr/include /usr/local/include /usr/include/"$(uname -m)"-linux-gnu; do
        [ -e "$folder/$1" ] && return 0
    done
    return 1
}

missing=()
for line in "${needed[@]}"; do
    read -r package probe <<<"$line"
    case "$probe" in
        tool:*) command -v "${probe#tool:}" >/dev/null 2>&1 || missing+=("$package") ;;
        header:*) has_header "${probe#header:}" || missing+=("$package") ;;
    esac
done

if ! command -v "${SWIFT:-swift}" >/dev/null 2>&1; then
    echo "error: swift is not on the PATH. Swift 6.2 or newer is needed: https://www.swift.org/install" >&2
    exit 1
fi

[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "error: missing: ${missing[*]} (Debian's names). Install them with this system's package manager." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "error: missing: ${missing[*]}. Type this, then run make again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

echo "Installing what is missing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! {
    apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
} >"$log" 2>&1; then
    cat "$log" >&2
    echo "error: apt-get could not install ${missing[*]}; its own words are above." >&2
    exit 1
fi
echo "Installed: ${missing[*]}"
