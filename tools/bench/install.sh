#!/usr/bin/env bash
# Installs the peers of `make bench` where they are missing, and builds the gRPC peer and the calibration.
#
# Only the benchmark needs these; nothing else in the repository does. Usage: tools/bench/install.sh FOLDER, which
# gets the programs.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"
. ../scripts/packages.sh

# package, and what shows that it is there
install_missing \
    "redis-server            tool:redis-server" \
    "redis-tools             tool:redis-cli" \
    "memcached               tool:memcached" \
    "postgresql              file:/usr/lib/postgresql/*/bin/postgres" \
    "g++                     tool:g++" \
    "make                    tool:make" \
    "pkg-config              tool:pkg-config" \
    "libgrpc++-dev           header:grpcpp/grpcpp.h" \
    "libprotobuf-dev         header:google/protobuf/arena.h" \
    "protobuf-compiler       tool:protoc" \
    "protobuf-compiler-grpc  tool:grpc_cpp_plugin"

make --silent --directory grpc OUT="$folder"
[ "$folder/calibrate" -nt calibrate.c ] ||
    g++ -x c -O2 -Wall -Wextra -Werror calibrate.c -o "$folder/calibrate" -lpthread
