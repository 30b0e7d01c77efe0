#!/usr/bin/env bash
# Captures first messages of a WireGuard peer, wireguard-go, into
# testdata/flights/wireguard. Needs Go and no Debian package.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$here/../flights/wireguard
mkdir -p "$out"
rm -f "$out"/*.bin
cd "$here/wireguard"
go run . "$out"
