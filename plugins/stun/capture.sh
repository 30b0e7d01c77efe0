#!/usr/bin/env bash
# Captures first flights of STUN and TURN clients into testdata/samples: those whose
# names begin with udp are one datagram. Needs the Debian package coturn; starts a
# turnserver of its own for the connection that binds a peer's, which comes second.
# What ICE sends is that of pion, which go gets for testdata/ice.
source "$(dirname "${BASH_SOURCE[0]}")/../../testdata/capture/lib.sh"
out=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/testdata/samples
uclient() { timeout 5 turnutils_uclient -y -p "$PORT" -u alice -w secret "$@" "$HOST"; }
export -f uclient

flight "$out/udp-binding.bin" -udp -- bash -c 'timeout 3 turnutils_stunclient -p "$PORT" "$HOST"'
flight "$out/udp-binding-rfc5780.bin" -udp -- bash -c 'timeout 3 turnutils_stunclient -f -p "$PORT" "$HOST"'
flight "$out/udp-allocate.bin" -udp -- bash -c 'uclient'
flight "$out/udp-allocate-ipv6.bin" -udp -- bash -c 'uclient -x'
flight "$out/tcp-allocate.bin" -- bash -c 'uclient -t'
flight "$out/tcp-allocate-tcp-relay.bin" -- bash -c 'uclient -T'
flight "$out/tcp-allocate-origin.bin" -- bash -c 'uclient -t -o https://example.com'

(cd "$(dirname "$out")/ice" && GOFLAGS=-mod=readonly go build -o "$tmp/ice" .)
flight "$out/udp-ice.bin" -udp -- "$tmp/ice" udp
flight "$out/framed-ice.bin" -quiet 120ms -- "$tmp/ice" tcp # it is said again after 200 ms

server=$("$tmp/sink" -out /dev/null -quiet 1ms & sleep 0.2; kill $!) # a port that was free
server=${server##*:}
turnserver -n -L 127.0.0.1 -E 127.0.0.1 -p "$server" --no-tls --no-dtls --no-cli -a -u alice:secret -r example.org \
	--allow-loopback-peers --userdb "$tmp/turndb" --pidfile "$tmp/pid" --log-file "$tmp/turn.log" --simple-log >/dev/null 2>&1 &
pid=$!
trap 'kill $pid; rm -rf "$tmp"' EXIT
until bash -c "exec 3<>/dev/tcp/127.0.0.1/$server" 2>/dev/null; do :; done
flight "$out/tcp-connection-bind.bin" -conn 4 -to "127.0.0.1:$server" -- bash -c 'uclient -T -n 1'
