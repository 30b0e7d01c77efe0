#!/bin/sh
# Builds a matcher written in Rust: build.sh SOURCE.rs [OUTPUT.wasm [FLAG…]]
# Needs rustc, its library for wasm32 and a linker (Debian: apt install rustc
# libstd-rust-dev-wasm32 lld; or rustup target add wasm32-unknown-unknown).
# RUSTC names another compiler than the first that has the library.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${1:?usage: build.sh SOURCE.rs [OUTPUT.wasm [FLAG…]]}
output=${2:-$(basename "$source" .rs).wasm}
shift
[ $# = 0 ] || shift
target=wasm32-unknown-unknown

# can COMPILER: it has the library.
can() { command -v "$1" >/dev/null && [ -d "$("$1" --print sysroot)/lib/rustlib/$target" ]; }

for rustc in ${RUSTC:-rustc /usr/bin/rustc}; do
	! can "$rustc" || break
	rustc=
done
[ -n "$rustc" ] || { echo "rustc for $target is missing: apt install rustc libstd-rust-dev-wasm32 lld" >&2; exit 1; }

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
# A panic names its file: the same one on every machine.
set -- --edition 2021 --target $target -C opt-level=2 -C panic=abort -C strip=symbols \
	--remap-path-prefix "$here=dwaar" "$@"
"$rustc" "$@" --crate-type rlib --crate-name dwaar "$here/dwaar.rs" -o "$build/libdwaar.rlib"
"$rustc" "$@" --crate-type cdylib --crate-name matcher --extern "dwaar=$build/libdwaar.rlib" -C lto=fat \
	-C link-arg=--stack-first -C link-arg=-zstack-size=8192 "$source" -o "$output"

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
