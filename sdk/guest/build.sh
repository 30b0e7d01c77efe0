#!/bin/sh
# Builds a matcher written in Go: build.sh DIRECTORY [OUTPUT.wasm]
# DIRECTORY holds package main. Needs Go 1.26 or newer.
set -eu
directory=${1:?usage: build.sh DIRECTORY [OUTPUT.wasm]}
output=${2:-$(basename "$(cd "$directory" && pwd)").wasm}
command -v go >/dev/null || { echo "go is missing: apt install golang-go, or see go.dev/dl; it takes 1.26 or newer" >&2; exit 1; }
case $output in /*) ;; *) output=$PWD/$output ;; esac
rm -f "$output" # one that is up to date would be left as it is, with its manifest
(cd "$directory" && GOOS=wasip1 GOARCH=wasm go build -trimpath -buildmode=c-shared -ldflags='-s -w' -o "$output" .)

# NAME.json beside the source becomes the manifest of NAME.wasm, with its tests: a section
# at its end, which is a zero, a length in groups of seven bits, the length of its name
# (14), the name, and what it says.
leb() {
	n=$1
	while [ "$n" -ge 128 ]; do
		printf "\\$(printf %03o $((n % 128 + 128)))"
		n=$((n / 128))
	done
	printf "\\$(printf %03o "$n")"
}
manifest=$directory/$(basename "$output" .wasm).json
if [ -f "$manifest" ]; then
	{
		printf '\000'
		leb $(($(wc -c <"$manifest") + 15))
		printf '\016dwaar.manifest'
		cat "$manifest"
	} >>"$output"
fi
