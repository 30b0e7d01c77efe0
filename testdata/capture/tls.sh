#!/usr/bin/env bash
# Captures ClientHellos into testdata/flights/tls. Needs the Debian packages
# openssl, curl, gnutls-bin, python3 and chromium.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/tls
go build -o "$tmp/hello" "$here/hello.go"
export tmp

flight "$out/openssl-tls13.bin" -- bash -c 'openssl s_client -connect $ADDR -servername www.example.com'
flight "$out/openssl-tls13-only.bin" -- bash -c 'openssl s_client -connect $ADDR -servername www.example.com -tls1_3 -alpn h2,http/1.1'
flight "$out/openssl-tls12.bin" -- bash -c 'openssl s_client -connect $ADDR -servername WWW.Example.COM -tls1_2 -alpn h2,http/1.1'
flight "$out/openssl-tls10.bin" -- bash -c 'openssl s_client -connect $ADDR -servername old.example.com -tls1 -cipher DEFAULT@SECLEVEL=0'
flight "$out/openssl-no-sni.bin" -- bash -c 'openssl s_client -connect $ADDR -noservername'
flight "$out/openssl-ip.bin" -- bash -c 'openssl s_client -connect $ADDR -servername 192.0.2.1'
flight "$out/openssl-final-dot.bin" -- bash -c 'openssl s_client -connect $ADDR -servername www.example.com.'
flight "$out/openssl-bad-name.bin" -- bash -c 'openssl s_client -connect $ADDR -servername "not a host name"'
flight "$out/curl-http11.bin" -- bash -c 'curl -sk -m 3 --http1.1 --connect-to "::$ADDR" https://app.example.com/'
flight "$out/curl-h2.bin" -- bash -c 'curl -sk -m 3 --http2 --connect-to "::$ADDR" https://app.example.com/'
flight "$out/python.bin" -- bash -c '/usr/bin/python3 -c "
import os, socket, ssl
s = socket.create_connection((os.environ[\"HOST\"], int(os.environ[\"PORT\"])), 3)
ssl.create_default_context().wrap_socket(s, server_hostname=\"py.example.com\")"'
flight "$out/gnutls.bin" -- bash -c 'gnutls-cli --insecure --sni-hostname=gnutls.example.com --alpn=h2 --alpn=http/1.1 -p $PORT 127.0.0.1'
flight "$out/gnutls-tls12-no-sni.bin" -- bash -c 'gnutls-cli --insecure --disable-sni --priority=NORMAL:-VERS-TLS1.3 -p $PORT 127.0.0.1'
flight "$out/gnutls-no-extensions.bin" -- bash -c 'gnutls-cli --insecure --disable-sni --priority="NORMAL:-VERS-ALL:+VERS-TLS1.0:%NO_EXTENSIONS" -p $PORT 127.0.0.1'
flight "$out/go-post-quantum.bin" -- bash -c '"$tmp/hello" pq.example.com h2 http/1.1'
flight "$out/go-classic.bin" -- bash -c '"$tmp/hello" -classic classic.example.com h2 http/1.1'
flight "$out/go-tls12.bin" -- bash -c '"$tmp/hello" -tls12 go.example.com'
flight "$out/go-ech.bin" -- bash -c '"$tmp/hello" -ech secret.example.com h2'
flight "$out/chromium.bin" -- bash -c 'timeout 10 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$tmp/chromium" \
	--host-resolver-rules="MAP chromium.example.com $ADDR, MAP * ~NOTFOUND" https://chromium.example.com/'
