#!/bin/sh
# Builds hello.wasm. Where the compiler is missing it says which package has it.
cd "$(dirname "$0")" && exec kit/build.sh hello.rs hello.wasm
