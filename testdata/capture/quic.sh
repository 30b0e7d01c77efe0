#!/usr/bin/env bash
# Captures first flights of QUIC clients into testdata/flights/quic, a file for each
# datagram. Needs the Debian packages chromium and ngtcp2-client; quic-go and
# golang.org/x/net/quic are pinned in quic/go.mod.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
(cd "$here/quic" && go build -o "$tmp/quic" .)
out=$here/../flights/quic
rm -f "$out"/*.bin
export tmp

ngtcp2() { gtlsclient -q "--version=$1" "$HOST" "$PORT" https://localhost/; }
browser() {
	chromium --headless --no-sandbox --disable-gpu --user-data-dir="$tmp/chromium" --enable-quic "$@" \
		--origin-to-force-quic-on="chromium.example.com:$PORT" \
		--host-resolver-rules="MAP chromium.example.com $HOST, MAP * ~NOTFOUND" "https://chromium.example.com:$PORT/"
}
export -f ngtcp2 browser

flight() { # NAME COMMAND…
	"$tmp/quic" "$out/$1" "${@:2}"
}
goflight() { # NAME OPTIONS
	"$tmp/quic" "${@:2}" "$out/$1"
}

goflight quic-go -client quic-go
goflight quic-go-classic -client quic-go -classic -alpn h3,hq-interop
goflight quic-go-v2 -client quic-go -v2 -name V2.Example.com
goflight quic-go-no-name -client quic-go -name ''
goflight quic-go-resume -client quic-go -resume
goflight quic-go-resume-classic -client quic-go -resume -classic
goflight quic-go-http3 -client http3 # Debian's curl speaks no HTTP/3
goflight x-net -client x-net
goflight x-net-classic -client x-net -classic
flight ngtcp2 bash -c 'ngtcp2 v1' 2>/dev/null
flight ngtcp2-draft29 bash -c 'ngtcp2 0xff00001d' 2>/dev/null
flight ngtcp2-v2draft bash -c 'ngtcp2 v2draft' 2>/dev/null
flight ngtcp2-reserved bash -c 'ngtcp2 0x1a2a3a4a' 2>/dev/null
flight chromium bash -c browser 2>/dev/null
flight chromium-v2 bash -c 'browser --quic-version=RFCv2' 2>/dev/null
