#!/usr/bin/env bash
# Captures first flights of Minecraft clients into testdata/flights/minecraft. Needs
# nodejs 20 and, in the directory that NODE_PATH names, npm's minecraft-protocol.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/minecraft

login() { # VERSION HOST
	node -e '
const [version, fakeHost] = process.argv.slice(1)
const client = require("minecraft-protocol").createClient({
	host: "127.0.0.1", port: +process.env.PORT, username: "dwaar", auth: "offline", version, fakeHost,
})
client.on("error", () => {})
setTimeout(() => process.exit(), 5000)' "$1" "$2"
}
status() { # VERSION HOST
	node -e '
const [version, fakeHost] = process.argv.slice(1)
require("minecraft-protocol").ping({host: "localhost", port: +process.env.PORT, version, fakeHost}).catch(() => {})
setTimeout(() => process.exit(), 5000)' "$1" "$2"
}
export -f login status

flight "$out/login-1.8.bin" -- bash -c 'login 1.8.9 play.example.com'
flight "$out/login-1.21.bin" -- bash -c 'login 1.21.1 Survival.mc.example.com'
flight "$out/status-1.20.bin" -- bash -c 'status 1.20.4 play.example.com'
