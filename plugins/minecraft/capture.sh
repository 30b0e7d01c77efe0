#!/usr/bin/env bash
# Captures the samples: what Minecraft clients send first. Needs nodejs 20 and npm;
# "npm ci" in testdata/clients installs the clients, in the versions of its lock file.
source "$(dirname "$0")/../../testdata/capture/lib.sh"
cd "$(dirname "$0")/testdata"
[[ -d clients/node_modules ]] || npm ci --ignore-scripts --no-audit --no-fund --prefix clients

# PORT is the sink's, and known only where the command runs.
client() { node "clients/$1" "$PORT" "${@:2}"; }
export -f client

flight samples/login-1.8.bin -- bash -c 'client login.js 1.8.9 play.example.com'
flight samples/login-1.21.bin -- bash -c 'client login.js 1.21.1 Survival.mc.example.com'
flight samples/login-final-dot.bin -- bash -c 'client login.js 1.20.4 play.example.com.'
flight samples/login-forge.bin -- bash -c 'client login.js 1.12.2 localhost forge'
# As a BungeeCord in front of the server writes it: host, client and its identity.
flight samples/login-bungeecord.bin -- bash -c 'client login.js 1.19.4 "play.example.com\\u0000192.0.2.7\\u00004566e69fc90748ee8d71d7ba5aa00d20"'
flight samples/status-1.20.bin -- bash -c 'client status.js 1.20.4 play.example.com'
flight samples/ping.bin -- bash -c 'client ping.js localhost status'
flight samples/ping-1.6.bin -- bash -c 'client legacy.js localhost'
flight samples/ping-1.4.bin -- bash -c 'client ping.js localhost statusFE01'
flight samples/ping-beta.bin -- bash -c 'client ping.js localhost statusFE'
