#!/usr/bin/env bash
# The software bill of materials, as CycloneDX 1.6 in JSON: what the programs of a build are made of, each part with
# its version, where it comes from, its licence and a hash.
#
#   tools/scripts/sbom.sh [FILE]        (.build/consentd.cdx.json; make sbom builds first)
#
# Read from the build itself, so that it cannot say anything else than what was built: packages from Package.resolved
# (hash: the commit), what they carry in copies of others' sources, the libraries that the programs load (hash: the
# file), and the Swift runtime. Licences are read from the checkouts; those of libraries stand in a table here. A part
# whose licence is not known is an error. The same build gives the same file, byte for byte.
set -euo pipefail
file=$(realpath -m "${1:-.build/consentd.cdx.json}")
cd "$(dirname "$0")/../.."

checkouts=.build/checkouts
bin=.build/release
programs=(consentd consentctl consent-load)
for needed in Package.resolved "$checkouts" "${programs[@]/#/$bin/}"; do
    [ -e "$needed" ] || { echo "error: $needed is missing: type \`make build\`" >&2; exit 69; }
done
command -v dpkg-query >/dev/null || { echo "error: the system's libraries are looked up with dpkg" >&2; exit 69; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unknown() {
    echo "error: $1: add its licence to $0" >&2
    exit 65
}

# component NAME VERSION PURL LICENCE ALGORITHM HASH [URL] : one part. LICENCE is an id or an expression of SPDX.
component() {
    jq -cn --arg name "$1" --arg version "$2" --arg purl "$3" --arg licence "$4" --arg algorithm "$5" --arg hash "$6" \
        --arg url "${7:-}" '
        {type: "library", "bom-ref": $purl, name: $name, version: $version, purl: $purl,
         licenses: [if $licence | contains(" ") then {expression: $licence} else {license: {id: $licence}} end],
         hashes: [{alg: $algorithm, content: $hash}]}
        + if $url == "" then {} else {externalReferences: [{type: "vcs", url: $url}]} end' >>"$folder/components"
}

# depends PURL PURL… : what a part is made with.
depends() {
    jq -cn --arg ref "$1" '{ref: $ref, dependsOn: ($ARGS.positional | unique)}' --args "${@:2}" >>"$folder/dependencies"
}

# sha256 PATH : of a file, or of all files of a folder in the order of their names.
sha256() {
    find "$1" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum | cut -d ' ' -f 1
}

# licence_of FOLDER : the licence of a checkout by its own file.
licence_of() {
    local text
    text=$(cat "$1"/LICENSE* 2>/dev/null | tr -s '[:space:]' ' ')
    case "$text" in
        *"Runtime Library Exception"*"Apache License"* | *"Apache License"*"Runtime Library Exception"*)
            echo "Apache-2.0 WITH Swift-exception"
            ;;
        *"Apache License Version 2.0"*) echo Apache-2.0 ;;
        *"Permission is hereby granted, free of charge"*) echo MIT ;;
        *) unknown "$1" ;;
    esac
}

# licence_of_library PACKAGE : of a library of the system, by the name of its Debian package.
licence_of_library() {
    case "$1" in
        libsqlite3-0 | sqlite3) echo blessing ;;
        zlib1g | zlib) echo Zlib ;;
        libidn2-0 | libidn2 | libunistring*) echo "LGPL-3.0-or-later OR GPL-2.0-or-later" ;;
        libc6) echo LGPL-2.1-or-later ;;
        libstdc++6 | libgcc-s1) echo "GPL-3.0-or-later WITH GCC-exception-3.1" ;;
        *) unknown "$1" ;;
    esac
}

# Packages, each under its place in a repository.
declare -A purl=()
while IFS=$'\t' read -r identity location version revision; do
    repository=${location#https://}
    purl[$identity]=pkg:swift/${repository%.git}@$version
    checkout=$(find "$checkouts" -mindepth 1 -maxdepth 1 -iname "$identity")
    licence=$(licence_of "$checkout")
    component "$identity" "$version" "${purl[$identity]}" "$licence" SHA-1 "$revision" "$location"
done < <(jq -r '.pins[] | [.identity, .location, .state.version // .state.branch // .state.revision, .state.revision] | @tsv' \
    Package.resolved)

# Others' sources that packages carry.
carried_by() {
    case "$1" in
        swift-crypto) boringssl "$checkouts/swift-crypto/Sources/CCryptoBoringSSL/hash.txt" ;;
        swift-nio-ssl) boringssl "$checkouts/swift-nio-ssl/Sources/CNIOBoringSSL/hash.txt" ;;
        swift-nio) llhttp "$checkouts/swift-nio/Sources/CNIOLLHTTP" ;;
        yams) libyaml "$checkouts/Yams" ;;
    esac
}
boringssl() {
    local revision
    revision=$(grep -oE '[0-9a-f]{40}' "$1")
    carried=pkg:generic/boringssl@$revision
    component boringssl "$revision" "$carried" "Apache-2.0 AND (MIT OR Apache-2.0 OR BSD-1-Clause)" SHA-1 "$revision" \
        https://github.com/google/boringssl
}
llhttp() {
    local version
    version=$(awk '/define LLHTTP_VERSION_/ { printf "%s%s", dot, $3; dot = "." }' "$1/include/c_nio_llhttp.h")
    carried=pkg:generic/llhttp@$version
    component llhttp "$version" "$carried" MIT SHA-256 "$(sha256 "$1")" https://github.com/nodejs/llhttp
}
# Its sources say no version; the changelog names the commit that they were last taken from.
libyaml() {
    local revision
    revision=$(sed -nE 's,.*yaml/libyaml/compare/[0-9a-f]+\.\.\.([0-9a-f]+).*,\1,p' "$1/CHANGELOG.md" | head -n 1)
    carried=pkg:github/yaml/libyaml@$revision
    component libyaml "$revision" "$carried" MIT SHA-256 "$(sha256 "$1/Sources/CYaml")" https://github.com/yaml/libyaml
}

# urls_in FILE : the packages that a manifest names, of those that were resolved.
urls_in() {
    local url identity
    while read -r url; do
        identity=$(basename "${url%.git}" | tr '[:upper:]' '[:lower:]')
        [ -z "${purl[$identity]:-}" ] || echo "${purl[$identity]}"
    done < <(grep -oE 'url: *"[^"]+"' "$1" | cut -d '"' -f 2)
}
for identity in "${!purl[@]}"; do
    carried=
    carried_by "$identity"
    mapfile -t below < <(urls_in "$(find "$checkouts" -mindepth 1 -maxdepth 1 -iname "$identity")/Package.swift")
    depends "${purl[$identity]}" "${below[@]}" ${carried:+"$carried"}
done

# package_of FILE : the Debian package that a library came with, which may know it by one of several paths.
package_of() {
    local path
    for path in "$1" "$(realpath "$1")" "/usr$1"; do
        dpkg-query -S "$path" 2>/dev/null | cut -d : -f 1 && return
    done
    return 1
}

# Libraries that the programs load. Those of the toolchain are the Swift runtime, one part.
version=$("${SWIFT:-swift}" --version 2>/dev/null | grep -oE 'Swift version [0-9.]+' | cut -d ' ' -f 3)
declare -A libraries=()
. /etc/os-release # ID and VERSION_ID
while read -r path; do
    case "$path" in
        */swift/linux/libswiftCore.so)
            libraries[swift]=pkg:generic/swift@$version
            component swift "$version" "${libraries[swift]}" "Apache-2.0 WITH Swift-exception" SHA-256 \
                "$(sha256 "$path")" https://github.com/swiftlang/swift
            continue
            ;;
        */swift/linux/*) continue ;;
    esac
    package=$(package_of "$path") || unknown "the package of $path"
    [ -z "${libraries[$package]:-}" ] || continue
    release=$(dpkg-query -W -f '${Version} ${Architecture}' "$package")
    escaped=${release% *}
    escaped=${escaped//:/%3A}
    libraries[$package]="pkg:deb/$ID/${package//+/%2B}@${escaped//+/%2B}?arch=${release#* }&distro=$ID-$VERSION_ID"
    licence=$(licence_of_library "$package")
    component "$package" "${release% *}" "${libraries[$package]}" "$licence" SHA-256 "$(sha256 "$(realpath "$path")")"
done < <(ldd "${programs[@]/#/$bin/}" | awk '$2 == "=>" { print $3 }' | sort -u)
for package in "${!libraries[@]}"; do depends "${libraries[$package]}"; done

# consentd itself, with its programs.
version=$("$bin/consentd" --version)
root=pkg:generic/consentd@$version
mapfile -t direct < <(urls_in Package.swift)
depends "$root" "${direct[@]}" "${libraries[@]}"
for name in "${programs[@]}"; do
    jq -cn --arg name "$name" --arg version "$version" --arg hash "$(sha256 "$bin/$name")" '
        {type: "application", "bom-ref": ("program:" + $name), name: $name, version: $version,
         hashes: [{alg: "SHA-256", content: $hash}]}'
done >"$folder/programs"

mkdir -p "$(dirname "$file")"
jq -n --arg root "$root" --arg version "$version" --slurpfile programs "$folder/programs" \
    --slurpfile components "$folder/components" --slurpfile dependencies "$folder/dependencies" \
    --arg time "$(TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)" '
    {bomFormat: "CycloneDX", specVersion: "1.6", version: 1,
     metadata: ((if $time == "" then {} else {timestamp: $time} end) + {
         lifecycles: [{phase: "build"}],
         component: {type: "application", "bom-ref": $root, name: "consentd", version: $version, purl: $root,
                     components: $programs}}),
     components: ($components | unique_by(."bom-ref")),
     dependencies: ($dependencies | unique_by(.ref))}' >"$folder/bom"
# Whole or not at all.
mv "$folder/bom" "$file"
chmod 644 "$file"
echo "$(jq '.components | length' "$file") parts in $file"
