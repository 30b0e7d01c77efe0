#!/usr/bin/env bash
# Captures first flights of SOCKS clients into testdata/flights/socks4 and socks5. Needs
# the Debian packages curl, ncat and nodejs and, in the directory that NODE_PATH names,
# npm's socks. What a SOCKS5 client sends first is its greeting: it waits for the answer.
source "$(dirname "$0")/lib.sh"
four=$here/../flights/socks4
five=$here/../flights/socks5

curl_() { curl -s -m 2 "$@"; }
export -f curl_

flight "$four/curl-socks4.bin" -- bash -c 'curl_ --socks4 "$ADDR" http://192.0.2.80:8080/'
flight "$four/curl-socks4-user.bin" -- bash -c 'curl_ --socks4 "alice@$ADDR" https://192.0.2.80/'
flight "$four/curl-socks4a.bin" -- bash -c 'curl_ --socks4a "$ADDR" http://app.example.com/'
flight "$four/curl-socks4a-user.bin" -- bash -c 'curl_ --socks4a "alice@$ADDR" https://app.example.com/'
flight "$four/ncat-socks4.bin" -- bash -c 'ncat --proxy-type socks4 --proxy "$ADDR" 192.0.2.22 22'

# npm's socks asks for a port to listen on, as an FTP client in active mode would.
flight "$four/npm-bind.bin" -- node -e '
const client = new (require("socks").SocksClient)({
	proxy: {host: "127.0.0.1", port: +process.env.PORT, type: 4}, command: "bind", destination: {host: "192.0.2.21", port: 20}, timeout: 2000,
})
client.on("error", () => {})
client.connect()'

flight "$five/curl-socks5.bin" -- bash -c 'curl_ --socks5 "$ADDR" http://192.0.2.80/'
flight "$five/curl-socks5-hostname.bin" -- bash -c 'curl_ --socks5-hostname "$ADDR" http://app.example.com/'
flight "$five/curl-socks5-user.bin" -- bash -c 'curl_ --socks5-hostname "alice:secret@$ADDR" http://app.example.com/'
flight "$five/curl-socks5-basic.bin" -- bash -c 'curl_ --socks5-basic --socks5-hostname "alice:secret@$ADDR" http://app.example.com/'
flight "$five/curl-socks5-gssapi.bin" -- bash -c 'curl_ --socks5-gssapi --socks5-hostname "$ADDR" http://app.example.com/'
flight "$five/ncat-socks5.bin" -- bash -c 'ncat --proxy-type socks5 --proxy "$ADDR" app.example.com 22'
flight "$five/ncat-socks5-user.bin" -- bash -c 'ncat --proxy-type socks5 --proxy-auth alice:secret --proxy "$ADDR" app.example.com 22'
