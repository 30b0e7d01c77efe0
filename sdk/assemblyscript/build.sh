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
exec "$asc" "$source" --outFile "$output" -O3 --runtime stub --noAssert --maximumMemory 1 "$@"
