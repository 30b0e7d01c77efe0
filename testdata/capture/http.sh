#!/usr/bin/env bash
# Captures first flights of HTTP clients into testdata/flights/http. Needs the
# Debian packages curl, wget, nghttp2-client, nodejs, python3 and python3-grpcio.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/http

curl_() { curl -s -m 2 --connect-to "::$ADDR" "$@"; }
export -f curl_

flight "$out/curl-http1.bin" -- bash -c 'curl_ "http://app.example.com/v1/items?sort=asc&page=2"'
flight "$out/curl-http10.bin" -- bash -c 'curl_ -0 http://app.example.com/'
flight "$out/curl-post.bin" -- bash -c 'curl_ -H "X-Tenant: blue" -d "name=value" http://app.example.com/form'
flight "$out/curl-proxy.bin" -- bash -c 'curl -s -m 2 -x "http://$ADDR" http://app.example.com/absolute'
flight "$out/curl-connect.bin" -- bash -c 'curl -s -m 2 -x "http://$ADDR" https://app.example.com/'
flight "$out/curl-upgrade-h2c.bin" -- bash -c 'curl_ --http2 http://app.example.com/'
flight "$out/curl-http2.bin" -- bash -c 'curl_ --http2-prior-knowledge "http://app.example.com/v1/items?sort=asc"'
flight "$out/curl-ipv6-host.bin" -- bash -c 'curl_ "http://[2001:db8::1]:8080/"'
flight "$out/curl-websocket.bin" -- bash -c 'curl_ -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" -H "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==" http://app.example.com/socket'
flight "$out/wget.bin" -- bash -c 'wget -q -T 2 -t 1 -O /dev/null "http://$ADDR/a%20file"'
flight "$out/python-http-client.bin" -- bash -c '/usr/bin/python3 -c "
import http.client, os
c = http.client.HTTPConnection(os.environ[\"ADDR\"], timeout=2)
c.request(\"PUT\", \"/upload\", body=b\"hello\", headers={\"Host\": \"app.example.com\"})
c.getresponse()"'
flight "$out/node-http.bin" -- node -e '
require("http").get({host: "127.0.0.1", port: process.env.PORT, path: "/node", headers: {Host: "App.Example.com:8080"}}).on("error", () => {});
setTimeout(() => process.exit(), 1000)'
flight "$out/node-http2.bin" -- node -e '
const c = require("http2").connect("http://" + process.env.ADDR).on("error", () => {});
c.request({":path": "/node", ":authority": "app.example.com"}).on("error", () => {});
setTimeout(() => process.exit(), 1000)'
flight "$out/nghttp.bin" -- bash -c 'nghttp -t 2 -H ":authority: app.example.com" "http://$ADDR/style.css"'
flight "$out/nghttp-continuation.bin" -- bash -c 'nghttp -t 2 --continuation -H ":authority: app.example.com" "http://$ADDR/"'
flight "$out/nghttp-padding.bin" -- bash -c 'nghttp -t 2 -b 64 -H ":authority: app.example.com" "http://$ADDR/"'
flight "$out/grpc-python.bin" -- /usr/bin/python3 -c '
import grpc, os
with grpc.insecure_channel(os.environ["ADDR"]) as c:
    try: c.unary_unary("/helloworld.Greeter/SayHello")(b"", timeout=2)
    except grpc.RpcError: pass'
