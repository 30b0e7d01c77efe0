#!/usr/bin/env bash
# Captures headers of the PROXY protocol into testdata/flights/proxy_protocol. Needs the
# Debian packages haproxy, curl and netcat-openbsd.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/proxy_protocol

# proxy BIND OPTION…: HAProxy passes the connection of a client that says hello to the sink.
proxy() {
	local bind=$1
	shift
	cat >"$tmp/haproxy.cfg" <<-END
		defaults
			mode tcp
			timeout connect 2s
			timeout client 2s
			timeout server 2s
		frontend in
			bind $bind
			use_backend out
		backend out
			server sink $ADDR $*
	END
	haproxy -f "$tmp/haproxy.cfg" -db &
	local pid=$!
	for ((i = 0; i < 200; i++)); do
		say "$bind" && break
		sleep 0.05
	done
	kill "$pid"
}
say() {
	case $1 in
	/*) printf 'hello\r\n' | nc -N -w 1 -U "$1" ;;
	*) printf 'hello\r\n' | nc -N -w 1 "${1%:*}" "${1##*:}" ;;
	esac
}
# check OPTION…: HAProxy asks by itself whether the sink is there.
check() {
	cat >"$tmp/haproxy.cfg" <<-END
		defaults
			mode tcp
			timeout connect 2s
			timeout client 2s
			timeout server 2s
		frontend in
			bind $tmp/unused.sock
			use_backend out
		backend out
			server sink $ADDR check inter 500ms $*
	END
	timeout 3 haproxy -f "$tmp/haproxy.cfg" -db
}
export -f proxy say check
export tmp
free=$("$tmp/sink" -out /dev/null & sleep 0.2; kill $!) # a port that was free
free=${free##*:}
export free

flight "$out/haproxy-v1-tcp4.bin" -- bash -c 'proxy 127.0.0.1:$free send-proxy'
flight "$out/haproxy-v1-tcp6.bin" -- bash -c 'proxy ::1:$free send-proxy'
flight "$out/haproxy-v1-unknown.bin" -- bash -c 'proxy $tmp/in.sock send-proxy'
flight "$out/haproxy-v2-tcp4.bin" -- bash -c 'proxy 127.0.0.1:$free send-proxy-v2'
flight "$out/haproxy-v2-tcp6.bin" -- bash -c 'proxy ::1:$free send-proxy-v2'
flight "$out/haproxy-v2-unix.bin" -- bash -c 'proxy $tmp/in.sock send-proxy-v2'
flight "$out/haproxy-v2-tlvs.bin" -- bash -c 'proxy 127.0.0.1:$free send-proxy-v2 proxy-v2-options crc32c,unique-id,authority'
flight "$out/haproxy-v2-ssl.bin" -- bash -c 'proxy 127.0.0.1:$free send-proxy-v2-ssl'
flight "$out/haproxy-v1-check.bin" -- bash -c 'check send-proxy'
flight "$out/haproxy-v2-local.bin" -- bash -c 'check send-proxy-v2'
flight "$out/curl-http.bin" -- bash -c 'curl -s -m 2 --haproxy-protocol http://$ADDR/'
flight "$out/curl-https.bin" -- bash -c 'curl -sk -m 2 --haproxy-protocol https://$ADDR/'
