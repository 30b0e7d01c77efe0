#!/bin/sh
# What has to hold before a change lands: any CI can run it, in an image that has dwaar
# and the compiler. The module is built anew, says of the samples what is written down,
# obeys the laws however the bytes arrive, and the configuration loads.
set -eu
cd "$(dirname "$0")"
./build.sh
dwaar plugin test --split all
dwaar validate
