#!/usr/bin/env bash
# Formats (--in-place) or lints (--lint) the Swift files: .swift-format, and comments of at most 110 columns.
#
# Generated files are linted like the others, but never rewritten: their generator owns their form.
set -euo pipefail
cd "$(dirname "$0")/../.."

swift=${SWIFT:-swift}
mode=${1:-}

# Every Swift file of the project, NUL-separated.
swift_files() {
    find Package.swift Sources Tests Examples tools -name '*.swift' -not -path '*/.build*' "$@" -print0
}

# Rewrites the files whose comments are too long, and only those.
wrap_comments() {
    local file wrapped
    wrapped=$(mktemp)
    while IFS= read -r -d '' file; do
        LC_ALL=C awk -f tools/scripts/wrap-comments.awk "$file" >"$wrapped"
        cmp -s "$file" "$wrapped" || cat "$wrapped" >"$file"
    done
    rm -f "$wrapped"
}

case "$mode" in
    --in-place)
        swift_files -not -path '*/Generated/*' | wrap_comments
        swift_files -not -path '*/Generated/*' | xargs -0 "$swift" format format --in-place --parallel
        ;;
    --lint) swift_files | xargs -0 "$swift" format lint --strict --parallel ;;
    *)
        echo "usage: $0 --in-place | --lint" >&2
        exit 64
        ;;
esac
