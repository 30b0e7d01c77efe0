#!/bin/sh
# Builds a matcher written in Go: build.sh DIRECTORY [OUTPUT.wasm]
# DIRECTORY holds package main. Needs Go 1.26 or newer.
set -eu
directory=${1:?usage: build.sh DIRECTORY [OUTPUT.wasm]}
output=${2:-$(basename "$(cd "$directory" && pwd)").wasm}
command -v go >/dev/null || { echo "go is missing: apt install golang-go, or see go.dev/dl; it takes 1.26 or newer" >&2; exit 1; }
case $output in /*) ;; *) output=$PWD/$output ;; esac
cd "$directory"
GOOS=wasip1 GOARCH=wasm exec go build -trimpath -buildmode=c-shared -ldflags='-s -w' -o "$output" .
