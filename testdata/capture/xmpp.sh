#!/usr/bin/env bash
# Captures first flights of XMPP clients into testdata/flights/xmpp. Needs the Debian
# packages go-sendxmpp, sendxmpp, profanity, python3-slixmpp and nodejs, and, in the
# directory that NODE_PATH names, npm's @xmpp/client.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/xmpp
export tmp HOME=$tmp

flight "$out/go-sendxmpp.bin" -- bash -c 'echo hello | go-sendxmpp -u alice@example.com -p secret -j "$ADDR" bob@example.com'
flight "$out/sendxmpp.bin" -- bash -c 'echo hello | sendxmpp -u alice -j "$ADDR" -o example.com -p secret bob@example.com'
client() {
	/usr/bin/python3 -c '
import asyncio, os, slixmpp
c = slixmpp.ClientXMPP("alice@example.com", "secret")
c.connect((os.environ["HOST"], int(os.environ["PORT"])), disable_starttls=True)
c.loop.run_until_complete(asyncio.sleep(3))'
}
component() {
	/usr/bin/python3 -c '
import asyncio, os, slixmpp
c = slixmpp.ComponentXMPP("chat.example.com", "secret", os.environ["HOST"], int(os.environ["PORT"]))
c.connect()
c.loop.run_until_complete(asyncio.sleep(3))'
}
profanity_() {
	(
		sleep 1
		printf '/connect alice@example.com server 127.0.0.1 port %s tls disable\r' "$PORT"
		sleep 1
		printf 'secret\r'
		sleep 3
	) | TERM=xterm script -qc profanity /dev/null
}
export -f client component profanity_
flight "$out/slixmpp.bin" -- bash -c client
flight "$out/slixmpp-component.bin" -- bash -c component
flight "$out/profanity.bin" -- bash -c profanity_
flight "$out/xmpp-js.bin" -- node -e '
const {client} = require("@xmpp/client")
const c = client({service: "xmpp://127.0.0.1:" + process.env.PORT, domain: "example.com", username: "alice", password: "secret"})
c.on("error", () => {})
c.start().catch(() => {})
setTimeout(() => process.exit(), 3000)'
