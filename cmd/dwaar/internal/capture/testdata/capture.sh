#!/bin/sh
# Captures what stands beside it: a greeting over IPv4, one over IPv6, two datagrams, a
# server that speaks first. Needs root, tcpdump, dumpcap (wireshark-common), nc and
# unshare; nothing of it leaves the network namespace it makes for itself.
set -eu
cd "$(dirname "$0")"
if [ "${1:-}" != inside ]; then
	exec unshare --net ./capture.sh inside
fi
ip link set lo up

traffic() {
	printf 'Good morning\n' | nc -N -l 127.0.0.1 4001 >/dev/null &
	nc -N -l ::1 4002 >/dev/null &
	nc -u -l 127.0.0.1 4003 >/dev/null &
	udp=$!
	sleep 0.5
	(sleep 0.3; printf 'HELLO '; sleep 0.2; printf 'world\n'; sleep 0.2) | nc -N 127.0.0.1 4001 >/dev/null
	printf 'HELLO six\n' | nc -N ::1 4002
	(printf 'one'; sleep 0.2; printf 'two!'; sleep 0.2) | nc -u -w 1 127.0.0.1 4003
	kill $udp
	sleep 0.5
}

# capture COMMAND…: traffic while it runs.
capture() {
	"$@" 2>/dev/null &
	writer=$!
	sleep 1
	traffic
	kill -INT $writer
	wait $writer || true
}
capture tcpdump -Z root -U -i lo -w loopback.pcap
capture tcpdump -Z root -U -i any -y LINUX_SLL2 -w cooked2.pcap
capture tcpdump -Z root -U -i any -y LINUX_SLL -w cooked.pcap
capture dumpcap -q -i lo -w loopback.pcapng
tcpdump --version 2>&1 | head -n 1
dumpcap --version | head -n 1
