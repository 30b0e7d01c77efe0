#!/usr/bin/env bash
# Captures first flights of OpenVPN clients into testdata/flights/openvpn, and the keys
# they were made with. Needs the Debian packages openvpn and openssl. The keys are made
# anew each time: they protect nothing but these captures.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/openvpn
mkdir -p "$out"
rm -f "$out"/*.bin "$out"/*.key
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test \
	-keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null

key() { openvpn "${@:2}" "$tmp/new.key" >/dev/null && mv "$tmp/new.key" "$out/$1"; chmod 644 "$out/$1"; }
key group.key --genkey tls-auth
key other-group.key --genkey tls-auth
key server.key --genkey tls-crypt-v2-server
key other-server.key --genkey tls-crypt-v2-server
key client.key --tls-crypt-v2 "$out/server.key" --genkey tls-crypt-v2-client
key other-client.key --tls-crypt-v2 "$out/server.key" --genkey tls-crypt-v2-client
openvpn --tls-crypt-v2 "$out/server.key" --genkey tls-crypt-v2-client "$out/metadata-client.key" \
	"$(head -c 300 /dev/zero | base64 -w 0)" >/dev/null # the client key carries 300 bytes of the operator's
chmod 644 "$out/metadata-client.key"

# client NAME UDP|TCP OPTIONS…
client() {
	local file=$out/$1-$2.bin proto=$2 sink=()
	[[ $proto == tcp ]] || sink=(-udp)
	[[ $proto == udp ]] || proto=tcp-client
	# shellcheck disable=SC2016 # $HOST and $PORT are flight's
	flight "$file" "${sink[@]}" -- bash -c 'exec timeout 2 openvpn --dev null --client --nobind --remote "$HOST" "$PORT" "$@"' - \
		--proto "$proto" --ca "$tmp/cert.pem" --cert "$tmp/cert.pem" --key "$tmp/key.pem" "${@:3}"
}

for proto in udp tcp; do
	client plain $proto
	client auth-sha256 $proto --auth SHA256 --tls-auth "$out/group.key" 1
	client crypt $proto --tls-crypt "$out/group.key"
	client crypt2 $proto --tls-crypt-v2 "$out/client.key"
done
client crypt2-metadata udp --tls-crypt-v2 "$out/metadata-client.key"
client auth-inverse udp --auth SHA256 --tls-auth "$out/group.key" 0
client auth-bidi udp --auth SHA256 --tls-auth "$out/group.key"
for digest in MD5 SHA1 SHA224 SHA384 SHA512 SHA512-224 SHA512-256 SHA3-224 SHA3-256 SHA3-384 SHA3-512 \
	BLAKE2s256 BLAKE2b512 MD5-SHA1 RIPEMD160; do
	client "auth-${digest,,}" udp --auth $digest --tls-auth "$out/group.key" 1
done
