# Installs Debian packages where they are missing. Sourced, never run.
#
# Silent when nothing is missing. Where the user is not root it changes nothing: it prints the one command to type.

# has_probe PROBE : tool:NAME is on the PATH, header:FILE among the system's headers, file:PATTERN on the disk.
has_probe() {
    local folder
    case "$1" in
        tool:*) command -v "${1#tool:}" >/dev/null 2>&1 ;;
        file:*) compgen -G "${1#file:}" >/dev/null ;;
        header:*)
            for folder in /usr/include /usr/local/include /usr/include/"$(uname -m)"-linux-gnu; do
                [ -e "$folder/${1#header:}" ] && return 0
            done
            return 1
            ;;
    esac
}

# install_missing LINE… : a line is a package and the probe that shows that it is there. Returns 1 when it cannot.
install_missing() {
    local line package probe missing=() log
    for line in "$@"; do
        read -r package probe <<<"$line"
        has_probe "$probe" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "error: missing: ${missing[*]} (Debian's names). Install them with this system's package manager." >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "error: missing: ${missing[*]}. Type this, then run make again:" >&2
        echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
        return 1
    fi
    echo "Installing what is missing: ${missing[*]}" >&2
    log=$(mktemp)
    # RUNLEVEL=1 keeps packages from starting the servers that they bring.
    if ! {
        apt-get update -qq &&
            RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1; then
        cat "$log" >&2
        echo "error: apt-get could not install ${missing[*]}; its own words are above." >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
    echo "Installed: ${missing[*]}" >&2
}
