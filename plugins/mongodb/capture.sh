#!/usr/bin/env bash
# Captures the samples: what MongoDB clients send first. Needs nodejs 20.19, npm, whose
# "npm ci" in testdata/clients installs the driver in the version of its lock file, and
# the Debian package python3-pymongo.
source "$(dirname "$0")/../../testdata/capture/lib.sh"
cd "$(dirname "$0")/testdata"
[[ -d clients/node_modules ]] || npm ci --ignore-scripts --no-audit --no-fund --prefix clients

node_() { node clients/connect.js "$@"; }
python_() {
	/usr/bin/python3 -c 'import sys, platform
platform.release = lambda: "6.1.0-28-amd64" # a sample is the same whoever takes it
import pymongo
pymongo.MongoClient(sys.argv[1], serverSelectionTimeoutMS=2000, **eval(sys.argv[2])).admin.command("ping")' "$@"
}
export -f node_ python_

flight samples/node.bin -- bash -c 'node_ "mongodb://$ADDR/"'
flight samples/node-app.bin -- bash -c 'node_ "mongodb://$ADDR/?appName=billing&compressors=zlib"'
# With loadBalanced nothing watches the server: the first connection authenticates.
flight samples/node-user.bin -- bash -c 'node_ "mongodb://alice:secret@$ADDR/planets?loadBalanced=true&appName=billing"'
flight samples/node-user-scram.bin -- bash -c 'node_ "mongodb://alice:secret@$ADDR/planets?loadBalanced=true&authMechanism=SCRAM-SHA-256"'
flight samples/node-api.bin -- bash -c 'node_ "mongodb://$ADDR/?directConnection=true" "{\"serverApi\":\"1\"}"'
flight samples/pymongo.bin -- bash -c 'python_ "mongodb://$ADDR/?appName=report%20of%20M%C3%BCller" "{}"'
flight samples/pymongo-user.bin -- bash -c 'python_ "mongodb://bob:secret@$ADDR/?authSource=users&loadBalanced=true" "{}"'
