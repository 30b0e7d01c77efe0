#!/bin/sh
# Builds hello.wasm. Where the compiler is missing it says where to get it.
cd "$(dirname "$0")" && exec kit/sdk/guest/build.sh . hello.wasm
