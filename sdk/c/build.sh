#!/bin/sh
# Builds a matcher written in C: build.sh SOURCE.c [OUTPUT.wasm]
# Needs clang and the linker wasm-ld (Debian: apt install clang lld).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${1:?usage: build.sh SOURCE.c [OUTPUT.wasm]}
output=${2:-$(basename "$source" .c).wasm}
for tool in clang wasm-ld; do
	command -v $tool >/dev/null || { echo "$tool is missing: apt install clang lld" >&2; exit 1; }
done
object=$(mktemp)
trap 'rm -f "$object"' EXIT
# Not linked by clang: it would run the result through whatever wasm-opt it finds.
clang --target=wasm32 -std=c11 -O2 -mbulk-memory -ffreestanding -Wall -Wextra -I "$here" -c "$source" -o "$object"
wasm-ld --no-entry --stack-first -z stack-size=8192 --strip-all "$object" -o "$output"

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
manifest=$(dirname "$source")/$(basename "$output" .wasm).json
if [ -f "$manifest" ]; then
	{
		printf '\000'
		leb $(($(wc -c <"$manifest") + 15))
		printf '\016dwaar.manifest'
		cat "$manifest"
	} >>"$output"
fi
