#!/usr/bin/env bash
# What a change must pass: format, generated files, warnings, layers, tests. Stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

swift=${SWIFT:-swift}
step() { printf '\n== %s\n' "$*"; }

step "Format (swift format lint --strict)"
tools/scripts/format.sh --lint

step "Build: warnings are errors, targets import only what they declare"
"$swift" build -c release --build-tests --explicit-target-dependency-import-check error

step "Generated files and the evolution of the schema (protogen check)"
.build/release/protogen check

step "Tests"
tools/scripts/test.sh
