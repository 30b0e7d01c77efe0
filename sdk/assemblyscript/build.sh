#!/bin/sh
# Builds a matcher written in AssemblyScript: build.sh SOURCE.ts [OUTPUT.wasm]
# Needs the compiler asc: npm ci in this directory installs it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${1:?usage: build.sh SOURCE.ts [OUTPUT.wasm]}
output=${2:-$(basename "$source" .ts).wasm}
asc=$here/node_modules/.bin/asc
[ -x "$asc" ] || asc=$(command -v asc) || { echo "asc is missing: npm ci in $here" >&2; exit 1; }
# The stub runtime never frees: the host puts all memory back after each evaluation.
"$asc" "$source" --outFile "$output" -O3 --runtime stub --noAssert
