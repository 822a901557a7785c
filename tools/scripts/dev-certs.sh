#!/usr/bin/env bash
# Makes an authority and certificates for trying out TLS, in CERTS (.build/dev-certs): not for production.
#
#     ca.pem      the authority           ca.key      its key
#     server.pem  for 127.0.0.1, ::1, localhost and each of NAMES (host names or addresses)        server.key
#     CLIENT.pem  for each of CLIENTS (newsletter), with one URI name: spiffe://consentd.example/CLIENT  CLIENT.key
#
# DAYS (30) is how long they are valid. An authority that is there is used again, so that a server's certificate can be
# renewed under its clients.
set -euo pipefail

folder=${CERTS:-$(dirname "$0")/../../.build/dev-certs}
days=${DAYS:-30}
command -v openssl >/dev/null || { echo "error: openssl is missing: apt-get install openssl" >&2; exit 69; }
umask 077
mkdir -p "$folder"

# key NAME: a new P-256 key.
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$folder/$1.key" 2>/dev/null; }

# certificate NAME USAGE SAN: signed by the authority.
certificate() {
    key "$1"
    openssl req -new -key "$folder/$1.key" -subj "/CN=$1" |
        openssl x509 -req -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -days "$days" -out "$folder/$1.pem" \
            -extfile <(printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$2" "$3") \
            2>/dev/null
}

if [ ! -f "$folder/ca.pem" ]; then
    key ca
    openssl req -x509 -new -key "$folder/ca.key" -subj "/CN=consentd development authority" -days "$days" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -out "$folder/ca.pem"
fi

names=DNS:localhost,IP:127.0.0.1,IP:::1
for name in ${NAMES:-}; do
    case $name in
        *[!0-9.:a-fA-F]*) names+=",DNS:$name" ;;
        *[.:]*) names+=",IP:$name" ;;
        *) names+=",DNS:$name" ;;
    esac
done
certificate server serverAuth "$names"
for client in ${CLIENTS:-newsletter}; do
    certificate "$client" clientAuth "URI:spiffe://consentd.example/$client"
done
echo "certificates for $days days in $(realpath "$folder"): server.pem and .key, ${CLIENTS:-newsletter} (.pem, .key), authority ca.pem"
