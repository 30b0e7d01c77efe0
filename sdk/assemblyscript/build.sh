#!/bin/sh
# Builds a matcher written in AssemblyScript: build.sh SOURCE.ts [OUTPUT.wasm [FLAG…]]
# Needs the compiler asc: npm ci in this directory installs it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${1:?usage: build.sh SOURCE.ts [OUTPUT.wasm [FLAG…]]}
shift
output=$(basename "$source" .ts).wasm
if [ $# -gt 0 ]; then
	output=$1
	shift
fi
asc=$here/node_modules/.bin/asc
[ -x "$asc" ] || asc=$(command -v asc) || { echo "asc is missing: apt install npm, then npm ci --prefix $here" >&2; exit 1; }
# The stub runtime never frees: the host puts all memory back after each evaluation.
# One page of memory is enough for heads of 32 KiB, and loads cost the least fuel there;
# --maximumMemory 16 as a flag allows more.
"$asc" "$source" --outFile "$output" -O3 --runtime stub --noAssert --maximumMemory 1 "$@"

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
