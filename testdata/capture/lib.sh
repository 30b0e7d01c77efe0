# shellcheck shell=bash
# Shared by the capture scripts: flight FILE [SINK OPTIONS] -- COMMAND…
# runs COMMAND with $ADDR, $HOST and $PORT of a sink and records what it sends first.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go build -o "$tmp/sink" "$here/sink.go"

flight() {
	local file=$1 options=() sink
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	mkdir -p "$(dirname "$file")"
	: >"$tmp/addr"
	"$tmp/sink" -out "$file" "${options[@]}" >"$tmp/addr" &
	sink=$!
	until [[ -s $tmp/addr ]]; do :; done
	ADDR=$(cat "$tmp/addr")
	HOST=${ADDR%:*} PORT=${ADDR##*:}
	export ADDR HOST PORT
	timeout 20 "$@" >/dev/null 2>&1 </dev/null || true
	wait "$sink"
}
