#!/usr/bin/env bash
# Installs the system libraries that the build needs, when they are missing, and says so.
#
# Silent when nothing is missing, so that every make target can run it first.
set -euo pipefail
. "$(dirname "$0")/packages.sh"

if ! command -v "${SWIFT:-swift}" >/dev/null 2>&1; then
    echo "error: swift is not on the PATH. Swift 6.2 or newer is needed: https://www.swift.org/install" >&2
    exit 1
fi

# package, and what shows that it is there
install_missing \
    "pkg-config      tool:pkg-config" \
    "libsqlite3-dev  header:sqlite3.h" \
    "zlib1g-dev      header:zlib.h" \
    "libidn2-dev     header:idn2.h" \
    "openssl         tool:openssl" \
    "jq              tool:jq"
